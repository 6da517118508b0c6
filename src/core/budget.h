// Rate budgets: sliding windows shared by every call on one account.
// Scope: any. Pure: time comes in as an argument.
//
// A window admits `allowed` calls in any stretch of `interval`: the n-th call may go when the
// (n - allowed)-th is `interval` old, measured from when it was *answered or failed* (the server may
// count it as late as that), so that no window at the server ever holds more. To use 95 % and more
// of the limit nevertheless, spread is not enforced: calls go as soon as the window admits them.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "http/transport.h"

namespace sequin {

class RateWindow {
public:
	RateWindow(int allowed, int64_t interval_us, int concurrency, double reserve);

	// A new engine cannot know what the one before it spent: as if `allowed` calls were made now.
	void assume_spent(int64_t now_us);

	// When a call of this class may be sent: <= now_us means now; INT64_MAX: when a call in flight ends.
	// `reserve` is kept free of backfill and sweep calls.
	int64_t ready_at(http::Priority priority, int64_t now_us) const noexcept;

	void begin(int64_t now_us);
	void end(int64_t now_us) noexcept;                  // the call was answered or failed

	void learn_remaining(int64_t remaining, int64_t reset_at_us, int64_t now_us);
	void learn_limit(int allowed) noexcept;
	void block_until(int64_t until_us) noexcept;        // the API said "limited"

	int allowed() const noexcept { return allowed_; }
	int used(int64_t now_us) const noexcept;
	int in_flight() const noexcept { return in_flight_; }

private:
	int allowed_;
	int64_t interval_us_;
	int concurrency_;
	double reserve_;
	int in_flight_ = 0;
	int64_t blocked_until_us_ = 0;
	std::deque<int64_t> ended_us_;                      // within the last interval
};

// Several windows that one call must pass together.
struct Admission {
	std::vector<RateWindow *> windows;
	int64_t ready_at(http::Priority priority, int64_t now_us) const noexcept;
	void begin(int64_t now_us) const;
	void end(int64_t now_us) const noexcept;
};

}  // namespace sequin
