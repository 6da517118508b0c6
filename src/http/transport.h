// What the rest of the house knows of HTTP: values in, values out, one interface.
// Scope: any; knows neither the server nor libcurl.
//
// A Transport never blocks. `send` queues; the owner of the loop waits until `poll_fd()` is
// readable or `timeout_ms()` has passed, then calls `advance()`, which runs the completion
// callback of every request that ended. Callbacks may call `send` and `cancel`.
//
// GET and HEAD may reach the server twice, when a kept connection dies before the answer; any other
// method goes out at most once. Only GET and HEAD follow redirects; where they end, because there
// are too many or none is wanted, the answer is the redirect itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sequin::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Classes of traffic, most urgent first; `waiting` sockets and budget go in this order.
enum class Priority { kMutation, kLive, kBackfill, kSweep };

struct Limits {
	int connect_timeout_ms = 5000;
	int read_timeout_ms = 60000;  // longest silence once connected (and time to the first byte)
	int total_timeout_ms = 300000;
	int64_t max_body_bytes = 16 << 20;  // after decompression
	int64_t max_header_bytes = 256 << 10;
	int max_decompression_ratio = 100;  // counted once 1 MB has come out
	int64_t max_json_values = 500000;   // 0: body is not scanned
	int max_json_depth = 200;
};

struct Request {
	std::string method = "GET";
	std::string url;
	Headers headers;  // in full, credentials included
	std::string body;
	Limits limits;
	Priority priority = Priority::kLive;
	int max_redirects = 0;  // each hop is checked by the egress rules and by `hosts`;
	                        // credentials (Authorization, Cookie and `secret_headers`)
	                        // never cross to another host
	std::vector<std::string> secret_headers;
	std::vector<std::string> hosts;  // manifest's hosts, "*.suffix" allowed; empty: any
};

// Why there is no usable answer. `kNone` means that status, headers and body are whole.
enum class Failure {
	kNone,
	kResolve,
	kConnect,
	kTls,
	kTimeout,
	kReset,
	kTruncated,
	kTooLarge,
	kJsonTooLarge,
	kForbiddenAddress,
	kForbiddenHost,
	kCancelled,
	kOther
};

struct Response {
	Failure failure = Failure::kNone;
	std::string failure_text;  // a sentence for a person, without secrets or query strings
	bool was_sent = true;      // false: certain that nothing reached the server
	int status = 0;
	Headers headers;         // names lower-cased, in order of arrival
	std::string body;        // decompressed
	int64_t sent_at_us = 0;  // our clock (Unix µs) when the request was started
	int64_t done_at_us = 0;
	int dns_ms = 0, connect_ms = 0, tls_ms = 0, first_byte_ms = 0, total_ms = 0;

	// First header of that (lower-case) name, or nullptr.
	const std::string *header(const char *name) const noexcept;
};

using Done = std::function<void(Response &&)>;
using RequestId = uint64_t;

class Transport {
public:
	virtual ~Transport() = default;
	virtual RequestId send(Request request, Done done) = 0;
	virtual void cancel(RequestId id) noexcept = 0;  // its callback is not called
	virtual void end_all() = 0;  // gives up what is under way and what waits; each Done is called
	virtual int poll_fd() const noexcept = 0;     // an epoll descriptor
	virtual int timeout_ms() const noexcept = 0;  // -1: none
	virtual void advance() = 0;
	virtual int in_flight() const noexcept = 0;
};

}  // namespace sequin::http
