"""From a change at the API to the listener that hears of it."""

import json
import time
import urllib.request

from bench import Api, Server, note, provider, quantile, wait_until
from many import FILTER

POLL_S = 0.5


def manifest():
    often = {"active": f"{POLL_S}s", "quiet": f"{POLL_S}s"}
    return provider("live", **{**FILTER, "incremental": {**FILTER["incremental"], "poll": often}})


def latency(count, beside_backfill=False):
    """Seconds from change to answer seen, seen to commit, commit to listener woken: p50 and p99 of each."""
    note(f"latency: {count} changes{' beside a backfill' if beside_backfill else ''}")
    api, server = Api(), Server(track_commit_timestamp="on")
    try:
        server.create_provider(manifest())
        server.create_sync("live", "live", api.base_url + "/live")
        if beside_backfill:
            server.create_provider(provider("long", paging=FILTER["paging"]))
            server.create_sync("long", "long", api.base_url + "/long")
        wait_until(lambda: server.run("select 1 from sequin._sync_facts f join sequin._syncs s on s.key = f.sync"
                                      " where s.id = 'live' and initial_backfill_completed_at is not null"), what="live")
        listener = server.cluster.connect("bench")
        listener.execute("listen sequin_events")
        stages = {"change to seen": [], "seen to committed": [], "committed to woken": []}
        for n in range(count):
            # at an even spread of moments between two polls
            time.sleep((n % 10) * POLL_S / 10)
            post(f"{api.base_url}/change/live{n}")
            woken, row = heard_of(listener, server, f"live{n}")
            changed_at, seen_at, committed_at = row
            stages["change to seen"].append(seen_at - changed_at)
            stages["seen to committed"].append(committed_at - seen_at)
            stages["committed to woken"].append(woken - committed_at)
        listener.close()
        return {stage: (quantile(values, 0.5), quantile(values, 0.99)) for stage, values in stages.items()}
    finally:
        server.remove()
        api.stop()


def heard_of(listener, server, id):
    """When a listener was woken for this record's event, and the moments before."""
    end = time.time() + 30
    for notice in listener.notifies():
        woken = time.time()
        span = json.loads(notice.payload)
        rows = server.run(
            "select (data ->> 'changed_at')::float8, (data ->> 'seen_at')::float8,"
            " extract(epoch from pg_xact_commit_timestamp(xmin))::float8 from sequin._events"
            " where seq between %s and %s and upstream_id = %s", span["first_seq"], span["last_seq"], id)
        if rows:
            return woken, rows[0]
        assert woken < end, f"nobody was woken for {id}"


def post(url):
    urllib.request.urlopen(urllib.request.Request(url, b"", method="POST")).read()
