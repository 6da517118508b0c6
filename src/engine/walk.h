// One complete reading of a list: whole, by slices of creation time, within bounds, or for one
// parent. Backfill, sweep, re-list, filter passes and children are walks; they differ in their plan
// only. Scope: engine.
//
//   pump() --call--> in flight --page--> apply + checkpoint, one commit --> pump() ... --> on_done
//                       |--trouble--> wait --> pump()           |--loop--> on_void
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/slices.h"
#include "engine/sync.h"

namespace sequin::engine {

struct WalkPlan {
	const CollectionSpec *spec = nullptr;
	std::string spec_json;  // store::collection_spec
	int16_t collection = 0;
	char origin = 'b';
	http::Priority priority = http::Priority::kBackfill;
	bool is_sweep = false;                  // keys seen are noted
	bool is_sliced = false;                 // by ranges of creation time, several at once
	std::optional<int64_t> from_us, to_us;  // bounds: of the slices, or set as `bounds_*`
	Into bound_from, bound_to;              // where bounds go when not sliced; kNowhere: not sent
	TimeAs bound_as = TimeAs::kRfc3339;
	const NameValues *query = nullptr;  // added parameters
	std::string parent;                 // the parent's key, in a child collection
	int concurrency = 1;
};

class Walk {
public:
	struct Hooks {
		// Inside the page's transaction, after the page was applied: save the checkpoint.
		std::function<void(const store::Applied &, const PageFacts &)> save;
		std::function<void(const store::Applied &)> committed;
		std::function<void()> done;
		std::function<void(const std::string &reason)> is_void;  // must start again from nothing
	};

	// `saved`: what encode() gave, or empty to begin.
	Walk(Sync &sync, WalkPlan plan, const std::string &saved, Hooks hooks);
	~Walk();
	Walk(const Walk &) = delete;
	Walk &operator=(const Walk &) = delete;

	void pump();  // sends what may be sent
	std::string encode() const;
	bool is_done() const noexcept { return slices_.is_done(); }
	int64_t started_us() const noexcept { return started_us_; }
	double done_share() const noexcept { return slices_.done_share(); }
	const std::vector<std::string> &seen_keys() const noexcept { return seen_keys_; }

private:
	void send(const Slice &slice);
	void on_answer(const Slice &slice, int asked_size, http::Response &&response);
	void on_page(const Slice &slice, int asked_size, const http::Response &response,
	             store::OpenPage &page);
	void on_trouble(const Slice &slice, const Verdict &verdict);
	bool is_outside(const Slice &slice, const PageFacts &facts) const noexcept;
	void wait_and_pump(int64_t delay_us);
	CallKind call_kind() const noexcept;
	bool needs_touch() const;

	Sync &sync_;
	WalkPlan plan_;
	Hooks hooks_;
	SlicePlan slices_;
	int size_;  // rows asked for; halved when a page is too large
	int attempts_ = 0;
	int64_t started_us_;
	TimerId timer_ = 0;
	bool is_void_ = false;
	std::shared_ptr<char> life_ =
		std::make_shared<char>();         // ends with the walk; answers may come later
	std::vector<std::string> seen_keys_;  // children only: few per parent
};

}  // namespace sequin::engine
