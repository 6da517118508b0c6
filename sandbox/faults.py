"""Faults on order: which request goes wrong, and how.

Scope: the schedule (matching, counting, chance) and the faults that any HTTP API can have. What a
refusal of a provider looks like comes from the provider's hooks (`fault_response`, `expired_key`,
`without_filters`, `taint`, `older_version`, `anchor`).
"""

import random
import re

from .server import Delivery, Response, Stream

MEGABYTE = 1024 * 1024
POISON = {
    "nul": b'"a\\u0000b"',
    "lone_surrogate": b'"\\ud800"',
    "bignum": b"1e400000",
    "invalid_utf8": b'"\xff\xfe\xc3"',
}
INSTEAD = {"hang", "reset", "expired_key", "html"}
AFTER = {
    "truncate", "slow", "huge", "value_bomb", "duplicate_second", "repeat_page", "empty_page",
    "drop_after", *POISON
}
KINDS = INSTEAD | AFTER | {"ignore_filter", "late_events"}
MATCH_KEYS = {"path", "regex", "method", "account", "type", "nth", "times", "probability", "seed"}
OPTIONS = {
    "id", "kind", "match", "seconds", "mb", "fill", "after_bytes", "delay", "reset", "work",
    "reason", "headers", "code", "message", "record", "sticky", "older", "nth", "times",
    "probability", "seed"
}


class Fault:
    """One scheduled fault.

    It fires from the nth matching request on, `times` times (0: without end), each time with
    `probability`. Without `times` it fires once, with a probability without end.
    """
    def __init__(self, number, spec):
        match = dict(spec.get("match") or {})
        self.kind = str(spec.get("kind"))
        if self.kind not in KINDS and not re.fullmatch(r"[45]\d\d", self.kind):
            raise ValueError(f"unknown fault {self.kind}")
        for stray in (set(match) - MATCH_KEYS) | (set(spec) - OPTIONS):
            raise ValueError(f"unknown key {stray} in fault")
        for key in ("nth", "times", "probability", "seed"):
            if key in spec:
                match[key] = spec[key]
        self.id = str(spec.get("id") or f"fault_{number}")
        self.spec = spec
        self.match = match
        self.regex = re.compile(match["regex"]) if "regex" in match else None
        self.nth = int(match.get("nth", 1))
        self.probability = float(match.get("probability", 1))
        state = "probability" in match or self.kind == "late_events"
        self.times = int(match.get("times", 0 if state else 1))
        self.random = random.Random(f"{match.get('seed', 0)}:{self.id}")
        self.seen = 0
        self.fired = 0

    def option(self, name, default=None):
        return self.spec.get(name, default)

    def fits(self, request, account):
        match = self.match
        if match.get("method") and match["method"].upper() != request.method:
            return False
        if match.get("path") and not request.path.startswith(match["path"]):
            return False
        if match.get("account") and match["account"] != account:
            return False
        target = request.path + ("?" + request.query if request.query else "")
        return self.regex is None or self.regex.search(target) is not None

    def due(self):
        """Counts one more matching request and says whether this fault fires on it."""
        self.seen += 1
        if self.seen < self.nth or (self.times and self.fired >= self.times):
            return False
        return self.probability >= 1 or self.random.random() < self.probability

    def describe(self):
        return dict(self.spec, id=self.id, seen=self.seen, fired=self.fired)


class Faults:
    def __init__(self):
        self.schedule = []
        self.number = 0

    def add(self, specs):
        """Adds all of the faults or, if one is wrong, none; ValueError says which."""
        added = []
        for spec in specs:
            self.number += 1
            added.append(Fault(self.number, spec))
        self.schedule += added
        return [fault.id for fault in added]

    def clear(self, ids=None):
        self.schedule = [
            fault for fault in self.schedule if ids is not None and fault.id not in ids
        ]

    def pick(self, request, account):
        """The fault for this request. All that match count it; the first that is due fires."""
        chosen = None
        for fault in self.schedule:
            if fault.kind == "late_events" or not fault.fits(request, account):
                continue
            if fault.due() and chosen is None:
                chosen = fault
                fault.fired += 1
        return chosen

    def event_delay(self, type):
        """Seconds that a new event of this type stays invisible."""
        for fault in self.schedule:
            if fault.kind == "late_events" and type.startswith(fault.match.get("type", "")):
                if fault.due():
                    fault.fired += 1
                    return float(fault.option("seconds", 5))
        return 0.0


def instead(fault, provider, answer):
    """The answer of a fault that keeps the request from being worked on, else None."""
    kind = fault.kind
    if kind == "hang":
        return Response(delivery=Delivery("hang", later=answer))
    if kind == "reset":
        return Response(delivery=Delivery("reset", after=0, delay=float(fault.option("delay", 0))))
    if kind == "expired_key":
        return provider.expired_key()
    if kind == "html":
        page = b"<html><head><title>Maintenance</title></head><body>Back soon.</body></html>"
        return Response(200, page, {"Content-Type": "text/html"})
    if kind.isdigit():
        response = provider.fault_response(int(kind), fault)
        response.headers.update(fault.option("headers") or {})
        return response
    return None


def afterwards(fault, provider, account, request, response, previous):
    """Spoils an answer that was worked out already. `previous` is the page given before, if any."""
    kind = fault.kind
    if kind == "drop_after":
        response.delivery = Delivery("reset" if fault.option("reset", True) else "close", after=0)
    elif kind == "truncate":
        response.delivery = Delivery("truncate", after=fault.option("after_bytes"))
    elif kind == "slow":
        rate = max(1.0, len(response.body) / max(0.1, float(fault.option("seconds", 5))))
        response.delivery = Delivery("slow", rate=rate, delay=float(fault.option("delay", 0)))
    elif kind == "huge":
        response.body = _huge(response, float(fault.option("mb", 32)),
                              fault.option("fill", "spaces"))
    elif kind == "value_bomb":
        response.body = _filled(response, b"{},", float(fault.option("mb", 38)))
    elif kind == "repeat_page":
        if previous is not None:
            response.page = previous
        if response.page is not None:
            response.page = response.page.with_more()
    elif response.page is not None and kind == "empty_page":
        response.page = response.page.with_more([])
    elif response.page is not None and kind == "duplicate_second":
        _duplicate(fault, provider, account, response.page)
    elif kind in POISON:
        _poison(fault, provider, account, request, response)
    return response


def _duplicate(fault, provider, account, page):
    if page.records:
        at = min(1, len(page.records) - 1)
        copy = provider.older_version(account, page.records[at]) if fault.option("older") else None
        page.records = [*page.records[:at + 1], copy or page.records[at], *page.records[at + 1:]]


def splice(record, kind, anchor):
    """A record with the bad value planted as a member after `anchor`, or as its first member."""
    at = record.find(anchor)
    at = at + len(anchor) if at >= 0 else record.find(b"{") + 1
    comma = b"" if record[at:at + 1] == b"}" else b","
    return record[:at] + b'"sandbox_poison":' + POISON[kind] + comma + record[at:]


def _poison(fault, provider, account, request, response):
    page = response.page
    if page is None:
        if response.status == 200:
            if fault.option("sticky"):
                provider.taint(account, response.body, fault.kind)
            response.body = splice(response.body, fault.kind, provider.anchor)
        return
    if page.records:
        at = min(int(fault.option("record", 0)), len(page.records) - 1)
        if fault.option("sticky"):
            provider.taint(account, page.records[at], fault.kind)
        page.records = list(page.records)
        page.records[at] = splice(page.records[at], fault.kind, provider.anchor)


def _huge(response, megabytes, fill):
    if fill == "records" and response.page is not None and response.page.records:
        page = response.page
        block = b",".join(page.records) + b","
        rounds = int(megabytes * MEGABYTE // len(block)) + 1
        return _stream(page.prefix, block, rounds, b",".join(page.records) + page.suffix)
    return _filled(response, b" ", megabytes)


def _filled(response, unit, megabytes):
    """The answer with `unit` repeated in front of its first record or member."""
    page, body = response.page, response.body
    if page is not None:
        head, tail = page.prefix, (b",".join(page.records) or b"{}") + page.suffix
        if not page.records and unit == b" ":
            tail = page.suffix
    elif unit == b" ":
        head, tail = body[:1], body[1:]
    else:
        head, tail = b'{"sandbox_bomb":[', b"{}]," + body[1:]
    block = unit * (MEGABYTE // len(unit) // 8)
    rounds = max(1, int(megabytes * MEGABYTE // len(block)))
    return _stream(head, block, rounds, tail)


def _stream(head, block, rounds, tail):
    def pieces():
        yield head
        for _ in range(rounds):
            yield block
        yield tail

    return Stream(pieces(), len(head) + len(block) * rounds + len(tail))
