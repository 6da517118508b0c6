// The transport over libcurl's multi interface. See curl_transport.h.
// Scope: engine. libcurl's callbacks are noexcept and never touch the server.
#include "http/curl_transport.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/scanner.h"
#include "http/curl_transfer.h"

namespace sequin::http {
namespace {

constexpr int kEventsPerTurn = 256;

// libcurl's resolver threads inherit the mask: no signal of the server's may reach them.
class SignalsBlocked {
public:
	SignalsBlocked() noexcept {
		sigset_t all;
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before_);
	}
	~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
	SignalsBlocked(const SignalsBlocked &) = delete;
	SignalsBlocked &operator=(const SignalsBlocked &) = delete;

private:
	sigset_t before_;
};

class CurlTransport final : public Transport {
public:
	explicit CurlTransport(const CurlOptions &options);
	~CurlTransport() override;

	RequestId send(Request request, Done done) override;
	void cancel(RequestId id) noexcept override;
	void end_all() override;
	int poll_fd() const noexcept override { return epoll_; }
	int timeout_ms() const noexcept override;
	void advance() override;
	int in_flight() const noexcept override;

private:
	static int on_socket(CURL *easy, curl_socket_t socket, int what, void *self,
	                     void *known) noexcept;
	static int on_timer(CURLM *multi, long timeout_ms, void *self) noexcept;

	void watch(curl_socket_t socket, int what, bool is_known) noexcept;
	void start_waiting();
	bool has_room(Priority priority, int used, int places) const noexcept;
	void start(std::unique_ptr<Transfer> transfer);
	void collect_finished();
	void end_silent();
	void finish(Transfer *transfer, CURLcode code);
	void complete(std::unique_ptr<Transfer> transfer);
	void detach(Transfer *transfer) noexcept;
	CURL *new_handle();

	CurlOptions options_;
	CURLM *multi_ = nullptr;
	int epoll_ = -1;
	int64_t timer_due_us_ = -1;  // steady clock; -1: none
	RequestId next_id_ = 1;
	std::array<std::deque<std::unique_ptr<Transfer>>, 4> waiting_;
	std::unordered_map<RequestId, std::unique_ptr<Transfer>> running_;
	std::vector<CURL *> idle_;
	std::unordered_set<std::string> known_hosts_;  // reached before: no slow lookup is to be feared
};

CurlTransport::CurlTransport(const CurlOptions &options) : options_(options) {
	static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
	if (global != CURLE_OK)
		throw Error("58000", "could not initialise libcurl", curl_easy_strerror(global));
	epoll_ = epoll_create1(EPOLL_CLOEXEC);
	multi_ = curl_multi_init();
	if (epoll_ < 0 || multi_ == nullptr) {
		if (multi_)
			curl_multi_cleanup(multi_);
		if (epoll_ >= 0)
			::close(epoll_);
		throw Error("58000", "could not open the network");
	}
	curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlTransport::on_socket);
	curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
	curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlTransport::on_timer);
	curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
	// Kept connections are sockets too: the oldest gives way to a new one.
	const long sockets = options_.max_connections;
	curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, sockets);
	curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, sockets);
}

CurlTransport::~CurlTransport() {
	for (auto &[id, transfer] : running_)
		detach(transfer.get());
	running_.clear();
	for (CURL *easy : idle_)
		curl_easy_cleanup(easy);
	curl_multi_cleanup(multi_);
	::close(epoll_);
}

int CurlTransport::on_socket(CURL *, curl_socket_t socket, int what, void *self,
                             void *known) noexcept {
	static_cast<CurlTransport *>(self)->watch(socket, what, known != nullptr);
	return 0;
}

int CurlTransport::on_timer(CURLM *, long timeout_ms, void *self) noexcept {
	static_cast<CurlTransport *>(self)->timer_due_us_ =
		timeout_ms < 0 ? -1 : steady_us() + timeout_ms * 1000;
	return 0;
}

void CurlTransport::watch(curl_socket_t socket, int what, bool is_known) noexcept {
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
		return;
	}
	epoll_event event{};
	event.data.fd = socket;
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	epoll_ctl(epoll_, is_known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
	if (!is_known)
		curl_multi_assign(multi_, socket, this);
}

RequestId CurlTransport::send(Request request, Done done) {
	auto transfer = std::make_unique<Transfer>(next_id_++, std::move(request), std::move(done));
	const RequestId id = transfer->id;
	waiting_[static_cast<size_t>(transfer->request.priority)].push_back(std::move(transfer));
	timer_due_us_ = 0;  // the next advance() starts it
	return id;
}

void CurlTransport::cancel(RequestId id) noexcept {
	if (const auto it = running_.find(id); it != running_.end()) {
		detach(it->second.get());
		running_.erase(it);
		return;
	}
	for (auto &queue : waiting_)
		queue.erase(
			std::remove_if(queue.begin(), queue.end(), [id](const auto &t) { return t->id == id; }),
			queue.end());
}

// One after the other out of their place, so that a callback may cancel the rest; what callbacks
// send is not ended.
void CurlTransport::end_all() {
	const RequestId next = next_id_;
	const auto end = [this](std::unique_ptr<Transfer> &place) {
		std::unique_ptr<Transfer> transfer = std::move(place);
		detach(transfer.get());
		transfer->fail(Failure::kOther, "given up because the settings changed");
		return transfer;
	};
	while (!running_.empty()) {
		std::unique_ptr<Transfer> transfer = end(running_.begin()->second);
		running_.erase(running_.begin());
		complete(std::move(transfer));
	}
	for (auto &queue : waiting_)
		while (!queue.empty() && queue.front()->id < next) {
			std::unique_ptr<Transfer> transfer = end(queue.front());
			queue.pop_front();
			complete(std::move(transfer));
		}
}

int CurlTransport::in_flight() const noexcept {
	size_t count = running_.size();
	for (const auto &queue : waiting_)
		count += queue.size();
	return static_cast<int>(count);
}

int CurlTransport::timeout_ms() const noexcept {
	const int64_t now = steady_us();
	int64_t due = timer_due_us_ < 0 ? INT64_MAX : timer_due_us_;
	for (const auto &[id, transfer] : running_)
		due = std::min(due, transfer->silent_at_us());
	if (due == INT64_MAX)
		return -1;
	return static_cast<int>(std::clamp<int64_t>((due - now + 999) / 1000, 0, 60000));
}

void CurlTransport::advance() {
	start_waiting();
	epoll_event events[kEventsPerTurn];
	const int count = epoll_wait(epoll_, events, kEventsPerTurn, 0);
	{
		SignalsBlocked blocked;
		int still_running = 0;
		for (int i = 0; i < count; i++) {
			const uint32_t what = events[i].events;
			const int mask = (what & EPOLLIN ? CURL_CSELECT_IN : 0) |
			                 (what & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			                 (what & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
			curl_multi_socket_action(multi_, events[i].data.fd, mask, &still_running);
		}
		if (timer_due_us_ >= 0 && timer_due_us_ <= steady_us()) {
			timer_due_us_ = -1;
			curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &still_running);
		}
	}
	collect_finished();
	end_silent();
	start_waiting();
}

// A share is kept for what is urgent, at most half, so that a small transport serves everyone.
bool CurlTransport::has_room(Priority priority, int used, int places) const noexcept {
	const int kept = std::min(options_.reserved_for_urgent, places / 2);
	return used < places - (priority == Priority::kMutation ? 0 : kept);
}

// In order of urgency. A request to a host never reached may hang in its lookup, so only so many of
// those go at once; others pass them. What a callback sends meanwhile has to wait for the next
// turn.
void CurlTransport::start_waiting() {
	const RequestId newest = next_id_;
	int lookups = 0;
	for (const auto &[id, transfer] : running_)
		lookups += transfer->may_look_up ? 1 : 0;
	for (auto &queue : waiting_) {
		for (size_t i = 0; i < queue.size() && queue[i]->id < newest;) {
			Transfer &next = *queue[i];
			const Priority priority = next.request.priority;
			if (!has_room(priority, static_cast<int>(running_.size()), options_.max_connections))
				break;
			next.may_look_up = !known_hosts_.count(next.host);
			if (next.may_look_up && !has_room(priority, lookups, options_.max_lookups)) {
				i++;
				continue;
			}
			lookups += next.may_look_up ? 1 : 0;
			std::unique_ptr<Transfer> transfer = std::move(queue[i]);
			queue.erase(queue.begin() + static_cast<long>(i));
			start(std::move(transfer));
		}
	}
}

CURL *CurlTransport::new_handle() {
	if (idle_.empty())
		return curl_easy_init();
	CURL *easy = idle_.back();
	idle_.pop_back();
	curl_easy_reset(easy);
	return easy;
}

void CurlTransport::start(std::unique_ptr<Transfer> transfer) {
	transfer->response.sent_at_us = unix_us();
	try {
		options_.egress.check_url(transfer->request.url);
		if (!transfer->request.hosts.empty() &&
		    !host_matches(transfer->request.hosts, transfer->host))
			throw Error("22023",
			            "host \"" + transfer->host + "\" is not one of the provider's hosts");
	} catch (const Error &error) {
		transfer->fail(Failure::kForbiddenHost, error.what());
		complete(std::move(transfer));
		return;
	}
	const char *fault = transfer->fault();
	if (fault == nullptr && (transfer->easy = new_handle()) == nullptr)
		fault = "libcurl is out of memory";
	if (fault != nullptr) {
		transfer->fail(Failure::kOther, fault);
		complete(std::move(transfer));
		return;
	}
	transfer->configure(options_);
	Transfer *raw = transfer.get();
	running_.emplace(raw->id, std::move(transfer));
	SignalsBlocked blocked;
	curl_multi_add_handle(multi_, raw->easy);
}

void CurlTransport::detach(Transfer *transfer) noexcept {
	if (transfer->easy == nullptr)
		return;
	curl_multi_remove_handle(multi_, transfer->easy);
	idle_.push_back(transfer->easy);
	transfer->easy = nullptr;
}

void CurlTransport::collect_finished() {
	struct Ended {
		RequestId id;
		CURLcode code;
	};
	std::vector<Ended> ended;
	int left = 0;
	while (const CURLMsg *message = curl_multi_info_read(multi_, &left)) {
		if (message->msg != CURLMSG_DONE)
			continue;
		void *owner = nullptr;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
		ended.push_back({static_cast<Transfer *>(owner)->id, message->data.result});
	}
	// A callback may cancel another one that has ended.
	for (const Ended &one : ended)
		if (const auto it = running_.find(one.id); it != running_.end())
			finish(it->second.get(), one.code);
}

void CurlTransport::end_silent() {
	const int64_t now = steady_us();
	std::vector<RequestId> silent;
	for (const auto &[id, transfer] : running_)
		if (transfer->silent_at_us() <= now)
			silent.push_back(id);
	for (RequestId id : silent)
		if (const auto it = running_.find(id); it != running_.end())
			finish(it->second.get(), CURLE_OPERATION_TIMEDOUT);
}

void CurlTransport::finish(Transfer *transfer, CURLcode code) {
	transfer->read_result(code);
	if (transfer->was_connected())
		known_hosts_.insert(transfer->host);
	detach(transfer);
	const auto it = running_.find(transfer->id);
	std::unique_ptr<Transfer> ended = std::move(it->second);
	running_.erase(it);
	if (ended->follow_redirect())
		waiting_[static_cast<size_t>(ended->request.priority)].push_front(std::move(ended));
	else
		complete(std::move(ended));
}

void CurlTransport::complete(std::unique_ptr<Transfer> transfer) {
	transfer->response.done_at_us = unix_us();
	if (transfer->done)
		transfer->done(std::move(transfer->response));
}

}  // namespace

const std::string *Response::header(const char *name) const noexcept {
	for (const auto &[key, value] : headers)
		if (key == name)
			return &value;
	return nullptr;
}

std::unique_ptr<Transport> make_curl_transport(const CurlOptions &options) {
	return std::make_unique<CurlTransport>(options);
}

}  // namespace sequin::http
