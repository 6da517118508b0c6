"""Hosted payment pages and files.

Scope: checkout sessions with line items, payment links, files and file links.
"""

from ..maker import DAY
from .billing import _price


def checkout_line_item(m, id, chosen=None):
    chosen = chosen or _price(m)
    quantity = m.number(1, 4)
    total = chosen["unit_amount"] * quantity
    return {
        "id": id,
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": chosen["currency"],
        "description": m.words(2).title(),
        "price": chosen,
        "quantity": quantity,
    }


def checkout_session(m, id):
    status = m.random.choices(("complete", "open", "expired"), (6, 2, 2))[0]
    count = m.number(11, 20) if m.chance(0.04) else m.number(1, 3)
    items = [checkout_line_item(m, m.id("li_")) for _ in range(count)]
    total = sum(one["amount_total"] for one in items)
    details = {
        "address": m.address(), "email": m.email(), "name": m.person(), "phone": None, "tax_exempt":
        "none", "tax_ids": []
    }
    return {
        "id": id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": "https://shop.example.com/cancel",
        "client_reference_id": m.digits(6),
        "client_secret": None,
        "consent": None,
        "created": m.created,
        "currency": items[0]["currency"],
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {"after_submit": None, "shipping_address": None, "submit": None},
        "customer": m.ref("customers", 0.2),
        "customer_account": None,
        "customer_creation": "if_required",
        "customer_details": details if status == "complete" else None,
        "customer_email": None,
        "discounts": [],
        "expires_at": m.created + DAY,
        "invoice": None,
        "invoice_creation":
        {"enabled": False, "invoice_data": {"description": None, "metadata": {}}},
        "livemode": m.livemode,
        "locale": None,
        "metadata": m.metadata(0.4),
        "mode": "payment",
        "payment_intent": m.ref("payment_intents") if status == "complete" else None,
        "payment_link": m.ref("payment_links", 0.7),
        "payment_method_collection": "if_required",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "paid" if status == "complete" else "unpaid",
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "setup_intent": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": status,
        "submit_type": None,
        "subscription": None,
        "success_url": "https://shop.example.com/thanks",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted",
        "url": None if status != "open" else f"https://checkout.example.com/c/pay/{id}",
    }, [("checkout_line_items", items)]


def payment_link(m, id):
    return {
        "id": id,
        "object": "payment_link",
        "active": m.chance(0.8),
        "after_completion":
        {"hosted_confirmation": {"custom_message": None}, "type": "hosted_confirmation"},
        "allow_promotion_codes": m.chance(0.4),
        "application": None,
        "application_fee_amount": None,
        "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "liability": None},
        "billing_address_collection": "auto",
        "consent_collection": None,
        "currency": m.currency(),
        "custom_fields": [],
        "custom_text": {"after_submit": None, "submit": None},
        "customer_creation": "if_required",
        "inactive_message": None,
        "invoice_creation": None,
        "livemode": m.livemode,
        "metadata": m.metadata(0.4),
        "on_behalf_of": None,
        "payment_intent_data": None,
        "payment_method_collection": "always",
        "payment_method_types": None,
        "phone_number_collection": {"enabled": False},
        "restrictions": None,
        "shipping_address_collection": None,
        "shipping_options": [],
        "submit_type": "auto",
        "subscription_data": None,
        "tax_id_collection": {"enabled": False, "required": "never"},
        "transfer_data": None,
        "url": f"https://buy.example.com/{m.id('', 16)}",
    }


def file_link(m, id, file=None):
    return {
        "id": id,
        "object": "file_link",
        "created": m.created,
        "expired": False,
        "expires_at": m.created + 365 * DAY if m.chance(0.4) else None,
        "file": file or m.parent["id"],
        "livemode": m.livemode,
        "metadata": m.metadata(0.3),
        "url": f"https://files.example.com/links/{m.id('', 32)}",
    }


def file(m, id):
    links = [file_link(m, m.id("link_"), id)] if m.chance(0.3) else []
    return {
        "id": id,
        "object": "file",
        "created": m.created,
        "expires_at": None,
        "filename": f"{m.words(1)}-{m.number(1, 999)}.pdf",
        "links": None,
        "purpose": m.pick(("business_icon", "dispute_evidence", "finance_report_run")),
        "size": m.number(900, 900_000),
        "title": m.words(2) if m.chance(0.5) else None,
        "type": "pdf",
        "url": f"https://files.example.com/v1/files/{id}/contents",
    }, [("file_links", links)]


FACTORIES = {
    "checkout_sessions": checkout_session,
    "checkout_line_items": checkout_line_item,
    "payment_links": payment_link,
    "files": file,
    "file_links": file_link,
}
