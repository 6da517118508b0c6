"""Recurring billing and what it puts on paper.

Scope: subscriptions with items, schedules, invoices with lines, invoice items and payments, credit
notes, quotes.
"""

from ..maker import DAY
from .catalog import price

MONTH = 30 * DAY


def _price(m):
    found = m.doc("prices")
    return found if found is not None else price(m, m.id("price_"))


def _plan_of(price):
    recurring = price["recurring"] or {"interval": "month", "interval_count": 1}
    return {
        "id": price["id"], "object": "plan", "active": price["active"], "amount":
        price["unit_amount"], "currency": price["currency"], "interval": recurring["interval"],
        "interval_count": recurring["interval_count"], "livemode": price["livemode"], "metadata":
        {}, "nickname": price["nickname"], "product": price["product"], "usage_type": "licensed"
    }


def subscription_item(m, id, subscription=None, chosen=None):
    chosen = chosen or _price(m)
    return {
        "id": id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": m.created,
        "current_period_end": m.created + MONTH,
        "current_period_start": m.created,
        "discounts": [],
        "metadata": m.metadata(0.2),
        "plan": _plan_of(chosen),
        "price": chosen,
        "quantity": m.number(1, 25),
        "subscription": subscription or m.parent["id"],
        "tax_rates": [],
    }


def subscription(m, id):
    status = m.random.choices(
        ("active", "trialing", "past_due", "canceled", "paused", "incomplete_expired"),
        (12, 2, 1, 3, 1, 1))[0]
    ended = m.created + DAY if status in ("canceled", "incomplete_expired") else None
    count = m.number(11, 25) if m.chance(0.05) else m.number(1, 3)
    items = [subscription_item(m, m.id("si_", 14), id) for _ in range(count)]
    return {
        "id": id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": m.chance(0.3), "liability": None},
        "billing_cycle_anchor": m.created,
        "billing_mode": {"type": "classic"},
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": ended,
        "cancellation_details":
        {"comment": None, "feedback": None, "reason": "cancellation_requested" if ended else None},
        "collection_method": m.pick(
            ("charge_automatically", "charge_automatically", "send_invoice")),
        "created": m.created,
        "currency": items[0]["price"]["currency"],
        "customer": m.ref("customers"),
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": ended,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": None,
        "latest_invoice": m.ref("invoices", 0.5),
        "livemode": m.livemode,
        "metadata": m.metadata(),
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None, "payment_method_types": None,
            "save_default_payment_method": "off"
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": m.created,
        "status": status,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": m.created + 14 * DAY if status == "trialing" else None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": m.created if status == "trialing" else None,
    }, [("subscription_items", items)]


def schedule(m, id):
    status = m.pick(("not_started", "active", "active", "completed", "released", "canceled"))
    start = m.created + (7 * DAY if status == "not_started" else 0)
    return {
        "id":
        id,
        "object":
        "subscription_schedule",
        "application":
        None,
        "canceled_at":
        m.created if status == "canceled" else None,
        "completed_at":
        m.created if status == "completed" else None,
        "created":
        m.created,
        "current_phase":
        {"end_date": start + MONTH, "start_date": start} if status == "active" else None,
        "customer":
        m.ref("customers"),
        "customer_account":
        None,
        "default_settings": {
            "billing_cycle_anchor": "automatic", "collection_method": "charge_automatically",
            "default_payment_method": None, "description": None
        },
        "end_behavior":
        "release",
        "livemode":
        m.livemode,
        "metadata":
        m.metadata(0.4),
        "phases": [{
            "end_date": start + MONTH, "items": [{"price": m.ref("prices"), "quantity": 1}],
            "proration_behavior": "create_prorations", "start_date": start
        }],
        "released_at":
        m.created if status == "released" else None,
        "released_subscription":
        None,
        "status":
        status,
        "subscription":
        m.ref("subscriptions", 0.3),
        "test_clock":
        None,
    }


def line(m, id, invoice=None, chosen=None):
    chosen = chosen or _price(m)
    quantity = m.number(1, 9)
    return {
        "id": id,
        "object": "line_item",
        "amount": chosen["unit_amount"] * quantity,
        "currency": chosen["currency"],
        "description": f"{quantity} × {m.words(2)}",
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice or m.parent["id"],
        "livemode": m.livemode,
        "metadata": m.metadata(0.1),
        "parent": {"invoice_item_details": None, "subscription_item_details": None, "type": None},
        "period": {"end": m.created + MONTH, "start": m.created},
        "pricing": {
            "price_details": {"price": chosen["id"], "product": chosen["product"]}, "type":
            "price_details", "unit_amount_decimal": chosen["unit_amount_decimal"]
        },
        "quantity": quantity,
        "subtotal": chosen["unit_amount"] * quantity,
        "taxes": [],
    }


def invoice(m, id):
    status = m.random.choices(("draft", "open", "paid", "void", "uncollectible"),
                              (2, 2, 8, 1, 1))[0]
    count = m.number(11, 40) if m.chance(0.06) else m.number(1, 4)
    chosen = _price(m)
    lines = [line(m, m.id("il_"), id, chosen) for _ in range(count)]
    total = sum(one["amount"] for one in lines)
    final = status != "draft"
    subscribed = m.ref("subscriptions", 0.4)
    return {
        "id": id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Example Store",
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_paid": total if status == "paid" else 0,
        "amount_remaining": 0 if status == "paid" else total,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 1 if status == "paid" else 0,
        "attempted": status == "paid",
        "auto_advance": not final,
        "automatic_tax":
        {"disabled_reason": None, "enabled": False, "liability": None, "status": None},
        "billing_reason": "subscription_cycle" if subscribed else "manual",
        "collection_method": m.pick(("charge_automatically", "send_invoice")),
        "created": m.created,
        "currency": chosen["currency"],
        "custom_fields": None,
        "customer": m.ref("customers"),
        "customer_address": m.address(),
        "customer_email": m.email(),
        "customer_name": m.person(),
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "default_payment_method": None,
        "description": None,
        "discounts": [],
        "due_date": m.created + 30 * DAY if m.chance(0.4) else None,
        "effective_at": m.created if final else None,
        "ending_balance": 0 if final else None,
        "footer": None,
        "hosted_invoice_url": f"https://invoice.example.com/i/{id}" if final else None,
        "invoice_pdf": f"https://pay.example.com/invoice/{id}/pdf" if final else None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "lines": None,
        "livemode": m.livemode,
        "metadata": m.metadata(0.4),
        "next_payment_attempt": None,
        "number": f"{m.id('', 8).upper()}-{m.number(1, 9999):04d}" if final else None,
        "parent": {
            "quote_details": None, "subscription_details":
            {"metadata": {}, "subscription": subscribed}, "type": "subscription_details"
        } if subscribed else None,
        "period_end": m.created,
        "period_start": m.created - MONTH,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": status,
        "status_transitions": {
            "finalized_at": m.created if final else None, "marked_uncollectible_at":
            m.created if status == "uncollectible" else None, "paid_at":
            m.created if status == "paid" else None, "voided_at":
            m.created if status == "void" else None
        },
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": [],
        "total_excluding_tax": total,
        "total_taxes": [],
        "webhooks_delivered_at": m.created,
    }, [("invoice_line_items", lines)]


def invoiceitem(m, id):
    chosen = _price(m)
    quantity = m.number(1, 5)
    return {
        "id": id,
        "object": "invoiceitem",
        "amount": chosen["unit_amount"] * quantity,
        "created": m.created,
        "currency": chosen["currency"],
        "customer": m.ref("customers"),
        "customer_account": None,
        "date": m.created,
        "description": m.words(3),
        "discountable": True,
        "discounts": [],
        "invoice": m.ref("invoices", 0.5),
        "livemode": m.livemode,
        "metadata": m.metadata(0.3),
        "parent": None,
        "period": {"end": m.created, "start": m.created},
        "pricing": {
            "price_details": {"price": chosen["id"], "product": chosen["product"]}, "type":
            "price_details", "unit_amount_decimal": chosen["unit_amount_decimal"]
        },
        "proration": False,
        "quantity": quantity,
        "tax_rates": [],
        "test_clock": None,
    }


def invoice_payment(m, id):
    status = m.pick(("open", "paid", "paid", "canceled"))
    amount = m.amount()
    return {
        "id": id,
        "object": "invoice_payment",
        "amount_paid": amount if status == "paid" else None,
        "amount_requested": amount,
        "created": m.created,
        "currency": m.currency(),
        "invoice": m.ref("invoices"),
        "is_default": True,
        "livemode": m.livemode,
        "payment": {"payment_intent": m.ref("payment_intents"), "type": "payment_intent"},
        "status": status,
        "status_transitions": {
            "canceled_at": m.created if status == "canceled" else None, "paid_at":
            m.created if status == "paid" else None
        },
    }


def credit_note(m, id):
    amount = m.amount()
    return {
        "id": id,
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": m.created,
        "currency": m.currency(),
        "customer": m.ref("customers"),
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": m.created,
        "invoice": m.ref("invoices"),
        "lines": m.empty_list(f"/v1/credit_notes/{id}/lines"),
        "livemode": m.livemode,
        "memo": m.words(4),
        "metadata": m.metadata(0.3),
        "number": f"{m.id('', 8).upper()}-CN-{m.number(1, 99):02d}",
        "out_of_band_amount": None,
        "pdf": f"https://pay.example.com/credit_notes/{id}/pdf",
        "post_payment_amount": amount,
        "pre_payment_amount": 0,
        "reason": m.pick(("duplicate", "order_change", "product_unsatisfactory", None)),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": [],
        "type": "post_payment",
        "voided_at": None,
    }


def quote(m, id):
    amount = m.amount()
    status = m.pick(("draft", "open", "accepted", "canceled"))
    return {
        "id": id,
        "object": "quote",
        "amount_subtotal": amount,
        "amount_total": amount,
        "application": None,
        "automatic_tax": {"enabled": False, "liability": None, "status": None},
        "collection_method": "charge_automatically",
        "computed":
        {"recurring": None, "upfront": {"amount_subtotal": amount, "amount_total": amount}},
        "created": m.created,
        "currency": m.currency(),
        "customer": m.ref("customers"),
        "customer_account": None,
        "default_tax_rates": [],
        "description": m.words(4),
        "discounts": [],
        "expires_at": m.created + 30 * DAY,
        "footer": None,
        "from_quote": None,
        "header": None,
        "invoice": None,
        "invoice_settings": {"days_until_due": None, "issuer": {"type": "self"}},
        "livemode": m.livemode,
        "metadata": m.metadata(0.3),
        "number": None if status == "draft" else f"QT-{m.id('', 8).upper()}-0001-1",
        "status": status,
        "status_transitions": {
            "accepted_at": m.created if status == "accepted" else None, "canceled_at":
            m.created if status == "canceled" else None, "finalized_at":
            None if status == "draft" else m.created
        },
        "subscription": None,
        "subscription_schedule": None,
        "test_clock": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "transfer_data": None,
    }


FACTORIES = {
    "subscriptions": subscription,
    "subscription_items": subscription_item,
    "subscription_schedules": schedule,
    "invoices": invoice,
    "invoice_line_items": line,
    "invoiceitems": invoiceitem,
    "invoice_payments": invoice_payment,
    "credit_notes": credit_note,
    "quotes": quote,
}
