"""From method and path to what is done.

Scope: the table of paths. Unknown ones are refused as the API does.
"""

import re

from ..server import Response
from . import errors, lists, writes
from .catalog import SPECS
from .events import dump

OF_PATH = {spec.path: spec for spec in SPECS.values() if "{parent}" not in spec.path}
CHILD = [(re.compile("^" + spec.path.replace("{parent}", "([^/]+)") + "(?:/([^/]+))?$"), spec)
         for spec in SPECS.values() if "{parent}" in spec.path]
# Lists below an object that hold another collection's objects: (collection, filters by parent).
VIEWS = [
    (re.compile(r"^/v1/customers/([^/]+)/payment_methods(?:/([^/]+))?$"), "customers",
     "payment_methods", lambda id: {"customer": id}),
    (re.compile(r"^/v1/customers/([^/]+)/tax_ids(?:/([^/]+))?$"), "customers", "tax_ids",
     lambda id: {"owner[customer]": id, "owner[type]": "customer"}),
    (re.compile(r"^/v1/customers/([^/]+)/subscriptions(?:/([^/]+))?$"), "customers",
     "subscriptions", lambda id: {"customer": id}),
    (re.compile(r"^/v1/charges/([^/]+)/refunds(?:/([^/]+))?$"), "charges", "refunds",
     lambda id: {"charge": id}),
]
EVENTS = "/v1/events"
STATIC = {part
          for spec in SPECS.values() for part in spec.path.split("/")} | {
              "account", "balance", "events", "payment_methods", "tax_ids", "subscriptions",
              "refunds", *(verb for verbs in writes.ACTIONS.values() for verb in verbs)
          }


def endpoint(request):
    """The path with its ids left out: what an endpoint's limit counts."""
    parts = [part if part in STATIC else ":id" for part in request.path.split("/")]
    return request.method + " " + "/".join(parts)


def dispatch(account, request, version):
    path = request.path
    if request.method in ("GET", "HEAD"):
        return _read(account, request, path, version)
    if request.method == "POST":
        return _write(account, request, path)
    if request.method == "DELETE":
        return _delete(account, request, path)
    return errors.unknown_url(request.method, path)


def _read(account, request, path, version):
    spec = OF_PATH.get(path)
    if spec is not None:
        return lists.list_objects(account, spec, request, version)
    if path == EVENTS:
        return lists.list_events(account, request)
    if path in ("/v1/account", "/v1/accounts/" + account.id):
        return Response(body=dump(account.profile))
    if path == "/v1/balance":
        money = {"amount": 0, "currency": "usd", "source_types": {"card": 0}}
        return Response(body=dump({
            "object": "balance", "available": [money], "livemode": account.livemode, "pending":
            [money]
        }))
    base, _, id = path.rpartition("/")
    if base == EVENTS:
        return lists.get_event(account, id, request)
    if base in OF_PATH and OF_PATH[base].single:
        return lists.get_object(account, OF_PATH[base], id, request, version)
    return _read_below(account, request, path, version)


def _read_below(account, request, path, version):
    for pattern, spec in CHILD:
        found = pattern.match(path)
        if found and (spec.single or found[2] is None):
            writes.existing(account, SPECS[spec.parent], found[1])
            if found[2] is not None:
                return lists.get_object(account, spec, found[2], request, version, parent=found[1])
            return lists.list_objects(account, spec, request, version, parent=found[1])
    for pattern, owner, name, preset in VIEWS:
        found = pattern.match(path)
        if found:
            writes.existing(account, SPECS[owner], found[1])
            if found[2] is not None:
                return lists.get_object(account,
                                        SPECS[name],
                                        found[2],
                                        request,
                                        version,
                                        preset=preset(found[1]))
            return lists.list_objects(account,
                                      SPECS[name],
                                      request,
                                      version,
                                      preset=preset(found[1]),
                                      url=path)
    return errors.unknown_url(request.method, path)


def _write(account, request, path):
    spec = OF_PATH.get(path)
    if spec is not None:
        return writes.create(account, spec, request)
    base, _, last = path.rpartition("/")
    if base in OF_PATH and OF_PATH[base].single:
        return writes.update(account, OF_PATH[base], last, request)
    above, _, id = base.rpartition("/")
    spec = OF_PATH.get(above)
    if spec is not None and last in writes.ACTIONS.get(spec.name, ()):
        return writes.act(account, spec, id, last, request)
    for pattern, child in CHILD:
        found = pattern.match(path)
        if found:
            writes.existing(account, SPECS[child.parent], found[1])
            if found[2] is not None:
                return writes.update(account, child, found[2], request, parent=found[1])
            return writes.create(account, child, request, parent=found[1])
    if above == "/v1/customers" and last == "tax_ids":
        writes.existing(account, SPECS["customers"], id)
        return writes.create(account, SPECS["tax_ids"], request, parent=id)
    return errors.unknown_url(request.method, path)


def _delete(account, request, path):
    base, _, id = path.rpartition("/")
    if base in OF_PATH:
        return writes.delete(account, OF_PATH[base], id, request)
    found = VIEWS[1][0].match(path)
    if found and found[2]:
        writes.existing(account, SPECS["customers"], found[1])
        return writes.delete(account, SPECS["tax_ids"], found[2], request)
    return errors.unknown_url(request.method, path)
