// Reading one value of a manifest, and saying what is wrong with it.
// Scope: any.
#include "core/manifest_reader.h"

#include <algorithm>
#include <regex>

#include "core/error.h"
#include "core/time.h"

namespace sequin::manifest {

namespace {

constexpr size_t kQuotedBytes = 80;
constexpr size_t kNameBytes = 63;
constexpr size_t kRegexBytes = 500;
constexpr size_t kMostMembers = 10000;
constexpr size_t kListedWords = 30;
constexpr int64_t kMostSizeBytes = int64_t{1} << 30;
constexpr int64_t kMostDurationUs = int64_t{36500} * 86400 * 1000000;

// Case, underscores and hyphens are the least of what people get wrong.
std::string bare(std::string_view text) {
	std::string result;
	for (char c : lower_case(std::string(text)))
		if (c != '_' && c != '-')
			result += c;
	return result;
}

// Edit distance where swapping two neighbours counts once.
size_t distance(const std::string &a, const std::string &b) {
	std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
	for (size_t j = 0; j <= b.size(); ++j)
		last[j] = j;
	for (size_t i = 1; i <= a.size(); ++i) {
		row[0] = i;
		for (size_t j = 1; j <= b.size(); ++j) {
			const size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
			row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = std::min(row[j], before[j - 2] + 1);
		}
		before.swap(last);
		last.swap(row);
	}
	return last[b.size()];
}

bool is_beginning(const std::string &text, const std::string &of) {
	return text.size() >= 4 && of.compare(0, text.size(), text) == 0;
}

bool is_near(const std::string &wrong, const std::string &word, size_t apart) {
	return apart <= std::max<size_t>(1, word.size() / 3) || is_beginning(wrong, word) ||
	       is_beginning(word, wrong);
}

bool is_header_char(char c) noexcept {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::vector<std::string> copy_of(Words words) {
	return std::vector<std::string>(words.begin(), words.end());
}

}  // namespace

std::string lower_case(std::string text) {
	for (char &c : text)
		if (c >= 'A' && c <= 'Z')
			c = static_cast<char>(c - 'A' + 'a');
	return text;
}

std::string quoted(std::string_view text) {
	std::string shown(text.substr(0, kQuotedBytes));
	if (shown.size() < text.size()) {
		size_t end = kQuotedBytes;  // not in the middle of a character
		while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
			--end;
		shown.resize(end);
		shown += "...";
	}
	return '"' + shown + '"';
}

std::string list_of(const std::vector<std::string> &words) {
	std::string text;
	if (words.size() > kListedWords) {
		for (size_t i = 0; i < kListedWords; ++i)
			text += words[i] + ", ";
		return text + "and " + std::to_string(words.size() - kListedWords) + " more";
	}
	for (size_t i = 0; i < words.size(); ++i)
		text += (i == 0 ? "" : i + 1 < words.size() ? ", " : " and ") + words[i];
	return text;
}

std::string list_of(Words words) {
	return list_of(copy_of(words));
}

std::string suggestion(std::string_view wrong, const std::vector<std::string> &words) {
	const std::string wrong_bare = bare(wrong.substr(0, kQuotedBytes));
	const std::string *nearest = nullptr;
	size_t least = 0;
	for (const std::string &word : words) {
		const std::string word_bare = bare(word);
		const size_t apart = distance(wrong_bare, word_bare);
		if (is_near(wrong_bare, word_bare, apart) && (nearest == nullptr || apart < least)) {
			nearest = &word;
			least = apart;
		}
	}
	if (nearest != nullptr)
		return "Did you mean \"" + *nearest + "\"?";
	if (words.empty())
		return "There is none to name here.";
	return (words.size() == 1 ? "Known here is " : "Known here are ") + list_of(words) + ".";
}

bool is_slug(std::string_view text) noexcept {
	if (text.empty() || text.size() > kNameBytes || text[0] < 'a' || text[0] > 'z')
		return false;
	return std::all_of(text.begin(), text.end(), [](char c) {
		return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
	});
}

bool has_control(std::string_view text) noexcept {
	return std::any_of(text.begin(), text.end(),
	                   [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

void Node::fail(const std::string &what, const std::string &hint) const {
	throw Error("22023", (path_.empty() ? "manifest" : path_) + ": " + what, {}, hint);
}

void Node::fail_type(const char *expected, const char *hint) const {
	fail(std::string("expected ") + expected + ", found " + value_.type_name(), hint);
}

void Node::check_count() const {
	if (value_.size() > kMostMembers)
		fail("has more than " + std::to_string(kMostMembers) + " members", "Shorten it.");
}

void Node::expect_object() const {
	if (!value_.is_object())
		fail_type("object", "Write {\"name\": value}.");
}

void Node::expect_keys(Words allowed, std::string_view owner) const {
	expect_object();
	for (const std::string &key : value_.keys()) {
		if (std::find(allowed.begin(), allowed.end(), key) != allowed.end())
			continue;
		const std::string of = owner.empty() ? "" : " in " + std::string(owner);
		fail("unknown key " + quoted(key) + of, suggestion(key, copy_of(allowed)));
	}
}

Node Node::must(std::string_view key, const std::string &why) const {
	std::optional<Node> node = maybe(key);
	if (!node)
		fail("missing key " + quoted(key), why);
	return std::move(*node);
}

std::optional<Node> Node::maybe(std::string_view key) const {
	expect_object();
	if (!value_.has(key))
		return std::nullopt;
	return Node(value_.get(key), path_.empty() ? std::string(key) : path_ + "." + std::string(key));
}

std::vector<std::pair<std::string, Node>> Node::members() const {
	expect_object();
	check_count();
	std::vector<std::pair<std::string, Node>> result;
	for (const std::string &key : value_.keys()) {
		const std::string shown = quoted(key);
		const std::string name = shown.substr(1, shown.size() - 2);
		result.emplace_back(key, Node(value_.get(key), path_.empty() ? name : path_ + "." + name));
	}
	return result;
}

std::vector<Node> Node::elements() const {
	if (!value_.is_array())
		fail_type("array", "Write [value, value].");
	check_count();
	std::vector<Node> result;
	for (size_t i = 0; i < value_.size(); ++i)
		result.emplace_back(value_.at(i), path_ + "[" + std::to_string(i) + "]");
	return result;
}

std::string Node::text_or_empty() const {
	if (!value_.is_string())
		fail_type("string", "Write it in quotes.");
	return std::string(value_.as_string());
}

std::string Node::text() const {
	std::string text = text_or_empty();
	if (text.empty())
		fail("empty text", "Write something here or leave the key out.");
	return text;
}

int64_t Node::integer(int64_t least, int64_t most) const {
	if (!value_.is_integer())
		fail_type("integer", "Write a whole number without quotes.");
	const int64_t value = value_.as_integer();
	if (value < least || value > most)
		fail(std::to_string(value) + " is out of range",
		     "Write a number from " + std::to_string(least) + " to " + std::to_string(most) + ".");
	return value;
}

double Node::number(double least, double most) const {
	if (!value_.is_number())
		fail_type("number", "Write a number without quotes.");
	const double value = value_.as_number();
	if (!(value >= least && value <= most))
		fail(value_.dump() + " is out of range", "Write a number from " + Json::real(least).dump() +
		                                             " to " + Json::real(most).dump() + ".");
	return value;
}

bool Node::boolean() const {
	if (!value_.is_boolean())
		fail_type("boolean", "Write true or false without quotes.");
	return value_.as_boolean();
}

size_t Node::one_of(Words words) const {
	const std::string word = text_or_empty();
	const auto found = std::find(words.begin(), words.end(), word);
	if (found == words.end())
		fail("unknown word " + quoted(word), suggestion(word, copy_of(words)));
	return static_cast<size_t>(found - words.begin());
}

std::string Node::slug() const {
	std::string name = text_or_empty();
	if (!is_slug(name))
		fail(quoted(name) + " is not a name",
		     "Use lower-case letters, digits and _, a letter first, "
		     "at most 63 in all.");
	return name;
}

std::string Node::scalar() const {
	if (value_.is_string())
		return std::string(value_.as_string());
	if (!value_.is_number() && !value_.is_boolean())
		fail_type("string, number or boolean", "Write one plain value.");
	return value_.dump();
}

int64_t Node::duration_us(int64_t least_us) const {
	const std::string text = text_or_empty();
	const std::optional<int64_t> us = parse_duration(text);
	if (!us)
		fail(quoted(text) + " is not a duration", "Write 500ms, 0.5s, 30s, 5m, 4h or 7d.");
	if (*us < least_us || *us > kMostDurationUs)
		fail("duration " + quoted(text) + " is out of range",
		     least_us >= 1000
		         ? "Write at least " + std::to_string(least_us / 1000) + "ms, at most 36500d."
		         : std::string(least_us == 0 ? "Write" : "Write more than 0s,") +
		               " at most 36500d.");
	return *us;
}

double Node::share() const {
	const std::string text = text_or_empty();
	const size_t digits = text.find_first_not_of("0123456789");
	if (digits == 0 || digits > 2 || text.substr(digits) != "%")
		fail(quoted(text) + " is not a share", "Write a percentage from 0% to 99%.");
	return std::stoi(text) / 100.0;
}

int64_t Node::size_bytes() const {
	constexpr const char *kHint =
		"Write bytes as a number, or text such as 500kB or 16MB: 1 kB to 1 GB.";
	if (value_.is_integer()) {
		const int64_t bytes = value_.as_integer();
		if (bytes < 1024 || bytes > kMostSizeBytes)
			fail(std::to_string(bytes) + " is out of range", kHint);
		return bytes;
	}
	if (!value_.is_string())
		fail_type("integer or string", kHint);
	const std::string text(value_.as_string());
	const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
	const std::string unit = text.substr(digits);
	const int shift = unit == "kB" ? 10 : unit == "MB" ? 20 : unit == "GB" ? 30 : -1;
	if (digits == 0 || digits > 7 || shift < 0)
		fail(quoted(text) + " is not a size", kHint);
	const int64_t bytes = static_cast<int64_t>(std::stol(text)) << shift;
	if (bytes < 1024 || bytes > kMostSizeBytes)
		fail("size " + quoted(text) + " is out of range", kHint);
	return bytes;
}

std::string Node::header_name() const {
	std::string name = text();
	if (name.size() > 100 || !std::all_of(name.begin(), name.end(), is_header_char))
		fail(quoted(name) + " is not a header name", "Use letters, digits and hyphens.");
	return name;
}

std::string Node::regex() const {
	std::string pattern = text();
	if (pattern.size() > kRegexBytes)
		fail("pattern is longer than " + std::to_string(kRegexBytes) + " bytes", "Shorten it.");
	try {
		const std::regex compiled(pattern, std::regex::ECMAScript);
	} catch (const std::regex_error &) {
		fail("pattern " + quoted(pattern) + " is not a regular expression",
		     "Use the ECMAScript form, and write each backslash twice in JSON.");
	}
	return pattern;
}

std::vector<std::string> Node::texts() const {
	std::vector<std::string> result;
	for (const Node &element : elements()) {
		std::string text = element.text();
		if (std::find(result.begin(), result.end(), text) != result.end())
			element.fail(quoted(text) + " stands here twice", "Leave the second one out.");
		result.push_back(std::move(text));
	}
	if (result.empty())
		fail("empty list", "Write at least one element or leave the key out.");
	return result;
}

}  // namespace sequin::manifest
