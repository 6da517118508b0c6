// The engine's loop: the turn, and the seats of syncs. See loop.h.
// Scope: engine.
//
// One turn: orders, network, answers, timers, calls that may go now, what is to be flushed, wait.
// No call to the server happens inside a callback of the transport: answers are collected first.
#include "engine/loop.h"

#include <algorithm>

#include "core/json.h"
#include "engine/credential_check.h"
#include "pg/guard.h"
#include "pg/settings.h"
#include "pg/spi.h"

namespace sequin::engine {
namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr int64_t kNotifyEveryUs = 10000;
constexpr int64_t kMaxRestartUs = 60 * kSecondUs;
constexpr int kMostFailures = 100;

}  // namespace

void Engine::open_transport() {
	http::CurlOptions options;
	options.egress =
		http::Egress::parse(pg::settings.allowed_hosts ? pg::settings.allowed_hosts : "");
	options.max_connections = pg::settings.max_connections;
	options.proxy = pg::settings.http_proxy ? pg::settings.http_proxy : "";
	options.ca_file = pg::settings.ca_file ? pg::settings.ca_file : "";
	transport_ = http::make_curl_transport(options);
}

void Engine::run() {
	pg::reserve_descriptors(pg::settings.max_connections);
	std::unique_ptr<pg::Waiter> waiter = std::make_unique<pg::Waiter>(transport_->poll_fd());
	int failures = 0;  // turns in a row
	for (;;) {
		try {
			if (pg::reload_if_asked()) {
				// Old permissions must not survive: every connection is opened anew.
				unseat_all();
				is_enabled_ = false;
				transport_->end_all();
				open_transport();
				waiter = std::make_unique<pg::Waiter>(transport_->poll_fd());
			}
			if (failures > 0 && !doors_.is_still_here())
				return;
			if (!follow_orders())
				return;
			transport_->advance();
			take_answers();
			fire_timers();
			requests_.advance();
			dispatch();
			flush();
			report_idle();
			waiter->wait(wait_us());
			failures = 0;
		} catch (const pg::PgError &error) {
			// A cancelled statement (somebody needs the database) or trouble outside any sync.
			// Orders may be lost with it, so everything is read anew.
			if (++failures > kMostFailures)
				throw;
			pg::log_error("sequin engine goes on after an error", error);
			unseat_all();
			is_enabled_ = false;
		}
	}
}

void Engine::report_idle() const {
	const size_t syncs = seats_.size();
	const int calls = transport_->in_flight();
	pg::report_idle(("serving " + std::to_string(syncs) + (syncs == 1 ? " sync, " : " syncs, ") +
	                 std::to_string(calls) +
	                 (calls == 1 ? " request under way" : " requests under way"))
	                    .c_str());
}

bool Engine::follow_orders() {
	const Orders orders = doors_.take_orders();
	if (orders.leave)
		return false;
	if (orders.recheck && !doors_.is_still_here())
		return false;
	const bool may_run = pg::settings.enabled;
	if (is_enabled_ && !may_run) {
		unseat_all();
		is_enabled_ = false;
	}
	if (!may_run)
		return true;
	if (!is_enabled_ || orders.everything_changed) {
		unseat_all();
		// A backend's call under way may still look at a manifest.
		for (auto &[name, manifest] : manifests_)
			retired_.push_back(std::move(manifest));
		manifests_.clear();
		if (transport_->in_flight() == 0)
			retired_.clear();
		is_enabled_ = true;
		if (housekeeping_.may_run_here())
			load(nullptr);
	} else if (!orders.changed.empty() && housekeeping_.may_run_here()) {
		load(&orders.changed);
	}
	if (orders.everything_changed || !orders.changed.empty())
		housekeeping_.wishes_changed();
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
		for (int32_t key : *keys)
			unseat(key);
	for (store::SyncRow &row : rows)
		if (row.is_active)
			seat(std::move(row));
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
			throw Error("42704", "provider \"" + row.provider + "\" does not exist", {},
			            "Load its manifest by sequin.create_provider().");
		account_for(row.account, *found, row.access);
		// An engine before this one cannot have sent anything for a sync that is younger than this
		// one.
		row.is_new = seated_once_.insert(key).second && row.created_us > started_us_;
		Seat &seat = seats_[key];
		seat.sync = std::make_unique<Sync>(*this, *found, std::move(row), incarnation);
		seat.sync->start();
	});
}

Account *Engine::account_for(const std::string &name, const Manifest &manifest,
                             const Access &access) {
	auto &account = accounts_[name];
	if (!account) {
		const auto secret = access.secret_names.empty()
		                        ? access.values.end()
		                        : access.values.find(access.secret_names.front());
		account = std::make_unique<Account>(
			manifest, secret == access.values.end() ? "" : secret->second, now_us());
	}
	return account.get();
}

// What backends ask for. The manifests outlive the calls: they are dropped only with all syncs.
void Engine::run_request(const Json &request, Requests::Answer answer) {
	if (!pg::settings.enabled)
		throw Error("55000", "sequin.enabled is off", {}, "Turn it on to let requests out.");
	const std::string kind(request.get("kind").as_string());
	if (kind != "test_credential")
		throw Error("22023", "unknown request \"" + kind + "\"");
	if (!housekeeping_.may_run_here())
		throw Error("55000", "this database is not the confirmed instance", {},
		            "Call sequin.confirm_instance().");
	std::optional<store::SyncRow> row;
	{
		pg::Transaction transaction;
		row = store::load_credential(static_cast<int32_t>(request.get("credential").as_integer()));
		transaction.commit();
	}
	const Manifest *found = row ? manifest(row->provider) : nullptr;
	if (found == nullptr)
		throw Error("42704", "there is no such credential, or its provider is gone");
	account_for(row->account, *found, row->access);
	check_credential(*this, *found, std::move(*row), std::move(answer));
}

void Engine::unseat(int32_t key) {
	const auto it = seats_.find(key);
	if (it == seats_.end())
		return;
	if (it->second.sync)
		if (const auto account = accounts_.find(it->second.sync->row().account);
		    account != accounts_.end())
			account->second->forget(key, it->second.incarnation);
	std::unique_ptr<Sync> sync = std::move(it->second.sync);
	seats_.erase(it);
}

void Engine::unseat_all() {
	while (!seats_.empty())
		unseat(seats_.begin()->first);
}

bool Engine::is_seated(int32_t sync, uint64_t incarnation) const {
	const auto it = seats_.find(sync);
	return it != seats_.end() && it->second.incarnation == incarnation && it->second.sync;
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
	const std::string text =
		old.sync ? mask_secrets(error.what(), old.sync->row().access) : std::string(error.what());
	pg::log_error(
		("sequin puts sync " + (old.sync ? old.sync->row().id : std::to_string(sync)) + " aside")
			.c_str(),
		Error(error.sqlstate().c_str(), text));
	unseat(sync);
	if (failures > 2) {
		try {
			pg::Transaction transaction;
			store::set_health(sync, "engine", "warn", "put_aside",
			                  "The sync was put aside after an error: " + text, error.hint());
			transaction.commit();
		} catch (const Error &again) {
			pg::log_error("sequin could not note the health of a sync", again);
		}
	}
	const uint64_t incarnation = next_incarnation_++;
	seats_[sync].incarnation = incarnation;
	seats_[sync].failures = failures;
	at(now_us() + backoff_us(failures, kSecondUs / 4, kMaxRestartUs, random()), 0, 0,
	   [this, sync, incarnation, failures] {
		   const auto it = seats_.find(sync);
		   if (it == seats_.end() || it->second.incarnation != incarnation)
			   return;
		   const std::vector<int32_t> keys{sync};
		   load(&keys);
		   if (seats_.count(sync))
			   seats_[sync].failures = failures;
	   });
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
			guarded(key, it->second.incarnation, [&] {
				it->second.sync->rereads_added();
				it->second.sync->children_follow();
			});
	}
}

int64_t Engine::wait_us() const {
	if (!arrived_.empty() || !dirty_.empty())
		return 0;
	const int64_t now = now_us();
	int64_t due = housekeeping_.due_us();
	if (!timers_.empty())
		due = std::min(due, timers_.begin()->first);
	if (!account_wakes_.empty())
		due = std::min(due, account_wakes_.begin()->first);
	if (unannounced_.changed > 0)
		due = std::min(due, announced_at_us_ + kNotifyEveryUs);
	int64_t wait = due == INT64_MAX ? 60 * kSecondUs : std::max<int64_t>(due - now, 0);
	if (const int timeout = transport_->timeout_ms(); timeout >= 0)
		wait = std::min<int64_t>(wait, timeout * 1000LL);
	return wait;
}

void run(const Doors &doors) {
	Engine engine(doors);
	engine.run();
}

}  // namespace sequin::engine
