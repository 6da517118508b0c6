// Hooks and commit callbacks. See extension_state.h.
// Scope: backends and workers. Server regime: no object with a destructor in this file.
#include "pg/extension_state.h"

#include <csignal>

#include "pg/guard.h"
#include "pg/shared_state.h"

namespace sequin::pg {
namespace {

constexpr long kCancelAfterMs = 200;   // then a statement under way in the engine is cancelled
constexpr long kGiveUpAfterMs = 5000;  // then the command meets the server's own check

ProcessUtility_hook_type previous_utility_hook = nullptr;
object_access_hook_type previous_access_hook = nullptr;

int utility_depth = 0;
int execute_depth = 0;

// What this transaction is to tell when it commits.
struct AtCommit {
	bool is_registered;  // the callback, once per process
	bool extension_changed;
	bool has_holds;
	bool everything_changed;
	int changed_count;
	int32 changed[kMaxChanged];
} at_commit;

void release_holds() {
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (Hold &hold : shared->holds)
		if (hold.backend == MyProcPid)
			hold = Hold{InvalidOid, 0};
	LWLockRelease(shared->lock);
	at_commit.has_holds = false;
	wake_launcher(true);
}

void tell_committed() {
	if (at_commit.extension_changed) {
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		for (int i = 0; i < shared->absent_count; i++)
			if (shared->absent[i] == MyDatabaseId)
				shared->absent[i--] = shared->absent[--shared->absent_count];
		LWLockRelease(shared->lock);
		wake_engine(MyDatabaseId, 0, true);
		wake_launcher(true);
	}
	if (at_commit.everything_changed)
		wake_engine(MyDatabaseId, 0, false);
	else
		for (int i = 0; i < at_commit.changed_count; i++)
			wake_engine(MyDatabaseId, at_commit.changed[i], false);
}

void transaction_callback(XactEvent event, void *) {
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (shared != nullptr) {
		if (event == XACT_EVENT_COMMIT)
			tell_committed();
		if (at_commit.has_holds)
			release_holds();
	}
	at_commit.extension_changed = false;
	at_commit.everything_changed = false;
	at_commit.changed_count = 0;
}

void register_callback() {
	if (at_commit.is_registered)
		return;
	RegisterXactCallback(transaction_callback, nullptr);
	at_commit.is_registered = true;
}

void add_hold(Oid database) {
	register_callback();
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (Hold &hold : shared->holds) {
		if (OidIsValid(hold.database))
			continue;
		hold = Hold{database, MyProcPid};
		at_commit.has_holds = true;
		break;
	}
	LWLockRelease(shared->lock);
}

// True while a worker of the database is there; wakes it, and cancels its statement if asked to.
bool nudge_engine(Oid database, bool cancel) {
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	EngineSlot *slot = engine_of(database);
	const bool is_there = slot != nullptr;
	if (is_there && slot->latch)
		SetLatch(slot->latch);
	if (is_there && cancel && slot->pid)
		kill(slot->pid, SIGINT);
	LWLockRelease(shared->lock);
	return is_there;
}

// Keeps the workers of a database away until this transaction ends. The command that follows checks
// for connections itself, so giving up is safe.
void hold_database(Oid database) {
	add_hold(database);
	const TimestampTz start = GetCurrentTimestamp();
	bool cancelled = false;
	ConditionVariablePrepareToSleep(&shared->engine_exited);
	for (;;) {
		const long waited = TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());
		const bool cancel = waited >= kCancelAfterMs && !cancelled;
		if (!nudge_engine(database, cancel) || waited >= kGiveUpAfterMs)
			break;
		cancelled = cancelled || cancel;
		ConditionVariableTimedSleep(&shared->engine_exited, 50, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

const char *text_option(List *options, const char *name) {
	ListCell *cell;
	foreach (cell, options) {
		DefElem *option = static_cast<DefElem *>(lfirst(cell));
		if (strcmp(option->defname, name) == 0 && option->arg)
			return defGetString(option);
	}
	return nullptr;
}

// The database that a command needs for itself, or null.
const char *database_needed(Node *statement) {
	switch (nodeTag(statement)) {
	case T_DropdbStmt:
		return reinterpret_cast<DropdbStmt *>(statement)->dbname;
	case T_CreatedbStmt: {
		const char *source =
			text_option(reinterpret_cast<CreatedbStmt *>(statement)->options, "template");
		return source ? source : "template1";
	}
	case T_RenameStmt: {
		RenameStmt *rename = reinterpret_cast<RenameStmt *>(statement);
		return rename->renameType == OBJECT_DATABASE ? rename->subname : nullptr;
	}
	case T_AlterDatabaseStmt: {
		AlterDatabaseStmt *alter = reinterpret_cast<AlterDatabaseStmt *>(statement);
		return text_option(alter->options, "tablespace") ? alter->dbname : nullptr;
	}
	default:
		return nullptr;
	}
}

void utility_hook(PlannedStmt *statement, const char *query, bool read_only_tree,
                  ProcessUtilityContext context, ParamListInfo parameters,
                  QueryEnvironment *environment, DestReceiver *receiver,
                  QueryCompletion *completion) {
	if (shared != nullptr) {
		const char *name = database_needed(statement->utilityStmt);
		const Oid database = name ? get_database_oid(name, true) : InvalidOid;
		// A template needs no ownership; for the rest the command itself will refuse a stranger.
		if (OidIsValid(database) &&
		    (IsA(statement->utilityStmt, CreatedbStmt) || owns_database(database, GetUserId())))
			hold_database(database);
	}
	struct Arguments {
		PlannedStmt *statement;
		const char *query;
		bool read_only_tree;
		ProcessUtilityContext context;
		ParamListInfo parameters;
		QueryEnvironment *environment;
		DestReceiver *receiver;
		QueryCompletion *completion;
	} arguments{statement,  query,       read_only_tree, context,
	            parameters, environment, receiver,       completion};
	run_counted(
		[](void *p) {
			auto *a = static_cast<Arguments *>(p);
			(previous_utility_hook ? previous_utility_hook : standard_ProcessUtility)(
				a->statement, a->query, a->read_only_tree, a->context, a->parameters,
				a->environment, a->receiver, a->completion);
		},
		&arguments, IsA(statement->utilityStmt, ExecuteStmt) ? &execute_depth : &utility_depth);
}

void access_hook(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *argument) {
	if (previous_access_hook)
		previous_access_hook(access, class_id, object_id, sub_id, argument);
	if (access != OAT_DROP || class_id != ExtensionRelationId)
		return;
	const char *name = get_extension_name(object_id);
	if (name && strcmp(name, "sequin") == 0)
		extension_changed_at_commit();
}

}  // namespace

void install_hooks() {
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = utility_hook;
	previous_access_hook = object_access_hook;
	object_access_hook = access_hook;
}

Oid extension_oid() {
	return get_extension_oid("sequin", true);
}

namespace {

// One attribute of our row in pg_extension; the row is found by name each time, since ALTER
// EXTENSION may have changed it.
Datum extension_attribute(AttrNumber attribute, bool *is_null) {
	Relation relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
	            CStringGetDatum("sequin"));
	SysScanDesc scan = systable_beginscan(relation, ExtensionNameIndexId, true, nullptr, 1, &key);
	HeapTuple tuple = systable_getnext(scan);
	*is_null = true;
	Datum value = 0;
	if (HeapTupleIsValid(tuple)) {
		value = heap_getattr(tuple, attribute, RelationGetDescr(relation), is_null);
		if (!*is_null && attribute == Anum_pg_extension_extversion)
			value = CStringGetDatum(text_to_cstring(DatumGetTextPP(value)));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return value;
}

}  // namespace

char *extension_version() {
	bool is_null;
	Datum value = extension_attribute(Anum_pg_extension_extversion, &is_null);
	return is_null ? nullptr : DatumGetCString(value);
}

Oid extension_owner() {
	bool is_null;
	Datum value = extension_attribute(Anum_pg_extension_extowner, &is_null);
	return is_null ? InvalidOid : DatumGetObjectId(value);
}

void extension_changed_at_commit() {
	register_callback();
	at_commit.extension_changed = true;
}

void sync_changed_at_commit(int32 sync) {
	register_callback();
	for (int i = 0; i < at_commit.changed_count; i++)
		if (at_commit.changed[i] == sync)
			return;
	if (sync == 0 || at_commit.changed_count == kMaxChanged)
		at_commit.everything_changed = true;
	else
		at_commit.changed[at_commit.changed_count++] = sync;
}

bool inside_utility() noexcept {
	return utility_depth > 0;
}

}  // namespace sequin::pg
