// One stream of changes that several collections of a sync live by.
// Scope: engine.
//
//   unplaced --newest event read--> placed; from then on nothing can be missed, and backfills begin
//   placed --poll--> pages forward from the last event, each applied and committed with its
//   position placed --look back--> the overlap is read again for events that became visible late
//   placed --older than the feed reaches, or the API lost the place--> unplaced, all is reconciled
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/paging.h"
#include "engine/sync.h"

namespace sequin::engine {

class FeedTask {
public:
	FeedTask(Sync &sync, const FeedSpec &spec, const std::string &saved);
	~FeedTask();
	void start();
	void poll_now();
	const std::string &name() const noexcept { return spec_.name; }
	bool has_position() const noexcept { return is_placed_; }

private:
	enum class Mode { kPlace, kForward, kSince, kLookBack };

	void ask(Mode mode);
	void on_answer(Mode mode, http::Response &&response);
	void on_page(Mode mode, const http::Response &response, store::OpenPage &page);
	void place(const std::vector<store::OpenPage::FeedEvent> &events, int64_t sent_us);
	void go_on(Mode mode, const PageDecision &decision, bool found);
	void on_trouble(Mode mode, const Verdict &verdict);
	void lost();
	void reconcile();
	void schedule(bool found);
	void in(int64_t delay_us, Mode mode);
	std::vector<std::string> unseen(const std::vector<store::OpenPage::FeedEvent> &events);
	void remember(const std::vector<store::OpenPage::FeedEvent> &events);
	std::string encode() const;
	void note_slowness(int64_t wanted_us, int64_t sent_us);

	Sync &sync_;
	const FeedSpec &spec_;
	std::string spec_json_, routes_;
	bool is_placed_ = false;
	bool reconcile_ = false;  // once placed again, collections begin anew
	std::string id_;          // the last event; empty: there was none yet
	int64_t time_us_ = 0;     // when it happened, provider's clock
	int64_t since_us_ = 0;    // when the feed was placed, our clock
	int64_t polled_us_ = 0;   // the last answered poll
	PagePosition position_;   // of a walk that is not forward
	std::string newest_id_;   // kSince: the first page's first event
	int64_t newest_us_ = 0;
	int64_t quiet_us_ = 0, looked_back_us_ = 0, asked_at_us_ = 0;
	int attempts_ = 0;
	int64_t size_;  // events asked for; halved when a page is too large
	std::unordered_set<uint64_t> seen_;
	std::deque<std::pair<int64_t, uint64_t>> seen_order_;
	TimerId timer_ = 0;
	bool is_asking_ = false;
	bool must_look_back_ = false;  // refresh_sync: late events too
	bool is_slow_noted_ = false;
};

}  // namespace sequin::engine
