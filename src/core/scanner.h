// A byte scanner for JSON texts: counts while a body streams in, and cuts a page into its records
// when the server refuses the page as a whole. It validates structure only as far as it needs.
// Scope: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sequin {

// Fed chunk by chunk; stops at the first limit that is passed. Bytes are all bytes; values are
// objects, arrays and scalars (member names are none); how the text is cut into chunks changes
// nothing. Any bytes will do: what is not JSON is counted as if it were.
class JsonMeter final {
public:
	JsonMeter(int64_t max_bytes, int64_t max_values, int max_depth) noexcept
		: max_bytes_(max_bytes), max_values_(max_values), max_depth_(max_depth) {}

	// False once a limit is passed; `reason()` then says which, for a person.
	bool feed(const char *data, size_t size) noexcept;
	const char *reason() const noexcept { return reason_; }

private:
	const char *skip_string(const char *at, const char *end) noexcept;
	bool scan(char byte) noexcept;
	bool open() noexcept;
	bool count_value() noexcept;

	int64_t max_bytes_, max_values_;
	int max_depth_;
	int64_t bytes_ = 0, values_ = 0;
	int depth_ = 0;
	bool in_string_ = false, escaped_ = false, in_scalar_ = false;
	bool string_ended_ = false;  // a value, unless a colon follows
	const char *reason_ = nullptr;
};

struct CutPage {
	std::vector<std::string_view> records;  // views into the text
	std::string envelope;                   // the text with the records' array emptied
	bool is_complete = false;               // the array was found; it and all around it is closed
};

// Cuts the array at a plain member path such as "$.data[*]", "$[*]" or "$.data.orders.nodes[*]" out
// of the text. Only strings and brackets must balance; what is inside an element may be anything
// that jsonb refuses. Never throws on bad bytes: what cannot be cut is left out and is_complete is
// false. Of members with one name the last counts, as in jsonb. Without the array, `envelope` is
// the text as it came; with an array that is cut off, it ends after the emptied array. Throws Error
// 22023 if the path is not a plain member path.
CutPage cut_page(std::string_view text, std::string_view records_path);

// Whether a jsonpath is a plain member path ending in [*] (the only form `records` may have).
bool is_plain_records_path(std::string_view path) noexcept;

}  // namespace sequin
