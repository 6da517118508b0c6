// Tests of core/budget.h: never over the limit wherever the server counts, and close to it all the
// same.
#include "core/budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <queue>
#include <random>
#include <vector>

namespace sequin {
namespace {

using http::Priority;

constexpr int64_t kSecond = 1000000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kStart = 1700000000 * kSecond;

// A client that always has another call to make, and the moments at which a server saw its calls.
struct Simulation {
	std::function<int64_t()> latency_us;
	std::function<double()> arrival;  // where between begin and end the server counts a call
	std::function<Priority()> priority = [] { return Priority::kBackfill; };
	std::vector<int64_t> arrivals;
	int most_in_flight = 0;

	void run(RateWindow &window, int64_t until_us) {
		std::priority_queue<int64_t, std::vector<int64_t>, std::greater<>> ends;
		int64_t now_us = kStart;
		while (now_us < until_us) {
			while (!ends.empty() && ends.top() <= now_us) {
				window.end(ends.top());
				ends.pop();
			}
			const int64_t ready_us = window.ready_at(priority(), now_us);
			if (ready_us <= now_us) {
				const int64_t took_us = latency_us();
				window.begin(now_us);
				arrivals.push_back(now_us +
				                   static_cast<int64_t>(arrival() * static_cast<double>(took_us)));
				ends.push(now_us + took_us);
				most_in_flight = std::max(most_in_flight, window.in_flight());
				continue;
			}
			const int64_t next_end_us = ends.empty() ? kNever : ends.top();
			ASSERT_NE(std::min(ready_us, next_end_us), kNever) << "the client would wait for ever";
			now_us = std::min(ready_us, next_end_us);
		}
		std::sort(arrivals.begin(), arrivals.end());
	}

	// The most calls the server saw in any stretch [t, t + interval).
	int most_in(int64_t interval_us) const {
		size_t most = 0, first = 0;
		for (size_t last = 0; last < arrivals.size(); ++last) {
			while (arrivals[last] - arrivals[first] >= interval_us)
				++first;
			most = std::max(most, last - first + 1);
		}
		return static_cast<int>(most);
	}
};

TEST(RateWindowTest, never_exceeds_the_limit_wherever_the_server_counts) {
	std::mt19937 random(3);
	const auto unit = [&] { return std::uniform_real_distribution<double>(0, 1)(random); };
	int reached = 0;
	for (int round = 0; round < 300; ++round) {
		const int allowed = 1 + static_cast<int>(random() % 40);
		const int64_t interval_us = 1000 * static_cast<int64_t>(1 + random() % 3000);
		const int concurrency = static_cast<int>(random() % 3 == 0 ? 1 + random() % 10 : 0);
		const double reserve = random() % 2 ? unit() : 0;
		const double slowest = unit() * 3 * static_cast<double>(interval_us);
		const int habit = static_cast<int>(random() % 4);
		Simulation simulation;
		simulation.latency_us = [&] { return 1 + static_cast<int64_t>(unit() * unit() * slowest); };
		simulation.arrival = [&] {
			return habit == 0 ? 0.0 : habit == 1 ? 1.0 : habit == 2 ? unit() : std::round(unit());
		};
		simulation.priority = [&] { return static_cast<Priority>(random() % 4); };
		RateWindow window(allowed, interval_us, concurrency, reserve);
		simulation.run(window, kStart + 20 * interval_us);
		ASSERT_LE(simulation.most_in(interval_us), allowed);
		if (concurrency > 0) {
			ASSERT_LE(simulation.most_in_flight, concurrency);
		}
		reached += simulation.most_in(interval_us) == allowed ? 1 : 0;
	}
	EXPECT_GT(reached, 150) << "the limit must be reached, or the test proves nothing";
}

TEST(RateWindowTest, uses_95_percent_where_latency_is_small) {
	for (const int allowed : {1, 3, 10, 80, 1000}) {
		for (const int64_t interval_us : {kSecond, 10 * kSecond, 60 * kSecond}) {
			Simulation simulation;
			simulation.latency_us = [&] { return interval_us / 25; };
			simulation.arrival = [] { return 0.5; };
			RateWindow window(allowed, interval_us, 0, 0);
			simulation.run(window, kStart + 100 * interval_us);
			EXPECT_LE(simulation.most_in(interval_us), allowed);
			EXPECT_GE(static_cast<double>(simulation.arrivals.size()), 0.95 * 100 * allowed)
				<< allowed << " in " << interval_us;
		}
	}
}

TEST(RateWindowTest, frees_a_place_one_interval_after_the_end) {
	RateWindow window(2, kSecond, 0, 0);
	window.begin(0);
	window.begin(10);
	EXPECT_EQ(window.ready_at(Priority::kLive, 20), kNever);
	window.end(300);
	EXPECT_EQ(window.ready_at(Priority::kLive, 400), kSecond + 300);
	EXPECT_EQ(window.used(400), 2);
	EXPECT_EQ(window.in_flight(), 1);
	EXPECT_GT(window.ready_at(Priority::kLive, kSecond + 299), kSecond + 299);
	EXPECT_LE(window.ready_at(Priority::kLive, kSecond + 300), kSecond + 300);
	EXPECT_EQ(window.used(kSecond + 300), 1);
}

TEST(RateWindowTest, a_new_engine_waits_one_interval) {
	RateWindow window(5, kSecond, 0, 0);
	window.assume_spent(kStart);
	EXPECT_EQ(window.used(kStart), 5);
	EXPECT_EQ(window.ready_at(Priority::kMutation, kStart), kStart + kSecond);
	EXPECT_LE(window.ready_at(Priority::kMutation, kStart + kSecond), kStart + kSecond);
}

TEST(RateWindowTest, keeps_the_reserve_from_backfills_and_sweeps_only) {
	RateWindow window(10, kSecond, 0, 0.2);
	for (int call = 0; call < 8; ++call) {
		EXPECT_LE(window.ready_at(Priority::kBackfill, 0), 0);
		window.begin(0);
	}
	EXPECT_EQ(window.ready_at(Priority::kBackfill, 0), kNever);
	EXPECT_EQ(window.ready_at(Priority::kSweep, 0), kNever);
	EXPECT_LE(window.ready_at(Priority::kLive, 0), 0);
	EXPECT_LE(window.ready_at(Priority::kMutation, 0), 0);
	window.begin(0);
	window.begin(0);
	EXPECT_EQ(window.ready_at(Priority::kMutation, 0), kNever);
	for (int call = 0; call < 10; ++call)
		window.end(call);
	EXPECT_EQ(window.ready_at(Priority::kMutation, 20), kSecond);
	EXPECT_EQ(window.ready_at(Priority::kBackfill, 20), kSecond + 2);
}

TEST(RateWindowTest, a_backfill_always_has_one_place) {
	RateWindow one(1, kSecond, 1, 0.9), all(10, kSecond, 0, 1.0);
	EXPECT_LE(one.ready_at(Priority::kBackfill, 0), 0);
	EXPECT_LE(all.ready_at(Priority::kSweep, 0), 0);
	all.begin(0);
	EXPECT_EQ(all.ready_at(Priority::kSweep, 0), kNever);
}

TEST(RateWindowTest, caps_concurrency_without_a_rate) {
	RateWindow window(0, 0, 5, 0.4);
	for (int call = 0; call < 3; ++call)
		window.begin(0);
	EXPECT_EQ(window.ready_at(Priority::kBackfill, 0), kNever);
	EXPECT_LE(window.ready_at(Priority::kLive, 0), 0);
	window.begin(0);
	window.begin(0);
	EXPECT_EQ(window.ready_at(Priority::kLive, 0), kNever);
	window.end(1);
	EXPECT_LE(window.ready_at(Priority::kLive, 1), 1);
	EXPECT_EQ(window.used(1), 4);
}

TEST(RateWindowTest, a_block_holds_for_everyone) {
	RateWindow window(10, kSecond, 0, 0);
	window.block_until(5 * kSecond);
	window.block_until(3 * kSecond);
	EXPECT_EQ(window.ready_at(Priority::kMutation, 0), 5 * kSecond);
	EXPECT_LE(window.ready_at(Priority::kMutation, 5 * kSecond), 5 * kSecond);
}

TEST(RateWindowTest, learns_what_is_left_until_the_reset) {
	RateWindow window(10, kSecond, 0, 0.2);
	window.learn_remaining(3, kStart + 4 * kSecond, kStart);
	EXPECT_LE(window.ready_at(Priority::kBackfill, kStart), kStart);
	window.begin(kStart);
	EXPECT_EQ(window.ready_at(Priority::kBackfill, kStart), kStart + 4 * kSecond);
	EXPECT_LE(window.ready_at(Priority::kLive, kStart), kStart);
	window.begin(kStart);
	window.begin(kStart);
	EXPECT_EQ(window.ready_at(Priority::kMutation, kStart), kStart + 4 * kSecond);
	for (int call = 0; call < 3; ++call)
		window.end(kStart + 1);
	EXPECT_LE(window.ready_at(Priority::kBackfill, kStart + 4 * kSecond), kStart + 4 * kSecond);
}

TEST(RateWindowTest, learning_never_raises_within_a_period) {
	RateWindow window(10, kSecond, 0, 0);
	window.learn_remaining(0, kStart + 4 * kSecond, kStart);
	window.learn_remaining(9, kStart + 4 * kSecond, kStart + 10);
	EXPECT_EQ(window.ready_at(Priority::kLive, kStart + 10), kStart + 4 * kSecond);
	window.learn_remaining(9, kStart + 5 * kSecond, kStart + 10);
	EXPECT_LE(window.ready_at(Priority::kLive, kStart + 10), kStart + 10);
	window.learn_remaining(1000, kStart + 9 * kSecond, kStart + 10);
	for (int call = 0; call < 10; ++call)
		window.begin(kStart + 20);
	EXPECT_EQ(window.ready_at(Priority::kLive, kStart + 20), kNever);
}

TEST(RateWindowTest, learning_understands_odd_resets) {
	RateWindow past(10, kSecond, 0, 0), unknown(10, kSecond, 0, 0), far(10, kSecond, 0, 0);
	past.learn_remaining(0, kStart - 1, kStart);
	EXPECT_LE(past.ready_at(Priority::kLive, kStart), kStart);
	unknown.learn_remaining(0, 0, kStart);
	EXPECT_EQ(unknown.ready_at(Priority::kLive, kStart), kStart + kSecond);
	far.learn_remaining(-5, kNever, kStart);
	EXPECT_EQ(far.ready_at(Priority::kLive, kStart), kStart + 86400 * kSecond);
}

TEST(RateWindowTest, half_of_what_is_in_flight_counts_as_seen) {
	RateWindow window(10, kSecond, 0, 0);
	for (int call = 0; call < 4; ++call)
		window.begin(kStart);
	window.learn_remaining(3, kStart + kSecond, kStart);
	EXPECT_LE(window.ready_at(Priority::kLive, kStart), kStart);
	window.begin(kStart);
	EXPECT_EQ(window.ready_at(Priority::kLive, kStart), kStart + kSecond);
}

TEST(RateWindowTest, learns_the_limit) {
	RateWindow window(2, kSecond, 0, 0);
	window.learn_limit(0);
	EXPECT_EQ(window.allowed(), 2);
	window.learn_limit(3);
	for (int call = 0; call < 3; ++call) {
		EXPECT_LE(window.ready_at(Priority::kLive, 0), 0);
		window.begin(0);
		window.end(0);
	}
	EXPECT_EQ(window.ready_at(Priority::kLive, 0), kSecond);
	window.learn_limit(1);
	EXPECT_EQ(window.ready_at(Priority::kLive, 0), kSecond);
	RateWindow free(0, 0, 3, 0);
	free.learn_limit(5);
	EXPECT_EQ(free.allowed(), 0);
}

TEST(RateWindowTest, memory_is_bounded_even_if_nobody_asks) {
	RateWindow window(7, 3600 * kSecond, 0, 0);
	for (int call = 0; call < 1000; ++call) {
		window.begin(call);
		window.end(call);
	}
	EXPECT_EQ(window.used(1000), 7);
	EXPECT_EQ(window.ready_at(Priority::kLive, 1000), 3600 * kSecond + 993);
}

TEST(RateWindowTest, a_clock_that_steps_back_does_no_harm) {
	RateWindow window(2, kSecond, 0, 0);
	window.begin(1000);
	window.end(1000);
	window.begin(500);
	window.end(500);
	EXPECT_EQ(window.used(1000), 2);
	EXPECT_EQ(window.ready_at(Priority::kLive, 1000), kSecond + 1000);
	window.end(2000);
	EXPECT_EQ(window.in_flight(), 0);
}

TEST(AdmissionTest, passes_all_windows_together) {
	RateWindow rate(1, kSecond, 0, 0), cap(0, 0, 1, 0);
	const Admission admission{{&rate, &cap}};
	EXPECT_LE(admission.ready_at(Priority::kLive, 0), 0);
	admission.begin(0);
	EXPECT_EQ(rate.in_flight(), 1);
	EXPECT_EQ(cap.in_flight(), 1);
	EXPECT_EQ(admission.ready_at(Priority::kLive, 0), kNever);
	admission.end(100);
	EXPECT_EQ(admission.ready_at(Priority::kLive, 100), kSecond + 100);
	EXPECT_LE(Admission{}.ready_at(Priority::kSweep, 7), 7);
}

}  // namespace
}  // namespace sequin
