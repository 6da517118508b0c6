// The engine's loop: calls, answers and timers. See loop.h.
// Scope: engine.
#include <algorithm>

#include "engine/loop.h"

namespace sequin::engine {
namespace {

constexpr int64_t kSlackUs = 1000;
constexpr size_t kLongestRequestId = 200;

// What the provider calls this answer, if it is fit to be shown.
std::string request_id_of(const http::Response &response, const Access &access) {
	const std::string *id = response.header("request-id");
	const auto is_odd = [](unsigned char c) { return c < 0x20 || c > 0x7E; };
	if (id == nullptr || id->size() > kLongestRequestId || std::any_of(id->begin(), id->end(), is_odd))
		return {};
	return mask_secrets(*id, access);
}

}  // namespace

void Engine::call(const std::string &account, std::unique_ptr<Call> call) {
	Account *owner = accounts_.at(account).get();
	owner->submit(std::move(call));
	look_at(owner);
}

RateWindow *Engine::window(int32_t sync, bool is_new, int allowed, int64_t interval_us,
                           int concurrency) {
	auto &window = windows_[{sync, allowed, interval_us, concurrency}];
	if (!window) {
		window = std::make_unique<RateWindow>(allowed, std::max<int64_t>(interval_us, 1),
		                                      concurrency, 0.0);
		if (!is_new)
			window->assume_spent(now_us());
	}
	return window.get();
}

void Engine::send_now() {
	dispatch();
	transport_->advance();
}

void Engine::limited(const std::string &account, const std::string &path, int64_t until_us) {
	Account *owner = accounts_.at(account).get();
	owner->limited(path, until_us);
	look_at(owner);
}

TimerId Engine::at(int64_t due_us, int32_t sync, uint64_t incarnation,
                   std::function<void()> action) {
	const TimerId id = next_timer_++;
	timer_places_[id] = timers_.emplace(due_us, Timer{id, sync, incarnation, std::move(action)});
	return id;
}

void Engine::cancel(TimerId timer) {
	const auto place = timer_places_.find(timer);
	if (place == timer_places_.end())
		return;
	timers_.erase(place->second);
	timer_places_.erase(place);
}

void Engine::appended(const store::Applied &applied) {
	if (unannounced_.changed == 0)
		unannounced_.first_seq = applied.first_seq;
	unannounced_.last_seq = applied.last_seq;
	unannounced_.changed += applied.changed;
}

void Engine::take_answers() {
	// Only those that are here now: answering may bring more.
	for (size_t n = arrived_.size(); n > 0 && !arrived_.empty(); n--) {
		Arrived arrived = std::move(arrived_.front());
		arrived_.pop_front();
		answer(std::move(arrived));
	}
}

void Engine::answer(Arrived arrived) {
	const int32_t key = arrived.call->sync;
	if (key == 0) {
		// A backend's request, of no sync.
		arrived.call->done(std::move(arrived.response));
		return;
	}
	const uint64_t incarnation = arrived.call->incarnation;
	const bool is_wanted = is_seated(key, incarnation);
	const std::string request_id =
		is_wanted ? request_id_of(arrived.response, seats_[key].sync->row().access) : std::string();
	housekeeping_.log_call(*arrived.call, arrived.method, arrived.url, request_id,
	                       arrived.response);
	if (!is_wanted)
		return;
	pg::report_running(("applying an answer of sync " + seats_[key].sync->row().id).c_str());
	guarded(key, incarnation, [&] { arrived.call->done(std::move(arrived.response)); });
}

void Engine::fire_timers() {
	const int64_t now = now_us() + kSlackUs;
	for (int n = 0; n < 1000 && !timers_.empty() && timers_.begin()->first <= now; n++) {
		Timer timer = std::move(timers_.begin()->second);
		timers_.erase(timers_.begin());
		timer_places_.erase(timer.id);
		if (timer.sync == 0)
			timer.action();
		else if (is_seated(timer.sync, timer.incarnation))
			guarded(timer.sync, timer.incarnation, timer.action);
	}
}

void Engine::look_at(Account *account) {
	if (account->is_dirty)
		return;
	account->is_dirty = true;
	dirty_.push_back(account);
}

// Only accounts where something changed, or whose windows open now: thousands are quiet.
void Engine::dispatch() {
	const int64_t now = now_us();
	while (!account_wakes_.empty() && account_wakes_.begin()->first <= now) {
		look_at(account_wakes_.begin()->second);
		account_wakes_.erase(account_wakes_.begin());
	}
	for (Account *account : std::exchange(dirty_, {})) {
		account->is_dirty = false;
		dispatch(account);
	}
}

void Engine::dispatch(Account *account) {
	const int64_t now = now_us();
	int64_t wake = INT64_MAX;
	while (std::unique_ptr<Call> call = account->next(now, &wake)) {
		auto arrived = std::make_unique<Arrived>();
		http::Request request;
		try {
			request = call->compose();
		} catch (const Error &error) {
			arrived->response.failure = http::Failure::kForbiddenHost;
			arrived->response.was_sent = false;
			arrived->response.failure_text = error.what();
			account->ended(*call, arrived->response, now);
			arrived->call = std::move(call);
			arrived_.push_back(std::move(*arrived));
			continue;
		}
		arrived->method = request.method;
		arrived->url = public_url(request.url);
		arrived->call = std::move(call);
		std::shared_ptr<Arrived> waiting = std::move(arrived);
		transport_->send(std::move(request), [this, account, waiting](http::Response &&response) {
			account->ended(*waiting->call, response, now_us());
			look_at(account);
			waiting->response = std::move(response);
			arrived_.push_back(std::move(*waiting));
		});
	}
	if (wake != INT64_MAX)
		account_wakes_.emplace(wake, account);
}

}  // namespace sequin::engine
