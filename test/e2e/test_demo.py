"""make demo, without the setting up: what it shows, what it refuses, and that nothing stays behind."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from cluster import ROOT, wait_until

DEMO = str(ROOT / "scripts" / "demo")
KEY = "sk_test_sandbox0000000000000001"


@pytest.fixture
def places():
    """Environment whose temporary directory is ours, to see what is left in it."""
    directory = Path(tempfile.mkdtemp(prefix="sequin-demo-"))
    directory.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("STRIPE_", "DEMO_"))}
    yield directory, {**environment, "TMPDIR": str(directory), "DEMO_CUSTOMERS": "40", "PYTHONUNBUFFERED": "1"}
    shutil.rmtree(directory)


def run(environment, **more):
    return subprocess.run([DEMO], env={**environment, **more}, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=120)


def test_without_a_terminal_everything_is_shown_and_removed(places):
    directory, environment = places
    done = run(environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"invoice_line_item .* live\n", done.stdout)
    assert re.search(r"sequin\.records holds \d+ objects, as many as the stand-in", done.stdout)
    assert done.stdout.count("NOTIFY after") == 4
    assert re.search(r"updated stripe:customer +cus_\w+ +email\n", done.stdout)
    assert re.search(r"deleted stripe:customer +cus_\w+\n", done.stdout)
    assert re.search(r"open_amount[^(]*\(\d+ rows?\)", done.stdout)
    assert re.search(r"Done: \d+ records, \d+ events\. Everything is removed again\.\n$", done.stdout)
    assert "\033" not in done.stdout and done.stderr == ""
    assert list(directory.iterdir()) == []


def test_with_a_key_nothing_is_written_to_the_account(places, sandbox):
    _, environment = places
    sandbox.admin("load", collection="world", count=20)
    done = run(environment, STRIPE_SECRET_KEY=KEY, DEMO_BASE_URL=sandbox.base_url)
    assert done.returncode == 0, done.stdout + done.stderr
    methods = {request["method"] for request in sandbox.admin("requests")["requests"]}
    assert methods == {"GET"}
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize("key, sentence", [
    ("sk_live_0000000000000001", "a live key; set DEMO_LIVE=yes"),
    ("rk_live_0000000000000001", "a live key; set DEMO_LIVE=yes"),
    ("pk_test_0000000000000001", "no secret key (sk_...) and no restricted key (rk_...)"),
])
def test_a_key_that_may_not_be_used_is_refused_before_anything_starts(places, key, sentence):
    directory, environment = places
    done = run(environment, STRIPE_SECRET_KEY=key)
    assert done.returncode == 1 and done.stdout == "" and sentence in done.stderr
    assert key not in done.stderr and list(directory.iterdir()) == []


def test_a_key_that_the_api_refuses_ends_the_demo_with_a_sentence(places, sandbox):
    directory, environment = places
    done = run(environment, STRIPE_SECRET_KEY="sk_test_unknown0000000001", DEMO_BASE_URL=sandbox.base_url)
    assert done.returncode == 1 and "demo: Stripe does not accept the key." in done.stderr
    assert "sk_test_unknown0000000001" not in done.stdout + done.stderr and list(directory.iterdir()) == []


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_removes_everything(places, number, status):
    directory, environment = places
    log = directory.parent / (directory.name + ".log")
    with open(log, "w+") as output:
        demo = subprocess.Popen([DEMO], env={**environment, "DEMO_CUSTOMERS": "1500"}, stdin=subprocess.DEVNULL,
                                stdout=output, stderr=subprocess.STDOUT)
        wait_until(lambda: "The backfill" in log.read_text(), 60, "the backfill begins")
        base_url = re.search(r"http://127\.0\.0\.1:\d+", log.read_text()).group()
        demo.send_signal(number)
        assert demo.wait(30) == status
    assert list(directory.iterdir()) == []
    assert subprocess.run(["curl", "-s", base_url]).returncode == 7     # nobody listens
    log.unlink()


def test_in_a_terminal_bars_are_drawn_and_a_prompt_follows(places):
    directory, environment = places
    person, terminal = pty.openpty()
    demo = subprocess.Popen([DEMO], env={**environment, "TERM": "xterm", "LANG": "C.UTF-8"}, stdin=terminal,
                            stdout=terminal, stderr=terminal, start_new_session=True)
    os.close(terminal)
    shown = ""

    def read_until(words, deadline=90):
        nonlocal shown
        end = time.monotonic() + deadline
        while words not in shown:
            assert time.monotonic() < end, shown
            if select.select([person], [], [], 1)[0]:
                shown += os.read(person, 65536).decode(errors="replace")

    read_until("demo=# ")
    assert "\033[11A" in shown and "█" in shown
    os.write(person, b"\\t \\a \\\\ select json_build_object('events', count(*)) from sequin.events;\n")
    read_until('{"events" : ')
    assert json.loads(re.search(r'\{"events" : \d+\}', shown).group())["events"] > 0
    os.write(person, b"\\q\n")
    read_until("Everything is removed again.")
    assert demo.wait(30) == 0
    os.close(person)
    assert list(directory.iterdir()) == []
