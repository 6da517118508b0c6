// What processes share: which engine serves which database, holds that keep engines away, wake-ups.
// Scope: any process of a server that preloaded the library. Server regime: functions may ereport.
//
// A database's engine:
//   none --launcher--> starting --attach--> running --exit--> none
//   starting --exit "absent"--> none, and the database is left alone until somebody wakes the
//   launcher
// A hold keeps it at none; it is added before the engine is told to stop and ends with the
// transaction that asked for it. State that must survive a crash is in tables, never here.
#pragma once

#include "pg/pg.h"

namespace sequin::pg {

constexpr int kMaxEngines = 128;
constexpr int kMaxHolds = 256;
constexpr int kMaxAbsent = 4096;
constexpr int kMaxChanged = 64;

enum class EngineState : int { kNone, kStarting, kRunning };

// Why an engine left; kCrashed unless it said otherwise.
enum class EngineExit : int { kCrashed, kAbsent, kAsked };

struct EngineSlot {
	EngineState state;
	EngineExit exit;
	Oid database;
	pid_t pid;
	Latch *latch;
	uint32 generation;
	bool recheck;  // look whether the extension is still there
	bool everything_changed;
	int changed_count;
	int32 changed[kMaxChanged];  // keys of syncs whose wishes changed
};

struct Hold {
	Oid database;  // InvalidOid: free
	pid_t backend;
};

struct SharedState {
	LWLock *lock;
	pid_t launcher_pid;
	Latch *launcher_latch;
	uint32 next_generation;
	bool rescan;          // the launcher is to look at the databases again
	bool no_worker_slot;  // the last registration failed: health says so
	ConditionVariable engine_exited;
	ConditionVariable progress;  // a sync's phase or health changed
	EngineSlot engines[kMaxEngines];
	Hold holds[kMaxHolds];
	int absent_count;
	Oid absent[kMaxAbsent];  // databases known to be without the extension
};

extern SharedState *shared;  // null: the library was not preloaded

void request_shared_state();  // in _PG_init while preloading: size, hooks
bool is_preloaded() noexcept;

// Under the lock.
EngineSlot *engine_of(Oid database) noexcept;
bool is_held(Oid database) noexcept;

// Wakes the engine of this database, if there is one, for a sync (0: everything).
void wake_engine(Oid database, int32 sync, bool recheck);
void wake_launcher(bool rescan);

}  // namespace sequin::pg
