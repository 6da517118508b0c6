// What only shared memory knows of a collection. See live_progress.h.
// Scope: engine, backends.
#include "pg/live_progress.h"

#include "pg/guard.h"
#include "pg/pg.h"
#include "pg/shared_state.h"

namespace sequin::pg {
namespace {

struct LiveTable {
	int used;  // entries below this were used at some time
	LiveEntry entries[kMostLive];
};

LiveTable *table = nullptr;

// Entries that this process gave back, to take again without a search.
LiveEntry *spare[kMostLive];
int spare_count = 0;

}  // namespace

unsigned long live_table_size() {
	return sizeof(LiveTable);
}

void attach_live_table(void *memory, bool is_new) {
	table = static_cast<LiveTable *>(memory);
	if (is_new)
		memset(static_cast<void *>(table), 0, sizeof(LiveTable));
}

LiveEntry *claim_live_entry(int32_t sync, int16_t collection) {
	return call([sync, collection] {
		LiveEntry *claimed = spare_count > 0 ? spare[--spare_count] : nullptr;
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		if (claimed == nullptr && table->used < kMostLive)
			claimed = &table->entries[table->used++];
		for (int i = 0; i < table->used && claimed == nullptr; i++)
			if (table->entries[i].database == 0)
				claimed = &table->entries[i];
		if (claimed != nullptr)
			*claimed = LiveEntry{MyDatabaseId, sync, collection, 0, 0, 0};
		LWLockRelease(shared->lock);
		return claimed;
	});
}

void release_live_entry(LiveEntry *entry) noexcept {
	if (entry == nullptr)
		return;
	entry->database = 0;
	if (spare_count < kMostLive)
		spare[spare_count++] = entry;
}

void release_live_entries_of_database() {
	for (int i = 0; i < table->used; i++)
		if (table->entries[i].database == MyDatabaseId)
			table->entries[i].database = 0;
}

const LiveEntry *live_entry(int index) noexcept {
	return &table->entries[index];
}

int live_count() noexcept {
	return table == nullptr ? 0 : table->used;
}

}  // namespace sequin::pg
