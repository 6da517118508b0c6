"""The stand-in as a whole: keys and accounts, sign-in, versions, idempotent writes.

Scope: what holds for every call. The steps of a request are in the shared `App`; what a test may
ask for is in `doors`.
"""

import base64
import binascii
import hashlib
import json

from .. import app as shared
from ..app import Refused
from ..server import Response
from . import errors, routes
from .catalog import BY_OBJECT
from .doors import Doors
from .state import NO_CAUSE, POISON_ANCHOR, Account
from .versions import known_form

DEFAULT_KEY = "sk_test_sandbox0000000000000001"
MAX_IDEMPOTENCY_KEY = 255
KEPT_FOR = 86400
FILTER_WORDS = ("limit", "starting_after", "ending_before", "expand")


class Key:
    """An API key: whose it is, whether it still works, and what it may not read."""

    __slots__ = ("text", "account", "state", "deny")

    def __init__(self, text, account, state="active", deny=()):
        self.text = text
        self.account = account
        self.state = state
        self.deny = frozenset(deny)


class StripeApp(Doors, shared.App):
    anchor = POISON_ANCHOR

    def __init__(self, keys=(DEFAULT_KEY,), seed=0, limits=None):
        super().__init__(seed, limits)
        self.first_keys = tuple(keys)
        self._fill_keys()

    def _fill_keys(self):
        self.keys = {}
        for text in self.first_keys:
            self.add_key(text)

    def add_key(self, text, account=None, state="active", deny=()):
        if not text.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")) or len(text) < 16:
            raise ValueError(
                "a key begins with sk_ or rk_, then test_ or live_, and has 16 characters or more")
        self.keys[text] = Key(text, account or Account(self, text, self.seed), state, deny)
        return self.keys[text]

    def reset(self):
        super().reset()
        self._fill_keys()

    @staticmethod
    def _credential(request):
        """The key of Bearer or Basic authorization, None if there is none."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        value = value.strip()
        if scheme.lower() == "bearer":
            return value or None
        if scheme.lower() == "basic":
            try:
                return base64.b64decode(value, validate=True).decode().partition(":")[0] or None
            except (binascii.Error, UnicodeDecodeError):
                return None
        return None

    def peek_account(self, request):
        key = self.keys.get(self._credential(request))
        return key.account if key else None

    @staticmethod
    def account_name(account):
        return account.id if account else None

    def sign_in(self, request):
        text = self._credential(request)
        if text is None:
            raise Refused(errors.no_key())
        if text.startswith("pk_"):
            raise Refused(errors.publishable_key())
        key = self.keys.get(text)
        if key is None or key.state == "revoked":
            raise Refused(errors.invalid_key(text))
        if key.state == "expired":
            raise Refused(errors.expired_key(text))
        wanted = request.headers.get("stripe-account")
        if wanted and wanted != key.account.id:
            errors.refuse(
                403, f"The provided key '{errors.masked(text)}' does not have access to account "
                f"'{wanted}' (or that account does not exist). Application access may have been "
                "revoked.", "account_invalid")
        parts = [part for part in request.path.split("/")[2:] if part]
        for name in key.deny:
            if name in parts or name.replace("_", "/") in request.path:
                verb = "read" if request.method in ("GET", "HEAD") else "write"
                raise Refused(
                    errors.missing_permission(text, key.account.id,
                                              f"rak_{name.rstrip('s')}_{verb}"))
        version = request.headers.get("stripe-version")
        if version is not None and not known_form(version):
            errors.refuse(400, f"Invalid Stripe API version: {version}")
        return key.account

    def endpoint(self, request):
        return routes.endpoint(request)

    def limited(self, reason):
        return errors.limited(reason)

    def work(self, account, request):
        version = request.headers.get("stripe-version", account.api_version)
        key = request.headers.get("idempotency-key")
        if request.method != "POST" or key is None:
            return self._caused(account, request, None, version)
        return self._once(account, request, key, version)

    def _once(self, account, request, key, version):
        """A write under an idempotency key: the first answer is kept and given again."""
        if not key or len(key) > MAX_IDEMPOTENCY_KEY:
            errors.refuse(400, "Idempotency keys must be between 1 and 255 characters.")
        print_ = hashlib.sha256(f"{request.method} {request.path}?{request.query}\n".encode() +
                                request.body).digest()
        kept = account.answers.get(key)
        if kept is not None and kept["until"] > self.clock.now():
            if kept["print"] != print_:
                raise Refused(
                    errors.error(
                        400,
                        "Keys for idempotent requests can only be used with the same parameters "
                        "they "
                        f"were first used with. Try using a key other than '{key}' if you meant to "
                        "execute a different request.",
                        type="idempotency_error"))
            return Response(
                kept["status"], kept["body"], {
                    "Idempotent-Replayed": "true", "Original-Request": kept["request"],
                    "Idempotency-Key": key
                })
        response = self._caused(account, request, key, version)
        account.answers[key] = {
            "print": print_, "status": response.status, "body": response.body, "request":
            request.id, "until": self.clock.now() + KEPT_FOR
        }
        response.headers["Idempotency-Key"] = key
        return response

    def _caused(self, account, request, key, version):
        if request.method in ("POST", "DELETE"):
            account.cause = {"id": request.id, "idempotency_key": key}
        try:
            return routes.dispatch(account, request, version)
        finally:
            account.cause = NO_CAUSE

    def finish(self, request, response):
        headers = response.headers
        headers["Request-Id"] = request.id
        headers.setdefault("Stripe-Version",
                           request.headers.get("stripe-version") or self._own_version(request))
        headers.setdefault("Cache-Control", "no-cache, no-store")

    def _own_version(self, request):
        account = self.peek_account(request)
        return account.api_version if account else ""

    def fault_response(self, status, fault):
        if status == 429:
            return errors.limited(fault.option("reason", "global-rate"))
        if status >= 500:
            return errors.server_error(status)
        return errors.error(status, fault.option("message", "This request was refused."),
                            fault.option("code"))

    def expired_key(self):
        return errors.expired_key(self.first_keys[0])

    @staticmethod
    def without_filters(request):
        request.params = [
            pair for pair in request.params if pair[0].partition("[")[0] in FILTER_WORDS
        ]

    def _locate(self, account, record):
        """(collection, id) of a record's text, None for what is not stored under an id."""
        doc = json.loads(record)
        spec = BY_OBJECT.get(doc.get("object"))
        return (spec.name, doc["id"]) if spec and doc["id"] in account.table(spec.name) else None

    def taint(self, account, record, kind):
        found = self._locate(account, record)
        if found is not None:
            account.taint(*found, kind)

    def older_version(self, account, record):
        found = self._locate(account, record)
        entry = account.table(found[0]).entries[found[1]] if found else None
        return entry.older[-1] if entry and entry.older else None
