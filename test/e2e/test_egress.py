"""Requests go to public addresses by https, and to what a superuser has listed; to nothing else."""

import http.server
import socket
import threading

import pytest
from cluster import wait_until
from conftest import Database
from story import KEY, make_sync, problem_codes, start_stripe, wait_for_sync


class Listener:
    """A port that counts who connects, and never answers."""

    def __init__(self, family=socket.AF_INET, address="127.0.0.1"):
        self.socket = socket.create_server((address, 0), family=family)
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.socket.close()


class Redirecting(http.server.BaseHTTPRequestHandler):
    """Sends everybody elsewhere, and remembers what headers came."""

    def do_GET(self):
        self.server.headers_seen.append(dict(self.headers))
        self.send_response(self.server.status)
        self.send_header("Location", self.server.target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def redirect():
    """A function that starts a server which redirects to a URL; gives its address and the server."""
    started = []

    def start(target, status=302):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
        server.target, server.status, server.headers_seen = target, status, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return f"http://127.0.0.1:{server.server_port}", server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def allowing(cluster, new_database):
    """A function that gives a database of a server which lists these hosts."""

    def make(hosts):
        list_hosts(cluster, hosts)
        return new_database()         # its engine starts with the new list

    yield make
    list_hosts(cluster, None)


def list_hosts(cluster, hosts):
    cluster.configure(**{"sequin.allowed_hosts": hosts})
    cluster.reload()
    wanted = "127.0.0.1" if hosts is None else hosts
    wait_until(lambda: cluster.value("show sequin.allowed_hosts") == wanted)


def refusal(db, name="s"):
    """What health says of a sync that may not go where it should."""
    return wait_until(lambda: db.value("select sequin.get_sync(%s) #>> '{health,notes}'", name).strip("[]"),
                      what="health tells of a refusal")


# where a superuser has listed nothing

NOT_PUBLIC = [
    "127.0.0.1", "127.9.9.9", "localhost", "10.1.2.3", "172.16.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "[::1]", "[::]", "[fe80::1]",
    "[fd00:ec2::254]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
]


def test_addresses_that_are_not_public_are_refused(allowing):
    db = allowing("")
    # https, so that it is the address and not the scheme that is refused
    for n, host in enumerate(NOT_PUBLIC):
        make_sync(db, f"https://{host}:9", f"s{n}")
    for n, host in enumerate(NOT_PUBLIC):
        assert "sequin.allowed_hosts" in refusal(db, f"s{n}"), host
    assert db.value("select count(*) from sequin.records") == 0


def test_a_refused_address_is_not_even_connected_to(allowing, listener):
    db = allowing("")
    hosts = {"address": "127.0.0.1", "name": "localhost", "mapped": "[::ffff:7f00:1]"}
    for name, host in hosts.items():
        make_sync(db, f"https://{host}:{listener.port}", name)
    for name in hosts:
        assert "not public" in refusal(db, name)
    assert listener.connections == 0
    list_hosts(db.cluster, f"localhost:{listener.port}")
    wait_until(lambda: listener.connections > 0, what="the same host is reached when it is listed")


def test_plain_http_is_refused_unless_listed(allowing, listener):
    db = allowing("")
    make_sync(db, f"http://127.0.0.1:{listener.port}", "private")
    make_sync(db, "http://api.stripe.com", "public")
    assert "plain http" in refusal(db, "private")
    assert "plain http" in refusal(db, "public")
    assert listener.connections == 0


@pytest.mark.parametrize("url", [
    "ftp://127.0.0.1", "file:///etc/passwd", "gopher://127.0.0.1", "http//127.0.0.1", "//127.0.0.1",
    "https://user:pass@127.0.0.1", "https://127.0.0.1\\@example.com", "https://127.1", "https://0x7f000001",
    "https://2130706433", "https://017700000001", "https://127.0.0.1:99999", "https://127.0.0.1 .example.com",
    "https://[::1", "https://", "https://a..b",
])
def test_urls_that_could_be_read_in_two_ways_are_refused(db, url):
    try:
        make_sync(db, url)
    except Exception as error:
        assert error.sqlstate == "22023"
    else:
        assert refusal(db)
    assert db.value("select count(*) from sequin.records") == 0


# what is listed


@pytest.mark.parametrize("entry", ["::1", "[::1]:{port}", "::/64"])
@pytest.mark.parametrize("host", ["[::1]", "[0:0:0:0:0:0:0:1]"])
def test_listed_addresses_of_version_6_are_reached(allowing, entry, host):
    try:
        listener = Listener(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    db = allowing(entry.format(port=listener.port))
    make_sync(db, f"http://{host}:{listener.port}")
    wait_until(lambda: listener.connections > 0)
    listener.socket.close()


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.0/8", "127.0.0.1/32", "127.0.0.1:{port}", " 10.0.0.0/8 , 127.0.0.1",
                                   "::ffff:127.0.0.1"])
def test_listed_hosts_are_reached(allowing, start_sandbox, entry):
    stripe = start_stripe(start_sandbox, customers=3)
    db = allowing(entry.format(port=stripe.base_url.rsplit(":", 1)[1]))
    make_sync(db, stripe.base_url)
    wait_for_sync(db)


def test_a_listed_name_is_reached_by_that_name_only(allowing, start_sandbox):
    stripe = start_stripe(start_sandbox, customers=3)
    db = allowing("localhost")
    make_sync(db, stripe.base_url.replace("127.0.0.1", "localhost"), "by-name")
    make_sync(db, stripe.base_url, "by-address")
    wait_for_sync(db, "by-name")
    assert "plain http" in refusal(db, "by-address")


def test_another_port_of_a_listed_host_is_refused(allowing, start_sandbox, listener):
    stripe = start_stripe(start_sandbox, customers=3)
    db = allowing(stripe.base_url.removeprefix("http://"))
    make_sync(db, stripe.base_url, "listed")
    make_sync(db, f"https://127.0.0.1:{listener.port}", "other")
    wait_for_sync(db, "listed")
    assert "not public" in refusal(db, "other")
    assert listener.connections == 0


@pytest.mark.parametrize("entry", ["nonsense/8", "127.0.0.1/33", "a b", "host:0", "host:99999", "http://host", "*", "-x"])
def test_a_list_that_cannot_be_read_is_refused(cluster, entry):
    with pytest.raises(Exception) as caught:
        cluster.sql(f"alter system set sequin.allowed_hosts = '{entry}'")
    assert caught.value.sqlstate == "22023"


def test_only_a_superuser_changes_the_list(db):
    db.execute("drop role if exists shop_admin")
    db.execute("create role shop_admin")
    db.execute("select sequin.grant_access('shop_admin', 'admin')")
    db.execute("set role shop_admin")
    for statement in ("set sequin.allowed_hosts = '10.0.0.0/8'", "alter system set sequin.allowed_hosts = '10.0.0.0/8'"):
        with pytest.raises(Exception) as caught:
            db.execute(statement)
        assert caught.value.sqlstate in ("42501", "55P02")
    db.execute("reset role")
    db.execute("drop owned by shop_admin")
    db.execute("drop role shop_admin")


# redirects


@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "https://localhost:{port}/",
                                    "https://[::ffff:127.0.0.1]:{port}/", "//127.0.0.1:{port}/"])
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_to_an_address_that_is_not_listed_is_refused(allowing, redirect, listener, target, status):
    base_url, server = redirect(target.format(port=listener.port), status)
    db = allowing(base_url.removeprefix("http://"))
    make_sync(db, base_url)
    refusal(db)
    assert server.headers_seen, "the first hop was allowed"
    assert listener.connections == 0


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "https://[fd00:ec2::254]/",
                                    "file:///etc/passwd", "https://10.0.0.1/"])
def test_a_redirect_to_metadata_or_private_addresses_is_refused(allowing, redirect, target):
    base_url, server = redirect(target)
    db = allowing("127.0.0.1")
    make_sync(db, base_url)
    assert refusal(db)
    assert server.headers_seen
    assert db.value("select count(*) from sequin.records") == 0


def test_credentials_do_not_follow_a_redirect_to_another_origin(allowing, redirect):
    there, second = redirect("http://127.0.0.1:1/")
    base_url, first = redirect(there + "/elsewhere")
    db = allowing("127.0.0.1")
    make_sync(db, base_url)
    wait_until(lambda: second.headers_seen or refusal(db), what="the redirect was followed or refused")
    assert any(KEY in headers.get("Authorization", "") for headers in first.headers_seen)
    assert not any(KEY in str(headers) for headers in second.headers_seen)


def test_endless_redirects_end(allowing, redirect):
    base_url, server = redirect("")
    server.target = base_url + "/again"
    db = allowing("127.0.0.1")
    make_sync(db, base_url)
    refusal(db)
    assert len(server.headers_seen) < 100


# proxies


def test_proxies_of_the_environment_are_ignored(new_cluster, start_sandbox, listener, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.port}")
    monkeypatch.setenv("no_proxy", "")
    server = new_cluster().start()
    monkeypatch.undo()
    stripe = start_stripe(start_sandbox, customers=3)
    server.sql("create database app")
    db = Database(server, "app")
    db.execute("create extension sequin")
    make_sync(db, stripe.base_url)
    wait_for_sync(db)
    assert listener.connections == 0
