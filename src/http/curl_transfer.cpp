// One request on its way through libcurl. See curl_transfer.h.
// Scope: engine. libcurl's callbacks are noexcept: an exception inside ends the transfer.
#include "http/curl_transfer.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"

namespace sequin::http {
namespace {

constexpr int64_t kRatioCountsFrom = 1 << 20;
constexpr int kCurlTooLarge = 100;  // CURLE_TOO_LARGE of libcurl 8.6 and later

std::string lower(std::string_view text) {
	std::string out(text);
	std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
		return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
	});
	return out;
}

std::string_view trimmed(std::string_view text) {
	const size_t first = text.find_first_not_of(" \t\r\n");
	if (first == std::string_view::npos)
		return {};
	return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// A part of a URL by libcurl's own parser, so that what is checked is what is used.
std::string url_part(const std::string &url, CURLUPart part, unsigned flags = 0) {
	CURLU *handle = curl_url();
	std::string value;
	char *text = nullptr;
	if (handle && curl_url_set(handle, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
	    curl_url_get(handle, part, &text, flags) == CURLUE_OK)
		value = text;
	curl_free(text);
	curl_url_cleanup(handle);
	return value;
}

std::string resolve_url(const std::string &base, const std::string &relative) {
	CURLU *handle = curl_url();
	std::string value;
	char *text = nullptr;
	if (handle && curl_url_set(handle, CURLUPART_URL, base.c_str(), 0) == CURLUE_OK &&
	    curl_url_set(handle, CURLUPART_URL, relative.c_str(), 0) == CURLUE_OK &&
	    curl_url_get(handle, CURLUPART_URL, &text, 0) == CURLUE_OK)
		value = text;
	curl_free(text);
	curl_url_cleanup(handle);
	return value;
}

std::string origin(const std::string &url) {
	return url_part(url, CURLUPART_SCHEME) + "://" + lower(url_part(url, CURLUPART_HOST)) + ":" +
	       url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

std::string bare_host(const std::string &url) {
	std::string host = lower(url_part(url, CURLUPART_HOST));
	if (host.size() > 2 && host.front() == '[')
		host = host.substr(1, host.size() - 2);
	while (!host.empty() && host.back() == '.')
		host.pop_back();
	return host;
}

// What may be a method or the name of a header.
bool is_token(std::string_view text) noexcept {
	return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
		return c > ' ' && c < 0x7F && c != ':';
	});
}

bool is_read(const Request &request) noexcept {
	return request.method == "GET" || request.method == "HEAD";
}

}  // namespace

int64_t steady_us() noexcept {
	return std::chrono::duration_cast<std::chrono::microseconds>(
			   std::chrono::steady_clock::now().time_since_epoch())
	    .count();
}

int64_t unix_us() noexcept {
	return std::chrono::duration_cast<std::chrono::microseconds>(
			   std::chrono::system_clock::now().time_since_epoch())
	    .count();
}

Transfer::Transfer(RequestId transfer_id, Request wanted, Done when_done)
	: id(transfer_id), request(std::move(wanted)), done(std::move(when_done)),
	  host(bare_host(request.url)),
	  port(std::atoi(url_part(request.url, CURLUPART_PORT, CURLU_DEFAULT_PORT).c_str())),
	  meter_(request.limits.max_body_bytes, request.limits.max_json_values,
             request.limits.max_json_depth),
	  active_at_us_(steady_us()) {}

Transfer::~Transfer() {
	curl_slist_free_all(headers_);
}

// A line break in a header or method would be another header or request.
const char *Transfer::fault() const noexcept {
	if (!is_token(request.method))
		return "the method is no word";
	for (const auto &[name, value] : request.headers) {
		if (!is_token(name))
			return "a header's name is no word";
		if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
			return "a header's value contains a line break or a zero byte";
	}
	return nullptr;
}

void Transfer::configure(const CurlOptions &options) {
	options_ = &options;
	times_sent_ = 0;
	was_opened_ = was_connected_ = is_head_whole_ = false;
	started_at_us_ = active_at_us_ = steady_us();
	if (first_started_at_us_ == 0)
		first_started_at_us_ = started_at_us_;
	const int64_t spent_ms = (started_at_us_ - first_started_at_us_) / 1000;
	const int64_t left_ms = std::max<int64_t>(request.limits.total_timeout_ms - spent_ms, 1);
	curl_slist_free_all(headers_);
	headers_ = curl_slist_append(nullptr, "Expect:");
	for (const auto &[name, value] : request.headers)
		headers_ =
			curl_slist_append(headers_, (name + (value.empty() ? ";" : ": " + value)).c_str());
	const Limits &limits = request.limits;
	curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
	curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
	curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
	curl_easy_setopt(easy, CURLOPT_PROXY, options.proxy.c_str());
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	if (!options.ca_file.empty())
		curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits.connect_timeout_ms));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(left_ms));
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Transfer::on_connected);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
	if (request.method == "HEAD") {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (request.method != "GET" || !request.body.empty()) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
		                 static_cast<curl_off_t>(request.body.size()));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
	}
}

bool Transfer::stop(Failure failure, const char *why) noexcept {
	stopped_ = failure;
	why_ = why;
	return false;
}

size_t Transfer::on_body(char *data, size_t size, size_t count, void *self) noexcept {
	try {
		return static_cast<Transfer *>(self)->take_body(data, size * count) ? size * count : 0;
	} catch (...) {
		static_cast<Transfer *>(self)->stop(Failure::kTooLarge, "out of memory");
		return 0;
	}
}

bool Transfer::take_body(const char *data, size_t size) {
	active_at_us_ = steady_us();
	const Limits &limits = request.limits;
	const int64_t decoded = static_cast<int64_t>(response.body.size() + size);
	if (decoded > limits.max_body_bytes)
		return stop(Failure::kTooLarge, "the answer is larger than its limit");
	curl_off_t received = 0;
	curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
	if (decoded > kRatioCountsFrom &&
	    decoded / std::max<int64_t>(received, 1) > limits.max_decompression_ratio && received > 0)
		return stop(Failure::kTooLarge, "the answer swells too much when decompressed");
	if (limits.max_json_values > 0 && !meter_.feed(data, size))
		return stop(Failure::kJsonTooLarge, meter_.reason());
	response.body.append(data, size);
	return true;
}

size_t Transfer::on_header(char *data, size_t size, size_t count, void *self) noexcept {
	try {
		return static_cast<Transfer *>(self)->take_header({data, size * count}) ? size * count : 0;
	} catch (...) {
		static_cast<Transfer *>(self)->stop(Failure::kTooLarge, "out of memory");
		return 0;
	}
}

bool Transfer::take_header(std::string_view line) {
	active_at_us_ = steady_us();
	header_bytes_ += static_cast<int64_t>(line.size());
	if (header_bytes_ > request.limits.max_header_bytes)
		return stop(Failure::kTooLarge, "the answer's headers are larger than their limit");
	// A status line begins the headers of the answer proper: what came before was provisional.
	if (line.substr(0, 5) == "HTTP/") {
		response.headers.clear();
		is_head_whole_ = false;
		return true;
	}
	is_head_whole_ = is_head_whole_ || trimmed(line).empty();
	const size_t colon = line.find(':');
	if (colon != std::string_view::npos)
		response.headers.emplace_back(lower(trimmed(line.substr(0, colon))),
		                              std::string(trimmed(line.substr(colon + 1))));
	return true;
}

// The address is the one that will be connected to: nothing can be resolved anew after this check.
curl_socket_t Transfer::on_open(void *self, curlsocktype, curl_sockaddr *address) noexcept {
	auto *transfer = static_cast<Transfer *>(self);
	const CurlOptions &options = *transfer->options_;
	transfer->may_look_up = false;
	if (options.proxy.empty() &&
	    !options.egress.allows_address(transfer->host, transfer->port, &address->addr)) {
		if (!transfer->was_opened_)
			transfer->stopped_ = Failure::kForbiddenAddress;
		return CURL_SOCKET_BAD;  // libcurl tries the next address
	}
	transfer->was_opened_ = true;
	transfer->stopped_ = Failure::kNone;
	return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Right before the request goes out. libcurl sends it anew when a kept connection dies under it;
// nobody knows whether the server has read it, so a write is not sent twice.
int Transfer::on_connected(void *self, char *, char *, int, int) noexcept {
	auto *transfer = static_cast<Transfer *>(self);
	if (transfer->times_sent_++ > 0 && !is_read(transfer->request)) {
		transfer->stop(Failure::kReset, "the connection was cut off");
		return CURL_PREREQFUNC_ABORT;
	}
	transfer->may_look_up = false;
	transfer->was_sent_ = transfer->was_connected_ = true;
	transfer->active_at_us_ = steady_us();
	return CURL_PREREQFUNC_OK;
}

int64_t Transfer::silent_at_us() const noexcept {
	if (!was_connected_)
		return INT64_MAX;  // the time to connect is libcurl's to watch
	return active_at_us_ + request.limits.read_timeout_ms * 1000LL;
}

void Transfer::fail(Failure failure, const std::string &text) {
	response.failure = failure;
	response.failure_text = text;
	response.was_sent = was_sent_;
}

void Transfer::read_info() {
	const auto milliseconds = [this](CURLINFO info) {
		curl_off_t us = 0;
		curl_easy_getinfo(easy, info, &us);
		return static_cast<int>(us / 1000);
	};
	response.dns_ms = milliseconds(CURLINFO_NAMELOOKUP_TIME_T);
	response.connect_ms = milliseconds(CURLINFO_CONNECT_TIME_T);
	response.tls_ms = milliseconds(CURLINFO_APPCONNECT_TIME_T);
	response.first_byte_ms = milliseconds(CURLINFO_STARTTRANSFER_TIME_T);
	response.total_ms = milliseconds(CURLINFO_TOTAL_TIME_T);
	was_connected_ = was_connected_ || response.connect_ms > 0;
	long status = 0;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	response.status = static_cast<int>(status);
}

std::string Transfer::explain_timeout() const {
	char text[256];
	const int connecting_ms = response.connect_ms > 0 ? response.connect_ms - response.dns_ms : 0;
	std::snprintf(text, sizeof text,
	              "timed out after %.1f s: resolving %.1f s, connecting %.1f s, first byte %s",
	              response.total_ms / 1000.0, response.dns_ms / 1000.0, connecting_ms / 1000.0,
	              header_bytes_ > 0 ? "arrived" : "never arrived");
	return text;
}

void Transfer::read_result(CURLcode code) {
	read_info();
	if (code == CURLE_OPERATION_TIMEDOUT)  // libcurl's figure is as old as the last byte
		response.total_ms = static_cast<int>((steady_us() - started_at_us_) / 1000);
	if (stopped_ == Failure::kForbiddenAddress)
		fail(stopped_, "the address of \"" + host +
		                   "\" is not public and is not listed in sequin.allowed_hosts");
	else if (stopped_ != Failure::kNone)
		fail(stopped_, why_);
	else
		read_code(code);
}

void Transfer::read_code(CURLcode code) {
	switch (code) {
	case CURLE_OK:
		if (!is_head_whole_)
			fail(Failure::kTruncated, "the answer ended before its headers were whole");
		return;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return fail(Failure::kResolve, "could not resolve \"" + host + "\"");
	case CURLE_COULDNT_CONNECT:
		return fail(Failure::kConnect, "could not connect to \"" + host + "\"");
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return fail(Failure::kTls,
		            "could not agree on TLS with \"" + host + "\": " + curl_easy_strerror(code));
	case CURLE_OPERATION_TIMEDOUT:
		return fail(Failure::kTimeout, explain_timeout());
	case CURLE_PARTIAL_FILE:
	case CURLE_BAD_CONTENT_ENCODING:
		return fail(Failure::kTruncated, "the answer ended before it was whole");
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return fail(Failure::kReset, "the connection was cut off");
	default:
		// What libcurl says of a line of 100 kB in the headers.
		if (was_sent_ && !is_head_whole_ && (code == CURLE_OUT_OF_MEMORY || code == kCurlTooLarge))
			return fail(Failure::kTooLarge, "a header of the answer is too large");
		return fail(Failure::kOther, curl_easy_strerror(code));
	}
}

// Each hop goes through the same checks as a first request; credentials stay at their origin.
bool Transfer::follow_redirect() {
	if (response.failure != Failure::kNone || redirects_ >= request.max_redirects)
		return false;
	if (!is_read(request))
		return false;
	const int s = response.status;
	const std::string *location = response.header("location");
	if (location == nullptr || location->empty() ||
	    (s != 301 && s != 302 && s != 303 && s != 307 && s != 308))
		return false;
	const std::string next = resolve_url(request.url, *location);
	if (next.empty())
		return false;
	redirects_++;
	if (origin(next) != origin(request.url)) {
		const auto is_secret = [this](const auto &header) {
			const std::string name = lower(header.first);
			return name == "authorization" || name == "cookie" ||
			       std::any_of(request.secret_headers.begin(), request.secret_headers.end(),
			                   [&](const std::string &secret) { return lower(secret) == name; });
		};
		request.headers.erase(
			std::remove_if(request.headers.begin(), request.headers.end(), is_secret),
			request.headers.end());
	}
	request.url = next;
	host = bare_host(next);
	port = std::atoi(url_part(next, CURLUPART_PORT, CURLU_DEFAULT_PORT).c_str());
	meter_ = JsonMeter(request.limits.max_body_bytes, request.limits.max_json_values,
	                   request.limits.max_json_depth);
	header_bytes_ = 0;
	response = Response{};
	return true;
}

}  // namespace sequin::http
