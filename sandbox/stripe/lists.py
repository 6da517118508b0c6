"""Reading: one object, and pages of them.

Scope: from a checked query to a page of stored texts. Paths are matched elsewhere.
"""

import json
from bisect import bisect_left

from ..server import Page, Response
from ..store import PARENT, walk
from . import errors
from .catalog import SPECS
from .events import dump
from .expand import expand
from .query import EVENT_FILTERS, Query
from .versions import render, same_shape

NO_MORE, YES_MORE = b'"has_more":false', b'"has_more":true'


def envelope(url, bodies, more):
    flag = YES_MORE if more else NO_MORE
    prefix = b'{"object":"list","url":"%s",%s,"data":[' % (url.encode(), flag)
    return Response(page=Page(prefix, bodies, b"]}", NO_MORE, YES_MORE))


def shown(account, object, entry, version, wishes):
    """An object's text in the version asked for, with the expansions asked for."""
    body = entry.body if same_shape(version, object) else render(entry.body, object, version)
    if wishes and entry.poison is None:
        body = dump(expand(account, json.loads(body), wishes))
    return body


def list_events(account, request):
    query = Query(request.params, EVENT_FILTERS)
    ids, more = account.events.page(query)
    entries = account.events.table.entries
    return envelope("/v1/events", [entries[id].body for id in ids], more)


def list_objects(account, spec, request, version, *, parent=None, preset=None, url=None):
    """A page of a collection. `parent`: of this one only; `preset`: filters given by the path."""
    filters = {name: one for name, one in spec.filters.items() if not preset or name not in preset}
    query = Query(request.params, filters)
    query.values.update(preset or {})
    table = account.table(spec.name)
    if spec.required:
        parent = query.values.pop(spec.required, None)
        if parent is None:
            errors.missing_param(spec.required)
        if parent not in account.table(spec.parent):
            errors.no_such(SPECS[spec.parent].object, parent, spec.required, 400)
    _defaults(spec, query)
    order, skip = table.order, ()
    if parent is not None:
        order = table.members(PARENT, parent)
    else:
        for field in spec.indexed:
            if field in query.values:
                order, skip = table.members(field, query.values[field]), (field,)
                break
    low, high = _bounds(spec, table, order, query, parent)
    ids, more = walk(order, low, max(low, high), query.limit, bool(query.ending_before),
                     _keeper(spec, table, query, skip))
    wishes = _under_data(query.expand)
    bodies = [shown(account, spec.object, table.entries[id], version, wishes) for id in ids]
    return envelope(url or spec.child_path(parent or ""), bodies, more)


def _defaults(spec, query):
    """Filters that hold although nobody asked for them."""
    if spec.name == "tax_ids" and "owner[customer]" not in query.values:
        owner = query.values.setdefault("owner[type]", "self")
        if owner == "customer":
            errors.missing_param("owner[customer]")


def _bounds(spec, table, order, query, parent):
    low, high = query.low(order), query.high(order)
    cursor = query.starting_after or query.ending_before
    if cursor:
        entry = table.get(cursor)
        if entry is None or (parent is not None and entry.parent != parent):
            errors.no_such(spec.object, cursor, query.cursor_name(), 400)
        key = (entry.created, entry.seq, entry.id)
        at = bisect_left(order, key)
        if query.starting_after:
            high = min(high, at)
        else:
            low = max(low, at + (at < len(order) and order[at] == key))
    return low, high


def _keeper(spec, table, query, skip):
    entries = table.entries
    status = query.values.get("status")
    if spec.name == "subscriptions" and status in (None, "all", "ended"):
        tests = query.tests((*skip, "status"))
        if status is None:
            tests.append(lambda facts: facts["status"] != "canceled")
        elif status == "ended":
            tests.append(lambda facts: facts["status"] in ("canceled", "incomplete_expired"))
    else:
        tests = query.tests(skip)
    if not tests:
        return None
    return lambda id: all(test(entries[id].facts) for test in tests)


def _under_data(wishes):
    for wish in wishes:
        if not wish.startswith("data."):
            errors.refuse(
                400, f"This property cannot be expanded ({wish}). You may want to try expanding "
                f"'data.{wish}' instead.", None, "expand[]")
    return [wish[len("data."):] for wish in wishes]


def get_object(account, spec, id, request, version, *, parent=None, preset=None):
    """One object; a deleted customer answers with its stub, anything else deleted is not there."""
    query = Query([pair for pair in request.params if pair[0].startswith("expand")], {})
    strays = [name for name, _ in request.params if not name.startswith("expand")]
    if strays:
        errors.unknown_params(strays)
    entry = account.table(spec.name).get(id)
    if entry is None and spec.stub and id in account.table(spec.name).gone:
        return Response.of_json(account.stub(spec.name, id))
    if entry is None or (parent is not None and entry.parent != parent):
        errors.no_such(spec.object, id)
    for name, value in (preset or {}).items():
        if entry.facts.get(name) != value:
            errors.no_such(spec.object, id)
    return Response(body=shown(account, spec.object, entry, version, query.expand))


def get_event(account, id, request):
    if request.params:
        errors.unknown_params([name for name, _ in request.params])
    event = account.events.find(id)
    if event is None:
        errors.no_such("event", id)
    return Response(body=event.body)
