"""The collections of the API: paths, filters, events and deletes, as data.

Scope: facts only. Lists read the paths and filters, changes read the events, truth reads the names.
"""

from dataclasses import dataclass, field

from ..store import PARENT

PAGE_WORDS = ("limit", "starting_after", "ending_before", "expand")


@dataclass(frozen=True)
class Filter:
    """One query parameter of a list: how it is written and which member it looks at."""

    name: str
    kind: str
    path: tuple
    choices: tuple = ()


@dataclass(frozen=True)
class Spec:
    """One collection.

    `created_filter`: the list takes created[..]. `parent`: the collection its objects belong to,
    and `nested` the parent's member that holds the first ten. `required`: a parameter without
    which the list is refused. `deletes`: hard, draft or never. `stub`: a deleted object still
    answers.
    `single`: objects can be read by id at `path`/{id}.
    """

    name: str
    object: str
    path: str
    prefix: str
    length: int = 24
    created_filter: bool = True
    filters: dict = field(default_factory=dict)
    on_create: tuple = ()
    on_update: tuple = ()
    on_delete: tuple = ()
    deletes: str = "never"
    stub: bool = False
    parent: str = ""
    parent_field: str = ""
    nested: str = ""
    required: str = ""
    single: bool = True
    indexed: tuple = ()

    def child_path(self, parent):
        return self.path.replace("{parent}", parent)


def parse_filters(text, created):
    """`name[:kind][=member.path]`, kinds str, bool, range, list, or choices joined by `|`."""
    filters = {}
    for word in text.split() + (["created:range"] if created else []):
        head, _, path = word.partition("=")
        name, _, kind = head.partition(":")
        choices = tuple(kind.split("|")) if "|" in kind else ()
        filters[name] = Filter(name, "choice" if choices else kind or "str",
                               tuple((path or name.replace("[", ".").replace("]", "")).split(".")),
                               choices)
    return filters


SPECS = {}


def collection(name,
               object,
               path,
               prefix,
               filters="",
               events="",
               *,
               created=True,
               child=None,
               **more):
    """Registers one collection; `events` are `create/update/delete` types, `-` for a silent one."""
    words = [() if part in ("", "-") else tuple(part.split("+"))
             for part in (events or "//").split("/")]
    words += [()] * (3 - len(words))
    indexed = more.pop("indexed", ())
    if child:
        more["parent"], more["parent_field"], more["nested"] = child
        indexed += (PARENT,)
    SPECS[name] = Spec(name,
                       object,
                       path,
                       prefix,
                       created_filter=created,
                       indexed=indexed,
                       filters=parse_filters(filters, created),
                       on_create=words[0],
                       on_update=words[1],
                       on_delete=words[2],
                       **more)


SUB = "customer.subscription."
SUB_STATUS = (
    "active|all|canceled|ended|incomplete|incomplete_expired|past_due|paused|trialing|unpaid")
CARD_FILTERS = ("cardholder=cardholder.id exp_month:int exp_year:int last4 personalization_design "
                "status:active|canceled|inactive type:physical|virtual")

collection("customers",
           "customer",
           "/v1/customers",
           "cus_",
           "email test_clock",
           "customer.created/customer.updated/customer.deleted",
           length=14,
           deletes="hard",
           stub=True)
collection("products",
           "product",
           "/v1/products",
           "prod_",
           "active:bool shippable:bool url type:good|service ids:list=id",
           "product.created/product.updated/product.deleted",
           length=14,
           deletes="hard")
collection("prices",
           "price",
           "/v1/prices",
           "price_",
           "active:bool currency product type:one_time|recurring lookup_keys:list=lookup_key "
           "recurring[interval]:day|month|week|year recurring[usage_type]:licensed|metered "
           "recurring[meter]",
           "price.created/price.updated/price.deleted",
           indexed=("product",))
collection("plans",
           "plan",
           "/v1/plans",
           "plan_",
           "active:bool product",
           "plan.created/plan.updated/plan.deleted",
           length=14,
           deletes="hard")
collection("coupons",
           "coupon",
           "/v1/coupons",
           "",
           "",
           "coupon.created/coupon.updated/coupon.deleted",
           length=8,
           deletes="hard")
collection("promotion_codes", "promotion_code", "/v1/promotion_codes", "promo_",
           "active:bool code coupon=promotion.coupon customer customer_account",
           "promotion_code.created/promotion_code.updated")
collection("tax_rates", "tax_rate", "/v1/tax_rates", "txr_", "active:bool inclusive:bool",
           "tax_rate.created/tax_rate.updated")
collection("shipping_rates", "shipping_rate", "/v1/shipping_rates", "shr_", "active:bool currency")
collection("subscriptions",
           "subscription",
           "/v1/subscriptions",
           "sub_",
           "automatic_tax[enabled]:bool collection_method:charge_automatically|send_invoice "
           "current_period_end:range=#period_end current_period_start:range=#period_start "
           "customer customer_account "
           f"plan=#plans price=#prices status:{SUB_STATUS} test_clock",
           f"{SUB}created/{SUB}updated/{SUB}deleted",
           indexed=("customer",))
collection("subscription_items",
           "subscription_item",
           "/v1/subscription_items",
           "si_",
           "subscription",
           created=False,
           child=("subscriptions", "subscription", "items"),
           length=14,
           deletes="hard",
           required="subscription")
collection(
    "subscription_schedules", "subscription_schedule", "/v1/subscription_schedules", "sub_sched_",
    "canceled_at:range completed_at:range customer customer_account released_at:range "
    "scheduled:bool=#scheduled", "subscription_schedule.created/subscription_schedule.updated")
collection("invoices",
           "invoice",
           "/v1/invoices",
           "in_", "collection_method:charge_automatically|send_invoice customer customer_account "
           "due_date:range "
           "status:draft|open|paid|uncollectible|void "
           "subscription=parent.subscription_details.subscription",
           "invoice.created/invoice.updated/invoice.deleted",
           deletes="draft")
collection("invoice_line_items",
           "line_item",
           "/v1/invoices/{parent}/lines",
           "il_",
           created=False,
           child=("invoices", "invoice", "lines"),
           single=False)
collection("invoiceitems",
           "invoiceitem",
           "/v1/invoiceitems",
           "ii_",
           "customer customer_account invoice pending:bool=#pending",
           "invoiceitem.created/-/invoiceitem.deleted",
           deletes="hard")
collection(
    "invoice_payments", "invoice_payment", "/v1/invoice_payments", "inpay_",
    "invoice status:canceled|open|paid payment[type]=payment.type "
    "payment[payment_intent]=payment.payment_intent")
collection("charges", "charge", "/v1/charges", "ch_", "customer payment_intent transfer_group",
           "#charge/charge.updated")
collection("payment_intents", "payment_intent", "/v1/payment_intents", "pi_", "customer "
           "customer_account", "payment_intent.created/-")
collection("setup_intents", "setup_intent", "/v1/setup_intents", "seti_",
           "attach_to_self:bool customer customer_account payment_method", "setup_intent.created/-")
collection("setup_attempts",
           "setup_attempt",
           "/v1/setup_attempts",
           "setatt_",
           "setup_intent",
           child=("setup_intents", "setup_intent", ""),
           required="setup_intent",
           single=False)
collection("payment_methods",
           "payment_method",
           "/v1/payment_methods",
           "pm_",
           "customer customer_account type allow_redisplay:always|limited|unspecified",
           "#payment_method/payment_method.updated",
           created=False,
           indexed=("customer",))
collection("refunds",
           "refund",
           "/v1/refunds",
           "re_",
           "charge payment_intent",
           "refund.created/refund.updated",
           indexed=("charge",))
collection("disputes", "dispute", "/v1/disputes", "dp_", "charge payment_intent",
           "charge.dispute.created+charge.dispute.funds_withdrawn/charge.dispute.updated")
collection("balance_transactions", "balance_transaction", "/v1/balance_transactions", "txn_",
           "currency payout=#payout source type")
collection("payouts", "payout", "/v1/payouts", "po_",
           "arrival_date:range destination status:paid|pending|failed|canceled|in_transit",
           "payout.created/payout.updated")
collection("transfers", "transfer", "/v1/transfers", "tr_", "destination transfer_group",
           "transfer.created/transfer.updated")
collection("transfer_reversals",
           "transfer_reversal",
           "/v1/transfers/{parent}/reversals",
           "trr_",
           created=False,
           child=("transfers", "transfer", "reversals"))
collection("topups", "topup", "/v1/topups", "tu_",
           "amount:range status:canceled|failed|pending|succeeded", "topup.created/-")
collection("credit_notes", "credit_note", "/v1/credit_notes", "cn_", "customer customer_account "
           "invoice", "credit_note.created/credit_note.updated")
collection("quotes",
           "quote",
           "/v1/quotes",
           "qt_",
           "customer customer_account status:accepted|canceled|draft|open test_clock",
           "quote.created/-",
           created=False)
collection("checkout_sessions",
           "checkout.session",
           "/v1/checkout/sessions",
           "cs_test_", "customer customer_account customer_details[email] payment_intent "
           "payment_link subscription "
           "status:complete|expired|open",
           length=58)
collection("checkout_line_items",
           "item",
           "/v1/checkout/sessions/{parent}/line_items",
           "li_",
           created=False,
           child=("checkout_sessions", "", ""),
           single=False)
collection("payment_links",
           "payment_link",
           "/v1/payment_links",
           "plink_",
           "active:bool",
           "payment_link.created/payment_link.updated",
           created=False)
collection("tax_ids",
           "tax_id",
           "/v1/tax_ids",
           "txi_", "owner[type]=owner.type owner[customer]=owner.customer "
           "owner[account]=owner.account",
           "customer.tax_id.created/customer.tax_id.updated/customer.tax_id.deleted",
           created=False,
           deletes="hard",
           indexed=("owner[customer]",))
collection("customer_balance_transactions",
           "customer_balance_transaction",
           "/v1/customers/{parent}/balance_transactions",
           "cbtxn_",
           "invoice",
           child=("customers", "customer", ""))
collection("application_fees", "application_fee", "/v1/application_fees", "fee_", "charge",
           "application_fee.created/-")
collection("application_fee_refunds",
           "fee_refund",
           "/v1/application_fees/{parent}/refunds",
           "fr_",
           "",
           "-/application_fee.refund.updated",
           created=False,
           child=("application_fees", "fee", "refunds"))
collection("reviews", "review", "/v1/reviews", "prv_", "", "review.opened/-")
collection("early_fraud_warnings", "radar.early_fraud_warning", "/v1/radar/early_fraud_warnings",
           "issfr_", "charge payment_intent",
           "radar.early_fraud_warning.created/radar.early_fraud_warning.updated")
collection("files", "file", "/v1/files", "file_", "purpose", "file.created/-")
collection("file_links",
           "file_link",
           "/v1/file_links",
           "link_",
           "expired:bool file",
           child=("files", "file", "links"))
collection("accounts",
           "account",
           "/v1/accounts",
           "acct_",
           "",
           "-/account.updated",
           length=16,
           deletes="hard")
collection("issuing_cardholders", "issuing.cardholder", "/v1/issuing/cardholders", "ich_",
           "email phone_number status:active|blocked|inactive type:company|individual",
           "issuing_cardholder.created/issuing_cardholder.updated")
collection("issuing_cards", "issuing.card", "/v1/issuing/cards", "ic_", CARD_FILTERS,
           "issuing_card.created/issuing_card.updated")
collection("issuing_authorizations", "issuing.authorization", "/v1/issuing/authorizations",
           "iauth_", "card=card.id cardholder status:closed|expired|pending|reversed",
           "issuing_authorization.created/issuing_authorization.updated")
collection("issuing_transactions", "issuing.transaction", "/v1/issuing/transactions", "ipi_",
           "card cardholder type:capture|refund",
           "issuing_transaction.created/issuing_transaction.updated")
collection("issuing_disputes", "issuing.dispute", "/v1/issuing/disputes", "idp_",
           "status:expired|lost|submitted|unsubmitted|won transaction",
           "issuing_dispute.created/issuing_dispute.updated")

BY_OBJECT = {spec.object: spec for spec in SPECS.values()}
CHILDREN = {}
for _spec in SPECS.values():
    if _spec.parent:
        CHILDREN.setdefault(_spec.parent, []).append(_spec)


def lookup(word):
    """A collection by its name, its objects' word, or the tail of its path; None if unknown."""
    return SPECS.get(word) or BY_OBJECT.get(word) or SPECS.get(
        str(word).replace("/", "_").replace(".", "_"))


def reach(doc, path):
    """The member at `path`, None where there is none."""
    for step in path:
        if not isinstance(doc, dict):
            return None
        doc = doc.get(step)
    return doc


def _items(doc, member):
    return [item.get(member, {}).get("id") for item in reach(doc, ("items", "data")) or ()]


COMPUTED = {
    "#prices": lambda doc: _items(doc, "price"),
    "#plans": lambda doc: _items(doc, "plan"),
    "#period_end": lambda doc: (reach(doc, ("items", "data")) or [{}])[0].get("current_period_end"),
    "#period_start": lambda doc: (reach(doc,
                                        ("items", "data")) or [{}])[0].get("current_period_start"),
    "#scheduled": lambda doc: doc.get("status") == "not_started",
    "#pending": lambda doc: doc.get("invoice") is None,
    "#payout": lambda doc: None,
}
CREATION = {
    "#charge": lambda doc: ("charge." + doc["status"],),
    "#payment_method": lambda doc: ("payment_method.attached",) if doc["customer"] else (),
}


def facts(spec, doc):
    """The values that the list of this collection can be filtered by."""
    found = {}
    for name, one in spec.filters.items():
        if name == "created":
            continue
        value = COMPUTED[one.path[0]](doc) if one.path[0].startswith("#") else reach(doc, one.path)
        if value is not None:
            found[name] = value
    return found


def creation_events(spec, doc):
    types = spec.on_create
    return CREATION[types[0]](doc) if types and types[0] in CREATION else types
