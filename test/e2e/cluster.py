"""A private PostgreSQL server for tests and the demo: own directory, own socket, no TCP port.

The server runs as an unprivileged user when we are root, because it refuses root. Everything of
one server lives in one temporary directory, which is removed at exit. Servers are copies of one
initialised directory, so they share a system identifier; `fresh=True` gives an own one.
"""

import atexit
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "test" / "sequin.conf"
CRASH = re.compile(r"PANIC|TRAP:|was terminated by signal|AddressSanitizer")


def pg_config(option):
    program = os.environ.get("PG_CONFIG", "pg_config")
    return subprocess.check_output([program, option], text=True).strip()


def server_user():
    """Name of the user that servers run as."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def as_server_user():
    """Arguments for subprocess that drop to the server's user."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(server_user())
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def temporary_directory(prefix):
    """A directory of the server's user, removed at exit."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    path.chmod(0o755)
    shutil.chown(path, server_user())
    return path


def exit_on_sigterm():
    """Makes SIGTERM run the cleaning up that atexit holds."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def wait_until(condition, deadline=20.0, what="condition"):
    """Polls until condition() is true and returns its value; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what} (last value: {value!r})")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


class Cluster:
    running = []          # every server that has a directory, for failure reports
    _template = None

    def __init__(self, conf=None, fresh=False, data=None):
        """conf: settings on top of test/sequin.conf. data: an existing copy of a data directory."""
        self.bin = Path(pg_config("--bindir"))
        self.base = temporary_directory("sequin-pg-")
        self.data = self.base / "data"
        self.log_file = self.base / "log"
        self.host = str(self.base)
        self.port = 5432          # names the socket, nothing listens on TCP
        self.may_crash = False    # set by tests that kill processes
        if data is not None:
            self._run(["cp", "-a", str(data), str(self.data)])
        elif fresh:
            self._initdb(self.data)
        else:
            self._run(["cp", "-a", str(self._template_directory()), str(self.data)])
        self._conf_file = self.data / "test.conf"
        if data is None:
            with open(self.data / "postgresql.conf", "a") as file:
                file.write("\ninclude 'sequin.conf'\ninclude 'test.conf'\n")
            shutil.copy(CONF, self.data / "sequin.conf")
            self._settings = {}
        else:
            self._settings = self._read_settings()
        self.configure(
            unix_socket_directories=self.host,
            port=self.port,
            **{"cluster_name": self.base.name},
            **(conf or {}),
        )
        Cluster.running.append(self)
        atexit.register(self.remove)

    # life

    def start(self, wait=True):
        command = [self.bin / "pg_ctl", "start", "-s", "-t", "60", "-D", self.data]
        command += ["-l", self.log_file, "-w" if wait else "-W"]
        done = subprocess.run(
            command, cwd=self.base, capture_output=True, text=True, **as_server_user()
        )
        if done.returncode != 0:
            raise AssertionError(f"server did not start: {done.stderr}\n{self.log_tail()}")
        return self

    def stop(self, mode="fast"):
        if self.is_running():
            self._pg_ctl("stop", "-m", mode)

    def restart(self, mode="fast"):
        self.stop(mode)
        return self.start()

    def reload(self):
        self._pg_ctl("reload")

    def promote(self):
        self._pg_ctl("promote", "-w")

    def kill(self):
        """Ends postmaster and children at once, as a power cut would; start() recovers."""
        self.may_crash = True
        postmaster = self.postmaster_pid()
        # stopped first, so that no child can be born between the list and the killing
        os.kill(postmaster, signal.SIGSTOP)
        pids = [postmaster, *children_of(postmaster)]
        for pid in pids:
            kill_quietly(pid, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(pid) for pid in pids), what="server is dead")
        # a postmaster that nobody has buried yet would look alive to its successor
        for lock in (self.data / "postmaster.pid", self.base / f".s.PGSQL.{self.port}.lock"):
            lock.unlink(missing_ok=True)

    def kill_process(self, pid, sig=signal.SIGKILL):
        """Kills one process of the server; after SIGKILL the server restarts itself."""
        if sig == signal.SIGKILL:
            self.may_crash = True
        os.kill(pid, sig)

    def remove(self):
        if self in Cluster.running:
            Cluster.running.remove(self)
            self.stop("immediate")
            shutil.rmtree(self.base, ignore_errors=True)

    def is_running(self):
        pid = self.postmaster_pid()
        return pid is not None and is_alive(pid)

    def postmaster_pid(self):
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, IndexError):
            return None

    def standby(self, conf=None):
        """A streaming standby of this server, not yet started."""
        copy = temporary_directory("sequin-backup-") / "data"
        self._run([
            self.bin / "pg_basebackup", "-h", self.host, "-p", str(self.port), "-U", "postgres",
            "-D", copy, "-R", "-c", "fast",
        ])
        return Cluster(conf, data=copy)

    # settings

    def configure(self, **settings):
        """Sets settings (None removes one). A running server needs reload() or restart()."""
        self._settings.update(settings)
        self._settings = {k: v for k, v in self._settings.items() if v is not None}
        lines = [f"{k} = '{str(v).replace(chr(39), chr(39) * 2)}'\n" for k, v in
                 self._settings.items()]
        self._conf_file.write_text("".join(lines))
        shutil.chown(self._conf_file, server_user())

    def _read_settings(self):
        lines = self._conf_file.read_text().splitlines()
        pairs = (line.split(" = ", 1) for line in lines)
        return {name: value[1:-1].replace("''", "'") for name, value in pairs}

    # access

    def connect(self, dbname="postgres", user="postgres", autocommit=True, **options):
        import psycopg  # here, so that the demo needs no psycopg

        return psycopg.connect(
            host=self.host, port=self.port, dbname=dbname, user=user, autocommit=autocommit,
            **options,
        )

    def sql(self, query, *parameters, dbname="postgres"):
        """All rows of a statement, in a connection of its own."""
        with self.connect(dbname) as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, query, *parameters, dbname="postgres"):
        rows = self.sql(query, *parameters, dbname=dbname)
        return rows[0][0] if rows else None

    def psql(self, *arguments, dbname="postgres", **options):
        """Runs psql and returns what it printed; an SQL error is a CalledProcessError."""
        command = [self.bin / "psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", self.host]
        command += ["-p", str(self.port), "-U", "postgres", "-d", dbname, *arguments]
        return subprocess.run(
            command, check=True, text=True, stdout=subprocess.PIPE, **options
        ).stdout

    def worker_pids(self, backend_type, dbname=None):
        """Processes of that type, for example `sequin engine`, oldest first."""
        rows = self.sql(
            "select pid from pg_stat_activity where backend_type = %s"
            " and (%s::text is null or datname = %s) order by backend_start",
            backend_type, dbname, dbname,
        )
        return [pid for (pid,) in rows]

    # log

    def log(self, start=0):
        """The server's log from a position that log_position() gave."""
        if not self.log_file.exists():
            return ""
        with open(self.log_file, errors="replace") as file:
            file.seek(start)
            return file.read()

    def log_position(self):
        return self.log_file.stat().st_size if self.log_file.exists() else 0

    def log_tail(self, lines=60):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_for_log(self, pattern, start=0, deadline=20.0):
        return wait_until(
            lambda: re.search(pattern, self.log(start)), deadline, f"log matches {pattern!r}"
        )

    def crashes(self):
        return [line for line in self.log().splitlines() if CRASH.search(line)]

    # helpers

    def _pg_ctl(self, action, *options):
        self._run([self.bin / "pg_ctl", action, "-s", "-D", self.data, *options])

    def _run(self, command):
        done = subprocess.run(
            command, cwd=self.base, capture_output=True, text=True, **as_server_user()
        )
        if done.returncode != 0:
            words = " ".join(str(word) for word in command)
            raise AssertionError(f"failed: {words}\n{done.stderr}\n{self.log_tail()}")

    def _initdb(self, path):
        self._run([
            self.bin / "initdb", "-D", path, "-U", "postgres", "--auth=trust", "-E", "UTF8",
            "--locale=C", "--data-checksums", "--no-sync", "--no-instructions",
        ])

    def _template_directory(self):
        if Cluster._template is None:
            path = temporary_directory("sequin-template-") / "data"
            self._initdb(path)
            Cluster._template = path
        return Cluster._template


def is_alive(pid):
    """Whether the process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(parent):
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == parent:
                children.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return children


def kill_quietly(pid, sig):
    try:
        os.kill(pid, sig)
    except ProcessLookupError:
        pass
