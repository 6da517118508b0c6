// The engine's loop: who is in the house and what one turn does. The turn and the seats of syncs are in
// loop.cpp, calls and timers in loop_calls.cpp.
// Scope: engine.
#pragma once

#include <climits>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/engine.h"
#include "engine/housekeeping.h"
#include "engine/requests.h"
#include "engine/sync.h"
#include "http/curl_transport.h"
#include "pg/server.h"
#include "pg/worker.h"

namespace sequin::engine {

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

struct Seat {  // of a sync in the engine
	std::unique_ptr<Sync> sync;
	uint64_t incarnation = 0;
	int failures = 0;
};

class Engine final : public House {
public:
	explicit Engine(const Doors &doors)
		: doors_(doors),
		  requests_(doors.generation, [this](const Json &request, Requests::Answer answer) {
			  run_request(request, std::move(answer));
		  }) {
		open_transport();
	}
	void run();

	int64_t now_us() const override { return pg::now_us(); }
	double random() override { return std::uniform_real_distribution<double>(0, 1)(generator_); }
	void call(const std::string &account, std::unique_ptr<Call> call) override;
	RateWindow *window(int32_t sync, bool is_new, int allowed, int64_t interval_us,
	                   int concurrency) override;
	void send_now() override;
	void limited(const std::string &account, const std::string &path, int64_t until_us) override;
	TimerId at(int64_t due_us, int32_t sync, uint64_t incarnation,
	           std::function<void()> action) override;
	void cancel(TimerId timer) override;
	void appended(const store::Applied &applied) override;
	void progressed() override { pg::broadcast_progress(); }
	void filled(int32_t sync) override { housekeeping_.analyze_records(sync); }
	bool may_backfill() const override { return housekeeping_.has_disk(); }

private:
	void open_transport();
	void report_idle() const;
	bool follow_orders();  // false: leave
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
	std::unordered_set<int32_t> seated_once_;
	const int64_t started_us_ = pg::now_us();
	std::deque<Arrived> arrived_;
	std::multimap<int64_t, Timer> timers_;
	std::unordered_map<TimerId, std::multimap<int64_t, Timer>::iterator> timer_places_;
	Housekeeping housekeeping_;
	Requests requests_;
	std::mt19937_64 generator_{std::random_device{}()};
	uint64_t next_incarnation_ = 1;
	TimerId next_timer_ = 1;
	std::vector<Account *> dirty_;  // accounts that may be able to send
	std::multimap<int64_t, Account *> account_wakes_;
	store::Applied unannounced_;
	int64_t announced_at_us_ = 0;
	bool is_enabled_ = false;
};

}  // namespace sequin::engine
