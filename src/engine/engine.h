// The engine: one event loop that carries all provider traffic of one database.
// Scope: engine.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace sequin::engine {

// What other processes want of the engine; looked at on every turn.
struct Orders {
	bool leave = false;    // a command needs the database for itself
	bool recheck = false;  // look whether the extension is still there
	bool everything_changed = false;
	std::vector<int32_t> changed;  // keys of syncs
};

struct Doors {
	uint32_t generation = 0;  // of this engine: requests posted for another are not ours
	std::function<Orders()> take_orders;
	std::function<bool()> is_still_here;  // in a transaction of its own
};

// Returns when the engine is to leave. Call outside a transaction, settings pinned. Throws PgError
// only for what ends the process (termination does not come back at all).
void run(const Doors &doors);

}  // namespace sequin::engine
