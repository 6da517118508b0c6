"""What several end-to-end tests do: make a sync, wait for it, hang a request, time a command."""

import json
import time

from cluster import wait_until

KEY = "sk_live_sandbox0000000000000001"     # the manifest gives live keys the higher rate
CUSTOMERS = ["stripe:customer"]


def start_stripe(start_sandbox, customers=0, keys=(KEY,)):
    """A stand-in without rate limits that has these accounts."""
    options = [word for key in keys for word in ("--key", key)]
    sandbox = start_sandbox("stripe", "--rate", 0, *options)
    for key in keys:
        if customers:
            sandbox.admin("load", collection="customers", count=customers, account=key)
    return sandbox


def make_sync(db, base_url, name="s", key=KEY, **more):
    """Makes a sync of that id and name."""
    params = {
        "id": name, "name": name, "provider": "stripe", "collection_ids": CUSTOMERS, "base_url": base_url,
        "credential": {"kind": "stripe_key", "secret": key}, **more,
    }
    db.execute("select sequin.create_sync(%s::jsonb)", json.dumps(params))
    return name


def wait_for_sync(db, name="s", timeout="60s"):
    db.execute("select sequin.wait_for_sync(%s, %s::interval)", name, timeout)


def hang(sandbox, path="/v1/events"):
    """The next requests of that path get no answer; returns when one is waiting for it."""
    sandbox.admin("faults", kind="hang", match={"path": path}, times=0)
    wait_until(lambda: sandbox.admin("stats")["hanging"] > 0, what="a request hangs")


def requests(sandbox):
    """How many requests have arrived."""
    return sandbox.admin("stats")["requests"]


def problem_codes(db):
    """Code to problem, of everything that health tells."""
    return {problem["code"]: problem for problem in db.value("select sequin.health()")["problems"]}


def wait_for_problem(db, code, deadline=20.0):
    return wait_until(lambda: problem_codes(db).get(code), deadline, f"health tells {code!r}")


def seconds(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start
