// One complete reading of a list. See walk.h.
// Scope: engine.
#include "engine/walk.h"

#include <algorithm>

#include "core/json.h"
#include "core/paging.h"
#include "core/time.h"
#include "engine/collection_task.h"

namespace sequin::engine {
namespace {

// A walk that is not sliced is a plan of one range that is never cut.
SlicePlan fresh_plan(const WalkPlan &plan, int64_t now_us) {
	if (!plan.is_sliced)
		return SlicePlan::whole(0, 1, 1);
	const SliceSpec &slice = *plan.spec->slice;
	return SlicePlan::whole(plan.from_us.value_or(slice.start_us),
	                        plan.to_us.value_or(now_us + 1000000), slice.min_span_us);
}

}  // namespace

Walk::Walk(Sync &sync, WalkPlan plan, const std::string &saved, Hooks hooks)
	: sync_(sync), plan_(std::move(plan)), hooks_(std::move(hooks)), size_(plan_.spec->paging.size),
	  started_us_(sync.house().now_us()) {
	if (saved.empty()) {
		slices_ = fresh_plan(plan_, started_us_);
		return;
	}
	const Json state = Json::parse(saved);
	slices_ = SlicePlan::decode(state.get("slices").dump());
	started_us_ = state.get("started").as_integer();
	if (state.get("from").is_integer())
		plan_.from_us = state.get("from").as_integer();
	if (state.get("to").is_integer())
		plan_.to_us = state.get("to").as_integer();
}

Walk::~Walk() {
	sync_.cancel(&timer_);
}

std::string Walk::encode() const {
	Json state = Json::object();
	state.set("slices", Json::parse(slices_.encode()));
	state.set("started", Json::integer(started_us_));
	if (plan_.from_us)
		state.set("from", Json::integer(*plan_.from_us));
	if (plan_.to_us)
		state.set("to", Json::integer(*plan_.to_us));
	return state.dump();
}

void Walk::pump() {
	if (timer_ != 0 || is_void_ || sync_.is_stopped())
		return;
	if (plan_.priority == http::Priority::kBackfill && !sync_.house().may_backfill()) {
		wait_and_pump(30 * 1000000LL);
		return;
	}
	while (static_cast<int>(slices_.in_flight()) < plan_.concurrency) {
		const std::optional<Slice> slice = slices_.take();
		if (!slice)
			return;
		send(*slice);
	}
}

void Walk::send(const Slice &slice) {
	const CollectionSpec &spec = *plan_.spec;
	const PagingSpec &paging = spec.paging;
	CallSpec call;
	call.method = spec.method;
	call.path = spec.path;
	call.query = &spec.query;
	call.more_query = plan_.query;
	call.body = spec.body;
	if (!plan_.parent.empty())
		call.names["parent.key"] = plan_.parent;
	const bool follows_url = paging.kind == PagingKind::kNextUrl && !slice.position.after.empty();
	if (follows_url) {
		call.path = slice.position.after;
		call.is_link = true;
		call.query = call.more_query = nullptr;
	} else {
		if (plan_.is_sliced) {
			call.set.emplace_back(spec.slice->from, format_time(slice.from_us, spec.slice->as));
			call.set.emplace_back(spec.slice->to, format_time(slice.to_us, spec.slice->as));
		}
		if (plan_.from_us && plan_.bound_from.place != Into::Place::kNowhere)
			call.set.emplace_back(plan_.bound_from, format_time(*plan_.from_us, plan_.bound_as));
		if (plan_.to_us && plan_.bound_to.place != Into::Place::kNowhere)
			call.set.emplace_back(plan_.bound_to, format_time(*plan_.to_us, plan_.bound_as));
		if (paging.size_into.place != Into::Place::kNowhere && size_ > 0)
			call.set.emplace_back(paging.size_into, std::to_string(size_));
		if (paging.kind == PagingKind::kPage || paging.kind == PagingKind::kOffset) {
			const int64_t number = slice.position.is_first ? paging.first : slice.position.number;
			call.set.emplace_back(paging.into, std::to_string(number));
		} else if (!slice.position.after.empty()) {
			call.set.emplace_back(paging.into, slice.position.after);
		}
	}
	const int asked_size = size_;
	sync_.call(
		call_kind(), plan_.collection, plan_.priority, std::move(call),
		[this, life = std::weak_ptr<char>(life_), slice, asked_size](http::Response &&response) {
			if (!life.expired() && !is_void_)
				on_answer(slice, asked_size, std::move(response));
		});
}

void Walk::on_answer(const Slice &slice, int asked_size, http::Response &&response) {
	store::OpenPage page(sync_.manifest(), call_kind(), response, plan_.spec_json,
	                     plan_.spec->records, plan_.parent, sync_.house().now_us());
	if (page.verdict().error_class == ErrorClass::kNone)
		on_page(slice, asked_size, response, page);
	else
		on_trouble(slice, page.verdict());
}

CallKind Walk::call_kind() const noexcept {
	return plan_.parent.empty() ? CallKind::kList : CallKind::kChildren;
}

bool Walk::needs_touch() const {
	return sync_.rereads_under_way(plan_.collection);
}

// Records that a range was not asked for: the answer is another question's, and proves nothing
// about this one.
bool Walk::is_outside(const Slice &slice, const PageFacts &facts) const noexcept {
	if (!plan_.is_sliced || !facts.min_time_us || !facts.max_time_us)
		return false;
	const int64_t grain = plan_.spec->slice->min_span_us;
	return *facts.min_time_us < slice.from_us - slice.from_us % grain ||
	       *facts.max_time_us >= slice.to_us;
}

// The next call goes out before this page is applied, so that the API works meanwhile; what it
// brings cannot be read before this page is committed.
void Walk::on_page(const Slice &slice, int asked_size, const http::Response &response,
                   store::OpenPage &page) {
	const PageFacts &facts = page.facts();
	const std::string *link = response.header("link");
	const PageDecision decision = next_page(plan_.spec->paging, slice.position, facts,
	                                        link ? link_next(*link) : std::string(), asked_size);
	if (decision.verdict == PageVerdict::kLoop) {
		page.give_up();
		is_void_ = true;
		hooks_.is_void(decision.reason);
		return;
	}
	if (is_outside(slice, facts)) {
		page.give_up();
		Verdict verdict;
		verdict.error_class = ErrorClass::kRetry;
		verdict.code = "outside_range";
		verdict.message = "The API's answer has records of a time that was not asked for.";
		on_trouble(slice, verdict);
		return;
	}
	attempts_ = 0;
	const bool more = decision.verdict == PageVerdict::kMore;
	const PagingKind kind = plan_.spec->paging.kind;
	// Where the position belongs to the query it was asked with, a range cannot be cut.
	const bool is_free = kind == PagingKind::kAfterLastRecord || kind == PagingKind::kKeyset;
	const bool may_split =
		plan_.is_sliced && is_free &&
		static_cast<int>(slices_.in_flight() + slices_.waiting()) <= plan_.concurrency;
	slices_.finish(slice.id, more, decision.next, facts.last_time_us, may_split);
	const bool counts_pages = kind == PagingKind::kPage || kind == PagingKind::kOffset;
	if (size_ < plan_.spec->paging.size && !counts_pages)
		size_ = std::min(plan_.spec->paging.size, size_ * 2);
	pump();
	sync_.house().send_now();
	store::Applied applied = page.apply_list(sync_.target(plan_.collection, plan_.origin),
	                                         plan_.parent, needs_touch(), plan_.is_sweep);
	if (!plan_.parent.empty())
		for (const std::string &key : page.keys(plan_.parent))
			seen_keys_.push_back(key);
	hooks_.save(applied, facts);
	page.commit();
	if (applied.changed > 0)
		sync_.house().appended(applied);
	hooks_.committed(applied);
	if (slices_.is_done())
		hooks_.done();
}

void Walk::on_trouble(const Slice &slice, const Verdict &verdict) {
	const std::string part = plan_.spec->id;
	if (verdict.error_class == ErrorClass::kTooMany && size_ > 1) {
		size_ = std::max(1, size_ / 2);
		// Page numbers mean other rows at another size: such a walk begins again.
		if (plan_.spec->paging.kind == PagingKind::kPage)
			slices_.finish(slice.id, true, PagePosition{}, std::nullopt, false);
		else
			slices_.put_back(slice.id);
		pump();
		return;
	}
	if (verdict.error_class == ErrorClass::kCursorExpired && !slice.position.is_first) {
		// What was read so far is applied; reading it again changes nothing.
		slices_.finish(slice.id, true, PagePosition{}, std::nullopt, false);
		pump();
		return;
	}
	if (verdict.error_class == ErrorClass::kRecordGone && !plan_.parent.empty()) {
		// The parent is gone: it has no children.
		slices_.finish(slice.id, false, PagePosition{}, std::nullopt, false);
		seen_keys_.clear();
		hooks_.done();
		return;
	}
	slices_.put_back(slice.id);
	const int64_t delay = sync_.trouble(part, plan_.spec->path, verdict, ++attempts_);
	if (delay >= 0)
		wait_and_pump(delay);
}

void Walk::wait_and_pump(int64_t delay_us) {
	if (timer_ != 0)
		return;
	timer_ = sync_.at(sync_.house().now_us() + delay_us, [this] {
		timer_ = 0;
		pump();
	});
}

}  // namespace sequin::engine
