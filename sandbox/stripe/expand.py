"""References replaced by what they refer to, on request.

Scope: `expand[]` paths below one object.
"""

import json

from . import errors
from .catalog import SPECS

REFERENCES = {
    "customer": "customers",
    "charge": "charges",
    "latest_charge": "charges",
    "invoice": "invoices",
    "latest_invoice": "invoices",
    "subscription": "subscriptions",
    "payment_intent": "payment_intents",
    "setup_intent": "setup_intents",
    "payment_method": "payment_methods",
    "product": "products",
    "default_payment_method": "payment_methods",
    "balance_transaction": "balance_transactions",
    "coupon": "coupons",
    "payment_link": "payment_links",
    "cardholder": "issuing_cardholders",
    "latest_attempt": "setup_attempts",
    "transfer": "transfers",
    "file": "files",
}
INCLUDABLE = {
    ("charge", "refunds"): ("refunds", "charge", "/v1/charges/{id}/refunds"),
    ("customer", "tax_ids"): ("tax_ids", "owner[customer]", "/v1/customers/{id}/tax_ids"),
    ("customer", "subscriptions"):
    ("subscriptions", "customer", "/v1/customers/{id}/subscriptions"),
}
NESTED = {("checkout.session", "line_items"): "checkout_line_items"}


def expand(account, doc, wishes):
    """The document with every wish fulfilled; refuses a wish that names nothing expandable."""
    for wish in wishes:
        _one(account, doc, wish.split("."), wish)
    return doc


def _one(account, doc, steps, wish):
    step, rest = steps[0], steps[1:]
    if isinstance(doc, list):
        for member in doc:
            _one(account, member, steps, wish)
        return
    value = doc.get(step)
    if isinstance(value, str) and step in REFERENCES:
        value = doc[step] = _target(account, REFERENCES[step], value)
    elif (doc.get("object"), step) in INCLUDABLE:
        value = doc[step] = _included(account, doc, *INCLUDABLE[(doc["object"], step)])
    elif (doc.get("object"), step) in NESTED:
        value = doc[step] = account.nested_list(SPECS[NESTED[(doc["object"], step)]], doc["id"])
    elif step not in doc or (value is not None and not isinstance(value, (dict, list))):
        errors.refuse(400, f"This property cannot be expanded ({wish}).", None, "expand[]")
    if rest and isinstance(value, (dict, list)):
        _one(account, value, rest, wish)


def _target(account, name, id):
    table = account.table(name)
    if id in table:
        return json.loads(table.entries[id].text())
    return account.stub(name, id) if id in table.gone else id


def _included(account, doc, name, field, url):
    table = account.table(name)
    members = table.members(field, doc["id"])
    newest = [json.loads(table.entries[key[2]].text()) for key in members[:-11:-1]]
    return {
        "object": "list", "data": newest, "has_more": len(members) > 10, "url":
        url.format(id=doc["id"])
    }
