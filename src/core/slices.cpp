// The plan of a backfill: ranges that wait and ranges in flight.
// Scope: any. Pure.
#include "core/slices.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/json.h"

namespace sequin {

namespace {

// Where what is left of a range is cut in two: the middle, as a multiple of the span, or nothing if
// the halves would be shorter than it.
std::optional<int64_t> cut_at(int64_t from_us, int64_t left_us, int64_t min_span_us) noexcept {
	if ((left_us - from_us) / 2 < min_span_us)
		return std::nullopt;
	const int64_t middle_us = from_us + (left_us - from_us) / 2;
	const int64_t behind_us = (middle_us % min_span_us + min_span_us) % min_span_us;
	const int64_t cut_us = middle_us - behind_us;
	if (cut_us <= from_us)
		return std::nullopt;
	return cut_us;
}

Json to_json(const Slice &slice) {
	Json object = Json::object();
	object.set("from", Json::integer(slice.from_us));
	object.set("to", Json::integer(slice.to_us));
	object.set("left", Json::integer(slice.left_us));
	object.set("at", Json::parse(slice.position.encode()));
	return object;
}

Slice to_slice(const Json &object) {
	Slice slice;
	slice.from_us = object.get("from").as_integer();
	slice.to_us = object.get("to").as_integer();
	slice.left_us = object.get("left").as_integer();
	slice.position = PagePosition::decode(object.get("at").dump());
	if (slice.from_us > slice.left_us || slice.left_us > slice.to_us)
		throw Error("22023", "range of a backfill plan ends before it begins");
	return slice;
}

}  // namespace

SlicePlan SlicePlan::whole(int64_t from_us, int64_t to_us, int64_t min_span_us) {
	SlicePlan plan;
	plan.from_us_ = from_us;
	plan.to_us_ = std::max(from_us, to_us);
	plan.min_span_us_ = std::max<int64_t>(min_span_us, 1);
	if (from_us < to_us)
		plan.add(Slice{from_us, to_us, to_us, {}, 0});
	return plan;
}

std::string SlicePlan::encode() const {
	Json slices = Json::array();
	for (const std::vector<Slice> *list : {&taken_, &waiting_}) {
		for (const Slice &slice : *list)
			slices.append(to_json(slice));
	}
	Json object = Json::object();
	object.set("from", Json::integer(from_us_));
	object.set("to", Json::integer(to_us_));
	object.set("min_span", Json::integer(min_span_us_));
	object.set("slices", std::move(slices));
	return object.dump();
}

SlicePlan SlicePlan::decode(std::string_view text) {
	try {
		const Json object = Json::parse(text);
		SlicePlan plan;
		plan.from_us_ = object.get("from").as_integer();
		plan.to_us_ = object.get("to").as_integer();
		plan.min_span_us_ = object.get("min_span").as_integer();
		const Json slices = object.get("slices");
		if (plan.min_span_us_ < 1 || plan.from_us_ > plan.to_us_ || !slices.is_array())
			throw Error("22023", "backfill plan has no ranges or no order");
		for (size_t index = 0; index < slices.size(); ++index)
			plan.add(to_slice(slices.at(index)));
		return plan;
	} catch (const Error &error) {
		throw Error("22023", "could not read the plan of a backfill",
		            std::string("The reader says: ") + error.what() + ".");
	}
}

// Room for every slice in flight to come back is made here, so that put_back cannot fail.
void SlicePlan::add(Slice slice) {
	slice.id = next_id_++;
	waiting_.reserve(waiting_.size() + 1 + taken_.size());
	waiting_.push_back(std::move(slice));
}

std::optional<Slice> SlicePlan::take() {
	if (waiting_.empty())
		return std::nullopt;
	const auto newest = std::max_element(
		waiting_.begin(), waiting_.end(),
		[](const Slice &one, const Slice &other) { return one.to_us < other.to_us; });
	taken_.push_back(*newest);
	waiting_.erase(newest);
	return taken_.back();
}

void SlicePlan::finish(int id, bool more, const PagePosition &next,
                       std::optional<int64_t> last_time_us, bool may_split) {
	const auto found = std::find_if(taken_.begin(), taken_.end(),
	                                [id](const Slice &slice) { return slice.id == id; });
	if (found == taken_.end())
		throw Error("XX000", "range " + std::to_string(id) + " of a backfill is not in flight");
	waiting_.reserve(waiting_.size() + taken_.size() + 2);  // from the erase on nothing may fail
	Slice rest = *found;
	rest.position = next;
	// An API that ignores a bound must not bend the plan.
	if (last_time_us)
		rest.left_us = std::clamp(*last_time_us, rest.from_us, rest.left_us);
	taken_.erase(found);
	if (!more)
		return;
	const std::optional<int64_t> cut_us =
		may_split && last_time_us ? cut_at(rest.from_us, rest.left_us, min_span_us_) : std::nullopt;
	if (cut_us) {
		add(Slice{rest.from_us, *cut_us, *cut_us, {}, 0});
		rest.from_us = *cut_us;
	}
	add(std::move(rest));
}

void SlicePlan::put_back(int id) noexcept {
	const auto found = std::find_if(taken_.begin(), taken_.end(),
	                                [id](const Slice &slice) { return slice.id == id; });
	if (found == taken_.end())
		return;
	waiting_.push_back(std::move(*found));
	taken_.erase(found);
}

double SlicePlan::done_share() const noexcept {
	if (is_done() || to_us_ <= from_us_)
		return 1;
	double left_us = 0;
	for (const std::vector<Slice> *list : {&waiting_, &taken_}) {
		for (const Slice &slice : *list)
			left_us += static_cast<double>(slice.left_us - slice.from_us);
	}
	return std::clamp(1 - left_us / static_cast<double>(to_us_ - from_us_), 0.0, 1.0);
}

}  // namespace sequin
