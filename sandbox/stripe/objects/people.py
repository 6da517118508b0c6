"""Customers and what belongs to a person or a company.

Scope: customers, their tax ids and balance, payment methods, connected accounts, the own account.
"""


def customer(m, id):
    name = m.person() if m.chance(0.6) else m.company()
    address = m.address()
    return {
        "id": id,
        "object": "customer",
        "address": address,
        "balance": -m.amount() if m.chance(0.1) else 0,
        "created": m.created,
        "currency": m.pick(("usd", "eur", None)),
        "default_source": None,
        "delinquent": m.chance(0.05),
        "description": m.words(4) if m.chance(0.5) else None,
        "discount": None,
        "email": m.email(),
        "invoice_prefix": m.id("", 8).upper(),
        "invoice_settings": {
            "custom_fields": None, "default_payment_method": None, "footer":
            "Thank you for your business." if m.chance(0.6) else None, "rendering_options": None
        },
        "livemode": m.livemode,
        "metadata": {
            **m.metadata(0.9), "account_manager": m.person(), "source": m.pick(
                ("website", "partner_portal", "sales_call", "trade_fair"))
        },
        "name": name,
        "next_invoice_sequence": m.number(1, 80),
        "phone": m.phone() if m.chance(0.7) else None,
        "preferred_locales": [m.pick(("en", "de", "fr", "ja"))],
        "shipping": {
            "address": address, "carrier": None, "name": name, "phone": m.phone(),
            "tracking_number": None
        } if m.chance(0.9) else None,
        "tax_exempt": m.pick(("none", "none", "none", "exempt", "reverse")),
        "test_clock": None,
    }


def tax_id(m, id):
    mine = m.parent is None and m.chance(0.1)
    owner = m.parent["id"] if m.parent else m.ref("customers")
    kind, value, country = m.pick(
        (("eu_vat", "DE" + m.digits(9), "DE"), ("gb_vat", "GB" + m.digits(9), "GB"),
         ("us_ein", m.digits(2) + "-" + m.digits(7), "US"), ("jp_cn", m.digits(13), "JP")))
    return {
        "id": id,
        "object": "tax_id",
        "country": country,
        "created": m.created,
        "customer": None if mine else owner,
        "customer_account": None,
        "livemode": m.livemode,
        "owner": {
            "account": None, "application": None, "customer": None if mine else owner,
            "customer_account": None, "type": "self" if mine else "customer"
        },
        "type": kind,
        "value": value,
        "verification": {"status": "pending", "verified_address": None, "verified_name": None},
    }


def balance_transaction(m, id):
    change = m.pick((-1, 1)) * m.amount()
    return {
        "id": id,
        "object": "customer_balance_transaction",
        "amount": change,
        "checkout_session": None,
        "created": m.created,
        "credit_note": None,
        "currency": (m.parent or {}).get("currency") or "usd",
        "customer": m.parent["id"],
        "customer_account": None,
        "description": m.words(3),
        "ending_balance": (m.parent.get("balance") or 0) + change,
        "invoice": None,
        "livemode": m.livemode,
        "metadata": m.metadata(0.3),
        "type": "adjustment",
    }


def payment_method(m, id):
    kind = m.random.choices(("card", "sepa_debit", "us_bank_account"), (8, 1, 1))[0]
    shape = {
        "card": m.card,
        "sepa_debit": lambda: {
            "bank_code": m.digits(8), "branch_code": "", "country": "DE", "fingerprint": m.
            fingerprint(), "generated_from": None, "last4": m.digits(4)
        },
        "us_bank_account": lambda: {
            "account_holder_type": "individual", "account_type": "checking", "bank_name":
            "STRIPE TEST BANK", "financial_connections_account": None, "fingerprint": m.fingerprint(
            ), "last4": m.digits(4), "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": "110000000", "status_details": {}
        },
    }[kind]()
    return {
        "id": id,
        "object": "payment_method",
        "allow_redisplay": m.pick(("always", "limited", "unspecified")),
        "billing_details": m.billing_details(),
        kind: shape,
        "created": m.created,
        "customer": m.ref("customers", 0.1),
        "customer_account": None,
        "livemode": m.livemode,
        "metadata": m.metadata(0.2),
        "type": kind,
    }


def account(m, id):
    return {
        "id": id,
        "object": "account",
        "business_profile": {
            "mcc": m.pick(("5734", "5812", "7372")), "name": m.company(), "product_description":
            m.words(5), "support_email": m.email(), "support_phone": None, "support_url": None,
            "url": "https://shop.example.com"
        },
        "business_type": m.pick(("company", "individual")),
        "capabilities": {"card_payments": "active", "transfers": m.pick(("active", "pending"))},
        "charges_enabled": m.chance(0.9),
        "country": m.pick(("US", "DE", "GB")),
        "created": m.created,
        "controller": {
            "fees": {"payer": "application"}, "is_controller": True, "losses":
            {"payments": "application"}, "requirement_collection": "stripe", "stripe_dashboard":
            {"type": "express"}, "type": "application"
        },
        "default_currency": "usd",
        "details_submitted": True,
        "email": m.email(),
        "external_accounts": m.empty_list(f"/v1/accounts/{id}/external_accounts"),
        "future_requirements":
        {"alternatives": [], "currently_due": [], "errors": [], "past_due": []},
        "metadata": m.metadata(),
        "payouts_enabled": m.chance(0.9),
        "requirements": {
            "alternatives": [], "current_deadline": None, "currently_due": [], "disabled_reason":
            None, "errors": [], "eventually_due": [], "past_due": [], "pending_verification": []
        },
        "settings": {
            "branding":
            {"icon": None, "logo": None, "primary_color": None, "secondary_color":
             None}, "dashboard": {"display_name": m.company(), "timezone": "Etc/UTC"}, "payouts": {
                 "debit_negative_balances": True, "schedule":
                 {"delay_days": 2, "interval": "daily"}, "statement_descriptor": None
             }
        },
        "tos_acceptance": {"date": m.created, "ip": "192.0.2.10", "user_agent": None},
        "type": "express",
    }


FACTORIES = {
    "customers": customer,
    "tax_ids": tax_id,
    "customer_balance_transactions": balance_transaction,
    "payment_methods": payment_method,
    "accounts": account,
}
