// A checked reader of the manifest's JSON: every value knows its path, and every failure names it.
// Scope: any. Inside core/manifest*.cpp only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"

namespace sequin::manifest {

using Words = std::initializer_list<std::string_view>;

// A value and its path. The functions that read throw Error 22023 if the value is not what they
// want.
class Node {
public:
	Node(Json value, std::string path) : value_(std::move(value)), path_(std::move(path)) {}

	const Json &value() const noexcept { return value_; }
	const std::string &path() const noexcept { return path_; }

	// Throws Error 22023: the path, then `what`.
	[[noreturn]] void fail(const std::string &what, const std::string &hint) const;

	// An object with no keys but these. `owner` says whose keys they are, e.g. `paging of kind
	// "page"`.
	void expect_keys(Words allowed, std::string_view owner = {}) const;
	void expect_object() const;

	bool has(std::string_view key) const noexcept { return value_.has(key); }
	Node must(std::string_view key, const std::string &why) const;
	std::optional<Node> maybe(std::string_view key) const;
	std::vector<std::pair<std::string, Node>> members() const;
	std::vector<Node> elements() const;

	std::string text() const;  // at least one character
	std::string text_or_empty() const;
	int64_t integer(int64_t least, int64_t most) const;
	double number(double least, double most) const;
	bool boolean() const;

	size_t one_of(Words words) const;  // index of the word; `words` in order
	std::string slug() const;          // [a-z][a-z0-9_]*, at most 63 bytes
	std::string scalar() const;        // text, number or boolean, as text
	int64_t duration_us(int64_t least_us) const;
	double share() const;                    // "20%" is 0.2; 100 % is too much
	int64_t size_bytes() const;              // a number, or text such as "16MB"
	std::string header_name() const;         // as written
	std::string regex() const;               // compiles
	std::vector<std::string> texts() const;  // a list without repeats, not empty

private:
	void check_count() const;
	[[noreturn]] void fail_type(const char *expected, const char *hint) const;

	Json value_;
	std::string path_;
};

std::string lower_case(std::string text);

// In quotes, cut to a length that suits a message.
std::string quoted(std::string_view text);

// "a, b and c"
std::string list_of(Words words);
std::string list_of(const std::vector<std::string> &words);

// `Did you mean "x"?` if one of the words is near, else the list of them.
std::string suggestion(std::string_view wrong, const std::vector<std::string> &words);

bool is_slug(std::string_view text) noexcept;

// Whether the text holds a byte below 0x20, or 0x7f.
bool has_control(std::string_view text) noexcept;

}  // namespace sequin::manifest
