// Small things of the server that C++ code of a worker needs.
// Scope: engine. C++ regime.
#pragma once

#include "core/error.h"

namespace sequin::pg {

void broadcast_progress();            // wakes whoever waits for a sync
void reserve_descriptors(int count);  // so that the server's own files are not starved
void log_error(const char *what, const Error &error);  // one LOG line, no secrets
double free_disk_percent();                            // of the data directory's file system
void set_local_lock_timeout(const char *value);        // in a transaction

}  // namespace sequin::pg
