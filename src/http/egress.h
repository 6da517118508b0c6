// Where traffic may go: https to public addresses, and what `sequin.allowed_hosts` lists.
// Scope: any; no server, no libcurl.
#pragma once

#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace sequin::http {

// The parsed form of the superuser setting `sequin.allowed_hosts`: comma-separated entries, each a
// host name, `host:port`, an address, `address:port`, `[v6]:port`, or a CIDR range.
class Egress {
public:
	// Throws Error 22023 naming the entry that cannot be read.
	static Egress parse(std::string_view allowed_hosts);

	// Checks scheme, form and host of a URL before anything is resolved. https always passes; plain
	// http only to a listed host. Refuses user info, other schemes, control characters, and odd
	// spellings of addresses (octal, hexadecimal, one number). Throws Error 22023 with a hint that
	// names the setting. The message never contains the query string.
	void check_url(std::string_view url) const;

	// Whether a connection to this resolved address may be made for this host and port: public
	// addresses always; loopback, private, CGNAT, link-local, multicast, unspecified, benchmark,
	// documentation, metadata and their IPv4-in-IPv6 forms (mapped, 6to4, NAT64, Teredo) only if
	// host, host:port or address is listed.
	bool allows_address(std::string_view host, int port, const sockaddr *address) const noexcept;

private:
	struct Entry {
		std::string host;  // canonical name or empty
		int port = 0;      // 0: any
		unsigned char network[16] = {};
		int prefix = -1;  // of the 128-bit form; -1: not a range
	};
	bool lists(std::string_view host, int port) const noexcept;
	bool lists(const unsigned char address[16], int port) const noexcept;
	std::vector<Entry> entries_;
};

// Whether `host` is one of the manifest's hosts; "*.suffix" matches one or more labels before it.
bool host_matches(const std::vector<std::string> &hosts, std::string_view host) noexcept;

}  // namespace sequin::http
