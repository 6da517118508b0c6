// One collection of a sync, through its life: backfill, then whatever keeps it true.
// Scope: engine.
//
//   waiting --feed has a place--> backfill --walk done--> live
//   live: by feed (the feed task drives), by filter passes, by reading the whole list, by following
//   the
//         parents; beside it re-lists of a recent window and sweeps, each a walk at its time
//   any --loop, retention lost--> backfill again with a sweep
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/walk.h"
#include "pg/live_progress.h"

namespace sequin::engine {

class ChildTask;

class CollectionTask {
public:
	CollectionTask(Sync &sync, const CollectionSpec &spec, const store::CollectionRow &row);
	~CollectionTask();

	void start();
	void feed_is_positioned();         // the backfill may begin
	void begin_again();                // everything is read again and what is absent is gone
	void pass_now();                   // refresh_sync: a pass as soon as possible
	bool has_passes() const noexcept;  // something of its own answers refresh_sync
	bool is_idle() const noexcept;     // a child collection with nothing left to read, or no child
	void known_true_at(int64_t at_us, int64_t next_run_us);  // for sync_progress
	void parent_changed();                                   // children only

	int16_t collection() const noexcept { return collection_; }
	const CollectionSpec &spec() const noexcept { return spec_; }
	const std::string &spec_json() const noexcept { return spec_json_; }
	bool is_backfilled() const noexcept { return is_backfilled_; }

	// Inside a page's transaction: the checkpoint and the counters of this collection.
	void save(const char *phase, const store::Applied &applied, int64_t requests = 1);
	void after_commit(const store::Applied &applied);
	void child_caught_up();  // the child task reached the end of its parents
	int64_t parent_seq() const noexcept { return parent_seq_; }
	void set_parent_seq(int64_t seq) noexcept { parent_seq_ = seq; }

private:
	enum class Kind { kBackfill, kPass, kRelist, kSweep };

	void begin(Kind kind, const std::string &saved);
	WalkPlan plan(Kind kind) const;
	void page_applied(const PageFacts &facts);
	void walk_done();
	void walk_void(const std::string &reason);
	void schedule();
	void on_timer();
	bool is_sweeping(Kind kind) const noexcept {
		return kind == Kind::kSweep || (kind == Kind::kBackfill && sweep_after_);
	}
	bool has_seen_keys() const;
	void save_now(const char *phase);
	const char *phase() const noexcept;
	std::string checkpoint() const;
	void read_checkpoint(const std::string &text);
	int64_t poll_delay() const;
	void rate(int64_t records);

	Sync &sync_;
	const CollectionSpec &spec_;
	int16_t collection_;
	std::string spec_json_;
	std::unique_ptr<Walk> walk_;
	std::unique_ptr<Walk> finished_;  // ended; kept until its last callback has returned
	std::unique_ptr<ChildTask> child_;
	Kind kind_ = Kind::kBackfill;
	bool is_backfilled_ = false;
	bool sweep_after_ = false;  // the backfill under way must also find what is gone
	bool is_active_ = false;    // the last pass found changes
	bool pass_wanted_ = false;
	int64_t mark_us_ = 0;      // filter: everything up to here is here
	int64_t max_seen_us_ = 0;  // filter: of the pass under way
	int64_t pass_to_us_ = 0;
	int64_t passed_at_us_ = 0, relisted_at_us_ = 0, swept_at_us_ = 0, backfill_from_us_ = 0;
	int64_t quiet_us_ = 0;  // present delay between polls
	int64_t parent_seq_ = 0;
	std::string saved_walk_;
	Kind saved_kind_ = Kind::kBackfill;
	pg::LiveEntry *live_;  // null where shared memory has no room
	int64_t rated_at_us_ = 0, rated_records_ = 0;
	TimerId timer_ = 0;
};

}  // namespace sequin::engine
