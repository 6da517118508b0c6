"""How much of an allowed rate a backfill uses, counted where the requests arrive."""

import signal
import time

from bench import Api, Server, note, provider, wait_until
from many import FILTER


def most_in_window(times, seconds):
    """The most arrivals in any window of that length."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def used(times, allowed, seconds):
    """Share of the allowed rate: from the first arrival to the end of the last full window."""
    whole = int((times[-1] - times[0]) // seconds)
    inside = sum(at < times[0] + whole * seconds for at in times)
    return inside / (allowed * whole) if whole else float("nan")


def budget(allowed, seconds, windows):
    """A backfill without end for so many windows, the engine killed in the middle."""
    note(f"budget: {allowed} requests per {seconds} s, {2 * windows} windows and a kill")
    api, server = Api(), Server()
    server.cluster.may_crash = True
    try:
        server.create_provider(provider("long", paging=FILTER["paging"]))
        server.create_sync("long", "long", api.base_url + "/long", rate_limit={
            "allowed_requests": allowed, "interval": seconds, "max_concurrent_requests": 0})
        wait_until(lambda: api.arrivals(), 3 * seconds + 30, "the first request")
        time.sleep(windows * seconds + 0.2)
        server.cluster.kill_process(server.engine(), signal.SIGKILL)
        killed = time.time()
        wait_until(lambda: api.arrivals(killed + seconds / 2), 3 * seconds + 60, "requests after the kill")
        time.sleep(windows * seconds + 0.2)
        server.cluster.stop("immediate")
        times = [at for at, _ in api.arrivals()]
        before = [at for at in times if at < killed]
        after = [at for at in times if at >= killed]
        return {"allowed": allowed, "seconds": seconds, "most": most_in_window(times, seconds),
                "used_before": used(before, allowed, seconds), "used_after": used(after, allowed, seconds),
                "silent_s": after[0] - before[-1]}
    finally:
        server.remove()
        api.stop()
