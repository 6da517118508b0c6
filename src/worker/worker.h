// Processes and their lives. The mains are found by name: sequin_launcher_main, sequin_engine_main.
// Scope: postmaster (register_launcher).
#pragma once

namespace sequin::worker {

void register_launcher();  // in _PG_init while preloading; server regime

}  // namespace sequin::worker
