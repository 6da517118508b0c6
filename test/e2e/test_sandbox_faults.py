"""The stand-in's faults, limits and log: each goes wrong in exactly the way it says.

Scope: what a client sees on the wire, and that the truth is untouched by it.
"""

import http.client
import json
import socket
import threading
import time

import pytest
from stripe_client import KEY, Client, api, server  # noqa: F401  (fixtures)

PATH = "/v1/customers"


def raw(port, target=PATH + "?limit=100"):
    """A socket with a request sent and nothing read."""
    link = socket.create_connection(("127.0.0.1", port), timeout=20)
    link.sendall(
        f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
    return link


def drain(link):
    """All bytes until the end; the second value tells whether it was a reset."""
    found = b""
    try:
        while piece := link.recv(65536):
            found += piece
        return found, False
    except ConnectionResetError:
        return found, True
    finally:
        link.close()


def wait_until(check):
    end = time.monotonic() + 20
    while not check():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("kind, type", [("429", "invalid_request_error"), ("500", "api_error"),
                                        ("503", "api_error"), ("403", "invalid_request_error")])
def test_statuses(api, kind, type):
    api.fault(kind, PATH, headers={"Stripe-Should-Retry": "true"})
    answer = api.get(PATH)
    assert answer.status == int(kind) and answer.error["type"] == type
    assert answer.headers["Stripe-Should-Retry"] == "true"
    assert answer.headers["Retry-After"] is None
    reason = "global-rate" if kind == "429" else None
    assert answer.headers["Stripe-Rate-Limited-Reason"] == reason
    assert api.get(PATH).status == 200


def test_lock_timeout_has_no_reason(api):
    api.fault("429", PATH, reason=None)
    answer = api.get(PATH)
    assert answer.error["code"] == "lock_timeout"
    assert answer.headers["Stripe-Rate-Limited-Reason"] is None


def test_expired_key(api):
    api.fault("expired_key", PATH)
    answer = api.get(PATH)
    assert answer.status == 401 and answer.error["code"] == "api_key_expired"


def test_matching(api):
    api.fault("500", PATH, match={"nth": 3, "times": 2})
    assert [api.get(PATH).status for _ in range(6)] == [200, 200, 500, 500, 200, 200]
    api.fault("503", match={"regex": r"charges\?.*limit=5", "method": "GET"})
    assert api.get("/v1/charges", limit=6).status == 200
    assert api.call("POST", "/v1/charges", query={"limit": "5"}).status == 404
    assert api.get("/v1/charges", limit=5).status == 503
    runs = []
    for _ in range(2):
        api.admin("faults", {"clear": True})
        api.fault("500", PATH, id="dice", match={"probability": 0.3, "seed": 5})
        runs.append([api.get(PATH).status for _ in range(60)])
    assert runs[0] == runs[1] and 5 < runs[0].count(500) < 35
    seen = api.admin("faults")["faults"][0]
    assert seen["seen"] == 60 and seen["fired"] == runs[0].count(500)
    api.admin("faults", {"clear": True})
    assert api.get(PATH).status == 200


def test_wrong_faults_are_refused(api):
    for wrong in ({"kind": "explode"}, {"kind": "500", "match": {"paht":
                                                                 "/"}}, {"kind": "hang", "x": 1}):
        with pytest.raises(AssertionError, match="unknown"):
            api.admin("faults", wrong)
    assert api.admin("faults")["faults"] == []


def test_hang_until_released(api):
    api.load("customers", 2)
    api.fault("hang", PATH, match={"times": 2})
    first, second = raw(api.port), raw(api.port)
    wait_until(lambda: api.admin("stats")["hanging"] == 2)
    assert api.admin("stats")["in_flight"] == 2
    first.close()
    wait_until(lambda: api.admin("stats")["hanging"] == 1)
    second.settimeout(0.2)
    with pytest.raises(TimeoutError):
        second.recv(1)
    second.settimeout(20)
    assert api.admin("release", {"answer": True}) == {"released": 1}
    assert second.recv(12) == b"HTTP/1.1 200"
    second.close()
    api.fault("hang", PATH)
    third = raw(api.port)
    wait_until(lambda: api.admin("stats")["hanging"] == 1)
    api.admin("release")
    assert drain(third) == (b"", False)
    wait_until(lambda: api.admin("stats")["in_flight"] == 0)


def test_reset_and_truncate(api):
    api.load("customers", 100)
    api.fault("reset", PATH)
    assert drain(raw(api.port)) == (b"", True)
    api.fault("truncate", PATH, after_bytes=1000)
    found, reset = drain(raw(api.port))
    head, _, body = found.partition(b"\r\n\r\n")
    assert not reset and len(body) == 1000 and b"Content-Length: 1000\r" not in head
    api.fault("truncate", PATH)
    with pytest.raises(http.client.IncompleteRead):
        api.get(PATH, limit=100)
    assert len(api.get(PATH, limit=100).ids) == 100


def test_slow_and_latency(api):
    api.load("customers", 100)
    api.fault("slow", PATH, seconds=1)
    start = time.monotonic()
    assert len(api.get(PATH, limit=100).ids) == 100
    assert 0.8 < time.monotonic() - start < 5
    api.admin("latency", {"seconds": 0.3})
    start = time.monotonic()
    assert api.get(PATH).status == 200
    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize("fill, rows", [("spaces", 100), ("records", None)])
def test_huge(api, fill, rows):
    api.load("customers", 100)
    api.fault("huge", PATH, mb=20, fill=fill)
    answer = api.get(PATH, limit=100)
    assert 19e6 < len(answer.body) < 23e6
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    ids = answer.ids
    assert len(set(ids)) == 100 and (rows is None or len(ids) == rows)
    assert rows or len(ids) > 10_000


def test_value_bomb(api):
    api.load("customers", 3)
    api.fault("value_bomb", PATH)
    answer = api.get(PATH)
    assert 35e6 < len(answer.body) < 41e6 and answer.body.count(b"{},") > 12e6
    assert answer.body.endswith(b"]}")
    api.fault("value_bomb", PATH, mb=1)
    data = api.get(PATH).json["data"]
    assert data[0] == {} and len([one for one in data if one]) == 3


def test_the_second_record_twice(api):
    api.load("customers", 5)
    ids = api.get(PATH).ids
    old = api.get(PATH).json["data"][1]["name"]
    api.admin("update", {"collection": "customers", "id": ids[1], "set": {"name": "Newer"}})
    api.fault("duplicate_second", PATH)
    assert api.get(PATH).ids == [ids[0], ids[1], *ids[1:]]
    api.fault("duplicate_second", PATH, older=True)
    assert [one["name"] for one in api.get(PATH).json["data"][1:3]] == ["Newer", old]


POISONS = {
    "nul": b'"a\\u0000b"', "lone_surrogate": b'"\\ud800"', "bignum": b"1e400000", "invalid_utf8":
    b'"\xff\xfe\xc3"'
}


@pytest.mark.parametrize("kind", POISONS)
def test_poison_in_one_answer(api, kind):
    api.load("customers", 4)
    clean = api.get(PATH).body
    api.fault(kind, PATH, record=2)
    body = api.get(PATH).body
    planted = b'"sandbox_poison":' + POISONS[kind]
    assert body.count(planted) == 1
    assert body.replace(planted + b",", b"") == clean
    assert api.get(PATH).body == clean
    one = f"{PATH}/{json.loads(clean)['data'][0]['id']}"
    api.fault(kind, one)
    assert planted in api.get(one).body and planted not in api.get(one).body


@pytest.mark.parametrize("kind", POISONS)
def test_poison_that_stays(api, kind):
    api.load("customers", 3, events=False)
    id = api.get(PATH).ids[1]
    api.fault(kind, PATH, record=1, sticky=True)
    planted = b'"sandbox_poison":' + POISONS[kind]
    for _ in range(2):
        assert api.get(PATH).body.count(planted) == 1
    assert planted in api.get(f"{PATH}/{id}").body
    assert planted in api.get("/v1/events").body
    truth = api.truth("customers")
    assert truth["poisoned"] == {id: kind} and truth["versions"][id][-1] == {"$poison": kind}
    api.admin("update", {"collection": "customers", "id": id, "set": {"name": "Clean"}})
    assert planted not in api.get(PATH).body
    assert api.truth("customers")["poisoned"] == {}
    api.admin("update", {"collection": "customers", "id": id, "poison": kind})
    assert planted in api.get(PATH).body


def test_pages_that_lie(api):
    api.load("customers", 6)
    first = api.get(PATH, limit=2).ids
    api.fault("repeat_page", PATH)
    again = api.get(PATH, limit=2, starting_after=first[-1])
    assert again.ids == first and again.json["has_more"]
    api.fault("empty_page", PATH)
    empty = api.get(PATH)
    assert empty.ids == [] and empty.json["has_more"]
    low = api.walk(PATH)[0]["created"] + 1
    api.fault("ignore_filter", PATH)
    assert len(api.get(PATH, **{"created[gte]": low}).ids) == 6
    assert api.get(PATH, **{"created[gte]": low}).ids == []
    api.fault("html", PATH)
    assert api.get(PATH).headers["Content-Type"] == "text/html"


def test_work_done_and_answer_lost(api):
    api.fault("drop_after", PATH, match={"method": "POST"})
    head = {"Idempotency-Key": "k1"}
    with pytest.raises((http.client.HTTPException, OSError)):
        api.call("POST", PATH, form={"name": "Once"}, headers=head)
    assert [one["name"] for one in api.walk(PATH)] == ["Once"]
    again = api.call("POST", PATH, form={"name": "Once"}, headers=head)
    assert again.headers["Idempotent-Replayed"] == "true" and len(api.walk(PATH)) == 1


def test_rate_limit_is_a_sliding_window(api):
    api.admin("limits", {"rate": 20})
    statuses = [api.get(PATH).status for _ in range(30)]
    assert statuses == [200] * 20 + [429] * 10
    refused = api.get(PATH)
    assert refused.headers["Stripe-Rate-Limited-Reason"] == "global-rate"
    assert refused.headers["Retry-After"] is None and refused.error["code"] == "rate_limit"
    end = time.monotonic() + 2.2
    while time.monotonic() < end:
        api.get(PATH)
    log = api.admin("requests", {"status": 200})["requests"]
    times = [one["arrived"] for one in log]
    assert len(times) > 40
    assert all(later - early > 0.99 for early, later in zip(times, times[20:]))
    assert api.admin("window", {"seconds": 1, "accepted_only": True})["worst"] <= 21
    assert api.admin("window", {"seconds": 1})["worst"] > 21


def test_endpoint_limits(api):
    api.admin("limits", {"endpoint_rate": 5, "endpoints": {"GET /v1/customers/:id": 2}})
    assert [api.get(PATH).status for _ in range(6)] == [200] * 5 + [429]
    assert api.get("/v1/charges").status == 200
    statuses = [api.get(f"{PATH}/cus_{n}") for n in range(3)]
    assert [one.status for one in statuses] == [404, 404, 429]
    assert statuses[2].headers["Stripe-Rate-Limited-Reason"] == "endpoint-rate"


def test_concurrency_limit(api):
    api.admin("limits", {"concurrency": 2})
    api.admin("latency", {"seconds": 0.5})
    answers = []

    def ask():
        answers.append(Client(api.port).get(PATH))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.status for one in answers) == [200, 200, 429, 429]
    refused = next(one for one in answers if one.status == 429)
    assert refused.headers["Stripe-Rate-Limited-Reason"] == "global-concurrency"
    api.admin("latency", {"seconds": 0})
    assert api.get(PATH).status == 200


def test_request_log(api):
    api.fault("500", "/v1/charges")
    api.get(PATH, limit=3)
    api.get("/v1/charges")
    log = api.admin("requests")["requests"]
    assert [(one["method"], one["path"], one["query"], one["status"], one["fault"])
            for one in log] == [("GET", PATH, "limit=3", 200, None),
                                ("GET", "/v1/charges", "", 500, "500")]
    assert log[0]["arrived"] < log[1]["arrived"] and abs(log[0]["wall"] - time.time()) < 60
    assert log[0]["in_flight"] == 1 and log[0]["outcome"] == "sent"
    assert api.admin("requests", {"since": log[0]["number"]})["requests"] == log[1:]


def test_broken_requests_and_pipelining(api):
    link = socket.create_connection(("127.0.0.1", api.port), timeout=20)
    link.sendall(b"nonsense\r\n\r\n")
    found, _ = drain(link)
    assert found.startswith(b"HTTP/1.1 400 ")
    link = socket.create_connection(("127.0.0.1", api.port), timeout=20)
    one = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
    link.sendall((one + "\r\n" + one + "Connection: close\r\n\r\n").encode())
    found, _ = drain(link)
    assert found.count(b"HTTP/1.1 200 OK") == 2 and found.count(b"Connection: close") == 1
    link = socket.create_connection(("127.0.0.1", api.port), timeout=20)
    link.sendall(
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nTransfer-Encoding: "
        "chunked\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
        "\r\n5\r\nname=\r\n3\r\nAda\r\n0\r\n\r\n".encode())
    found, _ = drain(link)
    assert b'"name":"Ada"' in found


def test_fast_enough(api):
    api.load("customers", 5000, events=False)
    start = time.perf_counter()
    assert len(api.walk(PATH)) == 5000
    pages = 0
    while time.perf_counter() - start < 1.0 or pages < 1:
        assert len(api.get(PATH, limit=100).body) > 80_000
        pages += 1
    assert pages / (time.perf_counter() - start) > 150
