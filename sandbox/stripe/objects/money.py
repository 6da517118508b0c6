"""Money on its way between balances and banks.

Scope: balance transactions, payouts, transfers and reversals, top-ups, application fees and their
refunds.
"""

from ..maker import DAY


def balance_transaction(m, id):
    amount = m.amount()
    fee = amount * 29 // 1000 + 30
    return {
        "id":
        id,
        "object":
        "balance_transaction",
        "amount":
        amount,
        "available_on":
        m.created + 2 * DAY,
        "balance_type":
        "payments",
        "created":
        m.created,
        "currency":
        "usd",
        "description":
        m.words(3),
        "exchange_rate":
        m.number(80, 130) / 100 if m.chance(0.2) else None,
        "fee":
        fee,
        "fee_details": [{
            "amount": fee, "application": None, "currency": "usd", "description":
            "Stripe processing fees", "type": "stripe_fee"
        }],
        "net":
        amount - fee,
        "reporting_category":
        "charge",
        "source":
        m.ref("charges"),
        "status":
        "pending" if m.created > m.account.clock.seconds() - 2 * DAY else "available",
        "type":
        "charge",
    }


def payout(m, id):
    status = m.random.choices(("paid", "in_transit", "pending", "failed", "canceled"),
                              (6, 1, 2, 1, 1))[0]
    return {
        "id": id,
        "object": "payout",
        "amount": m.amount() * 10,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": (m.created // DAY + 2) * DAY,
        "automatic": m.chance(0.8),
        "balance_transaction": m.ref("balance_transactions"),
        "created": m.created,
        "currency": "usd",
        "description": "STRIPE PAYOUT",
        "destination": m.id("ba_"),
        "failure_balance_transaction": None,
        "failure_code": "account_closed" if status == "failed" else None,
        "failure_message": None,
        "livemode": m.livemode,
        "metadata": m.metadata(0.2),
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": status,
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }


def transfer_reversal(m, id, transfer=None):
    transfer = transfer or m.parent
    left = transfer["amount"] - transfer["amount_reversed"]
    return {
        "id": id,
        "object": "transfer_reversal",
        "amount": max(1, min(left, transfer["amount"] // 20)),
        "balance_transaction": m.ref("balance_transactions"),
        "created": m.created,
        "currency": transfer["currency"],
        "destination_payment_refund": None,
        "metadata": m.metadata(0.3),
        "source_refund": None,
        "transfer": transfer["id"],
    }


def transfer(m, id):
    amount = m.amount() + 1000
    doc = {
        "id": id,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "balance_transaction": m.ref("balance_transactions"),
        "created": m.created,
        "currency": "usd",
        "description": m.words(3),
        "destination": m.ref("accounts"),
        "destination_payment": m.id("py_"),
        "livemode": m.livemode,
        "metadata": m.metadata(0.3),
        "reversals": None,
        "reversed": False,
        "source_transaction": m.ref("charges", 0.5),
        "source_type": "card",
        "transfer_group": m.id("group_", 6) if m.chance(0.3) else None,
    }
    count = m.number(11, 15) if m.chance(0.03) else (1 if m.chance(0.1) else 0)
    reversals = [transfer_reversal(m, m.id("trr_"), doc) for _ in range(count)]
    doc["amount_reversed"] = sum(one["amount"] for one in reversals)
    return doc, [("transfer_reversals", reversals)]


def topup(m, id):
    status = m.pick(("succeeded", "succeeded", "pending", "failed", "canceled"))
    return {
        "id": id,
        "object": "topup",
        "amount": m.amount() * 10,
        "balance_transaction": m.ref("balance_transactions") if status == "succeeded" else None,
        "created": m.created,
        "currency": "usd",
        "description": m.words(3),
        "expected_availability_date": m.created + 5 * DAY,
        "failure_code": None,
        "failure_message": None,
        "livemode": m.livemode,
        "metadata": m.metadata(0.3),
        "source": None,
        "statement_descriptor": "Top-up",
        "status": status,
        "transfer_group": None,
    }


def fee_refund(m, id, fee=None):
    fee = fee or m.parent
    return {
        "id": id,
        "object": "fee_refund",
        "amount": max(1, fee["amount"] // 20),
        "balance_transaction": m.ref("balance_transactions"),
        "created": m.created,
        "currency": fee["currency"],
        "fee": fee["id"],
        "metadata": m.metadata(0.4),
    }


def application_fee(m, id):
    doc = {
        "id": id,
        "object": "application_fee",
        "account": m.ref("accounts"),
        "amount": m.amount(),
        "amount_refunded": 0,
        "application": m.id("ca_"),
        "balance_transaction": m.ref("balance_transactions"),
        "charge": m.ref("charges"),
        "created": m.created,
        "currency": "usd",
        "fee_source": {"charge": m.ref("charges"), "type": "charge"},
        "livemode": m.livemode,
        "originating_transaction": None,
        "refunded": False,
        "refunds": None,
    }
    refunds = [fee_refund(m, m.id("fr_"), doc)] if m.chance(0.1) else []
    doc["amount_refunded"] = sum(one["amount"] for one in refunds)
    return doc, [("application_fee_refunds", refunds)]


FACTORIES = {
    "balance_transactions": balance_transaction,
    "payouts": payout,
    "transfers": transfer,
    "transfer_reversals": transfer_reversal,
    "topups": topup,
    "application_fees": application_fee,
    "application_fee_refunds": fee_refund,
}
