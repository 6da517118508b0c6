// Pages between the network and the tables. See pages.h.
// Scope: engine.
#include "store/pages.h"

#include <cstdlib>

#include "core/json.h"
#include "core/repair.h"
#include "core/scanner.h"
#include "core/time.h"
#include "pg/guard.h"

namespace sequin::store {
namespace {

using pg::Value;

constexpr size_t kExcerptBytes = 8192;

std::optional<int64_t> time_of(const pg::Row &row, size_t column) {
	if (row.is_null(column))
		return std::nullopt;
	return parse_iso_time(row.text(column));
}

std::string text_of(const pg::Row &row, size_t column) {
	return row.text_or(column, "");
}

Applied applied_of(const pg::Row &row, size_t first_column) {
	Applied applied;
	applied.changed = row.is_null(first_column) ? 0 : row.number(first_column);
	if (applied.changed > 0) {
		applied.first_seq = row.number(first_column + 1);
		applied.last_seq = row.number(first_column + 2);
	}
	return applied;
}

bool is_data_error(const Error &error) {
	return error.sqlstate().compare(0, 2, "22") == 0 || error.sqlstate() == "54001" ||
	       error.sqlstate() == "54000";
}

}  // namespace

OpenPage::OpenPage(const Manifest &manifest, CallKind kind, const http::Response &response,
                   std::string_view spec, std::string_view records_path, std::string_view parent,
                   int64_t now_us)
	: response_(response), spec_(spec) {
	if (response.failure == http::Failure::kNone && !response.body.empty()) {
		try {
			read(response.body, parent);
		} catch (const pg::PgError &error) {
			transaction_.reset();
			if (!is_data_error(error))
				throw;
			refusal_state_ = error.sqlstate();
			refusal_ = error.what();
			const bool is_list =
				kind != CallKind::kGet && kind != CallKind::kCheck && response.status / 100 == 2;
			if (!is_list || !rescue(records_path, parent))
				facts_ = PageFacts{};
		}
	}
	verdict_ = judge(manifest, kind, response, facts_, now_us);
	if (verdict_.error_class != ErrorClass::kNone)
		transaction_.reset();
	else if (!transaction_)
		transaction_.emplace();
}

void OpenPage::read(std::string_view body, std::string_view parent) {
	static pg::Statement statement(
		"SELECT rows, first_key, last_key, last_field, min_time, max_time, last_time, next, more, "
	    "total, digest, "
		"rule_hits, error_code, error_message FROM sequin._read_page($1, $2, $3)");
	transaction_.emplace();
	page_ = whole_ = pg::parse_jsonb(body);
	const pg::Row row =
		statement.run({Value::of_jsonb(page_), Value::of_json(spec_), Value::of_optional(parent)})
			.at(0);
	facts_.is_json = true;
	facts_.rows = row.number(0);
	facts_.first_key = text_of(row, 1);
	facts_.last_key = text_of(row, 2);
	facts_.last_field = text_of(row, 3);
	facts_.min_time_us = time_of(row, 4);
	facts_.max_time_us = time_of(row, 5);
	facts_.last_time_us = time_of(row, 6);
	facts_.next = text_of(row, 7);
	if (!row.is_null(8))
		facts_.more = row.boolean(8);
	if (!row.is_null(9))
		facts_.total = row.number(9);
	facts_.digest = row.is_null(10) ? 0 : static_cast<uint64_t>(row.number(10));
	for (char hit : text_of(row, 11))
		facts_.rule_hits.push_back(hit == '1');
	facts_.error_code = text_of(row, 12);
	facts_.error_message = text_of(row, 13);
}

// The page as a whole is refused: each record alone is tried, the refused are kept apart, and the
// rest is applied. What decides the next request is read from a repaired copy, so that a refused
// last record does not end the walk. False: it cannot be cut.
bool OpenPage::rescue(std::string_view records_path, std::string_view parent) {
	const std::string_view body = response_.body;
	const CutPage cut = cut_page(body, records_path);
	if (!cut.is_complete || cut.records.empty())
		return false;
	const size_t list_start = static_cast<size_t>(cut.records.front().data() - body.data());
	const size_t list_end =
		static_cast<size_t>(cut.records.back().data() + cut.records.back().size() - body.data());
	std::string good;
	for (std::string_view record : cut.records) {
		try {
			pg::Transaction probe;
			pg::parse_jsonb(record);
			if (!good.empty())
				good += ',';
			good += record;
		} catch (const pg::PgError &error) {
			if (!is_data_error(error))
				throw;
			refused_.push_back({std::string(record), error.sqlstate(), error.what()});
		}
	}
	try {
		read(repair_json(body), parent);
		const std::string clean =
			std::string(body.substr(0, list_start)) + good + std::string(body.substr(list_end));
		page_ = pg::parse_jsonb(clean);
	} catch (const pg::PgError &error) {
		transaction_.reset();
		if (!is_data_error(error))
			throw;
		return false;
	}
	return true;
}

void OpenPage::set_aside(const Target &target, std::string_view parent) {
	static pg::Statement key_statement(
		"SELECT sequin._key($1, (SELECT array_agg(k::jsonpath ORDER BY n) "
		"FROM jsonb_array_elements_text($2 -> 'key') WITH ORDINALITY AS t(k, n)), $3)");
	static pg::Statement statement("SELECT sequin._set_aside($1, $2, $3, $4, $5, $6, $7)");
	for (const Refused &refused : refused_) {
		const std::string repaired = repair_json(refused.record);
		const pg::Row row =
			key_statement
				.run({Value::of_json(repaired), Value::of_json(spec_), Value::of_optional(parent)})
				.at(0);
		const std::string excerpt = printable(refused.record, kExcerptBytes);
		statement.run({Value::of_integer(target.sync), Value::of_small(target.collection),
		               Value::of_optional(row.text_or(0, "")), Value::of_text(refused.sqlstate),
		               Value::of_text(refused.reason), Value::of_text(excerpt),
		               Value::of_optional(parent)});
	}
}

Applied OpenPage::apply_list(const Target &target, std::string_view parent, bool touch,
                             bool sweep) {
	static pg::Statement statement("SELECT rows, changed, first_seq, last_seq, refused FROM "
	                               "sequin._apply_page($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
	set_aside(target, parent);
	const pg::Row row =
		statement
			.run({Value::of_integer(target.sync), Value::of_small(target.collection),
	              Value::of_jsonb(page_), Value::of_json(spec_),
	              Value::of_time(response_.sent_at_us), Value::of_optional(parent),
	              Value::of_optional_time(target.oldest_us), Value::of_char(target.origin),
	              Value::of_boolean(touch), Value::of_boolean(sweep)})
			.at(0);
	Applied applied = applied_of(row, 1);
	applied.rows = row.number(0);
	applied.set_aside = static_cast<int64_t>(refused_.size());
	const Json keyless = Json::parse(row.text(4));
	static pg::Statement aside(
		"SELECT sequin._set_aside($1, $2, NULL, '22023', 'record without a usable key', $3)");
	for (size_t i = 0; i < keyless.size(); i++, applied.set_aside++) {
		const std::string excerpt = printable(keyless.at(i).dump(), kExcerptBytes);
		aside.run({Value::of_integer(target.sync), Value::of_small(target.collection),
		           Value::of_text(excerpt)});
	}
	static pg::Statement seen("INSERT INTO sequin._sweep_keys (sync, collection, upstream_id) "
	                          "SELECT $1, $2, unnest($3) ON CONFLICT DO NOTHING");
	if (sweep && !refused_.empty())
		seen.run({Value::of_integer(target.sync), Value::of_small(target.collection),
		          Value::of_array(keys(parent))});
	return applied;
}

Applied OpenPage::apply_one(const Target &target, std::string_view key, bool gone) {
	static pg::Statement statement("SELECT changed, first_seq, last_seq FROM sequin._apply_one($1, "
	                               "$2, $3, $4, $5, $6, $7, $8, $9)");
	Value doc =
		facts_.is_json && !gone ? Value::of_jsonb(page_) : Value::null_of(Value::Type::kJsonb);
	return applied_of(
		statement
			.run({Value::of_integer(target.sync), Value::of_small(target.collection),
	              Value::of_text(key), doc, Value::of_json(spec_),
	              Value::of_time(response_.sent_at_us), Value::of_boolean(gone),
	              Value::of_char(target.origin), Value::of_optional_time(target.oldest_us)})
			.at(0),
		0);
}

void OpenPage::set_aside_one(const Target &target, std::string_view key) {
	static pg::Statement aside("SELECT sequin._set_aside($1, $2, $3, $4, $5, $6)");
	static pg::Statement fulfil("DELETE FROM sequin._rereads WHERE sync = $1 AND collection = $2 "
	                            "AND upstream_id = $3 AND wanted_at <= $4");
	open();
	const std::string excerpt = printable(response_.body, kExcerptBytes);
	aside.run(
		{Value::of_integer(target.sync), Value::of_small(target.collection), Value::of_text(key),
	     Value::of_text(refusal_state_.empty() ? "54000" : refusal_state_),
	     Value::of_text(refusal_.empty() ? verdict_.message : refusal_), Value::of_text(excerpt)});
	fulfil.run({Value::of_integer(target.sync), Value::of_small(target.collection),
	            Value::of_text(key), Value::of_time(response_.sent_at_us)});
}

std::vector<OpenPage::FeedEvent> OpenPage::feed_events(std::string_view feed_spec) {
	static pg::Statement statement("SELECT id, happened FROM sequin._feed_ids($1, $2)");
	std::vector<FeedEvent> events;
	for (const pg::Row &row : statement.run({Value::of_jsonb(whole_), Value::of_json(feed_spec)}))
		if (!row.is_null(0))
			events.push_back({row.text(0), time_of(row, 1).value_or(0)});
	return events;
}

Applied OpenPage::apply_feed(const Target &target, std::string_view feed_spec,
                             std::string_view routes, const std::vector<std::string> &fresh,
                             int64_t clock_offset_us, int64_t grain_us,
                             std::vector<int16_t> *changed_collections) {
	static pg::Statement statement(
		"SELECT collection, changed, first_seq, last_seq, rereads FROM sequin._apply_feed_page($1, "
	    "$2, $3, $4, $5, $9, "
		"$6 * interval '1 microsecond', $7 * interval '1 microsecond', interval '1 second', $8)");
	Applied applied;
	// An event that the server refuses is applied from its repaired form, whose document is never
	// used.
	Json distrusted = Json::parse(feed_spec).deep_copy();
	if (!refused_.empty()) {
		Json trust = Json::object();
		trust.set("path", Json::string("$"));
		trust.set("equals", Json::string(""));
		distrusted.set("trust", trust);
	}
	const std::string spec = distrusted.dump();
	for (const pg::Row &row : statement.run(
			 {Value::of_integer(target.sync), Value::of_jsonb(whole_), Value::of_json(spec),
	          Value::of_json(routes), Value::of_array(fresh), Value::of_big(clock_offset_us),
	          Value::of_big(grain_us), Value::of_optional_time(target.oldest_us),
	          Value::of_time(response_.sent_at_us)})) {
		const Applied part = applied_of(row, 1);
		if (part.changed > 0) {
			changed_collections->push_back(static_cast<int16_t>(row.number(0)));
			if (applied.changed == 0)
				applied.first_seq = part.first_seq;
			applied.last_seq = part.last_seq;
		}
		applied.changed += part.changed;
		applied.rereads += row.number(4);
	}
	applied.rows = static_cast<int64_t>(fresh.size());
	return applied;
}

std::vector<std::string> OpenPage::keys(std::string_view parent) {
	static pg::Statement statement(
		"SELECT sequin._key(d, (SELECT array_agg(k::jsonpath ORDER BY n) "
		"FROM jsonb_array_elements_text($2 -> 'key') WITH ORDINALITY AS t(k, n)), $3) "
		"FROM jsonb_path_query($1, ($2 ->> 'records')::jsonpath, '{}', true) AS d");
	std::vector<std::string> keys;
	for (const pg::Row &row : statement.run(
			 {Value::of_jsonb(whole_), Value::of_json(spec_), Value::of_optional(parent)}))
		if (!row.is_null(0))
			keys.push_back(row.text(0));
	return keys;
}

std::string OpenPage::pick(std::string_view jsonpath) {
	static pg::Statement statement(
		"SELECT jsonb_path_query_first($1, $2::jsonpath, '{}', true) #>> '{}'");
	if (!facts_.is_json)
		return {};
	return statement.run({Value::of_jsonb(page_), Value::of_text(jsonpath)}).at(0).text_or(0, "");
}

void OpenPage::open() {
	if (!transaction_)
		transaction_.emplace();
}

void OpenPage::commit() {
	transaction_->commit();
	transaction_.reset();
}

std::vector<ParentRow> parents_after(int32_t sync, int16_t parent_collection, int64_t after_seq,
                                     int n, std::string_view embedded) {
	static pg::Statement statement("SELECT upstream_id, updated_idx, deleted, is_whole FROM "
	                               "sequin._parents_after($1, $2, $3, $4, $5)");
	std::vector<ParentRow> parents;
	for (const pg::Row &row :
	     statement.run({Value::of_integer(sync), Value::of_small(parent_collection),
	                    Value::of_big(after_seq), Value::of_integer(n), Value::of_json(embedded)}))
		parents.push_back({row.text(0), row.number(1), row.boolean(2), row.boolean(3)});
	return parents;
}

Applied apply_embedded(const Target &target, int16_t parent_collection,
                       const std::vector<std::string> &parents, std::string_view spec,
                       std::string_view embedded) {
	static pg::Statement statement("SELECT rows, changed, first_seq, last_seq FROM "
	                               "sequin._apply_embedded($1, $2, $3, $4, $5, $6, $7)");
	const pg::Row row =
		statement
			.run({Value::of_integer(target.sync), Value::of_small(target.collection),
	              Value::of_small(parent_collection), Value::of_array(parents),
	              Value::of_json(spec), Value::of_json(embedded), Value::of_char(target.origin)})
			.at(0);
	Applied applied = applied_of(row, 1);
	applied.rows = row.number(0);
	return applied;
}

void want_children(int32_t sync, int16_t collection, const std::vector<std::string> &parents) {
	static pg::Statement statement("SELECT sequin._want_children($1, $2, $3)");
	statement.run({Value::of_integer(sync), Value::of_small(collection), Value::of_array(parents)});
}

std::vector<std::string> wanted_children(int32_t sync, int16_t collection, int n) {
	static pg::Statement statement("SELECT parent_id FROM sequin._child_rereads WHERE sync = $1 "
	                               "AND collection = $2 ORDER BY wanted_at LIMIT $3");
	std::vector<std::string> parents;
	for (const pg::Row &row : statement.run(
			 {Value::of_integer(sync), Value::of_small(collection), Value::of_integer(n)}))
		parents.push_back(row.text(0));
	return parents;
}

Applied apply_absent_children(const Target &target, std::string_view parent,
                              const std::vector<std::string> &seen, int64_t asked_us,
                              std::string_view spec) {
	static pg::Statement statement("SELECT changed, first_seq, last_seq FROM "
	                               "sequin._apply_absent_children($1, $2, $3, $4, $5, $6, $7)");
	return applied_of(
		statement
			.run({Value::of_integer(target.sync), Value::of_small(target.collection),
	              Value::of_text(parent), Value::of_array(seen), Value::of_time(asked_us),
	              Value::of_json(spec), Value::of_char(target.origin)})
			.at(0),
		0);
}

SweepResult finish_sweep(const Target &target, int64_t started_us, double max_ratio, bool verify,
                         std::string_view spec) {
	static pg::Statement statement(
		"SELECT live, missing, refused, changed, first_seq, last_seq "
		"FROM sequin._finish_sweep($1, $2, $3, $4::float8 / 1000000, $5, $6)");
	const pg::Row row = statement
	                        .run({Value::of_integer(target.sync),
	                              Value::of_small(target.collection), Value::of_time(started_us),
	                              Value::of_big(static_cast<int64_t>(max_ratio * 1000000)),
	                              Value::of_boolean(verify), Value::of_json(spec)})
	                        .at(0);
	return {row.number(0), row.number(1), row.boolean(2), applied_of(row, 3)};
}

void begin_sweep(int32_t sync, int16_t collection) {
	static pg::Statement forget(
		"DELETE FROM sequin._sweep_keys WHERE sync = $1 AND collection = $2");
	static pg::Statement mark(
		"INSERT INTO sequin._sweep_keys (sync, collection, upstream_id) VALUES ($1, $2, '')");
	forget.run({Value::of_integer(sync), Value::of_small(collection)});
	mark.run({Value::of_integer(sync), Value::of_small(collection)});
}

bool has_sweep(int32_t sync, int16_t collection) {
	static pg::Statement statement("SELECT EXISTS (SELECT FROM sequin._sweep_keys WHERE sync = $1 "
	                               "AND collection = $2 AND upstream_id = '')");
	return statement.run({Value::of_integer(sync), Value::of_small(collection)}).at(0).boolean(0);
}

std::vector<Reread> rereads(int32_t sync, int n) {
	static pg::Statement statement(
		"SELECT collection, upstream_id, origin, wanted_at FROM sequin._rereads "
		"WHERE sync = $1 AND wanted_at <= clock_timestamp() ORDER BY wanted_at LIMIT $2");
	std::vector<Reread> found;
	for (const pg::Row &row : statement.run({Value::of_integer(sync), Value::of_integer(n)}))
		found.push_back({static_cast<int16_t>(row.number(0)), row.text(1), row.text(2).at(0),
		                 time_of(row, 3).value_or(0)});
	return found;
}

void put_off_reread(int32_t sync, const Reread &reread, int64_t delay_us) {
	static pg::Statement statement(
		"UPDATE sequin._rereads SET wanted_at = clock_timestamp() + $4 * interval '1 microsecond' "
		"WHERE sync = $1 AND collection = $2 AND upstream_id = $3");
	statement.run({Value::of_integer(sync), Value::of_small(reread.collection),
	               Value::of_text(reread.key), Value::of_big(delay_us)});
}

}  // namespace sequin::store
