// A manifest that uses the whole language, for tests, and changes to it.
// Scope: any. Tests only.
#include "manifest_sample.h"

#include <stdexcept>

namespace sequin::sample {

namespace {

constexpr std::string_view kManifest = R"json({
"manifest": 1, "provider": "acme", "version": "2026.1", "title": "Acme",
"hosts": ["api.acme.test", "*.files.acme.test"],
"settings": {
	"api_version": {"default": "v2", "pattern": "^v[0-9]+$", "description": "version of the API"},
	"region": {"description": "where the account lives"},
	"page_limit": {"default": 50}, "strict": {"default": true}},
"auth": {
	"acme_key": {"method": "bearer", "secrets": {
		"secret_key": {"also": ["api_key", "apiKey"], "pattern": "^ak_", "hint": "Make one at Acme."},
		"second_key": {"optional": true}},
		"properties": {"account": {"also": ["account_id"]}}},
	"acme_token": {"method": "api_key", "secrets": {"token": {}}, "properties": {"account": {}},
		"in": "header", "name": "X-Token", "prefix": "Token "},
	"acme_login": {"method": "basic", "secrets": {"password": {}},
		"properties": {"account": {}, "user": {}},
		"user": "${cred.user}/${settings.region}", "password": "${cred.password}"},
	"acme_open": {"method": "none", "properties": {"account": {}}}},
"check": {"path": "/account", "query": {"expand": "owner"}, "account": "$.id"},
"http": {"base_url": "https://api.acme.test/rest/",
	"headers": {"Acme-Version": "${settings.api_version}", "Acme-Account": "${cred.account}",
		"Acme-User": "${cred.user|default:'nobody'}"},
	"timeout": {"connect": "2s", "read": "30s", "total": "2m"},
	"max_response": "32MB", "max_values": 100000, "max_depth": 50, "request_id": "X-Request-Id",
	"page_bytes": 500000},
"error": {"code": "$.error.code", "message": "$.error.message"},
"limits": [
	{"name": "account", "rate": "80/1s", "concurrency": 10, "reserve": "20%", "match": {"secret": "^ak_live"},
	 "learn": {"limit": {"header": "X-Limit"}, "remaining": {"header": "X-Left"},
		"reset": {"header": "X-Reset", "as": "epoch"}}},
	{"name": "search", "concurrency": 2, "match": {"path": "/search/*"}}],
"errors": [
	{"match": {"status": 429, "header": {"name": "X-Reason", "value": "rate"}}, "class": "limited",
	 "wait": {"header": "Retry-After", "as": "seconds"}},
	{"match": {"status": [400, 404], "body": "$.error.code == \"missing\""}, "class": "record_gone"},
	{"match": {"status": "5xx", "contains": "maintenance"}, "class": "retry", "wait": {"fixed": "1m"},
	 "message": "the API is under maintenance", "hint": "Wait."}],
"feeds": {
	"events": {"path": "/events", "query": {"types": "all", "deep": 1, "raw": false},
		"records": "$.data[*]", "id": "$.id", "time": {"path": "$.created", "as": "epoch"},
		"paging": {"kind": "after_last_record", "into": "query.after", "newer_into": "query.before",
			"size": {"into": "query.limit", "n": 100}, "more": "$.has_more", "stop": ["more"],
			"order": "desc"},
		"since": "query.created[gte]", "object": "$.data.object", "type": "$.type",
		"gone": "$.type like_regex \"deleted$\"", "skip": "$.test == true",
		"trust": {"path": "$.api_version", "equals": "${settings.api_version}"},
		"retention": "30d", "granularity": "1s", "overlap": "10m",
		"poll": {"active": "0.5s", "quiet": "30s"}}},
"templates": {
	"listed": {"records": "$.data[*]", "key": ["$.id"], "created": {"path": "$.created", "as": "epoch"},
		"version": "requested", "ignore": ["meta.seen"],
		"query": {"expand": "all", "sort": "created"},
		"paging": {"kind": "after_last_record", "into": "query.after",
			"size": {"into": "query.limit", "n": 100}, "more": "$.has_more", "stop": ["more"],
			"order": "desc"},
		"slice": {"from": "query.created[gte]", "to": "query.created[lt]", "as": "epoch",
			"start": "2011-01-01", "min_span": "1s"},
		"incremental": {"mode": "feed", "feed": "events"},
		"deletes": [{"kind": "feed"}, {"kind": "sweep", "every": "7d", "max_ratio": 0.1}]}},
"collections": {
	"line_item": {"path": "/invoices/${parent.key}/lines", "records": "$[*]", "key": ["parent", "$.id"],
		"version": "requested", "paging": {"kind": "none"}, "incremental": {"mode": "parent"},
		"get": {"path": "/invoices/${parent.key}/lines/${key.2}", "query": {"whole": "${key}"}},
		"deletes": [{"kind": "parent"}],
		"parent": {"collection": "invoice", "on_delete": "keep",
			"embedded": {"records": "$.lines.data", "more": "$.lines.has_more == true"}}},
	"customer": {"use": "listed", "title": "Customers", "path": "/customers",
		"get": {"path": "/customers/${key}", "gone": "$.deleted == true"},
		"drop": ["sources", "meta.huge"], "relist": {"every": "1d", "window": "3d"}},
	"invoice": {"use": "listed", "path": "/invoices", "query": {"sort": "number", "status": "any"},
		"get": {"path": "/invoices/${key}"}, "slice": null,
		"incremental": {"types": ["invoice", "bill"]}, "updated": {"path": "$.updated", "as": "rfc3339"}},
	"contact": {"path": "/search/contacts", "method": "POST",
		"body": {"filter": {"region": "${settings.region|default:'eu'}"}, "fields": ["id", "name"], "n": 1},
		"records": "$.results[*]", "key": ["$.a", "$.b"],
		"version": {"path": "$.updated", "as": "rfc3339"}, "updated": {"path": "$.updated", "as": "rfc3339"},
		"paging": {"kind": "token", "from": "$.paging.next", "into": "body.after",
			"size": {"into": "body.limit", "n": 200}, "stop": ["no_token", "empty_page"], "order": "asc"},
		"incremental": {"mode": "filter", "from": "body.filter.since", "to": "body.filter.until",
			"op": "gt", "granularity": "1ms", "overlap": "5m", "lag": "30s",
			"query": {"archived": "false"}, "poll": {"active": "5s", "quiet": "5m"}},
		"deletes": [{"kind": "list", "query": {"archived": "true"}, "poll": {"quiet": "0.5s"}},
			{"kind": "field", "when": "$.state == \"deleted\""}]},
	"currency": {"path": "/currencies", "records": "$.a.\"b c\"[*]", "key": ["$.code"], "version": "requested",
		"paging": {"kind": "next_url", "link_header": true, "stop": ["no_link"], "order": "none"},
		"incremental": {"mode": "relist", "poll": {"active": "5m"}},
		"deletes": [{"kind": "sweep", "every": "1d", "max_ratio": 1, "verify": false}]},
	"country": {"path": "/countries", "records": "$[*]", "key": ["$.code"], "version": "requested",
		"paging": {"kind": "page", "into": "query.page", "first": 1, "size": {"into": "query.per_page", "n": 10},
			"total": "$.total", "stop": ["total", "short_page"], "order": "asc"},
		"incremental": {"mode": "none", "because": "countries stay"},
		"deletes": [{"kind": "never", "because": "countries stay"}]}}
})json";

Json copy_with(const Json &at, std::string_view place, const char *value) {
	const size_t slash = place.find('/');
	const std::string step(place.substr(0, slash));
	const bool is_last = slash == std::string_view::npos;
	const auto next = [&](const Json &member) {
		return is_last ? Json::parse(value) : copy_with(member, place.substr(slash + 1), value);
	};
	if (at.is_array()) {
		Json list = Json::array();
		for (size_t i = 0; i < at.size(); ++i)
			if (std::to_string(i) != step)
				list.append(at.at(i));
			else if (!is_last || value != nullptr)
				list.append(next(at.at(i)));
		return list;
	}
	if (!at.is_object() || (!is_last && !at.has(step)) || (value == nullptr && !at.has(step)))
		throw std::logic_error("nothing in the sample stands at " + std::string(place));
	Json object = Json::object();
	for (const std::string &key : at.keys())
		if (key != step)
			object.set(key, at.get(key));
		else if (!is_last || value != nullptr)
			object.set(key, next(at.get(key)));
	if (!at.has(step))
		object.set(step, next({}));
	return object;
}

}  // namespace

std::string_view manifest() {
	return kManifest;
}

std::string changed(std::string_view json_text, std::string_view place, const char *value) {
	return copy_with(Json::parse(json_text), place, value).dump();
}

}  // namespace sequin::sample
