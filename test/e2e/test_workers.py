"""Workers: they are there when they are needed, obey, survive what the server does, and say what they do."""

import os
import signal

import pytest
import truth
from cluster import Cluster, children_of, is_alive, wait_until
from conftest import Database
from story import (CUSTOMERS, hang, make_sync, problem_codes, requests, seconds, start_stripe, wait_for_problem,
                   wait_for_sync)

ENGINE = "sequin engine"
LAUNCHER = "sequin launcher"


def engine_of(db):
    """The engine's process id, once there is one."""
    return wait_until(lambda: db.cluster.worker_pids(ENGINE, db.name), what="an engine runs")[0]


@pytest.fixture
def stripe(start_sandbox):
    return start_stripe(start_sandbox, customers=30)


@pytest.fixture
def own(new_cluster):
    """A function that gives a database on a server of its own."""

    def make(**conf):
        server = new_cluster(conf).start()
        server.sql("create database app")
        db = Database(server, "app")
        db.execute("create extension sequin")
        return db

    return make


def customer(db, sandbox):
    """Makes a customer; its id, once it is a record."""
    made = sandbox.admin("create", collection="customers")["id"]
    db.wait_for("select count(*) = 1 from sequin.records where upstream_id = %s", made, deadline=45)
    return made


# coming to life


def test_create_extension_starts_engine_without_restart(cluster, new_database, stripe):
    db = new_database(extension=False)
    launcher = cluster.worker_pids(LAUNCHER)
    db.execute("create extension sequin")
    engine_of(db)
    assert cluster.worker_pids(LAUNCHER) == launcher
    make_sync(db, stripe.base_url)
    wait_for_sync(db)


def test_aborted_create_extension_starts_nothing(cluster, new_database):
    aborted, control = new_database(extension=False), new_database(extension=False)
    with pytest.raises(ZeroDivisionError):
        with aborted.connection.transaction():
            aborted.execute("create extension sequin")
            raise ZeroDivisionError
    control.execute("create extension sequin")
    engine_of(control)          # the launcher has looked at everything it was told before
    assert cluster.worker_pids(ENGINE, aborted.name) == []
    aborted.execute("create extension sequin")
    engine_of(aborted)


def test_drop_and_create_in_one_transaction_gets_an_engine_again(db, stripe):
    before = engine_of(db)
    with db.connection.transaction():
        db.execute("drop extension sequin")
        db.execute("create extension sequin")
    wait_until(lambda: engine_of(db) != before, what="another engine runs")
    make_sync(db, stripe.base_url)
    wait_for_sync(db)


def test_engines_are_found_at_server_start(own, stripe):
    db = own()
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    db.connection.close()
    db.cluster.restart()
    db.reconnect()
    customer(db, stripe)


def test_without_preloading_calls_are_refused_with_a_hint(own, stripe):
    db = own()
    make_sync(db, stripe.base_url)
    db.cluster.configure(shared_preload_libraries="")
    db.connection.close()
    db.cluster.restart()
    db.reconnect()
    for call in ("select sequin.create_sync('x', 'stripe', credential => '{\"kind\":\"stripe_key\"}')",
                 "select sequin.refresh_sync('s')", "select sequin.wait_for_sync('s')",
                 "select sequin.resync_record('s', 'stripe:customer', 'cus_1')"):
        with pytest.raises(Exception) as caught:
            db.execute(call)
        assert caught.value.sqlstate == "55000", call
        assert "shared_preload_libraries" in caught.value.diag.message_hint, call
    assert "not_preloaded" in problem_codes(db)
    assert db.value("select sequin.get_sync('s') ->> 'id'") == "s"


# several at once


def test_several_databases_run_at_once(cluster, new_database, start_sandbox):
    keys = [f"sk_live_account{n}" for n in range(3)]
    stripe = start_stripe(start_sandbox, customers=100, keys=keys)
    databases = [new_database() for _ in range(3)]
    for db in databases:
        for n, key in enumerate(keys):
            make_sync(db, stripe.base_url, f"s{n}", key)
    for db in databases:
        for n in range(3):
            wait_for_sync(db, f"s{n}")
    for n, key in enumerate(keys):
        stripe.admin("changes", count=30, account=key, mix={"collections": {"customers": 1}})
    for db in databases:
        for n, key in enumerate(keys):
            wanted = stripe.admin("truth", collection="customers", versions=False, account=key)["objects"].keys()

            def held():
                return {id for (id,) in db.all(
                    "select upstream_id from sequin.records where sync_id = %s and not deleted", f"s{n}")}

            wait_until(lambda: held() == wanted, 45, f"{db.name} s{n} is up to date")
        truth.check_numbers(db.connection)
    assert len(cluster.worker_pids(ENGINE)) == 3


def test_no_free_worker_slot_shows_in_health_and_recovers(own):
    # launcher, one engine, and the server's own logical replication launcher
    first = own(max_worker_processes=3)
    engine_of(first)
    first.cluster.sql("create database other")
    second = Database(first.cluster, "other")
    second.execute("create extension sequin")
    problem = wait_for_problem(second, "no_worker_slot")
    assert problem["status"] == "error" and "max_worker_processes" in problem["hint"]
    assert "no_worker_slot" not in problem_codes(first), "that database has its engine"
    first.execute("drop extension sequin")
    took = seconds(lambda: engine_of(second))
    print(f"an engine {took:.3f} s after a slot was free")
    assert took < 10
    wait_until(lambda: "no_worker_slot" not in problem_codes(second))


# obeying


def test_sighup_takes_new_settings(db, stripe):
    server = db.cluster
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    hang(stripe)
    server.configure(**{"sequin.enabled": "off"})
    server.reload()
    took = seconds(lambda: wait_until(lambda: stripe.admin("stats")["hanging"] == 0, what="the request is given up"))
    print(f"sequin.enabled = off ended a hanging request within {took:.3f} s")
    assert took < 2
    stripe.admin("faults", clear=True)
    wait_until(lambda: "disabled" in problem_codes(db))
    before = requests(stripe)
    db.execute("select sequin.refresh_sync('s')")
    made = stripe.admin("create", collection="customers")["id"]
    with pytest.raises(Exception) as caught:
        wait_for_sync(db, timeout="1s")
    assert caught.value.sqlstate == "SQ006"
    assert requests(stripe) == before, "nothing goes out while it is off"
    server.configure(**{"sequin.enabled": None})
    server.reload()
    db.wait_for("select count(*) = 1 from sequin.records where upstream_id = %s", made)
    assert "disabled" not in problem_codes(db)


def test_allowed_hosts_taken_away_ends_traffic(db, stripe):
    server = db.cluster
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    server.configure(**{"sequin.allowed_hosts": ""})
    server.reload()
    wait_until(lambda: server.value("show sequin.allowed_hosts") == "")
    db.execute("select sequin.refresh_sync('s')")
    wait_until(lambda: db.value("select sequin.get_sync('s') #>> '{health,status}'") != "ok")
    before = requests(stripe)
    server.configure(**{"sequin.allowed_hosts": None})
    server.reload()
    wait_until(lambda: requests(stripe) > before)
    wait_until(lambda: db.value("select sequin.get_sync('s') #>> '{health,status}'") == "ok", 45)


def test_reload_gives_back_the_place_of_a_hanging_request(db, stripe):
    make_sync(db, stripe.base_url, rate_limit={"allowed_requests": 100, "interval": 1, "max_concurrent_requests": 1})
    wait_for_sync(db)
    hang(stripe)
    stripe.admin("faults", clear=True)
    db.cluster.reload()
    customer(db, stripe)


def test_sequin_databases_limits_which_databases_have_engines(own):
    db = own()
    engine_of(db)
    db.cluster.configure(**{"sequin.databases": "elsewhere"})
    db.cluster.reload()
    wait_until(lambda: not db.cluster.worker_pids(ENGINE), what="the engine is gone")
    db.cluster.configure(**{"sequin.databases": "elsewhere, app"})
    db.cluster.reload()
    engine_of(db)


@pytest.mark.parametrize("backend_type", [ENGINE, LAUNCHER])
def test_terminated_worker_comes_back(db, stripe, backend_type):
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    (before,) = wait_until(lambda: [p for p in db.cluster.worker_pids(backend_type)
                                    if backend_type == LAUNCHER or p == engine_of(db)])
    hang(stripe)
    db.execute("select pg_terminate_backend(%s)", before)
    took = seconds(lambda: wait_until(lambda: not is_alive(before), what="it is gone"))
    print(f"{backend_type} left {took:.3f} s after SIGTERM")
    assert took < 2
    stripe.admin("faults", clear=True)
    stripe.admin("release")
    wait_until(lambda: set(db.cluster.worker_pids(backend_type)) - {before}, what="it is back")
    customer(db, stripe)


def test_engine_started_before_the_launcher_is_replaced_when_it_ends(db):
    old_engine = engine_of(db)
    (old_launcher,) = db.cluster.worker_pids(LAUNCHER)
    db.execute("select pg_terminate_backend(%s)", old_launcher)
    wait_until(lambda: set(db.cluster.worker_pids(LAUNCHER)) - {old_launcher}, what="the launcher is back")
    assert engine_of(db) == old_engine, "an engine does not need the launcher"
    db.execute("select pg_terminate_backend(%s)", old_engine)
    wait_until(lambda: engine_of(db) != old_engine, what="another engine runs")


def test_cancel_does_not_end_an_engine(db, stripe):
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    pid = engine_of(db)
    for _ in range(20):
        db.execute("select pg_cancel_backend(%s)", pid)
    customer(db, stripe)
    assert engine_of(db) == pid


# surviving


@pytest.mark.parametrize("backend_type", [ENGINE, LAUNCHER])
def test_killed_worker_restarts_the_server_and_the_sync_goes_on(own, start_sandbox, backend_type):
    stripe = start_stripe(start_sandbox, customers=3000)
    stripe.admin("latency", seconds=0.05)
    db = own()
    make_sync(db, stripe.base_url)
    db.wait_for("select count(*) > 2000 from sequin.records")
    before = db.value("select count(*) from sequin.records")
    start = db.cluster.log_position()
    db.cluster.kill_process(db.cluster.worker_pids(backend_type)[0])
    db.connection.close()
    db.cluster.wait_for_log("reinitializing", start)
    wait_until(lambda: can_connect(db), what="the server is back")
    db.reconnect()
    assert db.value("select count(*) from sequin.records") >= before
    seen = requests(stripe)
    wait_for_sync(db)
    stripe.admin("latency", seconds=0)
    pages = len(stripe.admin("requests", path="/v1/customers", since=seen)["requests"])
    print(f"{pages} pages after the crash, of 30 in all")
    assert pages < 25, "what was read before is not read again"
    truth.check(db.connection, stripe, "s", ["customer"])
    customer(db, stripe)


def can_connect(db):
    try:
        return db.cluster.value("select 1")
    except Exception:
        return False


def test_workers_end_with_the_postmaster(own, stripe):
    db = own()
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    hang(stripe)
    server = db.cluster
    server.may_crash = True
    workers = server.worker_pids(ENGINE) + server.worker_pids(LAUNCHER)
    assert len(workers) == 2
    postmaster = server.postmaster_pid()
    everybody = children_of(postmaster)
    os.kill(postmaster, signal.SIGKILL)
    took = seconds(lambda: wait_until(lambda: not any(is_alive(pid) for pid in workers), what="workers are gone"))
    print(f"workers left {took:.3f} s after the postmaster")
    assert took < 2
    wait_until(lambda: not any(is_alive(pid) for pid in everybody), what="everybody is gone")
    for lock in (server.data / "postmaster.pid", server.base / f".s.PGSQL.{server.port}.lock"):
        lock.unlink(missing_ok=True)
    stripe.admin("faults", clear=True)
    server.start()
    db.reconnect()
    customer(db, stripe)


def test_server_stops_at_once_during_a_hanging_request(own, stripe):
    db = own()
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    hang(stripe)
    db.connection.close()
    took = seconds(lambda: db.cluster.stop("fast"))
    print(f"pg_ctl stop -m fast took {took:.3f} s")
    assert took < 3
    assert not db.cluster.crashes()


# standby and promotion


@pytest.fixture
def pair(own, stripe):
    """A primary with a sync, and a standby that has caught up and owns a copy of the key file."""
    db = own()
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    standby = db.cluster.standby()
    bring_key(db.cluster, standby)
    standby.start()
    yield db, standby, stripe
    standby.remove()


def bring_key(source, target):
    target._run(["cp", "-p", f"{source.data}.sequin-key", f"{target.data}.sequin-key"])


def promote(db, standby):
    """Stops the primary for good and promotes; returns the database there, and the last number seen."""
    last = db.value("select max(seq) from sequin.events")
    wait_until(lambda: standby.value("select max(seq) from sequin.events", dbname="app") == last)
    db.connection.close()
    db.cluster.stop("fast")
    standby.promote()
    return Database(standby, "app"), last


def test_standby_has_no_workers_and_promotion_pauses_until_confirmed(pair):
    db, standby, stripe = pair
    assert standby.worker_pids(ENGINE) + standby.worker_pids(LAUNCHER) == []
    there, last = promote(db, standby)
    before = requests(stripe)
    engine_of(there)
    assert wait_for_problem(there, "other_timeline")["status"] == "error"
    made = stripe.admin("create", collection="customers")["id"]
    there.execute("select sequin.refresh_sync('s')")
    with pytest.raises(Exception) as caught:
        wait_for_sync(there, timeout="2s")
    assert caught.value.sqlstate in ("SQ006", "SQ001")
    assert requests(stripe) == before, "nothing goes out before it is confirmed"
    there.execute("select sequin.confirm_instance()")
    there.wait_for("select count(*) = 1 from sequin.records where upstream_id = %s", made)
    assert problem_codes(there) == {}
    gap_is_recorded(there, last)


def test_promotion_goes_on_by_itself_where_that_is_wanted(pair):
    db, standby, stripe = pair
    standby.configure(**{"sequin.after_promotion": "continue"})
    standby.reload()
    there, last = promote(db, standby)
    customer(there, stripe)
    assert problem_codes(there) == {}
    gap_is_recorded(there, last)


def gap_is_recorded(db, last):
    """Numbers after the last one that was seen are left out, once."""
    assert db.all("select first_seq, last_seq from sequin._gaps") == [(last + 1, last + 1048576)]
    assert db.value("select min(seq) from sequin.events where seq > %s", last) == last + 1048577
    truth.check_numbers(db.connection)


def test_promoted_server_without_the_key_file_says_which_file_is_missing(pair):
    db, standby, stripe = pair
    (standby.data.parent / f"{standby.data.name}.sequin-key").unlink()
    there, _ = promote(db, standby)
    before = requests(stripe)
    there.execute("select sequin.confirm_instance()")
    problem = wait_for_problem(there, "secret_unreadable")
    assert problem["status"] == "error" and f"{standby.data}.sequin-key" in problem["note"]
    assert requests(stripe) == before
    bring_key(db.cluster, standby)
    standby.reload()
    customer(there, stripe)
    wait_until(lambda: problem_codes(there) == {})


# what they say


def test_pg_stat_activity_says_what_each_worker_does(own, stripe):
    db = own()
    make_sync(db, stripe.base_url, "shop")
    wait_for_sync(db, "shop")
    hang(stripe)
    rows = db.all("select backend_type, datname, application_name, state, query, wait_event_type"
                  " from pg_stat_activity where backend_type like 'sequin%%' order by 1")
    engine, launcher = rows
    assert engine[:2] == (ENGINE, "app") and launcher[:2] == (LAUNCHER, None)
    assert "1 sync" in engine[4] and "1 request" in engine[4], engine
    assert "1 engine" in launcher[4], launcher
    assert {row[3] for row in rows} == {"idle"}
    assert all(row[5] == "Extension" for row in rows)


HOSTILE = {
    "search_path": "hostile, public",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "1ms",
    "synchronous_commit": "off",
    "row_security": "off",
    "session_replication_role": "replica",
    "timezone": "Asia/Kathmandu",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "plan_cache_mode": "force_generic_plan",
    "constraint_exclusion": "off",
    "enable_indexscan": "off",
    "enable_partition_pruning": "off",
    "jit_above_cost": "0",
    "work_mem": "64kB",
    "client_encoding": "LATIN1",
    "client_min_messages": "debug5",
    "log_statement": "all",
    "xmlbinary": "hex",
    "role": "nobody_special",
    "application_name": "somebody else",
}


@pytest.mark.parametrize("where", ["database app", "role postgres", "role all", "role postgres in database app"])
def test_hostile_settings_do_not_disturb_a_sync(own, stripe, where):
    db = own(jit="on")
    db.execute("create role nobody_special")
    db.execute("create schema hostile")
    db.execute("create function hostile.now() returns timestamptz language sql as $$ select 'epoch'::timestamptz $$")
    db.execute("create function hostile.clock_timestamp() returns timestamptz language sql as $$ select 'epoch'::timestamptz $$")
    db.execute("create table hostile._records (oops text)")
    db.execute("grant usage on schema hostile to public")
    before = engine_of(db)
    for name, value in HOSTILE.items():
        if name == "role" and where == "role all":
            continue                         # the server has no such thing
        value = value if "," in value else f"'{value}'"
        db.execute(f"alter {where} set {name} = {value}")
    # this session was there before and has none of that
    db.execute("select pg_terminate_backend(%s)", before)
    db.wait_for("select pid from pg_stat_activity where backend_type = %s and pid <> %s and query ~ 'serving'", ENGINE, before)
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    stripe.admin("changes", count=40, mix={"collections": {"customers": 1}})
    wait_until(lambda: not truth.differences(db.connection, stripe, "s", "customer"), 45)
    truth.check(db.connection, stripe, "s", ["customer"])
    assert "LOG:  statement:" not in engine_log(db), "log_statement is not for workers"


def engine_log(db):
    return "\n".join(line for line in db.cluster.log().splitlines() if " sequin engine " in line)
