"""Fixtures of the end-to-end tests: a server, databases with the extension, API stand-ins.

    def test_something(db, sandbox): ...

`cluster` is one server per module, `db` a fresh database with the extension, `sandbox` the stand-in
for an API, and `start_sandbox` a function that starts one with options. A failing test shows the
end of each server's log; a server process that crashed unasked fails the module.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import pytest
from cluster import ROOT, Cluster, wait_until

# The clusters of the tests are named in full: what the caller's shell says of another one must not count.
for _name in [name for name in os.environ if name.startswith("PG") and name != "PG_CONFIG"]:
    del os.environ[_name]

TEST_LIMIT_S = 180
_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "smoke: the short run on every server version")
    config.addinivalue_line("markers", "limit(seconds): how long the test may take")
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 143))


# reports


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    marker = item.get_closest_marker("limit")
    limit = marker.args[0] if marker else TEST_LIMIT_S

    def give_up(*_):
        raise TimeoutError(f"test took longer than {limit} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for cluster in Cluster.running:
            report.sections.append((f"server log of {cluster.base.name}", cluster.log_tail()))


# servers and databases


@pytest.fixture(scope="module")
def cluster():
    server = Cluster().start()
    yield server
    crashes = [] if server.may_crash else server.crashes()
    server.remove()
    assert not crashes, "a server process crashed: " + crashes[0]


@pytest.fixture
def new_cluster():
    """A function that makes further servers, with the arguments of Cluster; not started."""
    made = []

    def make(*arguments, **options):
        made.append(Cluster(*arguments, **options))
        return made[-1]

    yield make
    for server in made:
        server.remove()


class Database:
    """A database and one connection to it that commits every statement."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.connection = cluster.connect(name)

    def connect(self, **options):
        return self.cluster.connect(self.name, **options)

    def reconnect(self):
        """After a server restart."""
        self.connection.close()
        self.connection = self.connect()

    def all(self, query, *parameters):
        cursor = self.connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def one(self, query, *parameters):
        rows = self.all(query, *parameters)
        assert len(rows) == 1, f"{len(rows)} rows from {query}"
        return rows[0]

    def value(self, query, *parameters):
        return self.one(query, *parameters)[0]

    def execute(self, query, *parameters):
        self.connection.execute(query, parameters or None)

    def wait_for(self, query, *parameters, deadline=20.0):
        """Repeats a query until the first column of its first row is true; returns that value."""

        def first():
            rows = self.all(query, *parameters)
            return rows[0][0] if rows else None

        return wait_until(first, deadline, query)


@pytest.fixture
def new_database(cluster):
    """A function that makes a fresh database; extension=False leaves it empty."""
    made = []

    def make(extension=True):
        name = f"test_{next(_numbers)}"
        cluster.sql(f"create database {name}")
        database = Database(cluster, name)
        made.append(database)
        if extension:
            database.execute("create extension sequin")
        return database

    yield make
    for database in made:
        database.connection.close()
        if cluster.is_running():
            cluster.sql(f"drop database if exists {database.name} with (force)")


@pytest.fixture
def db(new_database):
    return new_database()


# stand-ins for APIs


class Sandbox:
    """A running `python3 -m sandbox.<name>`; its first line of output names its address."""

    def __init__(self, name, *options):
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-m", f"sandbox.{name}", "--port", "0", *map(str, options)],
            cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}, text=True,
            stdout=subprocess.PIPE, stderr=self.log,
        )
        line = self.process.stdout.readline()
        found = [word for word in line.split() if word.startswith("http://")]
        if not found:
            self.stop()
            self.log.seek(0)
            raise AssertionError(f"sandbox said {line!r}\n{self.log.read()}")
        self.base_url = found[0].rstrip("/")

    def call(self, method, path, body=None, **headers):
        """Status and decoded answer of a request; a body that is no JSON comes as text."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, headers, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text

    def admin(self, verb, body=None, /, **fields):
        """A wish at the sandbox's own door, as body or as fields: admin("load", customers=100)."""
        status, answer = self.call("POST", f"/_admin/{verb}", fields if body is None else body)
        assert status == 200, f"/_admin/{verb}: {status} {answer}"
        return answer

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def start_sandbox():
    """A function that starts a stand-in: start_sandbox("stripe", "--customers", 100)."""
    started = []

    def start(name="stripe", *options):
        started.append(Sandbox(name, *options))
        return started[-1]

    yield start
    for sandbox in started:
        sandbox.stop()


@pytest.fixture
def sandbox(start_sandbox):
    return start_sandbox()
