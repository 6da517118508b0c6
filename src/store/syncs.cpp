// Syncs as the engine needs them. See syncs.h.
// Scope: engine.
#include "store/syncs.h"

#include <cstdlib>

#include "core/error.h"
#include "core/json.h"
#include "core/template.h"
#include "pg/seal.h"

namespace sequin::store {
namespace {

using pg::Value;

std::string text_or_empty(const Json &value) {
	return value.is_string() ? std::string(value.as_string()) : std::string();
}

// A scalar as the text that goes into requests.
std::string scalar_text(const Json &value) {
	if (value.is_string())
		return std::string(value.as_string());
	if (value.is_integer())
		return std::to_string(value.as_integer());
	if (value.is_boolean())
		return value.as_boolean() ? "true" : "false";
	return {};
}

void read_access(const Json &doc, SyncRow *row) {
	const Json credential = doc.get("credential");
	row->credential = static_cast<int32_t>(credential.get("key").as_integer());
	row->credential_revision = static_cast<int32_t>(credential.get("revision").as_integer());
	row->credential_is_dead = credential.get("is_dead").as_boolean();
	row->access.kind = text_or_empty(credential.get("kind"));
	row->access.base_url = text_or_empty(doc.get("base_url"));
	const std::string account = text_or_empty(credential.get("account"));
	row->account =
		row->provider + " " + (account.empty() ? text_or_empty(credential.get("digest")) : account);
	const Json properties = credential.get("properties");
	for (const std::string &name : properties.keys())
		row->access.values[name] = scalar_text(properties.get(name));
	const Json settings = doc.get("settings");
	for (const std::string &name : settings.keys())
		row->access.settings[name] = scalar_text(settings.get(name));
	try {
		const std::string place = text_or_empty(credential.get("id"));
		const Json secrets =
			Json::parse(pg::unseal(place, base64_decode(text_or_empty(credential.get("secrets")))));
		for (const std::string &name : secrets.keys()) {
			row->access.values[name] = scalar_text(secrets.get(name));
			row->access.secret_names.push_back(name);
		}
	} catch (const Error &error) {
		row->access_error = std::string(error.what()) + ". " + error.detail();
	}
}

void read_limits(const Json &doc, SyncRow *row) {
	const Json limit = doc.get("rate_limit");
	if (limit.is_object()) {
		const auto number = [&](const char *name) {
			return limit.get(name).is_number() ? limit.get(name).as_number() : 0.0;
		};
		row->allowed_requests = static_cast<int>(number("allowed_requests"));
		row->max_concurrent = static_cast<int>(number("max_concurrent_requests"));
		row->interval_us = static_cast<int64_t>(number("interval") * 1000000);
	}
	const std::string age = text_or_empty(doc.get("max_age_days"));
	if (!age.empty())
		row->max_age_days = std::strtod(age.c_str(), nullptr);
	if (doc.get("frequency_us").is_integer())
		row->frequency_us = doc.get("frequency_us").as_integer();
}

SyncRow read_sync(const Json &doc) {
	SyncRow row;
	row.key = static_cast<int32_t>(doc.get("key").as_integer());
	row.id = text_or_empty(doc.get("id"));
	row.provider = text_or_empty(doc.get("provider"));
	row.is_active = doc.get("active").as_boolean();
	row.created_us = doc.get("created_us").as_integer();
	row.refresh_requests = static_cast<int>(doc.get("refresh_requests").as_integer());
	row.refreshed = static_cast<int>(doc.get("refreshed").as_integer());
	row.is_backfilled = doc.get("is_backfilled").as_boolean();
	const Json excluded = doc.get("exclude_fields");
	for (size_t i = 0; i < excluded.size(); i++)
		row.exclude_fields.emplace_back(excluded.at(i).as_string());
	const Json noted = doc.get("noted");
	for (size_t i = 0; i < noted.size(); i++)
		row.noted.emplace_back(noted.at(i).as_string());
	const Json feeds = doc.get("feeds");
	for (const std::string &name : feeds.keys())
		row.feeds[name] = feeds.get(name).dump();
	read_limits(doc, &row);
	read_access(doc, &row);
	const Json collections = doc.get("collections");
	for (size_t i = 0; i < collections.size(); i++) {
		const Json item = collections.at(i);
		row.collections.push_back({static_cast<int16_t>(item.get("collection").as_integer()),
		                           std::string(item.get("id").as_string()),
		                           item.get("checkpoint").dump(),
		                           item.get("is_backfilled").as_boolean()});
	}
	return row;
}

}  // namespace

std::vector<SyncRow> load_syncs(const std::vector<int32_t> *keys) {
	static pg::Statement all("SELECT doc FROM sequin._load_syncs(NULL)");
	static pg::Statement some("SELECT doc FROM sequin._load_syncs($1::integer[])");
	std::vector<std::string> texts;
	if (keys)
		for (int32_t key : *keys)
			texts.push_back(std::to_string(key));
	std::vector<SyncRow> rows;
	for (const pg::Row &row : keys ? some.run({Value::of_array(texts)}) : all.run())
		rows.push_back(read_sync(Json::parse(row.text(0))));
	return rows;
}

std::optional<SyncRow> load_credential(int32_t key) {
	static pg::Statement statement("SELECT doc FROM sequin._load_credential($1)");
	const auto rows = statement.run({Value::of_integer(key)});
	if (rows.empty())
		return std::nullopt;
	const Json doc = Json::parse(rows[0].text(0));
	SyncRow row;
	row.provider = text_or_empty(doc.get("provider"));
	read_access(doc, &row);
	return row;
}

std::unique_ptr<Manifest> load_manifest(std::string_view provider) {
	static pg::Statement statement("SELECT manifest FROM sequin._providers WHERE name = $1");
	const auto rows = statement.run({Value::of_text(provider)});
	if (rows.empty())
		return nullptr;
	return std::make_unique<Manifest>(parse_manifest(rows[0].text(0)));
}

std::string instance_state() {
	static pg::Statement statement("SELECT sequin._instance_state()");
	return statement.run().at(0).text(0);
}

void adopt_timeline(const char *reason) {
	static pg::Statement statement("SELECT sequin._adopt_timeline($1)");
	statement.run({Value::of_text(reason)});
}

void save_progress(const Progress &progress) {
	static pg::Statement statement("SELECT sequin._save_progress($1, $2, $3, $4, $5, $6, $7, $8)");
	statement.run({Value::of_integer(progress.sync), Value::of_small(progress.collection),
	               Value::of_text(progress.phase), Value::of_json(progress.checkpoint),
	               Value::of_big(progress.requests), Value::of_big(progress.records),
	               Value::of_big(progress.changes), Value::of_boolean(progress.is_backfilled)});
}

void save_feed(int32_t sync, std::string_view feed, std::string_view position) {
	static pg::Statement statement("SELECT sequin._save_feed($1, $2, $3)");
	statement.run({Value::of_integer(sync), Value::of_text(feed), Value::of_json(position)});
}

void save_sync_facts(int32_t sync, bool is_backfilled, int refreshed) {
	static pg::Statement statement("SELECT sequin._save_sync_facts($1, $2, $3)");
	statement.run(
		{Value::of_integer(sync), Value::of_boolean(is_backfilled), Value::of_integer(refreshed)});
}

bool set_health(int32_t sync, std::string_view part, std::string_view status, std::string_view code,
                std::string_view note, std::string_view hint) {
	static pg::Statement statement("SELECT sequin._set_health($1, $2, $3, $4, $5, $6)");
	return statement
	    .run({Value::of_integer(sync), Value::of_text(part), Value::of_text(status),
	          Value::of_text(code), Value::of_text(note), Value::of_text(hint)})
	    .at(0)
	    .boolean(0);
}

bool clear_health(int32_t sync, std::string_view part, std::string_view code) {
	static pg::Statement statement("SELECT sequin._clear_health($1, $2, $3)");
	return statement.run({Value::of_integer(sync), Value::of_text(part), Value::of_optional(code)})
	    .at(0)
	    .boolean(0);
}

void save_credential_facts(int32_t credential, int32_t revision, std::string_view account,
                           std::string_view status, const std::vector<std::string> &notes) {
	static pg::Statement statement("SELECT sequin._save_credential_facts($1, $2, $3, $4, $5)");
	statement.run({Value::of_integer(credential), Value::of_integer(revision),
	               Value::of_optional(account), Value::of_text(status), Value::of_array(notes)});
}

void log_requests(std::string_view calls) {
	static pg::Statement statement("SELECT sequin._log_requests($1)");
	statement.run({Value::of_json(calls)});
}

void trim_requests(int32_t sync) {
	static pg::Statement statement("SELECT sequin._trim_requests($1)");
	statement.run({Value::of_integer(sync)});
}

void ensure_event_partitions() {
	static pg::Statement statement("SELECT sequin._ensure_event_partitions()");
	statement.run();
}

void analyze_records(int32_t sync) {
	static pg::Statement statement("SELECT sequin._analyze_records($1)");
	statement.run({Value::of_integer(sync)});
}

bool clean(int n) {
	static pg::Statement statement("SELECT sequin._clean($1)");
	return statement.run({Value::of_integer(n)}).at(0).boolean(0);
}

bool retain_events(int days, int n) {
	static pg::Statement statement("SELECT sequin._retain_events($1, $2)");
	return statement.run({Value::of_integer(days), Value::of_integer(n)}).at(0).boolean(0);
}

bool index_closed_partitions() {
	static pg::Statement statement("SELECT sequin._index_closed_partitions()");
	return statement.run().at(0).number(0) > 0;
}

int take_record_wishes() {
	static pg::Statement statement("SELECT sequin._take_record_wishes()");
	return static_cast<int>(statement.run().at(0).number(0));
}

int take_due_errors() {
	static pg::Statement statement("SELECT sequin._take_due_errors()");
	return static_cast<int>(statement.run().at(0).number(0));
}

std::vector<int32_t> syncs_with_rereads() {
	static pg::Statement statement(
		"SELECT sync FROM sequin._rereads WHERE wanted_at <= clock_timestamp() "
		"UNION SELECT sync FROM sequin._child_rereads");
	std::vector<int32_t> keys;
	for (const pg::Row &row : statement.run())
		keys.push_back(static_cast<int32_t>(row.number(0)));
	return keys;
}

void notify(const char *channel, std::string_view payload) {
	static pg::Statement statement("SELECT pg_catalog.pg_notify($1, $2)");
	statement.run({Value::of_text(channel), Value::of_text(payload)});
}

}  // namespace sequin::store
