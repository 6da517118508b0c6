// What only shared memory knows of a collection: when it runs next, up to when it is known to be
// true, how fast it is read. Quiet polls change these and write nothing to disk. Scope: engine
// (writes its own entries), backends (read). Entries are written by one process without a lock; a
// reader may see one half new, which for figures to look at is fine.
#pragma once

#include <cstdint>

namespace sequin::pg {

constexpr int kMostLive = 40000;

struct LiveEntry {
	uint32_t database;  // 0: free
	int32_t sync;
	int16_t collection;
	int64_t next_run_us;        // Unix µs; 0: not scheduled
	int64_t true_at_us;         // 0: not yet
	double records_per_second;  // 0: not reading
};

unsigned long live_table_size();
void attach_live_table(void *memory, bool is_new);  // at server start

// The engine's: null where there is no room. C++ regime.
LiveEntry *claim_live_entry(int32_t sync, int16_t collection);
void release_live_entry(LiveEntry *entry) noexcept;
void release_live_entries_of_database();  // when an engine starts or leaves; server regime

// Entry at an index below live_count(), for readers.
const LiveEntry *live_entry(int index) noexcept;
int live_count() noexcept;

}  // namespace sequin::pg
