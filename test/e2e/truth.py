"""The strongest test there is: what the tables say against what the stand-in knows to be true.

`check(connection, sandbox, sync_id, objects)` raises AssertionError with the first differences. `objects`
are the manifest's object names. What is compared:

* the records that are not deleted are exactly the objects that exist, document by document;
* event numbers have no gap but the recorded ones, and the newest event of a record is the record;
* each record's events are created, then updated or deleted in turn, their documents a subsequence of
  the versions that the object really had, no two neighbours equal, and `changes` says what differed.
"""
import json

from cluster import wait_until

# The stand-in names its tables in the plural, the manifest its objects in the singular.
ODD = {"checkout_session_line_item": "checkout_line_items", "radar_early_fraud_warning": "early_fraud_warnings"}


def table_of(name):
    return ODD.get(name, name + "s")


def same(document):
    return json.dumps(document, sort_keys=True)


def trimmed(document, dropped):
    return {k: v for k, v in document.items() if k not in dropped}


def members(connection, name, word):
    """What the manifest says to `drop` from a collection's documents, or to `ignore` as a change."""
    row = connection.execute(
        """SELECT coalesce(manifest #> ARRAY['collections', %s, %s], '[]') FROM sequin._providers WHERE name = 'stripe'""",
        (name, word)).fetchone()
    return set(row[0])


def dropped_members(connection, name):
    return members(connection, name, "drop") | members(connection, name, "ignore")


def differences(connection, sandbox, sync_id, name):
    """Ids whose record is not what it should be: a cheap look, for waiting."""
    truth = sandbox.admin("truth", {"collection": table_of(name), "versions": False})
    dropped = dropped_members(connection, name)
    stored = {row[0]: row[1] for row in connection.execute(
        "SELECT upstream_id, data FROM sequin.records WHERE sync_id = %s AND collection_id = %s AND NOT deleted",
        (sync_id, "stripe:" + name))}
    wrong = [id for id in truth["objects"].keys() | stored.keys()
             if id not in stored or id not in truth["objects"]
             or same(trimmed(truth["objects"][id], dropped)) != same(trimmed(stored[id], dropped))]
    return [id for id in wrong if id not in truth["poisoned"]]


def check_numbers(connection):
    count, first, last, gaps = connection.execute(
        """SELECT count(*), min(seq), max(seq), (SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM sequin._gaps)
           FROM sequin._events""").fetchone()
    assert count == 0 or count == last - first + 1 - gaps, f"{count} events numbered {first} to {last}, {gaps} left out"


def check_newest(connection):
    wrong = connection.execute(
        """SELECT e.seq, e.upstream_id FROM (
             SELECT DISTINCT ON (sync, collection, upstream_id) * FROM sequin._events
             ORDER BY sync, collection, upstream_id, seq DESC) AS e
           JOIN sequin._records AS r USING (sync, collection, upstream_id)
           WHERE r.updated_idx <> e.seq OR r.data <> e.data OR r.deleted <> (e.event = 'd') LIMIT 5""").fetchall()
    assert not wrong, f"records differ from their newest events: {wrong}"


def check_history(id, events, versions, dropped):
    alive, last, at = False, None, 0
    for seq, event, data, changes in events:
        data = trimmed(data, dropped)
        assert event == ("created" if not alive else event) and (alive or event == "created"), \
            f"{id}: event {seq} is {event!r} while the record is {'alive' if alive else 'absent'}"
        if event == "deleted":
            assert same(data) == same(last), f"{id}: deleted event {seq} does not carry the last document"
            alive = False
            continue
        assert not (alive and same(data) == same(last)), f"{id}: event {seq} repeats the document before"
        if event == "updated":
            wanted = {k: last.get(k) for k in last.keys() | data.keys() if last.get(k) != data.get(k) or (k in last) != (k in data)}
            assert same(changes) == same(wanted), f"{id}: changes of event {seq} are {changes}, not {wanted}"
        while at < len(versions) and (versions[at] is None or same(trimmed(versions[at], dropped)) != same(data)):
            at += 1
        assert at < len(versions), f"{id}: the document of event {seq} ({event}) is no later version of the object"
        alive, last = True, data


def check_histories(connection, sandbox, sync_id, name):
    truth = sandbox.admin("truth", {"collection": table_of(name), "versions": True})
    dropped = dropped_members(connection, name)
    events = {}
    for seq, id, event, data, changes in connection.execute(
            """SELECT seq, upstream_id, event, data, changes FROM sequin.events
               WHERE sync_id = %s AND collection_id = %s ORDER BY seq""", (sync_id, "stripe:" + name)):
        events.setdefault(id, []).append((seq, event, data, changes))
    for id, history in events.items():
        if id in truth["poisoned"]:
            continue
        check_history(id, history, truth["versions"].get(id, []), dropped)


def check(connection, sandbox, sync_id, objects):
    for name in objects:
        wrong = differences(connection, sandbox, sync_id, name)
        assert not wrong, f"{name}: {len(wrong)} records differ from the truth, such as {wrong[:5]}"
    check_numbers(connection)
    check_newest(connection)
    for name in objects:
        check_histories(connection, sandbox, sync_id, name)


# A sync to be judged

KEY = "sk_test_truth00000000000001"
PARENTS = ["customer", "product", "price", "coupon", "subscription", "invoice"]
OBJECTS = [*PARENTS, "subscription_item", "invoice_line_item"]
# of 100 objects; the children come with their parents
SHARES = {"customers": 40, "products": 8, "prices": 16, "coupons": 6, "subscriptions": 15, "invoices": 15}
HURRY = {
    "limits": [{"name": "account", "rate": "5000/1s"}],
    "http": {"timeout": {"connect": "2s", "read": "1500ms", "total": "20s"}, "max_response": "2MB"},
    "feed": {"poll": {"active": "0.2s", "quiet": "1s"}},
}


def fill(sandbox, count, seed=0, spread_days=20):
    """Loads about `count` objects, without their children."""
    for table, share in SHARES.items():
        sandbox.admin("load", {"collection": table, "count": max(1, count * share // 100),
                               "spread_days": spread_days, "seed": seed})


def hurry(connection, collections=None):
    """Lifts the limits that the real API sets, and shortens timeouts. Before the first sync only.

    `collections`: {object: members of the manifest to replace}.
    """
    manifest = connection.execute(
        "SELECT manifest FROM sequin._providers WHERE name = 'stripe'").fetchone()[0]
    manifest["limits"] = HURRY["limits"]
    manifest["http"].update(HURRY["http"])
    manifest["feeds"]["events"].update(HURRY["feed"])
    for name, members in (collections or {}).items():
        manifest["collections"][name].update(members)
    connection.execute("UPDATE sequin._providers SET manifest = %s WHERE name = 'stripe'",
                       (json.dumps(manifest),))


def create_sync(connection, sandbox, objects, id="truth"):
    connection.execute(
        """SELECT sequin.create_sync(name => %s, id => %s, provider => 'stripe', base_url => %s, collection_ids => %s,
             credential => jsonb_build_object('kind', 'stripe_key', 'secret', %s::text))""",
        (id, id, sandbox.base_url, ["stripe:" + name for name in objects], KEY))
    return id


def read_set_aside_again(connection):
    """What was set aside would be read again in a minute; now will do."""
    connection.execute("UPDATE sequin._sync_errors SET next_attempt_at = now() WHERE next_attempt_at > now()")


def all_differences(connection, sandbox, sync_id, objects):
    return {name: wrong for name in objects if (wrong := differences(connection, sandbox, sync_id, name))}


def await_truth(connection, sandbox, sync_id, objects, deadline=60):
    """Waits until the records are the truth, then checks all there is to check."""
    last = {}

    def is_true():
        last.clear()
        last.update(all_differences(connection, sandbox, sync_id, objects))
        return not last

    try:
        wait_until(is_true, deadline, "the records are the truth")
    except AssertionError:
        raise AssertionError(account_of(connection, sandbox, sync_id, last)) from None
    check(connection, sandbox, sync_id, objects)


def account_of(connection, sandbox, sync_id, wrong):
    """What a person wants to see when records differ from the truth."""
    lines = ["the records are not the truth"]
    for name, ids in wrong.items():
        truth = sandbox.admin("truth", {"collection": table_of(name), "ids": ids[:3]})
        lines.append(f"{name}: {len(ids)} differ")
        for id in ids[:3]:
            row = connection.execute(
                """SELECT data, deleted, asked_at, version, updated_idx FROM sequin._records AS r
                   WHERE upstream_id = %s AND (sync, collection) =
                     (SELECT sync, collection FROM sequin._collections WHERE id = %s)""",
                (id, "stripe:" + name)).fetchone()
            should = truth["objects"].get(id)
            lines.append(f"  {id}: stored {row and row[1:]}, should be {'there' if should else 'gone'}")
            if row and should:
                lines.append("    " + ", ".join(f"{k}: {row[0].get(k)!r} not {should.get(k)!r}" for k in should
                                                if row[0].get(k) != should.get(k))[:500])
            lines += [f"    event {event}" for event in connection.execute(
                "SELECT seq, event, origin, event_inserted_at FROM sequin.events WHERE upstream_id = %s ORDER BY seq", (id,))]
    for table in ("_health", "_progress", "_sync_facts", "_sync_errors", "_rereads", "_child_rereads"):
        rows = connection.execute(f"SELECT to_jsonb(t) - 'excerpt' FROM sequin.{table} AS t LIMIT 12").fetchall()
        lines += [f"{table}: {json.dumps(row[0])[:600]}" for row in rows]
    lines += [f"request: {row}" for row in connection.execute(
        "SELECT sent_at, path, status, error FROM sequin._requests ORDER BY id DESC LIMIT 15")]
    return "\n".join(lines)
