"""The admin door's verbs that concern data.

Scope: load, create, update, delete, changes, truth, accounts, settings. Wishes that make no sense
raise ValueError, which the door answers with 400.
"""

import json

from ..faults import POISON
from ..server import Response
from . import changes, transitions
from .catalog import lookup

MANY = 1000


class Doors:
    def _account(self, body):
        """The account named by id or key, by default the first key's."""
        wanted = body.pop("account", None)
        if wanted is None:
            return self.keys[self.first_keys[0]].account
        for key in self.keys.values():
            if wanted in (key.text, key.account.id):
                return key.account
        raise ValueError(f"no account {wanted}")

    @staticmethod
    def _spec(body):
        word = body.pop("collection")
        spec = lookup(word)
        if spec is None:
            raise ValueError(f"no collection {word}")
        return spec

    @staticmethod
    def _entry(account, spec, id):
        entry = account.table(spec.name).get(id)
        if entry is None:
            raise ValueError(f"no {spec.object} {id}")
        return entry

    @staticmethod
    def _only(body, *names):
        for name in body:
            if name not in names:
                raise ValueError(f"unknown key {name}")

    def admin_load(self, body):
        self._only(body, "account", "collection", "count", "spread_days", "seed", "same_second",
                   "events")
        account = self._account(body)
        if body["collection"] == "world":
            body.pop("collection")
            name = "world"
        else:
            name = self._spec(body).name
        return {"loaded": changes.load(account, name, int(body.pop("count")), **body)}

    def admin_create(self, body):
        """One object; `set` overrides members, children need a `parent`; `created` dates it."""
        self._only(body, "account", "collection", "set", "parent", "created", "id", "events")
        account, spec = self._account(body), self._spec(body)
        if spec.parent and not body.get("parent"):
            raise ValueError(f"{spec.name} need a parent")
        if body.get("id") and account.table(spec.name).known(body["id"]):
            raise ValueError(f"{body['id']} exists already")
        wish = body.get("set") or {}
        created = body.get("created")

        def shape(doc, children, _maker):
            doc.update(wish)
            return children

        entry = account.create(spec.name,
                               created=created,
                               parent=body.get("parent"),
                               id=body.get("id"),
                               shape=shape,
                               events=body.get("events", True))
        return Response(body=account.table(spec.name).entries[entry.id].text())

    def admin_update(self, body):
        """`set` replaces members, `do` names a transition, `poison` plants a bad value.

        `events`: types instead of the usual ones, false for none.
        """
        self._only(body, "account", "collection", "id", "set", "do", "poison", "events")
        account, spec = self._account(body), self._spec(body)
        entry = self._entry(account, spec, body["id"])
        if "do" in body:
            known = transitions.TRANSITIONS.get(spec.name, {})
            if body["do"] not in known:
                raise ValueError(f"{spec.name} know {', '.join(known) or 'nothing'}")
            if not known[body["do"]].possible(json.loads(entry.text())):
                raise ValueError(f"{body['do']} is not possible now")
            transitions.perform(account, spec.name, body["do"], entry.id)
        elif "poison" in body:
            if body["poison"] not in POISON:
                raise ValueError(f"poisons are {', '.join(POISON)}")
            account.taint(spec.name,
                          entry.id,
                          body["poison"],
                          events=body.get("events", True) is not False)
        else:
            events = body.get("events")
            types = () if events is False else None if events in (None, True) else tuple(events)
            account.change(spec.name, entry.id, lambda doc: doc.update(body["set"]), types)
        return Response(body=entry.text())

    def admin_delete(self, body):
        """Removes an object although the API might not; `events`: false keeps it silent."""
        self._only(body, "account", "collection", "id", "events")
        account, spec = self._account(body), self._spec(body)
        self._entry(account, spec, body["id"])
        account.delete(spec.name, body["id"], events=body.get("events", True))
        return {"deleted": body["id"]}

    def admin_changes(self, body):
        """`count` random changes; `mix` weighs create, update, delete and `collections`."""
        self._only(body, "account", "count", "seed", "mix")
        account = self._account(body)
        batch = changes.Batch(account, body.get("seed", 0), body.get("mix"))
        done = batch.run(int(body["count"]))
        return {"done": len(done), "changes": done[:MANY]}

    def admin_truth(self, body):
        """All there is and was of a collection: documents, deleted ids, every version's document.

        `versions`: false leaves the versions out; `ids` asks for some only.
        """
        self._only(body, "account", "collection", "versions", "ids")
        account = self._account(body)
        if body["collection"] == "events":
            account.events.settle()
            table = account.events.table
        else:
            table = account.table(self._spec(body).name)
        wanted = body.get("ids")
        chosen = {id: entry for id, entry in table.all().items() if wanted is None or id in wanted}
        live = [entry for entry in chosen.values() if not entry.deleted]
        parts = [
            b'{"count":%d,"objects":{' % len(live),
            b",".join(b'"%s":%s' % (entry.id.encode(), entry.text())
                      for entry in live), b'},"deleted":',
            json.dumps([id for id, entry in chosen.items() if entry.deleted]).encode(),
            b',"poisoned":',
            json.dumps({entry.id: entry.poison
                        for entry in live if entry.poison}).encode()
        ]
        if body.get("versions", True):
            parts += [
                b',"versions":{',
                b",".join(b'"%s":[%s]' % (id.encode(), b",".join(entry.versions()))
                          for id, entry in chosen.items()), b"}"
            ]
        return Response(body=b"".join(parts) + b"}")

    def admin_accounts(self, body):
        """Adds, revokes, expires and restores keys; without a wish it lists them."""
        self._only(body, "add", "revoke", "expire", "restore")
        for wish in body.get("add", ()):
            wish = {"key": wish} if isinstance(wish, str) else dict(wish)
            self._only(wish, "key", "account", "deny")
            same = self._account(wish) if "account" in wish else None
            self.add_key(wish["key"], same, deny=wish.get("deny", ()))
        for verb, state in (("revoke", "revoked"), ("expire", "expired"), ("restore", "active")):
            for text in body.get(verb, ()):
                self.keys[text].state = state
        keys = list(self.keys.values())[:MANY]
        return {
            "keys": [{
                "key": key.text, "account": key.account.id, "state": key.state, "deny":
                sorted(key.deny)
            } for key in keys], "count":
            len(self.keys)
        }

    def admin_settings(self, body):
        """`api_version`: in which version the account's events are frozen from now on."""
        self._only(body, "account", "api_version")
        account = self._account(body)
        if "api_version" in body:
            account.api_version = str(body["api_version"])
        return {
            "account": account.id, "api_version": account.api_version, "livemode": account.livemode
        }

    def data_stats(self):
        return {
            key.account.id: {
                "events": len(key.account.events.table), **{
                    name: len(table)
                    for name, table in key.account.tables.items() if len(table) or table.gone
                }
            }
            for key in list(self.keys.values())[:MANY]
        }
