// Tests of core/slices.h: every row of an API is fetched, whatever the order of answers and
// restarts.
#include "core/slices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"

namespace sequin {
namespace {

constexpr int64_t kSecond = 1000000;
constexpr int64_t kFrom = 1600000000 * kSecond;
constexpr int64_t kDay = 86400 * kSecond;

struct Row {
	int64_t time_us;
	int id;
};

struct Answer {
	std::vector<Row> rows;
	bool more = false;
};

// A list API: newest first, whole seconds, bounded by [from, to), going on after a row.
struct ListApi {
	std::vector<Row> rows;
	size_t page_size;

	ListApi(std::vector<int64_t> times, size_t size) : page_size(size) {
		std::sort(times.rbegin(), times.rend());
		for (const int64_t time_us : times)
			rows.push_back({time_us, static_cast<int>(rows.size())});
	}

	Answer list(const Slice &slice) const {
		const auto floor = [](int64_t time_us) { return time_us / kSecond; };
		const size_t start = slice.position.is_first ? 0 : std::stoul(slice.position.after) + 1;
		Answer answer;
		for (size_t at = start; at < rows.size(); ++at) {
			if (floor(rows[at].time_us) < floor(slice.from_us) ||
			    floor(rows[at].time_us) >= floor(slice.to_us))
				continue;
			if (answer.rows.size() == page_size) {
				answer.more = true;
				break;
			}
			answer.rows.push_back(rows[at]);
		}
		return answer;
	}
};

struct Backfill {
	const ListApi &api;
	SlicePlan plan;
	size_t concurrency;
	std::vector<int> seen;  // by row: how often it was stored
	size_t requests = 0, most_waiting = 0;
	std::vector<Slice> flying;

	Backfill(const ListApi &list, int64_t from_us, int64_t to_us, size_t calls)
		: api(list), plan(SlicePlan::whole(from_us, to_us, kSecond)), concurrency(calls),
		  seen(list.rows.size(), 0) {}

	void send_all() {
		while (flying.size() < concurrency) {
			const std::optional<Slice> slice = plan.take();
			if (!slice)
				break;
			flying.push_back(*slice);
		}
	}

	Slice land(size_t which) {
		const Slice slice = flying[which];
		flying.erase(flying.begin() + static_cast<long>(which));
		return slice;
	}

	void answer(size_t which) {
		const Slice slice = land(which);
		const Answer answer = api.list(slice);
		++requests;
		PagePosition next = slice.position;
		std::optional<int64_t> last_us;
		for (const Row &row : answer.rows)
			++seen[static_cast<size_t>(row.id)];
		if (!answer.rows.empty()) {
			next.is_first = false;
			next.after = std::to_string(answer.rows.back().id);
			last_us = answer.rows.back().time_us;
		}
		const bool may_split = plan.in_flight() - 1 + plan.waiting() + 1 < concurrency;
		plan.finish(slice.id, answer.more, next, last_us, may_split);
		most_waiting = std::max(most_waiting, plan.waiting());
	}

	void restart() {
		plan = SlicePlan::decode(plan.encode());
		flying.clear();
	}

	void expect_each_row_once() const {
		for (const int count : seen)
			ASSERT_EQ(count, 1);
	}

	// Each full page may be followed by one cut, and each range ends with one page that is not
	// full.
	size_t bound() const { return 2 * (api.rows.size() / api.page_size) + 1; }
};

std::vector<int64_t> random_times(std::mt19937 &random, size_t count, int64_t span_us) {
	std::vector<int64_t> times;
	const int shape = static_cast<int>(random() % 4);
	const int64_t cluster = static_cast<int64_t>(random() % 1000);
	for (size_t row = 0; row < count; ++row) {
		const double unit = std::uniform_real_distribution<double>(0, 1)(random);
		const double place = shape == 0   ? unit
		                     : shape == 1 ? std::pow(unit, 12)
		                     : shape == 2 ? static_cast<double>(cluster) / 1000
		                                  : static_cast<double>(random() % 3) / 3;
		times.push_back((kFrom + static_cast<int64_t>(place * static_cast<double>(span_us - 1))) /
		                kSecond * kSecond);
	}
	return times;
}

TEST(SlicePlanTest, fetches_every_row_once_in_any_order_of_answers) {
	std::mt19937 random(6);
	for (int round = 0; round < 400; ++round) {
		const int64_t span_us = kSecond * (1 + static_cast<int64_t>(random() % 100000000));
		const ListApi api(random_times(random, random() % 400, span_us), 1 + random() % 20);
		Backfill backfill(api, kFrom, kFrom + span_us, 1 + random() % 12);
		for (;;) {
			backfill.send_all();
			if (backfill.flying.empty())
				break;
			backfill.answer(random() % backfill.flying.size());
			ASSERT_LE(backfill.requests, backfill.bound());
		}
		EXPECT_TRUE(backfill.plan.is_done());
		EXPECT_EQ(backfill.plan.done_share(), 1);
		backfill.expect_each_row_once();
	}
}

TEST(SlicePlanTest, survives_failures_and_restarts) {
	std::mt19937 random(7);
	size_t restarts = 0;
	for (int round = 0; round < 200; ++round) {
		const int64_t span_us = kSecond * (1 + static_cast<int64_t>(random() % 1000000));
		const ListApi api(random_times(random, random() % 300, span_us), 1 + random() % 20);
		Backfill backfill(api, kFrom, kFrom + span_us, 1 + random() % 8);
		double share = 0;
		for (;;) {
			backfill.send_all();
			if (backfill.flying.empty())
				break;
			const size_t which = random() % backfill.flying.size();
			const size_t happening = random() % 20;
			if (happening < 3) {
				backfill.plan.put_back(backfill.land(which).id);
			} else if (happening == 3) {
				backfill.restart();
				++restarts;
			} else {
				backfill.answer(which);
			}
			ASSERT_LE(backfill.requests, backfill.bound());
			ASSERT_GE(backfill.plan.done_share() + 1e-12, share) << "progress never shrinks";
			share = backfill.plan.done_share();
		}
		EXPECT_TRUE(backfill.plan.is_done());
		backfill.expect_each_row_once();
	}
	EXPECT_GT(restarts, 50u);
}

TEST(SlicePlanTest, parallel_rounds_are_few_where_rows_are_spread) {
	std::mt19937 random(8);
	std::vector<int64_t> times;
	for (int row = 0; row < 10000; ++row)
		times.push_back(kFrom + static_cast<int64_t>(random() % 31536000) * kSecond);
	const ListApi api(times, 100);
	Backfill backfill(api, kFrom, kFrom + 365 * kDay, 10);
	int rounds = 0;
	for (;; ++rounds) {
		backfill.send_all();
		if (backfill.flying.empty())
			break;
		while (!backfill.flying.empty())
			backfill.answer(0);
	}
	backfill.expect_each_row_once();
	EXPECT_LE(rounds, 25) << "serial would be 100";
	EXPECT_LE(backfill.most_waiting, 20u);
}

TEST(SlicePlanTest, rows_of_one_second_come_page_by_page) {
	const ListApi api(std::vector<int64_t>(1000, kFrom + 12345 * kSecond), 10);
	Backfill backfill(api, kFrom, kFrom + 365 * kDay, 10);
	for (;;) {
		backfill.send_all();
		if (backfill.flying.empty())
			break;
		while (!backfill.flying.empty())
			backfill.answer(0);
	}
	backfill.expect_each_row_once();
	EXPECT_LE(backfill.requests, 100u + 30u) << "the pages, and a cut for every halving of a year";
}

TEST(SlicePlanTest, halves_what_is_left_on_whole_spans) {
	SlicePlan plan = SlicePlan::whole(0, 100 * kSecond, 10 * kSecond);
	const Slice first = *plan.take();
	EXPECT_EQ(first.from_us, 0);
	EXPECT_EQ(first.to_us, 100 * kSecond);
	EXPECT_TRUE(first.position.is_first);
	EXPECT_FALSE(plan.take());
	PagePosition next;
	next.after = "x";
	next.is_first = false;
	plan.finish(first.id, true, next, 95 * kSecond, true);
	EXPECT_EQ(plan.waiting(), 2u);
	const Slice newer = *plan.take(), older = *plan.take();
	EXPECT_EQ(newer.from_us, 40 * kSecond);
	EXPECT_EQ(newer.to_us, 100 * kSecond);
	EXPECT_EQ(newer.left_us, 95 * kSecond);
	EXPECT_EQ(newer.position.after, "x");
	EXPECT_EQ(older.from_us, 0);
	EXPECT_EQ(older.to_us, 40 * kSecond);
	EXPECT_TRUE(older.position.is_first);
	EXPECT_NE(newer.id, older.id);
	EXPECT_EQ(plan.in_flight(), 2u);
	EXPECT_NEAR(plan.done_share(), 0.05, 1e-9);
}

TEST(SlicePlanTest, does_not_split_without_leave_time_or_room) {
	PagePosition next;
	next.is_first = false;
	SlicePlan leave = SlicePlan::whole(0, 100 * kSecond, kSecond);
	leave.finish(leave.take()->id, true, next, 50 * kSecond, false);
	EXPECT_EQ(leave.waiting(), 1u);
	EXPECT_NEAR(leave.done_share(), 0.5, 1e-9);
	leave.finish(leave.take()->id, true, next, std::nullopt, true);
	EXPECT_EQ(leave.waiting(), 1u);
	leave.finish(leave.take()->id, true, next, kSecond, true);
	EXPECT_EQ(leave.waiting(), 1u);
	EXPECT_EQ(leave.take()->to_us, 100 * kSecond);
}

TEST(SlicePlanTest, an_api_that_ignores_the_bounds_does_not_bend_the_plan) {
	PagePosition next;
	next.is_first = false;
	SlicePlan plan = SlicePlan::whole(10 * kSecond, 100 * kSecond, kSecond);
	plan.finish(plan.take()->id, true, next, 5000 * kSecond, true);
	EXPECT_EQ(plan.waiting(), 2u);
	EXPECT_EQ(plan.take()->left_us, 100 * kSecond);
	plan.finish(plan.take()->id, true, next, kSecond, true);
	const Slice older = *plan.take();
	EXPECT_EQ(older.from_us, 10 * kSecond);
	EXPECT_EQ(older.left_us, 10 * kSecond);
}

TEST(SlicePlanTest, an_empty_range_is_done) {
	SlicePlan plan = SlicePlan::whole(5, 5, 1);
	EXPECT_TRUE(plan.is_done());
	EXPECT_EQ(plan.done_share(), 1);
	EXPECT_FALSE(plan.take());
	EXPECT_TRUE(SlicePlan::decode(plan.encode()).is_done());
	EXPECT_TRUE(SlicePlan::whole(6, 5, 0).is_done());
}

TEST(SlicePlanTest, finishing_what_is_not_in_flight_is_an_error) {
	SlicePlan plan = SlicePlan::whole(0, kSecond, kSecond);
	EXPECT_THROW(plan.finish(1, false, {}, std::nullopt, false), Error);
	const Slice slice = *plan.take();
	plan.put_back(99);
	EXPECT_EQ(plan.in_flight(), 1u);
	plan.put_back(slice.id);
	EXPECT_EQ(plan.waiting(), 1u);
	EXPECT_EQ(plan.in_flight(), 0u);
	EXPECT_THROW(plan.finish(slice.id, false, {}, std::nullopt, false), Error);
	EXPECT_FALSE(plan.is_done());
}

TEST(SlicePlanTest, keeps_positions_in_its_text) {
	SlicePlan plan = SlicePlan::whole(0, 100 * kSecond, kSecond);
	PagePosition next;
	next.after = "row \"7\"";
	next.digest = 7;
	next.is_first = false;
	plan.finish(plan.take()->id, true, next, 60 * kSecond, true);
	plan.take();
	SlicePlan copy = SlicePlan::decode(plan.encode());
	EXPECT_EQ(copy.in_flight(), 0u);
	EXPECT_EQ(copy.waiting(), 2u);
	EXPECT_EQ(copy.done_share(), plan.done_share());
	const Slice newer = *copy.take();
	EXPECT_EQ(newer.position.after, "row \"7\"");
	EXPECT_EQ(newer.position.digest, 7u);
	EXPECT_EQ(newer.from_us, 30 * kSecond);
	EXPECT_EQ(newer.left_us, 60 * kSecond);
}

TEST(SlicePlanTest, refuses_other_texts) {
	const std::string good = SlicePlan::whole(0, 10, 1).encode();
	for (const std::string &text :
	     {std::string(), std::string("{}"), std::string("[]"), good.substr(1),
	      std::string("{\"from\":0,\"to\":1,\"min_span\":0,\"slices\":[]}"),
	      std::string("{\"from\":2,\"to\":1,\"min_span\":1,\"slices\":[]}"),
	      std::string("{\"from\":0,\"to\":1,\"min_span\":1,\"slices\":[{}]}"),
	      std::string(
			  "{\"from\":0,\"to\":1,\"min_span\":1,\"slices\":[{\"from\":2,\"to\":1,\"left\":1,"
			  "\"at\":{\"after\":\"\",\"number\":0,\"first\":true,\"digest\":0}}]}")}) {
		try {
			SlicePlan::decode(text);
			FAIL() << text;
		} catch (const Error &error) {
			EXPECT_EQ(error.sqlstate(), "22023") << text;
			EXPECT_STREQ(error.what(), "could not read the plan of a backfill");
		}
	}
}

}  // namespace
}  // namespace sequin
