"""The admin door: how a test or a demo fills, changes, breaks and questions a stand-in.

Scope: `/_admin/<verb>` with JSON bodies, from loopback only, never logged or limited. Verbs that
concern data are passed on to the provider (`load`, `create`, `update`, `delete`, `changes`,
`truth`, `accounts`, `settings`).
"""

import ipaddress
import json

from .server import Response

OWN = ("faults", "release", "clock", "limits", "requests", "window", "stats", "reset", "latency")
DATA = ("load", "create", "update", "delete", "changes", "truth", "accounts", "settings")


class AdminError(Exception):
    """A wish that cannot be met; its text goes back with status 400."""


class Admin:
    def __init__(self, app):
        self.app = app

    def handle(self, request):
        try:
            if not ipaddress.ip_address(request.peer).is_loopback:
                return Response.of_json({"error": "loopback only"}, 403)
            verb = request.path[len("/_admin/"):].strip("/")
            body = request.json() if request.body else self._query(request)
            if not isinstance(body, dict) and verb != "faults":
                raise AdminError("the body must be a JSON object")
            if verb in OWN:
                answer = getattr(self, verb)(request.method, body)
            elif verb in DATA:
                answer = getattr(self.app, "admin_" + verb)(body)
            else:
                return Response.of_json({"error": f"no verb {verb}", "verbs": OWN + DATA}, 404)
        except (AdminError, ValueError, KeyError, TypeError) as problem:
            text = f"missing {problem}" if isinstance(problem, KeyError) else str(problem)
            return Response.of_json({"error": text}, 400)
        return answer if isinstance(answer, Response) else Response.of_json(answer)

    @staticmethod
    def _query(request):
        """Query parameters as a body; numbers and true/false as such."""
        body = {}
        for name, value in request.params:
            try:
                body[name] = json.loads(value)
            except ValueError:
                body[name] = value
        return body

    def faults(self, method, body):
        faults = self.app.faults
        if method == "DELETE" or (isinstance(body, dict) and body.get("clear")):
            faults.clear(body.get("ids"))
        elif method == "POST" and body:
            specs = body if isinstance(body, list) else body.get("faults", [body])
            return {"ids": faults.add(specs)}
        return {"faults": [fault.describe() for fault in faults.schedule]}

    def release(self, _method, body):
        return {"released": self.app.release(bool(body.get("answer")))}

    def clock(self, _method, body):
        """`offset` or `advance` in seconds, `freeze` (true or a Unix time), `run` goes on."""
        clock = self.app.clock
        for key in body:
            if key not in ("offset", "advance", "freeze", "run"):
                raise AdminError(f"unknown key {key}")
        if "offset" in body:
            clock.frozen, clock.offset = None, float(body["offset"])
        if "freeze" in body:
            clock.freeze(None if body["freeze"] is True else body["freeze"])
        if "advance" in body:
            clock.advance(float(body["advance"]))
        if body.get("run"):
            clock.run()
        return {"now": clock.now(), "offset": clock.offset, "frozen": clock.frozen is not None}

    def limits(self, _method, body):
        self.app.limits.configure(body)
        return self.app.limits.describe()

    def latency(self, _method, body):
        """`seconds` that every answer waits."""
        self.app.latency = float(body.get("seconds", self.app.latency))
        return {"seconds": self.app.latency}

    def requests(self, method, body):
        log = self.app.log
        if method == "DELETE" or body.pop("clear", False):
            log.clear()
            return {"requests": []}
        return {"requests": log.select(**body), "last": log.number}

    def window(self, _method, body):
        """The most arrivals in any `seconds`; `account`, `path` and `accepted_only` narrow it."""
        return {"worst": self.app.log.worst_window(float(body.pop("seconds", 1.0)), **body)}

    def stats(self, _method, _body):
        app = self.app
        statuses = {}
        for entry in app.log.entries:
            key = str(entry["status"])
            statuses[key] = statuses.get(key, 0) + 1
        return {
            "requests": app.log.number, "statuses": statuses, "in_flight": app.log.in_flight,
            "peak_in_flight": app.log.peak, "connections": len(app.connections), "hanging":
            len(app.hanging), "now": app.clock.now(), "bugs": app.bugs, "data": app.data_stats()
        }

    def reset(self, _method, _body):
        self.app.reset()
        return {"reset": True}
