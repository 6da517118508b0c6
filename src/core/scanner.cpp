// Counting and cutting JSON texts by their quotes and brackets alone.
// Scope: any.
#include "core/scanner.h"

#include <optional>

#include "core/error.h"

namespace sequin {

namespace {

constexpr char kTooManyBytes[] = "the answer has more bytes than its limit allows";
constexpr char kTooManyValues[] = "the answer has more JSON values than its limit allows";
constexpr char kTooDeep[] = "the answer is nested deeper than its limit allows";

constexpr bool is_blank(char byte) noexcept {
	return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}

// Ends a number or word: everything that has a meaning of its own outside of strings.
constexpr bool is_delimiter(char byte) noexcept {
	return is_blank(byte) || byte == ',' || byte == ':' || byte == '"' || byte == '[' ||
	       byte == ']' || byte == '{' || byte == '}';
}

}  // namespace

bool JsonMeter::feed(const char *data, size_t size) noexcept {
	if (reason_ != nullptr)
		return false;
	// Bytes beyond the limit are not looked at, so that the verdict is that of the text, not of
	// the way it was cut into chunks.
	const int64_t room = max_bytes_ > bytes_ ? max_bytes_ - bytes_ : 0;
	const bool is_over = size > static_cast<uint64_t>(room);
	const size_t used = is_over ? static_cast<size_t>(room) : size;
	bytes_ += static_cast<int64_t>(used);

	for (const char *at = data, *end = data + used; at != end;) {
		if (in_string_)
			at = skip_string(at, end);
		else if (!scan(*at++))
			return false;
	}
	if (is_over)
		reason_ = kTooManyBytes;
	return reason_ == nullptr;
}

const char *JsonMeter::skip_string(const char *at, const char *end) noexcept {
	for (; at != end; ++at) {
		if (escaped_) {
			escaped_ = false;
		} else if (*at == '\\') {
			escaped_ = true;
		} else if (*at == '"') {
			in_string_ = false;
			string_ended_ = true;
			return at + 1;
		}
	}
	return end;
}

// One byte outside of strings. A string is counted at the byte that follows it, when it is known
// not to be a member's name; only a text that is nothing but one string goes uncounted.
bool JsonMeter::scan(char byte) noexcept {
	if (is_blank(byte)) {
		in_scalar_ = false;
		return true;
	}
	if (string_ended_) {
		string_ended_ = false;
		if (byte != ':' && !count_value())
			return false;
	}
	if (!is_delimiter(byte)) {
		if (in_scalar_)
			return true;
		in_scalar_ = true;
		return count_value();
	}
	in_scalar_ = false;
	switch (byte) {
	case '"':
		in_string_ = true;
		return true;
	case '{':
	case '[':
		return open();
	case '}':
	case ']':
		depth_ -= depth_ > 0 ? 1 : 0;
		return true;
	default:
		return true;
	}
}

bool JsonMeter::open() noexcept {
	if (++depth_ > max_depth_) {
		reason_ = kTooDeep;
		return false;
	}
	return count_value();
}

bool JsonMeter::count_value() noexcept {
	if (++values_ > max_values_)
		reason_ = kTooManyValues;
	return reason_ == nullptr;
}

namespace {

constexpr bool is_name_start(char byte) noexcept {
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
	       static_cast<unsigned char>(byte) >= 0x80;
}

constexpr bool is_name_byte(char byte) noexcept {
	return is_name_start(byte) || (byte >= '0' && byte <= '9');
}

// Reads `."name"` from behind the opening quote. npos: not closed, or an escape other than \" or
// \\.
size_t read_quoted_name(std::string_view path, size_t at, std::string *name) {
	const size_t start = at;
	for (; at < path.size(); ++at) {
		if (path[at] == '"')
			return at == start ? std::string_view::npos : at + 1;
		if (path[at] == '\\' && (++at == path.size() || (path[at] != '"' && path[at] != '\\')))
			return std::string_view::npos;
		if (name != nullptr)
			name->push_back(path[at]);
	}
	return std::string_view::npos;
}

// Reads `$.a."b c"[*]` into its names. Without `names` it only checks, and allocates nothing.
bool read_path(std::string_view path, std::vector<std::string> *names) {
	constexpr std::string_view kTail = "[*]";
	if (path.size() < 1 + kTail.size() || path[0] != '$' ||
	    path.substr(path.size() - kTail.size()) != kTail)
		return false;
	path.remove_suffix(kTail.size());
	for (size_t at = 1; at < path.size();) {
		if (path[at++] != '.' || at == path.size())
			return false;
		std::string *const name = names == nullptr ? nullptr : &names->emplace_back();
		if (path[at] == '"') {
			at = read_quoted_name(path, at + 1, name);
			if (at == std::string_view::npos)
				return false;
			continue;
		}
		if (!is_name_start(path[at]))
			return false;
		for (; at < path.size() && is_name_byte(path[at]); ++at) {
			if (name != nullptr)
				name->push_back(path[at]);
		}
	}
	return true;
}

void append_utf8(std::string &out, unsigned code) {
	if (code < 0x80) {
		out.push_back(static_cast<char>(code));
		return;
	}
	if (code < 0x800) {
		out.push_back(static_cast<char>(0xC0 | (code >> 6)));
	} else if (code < 0x10000) {
		out.push_back(static_cast<char>(0xE0 | (code >> 12)));
		out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
	} else {
		out.push_back(static_cast<char>(0xF0 | (code >> 18)));
		out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
		out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
	}
	out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
}

// Four hexadecimal digits at `at`, or nothing.
std::optional<unsigned> read_hex4(std::string_view text, size_t at) noexcept {
	if (text.size() < at + 4)
		return std::nullopt;
	unsigned value = 0;
	for (const char digit : text.substr(at, 4)) {
		value <<= 4;
		if (digit >= '0' && digit <= '9')
			value |= static_cast<unsigned>(digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			value |= static_cast<unsigned>(digit - 'a' + 10);
		else if (digit >= 'A' && digit <= 'F')
			value |= static_cast<unsigned>(digit - 'A' + 10);
		else
			return std::nullopt;
	}
	return value;
}

// The code point of `\uXXXX`, or of a pair of them, with `at` on the first digit; moves behind it.
std::optional<unsigned> read_unicode_escape(std::string_view text, size_t &at) noexcept {
	const std::optional<unsigned> first = read_hex4(text, at);
	if (!first)
		return std::nullopt;
	at += 4;
	if (*first < 0xD800 || *first > 0xDFFF)
		return first;
	if (*first > 0xDBFF || text.substr(at, 2) != "\\u")
		return std::nullopt;
	const std::optional<unsigned> second = read_hex4(text, at + 2);
	if (!second || *second < 0xDC00 || *second > 0xDFFF)
		return std::nullopt;
	at += 6;
	return 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00);
}

// A member's name without its escapes; nothing if one of them is bad.
std::optional<std::string> unescape(std::string_view raw) {
	constexpr std::string_view kLetters = "\"\\/bfnrt", kBytes = "\"\\/\b\f\n\r\t";
	std::string out;
	for (size_t at = 0; at < raw.size();) {
		const char byte = raw[at++];
		if (byte != '\\') {
			out.push_back(byte);
			continue;
		}
		if (at == raw.size())
			return std::nullopt;
		const char letter = raw[at++];
		if (const size_t which = kLetters.find(letter); which != std::string_view::npos) {
			out.push_back(kBytes[which]);
			continue;
		}
		const std::optional<unsigned> code =
			letter == 'u' ? read_unicode_escape(raw, at) : std::nullopt;
		if (!code)
			return std::nullopt;
		append_utf8(out, *code);
	}
	return out;
}

bool is_same_name(std::string_view raw, std::string_view name) {
	if (raw.find('\\') == std::string_view::npos)
		return raw == name;
	return unescape(raw) == name;
}

// Goes through a JSON text by position. The skip functions return false where the text is cut off
// or does not balance; the position is then of no use.
class Walker final {
public:
	explicit Walker(std::string_view text) noexcept : text_(text) {}

	size_t at() const noexcept { return at_; }
	void move_to(size_t at) noexcept { at_ = at; }
	char byte() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

	void skip_blanks() noexcept {
		while (at_ < text_.size() && is_blank(text_[at_]))
			++at_;
	}

	// Goes past `expected` and the blanks before and after it.
	bool skip(char expected) noexcept {
		skip_blanks();
		if (at_ >= text_.size() || text_[at_] != expected)
			return false;
		++at_;
		skip_blanks();
		return true;
	}

	bool skip_string() noexcept {
		for (++at_; at_ < text_.size(); ++at_) {
			if (text_[at_] == '\\') {
				++at_;
			} else if (text_[at_] == '"') {
				++at_;
				return true;
			}
		}
		return false;
	}

	bool skip_value() {
		if (byte() == '"')
			return skip_string();
		if (byte() == '{' || byte() == '[')
			return skip_container();
		return skip_scalar();
	}

private:
	// A scalar at the very end is not known to be whole.
	bool skip_scalar() noexcept {
		const size_t start = at_;
		while (at_ < text_.size() && !is_delimiter(text_[at_]))
			++at_;
		return at_ > start && at_ < text_.size();
	}

	bool skip_container() {
		open_.clear();
		while (at_ < text_.size()) {
			const char byte = text_[at_];
			if (byte == '"') {
				if (!skip_string())
					return false;
				continue;
			}
			++at_;
			if (byte == '{' || byte == '[') {
				open_.push_back(byte == '{' ? '}' : ']');
			} else if (byte == '}' || byte == ']') {
				if (open_.back() != byte)
					return false;
				open_.pop_back();
				if (open_.empty())
					return true;
			}
		}
		return false;
	}

	std::string_view text_;
	size_t at_ = 0;
	std::string open_;  // the brackets that are to come
};

struct Found {
	size_t at = std::string_view::npos;  // of the member's value
	bool is_closed = false;              // the object was read to its end
};

// The last member of that name in the object at `at`.
Found last_member(std::string_view text, size_t at, std::string_view name) {
	Found found;
	Walker walker(text);
	walker.move_to(at);
	if (!walker.skip('{'))
		return found;
	if (walker.byte() == '}') {
		found.is_closed = true;
		return found;
	}
	for (;;) {
		const size_t name_at = walker.at() + 1;
		if (walker.byte() != '"' || !walker.skip_string())
			return found;
		const bool is_wanted = is_same_name(text.substr(name_at, walker.at() - 1 - name_at), name);
		if (!walker.skip(':'))
			return found;
		if (is_wanted)
			found.at = walker.at();
		if (!walker.skip_value())
			return found;
		if (!walker.skip(',')) {
			found.is_closed = walker.byte() == '}';
			return found;
		}
	}
}

// Collects the elements of the array at `at`. Returns the place of its closing bracket, or npos.
size_t cut_elements(std::string_view text, size_t at, std::vector<std::string_view> &records) {
	Walker walker(text);
	walker.move_to(at);
	walker.skip('[');
	if (walker.byte() == ']')
		return walker.at();
	for (;;) {
		const size_t start = walker.at();
		if (!walker.skip_value())
			return std::string_view::npos;
		records.push_back(text.substr(start, walker.at() - start));
		if (!walker.skip(','))
			return walker.byte() == ']' ? walker.at() : std::string_view::npos;
	}
}

}  // namespace

CutPage cut_page(std::string_view text, std::string_view records_path) {
	std::vector<std::string> names;
	if (!read_path(records_path, &names))
		throw Error("22023", "\"" + std::string(records_path) + "\" is not a plain member path", {},
		            "Write member names and an array at the end, as in \"$.data[*]\".");
	constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
	if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark)
		text.remove_prefix(kByteOrderMark.size());

	CutPage page;
	bool is_closed = true;
	Walker walker(text);
	walker.skip_blanks();
	size_t at = walker.at();
	for (const std::string &name : names) {
		const Found found = last_member(text, at, name);
		is_closed = is_closed && found.is_closed;
		at = found.at;
		if (at == std::string_view::npos)
			break;
	}
	if (at >= text.size() || text[at] != '[') {
		page.envelope = text;
		return page;
	}
	const size_t close = cut_elements(text, at, page.records);
	page.envelope.assign(text.substr(0, at)).append("[]");
	if (close != std::string_view::npos) {
		page.envelope.append(text.substr(close + 1));
		page.is_complete = is_closed;
	}
	return page;
}

bool is_plain_records_path(std::string_view path) noexcept {
	return read_path(path, nullptr);
}

}  // namespace sequin
