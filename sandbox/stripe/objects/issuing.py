"""Cards that the account itself gives out.

Scope: issuing cardholders, cards, authorizations, transactions, disputes.
"""


def _merchant(m):
    return {
        "category": "computer_software_stores", "category_code": "5734", "city": "Portland",
        "country": "US", "name": m.company(), "network_id": m.digits(10), "postal_code": "97205",
        "state": "OR", "tax_id": None, "terminal_id": None, "url": None
    }


def cardholder(m, id):
    kind = m.pick(("individual", "company"))
    return {
        "id": id,
        "object": "issuing.cardholder",
        "billing": {"address": m.address()},
        "company": {"tax_id_provided": True} if kind == "company" else None,
        "created": m.created,
        "email": m.email(),
        "individual": None,
        "livemode": m.livemode,
        "metadata": m.metadata(0.4),
        "name": m.person() if kind == "individual" else m.company(),
        "phone_number": m.phone(),
        "preferred_locales": None,
        "requirements": {"disabled_reason": None, "past_due": []},
        "spending_controls": {
            "allowed_categories": [], "blocked_categories": [], "spending_limits": [],
            "spending_limits_currency": "usd"
        },
        "status": m.pick(("active", "active", "inactive")),
        "type": kind,
    }


def card(m, id):
    holder = m.doc("issuing_cardholders") or cardholder(m, m.id("ich_"))
    return {
        "id": id,
        "object": "issuing.card",
        "brand": "Visa",
        "cancellation_reason": None,
        "cardholder": holder,
        "created": m.created,
        "currency": "usd",
        "exp_month": m.number(1, 12),
        "exp_year": m.number(2027, 2032),
        "financial_account": None,
        "last4": m.digits(4),
        "latest_fraud_warning": None,
        "livemode": m.livemode,
        "metadata": m.metadata(0.3),
        "personalization_design": None,
        "replaced_by": None,
        "replacement_for": None,
        "replacement_reason": None,
        "second_line": None,
        "shipping": None,
        "spending_controls": {
            "allowed_categories": None, "blocked_categories": None, "spending_limits":
            [{"amount": m.amount(), "categories": [], "interval":
              "daily"}], "spending_limits_currency": "usd"
        },
        "status": m.pick(("active", "active", "inactive", "canceled")),
        "type": m.pick(("virtual", "physical")),
        "wallets": {
            "apple_pay": {"eligible": True, "ineligible_reason": None}, "google_pay":
            {"eligible": True, "ineligible_reason": None}, "primary_account_identifier": None
        },
    }


def authorization(m, id):
    used = m.doc("issuing_cards") or card(m, m.id("ic_"))
    amount = m.amount()
    return {
        "id": id,
        "object": "issuing.authorization",
        "amount": amount,
        "amount_details": {"atm_fee": None, "cashback_amount": 0},
        "approved": m.chance(0.9),
        "authorization_method": "online",
        "balance_transactions": [],
        "card": used,
        "cardholder": used["cardholder"]["id"],
        "created": m.created,
        "currency": "usd",
        "livemode": m.livemode,
        "merchant_amount": amount,
        "merchant_currency": "usd",
        "merchant_data": _merchant(m),
        "metadata": m.metadata(0.2),
        "network_data": None,
        "pending_request": None,
        "request_history": [],
        "status": m.pick(("pending", "closed", "closed")),
        "transactions": [],
        "treasury": None,
        "verification_data": {
            "address_line1_check": "not_provided", "cvc_check": "match", "expiry_check": "match",
            "three_d_secure": None
        },
        "verified_by_fraud_challenge": None,
        "wallet": None,
    }


def transaction(m, id):
    amount = -m.amount()
    return {
        "id": id,
        "object": "issuing.transaction",
        "amount": amount,
        "amount_details": {"atm_fee": None},
        "authorization": m.ref("issuing_authorizations"),
        "balance_transaction": m.ref("balance_transactions"),
        "card": m.ref("issuing_cards"),
        "cardholder": m.ref("issuing_cardholders"),
        "created": m.created,
        "currency": "usd",
        "dispute": None,
        "livemode": m.livemode,
        "merchant_amount": amount,
        "merchant_currency": "usd",
        "merchant_data": _merchant(m),
        "metadata": m.metadata(0.2),
        "network_data":
        {"authorization_code": m.digits(6), "processing_date": None, "transaction_id": None},
        "type": m.pick(("capture", "capture", "refund")),
        "wallet": None,
    }


def dispute(m, id):
    return {
        "id": id,
        "object": "issuing.dispute",
        "amount": m.amount(),
        "balance_transactions": [],
        "created": m.created,
        "currency": "usd",
        "evidence": {
            "fraudulent": {"additional_documentation": None, "explanation": m.words(6)}, "reason":
            "fraudulent"
        },
        "livemode": m.livemode,
        "loss_reason": None,
        "metadata": m.metadata(0.2),
        "status": m.pick(("unsubmitted", "submitted", "won", "lost")),
        "transaction": m.ref("issuing_transactions"),
    }


FACTORIES = {
    "issuing_cardholders": cardholder,
    "issuing_cards": card,
    "issuing_authorizations": authorization,
    "issuing_transactions": transaction,
    "issuing_disputes": dispute,
}
