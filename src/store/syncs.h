// Syncs as the engine needs them, and the facts it writes about them.
// Scope: engine. Every function needs an open pg::Transaction.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/manifest.h"
#include "core/request.h"
#include "pg/spi.h"

namespace sequin::store {

struct CollectionRow {
	int16_t collection = 0;
	std::string id;
	std::string checkpoint;  // JSON, the engine's own
	bool is_backfilled = false;
};

struct SyncRow {
	int32_t key = 0;
	std::string id, provider;
	bool is_active = false;
	int allowed_requests = 0, max_concurrent = 0;  // 0: no own limit
	int64_t interval_us = 0;
	std::optional<double> max_age_days;
	int64_t frequency_us = 0;  // 0: continuous
	std::vector<std::string> exclude_fields;
	int64_t created_us = 0;
	bool is_new = false;  // the engine's own: nothing was ever sent for it
	int refresh_requests = 0, refreshed = 0;
	bool is_backfilled = false;
	std::map<std::string, std::string> feeds;  // name: position, JSON
	int32_t credential = 0;
	int32_t credential_revision = 0;
	bool credential_is_dead = false;
	std::string account;       // who shares a budget: account if known, else the secret's hash
	Access access;             // unsealed
	std::string access_error;  // why it could not be unsealed, for health
	std::vector<CollectionRow> collections;
	std::vector<std::string> noted;  // parts with a note of health
};

// `keys` null: all. Secrets are unsealed here and live in memory only.
std::vector<SyncRow> load_syncs(const std::vector<int32_t> *keys);

// A credential alone, as a SyncRow without a sync; nullopt: there is none.
std::optional<SyncRow> load_credential(int32_t key);

std::unique_ptr<Manifest> load_manifest(std::string_view provider);  // null: there is none

// `confirmed`, `absent`, `copy` or `timeline`; see sequin._instance_state.
std::string instance_state();
// After the operator allowed it: this timeline is ours; numbers of a lost tail are left out.
void adopt_timeline(const char *reason);

struct Progress {
	int32_t sync = 0;
	int16_t collection = 0;
	const char *phase = "waiting";
	std::string checkpoint;                          // JSON
	int64_t requests = 0, records = 0, changes = 0;  // to be added
	bool is_backfilled = false;
};
void save_progress(const Progress &progress);
void save_feed(int32_t sync, std::string_view feed, std::string_view position);
void save_sync_facts(int32_t sync, bool is_backfilled, int refreshed);
bool set_health(int32_t sync, std::string_view part, std::string_view status, std::string_view code,
                std::string_view note, std::string_view hint);
bool clear_health(int32_t sync, std::string_view part, std::string_view code);  // empty code: all
void save_credential_facts(int32_t credential, int32_t revision, std::string_view account,
                           std::string_view status, const std::vector<std::string> &notes);
void log_requests(std::string_view calls);
void trim_requests(int32_t sync);

// Housekeeping; true while there is more to do.
void ensure_event_partitions();
void analyze_records(int32_t sync);
bool clean(int n);
bool retain_events(int days, int n);
bool index_closed_partitions();
int take_record_wishes();
int take_due_errors();
std::vector<int32_t> syncs_with_rereads();

void notify(const char *channel, std::string_view payload);

}  // namespace sequin::store
