// Keeping secrets out of texts that people see.
// Scope: any.
#include <algorithm>
#include <cstdio>

#include "core/request.h"
#include "core/template.h"

namespace sequin {

namespace {

constexpr size_t kShortest = 6;  // shorter values would mask words that are none
constexpr std::string_view kStars = "********";

void replace_all(std::string &text, char from, char to) {
	std::replace(text.begin(), text.end(), from, to);
}

// As a JSON writer may put it between quotes; some escape slashes, too.
std::string json_form(std::string_view value, bool with_slashes) {
	constexpr std::string_view kBytes = "\b\f\n\r\t", kLetters = "bfnrt";
	std::string out;
	for (const char byte : value) {
		if (byte == '"' || byte == '\\' || (with_slashes && byte == '/')) {
			out.append({'\\', byte});
		} else if (const size_t at = kBytes.find(byte); at != std::string_view::npos) {
			out.append({'\\', kLetters[at]});
		} else if (static_cast<unsigned char>(byte) < 0x20) {
			char escape[8];
			std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(byte));
			out.append(escape);
		} else {
			out.push_back(byte);
		}
	}
	return out;
}

// What base64 makes of the value wherever it stands in the encoded bytes: the characters that no
// neighbour has a part in, for each of the three places a byte can have in a group.
void add_base64_forms(std::string_view value, std::vector<std::string> &forms) {
	forms.push_back(base64_encode(value));
	for (size_t before = 0; before < 3; ++before) {
		const std::string bytes = std::string(before, '\0').append(value);
		const size_t first = (before * 8 + 5) / 6, last = bytes.size() * 8 / 6;
		forms.push_back(base64_encode(bytes).substr(first, last - first));
	}
	for (size_t index = forms.size() - 4, end = forms.size(); index < end; ++index) {
		std::string url_form = forms[index];
		replace_all(url_form, '+', '-');
		replace_all(url_form, '/', '_');
		forms.push_back(std::move(url_form));
	}
}

std::string lower_hex(std::string text) {
	for (size_t at = 0; at + 2 < text.size(); ++at) {
		if (text[at] != '%')
			continue;
		for (size_t digit = at + 1; digit <= at + 2; ++digit) {
			if (text[digit] >= 'A' && text[digit] <= 'F')
				text[digit] = static_cast<char>(text[digit] - 'A' + 'a');
		}
	}
	return text;
}

std::vector<std::string> forms_of(const Access &access) {
	std::vector<std::string> forms;
	for (const std::string &name : access.secret_names) {
		const auto found = access.values.find(name);
		if (found == access.values.end() || found->second.size() < kShortest)
			continue;
		const std::string &value = found->second;
		forms.push_back(value);
		forms.push_back(percent_encode(value));
		forms.push_back(lower_hex(forms.back()));
		forms.push_back(json_form(value, false));
		forms.push_back(json_form(value, true));
		add_base64_forms(value, forms);
	}
	// Longest first: a form may be a part of another.
	std::sort(forms.begin(), forms.end(), [](const std::string &one, const std::string &other) {
		return one.size() != other.size() ? one.size() > other.size() : one < other;
	});
	forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
	return forms;
}

}  // namespace

std::string mask_secrets(std::string text, const Access &access) {
	for (const std::string &form : forms_of(access)) {
		for (size_t at = 0; (at = text.find(form, at)) != std::string::npos; at += kStars.size())
			text.replace(at, form.size(), kStars);
	}
	return text;
}

}  // namespace sequin
