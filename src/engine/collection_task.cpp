// One collection of a sync. See collection_task.h.
// Scope: engine.
#include "engine/collection_task.h"

#include <algorithm>

#include "core/json.h"
#include "engine/child_task.h"

namespace sequin::engine {
namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr int kSlicesAtOnce = 4;
constexpr const char *kKindNames[] = {"backfill", "pass", "relist", "sweep"};

int64_t number_or_zero(const Json &object, const char *name) {
	return object.get(name).is_integer() ? object.get(name).as_integer() : 0;
}

}  // namespace

CollectionTask::CollectionTask(Sync &sync, const CollectionSpec &spec,
                               const store::CollectionRow &row)
	: sync_(sync), spec_(spec), collection_(row.collection),
	  spec_json_(store::collection_spec(sync.manifest(), spec, sync.row().exclude_fields)),
	  is_backfilled_(row.is_backfilled),
	  live_(pg::claim_live_entry(sync.row().key, row.collection)) {
	read_checkpoint(row.checkpoint);
	if (spec.parent)
		child_ = std::make_unique<ChildTask>(sync, *this);
}

CollectionTask::~CollectionTask() {
	pg::release_live_entry(live_);
	sync_.cancel(&timer_);
}

void CollectionTask::start() {
	if (child_) {
		child_->start();
		return;
	}
	if (!saved_walk_.empty()) {
		if (is_sweeping(saved_kind_) && !has_seen_keys())
			saved_walk_.clear();
		begin(saved_kind_, saved_walk_);
	} else if (!is_backfilled_) {
		const bool waits_for_feed = spec_.incremental.mode == IncrementalMode::kFeed &&
		                            !sync_.has_feed_position(spec_.incremental.feed);
		if (!waits_for_feed)
			begin(Kind::kBackfill, {});
	} else {
		schedule();
	}
}

void CollectionTask::feed_is_positioned() {
	if (!walk_ && !child_ && !is_backfilled_)
		begin(Kind::kBackfill, {});
}

void CollectionTask::begin_again() {
	if (child_) {
		// No event may tell of a child that changed: all parents are followed anew.
		parent_seq_ = 0;
		save_now(is_backfilled_ ? "live" : "backfill");
		child_->pump();
		return;
	}
	walk_.reset();
	sync_.cancel(&timer_);
	is_backfilled_ = false;
	sweep_after_ = true;
	begin(Kind::kBackfill, {});
	if (walk_)
		save_now(phase());
}

// A crash of the server empties the table of keys seen; then the sweep starts again.
bool CollectionTask::has_seen_keys() const {
	pg::Transaction transaction;
	const bool has_keys = store::has_sweep(sync_.row().key, collection_);
	transaction.commit();
	return has_keys;
}

void CollectionTask::save_now(const char *phase) {
	pg::Transaction transaction;
	save(phase, {}, 0);
	transaction.commit();
}

void CollectionTask::pass_now() {
	pass_wanted_ = true;
	if (!walk_ && is_backfilled_)
		schedule();
}

void CollectionTask::known_true_at(int64_t at_us, int64_t next_run_us) {
	if (live_ == nullptr || !is_backfilled_)
		return;
	live_->true_at_us = at_us;
	live_->next_run_us = next_run_us;
}

// Records a second over about the last second, while a walk is under way.
void CollectionTask::rate(int64_t records) {
	if (live_ == nullptr)
		return;
	const int64_t now = sync_.house().now_us();
	rated_records_ += records;
	if (rated_at_us_ == 0)
		rated_at_us_ = now;
	if (now - rated_at_us_ < kSecondUs)
		return;
	live_->records_per_second =
		static_cast<double>(rated_records_) * kSecondUs / static_cast<double>(now - rated_at_us_);
	rated_at_us_ = now;
	rated_records_ = 0;
}

bool CollectionTask::has_passes() const noexcept {
	const IncrementalMode mode = spec_.incremental.mode;
	const bool polls = mode == IncrementalMode::kFilter || mode == IncrementalMode::kRelist;
	return !child_ && (polls || spec_.relist_every_us > 0 || !is_backfilled_);
}

bool CollectionTask::is_idle() const noexcept {
	return !child_ || child_->is_idle();
}

void CollectionTask::parent_changed() {
	if (child_)
		child_->pump();
}

WalkPlan CollectionTask::plan(Kind kind) const {
	WalkPlan plan;
	plan.spec = &spec_;
	plan.spec_json = spec_json_;
	plan.collection = collection_;
	const int64_t now = sync_.house().now_us();
	const IncrementalSpec &incremental = spec_.incremental;
	switch (kind) {
	case Kind::kBackfill:
	case Kind::kSweep:
		plan.origin = kind == Kind::kSweep ? 's' : 'b';
		plan.priority = kind == Kind::kSweep ? http::Priority::kSweep : http::Priority::kBackfill;
		plan.is_sweep = is_sweeping(kind);
		plan.is_sliced = spec_.slice.has_value();
		// A sweep must see everything, so only a backfill is cut short by the age limit.
		if (plan.is_sliced && kind == Kind::kBackfill && sync_.row().max_age_days && !spec_.version)
			plan.from_us =
				std::max(spec_.slice->start_us,
			             now - static_cast<int64_t>(*sync_.row().max_age_days * 86400e6));
		break;
	case Kind::kRelist:
		plan.origin = 'l';
		plan.priority = http::Priority::kSweep;
		plan.is_sliced = spec_.slice.has_value();
		if (plan.is_sliced && spec_.relist_window_us > 0)
			plan.from_us = now - spec_.relist_window_us;
		break;
	case Kind::kPass:
		plan.origin = 'l';
		plan.priority = http::Priority::kLive;
		if (incremental.mode == IncrementalMode::kFilter) {
			const int64_t granule = incremental.exclusive ? incremental.granularity_us : 0;
			plan.from_us = mark_us_ - incremental.overlap_us - granule;
			plan.to_us = now - incremental.lag_us;
			plan.bound_from = incremental.from;
			plan.bound_to = incremental.to;
			plan.bound_as = incremental.as;
			plan.query = &incremental.query;
		}
		break;
	}
	plan.concurrency = plan.is_sliced ? kSlicesAtOnce : 1;
	return plan;
}

void CollectionTask::begin(Kind kind, const std::string &saved) {
	sync_.cancel(&timer_);
	kind_ = kind;
	const int64_t now = sync_.house().now_us();
	if (saved.empty()) {
		if (kind == Kind::kBackfill)
			backfill_from_us_ = now;
		max_seen_us_ = 0;
		pass_to_us_ = now - spec_.incremental.lag_us;
		is_active_ = false;
		if (is_sweeping(kind)) {
			pg::Transaction transaction;
			store::begin_sweep(sync_.row().key, collection_);
			transaction.commit();
		}
	}
	Walk::Hooks hooks;
	hooks.save = [this](const store::Applied &applied, const PageFacts &facts) {
		page_applied(facts);
		if (applied.changed > 0)
			is_active_ = true;
		// A poll that found nothing writes nothing.
		if (kind_ != Kind::kPass || applied.changed > 0 || applied.set_aside > 0)
			save(phase(), applied);
	};
	hooks.committed = [this](const store::Applied &applied) {
		rate(applied.rows);
		after_commit(applied);
	};
	hooks.done = [this] { walk_done(); };
	hooks.is_void = [this](const std::string &reason) { walk_void(reason); };
	walk_ = std::make_unique<Walk>(sync_, plan(kind), saved, std::move(hooks));
	saved_walk_.clear();
	walk_->pump();
	if (walk_ && walk_->is_done())
		walk_done();  // an empty range
}

void CollectionTask::page_applied(const PageFacts &facts) {
	if (facts.max_time_us)
		max_seen_us_ = std::max(max_seen_us_, *facts.max_time_us);
}

void CollectionTask::after_commit(const store::Applied &applied) {
	if (applied.changed > 0)
		sync_.collection_changed(collection_);
	if (applied.set_aside > 0)
		sync_.note(spec_.id, "warn", "records_set_aside",
		           "Some records could not be stored and were set aside; see sequin.sync_errors.",
		           "Look at the reason there; the records are read again by themselves.");
}

// The walk is the caller of this; it is destroyed by the timer's turn, not under its own feet.
void CollectionTask::walk_done() {
	sync_.recovered(spec_.id);
	const int64_t now = sync_.house().now_us();
	const bool was_sweep = is_sweeping(kind_);
	const bool first_time = kind_ == Kind::kBackfill && !is_backfilled_;
	const int64_t sweep_started = walk_->started_us();
	std::unique_ptr<Walk> finished = std::move(walk_);
	if (kind_ == Kind::kBackfill) {
		is_backfilled_ = true;
		mark_us_ = backfill_from_us_;
		relisted_at_us_ = swept_at_us_ = passed_at_us_ = now;
		pass_wanted_ = false;
		is_active_ = true;
	} else if (kind_ == Kind::kPass) {
		passed_at_us_ = now;
		pass_wanted_ = false;
		// Proved complete up to the asked bound, which lies behind the provider's lag.
		if (spec_.incremental.mode == IncrementalMode::kFilter)
			mark_us_ = std::max(mark_us_, pass_to_us_);
	} else if (kind_ == Kind::kRelist) {
		relisted_at_us_ = now;
		const IncrementalMode mode = spec_.incremental.mode;
		if (mode != IncrementalMode::kFilter && mode != IncrementalMode::kRelist)
			pass_wanted_ = false;
	}
	pg::Transaction transaction;
	store::Applied swept;
	if (was_sweep) {
		const DeleteSpec *sweep = spec_.deletes_by(DeleteKind::kSweep);
		const store::SweepResult result = store::finish_sweep(
			sync_.target(collection_, 's'), sweep_started, sweep ? sweep->max_ratio : 1.0,
			spec_.get.has_value() && (!sweep || sweep->verify), spec_json_);
		swept = result.applied;
		swept_at_us_ = now;
		sweep_after_ = false;
		store::clear_health(sync_.row().key, spec_.id, "sweep_refused");
		if (result.refused)
			store::set_health(
				sync_.row().key, spec_.id, "warn", "sweep_refused",
				"A sweep found " + std::to_string(result.missing) + " of " +
					std::to_string(result.live) +
					" records missing, more than its limit allows; nothing was deleted.",
				"Check that the credential still sees all records; the next sweep comes at its "
			    "time.");
	}
	const bool quiet_pass = kind_ == Kind::kPass && !is_active_;
	if (!quiet_pass)
		save("live", swept, 0);
	transaction.commit();
	if (swept.changed > 0)
		sync_.house().appended(swept);
	if (was_sweep)
		sync_.rereads_added();
	if (first_time)
		sync_.collection_backfilled();
	if (!pass_wanted_)
		sync_.pass_done(this);
	schedule();
	// `finished` calls us; its frame returns into it.
	finished_ = std::move(finished);
}

void CollectionTask::walk_void(const std::string &reason) {
	sync_.note(spec_.id, "error", "paging_loop", "The API's paging went in a circle: " + reason,
	           "Tell the provider, or correct the manifest's paging; the collection starts again "
	           "in a minute.");
	finished_ = std::move(walk_);
	timer_ = sync_.at(sync_.house().now_us() + 60 * kSecondUs, [this] {
		timer_ = 0;
		begin(kind_, {});
	});
}

void CollectionTask::child_caught_up() {
	if (is_backfilled_)
		return;
	const CollectionTask *parent = nullptr;
	for (const store::CollectionRow &row : sync_.row().collections)
		if (const CollectionTask *task = sync_.task(row.collection))
			if (task->spec().object == spec_.parent->collection)
				parent = task;
	if (parent == nullptr || !parent->is_backfilled())
		return;
	is_backfilled_ = true;
	pg::Transaction transaction;
	save("live", {}, 0);
	transaction.commit();
	sync_.collection_backfilled();
}

int64_t CollectionTask::poll_delay() const {
	if (sync_.row().frequency_us > 0)
		return sync_.row().frequency_us;
	return is_active_ ? spec_.incremental.poll.active_us
	                  : std::max(quiet_us_, spec_.incremental.poll.active_us);
}

// The next thing at its time: a pass, a re-list, a sweep.
void CollectionTask::schedule() {
	sync_.cancel(&timer_);
	if (child_ || !is_backfilled_)
		return;
	const IncrementalSpec &incremental = spec_.incremental;
	const bool polls = incremental.mode == IncrementalMode::kFilter ||
	                   incremental.mode == IncrementalMode::kRelist;
	quiet_us_ = is_active_ ? incremental.poll.active_us
	                       : std::min(std::max(quiet_us_, incremental.poll.active_us) * 2,
	                                  incremental.poll.quiet_us);
	const int64_t now = sync_.house().now_us();
	int64_t due = INT64_MAX;
	if (polls)
		due = pass_wanted_ ? now : passed_at_us_ + poll_delay();
	if (spec_.relist_every_us > 0)
		due = std::min(due, pass_wanted_ && !polls ? now : relisted_at_us_ + spec_.relist_every_us);
	if (const DeleteSpec *sweep = spec_.deletes_by(DeleteKind::kSweep))
		due = std::min(due, swept_at_us_ + sweep->every_us);
	if (live_ != nullptr)
		live_->records_per_second = 0;
	if (polls)
		known_true_at(passed_at_us_, due);
	if (due == INT64_MAX)
		return;
	// After a start what is overdue is spread.
	if (due < now - 5 * kSecondUs)
		due = now + static_cast<int64_t>(sync_.house().random() * 30 * kSecondUs);
	timer_ = sync_.at(due, [this] {
		timer_ = 0;
		on_timer();
	});
}

void CollectionTask::on_timer() {
	finished_.reset();
	const int64_t now = sync_.house().now_us();
	const DeleteSpec *sweep = spec_.deletes_by(DeleteKind::kSweep);
	const bool polls = spec_.incremental.mode == IncrementalMode::kFilter ||
	                   spec_.incremental.mode == IncrementalMode::kRelist;
	if (sweep && now >= swept_at_us_ + sweep->every_us)
		begin(Kind::kSweep, {});
	else if (spec_.relist_every_us > 0 &&
	         ((pass_wanted_ && !polls) || now >= relisted_at_us_ + spec_.relist_every_us))
		begin(Kind::kRelist, {});
	else if (polls)
		begin(Kind::kPass, {});
	else
		schedule();
}

const char *CollectionTask::phase() const noexcept {
	switch (kind_) {
	case Kind::kBackfill:
		return "backfill";
	case Kind::kSweep:
		return "sweep";
	default:
		return "live";
	}
}

void CollectionTask::save(const char *phase, const store::Applied &applied, int64_t requests) {
	store::Progress progress;
	progress.sync = sync_.row().key;
	progress.collection = collection_;
	progress.phase = phase;
	progress.checkpoint = checkpoint();
	progress.requests = requests;
	progress.records = applied.rows;
	progress.changes = applied.changed;
	progress.is_backfilled = is_backfilled_;
	store::save_progress(progress);
}

std::string CollectionTask::checkpoint() const {
	Json state = Json::object();
	// A pass is short and starts anew; the long walks go on where they were.
	if (walk_ && kind_ != Kind::kPass && !walk_->is_done()) {
		state.set("kind", Json::string(kKindNames[static_cast<int>(kind_)]));
		state.set("walk", Json::parse(walk_->encode()));
	}
	if (sweep_after_)
		state.set("sweep_after", Json::boolean(true));
	const std::pair<const char *, int64_t> numbers[] = {{"mark", mark_us_},
	                                                    {"passed", passed_at_us_},
	                                                    {"relisted", relisted_at_us_},
	                                                    {"swept", swept_at_us_},
	                                                    {"backfill_from", backfill_from_us_},
	                                                    {"parent_seq", parent_seq_}};
	for (const auto &[name, value] : numbers)
		if (value != 0)
			state.set(name, Json::integer(value));
	return state.dump();
}

void CollectionTask::read_checkpoint(const std::string &text) {
	const Json state = Json::parse(text);
	mark_us_ = number_or_zero(state, "mark");
	passed_at_us_ = number_or_zero(state, "passed");
	relisted_at_us_ = number_or_zero(state, "relisted");
	swept_at_us_ = number_or_zero(state, "swept");
	backfill_from_us_ = number_or_zero(state, "backfill_from");
	parent_seq_ = number_or_zero(state, "parent_seq");
	sweep_after_ = state.has("sweep_after");
	if (!state.has("walk"))
		return;
	saved_walk_ = state.get("walk").dump();
	for (int kind = 0; kind < 4; kind++)
		if (state.get("kind").as_string() == kKindNames[kind])
			saved_kind_ = static_cast<Kind>(kind);
}

}  // namespace sequin::engine
