// All server headers, and every difference between server versions 15 to 18.
// Scope: any. Include last, only from src/pg, src/store, src/worker, src/engine's server-facing
// files, api.cpp and sequin.cpp. Callers use the newest version's shape.
#pragma once

extern "C" {
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_control.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shm_mq.h"
#include "storage/shmem.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/portal.h"
#include "utils/ps_status.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
}

// The server redefines these names of the C library; C++ code must not see that.
#undef printf
#undef fprintf
#undef sprintf
#undef snprintf
#undef vprintf
#undef vfprintf
#undef vsprintf
#undef vsnprintf
#undef strerror
#undef strerror_r
#undef gettext
#undef dgettext
#undef ngettext
#undef dngettext

#if PG_VERSION_NUM < 150000
#error "PostgreSQL 15 or later is needed"
#endif

// Up to 15 the server's macro does not export the function.
#define SEQUIN_FUNCTION(name)                 \
	PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

namespace sequin::pg {

// 17 ties a wait set to a resource owner; up to 16 it lives in a memory context.
inline WaitEventSet *create_wait_event_set(int size) {
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(nullptr, size);
#else
	return CreateWaitEventSet(TopMemoryContext, size);
#endif
}

// 16 replaced pg_database_ownercheck by object_ownercheck.
inline bool owns_database(Oid database, Oid role) {
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, role);
#else
	return pg_database_ownercheck(database, role);
#endif
}

// The timeline this server writes; on a standby the one it replays.
inline TimeLineID current_timeline() {
	if (!RecoveryInProgress())
		return GetWALInsertionTimeLine();
	TimeLineID replayed = 0;
	GetXLogReplayRecPtr(&replayed);
	return replayed;
}

// Own wait events exist from 17 on.
inline uint32 wait_event(const char *name) {
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	(void)name;
	return PG_WAIT_EXTENSION;
#endif
}

}  // namespace sequin::pg
