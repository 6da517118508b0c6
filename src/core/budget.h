// Rate budgets: sliding windows shared by every call on one account.
// Scope: any. Pure: time comes in as an argument.
//
// A window admits `allowed` calls in any stretch of `interval`: the n-th call may go when the
// (n - allowed)-th is `interval` old, measured from when it was *answered or failed* (the server
// may count it as late as that), so that no window at the server ever holds more. To use 95 % and
// more of the limit nevertheless, spread is not enforced: calls go as soon as the window admits
// them. What the rule costs is the latency: each place is taken for interval + latency, so a
// latency of a twentieth of the interval leaves 95 %. Times given may not go backwards by much:
// what lies before the newest end counts as that moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "http/transport.h"

namespace sequin {

class RateWindow {
public:
	RateWindow(int allowed, int64_t interval_us, int concurrency, double reserve);

	// A new engine cannot know what the one before it spent: as if `allowed` calls were made now.
	void assume_spent(int64_t now_us);

	// When a call of this class may be sent: <= now_us means now; INT64_MAX: when a call in flight
	// ends. `reserve` (a share of calls and of concurrency, rounded, never all) is kept free of
	// backfill and sweep calls. INT64_MAX wins over any block: ask again when a call ended.
	int64_t ready_at(http::Priority priority, int64_t now_us) const noexcept;

	void begin(int64_t now_us);
	void end(int64_t now_us) noexcept;  // the call was answered or failed

	// The server's own count: at most `remaining` more calls until the reset (0: unknown, then one
	// interval). It can only lower what the window admits. Of the calls in flight half are taken to
	// be in that count already.
	void learn_remaining(int64_t remaining, int64_t reset_at_us, int64_t now_us);
	void learn_limit(int allowed) noexcept;       // 0 and less, or a window without rate: ignored
	void block_until(int64_t until_us) noexcept;  // the API said "limited"

	int allowed() const noexcept { return allowed_; }
	int used(int64_t now_us) const noexcept;
	int in_flight() const noexcept { return in_flight_; }

private:
	size_t ended_within(int64_t now_us) const noexcept;
	int64_t rate_ready_at(int usable, int64_t now_us) const noexcept;
	int usable(int limit, http::Priority priority) const noexcept;
	void forget_old(int64_t now_us) noexcept;

	int allowed_;
	int64_t interval_us_;
	int concurrency_;
	double reserve_;
	int in_flight_ = 0;
	int most_allowed_;  // ever: bounds the memory of ended_us_
	int64_t blocked_until_us_ = 0;
	int64_t learned_left_ = 0, learned_until_us_ = 0;
	std::deque<int64_t> ended_us_;  // within the last interval
};

// Several windows that one call must pass together.
struct Admission {
	std::vector<RateWindow *> windows;
	int64_t ready_at(http::Priority priority, int64_t now_us) const noexcept;
	void begin(int64_t now_us) const;
	void end(int64_t now_us) const noexcept;
};

}  // namespace sequin
