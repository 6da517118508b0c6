"""What the rows of the benchmark share: a server with default durability, a provider, a web server for
pre-generated pages, and looking at what the server does."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "e2e"))
from cluster import Cluster, server_user, temporary_directory, wait_until  # noqa: E402,F401

# What initdb gives, where test/sequin.conf differs for speed, and room for one long load.
DURABLE = {"fsync": "on", "shared_buffers": "128MB", "max_connections": "100"}
PAGE_ROWS = 100


def provider(name, **collection):
    """A manifest with one kind of list; `collection` replaces parts of it, None removes one."""
    listed = {
        "path": "/items", "records": "$.data[*]", "key": ["$.id"],
        "created": {"path": "$.created", "as": "epoch"}, "version": "requested",
        "paging": {"kind": "after_last_record", "into": "query.starting_after", "more": "$.has_more",
                   "stop": ["more"], "order": "desc"},
        "incremental": {"mode": "relist", "poll": {"active": "7d", "quiet": "7d"}},
        "deletes": [{"kind": "never", "because": "this API deletes nothing"}],
        **collection,
    }
    listed = {key: value for key, value in listed.items() if value is not None}
    return {
        "manifest": 1, "provider": name, "version": "1", "hosts": ["127.0.0.1"],
        "auth": {"key": {"method": "bearer", "secrets": {"token": {}}}},
        "http": {"base_url": "https://127.0.0.1"},
        "templates": {"listed": listed},
        "collections": {"item": {"use": "listed"}, "other": {"use": "listed", "path": "/others"}},
    }


class Server:
    """A cluster with one database that has the extension."""

    def __init__(self, **conf):
        self.cluster = Cluster({**DURABLE, **conf}).start()
        self.cluster.sql("create database bench")
        self.connection = self.cluster.connect("bench")
        self.run("create extension sequin")

    def run(self, query, *parameters):
        cursor = self.connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def value(self, query, *parameters):
        return self.run(query, *parameters)[0][0]

    def reconnect(self):
        self.connection.close()
        self.connection = self.cluster.connect("bench")

    def create_provider(self, manifest):
        self.run("select sequin.create_provider(%s::jsonb)", json.dumps(manifest))

    def create_sync(self, id, provider, base_url, **fields):
        sync = {
            "id": id, "name": id, "provider": provider, "collection_ids": [provider + ":item"], "base_url": base_url,
            "credential": {"provider": provider, "kind": "key", "token": "bench-" + id}, **fields}
        self.run("select sequin.create_sync(%s::jsonb)", json.dumps(sync))

    def engine(self):
        """The engine's process, once it runs."""
        return wait_until(lambda: self.cluster.worker_pids("sequin engine", "bench"), what="an engine")[0]

    def engine_is_idle(self):
        return self.value(
            "select coalesce(bool_and(state = 'idle'), false) from pg_stat_activity where backend_type = 'sequin engine'")

    def wal(self):
        return int(self.value("select pg_current_wal_insert_lsn() - '0/0'"))

    def checkpoint(self, vacuum=True):
        if vacuum:
            self.run("vacuum")
        self.run("checkpoint")

    def timed(self, *statements):
        """Seconds that statements in one transaction took, commit included."""
        begun = time.monotonic()
        with self.connection.transaction():
            for statement in statements:
                self.connection.execute(statement)
        return time.monotonic() - begun

    def remove(self):
        self.connection.close()
        self.cluster.remove()


class Nginx:
    """Serves a directory of pages: /items?starting_after=x is the file items/x.json. With `tls` also over
    https, with a certificate of its own authority (`ca_file`)."""

    def __init__(self, pages, tls=False):
        self.base = temporary_directory("sequin-nginx-")
        self.log = self.base / "access.log"
        self.ca_file = self.base / "ca.pem"
        self.port = free_port()
        listen = [f"listen 127.0.0.1:{self.port};"]
        self.base_url = f"http://127.0.0.1:{self.port}"
        if tls:
            make_certificate(self.base)
            tls_port = free_port()
            self.base_url = f"https://127.0.0.1:{tls_port}"
            listen.append(f"listen 127.0.0.1:{tls_port} ssl; ssl_certificate {self.base}/server.pem; "
                          f"ssl_certificate_key {self.base}/server.key;")
        conf = self.base / "nginx.conf"
        conf.write_text(f"""
{'user ' + server_user() + ';' if os.geteuid() == 0 else ''}
daemon off; worker_processes 1; pid {self.base}/pid; error_log {self.base}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {self.log}; sendfile on; keepalive_requests 1000000; default_type application/json;
  client_body_temp_path {self.base}/a; proxy_temp_path {self.base}/b; fastcgi_temp_path {self.base}/c;
  uwsgi_temp_path {self.base}/d; scgi_temp_path {self.base}/e;
  server {{
    {' '.join(listen)}
    root {pages};
    location /items {{ try_files /items/$arg_starting_after.json =404; }}
  }}
}}
""")
        self.process = subprocess.Popen(["nginx", "-e", f"{self.base}/error.log", "-c", str(conf)], stderr=subprocess.DEVNULL)
        wait_until(lambda: is_listening(self.port), what="nginx listens")

    def requests(self):
        """How many were answered."""
        with open(self.log, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_certificate(base):
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Bench", "-days", "2",
            "-keyout", base / "ca.key", "-out", base / "ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
            "-keyout", base / "server.key", "-out", base / "server.csr")
    (base / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", base / "server.csr", "-CA", base / "ca.pem", "-CAkey", base / "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", base / "san", "-out", base / "server.pem")
    (base / "ca.pem").chmod(0o644)


def memory_kb(pid):
    """Resident memory of a process that is its own, without the server's shared memory; and all of it."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    number = {name: int(fields[name].split()[0]) for name in ("VmRSS", "RssShmem")}
    return number["VmRSS"] - number["RssShmem"], number["VmRSS"]


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pg_version():
    return subprocess.check_output([os.environ.get("PG_CONFIG", "pg_config"), "--version"], text=True).strip()


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def note(text):
    print(text, file=sys.stderr, flush=True)


class Api:
    """A running api.py."""

    def __init__(self, changes=0.0):
        self.base = temporary_directory("sequin-api-")
        self.file = self.base / "arrivals"
        program = Path(__file__).with_name("api.py")
        self.process = subprocess.Popen([sys.executable, "-B", program, self.file, str(changes)], stdout=subprocess.PIPE, text=True)
        self.base_url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def arrivals(self, since=0.0):
        """(time, path) of the requests after `since`."""
        with open(self.file) as file:
            rows = (line.split() for line in file if line.endswith("\n"))
            return [(float(row[0]), row[1]) for row in rows if float(row[0]) >= since]

    def stop(self):
        self.process.terminate()
        self.process.wait()
