"""A secret that was given once is nowhere to be found, however it was given and whatever went wrong."""

import base64
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.parse

import psycopg
import pytest
from cluster import as_server_user, temporary_directory, wait_until
from conftest import Database
from story import CUSTOMERS, make_sync, problem_codes, start_stripe, wait_for_problem, wait_for_sync

LITERAL = "sk_live_literalKh3Zq8Tn5VwXy"
BOUND = "sk_live_boundPd7Rm2Js9GfLc"
FILED = "sk_live_filedWb4Nx6Ht1QkZv"
SET_IN_ENV = "sk_live_environUe5Ya3Ci8OmDr"
SECRETS = [LITERAL, BOUND, FILED, SET_IN_ENV]


def forms(secret):
    """The ways in which a secret might lie about."""
    raw = secret.encode()
    yield raw
    yield urllib.parse.quote(secret, safe="").encode()
    for before in range(3):          # its base64 in the middle of something, whatever stands before it
        code = base64.b64encode(b"\0" * before + raw)
        yield code[(before * 8 + 5) // 6:(before + len(raw)) * 8 // 6]
    yield raw.hex().encode()
    yield secret.encode("utf-16-le")


def found_in(data, secrets=SECRETS):
    return [secret for secret in secrets if any(form in data for form in forms(secret))]


def passages(text):
    """The text around each secret, for the report of a failure."""
    places = [text.find(form.decode(errors="replace")) for secret in SECRETS for form in forms(secret)]
    return [text[max(0, at - 300):at + 60] for at in places if at >= 0][:3]


def where_found(directory, secrets=SECRETS):
    """Files below the directory that hold a secret, bytes as they are."""
    places = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as file:
                    data = file.read()
            except OSError:
                continue
            places += [(path, secret) for secret in found_in(data, secrets)]
    return places


class Echo(http.server.BaseHTTPRequestHandler):
    """An API that says back what it was sent, in every place where an answer has room."""

    def do_GET(self):
        sent = self.headers["Authorization"] or ""
        token = sent.rsplit(" ", 1)[-1]
        code = base64.b64encode(sent.encode()).decode()
        text = f"Bad key {token}, that is {code}, {urllib.parse.quote(sent)}, {sent!r}"
        body = json.dumps({"error": {"message": text, "code": token, "type": token}}).encode()
        self.send_response(400, token)
        self.send_header("Request-Id", token)
        self.send_header("X-Echo", sent)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def echo():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def own(new_cluster, monkeypatch):
    """A database on a server that logs all it can, keeps statements, and knows a secret's file and variable."""
    monkeypatch.setenv("SHOP_KEY", SET_IN_ENV)
    server = new_cluster({
        "shared_preload_libraries": "sequin,pg_stat_statements", "pg_stat_statements.track": "all",
        "log_statement": "none", "log_error_verbosity": "verbose",
    }).start()
    # only now: at this level the server logs its whole environment when it starts
    server.configure(log_min_messages="debug5")
    server.reload()
    wait_until(lambda: server.value("show log_min_messages") == "debug5")
    server.sql("create database app")
    db = Database(server, "app")
    db.execute("create extension pg_stat_statements")
    db.execute("create extension sequin")
    yield db
    db.connection.close()


@pytest.fixture
def secret_file():
    path = temporary_directory("sequin-secret-") / "key"
    path.write_text(FILED + "\n")
    path.chmod(0o644)
    return path


class Observer(threading.Thread):
    """Collects what anybody may see: activity of others, and notifications."""

    def __init__(self, db):
        super().__init__(daemon=True)
        self.watch, self.listen = db.connect(), db.connect()
        for channel in ("sequin_events", "sequin_health"):
            self.listen.execute(f"listen {channel}")
        self.seen, self.payloads, self.is_over = set(), [], False
        self.listen.add_notify_handler(lambda note: self.payloads.append(note.payload))
        self.start()

    def run(self):
        while not self.is_over:
            self.seen.update(text for (text,) in self.watch.execute(
                "select query from pg_stat_activity where pid <> pg_backend_pid() and state is not null"
                " and not (state = 'active' and backend_type = 'client backend')"))
            time.sleep(0.02)
        self.listen.execute("select")         # brings what was sent

    def stop(self):
        self.is_over = True
        self.join()
        self.watch.close()
        self.listen.close()


def error_of(db, statement, *parameters):
    """What the client was told, all of it."""
    with pytest.raises(psycopg.Error) as caught:
        db.execute(statement, *parameters)
    diag = caught.value.diag
    return caught.value, " ".join(filter(None, (
        diag.message_primary, diag.message_detail, diag.message_hint, diag.context, diag.internal_query)))


def call(params):
    return "select sequin.create_credential('%s')" % json.dumps(params).replace("'", "''")


def test_a_secret_is_nowhere_after_success_and_after_every_error(own, start_sandbox, secret_file, echo):
    db = own
    stripe = start_stripe(start_sandbox, customers=20, keys=SECRETS)
    observer = Observer(db)
    told = []
    sources = {"literal": LITERAL, "bound": BOUND, "file": {"from_file": str(secret_file)}, "env": {"from_env": "SHOP_KEY"}}

    # success, in every form of the call
    for how, secret in sources.items():
        if how == "literal":
            db.execute(f"select sequin.create_credential('stripe_key', '{secret}', 'shop {how}', id => '{how}')")
            db.execute(call({"id": how, "kind": "stripe_key", "properties": {"secret_key": secret}}))
            db.execute(f"select sequin.update_credential('{how}', '{{\"secret\": \"{secret}\"}}')")
            db.execute("select sequin.create_sync('%s')" % json.dumps(
                {"id": "inline", "name": "i", "provider": "stripe", "collection_ids": CUSTOMERS,
                 "base_url": stripe.base_url, "credential": {"kind": "stripe_key", "secret": secret}}))
        else:
            db.execute("select sequin.create_credential(%s::jsonb)", json.dumps(
                {"id": how, "kind": "stripe_key", "secret": secret}))
            db.execute("select sequin.update_credential(%s, %s::jsonb)", how, json.dumps({"secret": secret}))
        make_sync(db, stripe.base_url, f"sync_{how}", credential_id=how, credential=None)
    for how in sources:
        wait_for_sync(db, f"sync_{how}")

    # an error in the call: an unknown field, a wrong kind, a key of the wrong form, no such provider, a taken id
    for how, secret in sources.items():
        plain = secret if isinstance(secret, str) else None
        for bad in ({"kind": "stripe_key", "secret": secret, "colour": "red"}, {"kind": "stripe_kez", "secret": secret},
                    {"kind": "stripe_key", "secret": secret, "provider": "strip"},
                    {"kind": "stripe_key", "secret": secret, "id": "literal" if how != "literal" else "bound"},
                    {"kind": plain or "none", "secret": secret}, {"kind": "stripe_key", "secret_key": secret, "secret": "x" * 20},
                    {"kind": "stripe_key", "secret": secret, "metadata": 5},
                    {"kind": "stripe_key", "secret": [plain or "z"]},
                    {"kind": "stripe_key", "secret": (plain or "z") + "-!"},
                    {"kind": "stripe_key", "secret": secret, "base_url": "ftp://nowhere"}):
            if how == "literal":
                told.append(error_of(db, call(bad))[1])
            else:
                told.append(error_of(db, "select sequin.create_credential(%s::jsonb)", json.dumps(bad))[1])
    told.append(error_of(db, f"select sequin.create_credential('stripe_key', '{LITERAL}', provider => 'nobody')")[1])
    told.append(error_of(db, f"select sequin.update_credential('nobody', '{{\"secret\": \"{LITERAL}\"}}')")[1])
    told.append(error_of(db, f"select sequin.create_credential('stripe_key', '{LITERAL}', id => 'literal'),"
                             " 1 / (0 * random())::int")[1])

    # an error of the API: one that repeats what it was sent, and a revoked key
    for how in sources:
        make_sync(db, echo, f"echo_{how}", credential_id=how, credential=None)
        wait_until(lambda: db.value("select sequin.get_sync(%s) #>> '{health,status}'", f"echo_{how}") != "ok")
        told.append(error_of(db, "select sequin.wait_for_sync(%s, '30s')", f"echo_{how}")[1])
        db.execute("select sequin.update_credential(%s, %s::jsonb)", how, json.dumps({"base_url": echo, "secret": sources[how]}))
        told.append(json.dumps(db.value("select sequin.test_credential(%s)", how)))
        db.execute("select sequin.update_credential(%s, %s::jsonb)", how, json.dumps({"base_url": None, "secret": sources[how]}))
    stripe.admin("accounts", revoke=SECRETS)
    for how in sources:
        db.execute("select sequin.refresh_sync(%s)", f"sync_{how}")
        wait_until(lambda: db.value("select sequin.get_sync(%s) #>> '{health,status}'", f"sync_{how}") == "error")
    wait_until(lambda: db.value("select count(*) > 5 from sequin.requests where status = 400"))

    # everything that people see
    tables = [name for (name,) in db.all("select c.oid::regclass::text from pg_class c where relkind in ('r', 'v', 'p')"
                                         " and relnamespace = 'sequin'::regnamespace")]
    shown = {name: json.dumps(db.value(f"select coalesce(jsonb_agg(t), '[]') from {name} t")) for name in tables}
    shown["health"] = json.dumps(db.value("select sequin.health()"))
    for verb in ("syncs", "credentials", "providers"):
        shown[verb] = json.dumps(db.value(f"select sequin.list_{verb}()"))
    shown["statements"] = json.dumps(db.value("select jsonb_agg(query) from pg_stat_statements"))
    shown["prepared"] = json.dumps(db.value("select coalesce(jsonb_agg(statement), '[]') from pg_prepared_statements"))
    observer.stop()
    shown["activity"] = "\n".join(observer.seen)
    shown["notifications"] = "\n".join(observer.payloads)
    shown["errors"] = "\n".join(told)
    assert observer.payloads and observer.seen
    dump = [db.cluster.bin / "pg_dump", "-h", db.cluster.host, "-U", "postgres", "app"]
    shown["pg_dump"] = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    leaks = {name: passages(text) for name, text in shown.items() if found_in(text.encode())}
    assert leaks == {}, json.dumps(leaks, indent=1)

    # everything on disk
    db.connection.close()
    db.cluster.sql("checkpoint")
    assert where_found(db.cluster.data) == []
    db.cluster.stop()
    assert where_found(db.cluster.data) == []
    assert found_in(db.cluster.log().encode()) == [], passages(db.cluster.log())
    assert "DEBUG" in db.cluster.log()


def test_activity_shows_that_something_is_hidden(db):
    db.execute(f"select sequin.create_credential('stripe_key', '{LITERAL}')")
    shown = db.cluster.value("select query from pg_stat_activity where pid = %s", db.connection.info.backend_pid)
    assert "create_credential" in shown and "hidden" in shown and LITERAL not in shown


IN_CODE = {
    "DO": "do $$ begin perform sequin.create_credential('stripe_key', '{secret}'); end $$",
    "CALL": "call keep('{secret}')",
    "EXPLAIN": "explain analyze select sequin.create_credential('stripe_key', '{secret}')",
    "CREATE TABLE AS": "create table t as select sequin.create_credential('stripe_key', '{secret}')",
    "COPY": "copy (select sequin.create_credential('stripe_key', '{secret}')) to '/dev/null'",
    "SQL function": "select sql_function()",
    "PL/pgSQL function": "select plpgsql_function()",
    "view": "select * from view",
}


@pytest.mark.parametrize("where", IN_CODE)
def test_a_literal_that_cannot_be_hidden_is_refused_with_a_hint(db, where):
    db.execute("create procedure keep(secret text) language plpgsql as"
               " $$ begin perform sequin.create_credential('stripe_key', secret); end $$")
    db.execute("create function sql_function() returns jsonb language sql volatile as"
               f" $$ select sequin.create_credential('stripe_key', '{LITERAL}') $$")
    db.execute("create function plpgsql_function() returns jsonb language plpgsql as"
               f" $$ begin return sequin.create_credential('stripe_key', '{LITERAL}'); end $$")
    db.execute(f"create view view as select sequin.create_credential('stripe_key', '{LITERAL}')")
    start = db.cluster.log_position()
    error, told = error_of(db, IN_CODE[where].format(secret=LITERAL))
    assert error.sqlstate == "55000", told
    assert "from_file" in error.diag.message_hint
    assert found_in((told + db.cluster.log(start)).encode()) == []
    assert db.value("select count(*) from sequin._credentials") == 0


PASSED = {
    "RETURN": "begin return sequin.create_credential('stripe_key', secret); end",
    "PERFORM": "begin perform sequin.create_credential('stripe_key', secret); return null; end",
    "PERFORM with a document": "declare j jsonb := jsonb_build_object('kind', 'stripe_key', 'secret', secret);"
                               " begin perform sequin.create_credential(j); return null; end",
}


@pytest.mark.parametrize("how", PASSED)
def test_a_secret_in_a_variable_may_pass_through_code(db, how):
    db.execute(f"create function keep(secret text) returns jsonb language plpgsql as $$ {PASSED[how]} $$")
    db.execute("create table held as select %s::text as secret", FILED)
    db.execute("select keep(%s)", BOUND)
    db.execute("select keep(secret) from held")
    db.execute("do $$ declare s text; begin select secret || 'x' into s from held; perform keep(s); end $$")
    assert db.value("select count(*) from sequin._credentials") == 3


def test_only_superusers_have_secrets_read_from_the_server(db, secret_file):
    db.execute("drop role if exists someone")
    db.execute("create role someone")
    db.execute("select sequin.grant_access('someone', 'admin')")
    db.execute("set role someone")
    for source in ({"from_file": str(secret_file)}, {"from_env": "PATH"}):
        error, told = error_of(db, "select sequin.create_credential(%s::jsonb)", json.dumps(
            {"kind": "stripe_key", "secret": source}))
        assert error.sqlstate == "42501" and found_in(told.encode()) == []
    db.execute("reset role")
    db.execute("select sequin.revoke_access(role => 'someone', level => 'admin')")
    db.execute("drop owned by someone")
    db.execute("drop role someone")


# the key file


@pytest.fixture
def fresh(new_cluster):
    """A database on a server that has no key file yet."""
    server = new_cluster().start()
    server.sql("create database app")
    db = Database(server, "app")
    db.execute("create extension sequin")
    yield db
    db.connection.close()


def key_file(db):
    return db.cluster.data.parent / f"{db.cluster.data.name}.sequin-key"


def as_server(db, *command):
    db.cluster._run(command)


def set_key_file(db, path):
    db.cluster.configure(**{"sequin.key_file": path})
    db.cluster.reload()
    db.wait_for("select coalesce(nullif(current_setting('sequin.key_file'), ''), '-') = %s", str(path) if path else "-")


def store(db, secret=LITERAL):
    db.execute("select sequin.create_credential('stripe_key', %s)", secret)


def test_key_file_is_made_on_first_use_beside_the_data_directory(fresh):
    path = key_file(fresh)
    assert not path.exists()
    store(fresh)
    status = path.stat()
    assert status.st_mode & 0o7777 == 0o600 and status.st_uid == fresh.cluster.data.stat().st_uid
    assert fresh.cluster.data not in path.parents
    before = path.read_bytes()
    store(fresh, BOUND)
    assert path.read_bytes() == before
    assert where_found(fresh.cluster.data, [before.decode().strip()]) == []


@pytest.mark.parametrize("mode", ["640", "604", "666"])
def test_key_file_that_others_may_read_is_refused(fresh, mode):
    store(fresh)
    as_server(fresh, "chmod", mode, str(key_file(fresh)))
    error, told = error_of(fresh, "select sequin.create_credential('stripe_key', %s)", BOUND)
    assert "readable by nobody else" in told and "chmod 600" in error.diag.message_hint
    as_server(fresh, "chmod", "600", str(key_file(fresh)))
    store(fresh, BOUND)


def test_key_file_inside_the_data_directory_is_refused(fresh):
    data = fresh.cluster.data
    outside = fresh.cluster.base / "link"
    as_server(fresh, "ln", "-s", str(data), str(outside))
    for path in (data / "key", data / "base" / "key", outside / "key", data / "base" / ".." / "key"):
        set_key_file(fresh, path)
        error, told = error_of(fresh, "select sequin.create_credential('stripe_key', %s)", BOUND)
        assert error.sqlstate == "55000" and "inside the data directory" in told
        assert not path.exists()


def test_key_file_that_is_a_link_into_the_data_directory_is_refused(fresh):
    inside, link = fresh.cluster.data / "key", fresh.cluster.base / "key"
    store(fresh)
    as_server(fresh, "cp", "-p", str(key_file(fresh)), str(inside))
    as_server(fresh, "ln", "-s", str(inside), str(link))
    set_key_file(fresh, link)
    error_of(fresh, "select sequin.create_credential('stripe_key', %s)", BOUND)


def test_wrong_key_file_gives_a_health_note_and_nothing_goes_out(fresh, start_sandbox):
    db = fresh
    stripe = start_stripe(start_sandbox, customers=5)
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    right = key_file(db)
    wrong = db.cluster.base / "wrong"
    as_server(db, "sh", "-c", f"umask 077; printf '%064d\\n' 0 > {wrong}")
    set_key_file(db, wrong)
    problem = wait_for_problem(db, "secret_unreadable")
    assert problem["status"] == "error" and str(wrong) in problem["note"]
    before = stripe.admin("stats")["requests"]
    db.execute("select sequin.refresh_sync('s')")
    error, _ = error_of(db, "select sequin.wait_for_sync('s', '2s')")
    assert error.sqlstate == "SQ003"
    assert stripe.admin("stats")["requests"] == before
    # both keys in one file, the wrong one first
    as_server(db, "sh", "-c", f"cat {right} >> {wrong}")
    db.cluster.reload()
    wait_until(lambda: problem_codes(db) == {})
    wait_for_sync(db)


def test_rotated_key_opens_old_secrets_and_seals_anew(fresh, start_sandbox):
    db = fresh
    stripe = start_stripe(start_sandbox, customers=5)
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    old_seal = db.value("select secrets from sequin._credentials")
    old_key = key_file(db).read_text().split()
    db.execute("select sequin.rotate_key()")
    assert db.value("select secrets from sequin._credentials") != old_seal
    new_key = key_file(db).read_text().split()
    assert len(new_key) == 2 and new_key[1:] == old_key
    made = stripe.admin("create", collection="customers")["id"]
    db.wait_for("select count(*) = 1 from sequin.records where upstream_id = %s", made, deadline=45)
    # the same account is still the same credential
    make_sync(db, stripe.base_url, "again")
    assert db.value("select count(*) from sequin._credentials") == 1
    assert key_file(db).stat().st_mode & 0o7777 == 0o600
