"""Random trouble from a seed: an API that goes wrong, objects that change, processes that die.

A storm is a list of steps, made from the seed alone and before anything runs, so that a seed names
the same steps every time. What they meet depends on the moment.
"""

import random
import signal
import time

import psycopg
from cluster import wait_until

# What may be filtered out without anybody noticing must not be: only these lists come without a filter.
UNFILTERED = r"^/v1/(customers|products|prices|coupons|invoices)\?"
LATEST_S = 3
FAULTS = [
    # weight, fault; what is given as a range is drawn
    (6, {"kind": "500"}),
    (3, {"kind": "503"}),
    (4, {"kind": "429"}),
    (2, {"kind": "429", "reason": None}),
    (4, {"kind": "reset"}),
    (3, {"kind": "drop_after"}),
    (4, {"kind": "truncate", "after_bytes": (0, 4000)}),
    (2, {"kind": "hang"}),
    (3, {"kind": "slow", "seconds": (1, 3)}),
    (2, {"kind": "html"}),
    (2, {"kind": "huge", "mb": (3, 6)}),
    (1, {"kind": "huge", "mb": 3, "fill": "records"}),
    (1, {"kind": "value_bomb", "mb": 2}),
    (3, {"kind": "nul", "record": (0, 99)}),
    (3, {"kind": "lone_surrogate", "record": (0, 99)}),
    (3, {"kind": "bignum", "record": (0, 99)}),
    (3, {"kind": "invalid_utf8", "record": (0, 99)}),
    (2, {"kind": "duplicate_second"}),
    (2, {"kind": "duplicate_second", "older": True}),
    (1, {"kind": "repeat_page"}),
    (1, {"kind": "empty_page"}),
    (1, {"kind": "ignore_filter", "match": {"regex": UNFILTERED}}),
    (2, {"kind": "late_events", "seconds": (1, LATEST_S), "times": 3}),
]
KILLS = ["engine", "launcher", "stop_launcher", "postmaster"]
COLLECTIONS = {
    "customers": 8, "products": 3, "prices": 4, "coupons": 2, "subscriptions": 5, "invoices": 5,
    "subscription_items": 3, "invoice_line_items": 3,
}


def draw(source, value):
    return source.randint(*value) if isinstance(value, tuple) else value


def one_fault(source, without):
    """Goes wrong a few times on one of the next requests of the API; admin calls are never hit."""
    known = [(weight, fault) for weight, fault in FAULTS if fault["kind"] not in without]
    chosen = source.choices([fault for _, fault in known], [weight for weight, _ in known])[0]
    fault = {name: draw(source, value) for name, value in chosen.items()}
    fault["match"] = {"path": source.choice(["/v1/", "/v1/", "/v1/events", "/v1/customers", "/v1/invoices"]),
                      "nth": source.randint(1, 8), "times": source.randint(1, 3), **fault.get("match", {})}
    if "regex" in fault["match"]:
        fault["match"]["path"] = "/v1/"
    return fault


def plan(seed, steps, kills, without=()):
    """(seconds to wait, what, with what), one after the other; `kills` of them at random places.

    `without`: kinds of faults that never come.
    """
    source = random.Random(f"storm:{seed}")
    made = []
    for number in range(steps):
        if source.random() < 0.6:
            made.append(("faults", [one_fault(source, without) for _ in range(source.randint(1, 4))]))
        made.append(("changes", {"count": source.randint(1, 60), "seed": f"{seed}:{number}",
                                 "mix": {"create": 2, "update": 6, "delete": 1, "collections": COLLECTIONS}}))
    for kill in kills:
        made.insert(source.randrange(len(made) + 1), ("kill", kill))
    return [(round(source.uniform(0.05, 0.6), 2), what, detail) for what, detail in made]


class Storm:
    def __init__(self, cluster, sandbox, say=lambda text: None):
        self.cluster = cluster
        self.sandbox = sandbox
        self.say = say

    def run(self, steps):
        for pause, what, detail in steps:
            time.sleep(pause)
            getattr(self, "_" + what)(detail)
        self.sandbox.admin("faults", clear=True)
        self.sandbox.admin("release")
        # the last late event is there now, and answers that were under way have arrived
        time.sleep(LATEST_S + 0.5)

    def _faults(self, faults):
        self.say("faults " + ", ".join(
            f"{fault['kind']} on {fault['match'].get('regex') or fault['match']['path']}"
            f" {fault['match']['nth']}+{fault['match']['times']}" for fault in faults))
        self.sandbox.admin("faults", faults)

    def _changes(self, wish):
        done = self.sandbox.admin("changes", wish)["done"]
        self.say(f"changes {done}")

    def _kill(self, whom):
        self.say(f"kill {whom}")
        if whom == "postmaster":
            self.cluster.kill()
            self.cluster.start()
            return
        kind = "sequin engine" if whom == "engine" else "sequin launcher"
        pid = wait_for_process(self.cluster, kind)
        self.cluster.kill_process(pid, signal.SIGTERM if whom == "stop_launcher" else signal.SIGKILL)


def wait_for_process(cluster, kind):
    """Its pid, as soon as there is one; the server may be starting."""

    def first():
        try:
            pids = cluster.worker_pids(kind)
        except psycopg.OperationalError:
            return None
        return pids[0] if pids else None

    return wait_until(first, 30, f"a process {kind}")


def connected(cluster, dbname):
    """A connection, as soon as the server takes one again."""

    def connect():
        try:
            connection = cluster.connect(dbname)
            connection.execute("SELECT 1")
            return connection
        except psycopg.OperationalError:
            return None

    return wait_until(connect, 30, "the server takes connections")
