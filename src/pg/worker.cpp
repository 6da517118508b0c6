// Worker basics. See worker.h.
// Scope: launcher, engine.
#include "pg/worker.h"

#include <algorithm>

#include "pg/guard.h"
#include "pg/pg.h"

namespace sequin::pg {
namespace {

struct Pin {
	const char *name;
	const char *value;
};

constexpr Pin kPins[] = {
	{"role", "none"},
	{"application_name", "sequin engine"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"statement_timeout", "0"},
	{"lock_timeout", "250ms"},
	{"idle_in_transaction_session_timeout", "0"},
	{"idle_session_timeout", "0"},
	{"synchronous_commit", "on"},
	{"row_security", "off"},
	{"session_replication_role", "origin"},
	{"search_path", "pg_catalog, pg_temp"},
	{"TimeZone", "UTC"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"jit", "off"},
	{"max_parallel_workers_per_gather", "0"},
	{"max_parallel_maintenance_workers", "0"},
	{"default_tablespace", ""},
	{"temp_tablespaces", ""},
	{"default_table_access_method", "heap"},
	{"default_toast_compression", "pglz"},
	{"plan_cache_mode", "auto"},
	{"constraint_exclusion", "partition"},
	{"enable_indexscan", "on"},
	{"enable_indexonlyscan", "on"},
	{"enable_partition_pruning", "on"},
	{"client_min_messages", "warning"},
	{"log_statement", "none"},
	{"log_min_duration_statement", "-1"},
	{"log_min_duration_sample", "-1"},
	{"log_parameter_max_length", "0"},
	{"log_parameter_max_length_on_error", "0"},
	{"debug_print_parse", "off"},
	{"debug_print_rewritten", "off"},
	{"debug_print_plan", "off"},
	{"quote_all_identifiers", "off"},
	{"array_nulls", "on"},
	{"check_function_bodies", "on"},
	{"transform_null_equals", "off"},
	{"standard_conforming_strings", "on"},
};

}  // namespace

void pin_settings() {
	call([] {
		for (const Pin &pin : kPins)
			SetConfigOption(pin.name, pin.value, PGC_SUSET, PGC_S_OVERRIDE);
	});
}

Waiter::Waiter(int descriptor) {
	set_ = call([descriptor] {
		WaitEventSet *set = create_wait_event_set(3);
		AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
		if (descriptor >= 0)
			AddWaitEventToSet(set, WL_SOCKET_READABLE, descriptor, nullptr, nullptr);
		return set;
	});
	event_ = call(
		[descriptor] { return wait_event(descriptor >= 0 ? "SequinEngine" : "SequinLauncher"); });
}

Waiter::~Waiter() {
	auto *set = static_cast<WaitEventSet *>(set_);
	quiet([set] { FreeWaitEventSet(set); });
}

void Waiter::wait(int64_t timeout_us) {
	auto *set = static_cast<WaitEventSet *>(set_);
	const long timeout_ms =
		timeout_us < 0
			? -1L
			: static_cast<long>(std::min<int64_t>((timeout_us + 999) / 1000, 3600 * 1000L));
	const uint32_t event = event_;
	call([set, timeout_ms, event] {
		WaitEvent occurred;
		WaitEventSetWait(set, timeout_ms, &occurred, 1, event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	});
}

int64_t now_us() noexcept {
	return GetCurrentTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

void report_running(const char *activity) {
	call([activity] { pgstat_report_activity(STATE_RUNNING, activity); });
}

void report_idle(const char *activity) {
	call([activity] { pgstat_report_activity(STATE_IDLE, activity); });
}

bool reload_if_asked() {
	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	call([] { ProcessConfigFile(PGC_SIGHUP); });
	return true;
}

}  // namespace sequin::pg
