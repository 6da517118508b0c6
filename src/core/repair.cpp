// Makes a JSON text acceptable to the server. See repair.h.
// Scope: any.
#include "core/repair.h"

#include <cstdlib>

namespace sequin {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The length of the UTF-8 sequence at the start of the text, or 0 if there is none that is valid.
size_t sequence_length(std::string_view text) noexcept {
	const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
	const unsigned char first = byte(0);
	size_t length = first < 0x80                    ? 1
	                : first >= 0xC2 && first < 0xE0 ? 2
	                : first >= 0xE0 && first < 0xF0 ? 3
	                : first >= 0xF0 && first < 0xF5 ? 4
	                                                : 0;
	if (length == 0 || length > text.size())
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((byte(i) & 0xC0) != 0x80)
			return 0;
	if (length == 3 && ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) >= 0xA0)))
		return 0;
	if (length == 4 && ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) >= 0x90)))
		return 0;
	return length;
}

// The code unit of `\uXXXX` at the start of the text, or -1.
long escaped_unit(std::string_view text) {
	if (text.size() < 6 || text[0] != '\\' || text[1] != 'u')
		return -1;
	const std::string digits(text.substr(2, 4));
	if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
		return -1;
	return std::strtol(digits.c_str(), nullptr, 16);
}

bool is_high(long unit) noexcept {
	return unit >= 0xD800 && unit <= 0xDBFF;
}
bool is_low(long unit) noexcept {
	return unit >= 0xDC00 && unit <= 0xDFFF;
}

// Appends the escape at the start of the text, repaired; returns how many bytes of the text it was.
size_t append_escape(std::string_view text, std::string *out) {
	const long unit = escaped_unit(text);
	if (unit < 0) {
		const bool is_known = text.size() > 1 && std::string_view("\"\\/bfnrt").find(text[1]) !=
		                                             std::string_view::npos;
		out->append(is_known ? text.substr(0, 2) : std::string_view("\\ufffd"));
		return text.size() > 1 ? 2 : 1;
	}
	if (is_high(unit) && is_low(escaped_unit(text.substr(6)))) {
		out->append(text.substr(0, 12));
		return 12;
	}
	out->append(unit == 0 || is_high(unit) || is_low(unit) ? std::string_view("\\ufffd")
	                                                       : text.substr(0, 6));
	return 6;
}

bool is_huge(const std::string &number) {
	const size_t e = number.find_first_of("eE");
	return e != std::string::npos &&
	       std::labs(std::strtol(number.c_str() + e + 1, nullptr, 10)) > 308;
}

}  // namespace

std::string repair_json(std::string_view text) {
	std::string out;
	out.reserve(text.size());
	bool in_string = false;
	for (size_t i = 0; i < text.size();) {
		const char c = text[i];
		const std::string_view rest = text.substr(i);
		if (in_string && c == '\\') {
			i += append_escape(rest, &out);
		} else if (!in_string && (c == '-' || (c >= '0' && c <= '9'))) {
			const size_t end = rest.find_first_not_of("+-0123456789.eE");
			const std::string number(rest.substr(0, end));
			out += is_huge(number) ? "0" : number;
			i += number.size();
		} else {
			if (c == '"')
				in_string = !in_string;
			const size_t length = sequence_length(rest);
			if (length == 0)
				out += kReplacement;
			else if (in_string && static_cast<unsigned char>(c) < 0x20)
				out += ' ';
			else
				out.append(rest.substr(0, length));
			i += length == 0 ? 1 : length;
		}
	}
	return out;
}

std::string printable(std::string_view text, size_t max_bytes) {
	std::string out;
	for (size_t i = 0; i < text.size();) {
		const size_t length = text[i] == '\0' ? 0 : sequence_length(text.substr(i));
		const std::string_view piece = length == 0 ? kReplacement : text.substr(i, length);
		if (out.size() + piece.size() > max_bytes)
			break;
		out += piece;
		i += length == 0 ? 1 : length;
	}
	return out;
}

}  // namespace sequin
