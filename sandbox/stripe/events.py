"""The feed of changes.

Scope: making events, holding them back, the 30-day horizon, and their lists. Which change makes
which event is decided by the collections and transitions.
"""

import json
import re
from bisect import bisect_left, insort

from ..store import Table, walk
from . import errors
from .versions import render

HORIZON = 30 * 86400
MAX_TYPES = 20
TYPE_FORM = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+$")
WILD_FORM = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*\.\*$|\*$")


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def difference(old, new):
    """Members of `new` that differ, with their old values; objects member by member."""
    found = {}
    for key in {**old, **new}:
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict) and before.get("object") is None:
            found[key] = difference(before, after)
        else:
            found[key] = before
    return found


class Event:
    """One event. Its text is put together when asked for; the snapshot is shared with the store."""

    __slots__ = ("id", "created", "seq", "type", "visible_at", "_head", "_snapshot", "_tail",
                 "parent", "facts", "deleted", "poison")

    def __init__(self, id, created, seq, type, visible_at, head, snapshot, tail):
        self.id = id
        self.created = created
        self.seq = seq
        self.type = type
        self.visible_at = visible_at
        self._head = head
        self._snapshot = snapshot
        self._tail = tail
        self.parent = self.poison = None
        self.facts = {}
        self.deleted = False

    @property
    def body(self):
        return self._head + self._snapshot + self._tail

    def versions(self):
        return [self.body]

    def text(self):
        return self.body


class Events:
    """All events of an account."""
    def __init__(self, account):
        self.account = account
        self.table = Table()
        self.hidden = []

    def emit(self, type, object, body, created=None, previous=None):
        account = self.account
        now = account.clock.now()
        moment = int(now) if created is None else created
        id = account.fresh("evt_", 24, self.table)
        head = (f'{{"id":"{id}","object":"event","api_version":"{account.api_version}",'
                f'"created":{moment},"data":{{"object":').encode()
        tail = b""
        if previous is not None:
            tail = b',"previous_attributes":' + dump(previous)
        live = "true" if account.livemode else "false"
        tail += (f'}},"livemode":{live},"pending_webhooks":0,'
                 f'"request":{json.dumps(account.cause)},"type":"{type}"}}').encode()
        delay = account.app.faults.event_delay(type)
        event = Event(id, moment, account.next_seq(), type, now + delay, head,
                      render(body, object, account.api_version), tail)
        if delay:
            insort(self.hidden, (event.visible_at, event.seq, event))
        else:
            self.table.insert(event)
        return event

    def settle(self):
        """Lets late events appear whose time has come, at the place their `created` gives them."""
        now = self.account.clock.now()
        while self.hidden and self.hidden[0][0] <= now:
            self.table.insert(self.hidden.pop(0)[2])

    def horizon(self):
        return self.account.clock.seconds() - HORIZON

    def find(self, id):
        """A visible event that is not too old, or None."""
        self.settle()
        event = self.table.get(id)
        return event if event is not None and event.created >= self.horizon() else None

    def page(self, query):
        """Ids of one page, newest first, and whether there are more."""
        self.settle()
        order = self.table.order
        low = max(bisect_left(order, (self.horizon(),)), query.low(order))
        high = query.high(order)
        cursor = query.starting_after or query.ending_before
        if cursor:
            event = self.find(cursor)
            if event is None:
                errors.no_such("event", cursor, query.cursor_name(), 400)
            at = bisect_left(order, (event.created, event.seq, event.id))
            if query.starting_after:
                high = min(high, at)
            else:
                low = max(low, at + 1)
        entries = self.table.entries
        wanted = type_test(query.values)
        keep = (lambda id: wanted(entries[id].type)) if wanted else None
        return walk(order, low, max(low, high), query.limit, bool(query.ending_before), keep)


def type_test(values):
    """A test of an event's type from `type` and `types[]`, or None when all are wanted."""
    single, several = values.get("type"), values.get("types")
    if single is not None and several is not None:
        errors.exclusive("type", "types")
    if single is not None:
        if not (TYPE_FORM.match(single) or WILD_FORM.match(single)):
            errors.refuse(400, f"Invalid type: {single}", None, "type")
        if single.endswith("*"):
            return None if single == "*" else lambda type: type.startswith(single[:-1])
        return lambda type: type == single
    if several is None:
        return None
    if len(several) > MAX_TYPES:
        errors.refuse(400, f"You may only specify up to {MAX_TYPES} types.", None, "types")
    for one in several:
        if not TYPE_FORM.match(one):
            errors.refuse(400, f"Invalid types: {one}", None, "types")
    chosen = frozenset(several)
    return lambda type: type in chosen
