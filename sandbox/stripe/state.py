"""One account's objects and how they change.

Scope: create, change and delete with everything that follows: versions, nested lists of parents,
events, cascades. It serves tests' wishes and API writes alike and checks no parameters.
"""

import json
import random

from ..app import LETTERS
from ..faults import splice
from ..store import PARENT, Entry, Table
from . import parents
from .catalog import CHILDREN, SPECS, creation_events, facts
from .events import Events, difference, dump
from .maker import Maker
from .objects import FACTORIES
from .objects.people import account as make_account
from .versions import CURRENT

NESTED_MAX = 10
POISON_ANCHOR = b'"metadata":{'
NO_CAUSE = {"id": None, "idempotency_key": None}


class Account:
    def __init__(self, app, key, seed):
        self.app = app
        self.clock = app.clock
        self.seed = seed
        self.livemode = key.startswith(("sk_live_", "rk_live_"))
        self.api_version = CURRENT
        self.random = random.Random(f"account:{seed}:{key}")
        self.seq = 0
        self.cause = NO_CAUSE
        self.tables = {}
        self.answers = {}
        self.id = "acct_" + "".join(self.random.choices(LETTERS, k=16))
        self.events = Events(self)
        self.profile = make_account(Maker(self, self.random), self.id)

    def spec(self, name):
        return SPECS[name]

    def table(self, name):
        if name not in self.tables:
            self.tables[name] = Table(SPECS[name].indexed)
        return self.tables[name]

    def next_seq(self):
        self.seq += 1
        return self.seq

    def fresh(self, prefix, length, table, source=None):
        """An id that was never used in this table."""
        source = source or self.random
        while True:
            id = prefix + "".join(source.choices(LETTERS, k=length))
            if not table.known(id):
                return id

    def document(self, name, id):
        return json.loads(self.table(name).entries[id].text())

    def maker(self, source=None, created=None, parent=None):
        maker = Maker(self, source or self.random)
        maker.parent = parent
        if created is not None:
            maker.created = created
        return maker

    def create(self,
               name,
               source=None,
               created=None,
               parent=None,
               shape=None,
               events=True,
               id=None):
        """A new object. `shape` may alter the document before it is stored; returns its entry.

        A child needs its parent's id, and makes a new version of the parent.
        """
        spec, table = SPECS[name], self.table(name)
        parent_doc = self.document(spec.parent, parent) if parent and spec.parent else None
        if parent and not spec.parent:
            parent_doc = self.document("customers", parent)
        maker = self.maker(source, created, parent_doc)
        id = id or self.fresh(spec.prefix, spec.length, table, source)
        made = FACTORIES[name](maker, id)
        doc, children = made if isinstance(made, tuple) else (made, [])
        if shape is not None:
            children = shape(doc, children, maker) or children
        for child_name, docs in children:
            for child in docs:
                self._store(SPECS[child_name], child, id, maker.created)
        for child in CHILDREN.get(name, ()):
            if child.nested:
                doc[child.nested] = self.nested_list(child, id)
        entry = self._store(spec, doc, parent if spec.parent else None, maker.created)
        moment = None if created is None else entry.created
        if events and (moment is None or moment >= self.events.horizon()):
            for type in creation_events(spec, doc):
                self.emit(type, name, entry, moment)
        if spec.parent and parent:
            self.touch_parent(spec, entry, "create", doc, events)
        return entry

    def _store(self, spec, doc, parent, created):
        entry = Entry(doc["id"], doc.get("created", created), self.next_seq(), dump(doc),
                      facts(spec, doc), parent)
        self.table(spec.name).insert(entry)
        return entry

    def nested_list(self, child, parent):
        """The list object that a parent carries: its newest ten, and where the rest is."""
        table = self.table(child.name)
        members = table.members(PARENT, parent)
        url = child.child_path(parent)
        if "{parent}" not in child.path:
            url += f"?{child.parent_field}={parent}"
        newest = [json.loads(table.entries[key[2]].text()) for key in members[:-NESTED_MAX - 1:-1]]
        return {
            "object": "list", "data": newest, "has_more": len(members) > NESTED_MAX, "total_count":
            len(members), "url": url
        }

    def touch_parent(self, spec, entry, what, doc, events=True):
        """What a changed child does to its parent."""
        parent = self.table(spec.parent).get(entry.parent)
        if parent is None:
            return
        types = []

        def apply(parent_doc):
            types.extend(parents.TOUCH[spec.name](parent_doc, what, doc))
            if spec.nested:
                parent_doc[spec.nested] = self.nested_list(spec, entry.parent)

        self.change(spec.parent, entry.parent, apply, types if events else (), certain=True)

    def change(self, name, id, apply, types=None, certain=False):
        """A new version, if `apply` alters the document. `types`: the events, by default the usual.

        `certain`: tell of it although the document is the same, since a child beyond those that it
        carries has changed.
        """
        spec, table = SPECS[name], self.table(name)
        entry = table.entries[id]
        old, doc = json.loads(entry.text()), json.loads(entry.text())
        apply(doc)
        types = spec.on_update if types is None else types
        changed = doc != old or entry.poison is not None
        if changed and "updated" in doc:
            doc["updated"] = self.clock.seconds()
        if changed:
            table.replace(entry, dump(doc), facts(spec, doc))
        for type in types:
            if type.endswith("updated"):
                if changed or certain:
                    self.emit(type, name, entry, previous=difference(old, doc))
            else:
                self.emit(type, name, entry)
        if changed and spec.parent and spec.name in parents.FOLLOWS:
            self.touch_parent(spec, entry, "update", doc)
        return entry

    def delete(self, name, id, events=True):
        """Removes the object and what cannot be without it."""
        spec, table = SPECS[name], self.table(name)
        entry = table.entries[id]
        if name == "customers":
            self._leave_customer(id)
        for child in CHILDREN.get(name, ()):
            rest = self.table(child.name)
            for key in list(rest.members(PARENT, id)):
                rest.remove(rest.entries[key[2]])
        table.remove(entry)
        if events:
            for type in spec.on_delete:
                self.emit(type, name, entry)
        if spec.parent:
            self.touch_parent(spec, entry, "delete", json.loads(entry.text()), events)
        return entry

    def _leave_customer(self, id):
        """A deleted customer's subscriptions end, its cards are let go, its tax ids go with it."""
        for _, _, key in list(self.table("subscriptions").members("customer", id)):
            if self.table("subscriptions").entries[key].facts["status"] != "canceled":
                self.change("subscriptions", key,
                            lambda doc: parents.cancel(doc, self.clock.seconds()),
                            ("customer.subscription.deleted",))
        for _, _, key in list(self.table("payment_methods").members("customer", id)):
            self.change("payment_methods", key, lambda doc: doc.update(customer=None),
                        ("payment_method.detached",))
        for _, _, key in list(self.table("tax_ids").members("owner[customer]", id)):
            self.delete("tax_ids", key)

    def emit(self, type, name, entry, created=None, previous=None):
        return self.events.emit(type, SPECS[name].object, entry.body, created, previous)

    def taint(self, name, id, kind, events=True):
        """Plants a bad value in a stored object, where it stays until the object's next version."""
        entry = self.table(name).entries[id]
        entry.taint(splice(entry.text(), kind, POISON_ANCHOR), kind)
        if events:
            for type in SPECS[name].on_update:
                self.emit(type, name, entry, previous={"metadata": {}})
        return entry

    def stub(self, name, id):
        return {"id": id, "object": SPECS[name].object, "deleted": True}
