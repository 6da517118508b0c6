// What an engine does beside syncs. See housekeeping.h.
// Scope: engine.
#include "engine/housekeeping.h"

#include <algorithm>
#include <functional>

#include "pg/server.h"
#include "pg/settings.h"
#include "pg/spi.h"
#include "pg/worker.h"
#include "store/syncs.h"

namespace sequin::engine {
namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr int64_t kDayUs = 86400 * kSecondUs;
constexpr size_t kMostBuffered = 5000;
constexpr int kTrimEvery = 500;
constexpr int kBatch = 2000;

// A duty in its own transaction. A lock that somebody holds, or any other error, only delays it.
void duty(const char *name, const char *lock_timeout, const std::function<void()> &work) {
	try {
		pg::Transaction transaction;
		if (lock_timeout)
			pg::set_local_lock_timeout(lock_timeout);
		work();
		transaction.commit();
	} catch (const Error &error) {
		if (error.sqlstate() != "55P03")
			pg::log_error(name, error);
	}
}

}  // namespace

bool Housekeeping::may_run_here() {
	pg::Transaction transaction;
	std::string state = store::instance_state();
	if (state == "timeline" && pg::settings.after_promotion == pg::kContinue) {
		store::adopt_timeline("timeline changed");
		state = "confirmed";
	}
	if (state == "confirmed")
		store::ensure_event_partitions();
	transaction.commit();
	partitions_at_us_ = pg::now_us() + 60 * kSecondUs;
	is_confirmed_ = state == "confirmed";
	due_us_ = 0;
	return is_confirmed_;
}

void Housekeeping::announce(const store::Applied &applied) {
	duty("sequin could not announce events", nullptr, [&] {
		store::notify("sequin_events", "{\"first_seq\":" + std::to_string(applied.first_seq) +
		                                   ",\"last_seq\":" + std::to_string(applied.last_seq) +
		                                   ",\"count\":" + std::to_string(applied.changed) + "}");
	});
}

void Housekeeping::analyze_records(int32_t sync) {
	duty("sequin could not analyze records", "50ms", [&] { store::analyze_records(sync); });
}

void Housekeeping::log_call(const Call &call, const std::string &method, const std::string &url,
                            const std::string &request_id, const http::Response &response) {
	if (calls_.size() >= kMostBuffered)
		return;
	Json entry = Json::object();
	entry.set("s", Json::integer(call.sync));
	if (call.collection > 0)
		entry.set("c", Json::integer(call.collection));
	entry.set("t", Json::integer(response.sent_at_us / 1000));
	entry.set("m", Json::string(method));
	const size_t scheme = url.find("://");
	const size_t path = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
	entry.set("p", Json::string(path == std::string::npos ? url : url.substr(path)));
	if (response.status > 0)
		entry.set("r", Json::integer(response.status));
	entry.set("d", Json::integer(response.total_ms));
	if (!request_id.empty())
		entry.set("i", Json::string(request_id));
	if (response.failure != http::Failure::kNone)
		entry.set("e", Json::string(response.failure_text));
	calls_.append(entry);
	calls_since_trim_[call.sync]++;
	due_us_ = std::min(due_us_, log_at_us_);
}

void Housekeeping::flush_log() {
	if (calls_.size() == 0)
		return;
	const std::string calls = calls_.dump();
	calls_ = Json::array();
	duty("sequin could not log calls", nullptr, [&] {
		store::log_requests(calls);
		for (auto &[sync, count] : calls_since_trim_) {
			if (count < kTrimEvery)
				continue;
			store::trim_requests(sync);
			count = 0;
		}
	});
}

void Housekeeping::take_wishes() {
	duty("sequin could not take wishes", nullptr, [&] {
		store::take_record_wishes();
		store::take_due_errors();
		with_rereads_ = store::syncs_with_rereads();
	});
}

std::vector<int32_t> Housekeeping::take_syncs_with_rereads() {
	return std::exchange(with_rereads_, {});
}

void Housekeeping::maintain(int64_t now_us) {
	bool more = false;
	duty("sequin could not remove old rows", nullptr, [&] { more = store::clean(kBatch) || more; });
	duty("sequin could not retain events", "50ms",
	     [&] { more = store::retain_events(pg::settings.event_retention_days, kBatch) || more; });
	duty("sequin could not index events", "50ms",
	     [&] { more = store::index_closed_partitions() || more; });
	clean_at_us_ = now_us + (more ? kSecondUs : 600 * kSecondUs);
}

void Housekeeping::run(int64_t now_us) {
	if (now_us < due_us_)
		return;
	if (!is_confirmed_) {  // a copy, or one that is being restored: nothing here is ours to touch
		due_us_ = INT64_MAX;
		return;
	}
	if (now_us >= log_at_us_) {
		flush_log();
		log_at_us_ = now_us + kSecondUs;
	}
	if (now_us >= wishes_at_us_) {
		take_wishes();
		wishes_at_us_ = now_us + 10 * kSecondUs;
	}
	if (now_us >= disk_at_us_) {
		has_disk_ = pg::free_disk_percent() >= pg::settings.min_free_disk_percent;
		disk_at_us_ = now_us + 10 * kSecondUs;
	}
	if (now_us >= partitions_at_us_) {
		duty("sequin could not make partitions", "50ms", [] { store::ensure_event_partitions(); });
		partitions_at_us_ = now_us + 60 * kSecondUs;
	}
	if (now_us >= clean_at_us_)
		maintain(now_us);
	if (analyze_at_us_ == 0)
		analyze_at_us_ = now_us + kDayUs / 24;
	if (now_us >= analyze_at_us_) {
		duty("sequin could not analyze events", "50ms",
		     [] { pg::execute("ANALYZE sequin._events"); });
		analyze_at_us_ = now_us + kDayUs;
	}
	due_us_ =
		std::min({wishes_at_us_, disk_at_us_, partitions_at_us_, clean_at_us_, analyze_at_us_});
	if (calls_.size() > 0)
		due_us_ = std::min(due_us_, log_at_us_);
}

}  // namespace sequin::engine
