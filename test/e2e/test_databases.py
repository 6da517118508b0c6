"""Commands that need a database for themselves get it at once, also while a request or a lookup hangs;
and a dump of a live database comes back whole."""

import os
import subprocess
import threading

import pytest
import truth
from cluster import is_alive, temporary_directory, wait_until
from conftest import Database
from story import (hang, make_sync, problem_codes, requests, seconds, start_stripe, wait_for_problem, wait_for_sync)

AT_ONCE_S = 2.0          # one second is the promise; the rest is for a busy machine

COMMANDS = {
    "drop_extension": "drop extension sequin",
    "drop_database": "drop database {name}",
    "rename_database": "alter database {name} rename to {name}_renamed",
    "create_database_template": "create database {name}_copy template {name}",
    "set_tablespace": "alter database {name} set tablespace pg_default",
    "drop_another_database": "drop database {other}",
}


def run_command(cluster, db, command, other):
    text = COMMANDS[command].format(name=db.name, other=other)
    if command == "drop_extension":
        return seconds(lambda: db.execute(text))
    db.connection.close()
    with cluster.connect() as connection:
        return seconds(lambda: connection.execute(text))


def finish(cluster, db):
    for name in (f"{db.name}_renamed", f"{db.name}_copy"):
        cluster.sql(f"drop database if exists {name}")


@pytest.mark.parametrize("command", COMMANDS)
def test_command_returns_at_once_during_a_hanging_request(cluster, new_database, start_sandbox, command):
    stripe = start_stripe(start_sandbox, customers=10)
    db = new_database()
    other = new_database()
    other.connection.close()
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    engine = cluster.worker_pids("sequin engine", db.name)[0]
    hang(stripe)
    took = run_command(cluster, db, command, other.name)
    print(f"{command}: {took:.3f} s while a request hangs")
    assert took < AT_ONCE_S
    after = {"rename_database": f"{db.name}_renamed", "create_database_template": db.name, "set_tablespace": db.name}
    if command in after:
        wait_until(lambda: cluster.worker_pids("sequin engine", after[command]), what="an engine runs again")
    elif command == "drop_another_database":
        assert is_alive(engine)
    else:
        wait_until(lambda: not is_alive(engine), what="its engine is gone")
    finish(cluster, db)


@pytest.fixture
def hanging_resolver(new_cluster, monkeypatch):
    """A server where the lookup of a name without a dot hangs, before anything goes to a name server:
    the C library opens the file of the host's aliases, and that is a pipe that nobody writes."""
    pipe = temporary_directory("sequin-resolver-") / "aliases"
    os.mkfifo(pipe)
    pipe.chmod(0o644)
    monkeypatch.setenv("HOSTALIASES", str(pipe))
    server = new_cluster({"sequin.allowed_hosts": "127.0.0.1,hangs"}).start()
    server.sql("create database app")
    db = Database(server, "app")
    db.execute("create extension sequin")
    return db


@pytest.mark.parametrize("command", COMMANDS)
def test_command_returns_at_once_while_a_resolver_hangs(hanging_resolver, command):
    db = hanging_resolver
    server = db.cluster
    server.sql("create database other")
    make_sync(db, "http://hangs:9")
    engine = wait_until(lambda: server.worker_pids("sequin engine", "app"))[0]
    wait_until(lambda: lookup_hangs(engine), what="a lookup hangs")
    took = run_command(server, db, command, "other")
    print(f"{command}: {took:.3f} s while a resolver hangs")
    assert took < AT_ONCE_S


def lookup_hangs(pid):
    """Only a lookup has a thread of its own."""
    return len(os.listdir(f"/proc/{pid}/task")) > 1


# dump and restore

# Unlogged. Providers that come with the extension come with it in the copy too.
NOT_DUMPED = {"_requests", "_sweep_keys"}


def contents(connection):
    """Rows and a checksum of each table of the schema, and each sequence."""
    tables = [name for (name,) in connection.execute(
        "select relname from pg_class where relnamespace = 'sequin'::regnamespace and relkind = 'r' order by 1")]
    found = {}
    for name in tables:
        if name not in NOT_DUMPED:
            rows = f"sequin.{name} t" + (" where not shipped" if name == "_providers" else "")
            found[name] = connection.execute(
                f"select count(*), md5(coalesce(string_agg(md5(t::text), '' order by t::text), '')) from {rows}").fetchone()
    for (name,) in connection.execute("select relname from pg_class where relnamespace = 'sequin'::regnamespace"
                                      " and relkind = 'S' and relname not like '\\_requests%' order by 1").fetchall():
        found[name] = connection.execute(f"select last_value, is_called from sequin.{name}").fetchone()
    return found


def run(cluster, program, *arguments):
    done = subprocess.run([cluster.bin / program, "-h", cluster.host, "-U", "postgres", *arguments],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def dumped(cluster, new_database, start_sandbox):
    """A database at work, a dump of it, and what it held at the moment of the dump."""
    stripe = start_stripe(start_sandbox)
    stripe.admin("load", collection="world", count=40)
    db = new_database()
    collections = [f"stripe:{name}" for name in ("customer", "product", "price", "subscription", "subscription_item", "invoice")]
    make_sync(db, stripe.base_url, collection_ids=collections, metadata={"team": "shop"})
    wait_for_sync(db)
    make_sync(db, stripe.base_url, "paused", status="disabled")
    make_sync(db, stripe.base_url, "doomed")
    db.execute("select sequin.delete_sync('doomed')")
    db.execute("select sequin.create_provider(manifest || '{\"provider\": \"own\"}') from sequin._providers where shipped")
    is_over = threading.Event()

    def change():
        while not is_over.wait(0.1):
            stripe.admin("changes", count=5)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        db.wait_for("select count(*) > 20 from sequin.events where origin = 'live'")
        file = temporary_directory("sequin-dump-") / "dump"
        with db.connect(autocommit=False) as snapshot:
            snapshot.execute("set transaction isolation level repeatable read")
            (name,) = snapshot.execute("select pg_export_snapshot()").fetchone()
            held = contents(snapshot)
            before = db.value("select max(seq) from sequin.events")
            run(cluster, "pg_dump", "-Fc", "--snapshot", name, "-f", str(file), db.name)
        db.wait_for("select max(seq) > %s from sequin.events", before)     # it was alive all the time
    finally:
        is_over.set()
        changing.join()
    return db, stripe, file, held


def restore(cluster, file, name):
    cluster.sql(f"create database {name} template template0")
    run(cluster, "pg_restore", "-e", "-j2", "-d", name, str(file))
    return Database(cluster, name)


def test_dump_of_a_live_database_restores_whole_and_stays_silent_until_confirmed(cluster, dumped):
    db, stripe, file, held = dumped
    copy = restore(cluster, file, f"{db.name}_copy")
    wait_until(lambda: cluster.worker_pids("sequin engine", copy.name), what="an engine looks at the copy")
    assert contents(copy.connection) == held
    last = copy.value("select max(seq) from sequin.events")

    # the original goes, so that every request from now on is the copy's
    db.connection.close()
    cluster.sql(f"drop database {db.name}")
    before = requests(stripe)
    assert wait_for_problem(copy, "other_instance")["status"] == "error"
    stripe.admin("changes", count=20)
    copy.execute("select sequin.refresh_sync('s')")
    with pytest.raises(Exception) as caught:
        wait_for_sync(copy, timeout="2s")
    assert caught.value.sqlstate in ("SQ006", "SQ001")
    assert requests(stripe) == before, "nothing goes out"
    assert contents(copy.connection)["_rereads"] == held["_rereads"]

    copy.execute("select sequin.confirm_instance()")
    objects = ("customer", "product", "price", "subscription", "subscription_item", "invoice")
    wait_until(lambda: not any(truth.differences(copy.connection, stripe, "s", name) for name in objects), 60,
               "the copy has caught up")
    truth.check(copy.connection, stripe, "s", objects)
    assert "other_instance" not in problem_codes(copy)
    # numbers go on, after a gap that is recorded
    assert copy.all("select first_seq, last_seq from sequin._gaps") == [(last + 1, last + 1048576)]
    assert copy.value("select min(seq) from sequin.events where seq > %s", last) == last + 1048577
    assert copy.value("select sequin.get_sync('s') #>> '{metadata,team}'") == "shop"
    make_sync(copy, stripe.base_url, "new", collection_ids=["stripe:product"])
    wait_for_sync(copy, "new")
    copy.connection.close()
    cluster.sql(f"drop database {copy.name}")


def test_copy_by_template_stays_silent_until_confirmed(cluster, db, start_sandbox):
    stripe = start_stripe(start_sandbox, customers=20)
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    name = f"{db.name}_copy"
    db.connection.close()
    cluster.sql(f"create database {name} template {db.name}")
    cluster.sql(f"drop database {db.name}")
    before = requests(stripe)
    copy = Database(cluster, name)
    wait_for_problem(copy, "other_instance")
    wait_until(lambda: cluster.worker_pids("sequin engine", name))
    copy.execute("select sequin.refresh_sync('s')")
    with pytest.raises(Exception):
        wait_for_sync(copy, timeout="1s")
    assert requests(stripe) == before
    copy.execute("select sequin.confirm_instance()")
    wait_for_sync(copy)
    assert requests(stripe) > before
    copy.connection.close()
    cluster.sql(f"drop database {name}")
