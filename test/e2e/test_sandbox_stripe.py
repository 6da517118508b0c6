"""The Stripe stand-in held to what the API's documentation promises, through HTTP only.

Scope: strictness, paging, events, truth; writes and faults have files of their own.
It must be right before anything is tested against it.
"""

import base64
import json
import re

import pytest
from stripe_client import KEY, OTHER, api, server  # noqa: F401  (fixtures)

DAY = 86400
SILENT = {
    "shipping_rates", "balance_transactions", "customer_balance_transactions", "setup_attempts",
    "checkout_line_items", "file_links"
}
PART = {
    "invoiceitems", "invoice_payments", "payment_intents", "setup_intents", "payment_methods",
    "topups", "quotes", "checkout_sessions", "files", "accounts"
}
CHILDREN = {
    "subscription_items", "invoice_line_items", "transfer_reversals", "application_fee_refunds"
}

# Signing in, versions, headers


def test_keys(api):
    assert api.get("/v1/customers").status == 200
    basic = base64.b64encode((KEY + ":").encode()).decode()
    assert api.get("/v1/account", key=None, headers={"Authorization":
                                                     "Basic " + basic}).status == 200
    assert api.get("/v1/customers", key=None).status == 401
    wrong = api.get("/v1/customers", key="sk_test_wrongwrongwrongwrong1234")
    assert wrong.status == 401
    assert set(wrong.error) == {"message", "type"
                                } and wrong.error["type"] == "invalid_request_error"
    assert "1234" in wrong.error["message"] and "wrongwrong" not in wrong.error["message"]
    assert api.get("/v1/customers", key="pk_test_" + "a" * 20).status == 401
    api.admin("accounts", {"expire": [KEY]})
    assert api.get("/v1/customers").error["code"] == "api_key_expired"
    api.admin("accounts", {"revoke": [KEY]})
    assert "code" not in api.get("/v1/customers").error


def test_restricted_key(api):
    account = api.get("/v1/account").json["id"]
    key = "rk_test_0123456789abcdef"
    api.admin("accounts", {"add": [{"key": key, "account": account, "deny": ["charges"]}]})
    assert api.get("/v1/customers", key=key).status == 200
    denied = api.get("/v1/charges", key=key)
    assert denied.status == 403 and "rak_charge_read" in denied.error["message"]


def test_accounts_are_apart(api):
    api.load("customers", 3)
    assert len(api.walk("/v1/customers")) == 3
    assert api.get("/v1/customers", key=OTHER).json["data"] == []
    assert api.get("/v1/account").json["id"] != api.get("/v1/account", key=OTHER).json["id"]
    other = api.get("/v1/account", key=OTHER).json["id"]
    assert api.get("/v1/customers", headers={"Stripe-Account": other}).status == 403


@pytest.mark.parametrize("version, status", [("2026-06-24.dahlia", 200), ("2020-08-27", 200),
                                             ("2026-06-24", 400), ("latest", 400),
                                             ("2026-13-01.dahlia", 400),
                                             ("2026-06-24.zinnia", 400)])
def test_version_header(api, version, status):
    answer = api.get("/v1/customers", headers={"Stripe-Version": version})
    assert answer.status == status
    assert re.fullmatch("req_[A-Za-z0-9]{14}", answer.headers["Request-Id"])
    assert answer.headers["Date"].endswith("GMT")
    assert answer.headers["Content-Type"] == "application/json"


# Strict parameters


@pytest.mark.parametrize("path, query, param", [
    ("/v1/customers", {"foo": "1"}, "foo"),
    ("/v1/customers", {"updated[gte]": "1"}, "updated[gte]"),
    ("/v1/customers", {"created[ge]": "1"}, "created[ge]"),
    ("/v1/payment_methods", {"created[gte]": "1"}, "created[gte]"),
    ("/v1/quotes", {"created[gte]": "1"}, "created[gte]"),
    ("/v1/payment_links", {"created[lt]": "1"}, "created[lt]"),
    ("/v1/tax_ids", {"created[lt]": "1"}, "created[lt]"),
    ("/v1/subscriptions", {"status[]": "all"}, "status[]"),
    ("/v1/events", {"object": "x"}, "object"),
])
def test_unknown_parameters(api, path, query, param):
    answer = api.get(path, query=query)
    assert answer.status == 400
    assert (answer.error["code"], answer.error["param"]) == ("parameter_unknown", param)


@pytest.mark.parametrize("query, param", [
    ({"limit": "0"}, "limit"),
    ({"limit": "101"}, "limit"),
    ({"limit": "ten"}, "limit"),
    ({"limit": ""}, "limit"),
    ({"created[gte]": "yesterday"}, "created[gte]"),
    ({"starting_after": "cus_nothere"}, "starting_after"),
    ({"ending_before": "cus_nothere"}, "ending_before"),
    ({"email": ""}, "email"),
])
def test_bad_values(api, query, param):
    answer = api.get("/v1/customers", query=query)
    assert answer.status == 400 and answer.error["param"] == param
    if "nothere" in str(query):
        assert answer.error["code"] == "resource_missing" and "cus_nothere" in answer.error[
            "message"]


def test_required_and_exclusive(api):
    assert api.get("/v1/subscription_items").error["param"] == "subscription"
    assert api.get("/v1/setup_attempts").error["param"] == "setup_intent"
    assert api.get("/v1/subscription_items",
                   subscription="sub_no").error["code"] == "resource_missing"
    api.load("customers", 3)
    first = api.get("/v1/customers").ids[1]
    both = api.get("/v1/customers", starting_after=first, ending_before=first)
    assert both.status == 400
    assert api.get("/v1/subscriptions", status="gone").status == 400
    assert api.get("/v1/nothing").status == 404
    assert api.call("PUT", "/v1/customers").status == 404
    missing = api.get("/v1/customers/cus_no")
    assert missing.status == 404 and missing.error["code"] == "resource_missing"


# Lists


def test_paging_both_ways(api):
    api.load("customers", 237, spread_days=40)
    backward = api.walk("/v1/customers", limit=50)
    ids = [one["id"] for one in backward]
    assert len(set(ids)) == 237
    moments = [one["created"] for one in backward]
    assert moments == sorted(moments, reverse=True)
    assert set(ids) == set(api.truth("customers")["objects"])
    assert len(api.get("/v1/customers").ids) == 10
    forward = api.walk("/v1/customers", limit=50, forward_from=ids[-1])
    assert [one["id"] for one in forward] == ids[:-1]
    page = api.get("/v1/customers", ending_before=ids[100], limit=7)
    assert page.ids == ids[93:100] and page.json["has_more"]
    page = api.get("/v1/customers", ending_before=ids[7], limit=7)
    assert page.ids == ids[:7] and not page.json["has_more"]
    assert page.json["object"] == "list" and page.json["url"] == "/v1/customers"


def test_ties_are_newest_first_by_arrival(api):
    api.load("customers", 30, same_second=True)
    late = api.admin("create", {"collection": "customers"})["id"]
    ids = [one["id"] for one in api.walk("/v1/customers", limit=4)]
    assert ids[0] == late and len(set(ids)) == 31
    assert len({one["created"] for one in api.walk("/v1/customers")[1:]}) == 1


def test_created_filter(api):
    api.load("charges", 120, spread_days=3)
    every = api.walk("/v1/charges")
    low, high = every[80]["created"], every[20]["created"]
    tests = {("gte", "lt"): lambda at: low <= at < high, ("gt", "lte"): lambda at: low < at <= high}
    for (first, second), inside in tests.items():
        found = api.walk("/v1/charges",
                         limit=9,
                         **{f"created[{first}]": low, f"created[{second}]": high})
        assert [one["id"]
                for one in found] == [one["id"] for one in every if inside(one["created"])]
    assert api.get("/v1/charges",
                   created=low).ids == [o["id"] for o in every if o["created"] == low]


def test_cursor_of_a_deleted_object(api):
    api.load("products", 5)
    gone = api.get("/v1/products").ids[2]
    assert api.call("DELETE", "/v1/products/" +
                    gone).json == {"id": gone, "object": "product", "deleted": True}
    answer = api.get("/v1/products", starting_after=gone)
    assert answer.status == 400 and answer.error["param"] == "starting_after"


def test_subscriptions_hide_canceled_ones(api):
    api.load("subscriptions", 80)
    shown = {one["id"]: one["status"] for one in api.walk("/v1/subscriptions")}
    every = {one["id"]: one["status"] for one in api.walk("/v1/subscriptions", status="all")}
    assert len(every) == 80
    assert shown == {id: status for id, status in every.items() if status != "canceled"} != every
    assert {o["status"] for o in api.walk("/v1/subscriptions", status="past_due")} <= {"past_due"}


def test_nested_lists_hold_ten(api):
    api.load("invoices", 150)
    long = [one for one in api.walk("/v1/invoices") if one["lines"]["has_more"]]
    assert long
    for invoice in long[:3]:
        nested = invoice["lines"]
        assert len(nested["data"]) == 10 and nested["url"] == f"/v1/invoices/{invoice['id']}/lines"
        lines = api.walk(nested["url"], limit=7)
        assert len(lines) == nested["total_count"] > 10
        assert lines[:10] == nested["data"]
    foreign = api.walk(long[0]["lines"]["url"])[0]["id"]
    assert api.get(long[1]["lines"]["url"], starting_after=foreign).status == 400


def test_every_list_answers(api):
    api.load("world", 60)
    stats = api.admin("stats")["data"][api.get("/v1/account").json["id"]]
    paths = {
        "checkout_sessions": "/v1/checkout/sessions", "early_fraud_warnings":
        "/v1/radar/early_fraud_warnings", **{
            "issuing_" + name: "/v1/issuing/" + name
            for name in ("cards", "cardholders", "authorizations", "transactions", "disputes")
        }
    }
    children = CHILDREN | {
        "setup_attempts", "checkout_line_items", "customer_balance_transactions", "tax_ids",
        "events"
    }
    for name, count in stats.items():
        if name not in children:
            query = {"status": "all"} if name == "subscriptions" else {}
            found = api.walk(paths.get(name, "/v1/" + name), **query)
            assert len(found) == count, name
            one = api.get(f"{paths.get(name, '/v1/' + name)}/{found[0]['id']}")
            assert one.json == found[0], name
    size = len(json.dumps(api.walk("/v1/customers"), separators=(",", ":"))) / 60
    assert 900 < size < 1300


def test_children_of_other_objects(api):
    api.load("world", 60)
    for name, path in (("tax_ids", "tax_ids"), ("payment_methods", "payment_methods"),
                       ("customer_balance_transactions", "balance_transactions")):
        every = api.truth(name)["objects"].values()
        owner = next(one["customer"] for one in every if one["customer"])
        found = api.walk(f"/v1/customers/{owner}/{path}", limit=1)
        assert {o["id"]
                for o in found} == {o["id"]
                                    for o in every if o["customer"] == owner} != set()
    own = {
        o["id"]
        for o in api.truth("tax_ids")["objects"].values() if o["owner"]["type"] == "self"
    }
    assert {o["id"] for o in api.walk("/v1/tax_ids")} == own
    intent = next(iter(api.truth("setup_attempts")["objects"].values()))["setup_intent"]
    assert all(o["setup_intent"] == intent
               for o in api.walk("/v1/setup_attempts", setup_intent=intent))


def test_expand(api):
    api.load("customers", 3)
    api.load("charges", 20)
    found = api.get("/v1/charges", query=[("expand[]", "data.customer"),
                                          ("limit", "20")]).json["data"]
    assert {type(one["customer"]) for one in found} <= {dict, type(None)}
    assert api.get("/v1/charges", query=[("expand[]", "customer")]).status == 400
    assert api.get("/v1/charges/" + found[0]["id"], query=[("expand[]", "amount")]).status == 400


# Deletes and events


def newest_event(api, **query):
    return api.get("/v1/events", limit=1, **query).json["data"][0]


def test_deleted_customer_answers_with_a_stub(api):
    api.load("customers", 3)
    api.load("subscriptions", 30)
    owner = api.walk("/v1/subscriptions", status="active")[0]["customer"]
    subscription = api.get("/v1/subscriptions", customer=owner, status="active").ids[0]
    before = api.get("/v1/customers/" + owner).json
    api.call("DELETE", "/v1/customers/" + owner)
    answer = api.get("/v1/customers/" + owner)
    assert (answer.status, answer.json) == (200,
                                            {"id": owner, "object": "customer", "deleted": True})
    assert owner not in api.get("/v1/customers").ids
    event = newest_event(api, type="customer.deleted")
    assert event["data"] == {"object": before}
    assert api.get("/v1/subscriptions/" + subscription).json["status"] == "canceled"
    ended = newest_event(api, type="customer.subscription.deleted")
    assert ended["data"]["object"]["status"] == "canceled"
    assert owner in api.truth("customers")["deleted"]
    assert api.get(f"/v1/customers/{owner}/tax_ids").status == 404


def test_other_deletes(api):
    api.load("invoices", 40)
    draft = api.walk("/v1/invoices", status="draft")[0]["id"]
    paid = api.walk("/v1/invoices", status="paid")[0]["id"]
    assert api.call("DELETE", "/v1/invoices/" + paid).status == 400
    assert api.call("DELETE", "/v1/invoices/" + draft).json["deleted"] is True
    assert api.get("/v1/invoices/" + draft).status == 404
    assert newest_event(api)["type"] == "invoice.deleted"
    api.load("prices", 3)
    price = api.get("/v1/prices").json["data"][0]
    assert api.call("DELETE", "/v1/prices/" + price["id"]).status == 404
    api.load("payment_methods", 20)
    card = next(o for o in api.walk("/v1/payment_methods") if o["customer"])["id"]
    assert api.call("POST", f"/v1/payment_methods/{card}/detach", form={}).json["customer"] is None
    assert api.get("/v1/payment_methods/" + card).status == 200


def test_update_event_is_a_snapshot(api):
    made = api.admin("create", {"collection": "customers", "set": {"name": "First"}})
    for name in ("Second", "Third"):
        api.admin("update", {"collection": "customers", "id": made["id"], "set": {"name": name}})
    events = api.walk("/v1/events", type="customer.*")
    assert [e["type"] for e in events] == ["customer.updated"] * 2 + ["customer.created"]
    assert [e["data"]["object"]["name"] for e in events] == ["Third", "Second", "First"]
    assert events[0]["data"]["previous_attributes"] == {"name": "Second"}
    assert "previous_attributes" not in events[2]["data"]
    assert events[0]["api_version"] == "2026-06-24.dahlia" and events[0]["object"] == "event"
    assert api.get("/v1/events/" + events[0]["id"]).json == events[0]


def test_event_types(api):
    api.load("customers", 5, spread_days=1)
    api.load("products", 5, spread_days=1)
    api.load("charges", 5, spread_days=1)
    two = api.walk("/v1/events",
                   limit=3,
                   **{"types[0]": "customer.created", "types[1]": "product.created"})
    assert {e["type"] for e in two} == {"customer.created", "product.created"} and len(two) == 10
    many = [("types[]", f"a.b{n}") for n in range(20)]
    assert api.get("/v1/events", query=many).status == 200
    assert api.get("/v1/events", query=many + [("types[]", "a.more")]).status == 400
    assert api.get("/v1/events", query=[("types[]", "customer.*")]).status == 400
    assert api.get("/v1/events", query=[("type", "customer.*"), ("types[]", "a.b")]).status == 400
    assert len(api.walk("/v1/events", type="*")) == 15


def test_events_expire(api):
    api.load("customers", 60, spread_days=59)
    old = api.walk("/v1/events")
    assert 15 < len(old) < 45
    api.admin("clock", {"advance": 31 * DAY})
    api.admin("create", {"collection": "customers"})
    assert len(api.walk("/v1/events")) == 1
    assert api.get("/v1/events/" + old[0]["id"]).status == 404
    assert api.get("/v1/events", ending_before=old[0]["id"]).status == 400
    assert len(api.walk("/v1/customers")) == 61


def test_the_horizon_is_thirty_days(api):
    api.admin("clock", {"freeze": True})
    api.admin("create", {"collection": "products"})
    event = api.get("/v1/events").ids[0]
    api.admin("clock", {"advance": 30 * DAY})
    assert api.get("/v1/events").ids == [event]
    api.admin("clock", {"advance": 1})
    assert api.get("/v1/events").ids == []


@pytest.mark.parametrize("collection, status, do, types", [
    ("invoices", "open", "void", ["invoice.voided", "invoice.updated"]),
    ("invoices", "draft", "finalize", ["invoice.finalized", "invoice.updated"]),
    ("payouts", "in_transit", "fail", ["payout.failed", "payout.updated"]),
    ("refunds", "pending", "succeed", ["refund.updated", "charge.refund.updated"]),
    ("disputes", "under_review", "win",
     ["charge.dispute.closed", "charge.dispute.funds_reinstated"]),
    ("subscriptions", "active", "pause",
     ["customer.subscription.paused", "customer.subscription.updated"]),
    ("payment_intents", "requires_capture", "capture", ["payment_intent.succeeded"]),
    ("payment_intents", "processing", "edit", []),
    ("topups", "pending", "succeed", ["topup.succeeded"]),
    ("balance_transactions", "pending", "settle", []),
])
def test_named_changes(api, collection, status, do, types):
    made = api.admin("create", {"collection": collection, "set": {"status": status}})
    before = {one["id"] for one in api.walk("/v1/events")}
    after = api.admin("update", {"collection": collection, "id": made["id"], "do": do})
    assert after != made
    told = [one for one in reversed(api.walk("/v1/events")) if one["id"] not in before]
    assert [one["type"] for one in told] == types
    assert all(one["data"]["object"] == after for one in told)


def test_replay_forward_from_a_known_event(api):
    api.load("customers", 20, spread_days=0)
    known = api.get("/v1/events", limit=1).ids[0]
    api.admin("changes", {"count": 150, "seed": 3, "mix": {"create": 1, "update": 4}})
    forward = api.walk("/v1/events", limit=20, forward_from=known)
    every = [e["id"] for e in api.walk("/v1/events")]
    assert [e["id"] for e in forward] == every[:every.index(known)] and len(forward) >= 150


def test_late_events(api):
    api.admin("clock", {"freeze": True})
    api.fault("late_events", seconds=60, match={"type": "customer.updated", "times": 1})
    one = api.admin("create", {"collection": "customers"})["id"]
    for name in ("A", "B"):
        api.admin("update", {"collection": "customers", "id": one, "set": {"name": name}})
    seen = api.walk("/v1/events")
    assert [e["data"]["object"]["name"] for e in seen][0] == "B" and len(seen) == 2
    api.admin("clock", {"advance": 61})
    seen = api.walk("/v1/events")
    assert [e["data"]["object"]["name"] for e in seen][:2] == ["B", "A"] and len(seen) == 3


def test_an_older_account_version_freezes_another_shape(api):
    api.admin("settings", {"api_version": "2024-06-20"})
    made = api.admin("create", {"collection": "subscriptions"})
    event = newest_event(api, type="customer.subscription.created")
    assert event["api_version"] == "2024-06-20"
    assert "current_period_end" in event["data"]["object"] and "current_period_end" not in made
    path = "/v1/subscriptions/" + made["id"]
    assert api.get(path, headers={"Stripe-Version": "2026-06-24.dahlia"}).json == made
    assert "current_period_end" in api.get(path, headers={"Stripe-Version": "2024-06-20"}).json


def test_events_tell_of_everything_they_should(api):
    """The newest snapshot of each object is its state, save where the API is silent."""
    api.load("world", 80, spread_days=5)
    api.admin("changes", {"count": 3000, "seed": 11})
    newest, snapshots, deleted = {}, {}, set()
    for event in reversed(api.walk("/v1/events")):
        document = event["data"]["object"]
        newest[document["id"]] = document
        snapshots.setdefault(document["id"], []).append(document)
        if event["type"].endswith(".deleted") and "subscription" not in event["type"]:
            deleted.add(document["id"])
    account = api.get("/v1/account").json["id"]
    drifted = set()
    for name in api.admin("stats")["data"][account]:
        if name in SILENT | CHILDREN | {"events"}:
            continue
        truth = api.truth(name)
        for id, document in truth["objects"].items():
            if newest.get(id) != document:
                drifted.add(name)
            versions = iter(truth["versions"][id])
            assert all(
                any(version == one for version in versions)
                for one in _without_repeats(snapshots.get(id, [])))
        if name != "accounts":
            assert set(truth["deleted"]) <= deleted, name
    assert drifted <= PART
    assert {"payment_intents", "invoiceitems", "checkout_sessions"} <= drifted


def _without_repeats(documents):
    return [one for at, one in enumerate(documents) if at == 0 or one != documents[at - 1]]


# Truth


def test_truth_keeps_every_version(api):
    made = api.admin("create", {"collection": "products", "set": {"name": "one"}})
    for name in ("two", "two", "three"):
        api.admin("update", {"collection": "products", "id": made["id"], "set": {"name": name}})
    truth = api.truth("products")
    assert [v["name"] for v in truth["versions"][made["id"]]] == ["one", "two", "three"]
    assert truth["objects"][made["id"]] == api.get("/v1/products/" + made["id"]).json
    api.admin("delete", {"collection": "products", "id": made["id"]})
    truth = api.truth("products")
    assert truth["deleted"] == [made["id"]] and truth["objects"] == {}
    assert truth["versions"][made["id"]][-1] is None


def test_the_seed_decides(api):
    seen = []
    for _ in range(2):
        api.admin("reset")
        api.admin("clock", {"freeze": 1_790_000_000})
        api.load("world", 20, seed=4)
        api.admin("changes", {"count": 200, "seed": 9})
        seen.append((api.truth("customers"), api.truth("invoices"), api.truth("events")))
    assert seen[0] == seen[1]
    assert re.fullmatch("cus_[A-Za-z0-9]{14}", next(iter(seen[0][0]["objects"])))


def test_child_changes_show_in_the_parent(api):
    made = api.admin("create", {"collection": "subscriptions"})["id"]
    for _ in range(12):
        api.admin("create", {"collection": "subscription_items", "parent": made})
    shown = api.get("/v1/subscriptions/" + made).json["items"]
    assert shown["has_more"] and len(shown["data"]) == 10
    oldest = api.walk("/v1/subscription_items", subscription=made)[-1]["id"]
    before = api.get("/v1/events", limit=1).ids[0]
    answer = api.call("POST", "/v1/subscription_items/" + oldest, form={"quantity": "77"})
    assert answer.json["quantity"] == 77
    told = api.walk("/v1/events", forward_from=before)
    assert [e["type"] for e in told] == ["customer.subscription.updated"]
