// One request on its way through libcurl: its handle, its limits, its answer so far.
// Scope: engine. Included by curl_*.cpp only.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <string>

#include "core/scanner.h"
#include "http/curl_transport.h"

namespace sequin::http {

int64_t steady_us() noexcept;
int64_t unix_us() noexcept;

class Transfer {
public:
	Transfer(RequestId id, Request request, Done done);
	~Transfer();
	Transfer(const Transfer &) = delete;
	Transfer &operator=(const Transfer &) = delete;

	void configure(const CurlOptions &options);  // sets `easy` up for the request
	void read_result(CURLcode code);             // fills the response when libcurl is done with it
	bool follow_redirect();                      // true: `request` is the next hop now
	const char *fault() const noexcept;  // why the request cannot be written down; or nullptr
	void fail(Failure failure, const std::string &text);
	int64_t silent_at_us() const noexcept;  // when it will have been silent for too long
	bool was_connected() const noexcept { return was_connected_; }

	RequestId id;
	Request request;
	Done done;
	Response response;
	std::string host;
	int port = 0;
	CURL *easy = nullptr;
	bool may_look_up = false;

private:
	static size_t on_body(char *data, size_t size, size_t count, void *self) noexcept;
	static size_t on_header(char *data, size_t size, size_t count, void *self) noexcept;
	static int on_connected(void *self, char *, char *, int, int) noexcept;
	static curl_socket_t on_open(void *self, curlsocktype purpose, curl_sockaddr *address) noexcept;

	bool take_body(const char *data, size_t size);
	bool take_header(std::string_view line);
	bool stop(Failure failure,
	          const char *why) noexcept;  // remembers why; false, for the callbacks
	void read_info();
	void read_code(CURLcode code);
	std::string explain_timeout() const;

	const CurlOptions *options_ = nullptr;
	curl_slist *headers_ = nullptr;
	JsonMeter meter_;
	int64_t header_bytes_ = 0;
	int64_t active_at_us_;
	int64_t first_started_at_us_ = 0, started_at_us_ = 0;  // of all hops; of this one
	int redirects_ = 0;
	int times_sent_ = 0;  // on this hop
	bool was_sent_ = false;
	bool was_opened_ = false;
	bool was_connected_ = false;
	bool is_head_whole_ = false;
	Failure stopped_ = Failure::kNone;
	const char *why_ = "";
};

}  // namespace sequin::http
