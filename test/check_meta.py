"""Prints what is wrong with META.json by the PGXN Meta Spec 1.0.0, or where it disagrees with
sequin.control and LICENSE. Prints nothing if all is well."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)([A-Za-z][0-9A-Za-z-]*)?$")
TERM = re.compile(r"[^\s/\\]{2,}$")
KEYS = {
    "name", "version", "abstract", "description", "maintainer", "license", "provides", "prereqs",
    "meta-spec", "tags", "resources", "release_status", "generated_by", "no_index",
}
PHASES = {"configure", "build", "test", "runtime", "develop"}
RELATIONS = {"requires", "recommends", "suggests", "conflicts"}


def is_text(value):
    return isinstance(value, str) and value.strip() != ""


def problems(meta, control):
    for key in ("name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"):
        if key not in meta:
            yield f"{key} is missing"
            return
    for key in meta:
        if key not in KEYS and not key.lower().startswith("x_"):
            yield f"{key} is no key of the spec"
    if not (is_text(meta["name"]) and TERM.match(meta["name"])):
        yield "name is no term"
    for key in ("abstract", "description", "generated_by"):
        if key in meta and not is_text(meta[key]):
            yield f"{key} is empty"
    people = meta["maintainer"] if isinstance(meta["maintainer"], list) else [meta["maintainer"]]
    if not people or not all(is_text(name) for name in people):
        yield "maintainer is empty"
    if meta["license"] != "postgresql":
        yield "license is not postgresql"
    spec = meta["meta-spec"]
    if spec.get("version") != "1.0.0":
        yield "meta-spec.version is not 1.0.0"
    if spec.get("url", "https://pgxn.org/meta/spec.txt") != "https://pgxn.org/meta/spec.txt":
        yield "meta-spec.url is not the spec's"
    for tag in meta.get("tags", []):
        if not (is_text(tag) and len(tag) < 256 and not re.search(r"[/\\]", tag)):
            yield f"tag {tag!r} is not allowed"
    yield from version_problems(meta, control)
    yield from prereq_problems(meta.get("prereqs", {}))


def version_problems(meta, control):
    version = re.search(r"^default_version *= *'(.*)'", control, re.M).group(1)
    if not SEMANTIC.match(version):
        yield f"default_version {version!r} is no semantic version"
    if meta["version"] != version:
        yield f"version is {meta['version']}, sequin.control says {version}"
    if "sequin" not in meta["provides"]:
        yield "provides does not name sequin"
    for name, provided in meta["provides"].items():
        if provided.get("version") != version:
            yield f"provides.{name}.version is not {version}"
        if not (ROOT / provided.get("file", "?")).exists():
            yield f"provides.{name}.file does not exist"
        if "abstract" in provided and not is_text(provided["abstract"]):
            yield f"provides.{name}.abstract is empty"


def prereq_problems(prereqs):
    for phase, relations in prereqs.items():
        if phase not in PHASES and not phase.lower().startswith("x_"):
            yield f"prereqs.{phase} is no phase"
        for relation, needed in relations.items():
            if relation not in RELATIONS and not relation.lower().startswith("x_"):
                yield f"prereqs.{phase}.{relation} is no relation"
            for name, wanted in needed.items():
                version = re.sub(r"^(==|!=|>=|<=|>|<) *", "", str(wanted))
                if wanted != 0 and not SEMANTIC.match(version):
                    yield f"prereqs.{phase}.{relation}.{name}: {wanted!r} is no version"


meta = json.loads((ROOT / "META.json").read_text())
for problem in problems(meta, (ROOT / "sequin.control").read_text()):
    print(problem)
