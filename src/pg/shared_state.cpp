// What processes share. See shared_state.h.
// Scope: any process of a server that preloaded the library. Server regime.
#include "pg/shared_state.h"

#include "pg/live_progress.h"
#include "pg/request_slots.h"

namespace sequin::pg {

SharedState *shared = nullptr;

namespace {

shmem_request_hook_type previous_request_hook = nullptr;
shmem_startup_hook_type previous_startup_hook = nullptr;

void request_hook() {
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(
		add_size(MAXALIGN(live_table_size()),
	             add_size(MAXALIGN(sizeof(SharedState)), MAXALIGN(request_slots_size()))));
	RequestNamedLWLockTranche("sequin", 1);
}

void startup_hook() {
	if (previous_startup_hook)
		previous_startup_hook();
	bool found = false;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = static_cast<SharedState *>(ShmemInitStruct("sequin", sizeof(SharedState), &found));
	bool slots_found = false;
	request_slots = static_cast<RequestSlot *>(
		ShmemInitStruct("sequin request slots", request_slots_size(), &slots_found));
	if (!slots_found)
		memset(static_cast<void *>(request_slots), 0, request_slots_size());
	bool live_found = false;
	void *live = ShmemInitStruct("sequin live progress", live_table_size(), &live_found);
	attach_live_table(live, !live_found);
	if (!found) {
		memset(static_cast<void *>(shared), 0, sizeof(SharedState));
		shared->lock = &GetNamedLWLockTranche("sequin")->lock;
		ConditionVariableInit(&shared->engine_exited);
		ConditionVariableInit(&shared->progress);
		shared->next_generation = 1;
	}
	LWLockRelease(AddinShmemInitLock);
}

}  // namespace

void request_shared_state() {
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_hook;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_hook;
}

bool is_preloaded() noexcept {
	return shared != nullptr;
}

EngineSlot *engine_of(Oid database) noexcept {
	for (EngineSlot &slot : shared->engines)
		if (slot.state != EngineState::kNone && slot.database == database)
			return &slot;
	return nullptr;
}

bool is_held(Oid database) noexcept {
	for (const Hold &hold : shared->holds)
		if (OidIsValid(hold.database) && hold.database == database)
			return true;
	return false;
}

void wake_engine(Oid database, int32 sync, bool recheck) {
	if (shared == nullptr)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (EngineSlot *slot = engine_of(database)) {
		if (recheck)
			slot->recheck = true;
		if (sync == 0 || slot->changed_count == kMaxChanged)
			slot->everything_changed = true;
		else
			slot->changed[slot->changed_count++] = sync;
		if (slot->latch)
			SetLatch(slot->latch);
	}
	LWLockRelease(shared->lock);
}

void wake_launcher(bool rescan) {
	if (shared == nullptr)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (rescan)
		shared->rescan = true;
	if (shared->launcher_latch)
		SetLatch(shared->launcher_latch);
	LWLockRelease(shared->lock);
}

}  // namespace sequin::pg
