"""Figures as rows of a table: (subject, measured, wanted, whether it is so)."""

import subprocess
from datetime import date
from pathlib import Path

from bench import pg_version


def row(subject, measured, wanted="", good=None):
    return subject, measured, wanted, good


def load(found):
    count, pages = found["count"], found["pages"]
    ratio = found["copy_both_s"] / found["load_s"]
    yield row(f"first load, {count:,} records of {found['size']:,} B over HTTP",
              f"{count / found['load_s']:,.0f} records/s", f"COPY into both tables: {count / found['copy_both_s']:,.0f}/s")
    yield row("... as a share of COPY", f"{ratio:.2f}", "0.7, aiming at 1.0", ratio >= 0.7)
    share = found["copy_plain_s"] / found["pass_s"]
    yield row("unchanged pass", f"{count / found['pass_s']:,.0f} records/s", f"COPY into a plain table: {count / found['copy_plain_s']:,.0f}/s")
    yield row("... as a share of COPY", f"{share:.2f}", "1.0", share >= 1)
    wal = found["pass_wal"] / pages
    yield row("... WAL", f"{wal:,.0f} B a page", "under 1,000", wal < 1000)
    yield stored(found)


def stored(found):
    return row(f"stored per record of {found['size']:,} B, indexes included",
               f"{found['records_bytes'] / found['count']:,.0f} B in records, {found['events_bytes'] / found['count']:,.0f} B in events")


def other_load(name, found):
    yield row(f"first load, {found['count']:,} records, {name}", f"{found['count'] / found['load_s']:,.0f} records/s, "
              f"{found['copy_both_s'] / found['load_s']:.2f} of COPY")
    if found["size"] != 1100:
        yield stored(found)


def memory(small, large, found):
    (own_small, all_small), (own_large, all_large) = found
    more = own_large - own_small
    limit = max(own_small / 10, 20 * 1024)
    yield row(f"engine's own memory after {small:,} and {large:,} records", f"{own_small / 1024:.1f} and {own_large / 1024:.1f} MB",
              "10 % or 20 MB more at most", more <= limit)
    yield row("... with the server's shared memory that it touched", f"{all_small / 1024:.1f} and {all_large / 1024:.1f} MB")


def many(found):
    name = f"{found['count']:,} syncs of 2 collections, every {found['interval']} s"
    yield row(f"{name}: created and filled", f"in {found['create_s']:.0f} and {found['backfill_s']:.0f} s")
    for word, part in (("in peace", found["calm"]), ("a minute after kill -9", found["after_kill"])):
        yield row(f"{name}, {word}: lateness, 99 % within", f"{part['late_p99_s']:.2f} s of {part['polls']:,} polls (half {part['late_p50_s']:.3f}, most {part['late_max_s']:.2f})",
                  "1 s", part["late_p99_s"] < 1)
        yield row("... engine's processor time", f"{part['cpu']:.2f} of a core", "under 0.5", part["cpu"] < 0.5)
        yield row("... WAL", f"{part['wal_per_s'] / 1000:,.0f} kB/s", "under 1 MB/s", part["wal_per_s"] < 1e6)
    yield row("... memory per sync", f"{found['kb_per_sync']:.1f} kB", "under 20 kB", found["kb_per_sync"] < 20)
    yield row("... every collection polled again", f"{found['again_s']:.0f} s after kill -9", "60 s", found["again_s"] <= 60)


def latency(name, found):
    for stage, (half, most) in found.items():
        yield row(f"{stage}, {name}", f"{1000 * half:.1f} ms, 99 % within {1000 * most:.1f} ms",
                  "half a poll interval of 500 ms" if stage == "change to seen" else "")


def budget(found):
    name = f"{found['allowed']} requests per {found['seconds']} s"
    yield row(f"{name}: most in any window, engine killed once", str(found["most"]), f"{found['allowed']}", found["most"] <= found["allowed"])
    least = min(found["used_before"], found["used_after"])
    yield row("... share used outside the restart", f"{100 * least:.1f} %", "95 %", least >= 0.95)
    yield row("... silence around the restart", f"{found['silent_s']:.1f} s")


def line(row):
    subject, measured, wanted, good = row
    mark = {None: " ", True: "+", False: "-"}[good]
    return f"{mark} {subject}: {measured}" + (f"  [{wanted}]" if wanted else "")


def table(rows):
    marks = {None: "", True: "yes", False: "no"}
    lines = ["| subject | measured | wanted, or compared with | met |", "|---|---|---|---|"]
    lines += [f"| {subject} | {measured} | {wanted} | {marks[good]} |" for subject, measured, wanted, good in rows]
    return "\n".join(lines)


def machine():
    info = Path("/proc/cpuinfo").read_text()
    cores = info.count("processor\t:")
    model = next((text.split(":", 1)[1].strip() for text in info.splitlines() if text.startswith("model name")), "unknown processor")
    memory = int(next(text for text in Path("/proc/meminfo").read_text().splitlines() if text.startswith("MemTotal")).split()[1])
    flush = flush_ms()
    return (f"{cores} virtual cores ({model}), {memory / 1024**2:.0f} GB of memory, {pg_version()}, data checksums on, "
            f"fsync and synchronous_commit on; one flush of 8 kB took {flush:.2f} ms before the run.")


def flush_ms():
    """Median of what writing 8 kB durably takes here: commits cannot be faster."""
    import os
    import statistics
    import tempfile
    import time

    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(100):
            begun = time.monotonic()
            os.pwrite(file.fileno(), b"x" * 8192, 0)
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - begun)
    return 1000 * statistics.median(times)


def commit():
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"


HEAD = """# Benchmarks

Written by `BENCH=full make bench`; `make bench` alone is a quick run that only prints. One run, on a machine
that also runs the stand-in for the API: compare ratios, not absolute figures.

"""

NOTES = """
## How it is measured

- **First load**: Stripe-like list pages of 100 records, written beforehand and served by nginx, each page asked for
  by the last id of the one before. From the commit of `create_sync` to the end of the backfill, one engine.
  The yardstick is `COPY` from files of the very same rows into two plain tables, one with the columns and indexes of
  records, one with those of an events partition, in one transaction; the median of three.
- **Unchanged pass**: the same pages read again by `refresh_sync` after VACUUM and CHECKPOINT. The yardstick is `COPY` into
  a table (id text, data jsonb) without index.
- **Memory**: what is resident of the engine without the server's shared memory, during one load.
- **Many syncs**: each sync has its own credential. Lateness is taken where the requests arrive: the time between two polls
  of a collection, less the interval. A poll that did not come counts with what it is late.
- **Latency**: the provider is polled every 500 ms. The time of commit is the one that the server notes before it flushes.
- **Budget**: arrivals at the API during a backfill without end under the sync's own `rate_limit`; windows slide over all
  arrivals. The share is taken from the first arrival on, over whole windows, before and after the kill.
"""


def page(rows):
    return f"{HEAD}{date.today():%Y-%m-%d}, commit {commit()}. {machine()}\n\n{table(rows)}\n{NOTES}"
