// Calls on one account: they share its budget and wait for it in order of urgency.
// Scope: engine.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/budget.h"
#include "core/manifest.h"
#include "core/verdict.h"
#include "http/transport.h"

namespace sequin::engine {

// One call of a sync, from the wish to the answer. Composed at the last moment, so that each
// attempt is signed with what is valid then.
struct Call {
	int32_t sync = 0;
	uint64_t incarnation = 0;  // of the Sync object; an answer for another one is dropped
	int16_t collection = 0;
	CallKind kind = CallKind::kList;
	http::Priority priority = http::Priority::kLive;
	std::string path;                  // for limits that match by path
	RateWindow *own_window = nullptr;  // the sync's rate_limit, or null
	std::function<http::Request()> compose;
	std::function<void(http::Response &&)> done;
};

class Account {
public:
	// Windows for the limits of the manifest that apply to this credential.
	Account(const Manifest &manifest, const std::string &secret, int64_t now_us);

	void submit(std::unique_ptr<Call> call);
	// The next call that may go now, its windows begun; null: none, and `*wake_us` says when to
	// look again (INT64_MAX: when one ends).
	std::unique_ptr<Call> next(int64_t now_us, int64_t *wake_us);
	void ended(const Call &call, const http::Response &response, int64_t now_us);
	void limited(const std::string &path, int64_t until_us);
	void forget(int32_t sync, uint64_t incarnation);  // its waiting calls
	bool is_idle() const noexcept;

	bool is_dirty = false;  // the loop is to look at it in this turn

private:
	struct Limit {
		LimitSpec spec;
		RateWindow window;
	};
	Admission admission(const Call &call);

	std::vector<std::unique_ptr<Limit>> limits_;
	std::array<std::deque<std::unique_ptr<Call>>, 4> waiting_;
	int in_flight_ = 0;
};

}  // namespace sequin::engine
