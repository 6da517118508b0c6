// Pages between the network and the tables: reads the facts of an answer with the server's jsonb,
// and applies what it carries to records and events. The SQL is in sql/parts/30 and 31.
// Scope: engine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/manifest.h"
#include "core/page.h"
#include "core/verdict.h"
#include "http/transport.h"
#include "pg/spi.h"

namespace sequin::store {

// The JSON form of a collection (or a feed) that the SQL side reads; composed once.
std::string collection_spec(const Manifest &manifest, const CollectionSpec &collection,
                            const std::vector<std::string> &exclude_fields);
std::string feed_spec(const Manifest &manifest, const FeedSpec &feed,
                      const std::string &trust_value);
std::string embedded_spec(const ParentSpec &parent);
std::string check_spec(const Manifest &manifest);  // of an answer that is no list

struct Applied {
	int64_t rows = 0;     // copies in the page
	int64_t changed = 0;  // events appended
	int64_t first_seq = 0, last_seq = 0;
	int64_t set_aside = 0;
	int64_t rereads = 0;
};

// Where records go.
struct Target {
	int32_t sync = 0;
	int16_t collection = 0;
	char origin = 'l';
	std::optional<int64_t> oldest_us;  // max_age_days; older copies are ignored
};

// One answer in one transaction: opened and read by the constructor, then applied and committed, or
// given up by the destructor. If the server refuses the text (22xxx), the page is cut into its
// records and those it refuses are set aside.
class OpenPage {
public:
	OpenPage(const Manifest &manifest, CallKind kind, const http::Response &response,
	         std::string_view spec, std::string_view records_path, std::string_view parent,
	         int64_t now_us);

	const PageFacts &facts() const noexcept { return facts_; }
	const Verdict &verdict() const noexcept { return verdict_; }  // kNone: it can be applied

	// Of a list. `touch` and `sweep` as in sequin._apply and _apply_page.
	Applied apply_list(const Target &target, std::string_view parent, bool touch, bool sweep);
	// One record read by key; `gone`: the API says it does not exist.
	Applied apply_one(const Target &target, std::string_view key, bool gone);
	// One record read by key that the server refuses: it is set aside under its key.
	void set_aside_one(const Target &target, std::string_view key);
	struct FeedEvent {
		std::string id;
		int64_t happened_us = 0;  // provider's clock; 0: unreadable
	};
	std::vector<FeedEvent> feed_events(std::string_view feed_spec);
	Applied apply_feed(const Target &target, std::string_view feed_spec, std::string_view routes,
	                   const std::vector<std::string> &fresh, int64_t clock_offset_us,
	                   int64_t grain_us, std::vector<int16_t> *changed_collections);
	std::vector<std::string>
	keys(std::string_view parent);  // of all records in the page, refused ones too
	// Evaluates a jsonpath on the answer; empty if there is nothing.
	std::string pick(std::string_view jsonpath);

	void open();  // a transaction for an answer that is no page (gone)
	void commit();
	void give_up() { transaction_.reset(); }

private:
	struct Refused {
		std::string record, sqlstate, reason;
	};
	void read(std::string_view body, std::string_view parent);
	bool rescue(std::string_view records_path, std::string_view parent);
	void set_aside(const Target &target, std::string_view parent);

	const http::Response &response_;
	std::string spec_;
	std::optional<pg::Transaction> transaction_;
	pg::JsonbDatum page_;   // without what the server refused
	pg::JsonbDatum whole_;  // with it, repaired: for what decides the next request
	PageFacts facts_;
	Verdict verdict_;
	std::vector<Refused> refused_;
	std::string refusal_state_, refusal_;  // of the body as a whole
};

// Children of parents that changed after `after_seq`.
struct ParentRow {
	std::string id;
	int64_t updated_idx = 0;
	bool is_deleted = false;
	bool is_whole = false;  // its document carries all its children
};
std::vector<ParentRow> parents_after(int32_t sync, int16_t parent_collection, int64_t after_seq,
                                     int n, std::string_view embedded);
Applied apply_embedded(const Target &target, int16_t parent_collection,
                       const std::vector<std::string> &parents, std::string_view spec,
                       std::string_view embedded);
// Puts parents down whose children must be read by calls; and what is down, oldest wish first.
void want_children(int32_t sync, int16_t collection, const std::vector<std::string> &parents);
std::vector<std::string> wanted_children(int32_t sync, int16_t collection, int n);
Applied apply_absent_children(const Target &target, std::string_view parent,
                              const std::vector<std::string> &seen, int64_t asked_us,
                              std::string_view spec);

struct SweepResult {
	int64_t live = 0, missing = 0;
	bool refused = false;
	Applied applied;
};
SweepResult finish_sweep(const Target &target, int64_t started_us, double max_ratio, bool verify,
                         std::string_view spec);
// The keys that a sweep saw do not survive a crash of the server; a row without a key says that
// they are here.
void begin_sweep(int32_t sync, int16_t collection);
bool has_sweep(int32_t sync, int16_t collection);

// A key that is not of this sync's present wishes any more is left where it is.
struct Reread {
	int16_t collection = 0;
	std::string key;
	char origin = 'l';
	int64_t wanted_us = 0;
};
std::vector<Reread> rereads(int32_t sync, int n);
void put_off_reread(int32_t sync, const Reread &reread, int64_t delay_us);

}  // namespace sequin::store
