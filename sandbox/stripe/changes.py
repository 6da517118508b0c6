"""A world of objects, and random change in it.

Scope: bulk loading and batches of random changes, both following a seed.
"""

import json
import random

from .catalog import SPECS
from .transitions import TRANSITIONS, perform

# How many objects come with 100 customers, in the order in which they refer to each other.
WORLD = {
    "customers": 100,
    "products": 10,
    "prices": 20,
    "plans": 5,
    "coupons": 5,
    "promotion_codes": 5,
    "tax_rates": 5,
    "shipping_rates": 3,
    "accounts": 5,
    "payment_methods": 120,
    "balance_transactions": 80,
    "payment_intents": 80,
    "charges": 80,
    "refunds": 10,
    "disputes": 3,
    "setup_intents": 20,
    "subscriptions": 60,
    "subscription_schedules": 5,
    "invoices": 80,
    "invoiceitems": 20,
    "invoice_payments": 40,
    "credit_notes": 6,
    "quotes": 6,
    "payment_links": 4,
    "checkout_sessions": 20,
    "tax_ids": 20,
    "payouts": 10,
    "transfers": 10,
    "topups": 4,
    "application_fees": 6,
    "reviews": 4,
    "early_fraud_warnings": 3,
    "files": 8,
    "issuing_cardholders": 5,
    "issuing_cards": 6,
    "issuing_authorizations": 10,
    "issuing_transactions": 10,
    "issuing_disputes": 3,
    "customer_balance_transactions": 10,
}
DAY = 86400
MIX = {"create": 2, "update": 6, "delete": 1}
TRIES = 12


def load(account, collection, count, spread_days=90, seed=0, same_second=False, events=True):
    """Adds `count` objects, created evenly at random over the last days; says how many.

    `world` loads every collection in proportion. Events of what is younger than their horizon are
    made as of then, so load before a client starts to follow the feed.
    """
    if collection == "world":
        done = {}
        for name, share in WORLD.items():
            done.update(
                load(account, name, max(1, round(count * share / 100)), spread_days, seed,
                     same_second, events))
        return done
    spec = SPECS[collection]
    source = random.Random(f"load:{account.seed}:{collection}:{seed}")
    now = account.clock.seconds()
    start = now - int(spread_days * DAY)
    moments = sorted(source.randint(start, now) for _ in range(count))
    if same_second:
        moments = [moments[0]] * count if moments else []
    for moment in moments:
        parent = _some_parent(account, spec, source)
        account.create(collection, source, None if parent else moment, parent=parent, events=events)
    return {collection: count}


def _some_parent(account, spec, source):
    if not spec.parent:
        return None
    order = account.table(spec.parent).order
    if not order:
        return account.create(spec.parent, source).id
    return order[source.randrange(len(order))][2]


def deletable(account, collection, entry):
    """Whether the API would delete this object."""
    spec = SPECS[collection]
    if spec.deletes == "draft":
        return entry.facts.get("status") == "draft"
    if collection == "products":
        return not account.table("prices").members("product", entry.id)
    if collection == "subscription_items":
        return len(account.table(collection).members("_parent", entry.parent)) > 1
    return spec.deletes == "hard"


class Batch:
    """Random changes. `mix` weighs create, update, delete and, in `collections`, who changes."""
    def __init__(self, account, seed, mix):
        self.account = account
        self.source = random.Random(f"changes:{account.seed}:{seed}")
        mix = dict(mix or {})
        chosen = mix.pop("collections", None)
        if isinstance(chosen, list):
            chosen = {name: 1 for name in chosen}
        self.names = self._names(chosen)
        for operation in mix:
            if operation not in MIX:
                raise ValueError(f"unknown operation {operation} in mix")
        self.mix = {**dict.fromkeys(MIX, 0), **mix} if mix else dict(MIX)
        self.done = []

    def _names(self, chosen):
        if chosen is None:
            chosen = {name: WORLD.get(name, 5) for name in SPECS if len(self.account.table(name))}
        for name in chosen:
            if name not in SPECS:
                raise ValueError(f"unknown collection {name}")
        return {name: weight for name, weight in chosen.items() if weight}

    def run(self, count):
        """Makes `count` changes, or fewer where nothing can change; returns what was done."""
        if not self.names:
            return []
        names, weights = list(self.names), list(self.names.values())
        attempts = 0
        while len(self.done) < count and attempts < count * TRIES:
            attempts += 1
            name = self.source.choices(names, weights)[0]
            operation = self.source.choices(list(self.mix), list(self.mix.values()))[0]
            found = getattr(self, "_" + operation)(name)
            if found is not None:
                self.done.append({"collection": name, "operation": found[0], "id": found[1]})
        return self.done

    def _create(self, name):
        parent = _some_parent(self.account, SPECS[name], self.source)
        return "create", self.account.create(name, self.source, parent=parent).id

    def _update(self, name):
        entry = self._any(name)
        if entry is None or name not in TRANSITIONS:
            return None
        doc = json.loads(entry.text())
        able = [one for one in TRANSITIONS[name].values() if one.weight and one.possible(doc)]
        if not able:
            return None
        chosen = self.source.choices(able, [one.weight for one in able])[0]
        perform(self.account, name, chosen.name, entry.id, self.source)
        return chosen.name, entry.id

    def _delete(self, name):
        for _ in range(TRIES):
            entry = self._any(name)
            if entry is not None and deletable(self.account, name, entry):
                self.account.delete(name, entry.id)
                return "delete", entry.id
        return None

    def _any(self, name):
        order = self.account.table(name).order
        return self.account.table(name).entries[order[self.source.randrange(
            len(order))][2]] if order else None
