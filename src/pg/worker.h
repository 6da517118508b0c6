// What every worker of ours does right after it starts, and how it waits.
// Scope: launcher, engine. C++ regime; each call goes through the guard.
#pragma once

#include <cstdint>

namespace sequin::pg {

// Pins what ALTER DATABASE and ALTER ROLE could have changed: isolation, timeouts, durability,
// search_path, time zone, output formats, plan settings, logging of parameters. Call right after
// connecting, outside a transaction.
void pin_settings();

// Wakes on the latch, on postmaster death (the process ends), on a readable descriptor, or in time.
// One persistent wait set per process. Looks at interrupts afterwards: throws PgError for a cancel;
// a termination does not come back.
class Waiter {
public:
	explicit Waiter(int descriptor);
	~Waiter();
	Waiter(const Waiter &) = delete;
	Waiter &operator=(const Waiter &) = delete;
	void wait(int64_t timeout_us);  // negative: no timeout

private:
	void *set_ = nullptr;
	uint32_t event_ = 0;
};

int64_t now_us() noexcept;  // Unix µs, our clock

// Shown in pg_stat_activity; never with a secret in it.
void report_running(const char *activity);
void report_idle(const char *activity);

// True once after a SIGHUP: the configuration was read again.
bool reload_if_asked();

}  // namespace sequin::pg
