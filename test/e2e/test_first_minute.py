"""What a person meets in the first minute after create_sync."""

import json

KEY = "sk_test_sandbox0000000000000001"


def create_sync(db, sandbox, **fields):
    params = {"id": "s", "name": "S", "provider": "stripe", "collection_ids": ["stripe:customer"],
              "credential": {"kind": "stripe_key", "secret": KEY, "base_url": sandbox.base_url}, **fields}
    db.execute("select sequin.create_sync(%s::jsonb)", json.dumps(params))


def test_a_new_sync_with_a_limit_per_minute_begins_at_once(db, sandbox):
    sandbox.admin("load", collection="customers", count=250)
    create_sync(db, sandbox, rate_limit={"allowed_requests": 100, "interval": 60})
    db.execute("select sequin.wait_for_sync('s', '20s')")


def test_a_limit_given_later_begins_as_spent(db, sandbox):
    sandbox.admin("load", collection="customers", count=250)
    create_sync(db, sandbox, sync_frequency="1s")
    db.execute("select sequin.wait_for_sync('s', '20s')")
    db.execute("select sequin.update_sync('s', '{\"rate_limit\": {\"allowed_requests\": 5, \"interval\": 5}}')")
    since = sandbox.admin("requests")["last"]
    db.wait_for("select count(*) > 0 from sequin.requests where sent_at > "
                "(select updated_at + interval '4 s' from sequin.syncs where id = 's')", deadline=30)
    changed_at = float(db.value("select extract(epoch from updated_at) from sequin.syncs where id = 's'"))
    sent = [request["wall"] - changed_at for request in sandbox.admin("requests", since=since)["requests"]]
    assert sum(1 for seconds in sent if seconds < 4) <= 1, "more than what was on its way"


def test_a_join_of_two_new_collections_is_planned_with_their_size(db, sandbox):
    sandbox.admin("load", collection="customers", count=300)
    create_sync(db, sandbox)
    db.execute("select sequin.wait_for_sync('s', '20s')")
    assert db.value("select max(reltuples) from pg_class where relname like '\\_records\\__'") == 300
