// `${name|filter}`: reading, filtering, encoding.
// Scope: any.
//
// A template is text with placeholders. Filters work on the value, from left to right; the result
// is then encoded for its place, always. No message repeats a value, since it may be a secret.
#include "core/template.h"

#include <charconv>
#include <cstdio>
#include <utility>

#include "core/error.h"
#include "core/time.h"

namespace sequin {

namespace {

constexpr std::string_view kBase64 =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kTimeFilters[] = {"rfc3339", "rfc3339_ms", "date", "epoch", "epoch_ms"};
constexpr std::string_view kTextFilters[] = {"lower", "url", "json", "base64"};
constexpr std::string_view kDefault = "default:";
constexpr size_t kQuotedBytes = 80;

template <size_t N>
bool is_in(const std::string_view (&words)[N], std::string_view word) noexcept {
	for (std::string_view known : words)
		if (known == word)
			return true;
	return false;
}

bool is_name_char(char c) noexcept {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '.';
}

bool is_control(char c) noexcept {
	return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

[[noreturn]] void fail(std::string_view placeholder, const std::string &what, const char *hint) {
	std::string shown(placeholder.substr(0, kQuotedBytes));
	while (shown.size() < placeholder.size() && !shown.empty() &&
	       (static_cast<unsigned char>(placeholder[shown.size()]) & 0xc0) == 0x80)
		shown.pop_back();  // not in the middle of a character
	throw Error("22023", "placeholder \"" + shown + "\" " + what, {}, hint);
}

// Reading a template.

struct Parsed {
	Placeholder placeholder;
	std::string_view text;  // as written, from ${ to }
};

// The end of a filter that begins at `from`: quotes hide bars and braces, '' is a quote.
size_t filter_end(std::string_view text, size_t from) noexcept {
	bool is_quoted = false;
	for (size_t i = from; i < text.size(); ++i) {
		if (text[i] == '\'')
			is_quoted = !is_quoted;
		else if (!is_quoted && (text[i] == '|' || text[i] == '}'))
			return i;
	}
	return std::string_view::npos;
}

bool is_default(std::string_view filter) noexcept {
	return filter.substr(0, kDefault.size()) == kDefault;
}

// The text between the quotes of default:'x'.
std::string default_text(std::string_view filter) {
	const std::string_view quoted = filter.substr(kDefault.size() + 1);
	std::string text;
	for (size_t i = 0; i + 1 < quoted.size(); ++i) {
		text += quoted[i];
		if (quoted[i] == '\'')
			++i;
	}
	return text;
}

bool is_well_quoted(std::string_view filter) noexcept {
	std::string_view quoted = filter.substr(kDefault.size());
	if (quoted.size() < 2 || quoted.front() != '\'' || quoted.back() != '\'')
		return false;
	quoted = quoted.substr(1, quoted.size() - 2);
	for (size_t i = 0; i < quoted.size(); ++i)
		if (quoted[i] == '\'' && (++i == quoted.size() || quoted[i] != '\''))
			return false;
	return true;
}

std::optional<int64_t> decimal(std::string_view text) noexcept {
	int64_t value = 0;
	const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
	if (error != std::errc() || end != text.data() + text.size() || text.empty())
		return std::nullopt;
	return value;
}

// A time filter needs the microseconds themselves: only a default may stand before it.
void check_filter(std::string_view shown, const Placeholder &placeholder,
                  const std::string &filter) {
	constexpr const char *kHint =
		"Filters are rfc3339, rfc3339_ms, date, epoch, epoch_ms, lower, url, "
		"json, base64 and default:'x'.";
	if (is_default(filter)) {
		if (!is_well_quoted(filter))
			fail(shown, "has a default without quotes",
			     "Write default:'x', and '' for a quote inside the text.");
		return;
	}
	const bool is_time = is_in(kTimeFilters, filter);
	if (!is_time && !is_in(kTextFilters, filter))
		fail(shown, "has unknown filter \"" + filter.substr(0, 40) + "\"", kHint);
	if (!is_time)
		return;
	for (const std::string &before : placeholder.filters)
		if (!is_default(before) || !decimal(default_text(before)))
			fail(shown, "has filter \"" + filter + "\" where it does not fit",
			     "Put the time filter first: it reads a time, not a text.");
}

// `at` stands on "${"; returns the placeholder, `text` covers it.
Parsed parse_at(std::string_view template_text, size_t at) {
	const std::string_view rest = template_text.substr(at);
	size_t pos = 2;
	while (pos < rest.size() && is_name_char(rest[pos]))
		++pos;
	Parsed parsed;
	parsed.placeholder.name = rest.substr(2, pos - 2);
	size_t end = filter_end(rest, pos);
	while (end != std::string_view::npos && rest[end] == '|')
		end = filter_end(rest, end + 1);
	if (end == std::string_view::npos)
		fail(rest, "is not closed", "Close it with }.");
	parsed.text = rest.substr(0, end + 1);
	if (parsed.placeholder.name.empty() || (rest[pos] != '|' && rest[pos] != '}'))
		fail(parsed.text, "has no name of letters, digits, _ and .",
		     "Write ${name} or ${name|filter}.");
	while (rest[pos] == '|') {
		const size_t next = filter_end(rest, pos + 1);
		std::string filter(rest.substr(pos + 1, next - pos - 1));
		check_filter(parsed.text, parsed.placeholder, filter);
		parsed.placeholder.filters.push_back(std::move(filter));
		pos = next;
	}
	return parsed;
}

// Filters and encodings.

std::string rfc3339_ms(int64_t unix_us) {
	std::string text = format_time(unix_us, TimeAs::kRfc3339);
	text.resize(19);  // up to the seconds
	char fraction[8];
	const int64_t us = ((unix_us % 1000000) + 1000000) % 1000000;
	std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(us / 1000));
	return text + fraction;
}

std::string format_as(std::string_view filter, int64_t unix_us) {
	if (filter == "rfc3339_ms")
		return rfc3339_ms(unix_us);
	if (filter == "rfc3339")
		return format_time(unix_us, TimeAs::kRfc3339);
	if (filter == "date")
		return format_time(unix_us, TimeAs::kDate);
	return format_time(unix_us, filter == "epoch" ? TimeAs::kEpoch : TimeAs::kEpochMs);
}

std::string lower_ascii(std::string text) {
	for (char &c : text)
		if (c >= 'A' && c <= 'Z')
			c = static_cast<char>(c - 'A' + 'a');
	return text;
}

// What stands between the quotes of a JSON string.
std::string json_escape(std::string_view text) {
	std::string result;
	result.reserve(text.size() + 2);
	for (char c : text) {
		if (c == '"' || c == '\\') {
			result += '\\';
			result += c;
		} else if (static_cast<unsigned char>(c) < 0x20) {
			char escape[8];
			std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
			result += escape;
		} else {
			result += c;
		}
	}
	return result;
}

std::string apply_filter(const Parsed &parsed, const std::string &filter, std::string value) {
	if (filter == "lower")
		return lower_ascii(std::move(value));
	if (filter == "url")
		return percent_encode(value);
	if (filter == "json")
		return '"' + json_escape(value) + '"';
	if (filter == "base64")
		return base64_encode(value);
	const std::optional<int64_t> unix_us = decimal(value);
	if (!unix_us)
		fail(parsed.text, "has filter \"" + filter + "\", but its value is not a time",
		     "Use time filters for times only.");
	return format_as(filter, *unix_us);
}

std::string filtered_value(const Parsed &parsed, const Lookup &lookup) {
	std::optional<std::string> value = lookup(parsed.placeholder.name);
	for (const std::string &filter : parsed.placeholder.filters) {
		if (is_default(filter)) {
			if (!value || value->empty())
				value = default_text(filter);
		} else if (value) {
			value = apply_filter(parsed, filter, std::move(*value));
		}
	}
	if (!value)
		fail(parsed.text, "has a name that is not known here",
		     "Use a name that this place offers.");
	return std::move(*value);
}

std::string encode_for(const Parsed &parsed, Place place, std::string value) {
	switch (place) {
	case Place::kPathSegment:
	case Place::kQueryValue:
	case Place::kForm:
		return percent_encode(value);
	case Place::kJson:
		return json_escape(value);
	case Place::kHeader:
		for (char c : value)
			if (is_control(c))
				fail(parsed.text,
				     "has a value with control characters, which cannot stand in a header",
				     "Look for a line break at the end of the value.");
		return value;
	case Place::kPlain:
		break;
	}
	return value;
}

// An empty value would turn "/customers/${key}" into the list of all customers, and ".." into what
// lies above it.
void check_segment(std::string_view path, size_t from, std::string_view placeholder) {
	const std::string_view rest = path.substr(from);
	const std::string_view segment = rest.substr(0, rest.find_first_of("/?"));
	if (segment.empty() || segment == "." || segment == "..")
		fail(placeholder, "has a value that cannot stand in a path",
		     "Give it a value other than the empty text, one dot or two dots.");
}

}  // namespace

std::string fill(std::string_view text, Place place, const Lookup &lookup) {
	std::string result;
	std::vector<std::pair<size_t, std::string_view>> touched;  // path segments: begin, placeholder
	size_t pos = 0;
	for (size_t at; (at = text.find("${", pos)) != std::string_view::npos;) {
		result.append(text, pos, at - pos);
		const Parsed parsed = parse_at(text, at);
		if (place == Place::kPathSegment)
			touched.emplace_back(result.rfind('/') + 1, parsed.text);  // npos + 1 is 0
		result += encode_for(parsed, place, filtered_value(parsed, lookup));
		pos = at + parsed.text.size();
	}
	result.append(text, pos);
	for (const auto &[from, placeholder] : touched)
		check_segment(result, from, placeholder);
	return result;
}

std::vector<Placeholder> placeholders(std::string_view text) {
	std::vector<Placeholder> found;
	size_t pos = 0;
	for (size_t at; (at = text.find("${", pos)) != std::string_view::npos;) {
		Parsed parsed = parse_at(text, at);
		pos = at + parsed.text.size();
		found.push_back(std::move(parsed.placeholder));
	}
	return found;
}

std::string percent_encode(std::string_view text) {
	constexpr char kHex[] = "0123456789ABCDEF";
	std::string result;
	result.reserve(text.size());
	for (char c : text) {
		const auto byte = static_cast<unsigned char>(c);
		const bool is_alphanumeric =
			(c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (is_alphanumeric || c == '-' || c == '.' || c == '_' || c == '~') {
			result += c;
			continue;
		}
		result += '%';
		result += kHex[byte >> 4];
		result += kHex[byte & 15];
	}
	return result;
}

std::string base64_encode(std::string_view bytes) {
	std::string result;
	result.reserve((bytes.size() + 2) / 3 * 4);
	for (size_t i = 0; i < bytes.size(); i += 3) {
		uint32_t group = 0;
		for (size_t j = 0; j < 3; ++j)
			group =
				group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
		const size_t symbols = bytes.size() - i >= 3 ? 4 : bytes.size() - i + 1;
		for (size_t j = 0; j < 4; ++j)
			result += j < symbols ? kBase64[group >> (18 - 6 * j) & 63] : '=';
	}
	return result;
}

std::string base64_decode(std::string_view text) {
	constexpr const char *kMessage = "text is not base64";
	if (text.size() % 4 != 0)
		throw Error("22023", kMessage);
	size_t padding = 0;
	while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
		++padding;
	std::string result;
	uint32_t bits = 0;
	int count = 0;
	for (char c : text.substr(0, text.size() - padding)) {
		const size_t symbol = kBase64.find(c);
		if (symbol == std::string_view::npos)
			throw Error("22023", kMessage);
		bits = bits << 6 | static_cast<uint32_t>(symbol);
		count += 6;
		if (count >= 8) {
			count -= 8;
			result += static_cast<char>(bits >> count & 0xff);
		}
	}
	if ((bits & ((1u << count) - 1)) != 0)  // one value, one spelling
		throw Error("22023", kMessage);
	return result;
}

}  // namespace sequin
