"""The strongest test there is: what the tables say against what the stand-in knows to be true.

`check(connection, sandbox, sync_id, objects)` raises AssertionError with the first differences. `objects`
are the manifest's object names. What is compared:

* the records that are not deleted are exactly the objects that exist, document by document;
* event numbers have no gap but the recorded ones, and the newest event of a record is the record;
* each record's events are created, then updated or deleted in turn, their documents a subsequence of
  the versions that the object really had, no two neighbours equal, and `changes` says what differed.
"""
import json

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
