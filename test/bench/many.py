"""Many quiet syncs on one engine: are they polled in time, and what do they cost?"""

import time
from collections import defaultdict

from bench import Api, Server, cpu_seconds, memory_kb, note, provider, quantile, wait_until

# What replaces parts of provider()'s list for an API that is asked for what changed since a moment.
FILTER = {
    "paging": {"kind": "page", "into": "query.page", "first": 1, "more": "$.has_more", "stop": ["more"], "order": "none"},
    "created": None,  # none
    "version": {"path": "$.updated", "as": "epoch_ms"},
    "incremental": {"mode": "filter", "from": "query.since", "as": "epoch_ms", "op": "gte", "granularity": "1ms",
                    "overlap": "0s", "lag": "0s", "poll": {"active": "1s", "quiet": "1s"}},
}
PER_TRANSACTION = 500


def create_syncs(server, api, count, interval):
    """Each with its own credential, as customers' accounts are."""
    for first in range(1, count + 1, PER_TRANSACTION):
        server.run("""
            select count(sequin.create_sync(jsonb_build_object(
              'id', 'many-' || n, 'name', 'many ' || n, 'provider', 'many', 'collection_ids', '["many:item", "many:other"]'::jsonb,
              'base_url', %s::text || '/s/' || n, 'sync_frequency', %s::text,
              'credential', jsonb_build_object('provider', 'many', 'kind', 'key', 'token', 'bench-' || n))))
            from generate_series(%s::int, %s::int) as n""",
                   api.base_url, f"{interval}s", first, min(count, first + PER_TRANSACTION - 1))


def lateness(arrivals, begin, end, interval):
    """By how much each poll within the time came later than one interval after the one before it. One that
    did not come at all counts with what it is late already."""
    by_path = defaultdict(list)
    for at, path in arrivals:
        by_path[path].append(at)
    late = []
    for times in by_path.values():
        late += [b - a - interval for a, b in zip(times, times[1:]) if begin <= b <= end]
        before = [at for at in times if at <= end]
        if before and end - before[-1] > interval:
            late.append(end - before[-1] - interval)
    return late


def watch(server, api, count, interval, rounds):
    pid = server.engine()
    begin, wal, cpu = time.time(), server.wal(), cpu_seconds(pid)
    time.sleep(rounds * interval)
    end = time.time()
    late = lateness(api.arrivals(begin - 3 * interval), begin, end, interval)
    return {
        "polls": len(late), "late_p50_s": quantile(late, 0.5), "late_p99_s": quantile(late, 0.99), "late_max_s": max(late),
        "cpu": (cpu_seconds(pid) - cpu) / (end - begin), "wal_per_s": (server.wal() - wal) / (end - begin),
        "own_kb": memory_kb(pid)[0],
    }


def polled(api, since):
    return {path for _, path in api.arrivals(since)}


def many(count, interval, changes, rounds):
    note(f"many syncs: {count} with 2 collections each, every {interval} s, changes in {changes} % of the polls")
    api, server = Api(changes), Server()
    server.cluster.may_crash = True
    try:
        server.create_provider(provider("many", **FILTER))
        before = memory_kb(server.engine())[0]
        begun = time.time()
        create_syncs(server, api, count, interval)
        result = {"count": count, "interval": interval, "create_s": time.time() - begun}
        wait_until(lambda: server.value("select count(*) from sequin._sync_facts where initial_backfill_completed_at is not null")
                   == count, 1800, "all syncs are backfilled")
        result["backfill_s"] = time.time() - begun
        time.sleep(interval)
        result["calm"] = watch(server, api, count, interval, rounds)
        result["kb_per_sync"] = (result["calm"]["own_kb"] - before) / count
        note(f"  {result}")
        killed = time.time()
        server.cluster.kill()
        server.cluster.start()
        server.reconnect()
        wait_until(lambda: len(polled(api, killed)) == 2 * count, 600, "every collection is polled again")
        result["again_s"] = max(first_times(api.arrivals(killed)).values()) - killed
        time.sleep(max(0.0, killed + 60 - time.time()))
        result["after_kill"] = watch(server, api, count, interval, rounds)
        return result
    finally:
        server.remove()
        api.stop()


def first_times(arrivals):
    first = {}
    for at, path in arrivals:
        first.setdefault(path, at)
    return first
