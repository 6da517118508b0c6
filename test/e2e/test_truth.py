"""What the tables say is what the API says, whatever went wrong on the way.

The long test is a storm as `make chaos` makes them, only short. The others are one promise each.
"""

import sys

import pytest
import truth
from cluster import ROOT, wait_until

sys.path.append(str(ROOT / "test" / "chaos"))
from storm import Storm, connected, plan, wait_for_process  # noqa: E402


@pytest.fixture
def api(start_sandbox):
    """A Stripe stand-in without limits of its own."""
    return start_sandbox("stripe", "--key", truth.KEY, "--rate", 0)


# paging that goes in a circle is tried again after a minute
SLOW_TO_HEAL = ("repeat_page", "empty_page")


@pytest.mark.limit(120)
def test_after_faults_changes_and_killed_workers_the_records_are_the_truth(new_database, cluster, api):
    db = new_database()
    truth.fill(api, 2000)
    truth.hurry(db.connection)
    truth.create_sync(db.connection, api, truth.OBJECTS)
    Storm(cluster, api).run(plan(1, steps=20, kills=["engine", "stop_launcher"], without=SLOW_TO_HEAL))
    db.connection = connected(cluster, db.name)
    truth.read_set_aside_again(db.connection)
    db.execute("SELECT sequin.refresh_sync('truth')")
    truth.await_truth(db.connection, api, "truth", truth.OBJECTS, deadline=40)


# one promise each


class Mirror:
    """A sync of a stand-in's account, and the questions that the tests ask of it."""

    def __init__(self, db, api):
        self.db = db
        self.api = api
        self.objects = []

    def start(self, *objects, collections=None):
        truth.hurry(self.db.connection, collections)
        self.objects = list(objects)
        truth.create_sync(self.db.connection, self.api, objects)
        return self

    def backfilled(self):
        self.db.execute("SELECT sequin.wait_for_sync('truth')")
        return self

    def refresh(self):
        truth.read_set_aside_again(self.db.connection)
        self.db.execute("SELECT sequin.refresh_sync('truth')")

    def await_truth(self, deadline=30):
        truth.await_truth(self.db.connection, self.api, "truth", self.objects, deadline)

    def records(self, object="customer"):
        return {id: data for id, data in self.db.all(
            "SELECT upstream_id, data FROM sequin.records WHERE collection_id = %s AND NOT deleted", "stripe:" + object)}

    def events_of(self, id):
        return [event for (event,) in self.db.all(
            "SELECT event FROM sequin.events WHERE upstream_id = %s ORDER BY seq", id)]

    def wait_for_note(self, code, deadline=20):
        self.db.wait_for("SELECT EXISTS (SELECT FROM sequin._health WHERE code = %s)", code, deadline=deadline)

    def wait_for_no_note(self, code, deadline=20):
        self.db.wait_for("SELECT NOT EXISTS (SELECT FROM sequin._health WHERE code = %s)", code, deadline=deadline)

    def ids(self, table="customers"):
        return sorted(self.api.admin("truth", {"collection": table, "versions": False})["objects"])

    def asked(self, path):
        """The queries of all calls to a path, oldest first."""
        return [call for call in self.api.admin("requests", {})["requests"] if call["path"] == path]


@pytest.fixture
def mirror(db, api):
    return Mirror(db, api)


@pytest.mark.parametrize("poison", ["nul", "lone_surrogate", "bignum", "invalid_utf8"])
def test_a_record_that_cannot_be_stored_is_set_aside_shown_and_read_again_when_it_is_healed(mirror, poison):
    mirror.api.admin("load", collection="customers", count=30)
    sick = mirror.ids()[7]
    mirror.api.admin("update", collection="customers", id=sick, poison=poison)
    mirror.start("customer").backfilled()
    mirror.db.wait_for("SELECT EXISTS (SELECT FROM sequin.sync_errors WHERE upstream_id = %s)", sick)
    assert len(mirror.records()) == 29, "the others are there"
    mirror.wait_for_note("records_set_aside")

    # healed without an event: only reading it again can tell
    mirror.api.admin("update", collection="customers", id=sick, set={"name": "healed"}, events=False)
    mirror.refresh()
    mirror.await_truth()
    mirror.db.wait_for("SELECT NOT EXISTS (SELECT FROM sequin.sync_errors)")


def test_a_sick_event_does_not_stop_the_feed(mirror):
    mirror.api.admin("load", collection="customers", count=5)
    mirror.start("customer").backfilled()
    sick, well = mirror.ids()[:2]
    mirror.api.admin("update", collection="customers", id=sick, poison="nul")
    mirror.api.admin("update", collection="customers", id=well, set={"name": "after the sick one"})
    mirror.db.wait_for("SELECT data ->> 'name' = 'after the sick one' FROM sequin.records WHERE upstream_id = %s", well)
    mirror.db.wait_for("SELECT EXISTS (SELECT FROM sequin.sync_errors WHERE upstream_id = %s)", sick)


def test_a_record_deleted_during_the_backfill_stays_deleted_although_an_older_copy_comes_later(mirror):
    mirror.api.admin("load", collection="customers", count=150)
    gone = mirror.ids()[3]
    # the list is read before the delete, and arrives long after its event
    mirror.api.admin("faults", {"kind": "slow", "seconds": 3, "match": {"path": "/v1/customers", "times": 1}})
    mirror.start("customer")
    wait_until(lambda: mirror.asked("/v1/customers"), what="the list is asked for")
    mirror.api.admin("delete", collection="customers", id=gone)
    mirror.backfilled()
    mirror.await_truth()
    assert gone not in mirror.records()
    assert mirror.events_of(gone) in ([], ["created", "deleted"])


def test_changes_within_one_second_end_in_the_last_of_them(mirror):
    mirror.api.admin("load", collection="products", count=3)
    mirror.start("product").backfilled()
    mirror.api.admin("clock", freeze=True)
    for number in range(10):
        for id in mirror.ids("products"):
            mirror.api.admin("update", collection="products", id=id, set={"name": f"name {number}"})
    mirror.api.admin("clock", run=True)
    mirror.await_truth()
    assert {data["name"] for data in mirror.records("product").values()} == {"name 9"}


def test_after_the_feed_lost_its_place_everything_is_read_again_and_deletes_are_found(mirror):
    truth.fill(mirror.api, 300)
    mirror.start(*truth.OBJECTS).backfilled()
    mirror.await_truth()
    assert mirror.db.value("SELECT sequin.pause_sync('truth') ->> 'status'") == "disabled"
    changed, gone = mirror.ids()[:2]
    mirror.api.admin("update", collection="customers", id=changed, set={"name": "changed unseen"})
    mirror.api.admin("delete", collection="customers", id=gone)
    mirror.api.admin("changes", count=30, seed=3, mix={
        "update": 1, "collections": {"invoices": 1, "subscriptions": 1, "subscription_items": 1}})
    mirror.api.admin("clock", advance=31 * 86400)
    mirror.db.execute("SELECT sequin.resume_sync('truth')")
    mirror.await_truth()
    assert mirror.events_of(gone) == ["created", "deleted"]


def test_a_sweep_that_misses_too_much_deletes_nothing_and_says_so(mirror):
    mirror.api.admin("load", collection="customers", count=100)
    sweep = {"kind": "sweep", "every": "1s", "max_ratio": 0.05, "verify": True}
    mirror.start("customer", collections={"customer": {"deletes": [{"kind": "feed"}, sweep]}}).backfilled()
    gone = mirror.ids()[:40]
    for id in gone:
        mirror.api.admin("delete", collection="customers", id=id, events=False)
    mirror.wait_for_note("sweep_refused")
    assert len(mirror.records()) == 100

    for id in gone[2:]:
        mirror.api.admin("create", collection="customers", id=id + "x")
    mirror.db.wait_for("SELECT count(*) = 138 FROM sequin.records WHERE NOT deleted")
    assert set(gone) <= set(mirror.records()), "the share is what counts"


def test_a_sweep_finds_what_was_deleted_without_an_event(mirror):
    mirror.api.admin("load", collection="customers", count=100)
    sweep = {"kind": "sweep", "every": "1s", "max_ratio": 0.05, "verify": True}
    mirror.start("customer", collections={"customer": {"deletes": [{"kind": "feed"}, sweep]}}).backfilled()
    for id in mirror.ids()[:4]:
        mirror.api.admin("delete", collection="customers", id=id, events=False)
    mirror.await_truth()


def test_paging_in_a_circle_is_noticed_and_the_collection_starts_again(mirror):
    mirror.api.admin("load", collection="customers", count=450, same_second=True)
    mirror.api.admin("faults", {"kind": "repeat_page", "match": {"path": "/v1/customers", "nth": 2}})
    mirror.start("customer")
    mirror.wait_for_note("paging_loop")
    # by itself it would start again in a minute
    mirror.refresh()
    mirror.await_truth()
    mirror.wait_for_no_note("paging_loop")


def test_a_page_that_is_too_large_is_asked_for_with_half_the_size(mirror):
    mirror.api.admin("load", collection="customers", count=150)
    mirror.api.admin("faults", {"kind": "huge", "mb": 3, "match": {"path": "/v1/customers", "regex": "limit=(100|50|25)", "times": 4}})
    mirror.start("customer").backfilled()
    mirror.await_truth()
    sizes = [word for call in mirror.asked("/v1/customers") for word in call["query"].split("&") if word.startswith("limit=")]
    assert sizes[:4] == ["limit=100", "limit=50", "limit=25", "limit=12"]


def test_a_page_of_the_feed_that_is_too_large_is_asked_for_with_half_the_size(mirror):
    mirror.api.admin("load", collection="customers", count=3)
    mirror.start("customer").backfilled()
    mirror.api.admin("faults", {"kind": "huge", "mb": 3, "match": {"path": "/v1/events", "regex": "limit=(100|50)", "times": 2}})
    mirror.api.admin("update", collection="customers", id=mirror.ids()[0], set={"name": "changed"})
    mirror.await_truth()


def test_an_expired_key_pauses_the_sync_and_a_new_one_lets_it_go_on_where_it_stood(mirror):
    mirror.api.admin("load", collection="customers", count=450)
    mirror.api.admin("faults", {"kind": "expired_key", "match": {"path": "/v1/customers", "nth": 4, "times": 0}})
    mirror.start("customer")
    mirror.wait_for_note("api_key_expired")
    before = len(mirror.records())
    asked = len(mirror.asked("/v1/customers"))
    assert 0 < before < 450
    with pytest.raises(Exception, match="cannot be completed"):
        mirror.db.execute("SELECT sequin.wait_for_sync('truth')")
    assert len(mirror.asked("/v1/customers")) == asked, "a dead key is not tried again"

    fresh = "sk_test_truth00000000000002"
    account = mirror.api.admin("settings", {})["account"]
    mirror.api.admin("accounts", add=[{"key": fresh, "account": account}])
    mirror.api.admin("faults", clear=True)
    credential = mirror.db.value("SELECT sequin.get_sync('truth') ->> 'credential_id'")
    mirror.db.execute("SELECT sequin.update_credential(%s, jsonb_build_object('secret', %s::text))", credential, fresh)
    mirror.backfilled()
    mirror.await_truth()
    mirror.wait_for_no_note("api_key_expired")
    assert len(mirror.asked("/v1/customers")) - asked <= 10, "what was read is not read again"


def long_invoice(api, lines=15):
    """An invoice whose document does not carry all its lines."""
    invoice = api.admin("create", collection="invoices")["id"]
    for _ in range(lines):
        api.admin("create", collection="invoice_line_items", parent=invoice)
    return invoice


def crash(mirror, cluster):
    """Kills the engine, and with it all connections; returns when there is a new one."""
    killed = wait_for_process(cluster, "sequin engine")
    cluster.kill_process(killed)
    wait_until(lambda: wait_for_process(cluster, "sequin engine") != killed, what="another engine")
    mirror.db.connection = connected(cluster, mirror.db.name)


def deleted(mirror):
    return mirror.db.value("SELECT count(*) FROM sequin.events WHERE event = 'deleted'")


def test_a_child_that_cannot_be_stored_is_not_taken_for_deleted_and_is_read_again_with_the_others(mirror):
    invoice = long_invoice(mirror.api)
    mirror.start("invoice", "invoice_line_item").backfilled()
    mirror.api.admin("faults", {"kind": "nul", "record": 3, "match": {"regex": "/lines", "times": 0}})
    mirror.api.admin("create", collection="invoice_line_items", parent=invoice)
    mirror.db.wait_for("SELECT EXISTS (SELECT FROM sequin.sync_errors WHERE collection_id = 'stripe:invoice_line_item')")
    mirror.api.admin("faults", clear=True)
    mirror.refresh()
    mirror.await_truth()
    mirror.db.wait_for("SELECT NOT EXISTS (SELECT FROM sequin.sync_errors)")
    assert deleted(mirror) == 0


def test_children_whose_paging_goes_in_a_circle_are_not_taken_for_deleted(mirror):
    invoice = long_invoice(mirror.api)
    mirror.start("invoice", "invoice_line_item").backfilled()
    mirror.api.admin("faults", {"kind": "empty_page", "match": {"regex": "/lines"}})
    mirror.api.admin("create", collection="invoice_line_items", parent=invoice)
    mirror.wait_for_note("paging_loop")
    mirror.refresh()
    mirror.await_truth()
    assert deleted(mirror) == 0


def test_children_of_a_parent_that_went_away_meanwhile_go_with_it(mirror):
    invoice = long_invoice(mirror.api)
    mirror.api.admin("faults", {"kind": "slow", "seconds": 2, "match": {"regex": "/v1/invoices\\?"}})
    mirror.start("invoice", "invoice_line_item")
    wait_until(lambda: mirror.asked("/v1/invoices"), what="the list is asked for")
    mirror.api.admin("delete", collection="invoices", id=invoice)
    mirror.backfilled()
    mirror.await_truth()


def test_an_answer_with_records_that_were_not_asked_for_is_asked_for_again(mirror):
    mirror.api.admin("load", collection="customers", count=1000, spread_days=6000)
    # the fourth call is for a newer range; the page before was an older one's
    mirror.api.admin("faults", {"kind": "repeat_page", "match": {"path": "/v1/customers", "nth": 4}})
    mirror.start("customer").backfilled()
    mirror.await_truth()
    assert [fault["fired"] for fault in mirror.api.admin("faults", {})["faults"]] == [1]


def test_a_sweep_that_a_crash_cut_short_does_not_take_what_it_had_seen_for_deleted(mirror, cluster):
    mirror.api.admin("load", collection="coupons", count=900)
    sweep = {"kind": "sweep", "every": "1s", "max_ratio": 1.0, "verify": False}
    mirror.start("coupon", collections={"coupon": {"deletes": [{"kind": "feed"}, sweep]}}).backfilled()
    mirror.api.admin("latency", seconds=0.3)
    mirror.db.wait_for("SELECT checkpoint ->> 'kind' = 'sweep' FROM sequin._progress")
    crash(mirror, cluster)
    before = mirror.db.value("SELECT checkpoint ->> 'swept' FROM sequin._progress")
    mirror.api.admin("latency", seconds=0)
    mirror.db.wait_for("SELECT checkpoint ->> 'swept' > %s FROM sequin._progress", before)
    assert deleted(mirror) == 0
    mirror.await_truth()


def test_a_crash_after_the_feed_was_placed_anew_does_not_spare_the_reading_of_everything(mirror, cluster):
    mirror.api.admin("load", collection="customers", count=300)
    mirror.start("customer").backfilled()
    mirror.db.execute("SELECT sequin.pause_sync('truth')")
    gone = mirror.ids()[0]
    mirror.api.admin("delete", collection="customers", id=gone)
    mirror.api.admin("clock", advance=31 * 86400)
    mirror.api.admin("faults", {"kind": "hang", "match": {"path": "/v1/customers", "times": 0}})
    mirror.db.execute("SELECT sequin.resume_sync('truth')")
    wait_until(lambda: any(call["fault"] == "hang" for call in mirror.asked("/v1/customers")), what="it reads again")
    crash(mirror, cluster)
    mirror.api.admin("faults", clear=True)
    mirror.api.admin("release")
    mirror.await_truth()
    assert mirror.events_of(gone) == ["created", "deleted"]
