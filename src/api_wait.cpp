// SQL-callable waiting: wait_for_sync as function and procedure.
// Scope: backends. Server regime: no object with a destructor.
//
// The condition variable is broadcast by the engine whenever a phase or a health note changed; the
// state is looked up again then, and once a second in any case.
#include "pg/extension_state.h"
#include "pg/live_progress.h"
#include "pg/pg.h"
#include "pg/shared_state.h"

namespace sequin {

using pg::shared;

namespace {

constexpr int64_t kLookEveryMs = 1000;

// What sequin._wait_state(actor, id) says: null while there is something to wait for, else the
// sync. It raises for what cannot be waited for. Every look has a snapshot of its own.
Jsonb *look(const char *actor, const char *id) {
	Oid types[2] = {TEXTOID, TEXTOID};
	Datum values[2] = {CStringGetTextDatum(actor), CStringGetTextDatum(id)};
	MemoryContext caller = CurrentMemoryContext;
	Jsonb *found = nullptr;
	SPI_connect();
	const int code = SPI_execute_with_args("SELECT sequin._wait_state($1, $2)", 2, types, values,
	                                       nullptr, false, 1);
	if (code != SPI_OK_SELECT || SPI_processed != 1)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not look at a sync")));
	bool is_null;
	const Datum state = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
	if (!is_null) {
		MemoryContext inner = MemoryContextSwitchTo(caller);
		found = DatumGetJsonbPCopy(state);
		MemoryContextSwitchTo(inner);
	}
	SPI_finish();
	return found;
}

// The look runs as the extension's owner, who may see the tables; `actor` decides what is visible.
Jsonb *wait_for(const char *id, int64_t timeout_ms) {
	if (shared == nullptr)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("sequin has no workers: its library was not loaded at server start"),
		     errhint("Add \"sequin\" to \"shared_preload_libraries\" and restart the server.")));
	const char *actor = GetUserNameFromId(GetUserId(), false);
	const TimestampTz deadline = GetCurrentTimestamp() + timeout_ms * 1000;
	Oid user;
	int context;
	GetUserIdAndSecContext(&user, &context);
	Jsonb *sync = nullptr;
	ConditionVariablePrepareToSleep(&shared->progress);
	for (;;) {
		SetUserIdAndSecContext(pg::extension_owner(), context | SECURITY_LOCAL_USERID_CHANGE);
		sync = look(actor, id);
		SetUserIdAndSecContext(user, context);
		if (sync != nullptr)
			break;
		const int64_t left_ms = (deadline - GetCurrentTimestamp()) / 1000;
		if (left_ms <= 0)
			ereport(ERROR,
			        (errcode(MAKE_SQLSTATE('S', 'Q', '0', '0', '6')),
			         errmsg("sync \"%s\" was not complete within %lld ms", id,
			                static_cast<long long>(timeout_ms)),
			         errhint("Look at sequin.sync_progress and sequin.health(), or wait longer.")));
		ConditionVariableTimedSleep(&shared->progress, Min(left_ms, kLookEveryMs),
		                            PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	return sync;
}

int64_t interval_ms(const Interval *interval) {
	const double ms = static_cast<double>(interval->time) / 1000.0 +
	                  (interval->day + interval->month * 30.0) * 86400000.0;
	if (!(ms >= 0 && ms <= 1e12))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeout is out of range"),
		                errhint("Give an interval from 0 to 30 years.")));
	return static_cast<int64_t>(ms);
}

}  // namespace

extern "C" {

SEQUIN_FUNCTION(sequin_wait_for_sync);
Datum sequin_wait_for_sync(PG_FUNCTION_ARGS) {
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("parameters of sequin.wait_for_sync must not be null")));
	const char *id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	PG_RETURN_JSONB_P(wait_for(id, interval_ms(PG_GETARG_INTERVAL_P(1))));
}

// What shared memory knows of syncs that are quiet, and so write nothing.
SEQUIN_FUNCTION(sequin_live_progress);
Datum sequin_live_progress(PG_FUNCTION_ARGS) {
	InitMaterializedSRF(fcinfo, 0);
	auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	constexpr int64_t kEpochShiftUs = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
	for (int i = 0; i < pg::live_count(); i++) {
		const pg::LiveEntry entry = *pg::live_entry(i);
		if (entry.database != MyDatabaseId)
			continue;
		Datum values[5] = {Int32GetDatum(entry.sync), Int16GetDatum(entry.collection), 0, 0, 0};
		bool nulls[5] = {false, false, entry.next_run_us == 0, entry.true_at_us == 0,
		                 entry.records_per_second <= 0};
		values[2] = TimestampTzGetDatum(entry.next_run_us - kEpochShiftUs);
		Interval *lag = static_cast<Interval *>(palloc0(sizeof(Interval)));
		lag->time = Max(GetCurrentTimestamp() + kEpochShiftUs - entry.true_at_us, 0);
		values[3] = IntervalPGetDatum(lag);
		if (!nulls[4])
			values[4] =
				DirectFunctionCall1(float8_numeric, Float8GetDatum(entry.records_per_second));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return static_cast<Datum>(0);
}

}  // extern "C"
}  // namespace sequin
