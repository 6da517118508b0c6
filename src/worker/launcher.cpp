// The static process: which databases need an engine, starts and supervises them.
// Scope: launcher. Connected to no database; it cannot see whether a database has the extension, so
// an engine is its own probe and leaves with kAbsent if there is none. Engines start one at a time.
#include <algorithm>
#include <csignal>
#include <string>
#include <unordered_map>
#include <vector>

#include "pg/guard.h"
#include "pg/worker.h"
#include "worker/worker.h"

#include "pg/pg.h"
#include "pg/settings.h"
#include "pg/shared_state.h"

namespace sequin::worker {
namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr int64_t kRescanUs = 60 * kSecondUs;
constexpr int64_t kRetryUs = 5 * kSecondUs;  // after a failed registration
constexpr int64_t kShortLifeUs =
	10 * kSecondUs;  // an engine that crashed younger is restarted later
constexpr int64_t kMaxDelayUs = 60 * kSecondUs;

struct Child {
	int slot;
	uint32 generation;
	Oid database;
	BackgroundWorkerHandle *handle;
	int64_t started_us;
};

struct Backoff {
	int64_t delay_us = 0;
	int64_t not_before_us = 0;
};

class Launcher {
public:
	void run() {
		pg::Waiter waiter(-1);
		for (;;) {
			if (pg::reload_if_asked())
				rescan_at_us_ = 0;
			const int64_t now = pg::now_us();
			collect_exits(now);
			if (take_rescan() || now >= rescan_at_us_) {
				databases_ = list_databases();
				stop_unwanted();
				rescan_at_us_ = now + kRescanUs;
			}
			start_next(now);
			pg::report_idle(("watching " + std::to_string(databases_.size()) +
			                 " databases, running " + std::to_string(children_.size()) +
			                 (children_.size() == 1 ? " engine" : " engines"))
			                    .c_str());
			waiter.wait(std::max<int64_t>(wake_at_us_ - pg::now_us(), 0));
		}
	}

private:
	static bool take_rescan() {
		return pg::call([] {
			LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
			const bool rescan = pg::shared->rescan;
			pg::shared->rescan = false;
			LWLockRelease(pg::shared->lock);
			return rescan;
		});
	}

	// Databases that may be connected to, limited by sequin.databases.
	static std::vector<Oid> list_databases() {
		struct Found {
			Oid *oids;
			int count;
		};
		Found list = pg::call([] {
			Found found{nullptr, 0};
			SetCurrentStatementStartTimestamp();
			StartTransactionCommand();
			char *names = pstrdup(pg::settings.databases ? pg::settings.databases : "");
			List *wanted = NIL;
			if (!SplitIdentifierString(names, ',', &wanted))
				wanted = NIL;
			Relation relation = table_open(DatabaseRelationId, AccessShareLock);
			TableScanDesc scan = table_beginscan_catalog(relation, 0, nullptr);
			int size = 64;
			found.oids =
				static_cast<Oid *>(MemoryContextAlloc(TopMemoryContext, sizeof(Oid) * size));
			while (HeapTuple tuple = heap_getnext(scan, ForwardScanDirection)) {
				auto *row = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
				if (!row->datallowconn)
					continue;
				bool is_wanted = wanted == NIL;
				ListCell *cell;
				foreach (cell, wanted)
					if (strcmp(static_cast<char *>(lfirst(cell)), NameStr(row->datname)) == 0)
						is_wanted = true;
				if (!is_wanted)
					continue;
				if (found.count == size)
					found.oids =
						static_cast<Oid *>(repalloc(found.oids, sizeof(Oid) * (size *= 2)));
				found.oids[found.count++] = row->oid;
			}
			table_endscan(scan);
			table_close(relation, AccessShareLock);
			CommitTransactionCommand();
			return found;
		});
		std::vector<Oid> databases(list.oids, list.oids + list.count);
		pg::call([list] { pfree(list.oids); });
		return databases;
	}

	// Engines of databases that sequin.databases no longer names.
	void stop_unwanted() const {
		const Oid *wanted = databases_.data();
		const size_t count = databases_.size();
		pg::call([wanted, count] {
			LWLockAcquire(pg::shared->lock, LW_SHARED);
			for (const pg::EngineSlot &slot : pg::shared->engines)
				if (slot.state == pg::EngineState::kRunning && slot.pid != 0 &&
				    std::find(wanted, wanted + count, slot.database) == wanted + count)
					kill(slot.pid, SIGTERM);
			LWLockRelease(pg::shared->lock);
		});
	}

	// Frees the slots of engines that ended without doing it themselves, and remembers who crashed.
	void collect_exits(int64_t now) {
		for (size_t i = 0; i < children_.size();) {
			const Child child = children_[i];
			pid_t pid;
			pid_t *pid_out = &pid;
			const BgwHandleStatus status = pg::call(
				[child, pid_out] { return GetBackgroundWorkerPid(child.handle, pid_out); });
			if (status != BGWH_STOPPED) {
				i++;
				continue;
			}
			const pg::EngineExit exit = pg::call([child] {
				LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
				pg::EngineSlot &slot = pg::shared->engines[child.slot];
				pg::EngineExit reason = pg::EngineExit::kCrashed;
				if (slot.generation == child.generation) {
					reason = slot.exit;
					slot.state = pg::EngineState::kNone;
				}
				LWLockRelease(pg::shared->lock);
				ConditionVariableBroadcast(&pg::shared->engine_exited);
				pfree(child.handle);
				return reason;
			});
			Backoff &backoff = backoffs_[child.database];
			if (exit == pg::EngineExit::kCrashed && now - child.started_us < kShortLifeUs)
				backoff.delay_us = std::clamp(backoff.delay_us * 2, kSecondUs, kMaxDelayUs);
			else
				backoff.delay_us = 0;
			backoff.not_before_us = now + backoff.delay_us;
			children_.erase(children_.begin() + static_cast<long>(i));
			retry_at_us_ = 0;  // its worker slot is free
		}
	}

	// Starts at most one engine; the next when that one has found out whether it is needed.
	void start_next(int64_t now) {
		wake_at_us_ = rescan_at_us_;
		if (now < retry_at_us_) {
			wake_at_us_ = std::min(wake_at_us_, retry_at_us_);
			return;
		}
		for (Oid database : databases_) {
			const Backoff &backoff = backoffs_[database];
			if (backoff.not_before_us > now) {
				wake_at_us_ = std::min(wake_at_us_, backoff.not_before_us);
				continue;
			}
			int index = -1;
			const Claim claim = claim_slot(database, &index);
			if (claim == Claim::kSomebodyStarts)
				return;
			if (claim == Claim::kNotNeeded)
				continue;
			if (!start_engine(database, index, now)) {
				retry_at_us_ = now + kRetryUs;
				wake_at_us_ = std::min(wake_at_us_, retry_at_us_);
			}
			return;
		}
	}

	enum class Claim { kNotNeeded, kSomebodyStarts, kClaimed };

	static Claim claim_slot(Oid database, int *index) {
		return pg::call([database, index] {
			Claim claim = Claim::kNotNeeded;
			int free_slot = -1;
			bool is_absent = false;
			LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
			for (int i = 0; i < pg::shared->absent_count; i++)
				if (pg::shared->absent[i] == database)
					is_absent = true;
			for (int i = 0; i < pg::kMaxEngines; i++) {
				if (pg::shared->engines[i].state == pg::EngineState::kStarting)
					claim = Claim::kSomebodyStarts;
				if (pg::shared->engines[i].state == pg::EngineState::kNone && free_slot < 0)
					free_slot = i;
			}
			if (claim == Claim::kNotNeeded && !is_absent && free_slot >= 0 &&
			    !pg::is_held(database) && pg::engine_of(database) == nullptr) {
				pg::EngineSlot &slot = pg::shared->engines[free_slot];
				memset(static_cast<void *>(&slot), 0, sizeof slot);
				slot.state = pg::EngineState::kStarting;
				slot.database = database;
				slot.generation = pg::shared->next_generation++;
				*index = free_slot;
				claim = Claim::kClaimed;
			}
			LWLockRelease(pg::shared->lock);
			return claim;
		});
	}

	bool start_engine(Oid database, int index, int64_t now) {
		Child child{index, 0, database, nullptr, now};
		Child *out = &child;
		const bool started = pg::call([out] {
			pg::EngineSlot &slot = pg::shared->engines[out->slot];
			out->generation = slot.generation;
			BackgroundWorker worker;
			memset(&worker, 0, sizeof worker);
			worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
			worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
			worker.bgw_restart_time = BGW_NEVER_RESTART;
			strlcpy(worker.bgw_library_name, "sequin", sizeof worker.bgw_library_name);
			strlcpy(worker.bgw_function_name, "sequin_engine_main", BGW_MAXLEN);
			snprintf(worker.bgw_name, BGW_MAXLEN, "sequin engine for database %u", out->database);
			strlcpy(worker.bgw_type, "sequin engine", BGW_MAXLEN);
			worker.bgw_main_arg = Int32GetDatum(out->slot);
			memcpy(worker.bgw_extra, &out->generation, sizeof out->generation);
			worker.bgw_notify_pid = MyProcPid;
			const bool registered = RegisterDynamicBackgroundWorker(&worker, &out->handle);
			LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
			if (!registered)
				slot.state = pg::EngineState::kNone;
			const bool is_news = pg::shared->no_worker_slot == registered;
			pg::shared->no_worker_slot = !registered;
			LWLockRelease(pg::shared->lock);
			if (!registered && is_news)
				ereport(WARNING, (errmsg("sequin could not start a worker: no free worker slot"),
				                  errhint("Raise \"max_worker_processes\": sequin needs two per "
				                          "database and one.")));
			return registered;
		});
		if (started)
			children_.push_back(child);
		return started;
	}

	std::vector<Oid> databases_;
	std::vector<Child> children_;
	std::unordered_map<Oid, Backoff> backoffs_;
	int64_t rescan_at_us_ = 0, retry_at_us_ = 0, wake_at_us_ = 0;
};

void leave(int, Datum) {
	LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
	if (pg::shared->launcher_pid == MyProcPid) {
		pg::shared->launcher_pid = 0;
		pg::shared->launcher_latch = nullptr;
	}
	LWLockRelease(pg::shared->lock);
}

void attach() {
	// Engines of a launcher before this one are not our children; they are left to themselves, and
	// the slots of those that have died meanwhile are freed by their own exit callback.
	before_shmem_exit(leave, 0);
	LWLockAcquire(pg::shared->lock, LW_EXCLUSIVE);
	pg::shared->launcher_pid = MyProcPid;
	pg::shared->launcher_latch = MyLatch;
	LWLockRelease(pg::shared->lock);
}

}  // namespace

void register_launcher() {
	BackgroundWorker worker;
	memset(&worker, 0, sizeof worker);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "sequin", sizeof worker.bgw_library_name);
	strlcpy(worker.bgw_function_name, "sequin_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "sequin launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "sequin launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

}  // namespace sequin::worker

extern "C" {
PGDLLEXPORT void sequin_launcher_main(Datum);

void sequin_launcher_main(Datum) {
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
	sequin::worker::attach();
	sequin::pg::entry([] {
		sequin::worker::Launcher launcher;
		launcher.run();
	});
}
}
