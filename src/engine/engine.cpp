// The engine's loop. See engine.h.
// Scope: engine.
//
// One turn: orders, network, answers, timers, calls that may go now, what is to be flushed, wait.
// No call to the server happens inside a callback of the transport: answers are collected first.
#include "engine/engine.h"

#include <algorithm>
#include <climits>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <unordered_map>

#include "core/json.h"
#include "engine/credential_check.h"
#include "engine/housekeeping.h"
#include "engine/requests.h"
#include "engine/sync.h"
#include "http/curl_transport.h"
#include "pg/guard.h"
#include "pg/server.h"
#include "pg/settings.h"
#include "pg/spi.h"
#include "pg/worker.h"

namespace sequin::engine {
namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr int64_t kNotifyEveryUs = 10000;
constexpr int64_t kSlackUs = 1000;
constexpr int64_t kMaxRestartUs = 60 * kSecondUs;

struct Arrived {
	std::unique_ptr<Call> call;
	std::string method, url;
	http::Response response;
};

struct Timer {
	TimerId id;
	int32_t sync;
	uint64_t incarnation;
	std::function<void()> action;
};

struct Seat {                         // of a sync in the engine
	std::unique_ptr<Sync> sync;
	uint64_t incarnation = 0;
	int failures = 0;
};

class Engine final : public House {
public:
	explicit Engine(const Doors &doors)
		: doors_(doors), requests_(doors.generation, [this](const Json &request, Requests::Answer answer) {
			  run_request(request, std::move(answer));
		  }) {
		open_transport();
	}
	void run();

	int64_t now_us() const override { return pg::now_us(); }
	double random() override { return std::uniform_real_distribution<double>(0, 1)(generator_); }
	void call(const std::string &account, std::unique_ptr<Call> call) override;
	RateWindow *window(int32_t sync, int allowed, int64_t interval_us, int concurrency) override;
	void send_now() override;
	void limited(const std::string &account, const std::string &path, int64_t until_us) override;
	TimerId at(int64_t due_us, int32_t sync, uint64_t incarnation, std::function<void()> action) override;
	void cancel(TimerId timer) override;
	void appended(const store::Applied &applied) override;
	void progressed() override { pg::broadcast_progress(); }
	void filled(int32_t sync) override { housekeeping_.analyze_records(sync); }
	bool may_backfill() const override { return housekeeping_.has_disk(); }

private:
	void open_transport();
	bool follow_orders();             // false: leave
	void load(const std::vector<int32_t> *keys);
	void seat(store::SyncRow row);
	void unseat(int32_t key);
	void unseat_all();
	const Manifest *manifest(const std::string &provider);
	void take_answers();
	void answer(Arrived arrived);
	void fire_timers();
	void dispatch();
	void dispatch(Account *account);
	void look_at(Account *account);
	void flush();
	int64_t wait_us() const;
	void guarded(int32_t sync, uint64_t incarnation, const std::function<void()> &action);
	void failed(int32_t sync, const Error &error);
	void run_request(const Json &request, Requests::Answer answer);
	Account *account_for(const std::string &name, const Manifest &manifest, const Access &access);
	bool is_seated(int32_t sync, uint64_t incarnation) const;

	const Doors &doors_;
	std::unique_ptr<http::Transport> transport_;
	std::unordered_map<std::string, std::unique_ptr<Manifest>> manifests_;
	std::vector<std::unique_ptr<Manifest>> retired_;
	std::unordered_map<std::string, std::unique_ptr<Account>> accounts_;
	std::map<std::tuple<int32_t, int, int64_t, int>, std::unique_ptr<RateWindow>> windows_;
	std::unordered_map<int32_t, Seat> seats_;
	std::deque<Arrived> arrived_;
	std::multimap<int64_t, Timer> timers_;
	std::unordered_map<TimerId, std::multimap<int64_t, Timer>::iterator> timer_places_;
	Housekeeping housekeeping_;
	Requests requests_;
	std::mt19937_64 generator_{std::random_device{}()};
	uint64_t next_incarnation_ = 1;
	TimerId next_timer_ = 1;
	std::vector<Account *> dirty_;    // accounts that may be able to send
	std::multimap<int64_t, Account *> account_wakes_;
	store::Applied unannounced_;
	int64_t announced_at_us_ = 0;
	bool is_enabled_ = false;
};

void Engine::open_transport() {
	http::CurlOptions options;
	options.egress = http::Egress::parse(pg::settings.allowed_hosts ? pg::settings.allowed_hosts : "");
	options.max_connections = pg::settings.max_connections;
	options.proxy = pg::settings.http_proxy ? pg::settings.http_proxy : "";
	options.ca_file = pg::settings.ca_file ? pg::settings.ca_file : "";
	transport_ = http::make_curl_transport(options);
}

void Engine::run() {
	pg::reserve_descriptors(pg::settings.max_connections);
	std::unique_ptr<pg::Waiter> waiter = std::make_unique<pg::Waiter>(transport_->poll_fd());
	for (;;) {
		try {
			if (pg::reload_if_asked()) {
				// Old permissions must not survive: every connection is opened anew.
				unseat_all();
				is_enabled_ = false;
				transport_.reset();
				open_transport();
				waiter = std::make_unique<pg::Waiter>(transport_->poll_fd());
			}
			if (!follow_orders()) return;
			transport_->advance();
			take_answers();
			fire_timers();
			requests_.advance();
			dispatch();
			flush();
			pg::report_idle();
			waiter->wait(wait_us());
		} catch (const pg::PgError &error) {
			// A cancelled statement (somebody needs the database) or trouble outside any sync.
			pg::log_error("sequin engine goes on after an error", error);
			if (!doors_.is_still_here()) return;
		}
	}
}

bool Engine::follow_orders() {
	const Orders orders = doors_.take_orders();
	if (orders.leave) return false;
	if (orders.recheck && !doors_.is_still_here()) return false;
	const bool may_run = pg::settings.enabled;
	if (is_enabled_ && !may_run) {
		unseat_all();
		is_enabled_ = false;
	}
	if (!may_run) return true;
	if (!is_enabled_ || orders.everything_changed) {
		unseat_all();
		// A backend's call under way may still look at a manifest.
		for (auto &[name, manifest] : manifests_) retired_.push_back(std::move(manifest));
		manifests_.clear();
		if (transport_->in_flight() == 0) retired_.clear();
		is_enabled_ = true;
		if (housekeeping_.may_run_here()) load(nullptr);
	} else if (!orders.changed.empty() && housekeeping_.may_run_here()) {
		load(&orders.changed);
	}
	if (orders.everything_changed || !orders.changed.empty()) housekeeping_.wishes_changed();
	return true;
}

void Engine::load(const std::vector<int32_t> *keys) {
	std::vector<store::SyncRow> rows;
	{
		pg::Transaction transaction;
		rows = store::load_syncs(keys);
		transaction.commit();
	}
	if (keys)
		for (int32_t key : *keys) unseat(key);
	for (store::SyncRow &row : rows)
		if (row.is_active) seat(std::move(row));
}

const Manifest *Engine::manifest(const std::string &provider) {
	auto it = manifests_.find(provider);
	if (it == manifests_.end()) {
		pg::Transaction transaction;
		std::unique_ptr<Manifest> loaded = store::load_manifest(provider);
		transaction.commit();
		it = manifests_.emplace(provider, std::move(loaded)).first;
	}
	return it->second.get();
}

void Engine::seat(store::SyncRow row) {
	const int32_t key = row.key;
	const uint64_t incarnation = next_incarnation_++;
	seats_[key].incarnation = incarnation;
	guarded(key, incarnation, [&] {
		const Manifest *found = manifest(row.provider);
		if (found == nullptr)
			throw Error("42704", "provider \"" + row.provider + "\" does not exist", {}, "Load its manifest by sequin.create_provider().");
		account_for(row.account, *found, row.access);
		Seat &seat = seats_[key];
		seat.sync = std::make_unique<Sync>(*this, *found, std::move(row), incarnation);
		seat.sync->start();
	});
}

Account *Engine::account_for(const std::string &name, const Manifest &manifest, const Access &access) {
	auto &account = accounts_[name];
	if (!account) {
		const auto secret = access.secret_names.empty() ? access.values.end() : access.values.find(access.secret_names.front());
		account = std::make_unique<Account>(manifest, secret == access.values.end() ? "" : secret->second, now_us());
	}
	return account.get();
}

// What backends ask for. The manifests outlive the calls: they are dropped only with all syncs.
void Engine::run_request(const Json &request, Requests::Answer answer) {
	if (!pg::settings.enabled) throw Error("55000", "sequin.enabled is off", {}, "Turn it on to let requests out.");
	const std::string kind(request.get("kind").as_string());
	if (kind != "test_credential") throw Error("22023", "unknown request \"" + kind + "\"");
	if (!housekeeping_.may_run_here())
		throw Error("55000", "this database is not the confirmed instance", {}, "Call sequin.confirm_instance().");
	std::optional<store::SyncRow> row;
	{
		pg::Transaction transaction;
		row = store::load_credential(static_cast<int32_t>(request.get("credential").as_integer()));
		transaction.commit();
	}
	const Manifest *found = row ? manifest(row->provider) : nullptr;
	if (found == nullptr) throw Error("42704", "there is no such credential, or its provider is gone");
	account_for(row->account, *found, row->access);
	check_credential(*this, *found, std::move(*row), std::move(answer));
}

void Engine::unseat(int32_t key) {
	const auto it = seats_.find(key);
	if (it == seats_.end()) return;
	if (it->second.sync)
		if (const auto account = accounts_.find(it->second.sync->row().account); account != accounts_.end())
			account->second->forget(key, it->second.incarnation);
	std::unique_ptr<Sync> sync = std::move(it->second.sync);
	seats_.erase(it);
}

void Engine::unseat_all() {
	while (!seats_.empty()) unseat(seats_.begin()->first);
}

bool Engine::is_seated(int32_t sync, uint64_t incarnation) const {
	const auto it = seats_.find(sync);
	return it != seats_.end() && it->second.incarnation == incarnation && it->second.sync;
}

void Engine::call(const std::string &account, std::unique_ptr<Call> call) {
	Account *owner = accounts_.at(account).get();
	owner->submit(std::move(call));
	look_at(owner);
}

RateWindow *Engine::window(int32_t sync, int allowed, int64_t interval_us, int concurrency) {
	auto &window = windows_[{sync, allowed, interval_us, concurrency}];
	if (!window) {
		window = std::make_unique<RateWindow>(allowed, std::max<int64_t>(interval_us, 1), concurrency, 0.0);
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

TimerId Engine::at(int64_t due_us, int32_t sync, uint64_t incarnation, std::function<void()> action) {
	const TimerId id = next_timer_++;
	timer_places_[id] = timers_.emplace(due_us, Timer{id, sync, incarnation, std::move(action)});
	return id;
}

void Engine::cancel(TimerId timer) {
	const auto place = timer_places_.find(timer);
	if (place == timer_places_.end()) return;
	timers_.erase(place->second);
	timer_places_.erase(place);
}

void Engine::appended(const store::Applied &applied) {
	if (unannounced_.changed == 0) unannounced_.first_seq = applied.first_seq;
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
	housekeeping_.log_call(*arrived.call, arrived.method, arrived.url, arrived.response);
	const uint64_t incarnation = arrived.call->incarnation;
	if (!is_seated(key, incarnation)) return;
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

// An unexpected error of one sync ends its object, not the engine: it is made anew from the tables.
void Engine::guarded(int32_t sync, uint64_t incarnation, const std::function<void()> &action) {
	try {
		action();
	} catch (const Error &error) {
		failed(sync, error);
	} catch (const std::exception &error) {
		failed(sync, Error("XX000", error.what()));
	}
	(void)incarnation;
}

void Engine::failed(int32_t sync, const Error &error) {
	Seat &old = seats_[sync];
	const int failures = old.failures + 1;
	pg::log_error(("sequin puts sync " + (old.sync ? old.sync->row().id : std::to_string(sync)) + " aside").c_str(), error);
	const std::string text = old.sync ? mask_secrets(error.what(), old.sync->row().access) : std::string(error.what());
	unseat(sync);
	if (failures > 2) {
		try {
			pg::Transaction transaction;
			store::set_health(sync, "engine", "warn", "put_aside", "The sync was put aside after an error: " + text, error.hint());
			transaction.commit();
		} catch (const Error &again) {
			pg::log_error("sequin could not note the health of a sync", again);
		}
	}
	const uint64_t incarnation = next_incarnation_++;
	seats_[sync].incarnation = incarnation;
	seats_[sync].failures = failures;
	at(now_us() + backoff_us(failures, kSecondUs / 4, kMaxRestartUs, random()), 0, 0, [this, sync, incarnation, failures] {
		const auto it = seats_.find(sync);
		if (it == seats_.end() || it->second.incarnation != incarnation) return;
		const std::vector<int32_t> keys{sync};
		load(&keys);
		if (seats_.count(sync)) seats_[sync].failures = failures;
	});
}

void Engine::look_at(Account *account) {
	if (account->is_dirty) return;
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
	if (wake != INT64_MAX) account_wakes_.emplace(wake, account);
}

void Engine::flush() {
	const int64_t now = now_us();
	if (unannounced_.changed > 0 && now - announced_at_us_ >= kNotifyEveryUs) {
		announced_at_us_ = now;
		housekeeping_.announce(unannounced_);
		unannounced_ = store::Applied{};
	}
	housekeeping_.run(now);
	for (int32_t key : housekeeping_.take_syncs_with_rereads()) {
		const auto it = seats_.find(key);
		if (it != seats_.end() && it->second.sync)
			guarded(key, it->second.incarnation, [&] { it->second.sync->rereads_added(); });
	}
}

int64_t Engine::wait_us() const {
	if (!arrived_.empty() || !dirty_.empty()) return 0;
	const int64_t now = now_us();
	int64_t due = housekeeping_.due_us();
	if (!timers_.empty()) due = std::min(due, timers_.begin()->first);
	if (!account_wakes_.empty()) due = std::min(due, account_wakes_.begin()->first);
	if (unannounced_.changed > 0) due = std::min(due, announced_at_us_ + kNotifyEveryUs);
	int64_t wait = due == INT64_MAX ? 60 * kSecondUs : std::max<int64_t>(due - now, 0);
	if (const int timeout = transport_->timeout_ms(); timeout >= 0) wait = std::min<int64_t>(wait, timeout * 1000LL);
	return wait;
}

}  // namespace

void run(const Doors &doors) {
	Engine engine(doors);
	engine.run();
}

}  // namespace sequin::engine
