"""A client for the tests of the Stripe stand-in, and the stand-in they talk to.

Scope: http.client and nothing of the product, so that the stand-in is judged by itself.
"""

import http.client
import json
import pathlib
import re
import subprocess
import sys
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dcXY"
OTHER = "sk_test_ANOTHERACCOUNT00000000000"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def ids(self):
        return [one["id"] for one in self.json["data"]]


class Client:
    """A plain HTTP client with one connection that is kept alive."""
    def __init__(self, port):
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def call(self, method, path, key=KEY, query=None, form=None, headers=None, **more):
        query = list((query or {}).items()) if not isinstance(query, list) else query
        target = path + ("?" + urllib.parse.urlencode(query + list(more.items()))
                         if query or more else "")
        head = {"Authorization": "Bearer " + key} if key else {}
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form)
            head["Content-Type"] = "application/x-www-form-urlencoded"
        head.update(headers or {})
        try:
            self.connection.request(method, target, body, head)
            return Answer(self.connection.getresponse())
        except (http.client.HTTPException, OSError):
            self.connection.close()
            raise

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def admin(self, verb, body=None, method="POST"):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        link.request(method, "/_admin/" + verb, json.dumps(body if body is not None else {}))
        answer = link.getresponse()
        text = answer.read()
        link.close()
        assert answer.status == 200, text
        return json.loads(text)

    def load(self, collection, count, **more):
        return self.admin("load", {"collection": collection, "count": count, **more})

    def truth(self, collection, **more):
        return self.admin("truth", {"collection": collection, **more})

    def fault(self, kind, path=None, **more):
        match = {"path": path} if path else {}
        match.update(more.pop("match", {}))
        return self.admin("faults", {"kind": kind, "match": match, **more})

    def walk(self, path, limit=100, forward_from=None, **query):
        """Every object of a list: backward from the newest, or forward from a known id."""
        found, cursor = [], forward_from
        name = "ending_before" if forward_from else "starting_after"
        for _ in range(10_000):
            answer = self.get(path,
                              query={**query, **({name: cursor} if cursor else {})},
                              limit=limit)
            assert answer.status == 200, answer.body
            page = answer.json["data"]
            found = page + found if forward_from else found + page
            if not answer.json["has_more"]:
                return found
            assert page
            cursor = page[0]["id"] if forward_from else page[-1]["id"]
        raise AssertionError("the walk does not end")


@pytest.fixture(scope="module")
def server():
    command = [
        sys.executable, "-m", "sandbox.stripe", "--port", "0", "--seed", "7", "--key", KEY, "--key",
        OTHER, "--rate", "0"
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    found = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
    assert found, line
    yield int(found[1])
    process.terminate()
    process.wait(10)


@pytest.fixture
def api(server):
    client = Client(server)
    client.admin("reset")
    yield client
    assert client.admin("stats")["bugs"] == 0
    client.connection.close()
