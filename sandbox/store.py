"""Versioned objects in creation order: what a stand-in holds to be true.

Scope: tables of serialised objects. A table keeps every version's text, the objects that were
deleted, and sorted positions by (created, order of arrival) for the whole and for each indexed
value, so that a page costs a binary search and a join. It knows nothing of any provider.
"""

from bisect import bisect_left, insort

PARENT = "_parent"


class Entry:
    """One object: its current text, the earlier ones, and the facts its lists are filtered by.

    `clean` is the text without a planted fault, while `body` carries one.
    """

    __slots__ = ("id", "created", "seq", "body", "clean", "poison", "older", "facts", "parent",
                 "deleted")

    def __init__(self, id, created, seq, body, facts, parent=None):
        self.id = id
        self.created = created
        self.seq = seq
        self.body = body
        self.clean = None
        self.poison = None
        self.older = None
        self.facts = facts
        self.parent = parent
        self.deleted = False

    def text(self):
        return self.clean if self.clean is not None else self.body

    def replace(self, body, facts):
        self._keep()
        self.body = body
        self.facts = facts
        self.clean = self.poison = None

    def taint(self, body, kind):
        self._keep()
        self.clean = self.text()
        self.body = body
        self.poison = kind

    def _keep(self):
        if self.older is None:
            self.older = []
        self.older.append(self._shown())

    def _shown(self):
        """A version as the truth shows it: a planted fault would make that answer unreadable."""
        return self.body if self.poison is None else b'{"$poison":"%s"}' % self.poison.encode()

    def versions(self):
        return [*(self.older or ()), self._shown()] + ([b"null"] if self.deleted else [])


class Table:
    def __init__(self, indexed=()):
        self.indexed = indexed
        self.entries = {}
        self.order = []
        self.partitions = {}
        self.gone = {}

    def __len__(self):
        return len(self.order)

    def __contains__(self, id):
        return id in self.entries

    def get(self, id):
        return self.entries.get(id)

    def known(self, id):
        return id in self.entries or id in self.gone

    def insert(self, entry):
        self.entries[entry.id] = entry
        self._place(self.order, entry)
        for field in self.indexed:
            self._join(field, self._value(entry, field), entry)

    def replace(self, entry, body, facts):
        """A new version; the object moves between partitions if an indexed value changed."""
        before = {field: self._value(entry, field) for field in self.indexed}
        entry.replace(body, facts)
        for field, old in before.items():
            new = self._value(entry, field)
            if new != old:
                self._leave(field, old, entry)
                self._join(field, new, entry)

    def remove(self, entry):
        del self.entries[entry.id]
        self._unplace(self.order, entry)
        for field in self.indexed:
            self._leave(field, self._value(entry, field), entry)
        entry.deleted = True
        self.gone[entry.id] = entry

    def members(self, field, value):
        """Positions of the objects with this indexed value, oldest first."""
        return self.partitions.get((field, value), [])

    def all(self):
        """Every object there ever was, by id."""
        return {**self.gone, **self.entries}

    @staticmethod
    def _value(entry, field):
        return entry.parent if field == PARENT else entry.facts.get(field)

    def _join(self, field, value, entry):
        if value is not None:
            self._place(self.partitions.setdefault((field, value), []), entry)

    def _leave(self, field, value, entry):
        if value is not None:
            self._unplace(self.partitions[(field, value)], entry)

    @staticmethod
    def _place(order, entry):
        key = (entry.created, entry.seq, entry.id)
        if not order or order[-1] < key:
            order.append(key)
        else:
            insort(order, key)

    @staticmethod
    def _unplace(order, entry):
        del order[bisect_left(order, (entry.created, entry.seq, entry.id))]


def walk(order, low, high, limit, forward, keep):
    """Up to `limit` ids of order[low:high] that `keep` accepts, newest first, and if there is more.

    Backward (the usual way) starts at the newest; forward starts at the oldest, and the page is
    still newest first.
    """
    span = range(low, high) if forward else range(high - 1, low - 1, -1)
    if keep is None:
        ids = [order[at][2] for at in span[:limit]]
        more = len(span) > limit
    else:
        ids, more = [], False
        for at in span:
            if keep(order[at][2]):
                if len(ids) == limit:
                    more = True
                    break
                ids.append(order[at][2])
    return (ids[::-1] if forward else ids), more
