// Small things of the server. See server.h.
// Scope: engine.
#include "pg/server.h"

#include <sys/statvfs.h>

#include "pg/guard.h"
#include "pg/pg.h"
#include "pg/shared_state.h"

namespace sequin::pg {

void broadcast_progress() {
	call([] { ConditionVariableBroadcast(&shared->progress); });
}

void reserve_descriptors(int count) {
	call([count] {
		for (int i = 0; i < count; i++)
			ReserveExternalFD();
	});
}

void log_error(const char *what, const Error &error) {
	const char *state = error.sqlstate().c_str();
	const char *message = error.what();
	call([what, state, message] {
		// A report ends with a look at interrupts; a cancel must not come out of an error's
		// handler.
		HOLD_INTERRUPTS();
		ereport(LOG, (errmsg_internal("%s: %s", what, message),
		              errdetail_internal("SQLSTATE %s.", state)));
		RESUME_INTERRUPTS();
	});
}

double free_disk_percent() {
	struct statvfs status;
	if (statvfs(DataDir, &status) != 0 || status.f_blocks == 0)
		return 100;
	return 100.0 * static_cast<double>(status.f_bavail) / static_cast<double>(status.f_blocks);
}

void set_local_lock_timeout(const char *value) {
	call([value] {
		(void)set_config_option("lock_timeout", value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
		                        true, 0, false);
	});
}

}  // namespace sequin::pg
