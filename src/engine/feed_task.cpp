// One stream of changes. See feed_task.h.
// Scope: engine.
#include "engine/feed_task.h"

#include <algorithm>
#include <functional>

#include "core/json.h"
#include "core/template.h"
#include "core/time.h"
#include "engine/collection_task.h"

namespace sequin::engine {
namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr int64_t kLookBackEveryUs = 60 * kSecondUs;
constexpr size_t kMostSeen = 20000;

uint64_t hash_of(const std::string &id) {
	return std::hash<std::string>()(id);
}

// Our clock minus the provider's, by its Date header; within the header's own grain it counts as
// none.
int64_t clock_offset(const http::Response &response) {
	const std::string *date = response.header("date");
	const auto theirs = date ? parse_http_date(*date) : std::nullopt;
	if (!theirs)
		return 0;
	const int64_t offset =
		(response.sent_at_us + response.done_at_us) / 2 - *theirs - kSecondUs / 2;
	return std::abs(offset) < 3 * kSecondUs / 2 ? 0 : offset;
}

}  // namespace

FeedTask::FeedTask(Sync &sync, const FeedSpec &spec, const std::string &saved)
	: sync_(sync), spec_(spec), size_(spec.paging.size) {
	const auto setting = [&](std::string_view name) -> std::optional<std::string> {
		if (name.substr(0, 9) != "settings.")
			return std::nullopt;
		const auto &settings = sync.row().access.settings;
		const auto it = settings.find(std::string(name.substr(9)));
		return it == settings.end() ? std::nullopt : std::optional<std::string>(it->second);
	};
	spec_json_ =
		store::feed_spec(sync.manifest(), spec, fill(spec.trust_equals, Place::kPlain, setting));
	if (saved.empty())
		return;
	const Json state = Json::parse(saved);
	id_ = state.get("id").as_string();
	time_us_ = state.get("time").as_integer();
	since_us_ = state.get("since").as_integer();
	polled_us_ = state.get("polled").as_integer();
	reconcile_ = state.has("reconcile");
	is_placed_ = true;
}

FeedTask::~FeedTask() {
	sync_.cancel(&timer_);
}

std::string FeedTask::encode() const {
	Json state = Json::object();
	state.set("id", Json::string(id_));
	state.set("time", Json::integer(time_us_));
	state.set("since", Json::integer(since_us_));
	state.set("polled", Json::integer(polled_us_));
	if (reconcile_)
		state.set("reconcile", Json::boolean(true));
	return state.dump();
}

void FeedTask::start() {
	Json routes = Json::object();
	for (const store::CollectionRow &row : sync_.row().collections) {
		const CollectionTask *task = sync_.task(row.collection);
		if (task == nullptr || task->spec().incremental.feed != spec_.name)
			continue;
		Json route = Json::object();
		route.set("collection", Json::integer(row.collection));
		route.set("spec", Json::parse(task->spec_json()));
		Json children = Json::array();
		for (const store::CollectionRow &other : sync_.row().collections) {
			const CollectionTask *child = sync_.task(other.collection);
			if (child == nullptr || !child->spec().parent ||
			    child->spec().parent->collection != task->spec().object)
				continue;
			Json entry = Json::object();
			entry.set("collection", Json::integer(other.collection));
			entry.set("embedded", Json::parse(store::embedded_spec(*child->spec().parent)));
			children.append(entry);
		}
		route.set("children", children);
		for (const std::string &type : task->spec().incremental.types)
			routes.set(type, route);
	}
	routes_ = routes.dump();
	if (is_placed_ && reconcile_)
		sync_.at(0, [this] { reconcile(); });
	if (!is_placed_)
		ask(Mode::kPlace);
	else if (sync_.house().now_us() - polled_us_ > spec_.retention_us)
		lost();
	else
		in(0, id_.empty() ? Mode::kSince : Mode::kForward);
}

void FeedTask::poll_now() {
	must_look_back_ = true;
	if (is_placed_ && !is_asking_ && timer_ == 0)
		in(0, id_.empty() ? Mode::kSince : Mode::kForward);
}

void FeedTask::in(int64_t delay_us, Mode mode) {
	sync_.cancel(&timer_);
	timer_ = sync_.at(sync_.house().now_us() + delay_us, [this, mode] {
		timer_ = 0;
		ask(mode);
	});
}

void FeedTask::ask(Mode mode) {
	CallSpec call;
	call.path = spec_.path;
	call.query = &spec_.query;
	const int64_t size = mode == Mode::kPlace ? 1 : size_;
	if (spec_.paging.size_into.place != Into::Place::kNowhere)
		call.set.emplace_back(spec_.paging.size_into, std::to_string(size));
	if (mode == Mode::kForward)
		call.set.emplace_back(spec_.paging.newer_into, id_);
	if (mode == Mode::kSince || mode == Mode::kLookBack) {
		const int64_t from = (mode == Mode::kSince ? since_us_ : time_us_) - spec_.overlap_us;
		call.set.emplace_back(spec_.since, format_time(from, spec_.since_as));
		if (!position_.after.empty())
			call.set.emplace_back(spec_.paging.into, position_.after);
	}
	is_asking_ = true;
	asked_at_us_ = sync_.house().now_us();
	sync_.call(CallKind::kFeed, 0, http::Priority::kLive, std::move(call),
	           [this, mode](http::Response &&response) { on_answer(mode, std::move(response)); });
}

void FeedTask::on_answer(Mode mode, http::Response &&response) {
	is_asking_ = false;
	store::OpenPage page(sync_.manifest(), CallKind::kFeed, response, spec_json_, spec_.records, {},
	                     sync_.house().now_us());
	if (page.verdict().error_class == ErrorClass::kNone)
		on_page(mode, response, page);
	else
		on_trouble(mode, page.verdict());
}

std::vector<std::string> FeedTask::unseen(const std::vector<store::OpenPage::FeedEvent> &events) {
	std::vector<std::string> fresh;
	for (const auto &event : events)
		if (!seen_.count(hash_of(event.id)))
			fresh.push_back(event.id);
	return fresh;
}

// What is older than the overlap is never looked at again.
void FeedTask::remember(const std::vector<store::OpenPage::FeedEvent> &events) {
	const int64_t now = sync_.house().now_us();
	for (const auto &event : events)
		if (seen_.insert(hash_of(event.id)).second)
			seen_order_.emplace_back(now, hash_of(event.id));
	while (!seen_order_.empty() &&
	       (seen_order_.size() > kMostSeen ||
	        seen_order_.front().first < now - spec_.overlap_us - 2 * kLookBackEveryUs)) {
		seen_.erase(seen_order_.front().second);
		seen_order_.pop_front();
	}
}

void FeedTask::on_page(Mode mode, const http::Response &response, store::OpenPage &page) {
	const std::vector<store::OpenPage::FeedEvent> events = page.feed_events(spec_json_);
	attempts_ = 0;
	polled_us_ = sync_.house().now_us();
	if (mode == Mode::kPlace) {
		place(events, response.sent_at_us);
		store::save_feed(sync_.row().key, spec_.name, encode());
		page.commit();
		sync_.feed_positioned(spec_.name);
		if (reconcile_)
			reconcile();
		in(spec_.poll.active_us, id_.empty() ? Mode::kSince : Mode::kForward);
		return;
	}
	const PageDecision decision =
		next_page(spec_.paging, position_, page.facts(), {}, static_cast<int>(size_),
	              mode == Mode::kForward ? Direction::kNewer : Direction::kOlder);
	size_ = std::min<int64_t>(size_ * 2, spec_.paging.size);
	const std::vector<std::string> fresh = unseen(events);
	std::vector<int16_t> changed;
	store::Applied applied;
	if (!fresh.empty())
		applied = page.apply_feed(sync_.target(0, 'l'), spec_json_, routes_, fresh,
		                          clock_offset(response), spec_.granularity_us, &changed);
	if (!events.empty() && mode == Mode::kForward) {
		id_ = events.front().id;
		time_us_ = std::max(time_us_, events.front().happened_us);
	} else if (!events.empty() && mode == Mode::kSince && newest_id_.empty()) {
		newest_id_ = events.front().id;
		newest_us_ = events.front().happened_us;
	}
	// The walk since the beginning is proved complete only at its end.
	if (mode == Mode::kSince && decision.verdict == PageVerdict::kDone && !newest_id_.empty()) {
		id_ = newest_id_;
		time_us_ = newest_us_;
	}
	if (!events.empty())
		store::save_feed(sync_.row().key, spec_.name, encode());
	page.commit();
	remember(events);
	if (applied.changed > 0)
		sync_.house().appended(applied);
	if (!fresh.empty())
		sync_.children_follow();
	if (applied.rereads > 0)
		sync_.rereads_added();
	sync_.recovered("feed:" + spec_.name);
	note_slowness(asked_at_us_, response.sent_at_us);
	go_on(mode, decision, !fresh.empty());
}

void FeedTask::place(const std::vector<store::OpenPage::FeedEvent> &events, int64_t sent_us) {
	id_ = events.empty() ? "" : events.front().id;
	time_us_ = events.empty() ? 0 : events.front().happened_us;
	since_us_ = sent_us;
	is_placed_ = true;
}

void FeedTask::go_on(Mode mode, const PageDecision &decision, bool found) {
	if (decision.verdict == PageVerdict::kLoop) {
		sync_.note("feed:" + spec_.name, "error", "paging_loop",
		           "The feed's paging went in a circle: " + decision.reason,
		           "Tell the provider, or correct the manifest's paging.");
		position_ = PagePosition{};
		in(kLookBackEveryUs, mode);
		return;
	}
	if (decision.verdict == PageVerdict::kMore) {
		position_ = mode == Mode::kForward ? PagePosition{} : decision.next;
		ask(mode);
		return;
	}
	position_ = PagePosition{};
	newest_id_.clear();
	if (mode == Mode::kLookBack || id_.empty())
		must_look_back_ = false;
	if (mode == Mode::kLookBack)
		looked_back_us_ = sync_.house().now_us();
	if (!must_look_back_)
		sync_.pass_done(this);
	schedule(found);
}

void FeedTask::schedule(bool found) {
	quiet_us_ = found ? spec_.poll.active_us
	                  : std::clamp(quiet_us_ * 2, spec_.poll.active_us, spec_.poll.quiet_us);
	const int64_t now = sync_.house().now_us();
	const bool may_be_late =
		!id_.empty() && now - time_us_ < spec_.overlap_us + 2 * kLookBackEveryUs;
	if (may_be_late && looked_back_us_ == 0)
		looked_back_us_ = now;
	if (must_look_back_ || (may_be_late && now - looked_back_us_ >= kLookBackEveryUs)) {
		in(0, Mode::kLookBack);
		return;
	}
	const int64_t delay = sync_.row().frequency_us > 0 ? sync_.row().frequency_us : quiet_us_;
	sync_.feed_is_true(spec_.name, polled_us_, now + delay);
	in(delay, id_.empty() ? Mode::kSince : Mode::kForward);
}

void FeedTask::on_trouble(Mode mode, const Verdict &verdict) {
	if (verdict.error_class == ErrorClass::kRetentionLost ||
	    (verdict.error_class == ErrorClass::kCursorExpired && mode == Mode::kForward)) {
		lost();
		return;
	}
	if (verdict.error_class == ErrorClass::kCursorExpired) {
		position_ = PagePosition{};
		in(kSecondUs, mode);
		return;
	}
	if (verdict.error_class == ErrorClass::kTooMany && mode != Mode::kPlace && size_ > 1) {
		size_ = std::max<int64_t>(1, size_ / 2);
		ask(mode);
		return;
	}
	// One event that cannot be read: the lists tell what it would have told.
	if (verdict.error_class == ErrorClass::kTooMany && mode == Mode::kForward) {
		lost();
		return;
	}
	const int64_t delay = sync_.trouble("feed:" + spec_.name, spec_.path, verdict, ++attempts_);
	if (delay >= 0)
		in(delay, mode);
}

// The feed no longer reaches back to where we stood: take a new place, then read everything again.
void FeedTask::lost() {
	sync_.note("feed:" + spec_.name, "warn", "retention_lost",
	           "The feed no longer reaches back to the last position, so everything is read again.",
	           "Nothing needs to be done; the note ends when the collections are complete.");
	id_.clear();
	position_ = PagePosition{};
	is_placed_ = false;
	reconcile_ = true;
	in(0, Mode::kPlace);
}

// The wish is on disk until every collection has put down that it begins again.
void FeedTask::reconcile() {
	sync_.reconcile(spec_.name);
	reconcile_ = false;
	pg::Transaction transaction;
	store::save_feed(sync_.row().key, spec_.name, encode());
	transaction.commit();
}

// A limit that leaves no room for the feed makes changes late; say so.
void FeedTask::note_slowness(int64_t wanted_us, int64_t sent_us) {
	const bool is_slow =
		sent_us - wanted_us > std::max<int64_t>(10 * kSecondUs, 4 * spec_.poll.active_us);
	if (is_slow == is_slow_noted_)
		return;
	is_slow_noted_ = is_slow;
	if (is_slow)
		sync_.note("rate_limit", "warn", "feed_slowed",
		           "The rate limit leaves too little room for the feed: changes arrive late.",
		           "Raise rate_limit by sequin.update_sync().");
	else
		sync_.recovered("rate_limit");
}

}  // namespace sequin::engine
