// Children follow their parents. See child_task.h.
// Scope: engine.
#include "engine/child_task.h"

#include "engine/collection_task.h"

namespace sequin::engine {
namespace {

constexpr int kParentsPerBatch = 100;
constexpr size_t kParentsAtOnce = 4;
constexpr int64_t kSecondUs = 1000000;

}  // namespace

ChildTask::ChildTask(Sync &sync, CollectionTask &owner)
	: sync_(sync), owner_(owner), spec_(*owner.spec().parent),
	  embedded_(store::embedded_spec(spec_)) {
	for (const store::CollectionRow &row : sync.row().collections)
		if (row.id == sync.manifest().provider + ":" + spec_.collection)
			parent_collection_ = row.collection;
}

ChildTask::~ChildTask() {
	sync_.cancel(&timer_);
}

void ChildTask::pump_soon(int64_t delay_us) {
	if (timer_ != 0)
		return;
	timer_ = sync_.at(sync_.house().now_us() + delay_us, [this] {
		timer_ = 0;
		sweep_done();
		pump();
	});
}

void ChildTask::pump() {
	if (parent_collection_ < 0 || sync_.is_stopped() || timer_ != 0)
		return;
	is_idle_ = false;
	// One batch a turn: the loop must go round between them.
	if (take_parents()) {
		pump_soon(0);
		return;
	}
	read_wanted();
	if (!reading_.empty())
		return;
	is_idle_ = true;
	owner_.child_caught_up();
	sync_.maybe_refreshed();
}

bool ChildTask::take_parents() {
	pg::Transaction transaction;
	const std::vector<store::ParentRow> parents = store::parents_after(
		sync_.row().key, parent_collection_, owner_.parent_seq(), kParentsPerBatch, embedded_);
	if (parents.empty()) {
		transaction.commit();
		return false;
	}
	std::vector<std::string> whole, by_calls;
	for (const store::ParentRow &parent : parents) {
		if (parent.is_whole && (spec_.cascade || !parent.is_deleted))
			whole.push_back(parent.id);
		else if (!parent.is_deleted)
			by_calls.push_back(parent.id);
	}
	store::Applied applied;
	if (!whole.empty())
		applied = store::apply_embedded(
			sync_.target(owner_.collection(), owner_.is_backfilled() ? 'l' : 'b'),
			parent_collection_, whole, owner_.spec_json(), embedded_);
	if (!by_calls.empty())
		store::want_children(sync_.row().key, owner_.collection(), by_calls);
	owner_.set_parent_seq(parents.back().updated_idx);
	owner_.save(owner_.is_backfilled() ? "live" : "backfill", applied, 0);
	transaction.commit();
	if (applied.changed > 0)
		sync_.house().appended(applied);
	owner_.after_commit(applied);
	return true;
}

void ChildTask::read_wanted() {
	if (reading_.size() >= kParentsAtOnce)
		return;
	pg::Transaction transaction;
	const std::vector<std::string> wanted = store::wanted_children(
		sync_.row().key, owner_.collection(), static_cast<int>(2 * kParentsAtOnce));
	transaction.commit();
	for (const std::string &parent : wanted)
		if (reading_.size() < kParentsAtOnce && !reading_.count(parent))
			read_parent(parent);
}

void ChildTask::read_parent(const std::string &parent) {
	WalkPlan plan;
	plan.spec = &owner_.spec();
	plan.spec_json = owner_.spec_json();
	plan.collection = owner_.collection();
	plan.origin = owner_.is_backfilled() ? 'l' : 'b';
	plan.priority = owner_.is_backfilled() ? http::Priority::kLive : http::Priority::kBackfill;
	plan.parent = parent;
	Walk::Hooks hooks;
	hooks.save = [this](const store::Applied &applied, const PageFacts &) {
		owner_.save(owner_.is_backfilled() ? "live" : "backfill", applied);
	};
	hooks.committed = [this](const store::Applied &applied) { owner_.after_commit(applied); };
	hooks.done = [this, parent] { reading_done(parent); };
	hooks.is_void = [this, parent](const std::string &reason) { reading_void(parent, reason); };
	Reading &reading = reading_[parent];
	reading.parent = parent;
	reading.walk = std::make_unique<Walk>(sync_, std::move(plan), std::string(), std::move(hooks));
	reading.walk->pump();
}

// A parent that answers 404 has gone meanwhile; its own delete takes the children along.
void ChildTask::reading_done(const std::string &parent) {
	Reading &reading = reading_.at(parent);
	reading.is_done = true;
	pg::Transaction transaction;
	const store::Applied applied = store::apply_absent_children(
		sync_.target(owner_.collection(), 'l'), parent, reading.walk->seen_keys(),
		reading.walk->started_us(), owner_.spec_json());
	transaction.commit();
	if (applied.changed > 0)
		sync_.house().appended(applied);
	// The walk is our caller: it goes with the timer's turn.
	if (timer_ == 0)
		timer_ = sync_.at(0, [this] {
			timer_ = 0;
			sweep_done();
			pump();
		});
}

// What was not seen is not known to be gone; the parent stays put down.
void ChildTask::reading_void(const std::string &parent, const std::string &reason) {
	reading_.at(parent).is_done = true;
	sync_.note(
		owner_.spec().id, "warn", "paging_loop", "The API's paging went in a circle: " + reason,
		"Tell the provider, or correct the manifest's paging; it is read again in a minute.");
	sync_.cancel(&timer_);
	pump_soon(60 * kSecondUs);
}

void ChildTask::sweep_done() {
	for (auto it = reading_.begin(); it != reading_.end();)
		it = it->second.is_done ? reading_.erase(it) : std::next(it);
}

}  // namespace sequin::engine
