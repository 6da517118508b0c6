"""Writing through the API: create, update, delete and the action calls.

Scope: what a checked form does to the account's objects. Idempotency is kept by the caller.
"""

import json

from ..server import Response
from . import errors, forms
from .catalog import SPECS
from .events import dump
from .objects import billing
from .transitions import TRANSITIONS, perform, refund_on_charge

DELETABLE = ("customers", "products", "plans", "coupons", "subscription_items", "invoices",
             "invoiceitems", "tax_ids", "accounts")
ACTIONS = {
    "invoices": ("finalize", "pay", "void", "send", "mark_uncollectible"),
    "payment_intents": ("confirm", "capture", "cancel"),
    "setup_intents": ("confirm", "cancel"),
    "charges": ("capture",),
    "refunds": ("cancel",),
    "quotes": ("finalize", "accept", "cancel"),
    "subscription_schedules": ("cancel", "release"),
    "payouts": ("cancel",),
    "topups": ("cancel",),
    "credit_notes": ("void",),
    "disputes": ("close",),
    "checkout_sessions": ("expire",),
    "reviews": ("approve",),
    "payment_methods": ("detach", "attach"),
}
# What a new object is when the caller says nothing of it, where the factory would invent it.
BLANK = {
    "customers": {
        "delinquent": False, "balance": 0, "tax_exempt": "none", "next_invoice_sequence": 1,
        "currency": None
    },
    "products": {"active": True, "images": [], "marketing_features": []},
    "prices": {"active": True, "billing_scheme": "per_unit", "tax_behavior": "unspecified"},
    "plans": {"active": True, "interval_count": 1},
    "promotion_codes": {"active": True, "times_redeemed": 0},
    "coupons": {"valid": True, "times_redeemed": 0, "duration": "once", "duration_in_months": None},
    "tax_rates": {"active": True},
    "shipping_rates": {"active": True, "type": "fixed_amount"},
    "payment_intents": {
        "status": "requires_payment_method", "amount_received": 0, "amount_capturable": 0,
        "latest_charge": None, "canceled_at": None, "cancellation_reason": None
    },
    "setup_intents":
    {"status": "requires_payment_method", "latest_attempt": None, "usage": "off_session"},
    "payouts": {"status": "pending", "failure_code": None, "method": "standard"},
    "topups": {"status": "pending", "balance_transaction": None},
    "transfers": {"amount_reversed": 0},
    "tax_ids": {},
    "refunds": {"status": "succeeded"},
    "subscriptions": {
        "status": "active", "canceled_at": None, "ended_at": None, "trial_start": None, "trial_end":
        None, "latest_invoice": None, "cancel_at_period_end": False, "collection_method":
        "charge_automatically"
    },
    "invoices": {
        "status":
        "draft", "number":
        None, "amount_paid":
        0, "attempted":
        False, "attempt_count":
        0, "parent":
        None, "billing_reason":
        "manual", "auto_advance":
        True, "effective_at":
        None, "collection_method":
        "charge_automatically", "hosted_invoice_url":
        None, "invoice_pdf":
        None, "status_transitions":
        dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at"))
    },
    "subscription_items": {"quantity": 1},
    "invoiceitems": {"quantity": 1, "discountable": True, "invoice": None},
}
REFERENCES = {
    "customer": "customers", "product": "products", "invoice": "invoices", "file": "files",
    "payment_method": "payment_methods", "charge": "charges", "payment_intent": "payment_intents"
}
CHILDLESS = ("transfers", "setup_intents")


def answer(account, name, id):
    return Response(body=account.table(name).entries[id].body)


def create(account, spec, request, parent=None, params=None):
    """A new object from the form; `parent` comes from the path."""
    text = forms.PARAMS.get(spec.name, (None, None))[0]
    if text is None:
        errors.unknown_url(request.method, request.path)
    values = forms.check(forms.parse(request) if params is None else params, text, creating=True)
    _check_references(account, values)
    special = SPECIAL.get(spec.name)
    if special is not None:
        return special(account, values, parent)
    id = values.pop("id", None)
    if id is not None and account.table(spec.name).known(id):
        errors.refuse(400, f"{spec.object.title()} already exists.", "resource_already_exists",
                      "id")
    entry = account.create(spec.name, parent=parent, id=id, shape=_shaper(spec.name, text, values))
    return answer(account, spec.name, entry.id)


def _emptied(param, kind, value):
    if kind == "meta":
        return {}
    return dict.fromkeys(value) if param == "invoice_settings" else None


def _shaper(name, text, values, fixed=None):
    """Clears what the factory invented and puts in what was asked for."""
    def shape(doc, children, _maker):
        for param, (kind, _) in forms.words(text).items():
            if param == "id" or kind == "bool" or param in BLANK.get(name, {}):
                continue
            if param in doc:
                doc[param] = _emptied(param, kind, doc[param])
        doc.update(json.loads(json.dumps(BLANK.get(name, {}))))
        doc.update(fixed or {})
        forms.merge(doc, values)
        if name == "prices":
            doc.update(type="recurring" if doc["recurring"] else "one_time",
                       unit_amount_decimal=str(doc["unit_amount"]))
        elif name == "plans":
            doc["amount_decimal"] = str(doc["amount"])
        if name in CHILDLESS:
            return [(child, []) for child, _docs in children]
        return children

    return shape


def _check_references(account, values):
    for param, name in REFERENCES.items():
        id = values.get(param)
        if isinstance(id, str) and id not in account.table(name):
            errors.no_such(SPECS[name].object, id, param, 400)


def _create_subscription(account, values, _parent):
    items = values.pop("items")
    prices = []
    for at, item in enumerate(items):
        id = item.get("price") if isinstance(item, dict) else None
        if id is None:
            errors.missing_param(f"items[{at}][price]")
        if id not in account.table("prices"):
            errors.no_such("price", id, f"items[{at}][price]", 400)
        prices.append((account.document("prices", id), int(item.get("quantity") or 1)))
    base = _shaper("subscriptions", forms.PARAMS["subscriptions"][0].replace("items:list! ", ""),
                   values)

    def shape(doc, children, maker):
        base(doc, children, maker)
        doc["currency"] = prices[0][0]["currency"] if prices else "usd"
        docs = [
            billing.subscription_item(maker, maker.id("si_", 14), doc["id"], price)
            for price, _ in prices
        ]
        for made, (_, quantity) in zip(docs, prices):
            made.update(quantity=quantity, metadata={})
        return [("subscription_items", docs)]

    return answer(account, "subscriptions", account.create("subscriptions", shape=shape).id)


def _create_subscription_item(account, values, _parent):
    subscription, price = values.pop("subscription"), values.pop("price")
    for param, id in (("subscription", subscription), ("price", price)):
        if id not in account.table(param + "s"):
            errors.no_such(param, id, param, 400)
    price = account.document("prices", price)

    def shape(doc, _children, maker):
        doc.update(billing.subscription_item(maker, doc["id"], subscription, price))
        doc.update(quantity=1, metadata={})
        forms.merge(doc, values)

    entry = account.create("subscription_items", parent=subscription, shape=shape)
    return answer(account, "subscription_items", entry.id)


def _create_invoice(account, values, _parent):
    values.pop("days_until_due", None)
    base = _shaper(
        "invoices", forms.PARAMS["invoices"][0], values,
        dict.fromkeys(("amount_due", "amount_remaining", "subtotal", "subtotal_excluding_tax",
                       "total", "total_excluding_tax"), 0))

    def shape(doc, children, maker):
        base(doc, children, maker)
        customer = account.document("customers", values["customer"])
        doc.update(currency=values.get("currency") or "usd",
                   customer_email=customer["email"],
                   customer_name=customer["name"],
                   customer_address=customer["address"])
        return [("invoice_line_items", [])]

    return answer(account, "invoices", account.create("invoices", shape=shape).id)


def _create_invoiceitem(account, values, _parent):
    invoice = values.get("invoice")
    if invoice and account.document("invoices", invoice)["status"] != "draft":
        errors.refuse(400, "This invoice is no longer editable", "invoice_not_editable", "invoice")
    entry = account.create("invoiceitems",
                           shape=_shaper("invoiceitems", forms.PARAMS["invoiceitems"][0], values))
    if invoice:
        item = account.document("invoiceitems", entry.id)
        account.create("invoice_line_items",
                       parent=invoice,
                       shape=lambda doc, _children, _m: doc.update(amount=item["amount"],
                                                                   subtotal=item["amount"],
                                                                   quantity=item["quantity"],
                                                                   description=item["description"],
                                                                   currency=item["currency"],
                                                                   metadata=item["metadata"]))
    return answer(account, "invoiceitems", entry.id)


def _create_refund(account, values, _parent):
    source = values.get("charge")
    if source is None and values.get("payment_intent"):
        source = account.document("payment_intents", values["payment_intent"])["latest_charge"]
    if source is None:
        errors.refuse(
            400, "One of the following params should be provided for this request: payment_intent "
            "or charge.", "parameter_missing")
    if source not in account.table("charges"):
        errors.no_such("charge", source, "charge", 400)
    charge = account.document("charges", source)
    left = charge["amount"] - charge["amount_refunded"]
    amount = values.get("amount") or left
    if left <= 0:
        errors.refuse(400, f"Charge {source} has already been refunded.", "charge_already_refunded")
    if not 0 < amount <= left:
        errors.refuse(
            400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            None, "amount")
    values.update(charge=source, amount=amount)
    entry = account.create("refunds",
                           shape=_shaper("refunds", forms.PARAMS["refunds"][0], values,
                                         {"currency": charge["currency"]}))
    account.change("refunds", entry.id,
                   lambda doc: doc.update(payment_intent=charge["payment_intent"]), ())
    refund_on_charge(account, source, amount)
    return answer(account, "refunds", entry.id)


def _create_tax_id(account, values, parent):
    owner = values.pop("owner", None) or {"type": "customer" if parent else "self"}
    customer = parent or owner.get("customer")
    if customer and customer not in account.table("customers"):
        errors.no_such("customer", customer, "owner[customer]", 400)

    def shape(doc, _children, _maker):
        doc.update(values, customer=customer, country=values["value"][:2])
        doc["owner"].update(type=owner.get("type"), customer=customer)

    return answer(account, "tax_ids", account.create("tax_ids", parent=customer, shape=shape).id)


def _create_balance(account, values, parent):
    def shape(doc, _children, maker):
        doc.update(values,
                   metadata=values.get("metadata") or {},
                   ending_balance=(maker.parent["balance"] or 0) + values["amount"])

    entry = account.create("customer_balance_transactions", parent=parent, shape=shape)
    return answer(account, "customer_balance_transactions", entry.id)


def _create_file_link(account, values, _parent):
    file = values.pop("file")
    entry = account.create("file_links",
                           parent=file,
                           shape=_shaper("file_links", "expires_at:int metadata:meta", values))
    return answer(account, "file_links", entry.id)


SPECIAL = {
    "subscriptions": _create_subscription,
    "subscription_items": _create_subscription_item,
    "invoices": _create_invoice,
    "invoiceitems": _create_invoiceitem,
    "refunds": _create_refund,
    "tax_ids": _create_tax_id,
    "customer_balance_transactions": _create_balance,
    "file_links": _create_file_link,
}


def existing(account, spec, id):
    entry = account.table(spec.name).get(id)
    if entry is None:
        errors.no_such(spec.object, id)
    return entry


def update(account, spec, id, request, parent=None):
    text = forms.PARAMS.get(spec.name, (None, None))[1]
    if text is None:
        errors.unknown_url(request.method, request.path)
    entry = existing(account, spec, id)
    if parent is not None and entry.parent != parent:
        errors.no_such(spec.object, id)
    values = forms.check(forms.parse(request), text, creating=False)
    _check_references(account, values)
    values.pop("submit", None)
    account.change(spec.name, id, lambda doc: forms.merge(doc, values))
    return answer(account, spec.name, id)


def delete(account, spec, id, request):
    """Removes an object and answers with its stub; a subscription is canceled instead."""
    if spec.name != "subscriptions" and spec.name not in DELETABLE:
        errors.unknown_url(request.method, request.path)
    entry = existing(account, spec, id)
    if spec.name == "subscriptions":
        forms.check(forms.parse(request), "cancellation_details:map invoice_now:bool prorate:bool",
                    False)
        return act(account, spec, id, "cancel", request, {})
    if spec.deletes == "draft" and entry.facts.get("status") != "draft":
        errors.refuse(400, "You can only delete draft invoices. Void the invoice instead.",
                      "invoice_not_editable")
    if spec.name == "products" and account.table("prices").members("product", id):
        errors.refuse(
            400, "This product cannot be deleted because it has one or more user-created prices.")
    if spec.name == "subscription_items" and len(
            account.table(spec.name).members("_parent", entry.parent)) == 1:
        errors.refuse(400, "A subscription must have at least one active item.")
    account.delete(spec.name, id)
    return Response(body=dump(account.stub(spec.name, id)))


def act(account, spec, id, verb, request, params=None):
    """An action call such as POST /v1/invoices/{id}/pay."""
    entry = existing(account, spec, id)
    params = forms.parse(request) if params is None else params
    if verb == "attach":
        values = forms.check(params, "customer!", creating=True)
        _check_references(account, values)
        account.change(spec.name, id, lambda doc: doc.update(values), ("payment_method.attached",))
        return answer(account, spec.name, id)
    forms.check(
        params,
        "amount_to_capture:int cancellation_reason payment_method return_url off_session:bool "
        "paid_out_of_band:bool auto_advance:bool prorate:bool invoice_now:bool",
        creating=False)
    transition = TRANSITIONS[spec.name][verb]
    doc = json.loads(entry.text())
    if not transition.possible(doc):
        errors.refuse(
            400, f"This {spec.object}'s status '{doc.get('status')}' does not allow to {verb} it.",
            f"{spec.object}_unexpected_state")
    perform(account, spec.name, verb, id)
    return answer(account, spec.name, id)
