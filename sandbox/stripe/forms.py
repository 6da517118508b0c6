"""Form-encoded bodies and the parameters that writes take.

Scope: brackets to nested values, kinds checked, unknown names refused. What a write then does is
decided elsewhere.
"""

import re
from urllib.parse import parse_qsl

from . import errors

BRACKETS = re.compile(r"\[([^\[\]]*)\]")
FORM_TYPE = "application/x-www-form-urlencoded"
MAX_KEYS, MAX_KEY, MAX_VALUE = 50, 40, 500

# `name:kind`, `!` behind it where it is required at creation. Without kind: text.
CUSTOMER = (
    "name email phone description address:map shipping:map metadata:meta balance:int tax_exempt "
    "invoice_prefix next_invoice_sequence:int invoice_settings:map preferred_locales:list "
    "default_source payment_method source tax:map test_clock")
PRODUCT = ("name active:bool description metadata:meta url images:list shippable:bool unit_label "
           "tax_code statement_descriptor")
PARAMS = {
    "customers": (CUSTOMER, CUSTOMER),
    "products": (PRODUCT.replace("name", "name!", 1) + " id", PRODUCT),
    "prices":
    ("currency! product! unit_amount:int! nickname active:bool metadata:meta recurring:map "
     "lookup_key "
     "tax_behavior billing_scheme", "nickname active:bool metadata:meta lookup_key tax_behavior"),
    "plans": ("id amount:int! currency! interval! product! nickname active:bool metadata:meta "
              "interval_count:int",
              "nickname active:bool metadata:meta product trial_period_days:int"),
    "coupons": ("id duration amount_off:int currency duration_in_months:int max_redemptions:int "
                "metadata:meta name "
                "percent_off:float redeem_by:int", "name metadata:meta"),
    "promotion_codes":
    ("promotion:map! code active:bool customer expires_at:int max_redemptions:int metadata:meta",
     "active:bool metadata:meta"),
    "tax_rates":
    ("display_name! inclusive:bool! percentage:float! active:bool country description jurisdiction "
     "metadata:meta state tax_type",
     "active:bool country description display_name jurisdiction metadata:meta"),
    "shipping_rates": ("display_name! fixed_amount:map! type metadata:meta tax_behavior",
                       "active:bool metadata:meta"),
    "subscriptions":
    ("customer! items:list! description metadata:meta cancel_at_period_end:bool collection_method "
     "days_until_due:int default_payment_method", "description metadata:meta "
     "cancel_at_period_end:bool collection_method days_until_due:int default_payment_method"),
    "subscription_items": ("subscription! price! quantity:int metadata:meta",
                           "quantity:int metadata:meta"),
    "subscription_schedules": (None, "metadata:meta end_behavior"),
    "invoices": ("customer! description metadata:meta collection_method auto_advance:bool currency "
                 "days_until_due:int "
                 "due_date:int footer",
                 "description metadata:meta auto_advance:bool footer due_date:int"),
    "invoice_line_items": (None, "description metadata:meta"),
    "invoiceitems":
    ("customer! amount:int! currency! description invoice metadata:meta quantity:int "
     "discountable:bool", "amount:int description metadata:meta quantity:int discountable:bool"),
    "payment_intents":
    ("amount:int! currency! customer description metadata:meta payment_method receipt_email "
     "setup_future_usage transfer_group", "amount:int currency customer description metadata:meta "
     "payment_method receipt_email setup_future_usage"),
    "setup_intents": ("customer description metadata:meta payment_method usage",
                      "customer description metadata:meta payment_method"),
    "charges": (None,
                "description metadata:meta customer receipt_email shipping:map fraud_details:map "
                "transfer_group"),
    "payment_methods": (None, "billing_details:map metadata:meta allow_redisplay card:map"),
    "refunds": ("charge payment_intent amount:int metadata:meta reason", "metadata:meta"),
    "disputes": (None, "evidence:map metadata:meta submit:bool"),
    "payouts": ("amount:int! currency! description metadata:meta method statement_descriptor",
                "metadata:meta"),
    "transfers": ("amount:int! currency! destination! description metadata:meta transfer_group",
                  "description metadata:meta"),
    "transfer_reversals": ("amount:int description metadata:meta", "metadata:meta"),
    "topups": ("amount:int! currency! description metadata:meta statement_descriptor",
               "description metadata:meta"),
    "credit_notes": (None, "memo metadata:meta"),
    "quotes": (None, "description metadata:meta header footer expires_at:int"),
    "checkout_sessions": (None, "metadata:meta"),
    "payment_links": (None, "active:bool metadata:meta inactive_message"),
    "tax_ids": ("type! value! owner:map", None),
    "customer_balance_transactions": ("amount:int! currency! description metadata:meta",
                                      "description metadata:meta"),
    "application_fee_refunds": ("amount:int metadata:meta", "metadata:meta"),
    "file_links": ("file! expires_at:int metadata:meta", "expires_at:int metadata:meta"),
    "accounts": (None, "email metadata:meta business_profile:map"),
    "issuing_cardholders": (None, "email phone_number metadata:meta status"),
    "issuing_cards": (None, "metadata:meta status"),
    "issuing_transactions": (None, "metadata:meta"),
}


def parse(request):
    """The body as nested values. Text stays text; indexed brackets become lists."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and kind != FORM_TYPE:
        errors.refuse(
            400, "Invalid request (check that your POST content type is "
            "application/x-www-form-urlencoded). If you have any questions, we can help at "
            "https://support.stripe.com.")
    try:
        text = request.body.decode()
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
    except ValueError:
        errors.refuse(400, "Invalid request: the body is not form encoded.")
    found = {}
    for name, value in request.params + pairs:
        steps = [name.partition("[")[0], *BRACKETS.findall(name)]
        _place(found, steps, value)
    return {name: _listed(value) for name, value in found.items()}


def _place(holder, steps, value):
    for step in steps[:-1]:
        holder = holder.setdefault(step, {})
        if not isinstance(holder, dict):
            errors.refuse(400, "Invalid hash", None, steps[0])
    last = steps[-1] if steps[-1] else str(len(holder))
    holder[last] = value


def _listed(value):
    if not isinstance(value, dict):
        return value
    value = {name: _listed(inner) for name, inner in value.items()}
    if value and all(name.isdigit() for name in value):
        return [value[name] for name in sorted(value, key=int)]
    return value


def words(text):
    """{name: (kind, required)} of a line in PARAMS."""
    found = {}
    for word in text.split():
        name, _, kind = word.rstrip("!").partition(":")
        found[name.rstrip("!")] = (kind.rstrip("!") or "str", word.endswith("!"))
    return found


def check(values, text, creating):
    """The values in their kinds; refuses unknown, missing and unfit ones. "" becomes None."""
    known = words(text)
    values = {name: value for name, value in values.items() if name != "expand"}
    strays = [name for name in values if name not in known]
    if strays:
        errors.unknown_params(strays)
    for name, (_kind, required) in known.items():
        if creating and required and name not in values:
            errors.missing_param(name)
    return {name: _fit(name, value, known[name][0]) for name, value in values.items()}


def _fit(name, value, kind):
    if kind == "meta":
        return _metadata(name, value)
    if value == "":
        return None
    if kind in ("map", "list"):
        if not isinstance(value, dict if kind == "map" else list):
            errors.refuse(400, "Invalid hash" if kind == "map" else "Invalid array", None, name)
        return value
    if not isinstance(value, str):
        errors.refuse(400, "Invalid string", None, name)
    if kind == "bool":
        if value not in ("true", "false"):
            errors.refuse(400, f"Invalid boolean: {value}", None, name)
        return value == "true"
    if kind in ("int", "float"):
        try:
            return int(value) if kind == "int" else float(value)
        except ValueError:
            errors.refuse(400, f"Invalid {'integer' if kind == 'int' else 'decimal'}: {value}",
                          "parameter_invalid_integer" if kind == "int" else None, name)
    if name == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        errors.refuse(400, f"Invalid email address: {value}", "email_invalid", "email")
    return value


def _metadata(name, value):
    if value == "":
        return ""
    if not isinstance(value, dict):
        errors.refuse(400, "Invalid hash", None, name)
    for key, text in value.items():
        if not isinstance(text, str) or len(key) > MAX_KEY or len(text) > MAX_VALUE:
            errors.refuse(400, "Metadata values can have up to 500 characters, keys up to 40.",
                          None, f"metadata[{key}]")
    return value


def merge(doc, values):
    """Puts values into a document: metadata and maps key by key, "" removes a metadata key."""
    for name, value in values.items():
        old = doc.get(name)
        if name == "metadata":
            merged = {} if value == "" else {**(old or {}), **value}
            doc[name] = {key: text for key, text in merged.items() if text != ""}
            if len(doc[name]) > MAX_KEYS:
                errors.refuse(400, "You can have up to 50 metadata keys.", None, "metadata")
        elif isinstance(value, dict) and isinstance(old, dict):
            doc[name] = {
                **old, **{key: None if text == "" else text
                          for key, text in value.items()}
            }
        else:
            doc[name] = value
