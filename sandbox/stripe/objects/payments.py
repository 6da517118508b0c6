"""Taking money from a buyer, and giving it back.

Scope: charges, payment intents, setup intents and attempts, refunds, disputes, reviews, early fraud
warnings.
"""

from ..maker import DAY, secret_of

DECLINE = {
    "code": "card_declined", "decline_code": "insufficient_funds", "doc_url":
    "https://stripe.com/docs/error-codes/card-declined", "message":
    "Your card has insufficient funds.", "type": "card_error"
}


def charge(m, id):
    amount = m.amount()
    status = m.random.choices(("succeeded", "failed", "pending"), (10, 1, 1))[0]
    paid = status == "succeeded"
    held = paid and m.chance(0.1)
    return {
        "id": id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if paid and not held else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": m.ref("balance_transactions") if paid else None,
        "billing_details": m.billing_details(),
        "calculated_statement_descriptor": "EXAMPLE STORE",
        "captured": paid and not held,
        "created": m.created,
        "currency": m.currency(),
        "customer": m.ref("customers", 0.1),
        "description": m.words(3),
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None if status != "failed" else "card_declined",
        "failure_message": None if status != "failed" else "Your card was declined.",
        "fraud_details": {},
        "livemode": m.livemode,
        "metadata": m.metadata(0.4),
        "on_behalf_of": None,
        "outcome": {
            "network_status": "approved_by_network", "reason": None, "risk_level": "normal",
            "risk_score": m.number(1,
                                   60), "seller_message": "Payment complete.", "type": "authorized"
        },
        "paid": paid,
        "payment_intent": m.ref("payment_intents", 0.2),
        "payment_method": m.ref("payment_methods"),
        "payment_method_details": {"card": m.card(), "type": "card"},
        "radar_options": {},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": f"https://pay.example.com/receipts/{id}",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": m.id("group_", 6) if m.chance(0.2) else None,
    }


def payment_intent(m, id):
    amount = m.amount()
    status = m.random.choices(("succeeded", "requires_payment_method", "requires_action",
                               "processing", "requires_capture", "canceled"), (8, 2, 1, 1, 1, 1))[0]
    done = status == "succeeded"
    return {
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": amount if status == "requires_capture" else 0,
        "amount_details": {"tip": {}},
        "amount_received": amount if done else 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": m.created if status == "canceled" else None,
        "cancellation_reason": "requested_by_customer" if status == "canceled" else None,
        "capture_method": "automatic_async",
        "client_secret": secret_of(id, m.account.seed),
        "confirmation_method": "automatic",
        "created": m.created,
        "currency": m.currency(),
        "customer": m.ref("customers", 0.1),
        "customer_account": None,
        "description": m.words(3),
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": m.ref("charges") if done else None,
        "livemode": m.livemode,
        "metadata": m.metadata(0.4),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": m.ref("payment_methods"),
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None, "mandate_options": None, "network": None,
                "request_three_d_secure": "automatic"
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": m.pick((None, "off_session")),
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }


def setup_attempt(m, id, intent=None, good=True):
    intent = intent or m.parent
    return {
        "id": id,
        "object": "setup_attempt",
        "application": None,
        "created": m.created,
        "customer": intent["customer"],
        "flow_directions": None,
        "livemode": m.livemode,
        "on_behalf_of": None,
        "payment_method": intent["payment_method"] or m.ref("payment_methods"),
        "payment_method_details":
        {"card": {"brand": "visa", "last4": "4242", "three_d_secure": None}, "type": "card"},
        "setup_error": None if good else DECLINE,
        "setup_intent": intent["id"],
        "status": "succeeded" if good else "failed",
        "usage": intent["usage"],
    }


def setup_intent(m, id):
    status = m.pick(
        ("succeeded", "succeeded", "requires_payment_method", "requires_action", "canceled"))
    doc = {
        "id": id,
        "object": "setup_intent",
        "application": None,
        "attach_to_self": False,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": secret_of(id, m.account.seed),
        "created": m.created,
        "customer": m.ref("customers", 0.1),
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": m.livemode,
        "mandate": None,
        "metadata": m.metadata(0.3),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": m.ref("payment_methods") if status == "succeeded" else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": status,
        "usage": "off_session",
    }
    attempts = [setup_attempt(m, m.id("setatt_"), doc, good=False) for _ in range(m.number(0, 2))]
    if status == "succeeded":
        attempts.append(setup_attempt(m, m.id("setatt_"), doc))
    if attempts:
        doc["latest_attempt"] = attempts[-1]["id"]
    return doc, [("setup_attempts", attempts)]


def refund(m, id):
    source = m.doc("charges") or {
        "id": m.id("ch_"), "amount": m.amount(), "currency": "usd", "payment_intent": None
    }
    return {
        "id": id,
        "object": "refund",
        "amount": max(1, source["amount"] // m.number(1, 4)),
        "balance_transaction": m.ref("balance_transactions"),
        "charge": source["id"],
        "created": m.created,
        "currency": source["currency"],
        "destination_details": {
            "card": {
                "reference": m.digits(16), "reference_status": "available", "reference_type":
                "acquirer_reference_number", "type": "refund"
            }, "type": "card"
        },
        "metadata": m.metadata(0.3),
        "payment_intent": source["payment_intent"],
        "reason": m.pick((None, "requested_by_customer", "duplicate", "fraudulent")),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": m.random.choices(("succeeded", "pending"), (5, 1))[0],
        "transfer_reversal": None,
    }


def dispute(m, id):
    source = m.doc("charges") or {
        "id": m.id("ch_"), "amount": m.amount(), "currency": "usd", "payment_intent": None
    }
    return {
        "id": id,
        "object": "dispute",
        "amount": source["amount"],
        "balance_transactions": [],
        "charge": source["id"],
        "created": m.created,
        "currency": source["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {
            "access_activity_log": None, "billing_address": None, "customer_communication": None,
            "customer_email_address": m.email(), "customer_name": m.person(), "receipt": None,
            "shipping_date": None, "uncategorized_text": None
        },
        "evidence_details": {
            "due_by": m.created + 9 * DAY, "enhanced_eligibility": {}, "has_evidence": False,
            "past_due": False, "submission_count": 0
        },
        "is_charge_refundable": False,
        "livemode": m.livemode,
        "metadata": m.metadata(0.2),
        "payment_intent": source["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"},
            "type": "card"
        },
        "reason": m.pick(("fraudulent", "product_not_received", "duplicate")),
        "status": m.pick(("needs_response", "under_review", "won", "lost")),
    }


def review(m, id):
    opened = m.chance(0.6)
    return {
        "id": id,
        "object": "review",
        "billing_zip": "97205",
        "charge": m.ref("charges"),
        "closed_reason": None if opened else "approved",
        "created": m.created,
        "ip_address": "192.0.2.44",
        "ip_address_location": {
            "city": "Portland", "country": "US", "latitude": 45.5234, "longitude": -122.6762,
            "region": "OR"
        },
        "livemode": m.livemode,
        "open": opened,
        "opened_reason": m.pick(("rule", "manual")),
        "payment_intent": m.ref("payment_intents"),
        "reason": "rule" if opened else "approved",
        "session": None,
    }


def early_fraud_warning(m, id):
    return {
        "id": id,
        "object": "radar.early_fraud_warning",
        "actionable": m.chance(0.7),
        "charge": m.ref("charges"),
        "created": m.created,
        "fraud_type": m.pick(("misc", "unauthorized_use_of_card", "made_with_lost_card")),
        "livemode": m.livemode,
        "payment_intent": m.ref("payment_intents"),
    }


FACTORIES = {
    "charges": charge,
    "payment_intents": payment_intent,
    "setup_intents": setup_intent,
    "setup_attempts": setup_attempt,
    "refunds": refund,
    "disputes": dispute,
    "reviews": review,
    "early_fraud_warnings": early_fraud_warning,
}
