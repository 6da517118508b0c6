// A provider's manifest as plain structs. doc/manifest.md is the language.
// Scope: any.
//
// `parse_manifest` checks everything that can be checked without a server and merges templates, so
// that whoever holds a Manifest needs no further check and no default. The one thing left is the
// syntax of jsonpath texts: `jsonpaths` lists them with their place for the server to check.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sequin {

enum class TimeAs { kEpoch, kEpochMs, kRfc3339, kDate };
enum class Order { kAscending, kDescending, kNone };

struct TimePath {
	std::string path;  // jsonpath
	TimeAs as = TimeAs::kRfc3339;
};

// Where a value goes in a request: "query.<name>" or "body.<member path>".
struct Into {
	enum class Place { kNowhere, kQuery, kBody } place = Place::kNowhere;
	std::string name;
};

using NameValues = std::vector<std::pair<std::string, std::string>>;  // values are templates

struct SettingSpec {
	std::string name, default_value, pattern, description;
	bool has_default = false;
};

struct SecretSpec {
	std::string name;
	std::vector<std::string> also;
	std::string pattern, hint;
	bool is_optional = false;
};

struct PropertySpec {
	std::string name;
	std::vector<std::string> also;
};

enum class AuthMethod { kNone, kBearer, kApiKey, kBasic };

struct AuthSpec {
	std::string kind;  // the credential kind, e.g. "api_key"
	AuthMethod method = AuthMethod::kNone;
	std::vector<SecretSpec> secrets;
	std::vector<PropertySpec> properties;
	std::string token;           // bearer, template
	bool in_query = false;       // api_key
	std::string name, prefix;    // api_key
	std::string user, password;  // basic, templates
};

struct CheckSpec {
	std::string path;
	NameValues query;
	std::string account;  // jsonpath or empty
};

struct HttpSpec {
	std::string base_url;  // template
	NameValues headers;
	int connect_timeout_ms = 5000, read_timeout_ms = 60000, total_timeout_ms = 300000;
	int64_t max_response_bytes = 16 << 20;
	int64_t max_values = 500000;
	int max_depth = 200;
	std::string request_id;  // lower case, or empty
	int64_t page_bytes = 0;  // how large a page should be at most; 0: no wish
};

enum class WaitAs { kSeconds, kEpoch, kEpochMs, kHttpDate, kRfc3339 };

struct HeaderWait {
	std::string header;  // lower case, or empty
	WaitAs as = WaitAs::kSeconds;
};

struct LimitSpec {
	std::string name;
	int allowed = 0;  // requests per interval; 0: no rate
	int64_t interval_us = 0;
	int concurrency = 0;                       // 0: no cap
	std::string path_glob;                     // empty: any
	std::string secret_pattern;                // empty: any
	double reserve = 0;                        // share kept for the customer's other tools
	std::string learn_limit, learn_remaining;  // header names, lower case, or empty
	HeaderWait learn_reset;
};

enum class ErrorClass {
	kNone,
	kRetry,
	kLimited,
	kAuthDead,
	kAuthExpired,
	kMissingScope,
	kCursorExpired,
	kRetentionLost,
	kTooMany,
	kRecordGone,
	kRecordInvalid,
	kConflict,
	kUnknownOutcome,
	kFatal
};
const char *to_string(ErrorClass error_class) noexcept;

struct ErrorRule {
	std::vector<int> statuses;         // exact; empty: any
	int status_hundred = 0;            // 5 for "5xx"; 0: not used
	std::string header, header_value;  // lower-case name; empty value: any
	std::string body;                  // jsonpath predicate or empty
	std::string contains;              // text or empty
	ErrorClass error_class = ErrorClass::kFatal;
	HeaderWait wait_header;
	int64_t wait_fixed_us = 0;
	std::string message, hint;
};

enum class PagingKind { kNone, kAfterLastRecord, kToken, kNextUrl, kPage, kOffset, kKeyset };

struct PagingSpec {
	PagingKind kind = PagingKind::kNone;
	Into into, newer_into, size_into;
	int size = 0;              // 0: the API decides
	std::string from;          // token, next_url: jsonpath
	bool link_header = false;  // next_url
	int first = 0;             // page
	bool by_limit = false;     // offset: advance by the limit, not by the rows returned
	std::string field;         // keyset: jsonpath in a record
	std::string more, total;   // jsonpaths or empty
	bool stop_more = false, stop_no_token = false, stop_no_link = false, stop_short_page = false,
		 stop_empty_page = false, stop_total = false;
	Order order = Order::kNone;
};

struct SliceSpec {
	Into from, to;
	TimeAs as = TimeAs::kEpoch;
	int64_t start_us = 0;  // Unix µs
	int64_t min_span_us = 1000000;
};

struct PollSpec {
	int64_t active_us = 1000000, quiet_us = 60000000;
};

enum class IncrementalMode { kFeed, kFilter, kRelist, kParent, kNone };

struct IncrementalSpec {
	IncrementalMode mode = IncrementalMode::kNone;
	std::string feed;
	std::vector<std::string> types;
	Into from, to;
	TimeAs as = TimeAs::kRfc3339;
	bool exclusive = false;  // the API's bound is ">": ask one granule earlier
	int64_t granularity_us = 1000000, overlap_us = 0, lag_us = 0;
	NameValues query;
	PollSpec poll;
	std::string because;
};

struct GetSpec {
	std::string path;
	NameValues query;
	std::string gone;  // jsonpath predicate or empty
};

enum class DeleteKind { kFeed, kField, kSweep, kParent, kList, kNever };

struct DeleteSpec {
	DeleteKind kind = DeleteKind::kNever;
	std::string when;      // field: jsonpath predicate on the record
	int64_t every_us = 0;  // sweep
	double max_ratio = 0;  // sweep
	bool verify = true;    // sweep
	NameValues query;      // list: added parameters
	PollSpec poll;         // list
	std::string because;
};

struct ParentSpec {
	std::string collection;        // object name of the parent
	std::string embedded_records;  // jsonpath in the parent's document, or empty
	std::string embedded_more;     // predicate: the embedded list is cut off
	bool cascade = true;
};

struct CollectionSpec {
	std::string object;  // "customer"
	std::string id;      // "provider:customer"
	std::string title;
	std::string method = "GET";
	std::string path;
	NameValues query;
	std::string body;              // JSON text with templates, or empty
	std::string records;           // plain member path
	std::vector<std::string> key;  // jsonpaths; "parent" for the parent's id
	std::optional<TimePath> created, updated, version;
	std::vector<std::string> ignore, drop;  // dotted
	PagingSpec paging;
	std::optional<SliceSpec> slice;
	IncrementalSpec incremental;
	std::optional<GetSpec> get;
	std::vector<DeleteSpec> deletes;
	int64_t relist_every_us = 0, relist_window_us = 0;  // 0: no re-list
	std::optional<ParentSpec> parent;

	const DeleteSpec *deletes_by(DeleteKind kind) const noexcept;
};

struct FeedSpec {
	std::string name;
	std::string path;
	NameValues query;
	std::string records, id;
	TimePath time;
	PagingSpec paging;
	Into since;
	TimeAs since_as = TimeAs::kEpoch;
	std::string object;      // plain member path inside an event, e.g. "$.data.object"
	std::string type;        // jsonpath inside an event
	std::string gone, skip;  // predicates or empty
	std::string trust_path, trust_equals;  // empty path: always trusted
	int64_t retention_us = 0, granularity_us = 1000000, overlap_us = 0;
	PollSpec poll;
};

struct JsonPathUse {
	std::string place;  // "collections.customer.key[0]"
	std::string path;
	bool is_predicate = false;
};

struct Manifest {
	std::string provider, version, title;
	std::vector<std::string> hosts;
	std::vector<SettingSpec> settings;
	std::vector<AuthSpec> auth;
	std::optional<CheckSpec> check;
	HttpSpec http;
	std::string error_code, error_message;  // jsonpaths or empty
	std::vector<LimitSpec> limits;
	std::vector<ErrorRule> errors;
	std::vector<FeedSpec> feeds;
	std::vector<CollectionSpec> collections;  // parents before their children
	std::vector<JsonPathUse> jsonpaths;

	const CollectionSpec *collection(std::string_view object) const noexcept;
	const FeedSpec *feed(std::string_view name) const noexcept;
	const AuthSpec *auth_kind(std::string_view kind) const noexcept;
};

// Reads and checks a manifest. Throws Error: 22032 for text that is not JSON, 22023 for everything
// else, the message beginning with the path inside the manifest and a HINT that says what is
// allowed (an unknown key or word gets the nearest known one).
Manifest parse_manifest(std::string_view json_text);

}  // namespace sequin
