// The life of an engine process: attach to its slot, look whether it is needed, work, leave.
// Scope: engine.
#include "engine/engine.h"
#include "pg/guard.h"
#include "pg/spi.h"
#include "pg/worker.h"

#include "pg/extension_state.h"
#include "pg/live_progress.h"
#include "pg/pg.h"
#include "pg/request_slots.h"
#include "pg/shared_state.h"

namespace sequin::worker {
namespace {

int slot_index = -1;
uint32 slot_generation = 0;

pg::EngineSlot *my_slot() {
	pg::EngineSlot *slot = &pg::shared->engines[slot_index];
	return slot->generation == slot_generation ? slot : nullptr;
}

void leave(int, Datum) {
	LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
	if (pg::EngineSlot *slot = my_slot()) {
		slot->state = pg::EngineState::kNone;
		slot->pid = 0;
		slot->latch = nullptr;
	}
	LWLockRelease(pg::shared->lock);
	pg::fail_posted(slot_generation);
	if (OidIsValid(MyDatabaseId))
		pg::release_live_entries_of_database();
	ConditionVariableBroadcast(&pg::shared->engine_exited);
	pg::wake_launcher(false);
}

// False: a hold came first.
bool attach() {
	before_shmem_exit(leave, 0);
	LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
	pg::EngineSlot *slot = my_slot();
	const bool may_run = slot != nullptr && !pg::is_held(slot->database);
	if (slot != nullptr) {
		slot->pid = MyProcPid;
		slot->latch = MyLatch;
		if (!may_run)
			slot->exit = pg::EngineExit::kAsked;
	}
	LWLockRelease(pg::shared->lock);
	return may_run;
}

void say_exit(pg::EngineExit exit) {
	LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
	if (pg::EngineSlot *slot = my_slot())
		slot->exit = exit;
	if (exit == pg::EngineExit::kAbsent && pg::shared->absent_count < pg::kMaxAbsent)
		pg::shared->absent[pg::shared->absent_count++] = MyDatabaseId;
	LWLockRelease(pg::shared->lock);
}

void say_running() {
	LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
	if (pg::EngineSlot *slot = my_slot())
		slot->state = pg::EngineState::kRunning;
	LWLockRelease(pg::shared->lock);
	pg::wake_launcher(false);  // the next engine may start
}

// What the loop is told between its turns.
engine::Orders take_orders() {
	struct Taken {
		bool leave, recheck, everything;
		int count;
		int32 changed[pg::kMaxChanged];
	};
	const Taken taken = pg::call([] {
		Taken t;
		memset(&t, 0, sizeof t);
		LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
		pg::EngineSlot *slot = my_slot();
		t.leave = slot == nullptr || pg::is_held(MyDatabaseId);
		if (slot != nullptr) {
			t.recheck = slot->recheck;
			t.everything = slot->everything_changed;
			t.count = slot->changed_count;
			memcpy(t.changed, slot->changed, sizeof t.changed);
			slot->recheck = slot->everything_changed = false;
			slot->changed_count = 0;
		}
		LWLockRelease(pg::shared->lock);
		return t;
	});
	engine::Orders orders;
	orders.leave = taken.leave;
	orders.recheck = taken.recheck;
	orders.everything_changed = taken.everything;
	orders.changed.assign(taken.changed, taken.changed + taken.count);
	return orders;
}

// The extension's OID, or 0; `*is_ours` says whether its version is this library's.
unsigned probe(bool *is_ours) {
	pg::Transaction transaction;
	const unsigned oid = pg::call([is_ours] {
		const Oid found = pg::extension_oid();
		char *version = OidIsValid(found) ? pg::extension_version() : nullptr;
		*is_ours = version != nullptr && strcmp(version, SEQUIN_VERSION) == 0;
		return found;
	});
	transaction.commit();
	return oid;
}

void wait_for_update(unsigned oid) {
	pg::call([] {
		ereport(LOG,
		        (errmsg("sequin engine idles: the extension is not at version %s", SEQUIN_VERSION),
		         errhint("Run ALTER EXTENSION sequin UPDATE, or restart the server with the "
		                 "library of the extension.")));
	});
	pg::Waiter waiter(-1);
	bool is_ours = false;
	while (!is_ours) {
		waiter.wait(60 * 1000000);
		const engine::Orders orders = take_orders();
		if (orders.leave || (orders.recheck && probe(&is_ours) != oid))
			return;
	}
}

void work() {
	pg::pin_settings();
	bool is_ours = false;
	const unsigned oid = probe(&is_ours);
	if (oid == 0) {
		pg::call([] { say_exit(pg::EngineExit::kAbsent); });
		return;
	}
	pg::call([] { say_running(); });
	if (!is_ours) {
		wait_for_update(oid);
	} else {
		engine::Doors doors;
		doors.generation = slot_generation;
		doors.take_orders = take_orders;
		doors.is_still_here = [oid] {
			bool still_ours = false;
			return probe(&still_ours) == oid && still_ours;
		};
		engine::run(doors);
	}
	pg::call([] { say_exit(pg::EngineExit::kAsked); });
}

}  // namespace

extern "C" {
PGDLLEXPORT void sequin_engine_main(Datum);

void sequin_engine_main(Datum argument) {
	slot_index = DatumGetInt32(argument);
	memcpy(&slot_generation, MyBgworkerEntry->bgw_extra, sizeof slot_generation);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	if (!attach())
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(pg::shared->engines[slot_index].database, InvalidOid,
	                                          0);
	pg::entry([] { work(); });
	// Without the extension there is work for the launcher only when somebody creates it.
	proc_exit(0);
}
}
}  // namespace sequin::worker
