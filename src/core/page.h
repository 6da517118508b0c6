// What is known of one answer, as plain values: the line between store/, which reads a body with
// the server's jsonb, and core/, which decides from it what to do next. Scope: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sequin {

struct PageFacts {
	bool is_json = false;             // the body is a JSON text the server accepts
	int64_t rows = 0;                 // records in the page
	std::string first_key, last_key;  // upstream ids, in the page's order
	std::string last_field;           // keyset: the field of the last record, as text
	std::optional<int64_t> min_time_us, max_time_us;  // of `created` (list) or `version` (filter)
	std::optional<int64_t> last_time_us;              // of the last record
	std::string next;          // token or next URL from the body; empty: none
	std::optional<bool> more;  // what `more` says
	std::optional<int64_t> total;
	uint64_t digest = 0;                    // of the records: a page that repeats is a loop
	std::vector<bool> rule_hits;            // per manifest error rule: its body predicate holds
	std::string error_code, error_message;  // as the body says, cut to 500 bytes
};

}  // namespace sequin
