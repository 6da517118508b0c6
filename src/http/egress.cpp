// Where traffic may go. See egress.h.
// Scope: any.
#include "http/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace sequin::http {
namespace {

constexpr int kMappedPrefix = 96;  // IPv4 lies in the last 32 of 128 bits

struct Range {
	const char *network;
	int prefix;
};

// Not for the public: IANA's special-purpose registries, and what clouds answer with secrets at.
constexpr Range kPrivateV4[] = {
	{"0.0.0.0", 8},        {"10.0.0.0", 8},      {"100.64.0.0", 10},   {"127.0.0.0", 8},
	{"168.63.129.16", 32}, {"169.254.0.0", 16},  {"172.16.0.0", 12},   {"192.0.0.0", 24},
	{"192.0.2.0", 24},     {"192.31.196.0", 24}, {"192.52.193.0", 24}, {"192.88.99.0", 24},
	{"192.168.0.0", 16},   {"192.175.48.0", 24}, {"198.18.0.0", 15},   {"198.51.100.0", 24},
	{"203.0.113.0", 24},   {"224.0.0.0", 4},     {"240.0.0.0", 4}};
// Within 2000::/3; nothing outside it has ever been given out to the public.
constexpr Range kPrivateV6[] = {
	{"2001::", 23}, {"2001:db8::", 32}, {"2002::", 16}, {"2620:4f:8000::", 48}, {"3fff::", 20}};

std::string lower(std::string_view text) {
	std::string out(text);
	for (char &c : out)
		if (c >= 'A' && c <= 'Z')
			c = static_cast<char>(c + 32);
	return out;
}

std::string_view trimmed(std::string_view text) {
	while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
		text.remove_prefix(1);
	while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
		text.remove_suffix(1);
	return text;
}

std::string_view unbracketed(std::string_view host) {
	const bool is_bracketed = host.size() > 1 && host.front() == '[' && host.back() == ']';
	return is_bracketed ? host.substr(1, host.size() - 2) : host;
}

// As 128 bits, IPv4 mapped. False: it is no address.
bool read_address(const std::string &text, unsigned char out[16], bool *is_v4) {
	memset(out, 0, 16);
	out[10] = out[11] = 0xFF;
	*is_v4 = inet_pton(AF_INET, text.c_str(), out + 12) == 1;
	return *is_v4 || inet_pton(AF_INET6, text.c_str(), out) == 1;
}

bool in_range(const unsigned char *address, const unsigned char *network, int prefix) noexcept {
	const int bytes = prefix / 8, bits = prefix % 8;
	if (memcmp(address, network, static_cast<size_t>(bytes)) != 0)
		return false;
	if (bits == 0)
		return true;
	const int mask = 0xFF << (8 - bits) & 0xFF;
	return (address[bytes] & mask) == (network[bytes] & mask);
}

bool is_mapped(const unsigned char address[16]) noexcept {
	static constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
	return memcmp(address, kMapped, 12) == 0;
}

bool is_public(const unsigned char address[16]) noexcept {
	unsigned char network[16];
	if (is_mapped(address)) {
		for (const Range &range : kPrivateV4) {
			inet_pton(AF_INET, range.network, network);
			if (in_range(address + 12, network, range.prefix))
				return false;
		}
		return true;
	}
	// 64:ff9b::/96 is as public as the IPv4 address it translates.
	static constexpr unsigned char kTranslated[12] = {0, 0x64, 0xFF, 0x9B};
	if (memcmp(address, kTranslated, 12) == 0) {
		unsigned char inner[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
		memcpy(inner + 12, address + 12, 4);
		return is_public(inner);
	}
	if ((address[0] & 0xE0) != 0x20)
		return false;
	for (const Range &range : kPrivateV6) {
		inet_pton(AF_INET6, range.network, network);
		if (in_range(address, network, range.prefix))
			return false;
	}
	return true;
}

// Two ways to write one address, such as [::1] and 0:0:0:0:0:0:0:1.
bool is_same_address(std::string_view one, std::string_view other) {
	unsigned char left[16], right[16];
	bool is_v4 = false;
	return read_address(std::string(unbracketed(one)), left, &is_v4) &&
	       read_address(std::string(unbracketed(other)), right, &is_v4) &&
	       memcmp(left, right, sizeof left) == 0;
}

[[noreturn]] void refuse_entry(std::string_view entry) {
	throw Error("22023", "\"" + std::string(entry) + "\" is no host, host:port or CIDR range", {},
	            "Write a comma-separated list such as localhost:8080, 10.1.0.0/16, [::1]:443.");
}

int read_number(std::string_view text, int low, int high) {
	if (text.empty() || text.size() > 5 ||
	    text.find_first_not_of("0123456789") != std::string_view::npos)
		return -1;
	const int number = std::atoi(std::string(text).c_str());
	return number < low || number > high ? -1 : number;
}

bool is_host_name(const std::string &name) {
	return !name.empty() && name.size() <= 253 &&
	       name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos &&
	       name.front() != '.' && name.front() != '-' && name.back() != '.' &&
	       name.find("..") == std::string::npos;
}

// 127.1, 0x7f000001, 017700000001: resolvers read these as addresses, people do not.
bool is_odd_number(const std::string &host) {
	const size_t dot = host.rfind('.');
	const std::string last = dot == std::string::npos ? host : host.substr(dot + 1);
	const bool is_hex = last.size() > 1 && last[0] == '0' && last[1] == 'x';
	return is_hex || (!last.empty() && last.find_first_not_of("0123456789") == std::string::npos);
}

struct Host {
	std::string name;  // in lower case, without brackets and final dot
	unsigned char address[16] = {};
	bool is_address = false, is_good = false;
};

// Only IPv6 stands in brackets, and only there.
Host read_host(std::string_view text) {
	Host host;
	const bool is_bracketed = unbracketed(text).size() < text.size();
	if (is_bracketed)
		text = unbracketed(text);
	else if (!text.empty() && text.back() == '.')
		text.remove_suffix(1);
	host.name = lower(text);
	bool is_v4 = false;
	host.is_address = read_address(host.name, host.address, &is_v4) && is_bracketed == !is_v4;
	host.is_good =
		host.is_address || (!is_bracketed && is_host_name(host.name) && !is_odd_number(host.name));
	return host;
}

[[noreturn]] void refuse_url(const std::string &why) {
	throw Error("22023", why, {},
	            "Use https and a public host, or have a superuser list the host in "
	            "\"sequin.allowed_hosts\".");
}

}  // namespace

Egress Egress::parse(std::string_view allowed_hosts) {
	Egress egress;
	while (!allowed_hosts.empty()) {
		const size_t comma = allowed_hosts.find(',');
		const std::string_view text = trimmed(allowed_hosts.substr(0, comma));
		allowed_hosts =
			comma == std::string_view::npos ? std::string_view() : allowed_hosts.substr(comma + 1);
		if (text.empty())
			continue;
		Entry entry;
		bool is_v4 = false;
		const size_t slash = text.find('/');
		if (slash != std::string_view::npos) {
			if (!read_address(std::string(text.substr(0, slash)), entry.network, &is_v4))
				refuse_entry(text);
			entry.prefix = read_number(text.substr(slash + 1), 0, is_v4 ? 32 : 128);
			if (entry.prefix < 0)
				refuse_entry(text);
			if (is_v4)
				entry.prefix += kMappedPrefix;
			egress.entries_.push_back(entry);
			continue;
		}
		const size_t colon = text.rfind(':');
		const bool is_plain_v6 = text.front() != '[' && text.find(':') != colon;
		std::string name(text);
		if (is_plain_v6) {
			name = "[" + name + "]";
		} else if (colon != std::string_view::npos && text.back() != ']') {
			entry.port = read_number(text.substr(colon + 1), 1, 65535);
			name = text.substr(0, colon);
		}
		const Host host = read_host(name);
		if (entry.port < 0 || !host.is_good)
			refuse_entry(text);
		entry.host = host.name;
		if (host.is_address) {
			memcpy(entry.network, host.address, sizeof entry.network);
			entry.prefix = 128;
		}
		egress.entries_.push_back(entry);
	}
	return egress;
}

bool Egress::lists(std::string_view host, int port) const noexcept {
	return std::any_of(entries_.begin(), entries_.end(), [&](const Entry &entry) {
		return entry.host == host && (entry.port == 0 || entry.port == port);
	});
}

bool Egress::lists(const unsigned char address[16], int port) const noexcept {
	return std::any_of(entries_.begin(), entries_.end(), [&](const Entry &entry) {
		return entry.prefix >= 0 && (entry.port == 0 || entry.port == port) &&
		       in_range(address, entry.network, entry.prefix);
	});
}

bool Egress::allows_address(std::string_view host, int port,
                            const sockaddr *address) const noexcept {
	unsigned char bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
	if (address->sa_family == AF_INET)
		memcpy(bytes + 12, &reinterpret_cast<const sockaddr_in *>(address)->sin_addr, 4);
	else if (address->sa_family == AF_INET6)
		memcpy(bytes, &reinterpret_cast<const sockaddr_in6 *>(address)->sin6_addr, 16);
	else
		return false;
	return is_public(bytes) || lists(host, port) || lists(bytes, port);
}

void Egress::check_url(std::string_view url) const {
	if (url.find_first_of(std::string_view(" \t\r\n\\\0", 6)) != std::string_view::npos ||
	    std::any_of(url.begin(), url.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }))
		refuse_url("a URL must not contain blanks, backslashes or control characters");
	const size_t mark = url.find("://");
	const std::string scheme =
		mark == std::string_view::npos ? std::string() : lower(url.substr(0, mark));
	if (scheme != "https" && scheme != "http")
		refuse_url("a URL must begin with https://");
	const std::string_view rest = url.substr(mark + 3);
	const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
	if (authority.find('@') != std::string_view::npos)
		refuse_url("a URL must not carry a user name or password");
	const size_t colon = authority.rfind(':');
	const bool has_port =
		colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
	const int port = has_port            ? read_number(authority.substr(colon + 1), 1, 65535)
	                 : scheme == "https" ? 443
	                                     : 80;
	if (port < 0)
		refuse_url("a URL has a port that is no number from 1 to 65535");
	const Host host = read_host(has_port ? authority.substr(0, colon) : authority);
	if (!host.is_good)
		refuse_url("\"" + host.name + "\" is no host name");
	if (scheme == "https" || lists(host.name, port) ||
	    (host.is_address && lists(host.address, port)))
		return;
	refuse_url("plain http to \"" + host.name + "\" is not allowed");
}

bool host_matches(const std::vector<std::string> &hosts, std::string_view host) noexcept {
	return std::any_of(hosts.begin(), hosts.end(), [&](const std::string &pattern) {
		if (pattern.compare(0, 2, "*.") != 0)
			return pattern == host || is_same_address(pattern, host);
		const std::string_view suffix = std::string_view(pattern).substr(1);
		return host.size() > suffix.size() && host.substr(host.size() - suffix.size()) == suffix;
	});
}

}  // namespace sequin::http
