// Sliding windows. Scope: any; pure.
#include "core/budget.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sequin {

namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kDayUs = int64_t{86400} * 1000000;

}  // namespace

RateWindow::RateWindow(int allowed, int64_t interval_us, int concurrency, double reserve)
	: allowed_(std::max(allowed, 0)), interval_us_(std::max<int64_t>(interval_us, 0)),
	  concurrency_(std::max(concurrency, 0)), reserve_(std::clamp(reserve, 0.0, 1.0)),
	  most_allowed_(allowed_) {}

void RateWindow::assume_spent(int64_t now_us) {
	ended_us_.assign(static_cast<size_t>(allowed_), now_us);
}

int64_t RateWindow::ready_at(http::Priority priority, int64_t now_us) const noexcept {
	if (concurrency_ > 0 && in_flight_ >= usable(concurrency_, priority))
		return kNever;
	int64_t ready_us = std::max(now_us, blocked_until_us_);
	if (allowed_ == 0)
		return ready_us;
	const int usable_calls = usable(allowed_, priority);
	ready_us = std::max(ready_us, rate_ready_at(usable_calls, now_us));
	const int64_t kept = allowed_ - usable_calls;
	if (now_us < learned_until_us_ && learned_left_ <= kept)
		ready_us = std::max(ready_us, learned_until_us_);
	return ready_us;
}

// What of a limit calls of this class may use. The least urgent classes leave the reserve alone,
// but always have one place.
int RateWindow::usable(int limit, http::Priority priority) const noexcept {
	if (priority != http::Priority::kBackfill && priority != http::Priority::kSweep)
		return limit;
	const int kept = static_cast<int>(std::lround(limit * reserve_));
	return std::max(limit - kept, 1);
}

// A place is free again one interval after its call ended, so the earliest ends come free first.
int64_t RateWindow::rate_ready_at(int usable_calls, int64_t now_us) const noexcept {
	const size_t ended = ended_within(now_us);
	const int64_t taken = in_flight_ + static_cast<int64_t>(ended);
	if (taken < usable_calls)
		return now_us;
	const size_t to_free = static_cast<size_t>(taken - usable_calls) + 1;
	if (to_free > ended)
		return kNever;
	return ended_us_[ended_us_.size() - ended + to_free - 1] + interval_us_;
}

// How many of the remembered ends still take a place: younger than the interval.
size_t RateWindow::ended_within(int64_t now_us) const noexcept {
	const auto first = std::upper_bound(ended_us_.begin(), ended_us_.end(), now_us - interval_us_);
	return static_cast<size_t>(ended_us_.end() - first);
}

void RateWindow::begin(int64_t now_us) {
	forget_old(now_us);
	++in_flight_;
	if (now_us < learned_until_us_)
		--learned_left_;
}

void RateWindow::end(int64_t now_us) noexcept {
	in_flight_ -= in_flight_ > 0 ? 1 : 0;
	if (allowed_ == 0)
		return;
	forget_old(now_us);
	// The order of ends is what the search relies on, whatever the clock does.
	const int64_t end_us = ended_us_.empty() ? now_us : std::max(now_us, ended_us_.back());
	try {
		ended_us_.push_back(end_us);
	} catch (...) {
		// No memory to remember this call: better silent for an interval than over the limit.
		block_until(end_us + interval_us_);
	}
	while (ended_us_.size() > static_cast<size_t>(most_allowed_))
		ended_us_.pop_front();
}

void RateWindow::forget_old(int64_t now_us) noexcept {
	while (!ended_us_.empty() && ended_us_.front() <= now_us - interval_us_)
		ended_us_.pop_front();
}

void RateWindow::learn_remaining(int64_t remaining, int64_t reset_at_us, int64_t now_us) {
	if (allowed_ == 0 || (reset_at_us != 0 && reset_at_us <= now_us))
		return;
	const int64_t until_us =
		reset_at_us == 0 ? now_us + interval_us_ : std::min(reset_at_us, now_us + kDayUs);
	const int64_t left = std::max<int64_t>(remaining, 0) - in_flight_ / 2;
	// Answers may arrive out of order: within one period the lower count is the later one.
	const bool is_same_period = now_us < learned_until_us_ && until_us <= learned_until_us_;
	learned_left_ = is_same_period ? std::min(left, learned_left_) : left;
	learned_until_us_ = until_us;
}

void RateWindow::learn_limit(int allowed) noexcept {
	if (allowed_ == 0 || allowed <= 0)
		return;
	allowed_ = allowed;
	most_allowed_ = std::max(most_allowed_, allowed);
}

void RateWindow::block_until(int64_t until_us) noexcept {
	blocked_until_us_ = std::max(blocked_until_us_, until_us);
}

int RateWindow::used(int64_t now_us) const noexcept {
	return in_flight_ + static_cast<int>(ended_within(now_us));
}

int64_t Admission::ready_at(http::Priority priority, int64_t now_us) const noexcept {
	int64_t ready_us = now_us;
	for (const RateWindow *window : windows)
		ready_us = std::max(ready_us, window->ready_at(priority, now_us));
	return ready_us;
}

void Admission::begin(int64_t now_us) const {
	for (RateWindow *window : windows)
		window->begin(now_us);
}

void Admission::end(int64_t now_us) const noexcept {
	for (RateWindow *window : windows)
		window->end(now_us);
}

}  // namespace sequin
