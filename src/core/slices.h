// Adaptive subdivision of a backfill by ranges of creation time.
// Scope: any. Pure.
//
// The list answers newest first and can be bounded by [from, to). One page of a range tells the
// time of its last record; what is left of the range is [from, last]. While there is room for more
// calls at once, what is left is halved: the newer half goes on after the last record, the older
// half starts fresh. Every cut follows a full page, so requests stay at or below twice the full
// pages and one; ranges never overlap, so no row is fetched by two of them (except records of the
// one second at a cut, which the upsert absorbs). A range's [from, to) stays as it was asked while
// its position moves, since positions may be bound to it; only a cut raises `from`. Cuts are
// multiples of `min_span`, which must be no finer than the API's own grain of time. The rows of one
// second cannot be cut and come page by page.
//
//   waiting --take()--> in flight --finish(done)--> gone
//                           |------finish(more)---> waiting (one or two ranges)
//                           |------put_back()-----> waiting (as it was)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/paging.h"

namespace sequin {

struct Slice {
	int64_t from_us = 0, to_us = 0;  // [from, to)
	int64_t left_us = 0;  // what is left is [from, left]: the last record's time, at first `to`
	PagePosition position;
	int id = 0;
};

class SlicePlan final {
public:
	// An empty range is done at once.
	static SlicePlan whole(int64_t from_us, int64_t to_us, int64_t min_span_us);
	std::string encode() const;                      // JSON; in-flight slices as they were taken
	static SlicePlan decode(std::string_view text);  // throws Error 22023

	std::optional<Slice> take();  // the newest waiting range
	// A page of a taken range was stored. `more`: the range goes on at `next` and, where
	// `may_split` and the time of the page's last record allow, in two. Throws Error XX000 if `id`
	// is not taken.
	void finish(int id, bool more, const PagePosition &next, std::optional<int64_t> last_time_us,
	            bool may_split);
	void put_back(int id) noexcept;

	bool is_done() const noexcept { return waiting_.empty() && taken_.empty(); }
	size_t waiting() const noexcept { return waiting_.size(); }
	size_t in_flight() const noexcept { return taken_.size(); }
	double done_share() const noexcept;  // of the time covered so far, 0 to 1, for an ETA

private:
	void add(Slice slice);

	std::vector<Slice> waiting_, taken_;
	int64_t from_us_ = 0, to_us_ = 0, min_span_us_ = 1000000;
	int next_id_ = 1;
};

}  // namespace sequin
