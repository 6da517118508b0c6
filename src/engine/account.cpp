// Calls on one account. See account.h.
// Scope: engine.
#include "engine/account.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <regex>

#include "core/time.h"

namespace sequin::engine {
namespace {

bool glob_matches(std::string_view glob, std::string_view text) {
	if (glob.empty())
		return text.empty();
	if (glob[0] == '*') {
		for (size_t i = 0; i <= text.size(); i++)
			if (glob_matches(glob.substr(1), text.substr(i)))
				return true;
		return false;
	}
	return !text.empty() && glob[0] == text[0] && glob_matches(glob.substr(1), text.substr(1));
}

bool applies_to(const LimitSpec &spec, const std::string &secret) {
	return spec.secret_pattern.empty() ||
	       std::regex_search(secret, std::regex(spec.secret_pattern));
}

int64_t reset_time(const HeaderWait &reset, const std::string &text, int64_t now_us) {
	const int64_t number = std::strtoll(text.c_str(), nullptr, 10);
	switch (reset.as) {
	case WaitAs::kSeconds:
		return now_us + number * 1000000;
	case WaitAs::kEpoch:
		return number * 1000000;
	case WaitAs::kEpochMs:
		return number * 1000;
	case WaitAs::kHttpDate:
		return parse_http_date(text).value_or(now_us);
	case WaitAs::kRfc3339:
		return parse_iso_time(text).value_or(now_us);
	}
	return now_us;
}

}  // namespace

Account::Account(const Manifest &manifest, const std::string &secret, int64_t now_us) {
	for (const LimitSpec &spec : manifest.limits) {
		if (!applies_to(spec, secret))
			continue;
		limits_.push_back(std::make_unique<Limit>(Limit{
			spec, RateWindow(spec.allowed, spec.interval_us, spec.concurrency, spec.reserve)}));
		// The engine before this one may have spent all of it.
		limits_.back()->window.assume_spent(now_us);
	}
}

Admission Account::admission(const Call &call) {
	Admission admission;
	for (const auto &limit : limits_)
		if (limit->spec.path_glob.empty() || glob_matches(limit->spec.path_glob, call.path))
			admission.windows.push_back(&limit->window);
	if (call.own_window)
		admission.windows.push_back(call.own_window);
	return admission;
}

void Account::submit(std::unique_ptr<Call> call) {
	waiting_[static_cast<size_t>(call->priority)].push_back(std::move(call));
}

// Within a class calls go in order, but one that waits for its sync's own limit lets others pass.
std::unique_ptr<Call> Account::next(int64_t now_us, int64_t *wake_us) {
	*wake_us = INT64_MAX;
	for (auto &queue : waiting_) {
		for (size_t i = 0; i < queue.size(); i++) {
			const Admission windows = admission(*queue[i]);
			const int64_t ready = windows.ready_at(queue[i]->priority, now_us);
			if (ready <= now_us) {
				std::unique_ptr<Call> call = std::move(queue[i]);
				queue.erase(queue.begin() + static_cast<long>(i));
				windows.begin(now_us);
				in_flight_++;
				return call;
			}
			*wake_us = std::min(*wake_us, ready);
			const bool own_limit_waits =
				queue[i]->own_window &&
				queue[i]->own_window->ready_at(queue[i]->priority, now_us) > now_us;
			if (!own_limit_waits)
				break;
		}
	}
	return nullptr;
}

void Account::ended(const Call &call, const http::Response &response, int64_t now_us) {
	in_flight_--;
	admission(call).end(now_us);
	for (const auto &limit : limits_) {
		const LimitSpec &spec = limit->spec;
		if (!spec.path_glob.empty() && !glob_matches(spec.path_glob, call.path))
			continue;
		if (const std::string *allowed =
		        spec.learn_limit.empty() ? nullptr : response.header(spec.learn_limit.c_str()))
			if (const int n = std::atoi(allowed->c_str()); n > 0)
				limit->window.learn_limit(n);
		const std::string *remaining =
			spec.learn_remaining.empty() ? nullptr : response.header(spec.learn_remaining.c_str());
		if (remaining == nullptr)
			continue;
		const std::string *reset = spec.learn_reset.header.empty()
		                               ? nullptr
		                               : response.header(spec.learn_reset.header.c_str());
		const int64_t until =
			reset ? reset_time(spec.learn_reset, *reset, now_us) : now_us + spec.interval_us;
		limit->window.learn_remaining(std::atoll(remaining->c_str()), until, now_us);
	}
}

void Account::limited(const std::string &path, int64_t until_us) {
	for (const auto &limit : limits_)
		if (limit->spec.path_glob.empty() || glob_matches(limit->spec.path_glob, path))
			limit->window.block_until(until_us);
}

void Account::forget(int32_t sync, uint64_t incarnation) {
	for (auto &queue : waiting_)
		queue.erase(std::remove_if(queue.begin(), queue.end(),
		                           [&](const auto &call) {
									   return call->sync == sync &&
			                                  call->incarnation == incarnation;
								   }),
		            queue.end());
}

bool Account::is_idle() const noexcept {
	return in_flight_ == 0 && std::all_of(waiting_.begin(), waiting_.end(),
	                                      [](const auto &queue) { return queue.empty(); });
}

}  // namespace sequin::engine
