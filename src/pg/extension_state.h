// Is the extension here; who must know when that changes; and commands on databases that must not
// wait for our workers.
// Scope: backends (hooks and callbacks) and workers (probe). Server regime.
#pragma once

#include "pg/pg.h"

namespace sequin::pg {

void install_hooks();  // in _PG_init while preloading

// In a transaction. InvalidOid: no extension in this database.
Oid extension_oid();
// The installed version, palloc'd, or null.
char *extension_version();
// The role that owns the extension: who everything inside runs as.
Oid extension_owner();

// At the commit of this transaction: the launcher looks at this database again.
void extension_changed_at_commit();
// At the commit of this transaction: the engine looks at this sync's wishes again; 0: at all.
void sync_changed_at_commit(int32 sync);

// Whether the client's statement is a utility command that keeps its text (DO, CALL; not EXECUTE).
bool inside_utility() noexcept;

}  // namespace sequin::pg
