"""What an older API version makes of an object.

Scope: the changes of version 2025-03-31 to subscriptions and invoices, so that a snapshot in an
event of an account with an older version has another shape than the object read with a newer one.
"""

import datetime
import json
import re

CURRENT = "2026-06-24.dahlia"
BASIL = "2025-03-31"
FIRST_NAMED = "2024-09-30"
NAMES = ("acacia", "basil", "clover", "dahlia", "endive")
FORM = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:\.([a-z]+))?$")
CHANGED = ("subscription", "invoice")


def known_form(version):
    """A date, and from the first named release on a name behind it."""
    match = FORM.match(version)
    if match is None:
        return False
    try:
        datetime.date(*(int(part) for part in match.groups()[:3]))
    except ValueError:
        return False
    if version[:10] < FIRST_NAMED:
        return match.group(4) is None and version >= "2011-01-01"
    return match.group(4) in (*NAMES, "preview")


def same_shape(version, object):
    return object not in CHANGED or version[:10] >= BASIL


def downgrade(doc):
    """The document as it looked before BASIL."""
    if doc.get("object") == "subscription":
        items = doc["items"]["data"]
        for member in ("current_period_start", "current_period_end"):
            doc[member] = items[0][member] if items else doc["created"]
            for item in items:
                item.pop(member, None)
    elif doc.get("object") == "invoice":
        parent = doc.pop("parent", None)
        doc["subscription"] = parent["subscription_details"]["subscription"] if parent else None
        doc["paid"] = doc["status"] == "paid"
    return doc


def render(body, object, version):
    """A stored text as this version shows it."""
    if same_shape(version, object):
        return body
    try:
        doc = json.loads(body)
    except ValueError:  # a fault was planted in it
        return body
    return json.dumps(downgrade(doc), separators=(",", ":"), ensure_ascii=False).encode()
