// Records to be read again, one call each: from sequin._rereads, oldest wish first.
// Scope: engine.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "engine/sync.h"

namespace sequin::engine {

class RereadTask {
public:
	explicit RereadTask(Sync &sync);
	~RereadTask();
	void pump();
	bool is_idle() const noexcept { return is_idle_; }
	bool is_under_way(int16_t collection) const noexcept;

private:
	using Key = std::pair<int16_t, std::string>;
	void send(const store::Reread &reread);
	void on_answer(const store::Reread &reread, http::Response &&response);
	void pump_soon(int64_t delay_us);

	Sync &sync_;
	std::map<Key, int> in_flight_;
	std::map<Key, int> attempts_;
	TimerId timer_ = 0;
	bool is_idle_ = false;  // nothing was left at the last look
};

}  // namespace sequin::engine
