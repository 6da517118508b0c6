"""What a child's change means for its parent.

Scope: one function per child collection; it alters the parent's document and names the parent's
events. The nested list itself is renewed by the caller.
"""


def _subscription(_doc, _what, _child):
    return ("customer.subscription.updated",)


def _invoice(doc, what, child):
    amount = child["amount"] * {"create": 1, "delete": -1, "update": 0}[what]
    for member in ("total", "subtotal", "amount_due", "amount_remaining", "subtotal_excluding_tax",
                   "total_excluding_tax"):
        doc[member] += amount
    return ("invoice.updated",)


def _transfer(doc, what, child):
    if what != "create":
        return ("transfer.updated",)
    doc["amount_reversed"] += child["amount"]
    doc["reversed"] = doc["amount_reversed"] >= doc["amount"]
    return ("transfer.reversed",)


def _application_fee(doc, what, child):
    if what != "create":
        return ()
    doc["amount_refunded"] += child["amount"]
    doc["refunded"] = doc["amount_refunded"] >= doc["amount"]
    return ("application_fee.refunded",)


def _customer(doc, what, child):
    if what == "create":
        doc["balance"] = child["ending_balance"]
    return ("customer.updated",)


def _setup_intent(doc, _what, child):
    doc["latest_attempt"] = child["id"]
    return ()


def _silent(_doc, _what, _child):
    return ()


TOUCH = {
    "subscription_items": _subscription,
    "invoice_line_items": _invoice,
    "transfer_reversals": _transfer,
    "application_fee_refunds": _application_fee,
    "customer_balance_transactions": _customer,
    "setup_attempts": _setup_intent,
    "file_links": _silent,
    "checkout_line_items": _silent,
}

FOLLOWS = ("subscription_items", "invoice_line_items", "transfer_reversals",
           "application_fee_refunds", "file_links")
"""Children whose change shows in their parent."""


def cancel(doc, moment):
    """Ends a subscription."""
    doc.update(status="canceled", canceled_at=moment, ended_at=moment)
    doc["cancellation_details"]["reason"] = "cancellation_requested"
