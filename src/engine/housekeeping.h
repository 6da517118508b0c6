// What an engine does beside syncs: announces events, logs calls, keeps partitions ahead, removes
// what is past its time, watches the disk and whether this is still the confirmed instance.
// Scope: engine.
//
// Each duty has a transaction of its own; one that fails is tried again later.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/json.h"
#include "engine/account.h"
#include "store/pages.h"

namespace sequin::engine {

class Housekeeping {
public:
	void run(int64_t now_us);  // duties that are due
	int64_t due_us() const noexcept { return due_us_; }
	void wishes_changed() noexcept {
		wishes_at_us_ = 0;
		due_us_ = 0;
	}

	bool may_run_here();  // the instance is confirmed; a changed timeline may be adopted
	bool has_disk() const noexcept { return has_disk_; }

	void announce(const store::Applied &applied);
	void analyze_records(int32_t sync);
	void log_call(const Call &call, const std::string &method, const std::string &url,
	              const std::string &request_id, const http::Response &response);
	std::vector<int32_t> take_syncs_with_rereads();

private:
	void flush_log();
	void take_wishes();
	void maintain(int64_t now_us);

	Json calls_ = Json::array();
	std::unordered_map<int32_t, int> calls_since_trim_;
	std::vector<int32_t> with_rereads_;
	int64_t due_us_ = 0;
	int64_t log_at_us_ = 0, wishes_at_us_ = 0, disk_at_us_ = 0, partitions_at_us_ = 0,
			clean_at_us_ = 0, analyze_at_us_ = 0;
	bool has_disk_ = true;
	bool is_confirmed_ = false;
};

}  // namespace sequin::engine
