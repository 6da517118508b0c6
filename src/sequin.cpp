// The module: magic block and _PG_init.
// Scope: postmaster while preloading, else the backend that loads the library.
#include "pg/extension_state.h"
#include "pg/pg.h"
#include "pg/settings.h"
#include "pg/shared_state.h"
#include "worker/worker.h"

extern "C" {
PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void _PG_init(void) {
	if (IsBinaryUpgrade)
		return;
	sequin::pg::define_settings();
	if (!process_shared_preload_libraries_in_progress)
		return;
	sequin::pg::request_shared_state();
	sequin::pg::install_hooks();
	sequin::worker::register_launcher();
}
}
