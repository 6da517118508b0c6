"""First load, unchanged pass, what is stored, and what the engine keeps in memory."""

import shutil
import statistics
import time

from bench import Nginx, Server, memory_kb, note, provider, wait_until
from pages import write_pages

# Plain tables with the product's columns and indexes: less work than the product's partitions.
YARDSTICK = """
drop table if exists records_like, events_like, plain;
create table records_like (like sequin._records including all);
create table events_like (like sequin._events);
alter table events_like add primary key (seq);
create table plain (id text, data jsonb);
"""


def backfill(server, id, base_url, deadline=3600):
    """Seconds from the commit of create_sync to the end of the backfill."""
    server.create_sync(id, "bench", base_url)
    begun = server.value("select clock_timestamp()")
    ended = wait_until(lambda: server.run(
        "select backfill_completed_at from sequin._progress join sequin._syncs on key = sync"
        " where id = %s and backfill_completed_at is not null", id), deadline, "the backfill is complete")
    return (ended[0][0] - begun).total_seconds()


def copy_out(server):
    """The rows of the product's own tables as files that COPY reads."""
    base = server.cluster.base
    server.run(f"copy (select * from sequin._records) to '{base}/records.copy'")
    server.run(f"copy (select * from sequin._events) to '{base}/events.copy'")
    server.run(f"copy (select upstream_id, data from sequin._records) to '{base}/plain.copy'")


def yardstick(server, runs=3):
    """Median seconds of COPY into the two tables in one transaction, and into one plain table."""
    base = server.cluster.base
    both, plain = [], []
    for _ in range(runs):
        for table in YARDSTICK.split(";"):
            if table.strip():
                server.run(table)
        server.checkpoint(vacuum=False)
        both.append(server.timed(f"copy records_like from '{base}/records.copy'", f"copy events_like from '{base}/events.copy'"))
        server.checkpoint(vacuum=False)
        plain.append(server.timed(f"copy plain from '{base}/plain.copy'"))
    return statistics.median(both), statistics.median(plain)


def unchanged_pass(server, nginx, id, pages):
    """Seconds of reading everything again, and the WAL that it wrote."""
    server.run("select sequin._ensure_event_partitions()")  # due after a load, whatever is read next
    server.checkpoint()
    before, answered = server.wal(), nginx.requests()
    begun = time.monotonic()
    server.run("select sequin.refresh_sync(%s)", id)
    wait_until(lambda: nginx.requests() >= answered + pages and server.engine_is_idle(), 3600, "the pass is over")
    return time.monotonic() - begun, server.wal() - before


def stored_bytes(server):
    relations = "select oid from pg_class where relkind = 'r' and relname ~ %s and relnamespace = 'sequin'::regnamespace"
    return [int(server.value(f"select coalesce(sum(pg_total_relation_size(oid)), 0) from ({relations}) r", pattern))
            for pattern in ("^_records_[0-9]", "^_events_[0-9]")]


def load(count, size, tls=False, passes=True):
    """One load of `count` records; everything that is learned from it."""
    note(f"load: {count} records of {size} bytes{', TLS' if tls else ''}")
    directory, pages = write_pages(count, size)
    nginx = Nginx(directory, tls)
    server = Server(**({"sequin.ca_file": nginx.ca_file} if tls else {}))
    try:
        server.create_provider(provider("bench"))
        server.checkpoint()
        result = {"count": count, "size": size, "pages": pages}
        result["load_s"] = backfill(server, "load", nginx.base_url)
        assert server.value("select count(*) from sequin._records") == count
        assert server.value("select count(*) from sequin._events") == count
        result["records_bytes"], result["events_bytes"] = stored_bytes(server)
        copy_out(server)
        result["copy_both_s"], result["copy_plain_s"] = yardstick(server)
        if passes:
            result["pass_s"], result["pass_wal"] = unchanged_pass(server, nginx, "load", pages)
        return result
    finally:
        server.remove()
        nginx.stop()
        shutil.rmtree(directory)


def memory(small, large, size):
    """The engine's memory after `small` and after `large` records of one load, in kB: own, total."""
    note(f"memory: {small} and {large} records")
    directory, _ = write_pages(large, size)
    nginx = Nginx(directory)
    server = Server()
    try:
        server.create_provider(provider("bench"))
        server.create_sync("load", "bench", nginx.base_url)
        pid = server.engine()
        found = []
        for count in (small, large):
            wait_until(lambda: server.run("select 1 from sequin._progress where records >= %s", count), 3600, f"{count} records")
            found.append(memory_kb(pid))
        return found
    finally:
        server.remove()
        nginx.stop()
        shutil.rmtree(directory)
