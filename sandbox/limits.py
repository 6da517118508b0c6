"""Rate and concurrency limits in sliding windows, and the log of arrivals they are checked against.

Scope: decides whether one more request of an account is allowed now and names the limit that
refuses it. The wording of the refusal belongs to the provider.
"""

import time
from collections import deque

WINDOW = 1.0
NAMES = ("rate", "endpoint_rate", "concurrency", "endpoint_concurrency")
REASONS = {
    "rate": "global-rate", "endpoint_rate": "endpoint-rate", "concurrency": "global-concurrency",
    "endpoint_concurrency": "endpoint-concurrency"
}


class Limits:
    """`rate` and `endpoint_rate` are requests a second, the others at once; 0 is no limit."""
    def __init__(self, rate=0, endpoint_rate=0, concurrency=0, endpoint_concurrency=0):
        self.defaults = dict(zip(NAMES, (rate, endpoint_rate, concurrency, endpoint_concurrency)))
        self.values = dict(self.defaults)
        self.endpoints = {}
        self.window = WINDOW
        self.accepted = {}
        self.running = {}

    def configure(self, settings):
        """Takes any of the limits, `window` in seconds, and `endpoints`: {endpoint: rate}."""
        for name, value in settings.items():
            if name in NAMES:
                self.values[name] = float(value or 0)
            elif name == "window":
                self.window = float(value)
            elif name == "endpoints":
                self.endpoints = {key: float(rate) for key, rate in value.items()}
            else:
                raise ValueError(f"unknown limit {name}")

    def describe(self):
        return dict(self.values, window=self.window, endpoints=self.endpoints)

    def enter(self, account, endpoint):
        """None if the request may go on (and is counted), else the reason it may not."""
        whole, single = (account, None), (account, endpoint)
        if self._rate_full(whole, self.values["rate"]):
            return REASONS["rate"]
        if self._rate_full(single, self.endpoints.get(endpoint, self.values["endpoint_rate"])):
            return REASONS["endpoint_rate"]
        for key, name in ((whole, "concurrency"), (single, "endpoint_concurrency")):
            if self.values[name] and self.running.get(key, 0) >= self.values[name]:
                return REASONS[name]
        now = time.monotonic()
        for key in (whole, single):
            self.accepted.setdefault(key, deque()).append(now)
            self.running[key] = self.running.get(key, 0) + 1
        return None

    def leave(self, account, endpoint):
        for key in ((account, None), (account, endpoint)):
            self.running[key] = max(0, self.running.get(key, 0) - 1)

    def _rate_full(self, key, limit):
        times = self.accepted.get(key)
        if not times:
            return False
        edge = time.monotonic() - self.window
        while times and times[0] <= edge:
            times.popleft()
        return bool(limit) and len(times) >= limit * self.window

    def reset(self):
        self.values = dict(self.defaults)
        self.endpoints = {}
        self.window = WINDOW
        self.accepted.clear()
        self.running.clear()


class RequestLog:
    """What arrived and what became of it, the newest `keep` requests."""
    def __init__(self, keep=200_000):
        self.entries = deque(maxlen=keep)
        self.number = 0
        self.in_flight = 0
        self.peak = 0

    def open(self, request):
        self.number += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        entry = {
            "number": self.number, "method": request.method, "path": request.path, "query":
            request.query, "account": None, "status": None, "reason": None, "fault": None,
            "arrived": request.arrived, "wall": request.wall, "in_flight": self.in_flight,
            "finished": None, "outcome": None, "request_id": None
        }
        self.entries.append(entry)
        return entry

    def close(self, entry, outcome):
        self.in_flight -= 1
        entry["finished"] = time.monotonic()
        entry["outcome"] = outcome

    def select(self, since=0, path=None, method=None, status=None, limit=10_000):
        """Entries numbered above `since`, oldest first."""
        found = []
        for entry in self.entries:
            if entry["number"] <= since or (path and not entry["path"].startswith(path)):
                continue
            if (method and entry["method"] != method) or (status and entry["status"] != status):
                continue
            found.append(entry)
            if len(found) >= limit:
                break
        return found

    def worst_window(self, seconds, account=None, path=None, accepted_only=False):
        """The most arrivals in any window of `seconds`: what a client's rate promise is held to."""
        times = sorted(entry["arrived"] for entry in self.entries
                       if (account is None or entry["account"] == account) and (
                           path is None or entry["path"] == path)
                       and not (accepted_only and entry["status"] == 429))
        worst = low = 0
        for high, moment in enumerate(times):
            while moment - times[low] >= seconds:
                low += 1
            worst = max(worst, high - low + 1)
        return worst

    def clear(self):
        self.entries.clear()
        self.peak = self.in_flight
