// One sync in the engine: its tasks, its access, its own limit. All state that matters is in
// tables; when a wish changes or anything fails unexpectedly the object is thrown away and made
// anew. Scope: engine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/budget.h"
#include "core/request.h"
#include "engine/house.h"
#include "store/syncs.h"

namespace sequin::engine {

class CollectionTask;
class FeedTask;
class RereadTask;

class Sync {
public:
	Sync(House &house, const Manifest &manifest, store::SyncRow row, uint64_t incarnation);
	~Sync();
	Sync(const Sync &) = delete;
	Sync &operator=(const Sync &) = delete;

	void start();  // begins its tasks; outside a transaction

	House &house() noexcept { return house_; }
	const Manifest &manifest() const noexcept { return manifest_; }
	const store::SyncRow &row() const noexcept { return row_; }
	uint64_t incarnation() const noexcept { return incarnation_; }

	// Sends a call of this sync, composed from manifest and credential.
	void call(CallKind kind, int16_t collection, http::Priority priority, CallSpec spec,
	          std::function<void(http::Response &&)> done);
	TimerId at(int64_t due_us, std::function<void()> action);
	void cancel(TimerId *timer);

	// What an answer that is no usable page means for the whole sync: stops it for a dead
	// credential, slows the account down for a limit, notes health for `part`. Returns when to try
	// again, in µs from now; a negative value: not before the wishes change. Opens transactions of
	// its own.
	int64_t trouble(const std::string &part, const std::string &path, const Verdict &verdict,
	                int attempt);
	void note(const std::string &part, const char *status, const std::string &code,
	          const std::string &text, const std::string &hint);
	void recovered(const std::string &part);  // ends the part's notes of trouble

	store::Target target(int16_t collection, char origin) const;
	bool is_stopped() const noexcept { return is_stopped_; }

	CollectionTask *task(int16_t collection) const noexcept;
	void collection_changed(int16_t collection);  // its children follow
	void children_follow();                       // any of them may have something to do
	void rereads_added();
	void collection_backfilled();             // is the sync as a whole?
	void pass_done(const void *task);         // a task answered refresh_sync
	void maybe_refreshed();                   // all have, and nothing they found is left to read
	void reconcile(const std::string &feed);  // the feed lost its place: everything is read again
	bool has_feed_position(const std::string &feed) const noexcept;
	void feed_is_true(const std::string &feed, int64_t at_us, int64_t next_run_us);
	void feed_positioned(const std::string &feed);
	bool rereads_under_way(int16_t collection) const noexcept;

private:
	void refresh();

	House &house_;
	const Manifest &manifest_;
	store::SyncRow row_;
	uint64_t incarnation_;
	RateWindow *own_window_ = nullptr;
	std::vector<std::unique_ptr<CollectionTask>> collections_;
	std::vector<std::unique_ptr<FeedTask>> feeds_;
	std::unique_ptr<RereadTask> rereads_;
	std::set<std::string> noted_;        // parts with notes of health
	std::set<const void *> refreshing_;  // tasks that have not answered refresh_sync yet
	bool is_refreshing_ = false;
	bool is_stopped_ = false;
};

}  // namespace sequin::engine
