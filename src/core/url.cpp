// Reading URLs, stricter than their standard: nothing may be read in two ways.
// Scope: any.
#include "core/url.h"

#include <algorithm>

#include "core/error.h"
#include "core/request.h"

namespace sequin {

namespace {

constexpr size_t kShownBytes = 200;

char lower(char byte) noexcept {
	return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

std::string lower_case(std::string_view text) {
	std::string out(text);
	std::transform(out.begin(), out.end(), out.begin(), lower);
	return out;
}

bool begins_with(std::string_view text, std::string_view start) noexcept {
	return text.size() >= start.size() &&
	       std::equal(start.begin(), start.end(), text.begin(),
	                  [](char wanted, char found) { return wanted == lower(found); });
}

[[noreturn]] void fail(std::string_view url, const std::string &what) {
	std::string shown = public_url(url).substr(0, kShownBytes);
	for (char &byte : shown) {
		if (static_cast<unsigned char>(byte) < 0x20 || static_cast<unsigned char>(byte) >= 0x7F)
			byte = '?';
	}
	throw Error("22023", "URL \"" + shown + "\" " + what, {},
	            "Write it as https://host/path, in plain letters.");
}

bool is_name_byte(char byte) noexcept {
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
	       byte == '_' || byte == '.';
}

bool is_host_name(std::string_view host) noexcept {
	return !host.empty() && host.front() != '.' && host.back() != '.' &&
	       host.find("..") == std::string_view::npos &&
	       std::all_of(host.begin(), host.end(), is_name_byte);
}

bool is_v6_address(std::string_view host) noexcept {
	return host.size() > 4 && host.front() == '[' && host.back() == ']' &&
	       host.find_first_not_of("0123456789abcdef:.", 1) == host.size() - 1;
}

void read_authority(std::string_view authority, std::string_view whole, Url &url) {
	if (authority.find('@') != std::string_view::npos)
		fail(whole, "has a user before its host");
	const size_t bracket = authority.find(']');
	const size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
	url.host = lower_case(authority.substr(0, colon));
	if (url.host.size() > 1 && url.host.back() == '.')
		url.host.pop_back();
	if (!is_host_name(url.host) && !is_v6_address(url.host))
		fail(whole, "has no host that can be used");
	if (colon == std::string_view::npos)
		return;
	const std::string port(authority.substr(colon + 1));
	if (port.empty() || port.size() > 5 ||
	    port.find_first_not_of("0123456789") != std::string::npos || std::stoi(port) < 1 ||
	    std::stoi(port) > 65535)
		fail(whole, "has no port that can be used");
	url.port = std::stoi(port);
	if (url.port == (url.scheme == "https" ? 443 : 80))
		url.port = 0;
}

// Path or query with what cannot stand in a URL percent-encoded.
std::string encode_odd(std::string_view text) {
	constexpr char kHex[] = "0123456789ABCDEF";
	std::string out;
	out.reserve(text.size());
	for (const char byte : text) {
		const auto code = static_cast<unsigned char>(byte);
		if (byte != ' ' && code < 0x80)
			out.push_back(byte);
		else
			out.append({'%', kHex[code >> 4], kHex[code & 15]});
	}
	return out;
}

}  // namespace

std::string Url::origin() const {
	return scheme + "://" + host + (port == 0 ? "" : ":" + std::to_string(port));
}

std::string Url::text() const {
	return origin() + (path.empty() ? "/" : path) + (query.empty() ? "" : "?" + query);
}

Url parse_url(std::string_view text) {
	for (const char byte : text) {
		if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F || byte == '\\')
			fail(text, "has a character that cannot stand in a URL");
	}
	if (!is_absolute_url(text))
		fail(text, "is not an http or https URL");
	Url url;
	const size_t scheme_end = text.find("://");
	url.scheme = lower_case(text.substr(0, scheme_end));
	std::string_view rest = text.substr(scheme_end + 3);
	rest = rest.substr(0, rest.find('#'));
	const size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
	read_authority(rest.substr(0, authority_end), text, url);
	rest.remove_prefix(authority_end);
	const size_t mark = std::min(rest.find('?'), rest.size());
	url.path = encode_odd(rest.substr(0, mark));
	if (mark < rest.size())
		url.query = encode_odd(rest.substr(mark + 1));
	return url;
}

bool is_absolute_url(std::string_view text) noexcept {
	return begins_with(text, "http://") || begins_with(text, "https://");
}

}  // namespace sequin
