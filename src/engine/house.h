// What tasks may ask of the engine: calls, timers, news. Tasks know this interface, not the loop.
// Scope: engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/manifest.h"
#include "engine/account.h"
#include "store/pages.h"

namespace sequin::engine {

using TimerId = uint64_t;  // 0: none

class House {
public:
	virtual ~House() = default;
	virtual int64_t now_us() const = 0;
	virtual double random() = 0;  // [0, 1)
	virtual void call(const std::string &account, std::unique_ptr<Call> call) = 0;
	// A sync's own limit; outlives the sync's object, since what was spent stays spent.
	// `is_new`: nothing was ever sent; else the limit begins as spent.
	virtual RateWindow *window(int32_t sync, bool is_new, int allowed, int64_t interval_us,
	                           int concurrency) = 0;
	// Calls that were submitted since are put on the wire now, so that the server works while a
	// page is applied.
	virtual void send_now() = 0;
	virtual void limited(const std::string &account, const std::string &path, int64_t until_us) = 0;
	// Fires once; the sync it belongs to must still be the same incarnation.
	virtual TimerId at(int64_t due_us, int32_t sync, uint64_t incarnation,
	                   std::function<void()> action) = 0;
	virtual void cancel(TimerId timer) = 0;
	// After the commit of a page: listeners are told.
	virtual void appended(const store::Applied &applied) = 0;
	// A phase or health changed: whoever waits for it looks again.
	virtual void progressed() = 0;
	// A sync has all its records: the planner is to know how many, before anybody asks.
	virtual void filled(int32_t sync) = 0;
	virtual bool may_backfill() const = 0;  // there is disk to spare
};

}  // namespace sequin::engine
