// Drives a transport in the tests as the engine does: waits on its descriptor for at most as long
// as it asks for, then advances it.
// Scope: unit tests.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "http/curl_transport.h"

namespace sequin::http {

Request get(const std::string &url);

class Loop final {
public:
	explicit Loop(std::string_view allowed_hosts = "127.0.0.1", CurlOptions options = {});

	Transport &transport() { return *transport_; }
	// Sends and waits exactly as the transport says; its own Failure::kOther if that never ends.
	Response fetch(Request request);
	void run_until_idle();
	// Waits in small steps for a condition that other threads may fulfil; false after 20 s.
	bool run_until(const std::function<bool()> &is_done);
	int64_t longest_advance_us() const { return longest_advance_us_; }
	void drop() { transport_.reset(); }

private:
	void turn(int most_ms);

	std::unique_ptr<Transport> transport_;
	int64_t longest_advance_us_ = 0;
};

void PrintTo(Failure failure, std::ostream *out);  // for GoogleTest

int64_t now_ms();  // of a clock that never steps

}  // namespace sequin::http
