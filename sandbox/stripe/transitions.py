"""What can happen to an object besides being created and deleted.

Scope: named changes per collection with the events each of them makes: `()` for a change that the
API does not tell of. Random changes pick from them; the API's action calls use them by name.
"""

from dataclasses import dataclass
from typing import Callable

from . import parents
from .objects import payments


@dataclass(frozen=True)
class Transition:
    """`when` says whether it can happen now; `after` makes the changes to other objects."""

    name: str
    apply: Callable
    types: tuple = None
    when: Callable = None
    weight: int = 1
    after: Callable = None

    def possible(self, doc):
        return self.when is None or self.when(doc)


TRANSITIONS = {}


def on(collection, name, apply, types=None, when=None, weight=1, after=None):
    TRANSITIONS.setdefault(collection, {})[name] = Transition(name, apply, types, when, weight,
                                                              after)


def has(member, *values):
    return lambda doc: doc[member] in values


def put(**members):
    """Sets members; a callable value is called with the maker."""
    def apply(doc, m):
        for name, value in members.items():
            doc[name] = value(m) if callable(value) else value

    return apply


def also(*changes):
    """Several changes in one."""
    def apply(doc, m):
        for change in changes:
            change(doc, m)

    return apply


def flip(member):
    return lambda doc, m: doc.update({member: not doc[member]})


def nothing(_doc, _m):
    """For what only happens to other objects, or makes an event and no difference."""


def words(count):
    return lambda m: m.words(count)


def now(m):
    return m.created


def note(doc, m):
    """The change everybody makes: metadata. It always differs from what was there."""
    doc["metadata"] = {**doc["metadata"], "touched": m.id("", 8)}


def stamp(doc, member, moment):
    doc["status_transitions"][member] = moment


def become(status, member):
    """A status that the object notes the time of."""
    def apply(doc, m):
        doc["status"] = status
        stamp(doc, member, m.created)

    return apply


# people
def _verify(doc, m):
    doc["verification"].update(status=m.pick(("verified", "unverified")), verified_name=m.company())


def _rename_payer(doc, m):
    doc["billing_details"].update(name=m.person(), phone=m.phone())


def _renew_card(doc, m):
    doc["card"].update(exp_year=m.number(2031, 2040), last4=m.digits(4))


on("customers",
   "edit",
   also(put(name=lambda m: m.person(), email=lambda m: m.email()), note),
   weight=4)
on("customers", "move", put(address=lambda m: m.address(), description=words(5)), weight=2)
on("customers", "owe", also(flip("delinquent"), put(balance=lambda m: -m.amount())))
on("tax_ids", "verify", _verify)
on("payment_methods", "edit", _rename_payer)
on("payment_methods",
   "renew",
   _renew_card, ("payment_method.automatically_updated",),
   when=has("type", "card"))
on("payment_methods",
   "detach",
   put(customer=None), ("payment_method.detached",),
   when=lambda doc: doc["customer"])
on("payment_methods",
   "attach",
   put(customer=lambda m: m.ref("customers")), ("payment_method.attached",),
   when=lambda doc: not doc["customer"])
on("payment_methods", "note", note, ())
on("accounts", "edit", note, weight=2)
on("accounts", "verify", flip("charges_enabled"))
on("accounts", "limit",
   lambda doc, m: doc["requirements"]["eventually_due"].append(m.id("person_", 8)), ())

# catalog
on("products", "edit", also(put(name=words(3), description=words(9)), note), weight=3)
on("products", "retire", flip("active"))
for _name in ("prices", "plans"):
    on(_name, "edit", also(put(nickname=words(2)), note), weight=2)
    on(_name, "retire", flip("active"))
on("coupons", "edit", also(put(name=words(2)), note))
on("promotion_codes", "edit", note)
on("promotion_codes", "retire", flip("active"))
on("tax_rates", "edit", also(put(description=words(3)), note))
on("shipping_rates", "edit", also(flip("active"), note), ())

# billing
SUB = "customer.subscription."
on("subscriptions", "edit", note, weight=3)
on("subscriptions",
   "cancel",
   lambda doc, m: parents.cancel(doc, m.created), (SUB + "deleted",),
   when=lambda doc: doc["status"] not in ("canceled", "incomplete_expired"))
on("subscriptions",
   "pause",
   put(status="paused"), (SUB + "paused", SUB + "updated"),
   when=has("status", "active", "trialing"))
on("subscriptions",
   "resume",
   put(status="active"), (SUB + "resumed", SUB + "updated"),
   when=has("status", "paused"))
on("subscriptions", "fail", put(status="past_due"), when=has("status", "active"))
on("subscriptions", "warn", nothing, (SUB + "trial_will_end",), when=has("status", "trialing"))
on("subscription_items", "edit",
   lambda doc, m: doc.update(quantity=doc["quantity"] + m.number(1, 9)), ())
on("subscription_schedules", "edit", note)
on("subscription_schedules",
   "cancel",
   put(status="canceled", canceled_at=now, current_phase=None),
   ("subscription_schedule.canceled",),
   when=has("status", "not_started", "active"))
on("subscription_schedules",
   "release",
   put(status="released", released_at=now, current_phase=None),
   ("subscription_schedule.released",),
   when=has("status", "not_started", "active"))
on("subscription_schedules",
   "complete",
   put(status="completed", completed_at=now, current_phase=None),
   ("subscription_schedule.completed",),
   when=has("status", "active"))


def _finalize(doc, m):
    doc.update(status="open",
               auto_advance=False,
               effective_at=m.created,
               ending_balance=0,
               number=f"{m.id('', 8).upper()}-{m.number(1, 9999):04d}",
               hosted_invoice_url=f"https://invoice.example.com/i/{doc['id']}")
    stamp(doc, "finalized_at", m.created)


def _fail_once(doc, _m):
    doc.update(attempted=True, attempt_count=doc["attempt_count"] + 1)


def _pay(doc, m):
    doc.update(status="paid",
               amount_paid=doc["amount_due"],
               amount_remaining=0,
               attempted=True,
               attempt_count=doc["attempt_count"] + 1)
    stamp(doc, "paid_at", m.created)


on("invoices", "edit", note, weight=2)
on("invoices",
   "finalize",
   _finalize, ("invoice.finalized", "invoice.updated"),
   when=has("status", "draft"))
on("invoices",
   "pay",
   _pay, ("invoice.paid", "invoice.payment_succeeded", "invoice.updated"),
   when=has("status", "open", "uncollectible"),
   weight=2)
on("invoices",
   "fail",
   _fail_once, ("invoice.payment_failed", "invoice.updated"),
   when=has("status", "open"))
on("invoices",
   "void",
   become("void", "voided_at"), ("invoice.voided", "invoice.updated"),
   when=has("status", "open", "uncollectible"))
on("invoices",
   "mark_uncollectible",
   become("uncollectible", "marked_uncollectible_at"),
   ("invoice.marked_uncollectible", "invoice.updated"),
   when=has("status", "open"))
on("invoices", "send", nothing, ("invoice.sent",), when=has("status", "open"))


def _pay_part(doc, m):
    doc.update(status="paid", amount_paid=doc["amount_requested"])
    stamp(doc, "paid_at", m.created)


on("invoice_line_items", "edit", note, ())
on("invoiceitems", "edit", also(put(description=words(4)), note), ())
on("invoice_payments", "pay", _pay_part, ("invoice_payment.paid",), when=has("status", "open"))
on("invoice_payments", "cancel", become("canceled", "canceled_at"), (), when=has("status", "open"))
on("credit_notes", "edit", also(put(memo=words(5)), note))
on("credit_notes",
   "void",
   put(status="void", voided_at=now), ("credit_note.voided",),
   when=has("status", "issued"))
on("quotes", "edit", note, ())
on("quotes",
   "finalize",
   also(become("open", "finalized_at"), put(number=lambda m: m.id("QT-", 8).upper())),
   ("quote.finalized",),
   when=has("status", "draft"))
on("quotes",
   "accept",
   become("accepted", "accepted_at"), ("quote.accepted",),
   when=has("status", "open"))
on("quotes",
   "cancel",
   become("canceled", "canceled_at"), ("quote.canceled",),
   when=has("status", "draft", "open"))


# payments
def _refund_charge(account, entry, m):
    """A refund of a part of what is left; the charge learns of it."""
    charge = account.document("charges", entry.id)
    amount = max(1, (charge["amount"] - charge["amount_refunded"]) // 2)
    account.create(
        "refunds",
        m.random,
        shape=lambda doc, _children, _m: doc.update(amount=amount,
                                                    charge=charge["id"],
                                                    currency=charge["currency"],
                                                    status="succeeded",
                                                    payment_intent=charge["payment_intent"]))
    refund_on_charge(account, charge["id"], amount)


def refund_on_charge(account, id, amount):
    def apply(doc):
        doc["amount_refunded"] += amount
        doc["refunded"] = doc["amount_refunded"] >= doc["amount"]

    account.change("charges", id, apply, ("charge.refunded",))


def _attempt(good):
    def after(account, entry, m):
        account.create("setup_attempts",
                       m.random,
                       parent=entry.id,
                       shape=lambda doc, _children, _m: None
                       if good else doc.update(status="failed", setup_error=payments.DECLINE))

    return after


def _write_evidence(doc, m):
    doc["evidence"].update(uncategorized_text=m.words(9))


def _capture(doc, _m):
    doc.update(captured=True, amount_captured=doc["amount"])


def _succeed(doc, m):
    doc.update(status="succeeded",
               amount_received=doc["amount"],
               amount_capturable=0,
               latest_charge=doc["latest_charge"] or m.ref("charges"))


on("charges", "edit", also(put(description=words(4)), note), weight=3)
on("charges",
   "capture",
   _capture, ("charge.captured",),
   when=lambda doc: doc["status"] == "succeeded" and not doc["captured"])
on("charges",
   "refund",
   nothing, (),
   after=_refund_charge,
   when=lambda doc: doc["captured"] and doc["amount_refunded"] < doc["amount"] - 1)
on("charges",
   "succeed",
   put(status="succeeded", paid=True), ("charge.succeeded",),
   when=has("status", "pending"))
PI = "payment_intent."
on("payment_intents", "edit", note, (), weight=2)
on("payment_intents",
   "challenge",
   put(status="requires_action"), (PI + "requires_action",),
   when=has("status", "requires_payment_method"))
on("payment_intents",
   "confirm",
   _succeed, (PI + "succeeded",),
   when=has("status", "requires_payment_method", "requires_confirmation", "requires_action",
            "processing"))
on("payment_intents",
   "capture",
   _succeed, (PI + "succeeded",),
   when=has("status", "requires_capture"))
on("payment_intents",
   "fail",
   put(status="requires_payment_method", last_payment_error=payments.DECLINE),
   (PI + "payment_failed",),
   when=has("status", "requires_action", "processing"))
on("payment_intents",
   "cancel",
   put(status="canceled", canceled_at=now, cancellation_reason="abandoned"), (PI + "canceled",),
   when=has("status", "requires_payment_method", "requires_action", "requires_capture",
            "requires_confirmation", "processing"))
SI = "setup_intent."
on("setup_intents", "edit", note, ())
on("setup_intents",
   "confirm",
   put(status="succeeded"), (SI + "succeeded",),
   after=_attempt(True),
   when=has("status", "requires_payment_method", "requires_action"))
on("setup_intents",
   "fail",
   put(last_setup_error=payments.DECLINE, status="requires_payment_method"),
   (SI + "setup_failed",),
   after=_attempt(False),
   when=has("status", "requires_payment_method", "requires_action"))
on("setup_intents",
   "cancel",
   put(status="canceled", cancellation_reason="abandoned"), (SI + "canceled",),
   when=has("status", "requires_payment_method", "requires_action"))
on("refunds", "edit", note)
on("refunds",
   "succeed",
   put(status="succeeded"), ("refund.updated", "charge.refund.updated"),
   when=has("status", "pending"))
on("refunds",
   "fail",
   put(status="failed", failure_reason="expired_or_canceled_card"),
   ("refund.failed", "refund.updated"),
   when=has("status", "pending"))
on("refunds",
   "cancel",
   put(status="canceled"), ("refund.updated",),
   when=has("status", "pending"),
   weight=0)
on("disputes", "edit", also(_write_evidence, note), weight=2)
on("disputes",
   "close",
   put(status="lost"), ("charge.dispute.closed",),
   when=has("status", "needs_response", "under_review"))
on("disputes",
   "win",
   put(status="won"), ("charge.dispute.closed", "charge.dispute.funds_reinstated"),
   when=has("status", "needs_response", "under_review"))
on("reviews",
   "approve",
   put(open=False, closed_reason="approved", reason="approved"), ("review.closed",),
   when=has("open", True))
on("early_fraud_warnings", "edit", flip("actionable"))


# money
def _new_child(collection):
    return lambda account, entry, m: account.create(collection, m.random, parent=entry.id)


on("balance_transactions", "settle", put(status="available"), (), when=has("status", "pending"))
on("payouts", "edit", note)
on("payouts",
   "pay",
   put(status="paid"), ("payout.paid", "payout.updated"),
   when=has("status", "pending", "in_transit"))
on("payouts",
   "fail",
   put(status="failed", failure_code="account_closed"), ("payout.failed", "payout.updated"),
   when=has("status", "in_transit"))
on("payouts",
   "cancel",
   put(status="canceled"), ("payout.canceled", "payout.updated"),
   when=has("status", "pending"))
on("transfers", "edit", note, weight=2)
on("transfers",
   "reverse",
   nothing, (),
   when=lambda doc: doc["amount_reversed"] < doc["amount"] // 2,
   after=_new_child("transfer_reversals"))
on("transfer_reversals", "edit", note, ())
on("topups", "edit", note, ())
on("topups",
   "succeed",
   put(status="succeeded"), ("topup.succeeded",),
   when=has("status", "pending"))
on("topups", "cancel", put(status="canceled"), ("topup.canceled",), when=has("status", "pending"))
on("application_fees",
   "refund",
   nothing, (),
   when=lambda doc: doc["amount_refunded"] < doc["amount"] // 2,
   after=_new_child("application_fee_refunds"))
# The fee that carries this refund changes too, and no event of the API says so.
on("application_fee_refunds", "edit", note, weight=0)

# checkout, files
CS = "checkout.session."
on("checkout_sessions", "edit", note, ())


def _complete(doc, m):
    doc.update(status="complete",
               payment_status="paid",
               url=None,
               payment_intent=m.ref("payment_intents"),
               customer_details={
                   "address": m.address(), "email": m.email(), "name": m.person(), "phone": None,
                   "tax_exempt": "none", "tax_ids": []
               })


on("checkout_sessions", "complete", _complete, (CS + "completed",), when=has("status", "open"))
on("checkout_sessions",
   "expire",
   put(status="expired", url=None), (CS + "expired",),
   when=has("status", "open"))
on("payment_links", "edit", note)
on("payment_links", "retire", flip("active"))
on("file_links", "edit", note, ())

# issuing
on("issuing_cardholders", "edit", also(put(email=lambda m: m.email()), note))
on("issuing_cards", "edit", note)
on("issuing_cards",
   "cancel",
   put(status="canceled", cancellation_reason="lost"),
   when=has("status", "active"))
on("issuing_authorizations", "edit", note)
on("issuing_authorizations", "close", put(status="closed"), when=has("status", "pending"))
on("issuing_transactions", "edit", note)
on("issuing_disputes", "edit", note)
on("issuing_disputes",
   "submit",
   put(status="submitted"), ("issuing_dispute.submitted", "issuing_dispute.updated"),
   when=has("status", "unsubmitted"))
on("issuing_disputes",
   "close",
   put(status="won"), ("issuing_dispute.closed",),
   when=has("status", "submitted"))


def perform(account, collection, name, id, source=None):
    """Lets it happen to this object; the caller has seen that it is possible."""
    transition = TRANSITIONS[collection][name]
    maker = account.maker(source)
    entry = account.change(collection, id, lambda doc: transition.apply(doc, maker),
                           transition.types)
    if transition.after is not None:
        transition.after(account, entry, maker)
    return account.table(collection).get(id)
