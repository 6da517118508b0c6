"""The life of one request: log, admin door, faults, sign-in, limits, work, delivery.

Scope: the order of these steps, the same for every provider. A provider derives from `App` and
gives the hooks below; it never touches sockets.
"""

import argparse
import asyncio
import gc
import random
import string
import traceback

from . import faults
from .admin import Admin
from .clock import Clock
from .limits import Limits, RequestLog
from .server import Delivery, Response, serve

LETTERS = string.ascii_letters + string.digits


class Refused(Exception):
    """A request that ends here; carries the answer."""
    def __init__(self, response):
        super().__init__(response.status)
        self.response = response


class App:
    """One stand-in. Hooks: sign_in, endpoint, limited, work, finish, fault_response, expired_key,
    without_filters, taint, older_version, and the verbs of the admin door (see admin.py)."""

    anchor = b'{'

    def __init__(self, seed=0, limits=None):
        self.seed = seed
        self.clock = Clock()
        self.limits = limits or Limits()
        self.faults = faults.Faults()
        self.log = RequestLog()
        self.latency = 0.0
        self.bugs = 0
        self.connections = set()
        self.hanging = set()
        self.open_entries = {}
        self.last_pages = {}
        self.random = random.Random(f"requests:{seed}")
        self.admin = Admin(self)

    def handle(self, request):
        try:
            if request.path.startswith("/_admin/"):
                return self.admin.handle(request)
            return self._handle(request)
        except Exception:
            self.bugs += 1
            traceback.print_exc()
            return Response.of_json({"error": {"message": "a bug of the stand-in itself"}}, 599)

    def _handle(self, request):
        entry = self.log.open(request)
        self.open_entries[request] = (entry, None)
        request.id = self.new_request_id()
        entry["request_id"] = request.id
        leave = None
        try:
            account = self.peek_account(request)
            entry["account"] = self.account_name(account)
            fault = self.faults.pick(request, entry["account"])
            if fault is not None:
                entry["fault"] = fault.kind
            response = faults.instead(fault, self,
                                      lambda: self._late(request, entry)) if fault else None
            if response is None:
                response, leave = self._answer(request, entry, fault)
        except Refused as refusal:
            response = refusal.response
        self.open_entries[request] = (entry, leave)
        return self._sealed(request, entry, response)

    def _answer(self, request, entry, fault):
        """Sign-in, limits and work; the second value is what the limits must be given back."""
        account = self.sign_in(request)
        name, endpoint = self.account_name(account), self.endpoint(request)
        reason = self.limits.enter(name, endpoint)
        if reason is not None:
            entry["reason"] = reason
            raise Refused(self.limited(reason))
        leave = (name, endpoint)
        if fault is not None and fault.kind == "ignore_filter":
            self.without_filters(request)
        try:
            response = self.work(account, request)
        except Refused as refusal:
            response = refusal.response
        previous = self.last_pages.get((name, request.path))
        if response.page is not None:
            self.last_pages[(name, request.path)] = response.page
        if fault is not None:
            response = faults.afterwards(fault, self, account, request, response, previous)
        return response, leave

    def _late(self, request, entry):
        """The answer of a request that was held back, worked out when it is let go."""
        try:
            response, leave = self._answer(request, entry, None)
        except Refused as refusal:
            response, leave = refusal.response, None
        self.open_entries[request] = (entry, leave)
        return self._sealed(request, entry, response)

    def _sealed(self, request, entry, response):
        held = response.delivery is not None and response.delivery.kind == "hang"
        entry["status"] = None if held else response.status
        if response.delivery is None and self.latency:
            response.delivery = Delivery(delay=self.latency)
        self.finish(request, response)
        return response

    def finished(self, request, outcome):
        """Called by the connection when an answer is out, or its client gone."""
        entry, leave = self.open_entries.pop(request, (None, None))
        if entry is None:
            return
        if leave is not None:
            self.limits.leave(*leave)
        self.log.close(entry, outcome)

    def release(self, answer):
        waiting = list(self.hanging)
        for connection in waiting:
            connection.release(answer)
        return len(waiting)

    def reset(self):
        """Back to the state after start; connections stay open."""
        self.clock.reset()
        self.limits.reset()
        self.faults.clear()
        self.log.clear()
        self.latency = 0.0
        self.last_pages.clear()
        self.random = random.Random(f"requests:{self.seed}")
        self.release(False)

    def new_request_id(self):
        return "req_" + "".join(self.random.choices(LETTERS, k=14))


def arguments(description):
    """The command line that all stand-ins share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--seed", type=int, default=0, help="data and ids follow from it")
    parser.add_argument("--rate",
                        type=float,
                        default=100,
                        help="requests a second and account, 0: no limit")
    parser.add_argument("--endpoint-rate",
                        type=float,
                        default=0,
                        help="requests a second, account and endpoint, 0: no limit")
    return parser


def run(app, host, port):
    """Serves until interrupted. Prints one line when ready."""
    gc.set_threshold(200_000, 50, 100)

    def ready(bound):
        print(f"listening on http://{host}:{bound}", flush=True)

    try:
        asyncio.run(serve(app, host, port, ready))
    except KeyboardInterrupt:
        pass
