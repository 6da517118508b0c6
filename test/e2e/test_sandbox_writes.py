"""Writing to the Stripe stand-in: forms, idempotency, action calls, and what they leave behind.

Scope: POST and DELETE through the API, as a mutation of ours would send them.
"""

from stripe_client import api, server  # noqa: F401  (fixtures)


def test_write_and_idempotency(api):
    form = {
        "name": "Ada", "email": "ada@example.com", "metadata[crm]": "7", "address[city]": "Köln"
    }
    head = {"Idempotency-Key": "first"}
    made = api.call("POST", "/v1/customers", form=form, headers=head)
    assert made.status == 200 and made.json["address"]["city"] == "Köln"
    assert made.json["metadata"] == {"crm": "7"} and made.json["phone"] is None
    again = api.call("POST", "/v1/customers", form=form, headers=head)
    assert again.body == made.body and again.headers["Idempotent-Replayed"] == "true"
    other = api.call("POST", "/v1/customers", form={"name": "Eve"}, headers=head)
    assert other.status == 400 and other.error["type"] == "idempotency_error"
    assert len(api.get("/v1/customers").ids) == 1
    event = api.get("/v1/events", limit=1).json["data"][0]
    assert event["request"] == {"id": made.headers["Request-Id"], "idempotency_key": "first"}
    path = "/v1/customers/" + made.json["id"]
    changed = api.call("POST", path, form={"name": "", "metadata[crm]": "", "metadata[x]":
                                           "1"}).json
    assert changed["name"] is None and changed["metadata"] == {"x": "1"}
    assert api.call("POST", path, form={"nmae": "x"}).error["code"] == "parameter_unknown"
    assert api.call("POST", path, form={"email": "no"}).error["code"] == "email_invalid"
    assert api.call("POST", "/v1/products", form={}).error["param"] == "name"
    plain = api.call("POST", path, headers={"Content-Type": "application/json"}, form={"name": "x"})
    assert plain.status == 400


def test_actions(api):
    api.load("prices", 2)
    api.load("customers", 1)
    customer, price = api.get("/v1/customers").ids[0], api.get("/v1/prices").ids[0]
    made = api.call(
        "POST",
        "/v1/subscriptions",
        form={"customer": customer, "items[0][price]": price, "items[0][quantity]": "3"}).json
    assert [item["quantity"]
            for item in made["items"]["data"]] == [3] and made["status"] == "active"
    ended = api.call("DELETE", "/v1/subscriptions/" + made["id"]).json
    assert ended["status"] == "canceled" and "deleted" not in ended
    invoice = api.call("POST", "/v1/invoices", form={"customer": customer}).json["id"]
    api.call("POST",
             "/v1/invoiceitems",
             form={"customer": customer, "invoice": invoice, "amount": "1500", "currency": "usd"})
    assert api.call("POST", f"/v1/invoices/{invoice}/pay", form={}).status == 400
    assert api.call("POST", f"/v1/invoices/{invoice}/finalize", form={}).json["status"] == "open"
    paid = api.call("POST", f"/v1/invoices/{invoice}/pay", form={}).json
    assert (paid["status"], paid["amount_paid"], len(paid["lines"]["data"])) == ("paid", 1500, 1)
    types = [e["type"] for e in api.walk("/v1/events")]
    assert "invoice.paid" in types and "invoice.finalized" in types


def test_refund_changes_the_charge(api):
    api.load("charges", 30)
    charge = next(o for o in api.walk("/v1/charges") if o["captured"])
    half = charge["amount"] // 2
    form = {"charge": charge["id"], "amount": str(half)}
    refund = api.call("POST", "/v1/refunds", form=form).json
    assert (refund["amount"], refund["charge"]) == (half, charge["id"])
    assert api.get("/v1/charges/" + charge["id"]).json["amount_refunded"] == half
    too_much = api.call("POST", "/v1/refunds", form={**form, "amount": str(charge["amount"])})
    assert too_much.status == 400 and too_much.error["param"] == "amount"
    told = [e["type"] for e in api.get("/v1/events", limit=2).json["data"]]
    assert told == ["charge.refunded", "refund.created"]
    assert api.get(f"/v1/charges/{charge['id']}/refunds").ids == [refund["id"]]


def test_silent_edit(api):
    form = {"amount": "500", "currency": "usd"}
    intent = api.call("POST", "/v1/payment_intents", form=form).json["id"]
    before = api.get("/v1/events", limit=1).ids
    api.call("POST", "/v1/payment_intents/" + intent, form={"metadata[a]": "1"})
    assert api.get("/v1/payment_intents/" + intent).json["metadata"] == {"a": "1"}
    assert api.get("/v1/events", limit=1).ids == before


def test_unknown_references_are_refused(api):
    answer = api.call("POST", "/v1/invoices", form={"customer": "cus_no"})
    assert answer.status == 400
    assert (answer.error["code"], answer.error["param"]) == ("resource_missing", "customer")
    assert api.call("POST", "/v1/customers/cus_no", form={"name": "x"}).status == 404
    assert api.call("DELETE", "/v1/customers/cus_no").status == 404


def test_a_product_with_prices_stays(api):
    product = api.call("POST", "/v1/products", form={"name": "Box"}).json["id"]
    form = {"product": product, "currency": "eur", "unit_amount": "900"}
    price = api.call("POST", "/v1/prices", form=form).json
    assert price["type"] == "one_time" and price["unit_amount_decimal"] == "900"
    assert api.call("DELETE", "/v1/products/" + product).status == 400
    changed = api.call("POST", "/v1/prices/" + price["id"], form={"active": "false"}).json
    assert changed["active"] is False
    assert api.call("POST", "/v1/prices/" + price["id"], form={"unit_amount": "1"}).status == 400


def test_parents_add_up(api):
    api.load("transfers", 20)
    api.load("application_fees", 20)
    mix = {"update": 1, "collections": ["transfers", "application_fees"]}
    api.admin("changes", {"count": 150, "seed": 2, "mix": mix})
    for parents, children, field, total in (
        ("transfers", "transfer_reversals", "transfer", "amount_reversed"),
        ("application_fees", "application_fee_refunds", "fee", "amount_refunded")):
        amounts = {}
        for child in api.truth(children)["objects"].values():
            amounts[child[field]] = amounts.get(child[field], 0) + child["amount"]
        every = api.truth(parents)["objects"]
        assert {id: doc[total] for id, doc in every.items() if doc[total]} == amounts != {}
