// A loop around a transport. See http_loop.h.
// Scope: unit tests.
#include "test/unit/http_loop.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>

namespace sequin::http {
namespace {

constexpr int kPatienceMs = 20000;
constexpr int kStepMs = 5;

int64_t now_us() {
	using namespace std::chrono;
	return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int64_t now_ms() {
	return now_us() / 1000;
}

void PrintTo(Failure failure, std::ostream *out) {
	static constexpr const char *kNames[] = {
		"kNone",          "kResolve",   "kConnect",  "kTls",          "kTimeout",
		"kReset",         "kTruncated", "kTooLarge", "kJsonTooLarge", "kForbiddenAddress",
		"kForbiddenHost", "kCancelled", "kOther"};
	*out << kNames[static_cast<size_t>(failure)];
}

Request get(const std::string &url) {
	Request request;
	request.url = url;
	return request;
}

Loop::Loop(std::string_view allowed_hosts, CurlOptions options) {
	options.egress = Egress::parse(allowed_hosts);
	transport_ = make_curl_transport(options);
}

void Loop::turn(int most_ms) {
	const int told_ms = transport_->timeout_ms();
	pollfd readable{transport_->poll_fd(), POLLIN, 0};
	poll(&readable, 1, told_ms < 0 ? most_ms : std::min(told_ms, most_ms));
	const int64_t before_us = now_us();
	transport_->advance();
	longest_advance_us_ = std::max(longest_advance_us_, now_us() - before_us);
}

Response Loop::fetch(Request request) {
	Response response;
	response.failure = Failure::kOther;
	response.failure_text = "the callback was never called";
	bool is_done = false;
	const RequestId id = transport_->send(std::move(request), [&](Response &&got) {
		response = std::move(got);
		is_done = true;
	});
	for (const int64_t deadline = now_ms() + kPatienceMs; !is_done && now_ms() < deadline;)
		turn(kPatienceMs);
	transport_->cancel(id);
	return response;
}

void Loop::run_until_idle() {
	for (const int64_t deadline = now_ms() + kPatienceMs; transport_->in_flight() > 0;) {
		ASSERT_LT(now_ms(), deadline) << transport_->in_flight() << " requests never end";
		turn(kPatienceMs);
	}
}

bool Loop::run_until(const std::function<bool()> &is_done) {
	for (const int64_t deadline = now_ms() + kPatienceMs; !is_done();) {
		if (now_ms() >= deadline)
			return false;
		turn(kStepMs);
	}
	return true;
}

}  // namespace sequin::http
