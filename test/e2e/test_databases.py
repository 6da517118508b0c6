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
