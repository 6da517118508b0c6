// Tests of http/egress.h: where traffic may go, whatever the address is dressed as.
#include "http/egress.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"

namespace sequin::http {
namespace {

class Address final {
public:
	explicit Address(const std::string &text) {
		auto *v4 = reinterpret_cast<sockaddr_in *>(&storage_);
		auto *v6 = reinterpret_cast<sockaddr_in6 *>(&storage_);
		const bool is_v6 = text.find(':') != std::string::npos;
		storage_.ss_family = is_v6 ? AF_INET6 : AF_INET;
		void *place =
			is_v6 ? static_cast<void *>(&v6->sin6_addr) : static_cast<void *>(&v4->sin_addr);
		EXPECT_EQ(inet_pton(storage_.ss_family, text.c_str(), place), 1) << text;
	}
	const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&storage_); }

private:
	sockaddr_storage storage_{};
};

bool allows(const std::string &listed, const std::string &address,
            const std::string &host = "api.example.com", int port = 443) {
	return Egress::parse(listed).allows_address(host, port, Address(address).get());
}

// Empty: the URL passes; else why not.
std::string refusal(const std::string &listed, const std::string &url) {
	try {
		Egress::parse(listed).check_url(url);
		return {};
	} catch (const Error &error) {
		EXPECT_EQ(error.sqlstate(), "22023") << url;
		EXPECT_NE(error.hint().find("sequin.allowed_hosts"), std::string::npos) << url;
		return error.what();
	}
}

bool passes(const std::string &listed, const std::string &url) {
	return refusal(listed, url).empty();
}

TEST(EgressAddressTest, public_addresses_are_allowed) {
	std::istringstream addresses(
		"1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 54.187.174.169 100.63.255.255 "
		"100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 "
		"169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 "
		"192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 "
		"198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 2001:200::1 "
		"2001:db7:ffff::1 2001:db9::1 2003::1 2400:cb00::1 2606:4700:4700::1111 "
		"2a00:1450:4001::200e 3ffe:ffff::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8");
	for (std::string address; addresses >> address;)
		EXPECT_TRUE(allows("", address)) << address;
}

TEST(EgressAddressTest, special_addresses_are_refused) {
	const std::vector<std::pair<const char *, std::vector<const char *>>> table = {
		{"unspecified, this network", {"0.0.0.0", "0.1.2.3", "0.255.255.255", "::"}},
		{"loopback", {"127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.255", "::1"}},
		{"private", {"10.0.0.0", "10.0.0.1", "10.255.255.255", "172.16.0.0", "172.20.1.1"}},
		{"private", {"172.31.255.255", "192.168.0.0", "192.168.1.1", "192.168.255.255"}},
		{"carrier-grade NAT", {"100.64.0.0", "100.100.100.200", "100.127.255.255"}},
		{"link-local, metadata", {"169.254.0.0", "169.254.169.254", "169.254.170.2"}},
		{"metadata of Azure, AWS, Oracle", {"168.63.129.16", "fd00:ec2::254", "192.0.0.192"}},
		{"IETF protocols", {"192.0.0.0", "192.0.0.8", "192.0.0.170", "192.0.0.255"}},
		{"documentation", {"192.0.2.0", "192.0.2.255", "198.51.100.1", "203.0.113.255"}},
		{"AS112, AMT, 6to4 relay", {"192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1"}},
		{"benchmark", {"198.18.0.0", "198.18.0.1", "198.19.255.255"}},
		{"multicast", {"224.0.0.1", "239.255.255.255", "ff00::", "ff02::1", "ff0e::1"}},
		{"reserved, broadcast", {"240.0.0.0", "250.1.2.3", "255.255.255.255"}},
		{"unique local", {"fc00::", "fc00::1", "fd12:3456::1", "fdff:ffff::1"}},
		{"link-local, site-local", {"fe80::1", "febf::1", "fec0::1", "feff::1"}},
		{"discard, dummy", {"100::", "100::1", "100:0:0:1::1"}},
		{"IETF protocols, ORCHID", {"2001::", "2001:1::1", "2001:10::1", "2001:20::1"}},
		{"benchmark", {"2001:2::1", "2001:2:0:ffff::1"}},
		{"documentation", {"2001:db8::", "2001:db8:ffff::1", "3fff::1", "3fff:fff::1"}},
		{"AS112, segment routing", {"2620:4f:8000::1", "5f00::1", "5f00:ffff::1"}},
		{"never given out", {"1::1", "200::1", "400::1", "1000::1", "4000::1", "6000::1"}},
		{"never given out", {"8000::1", "c000::1", "e000::1", "f000::1", "fe00::1"}},
	};
	for (const auto &[kind, addresses] : table)
		for (const char *address : addresses)
			EXPECT_FALSE(allows("", address)) << kind << ": " << address;
}

TEST(EgressAddressTest, an_address_inside_an_address_is_no_way_around) {
	for (const char *inner : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0",
	                          "100.64.0.1", "224.0.0.1", "255.255.255.255"}) {
		const std::string v4 = inner;
		in_addr bytes{};
		inet_pton(AF_INET, inner, &bytes);
		const uint32_t number = ntohl(bytes.s_addr);
		char middle[16], flipped[16];
		std::snprintf(middle, sizeof middle, "%x:%x", number >> 16, number & 0xFFFF);
		std::snprintf(flipped, sizeof flipped, "%x:%x", ~number >> 16, ~number & 0xFFFF);
		for (const std::string &address :
		     {"::ffff:" + v4, "::" + v4, "::ffff:0:" + v4, "64:ff9b::" + v4, "64:ff9b:1::" + v4,
		      "64:ff9b:1:ffff::" + v4, std::string("2002:") + middle + "::1",
		      std::string("2001:0:102:304::") + flipped,
		      std::string("2001:0:") + middle + "::1:2:3"})
			EXPECT_FALSE(allows("", address)) << address;
	}
	// Relays choose who unpacks these: not even a public address inside makes them public.
	for (const char *address : {"2002:808:808::1", "2001:0:102:304::f7f7:f7f7",
	                            "64:ff9b:1::8.8.8.8", "::8.8.8.8", "::ffff:0:8.8.8.8"})
		EXPECT_FALSE(allows("", address)) << address;
}

TEST(EgressAddressTest, other_families_are_refused) {
	sockaddr_un local{};
	local.sun_family = AF_UNIX;
	const auto *address = reinterpret_cast<const sockaddr *>(&local);
	EXPECT_FALSE(Egress::parse("api.example.com").allows_address("api.example.com", 443, address));
}

struct Listed {
	const char *listed, *address, *host;
	int port;
	bool is_allowed;
};
const Listed kListed[] = {
	// by name
	{"localhost", "127.0.0.1", "localhost", 80, true},
	{"localhost", "::1", "localhost", 443, true},
	{"LocalHost", "127.0.0.1", "localhost", 80, true},
	{"localhost.", "127.0.0.1", "localhost", 80, true},
	{"localhost", "127.0.0.1", "other", 80, false},
	{"localhost", "127.0.0.1", "sub.localhost", 80, false},
	{"localhost", "127.0.0.1", "localhost.example.com", 80, false},
	{"sandbox.internal", "10.0.0.1", "sandbox.internal", 443, true},
	{"a,b , sandbox.internal", "10.0.0.1", "sandbox.internal", 443, true},
	// by name and port
	{"localhost:8080", "127.0.0.1", "localhost", 8080, true},
	{"localhost:8080", "127.0.0.1", "localhost", 8081, false},
	{"localhost:8080,localhost:8081", "127.0.0.1", "localhost", 8081, true},
	// by address, whatever the name
	{"127.0.0.1", "127.0.0.1", "any.example.com", 443, true},
	{"127.0.0.1", "127.0.0.2", "any.example.com", 443, false},
	{"127.0.0.1", "::ffff:127.0.0.1", "any.example.com", 443, true},
	{"::ffff:127.0.0.1", "127.0.0.1", "any.example.com", 443, true},
	{"127.0.0.1", "::1", "any.example.com", 443, false},
	{"127.0.0.1:9000", "127.0.0.1", "any.example.com", 9000, true},
	{"127.0.0.1:9000", "127.0.0.1", "any.example.com", 9001, false},
	{"::1", "::1", "any.example.com", 443, true},
	{"[::1]", "::1", "any.example.com", 443, true},
	{"0:0:0:0:0:0:0:1", "::1", "any.example.com", 443, true},
	{"[::1]:8443", "::1", "any.example.com", 8443, true},
	{"[::1]:8443", "::1", "any.example.com", 443, false},
	{"FD00:EC2::254", "fd00:ec2::254", "any.example.com", 443, true},
	// by range
	{"10.0.0.0/8", "10.255.1.2", "any.example.com", 1, true},
	{"10.0.0.0/8", "11.0.0.0", "any.example.com", 1, true},  // public
	{"10.0.0.0/8", "192.168.1.1", "any.example.com", 1, false},
	{"10.1.2.3/8", "10.255.1.2", "any.example.com", 1, true},
	{"192.168.4.0/22", "192.168.7.255", "any.example.com", 1, true},
	{"192.168.4.0/22", "192.168.8.0", "any.example.com", 1, false},
	{"192.168.4.0/31", "192.168.4.1", "any.example.com", 1, true},
	{"192.168.4.0/31", "192.168.4.2", "any.example.com", 1, false},
	{"127.0.0.1/32", "127.0.0.1", "any.example.com", 1, true},
	{"127.0.0.1/32", "127.0.0.0", "any.example.com", 1, false},
	{"0.0.0.0/0", "127.0.0.1", "any.example.com", 1, true},
	{"0.0.0.0/0", "::1", "any.example.com", 1, false},
	{"::/0", "::1", "any.example.com", 1, true},
	{"fd00::/8", "fd12::1", "any.example.com", 1, true},
	{"fd00::/8", "fc12::1", "any.example.com", 1, false},
	{"fd00::/9", "fd80::1", "any.example.com", 1, false},
	{"::1/128", "::1", "any.example.com", 1, true},
	{"::1/128", "::2", "any.example.com", 1, false},
	{"10.0.0.0/8", "::ffff:10.1.2.3", "any.example.com", 1, true},
	{" 10.0.0.0/8\t,\tlocalhost ", "10.1.2.3", "any.example.com", 1, true},
	{"10.0.0.0/8, localhost ", "127.0.0.1", "localhost", 1, true},
	// nothing
	{"", "127.0.0.1", "localhost", 80, false},
	{" , ,", "127.0.0.1", "localhost", 80, false},
};

TEST(EgressAddressTest, what_is_listed_is_allowed) {
	for (const Listed &row : kListed)
		EXPECT_EQ(allows(row.listed, row.address, row.host, row.port), row.is_allowed)
			<< "\"" << row.listed << "\": " << row.address << " as " << row.host << ":" << row.port;
}

const char *const kBadEntries[] = {"*",
                                   "*.example.com",
                                   "http://localhost",
                                   "localhost/",
                                   "localhost:",
                                   "localhost:0",
                                   "localhost:65536",
                                   "localhost:99999",
                                   "localhost:123456",
                                   "localhost:80a",
                                   "localhost:-1",
                                   "localhost:+80",
                                   "localhost:8 0",
                                   "local host",
                                   "a..b",
                                   ".a",
                                   "-a",
                                   ":80",
                                   "[::1",
                                   "::1]",
                                   "[]",
                                   "[]:80",
                                   "[localhost]",
                                   "[127.0.0.1]",
                                   "[::1]:",
                                   "[::1]:0",
                                   "[::1]:x",
                                   "[::1]80",
                                   "::g",
                                   "1:2:3",
                                   "1::2::3",
                                   "fe80::1%eth0",
                                   "10.0.0.0/33",
                                   "10.0.0.0/-1",
                                   "10.0.0.0/",
                                   "10.0.0.0/a",
                                   "10.0.0.0/8:80",
                                   "10.0.0/8",
                                   "10/8",
                                   "fd00::/129",
                                   "[fd00::]/8",
                                   "localhost/8",
                                   "/8",
                                   "127.1",
                                   "0x7f000001",
                                   "2130706433",
                                   "017700000001",
                                   "0177.0.0.1",
                                   "127.0.0.01",
                                   "1.2.3.4.5",
                                   "256.1.1.1",
                                   "user@localhost",
                                   "b\xC3\xBC"
                                   "cher.example",
                                   "localhost..",
                                   "localhost;other",
                                   "a\nb",
                                   "10.0.0.0 /8"};

TEST(EgressParseTest, refuses_what_it_cannot_read_and_names_it) {
	for (const char *entry : kBadEntries) {
		try {
			Egress::parse(std::string("good.example, ") + entry);
			ADD_FAILURE() << entry << " was accepted";
		} catch (const Error &error) {
			EXPECT_EQ(error.sqlstate(), "22023");
			EXPECT_NE(std::string(error.what()).find('"' + std::string(entry) + '"'),
			          std::string::npos)
				<< error.what();
			EXPECT_FALSE(error.hint().empty());
		}
	}
}

TEST(EgressUrlTest, https_passes) {
	for (const char *url : {"https://api.example.com",
	                        "https://api.example.com/",
	                        "HTTPS://API.Example.COM/v1",
	                        "https://api.example.com:8443/v1?x=1#y",
	                        "https://api.example.com?x=1",
	                        "https://api.example.com#x",
	                        "https://a-b.c_d.example/",
	                        "https://api.example.com./",
	                        "https://x.example:1/",
	                        "https://x.example:65535/",
	                        "https://localhost/",
	                        "https://93.184.216.34/",
	                        "https://93.184.216.34:8443/",
	                        "https://[2606:4700::1111]/",
	                        "https://[2606:4700::1111]:8443/",
	                        "https://api.example.com/a@b",
	                        "https://api.example.com/?to=http://127.0.0.1/",
	                        "https://api.example.com/%00%0a",
	                        "https://xn--bcher-kva.example/",
	                        "https://0x.example/",
	                        "https://1password.example/"})
		EXPECT_EQ(refusal("", url), "") << url;
}

TEST(EgressUrlTest, other_schemes_and_forms_are_refused) {
	for (const char *url : {"",
	                        "/",
	                        "//api.example.com/",
	                        "api.example.com",
	                        "https:",
	                        "https:/",
	                        "https://",
	                        "https:///",
	                        "https://?x",
	                        "https://#x",
	                        "https://:443/",
	                        "https:api.example.com",
	                        "https:/api.example.com",
	                        "ftp://api.example.com/",
	                        "file:///etc/passwd",
	                        "gopher://127.0.0.1:6379/",
	                        "ws://api.example.com/",
	                        "httpss://api.example.com/",
	                        "://api.example.com/",
	                        " https://api.example.com/",
	                        "javascript://api.example.com/"})
		EXPECT_NE(refusal("api.example.com", url), "") << url;
}

TEST(EgressUrlTest, user_names_blanks_and_control_characters_are_refused) {
	for (const std::string &url :
	     {std::string("https://user@api.example.com/"), std::string("https://u:p@api.example.com/"),
	      std::string("https://@api.example.com/"),
	      std::string("https://api.example.com@evil.example/"),
	      std::string("https://api.example.com:443@evil.example/"),
	      std::string("https://api.example.com\\@evil.example/"),
	      std::string("https://api.example.com/a b"),
	      std::string("https://api.example.com/\r\nX: y"),
	      std::string("https://api.example.com/\n"), std::string("https://api.example.com\t/"),
	      std::string("https://api.example.com/\x01"), std::string("https://api.example.com/\x7F"),
	      std::string("https://api.example.com/\0x", 26), std::string("https://api\0.example/", 21),
	      std::string("https://api.example.com\\evil")})
		EXPECT_NE(refusal("api.example.com,evil.example", url), "") << url;
}

const char *const kOddHosts[] = {"127.1",
                                 "127.0.1",
                                 "2130706433",
                                 "0x7f000001",
                                 "0X7F000001",
                                 "0x7f.0.0.1",
                                 "127.0.0.0x1",
                                 "0177.0.0.1",
                                 "017700000001",
                                 "127.0.0.01",
                                 "127.000.000.001",
                                 "00000177.0.0.1",
                                 "0",
                                 "127.1.",
                                 "0x7f000001.",
                                 "1.2.3.4.5",
                                 "256.256.256.256",
                                 "999",
                                 "example.1",
                                 "api..example",
                                 ".example",
                                 "-example",
                                 "exa mple",
                                 "ex%61mple.com",
                                 "%31%32%37.0.0.1",
                                 "b\xC3\xBC"
                                 "cher.example",
                                 "\xE2\x91\xA0.0.0.1",
                                 "127\xE3\x80\x82"
                                 "0.0.1",
                                 "api.example.com..",
                                 "...",
                                 "::1",
                                 "1::2:443",
                                 "[::1",
                                 "::1]",
                                 "[]",
                                 "[::1]x",
                                 "[::1]]",
                                 "[fe80::1%25eth0]",
                                 "[fe80::1%eth0]",
                                 "[::ffff:127.0.0.1",
                                 "[127.0.0.1]",
                                 "[api.example.com]",
                                 "[v1.x]",
                                 "a[b]",
                                 "*",
                                 "*.example.com",
                                 "a,b",
                                 "a;b",
                                 "a'b",
                                 "a$b"};

TEST(EgressUrlTest, odd_spellings_of_hosts_are_refused) {
	for (const char *host : kOddHosts)
		EXPECT_NE(refusal("::/0", std::string("https://") + host + "/"), "") << host;
	EXPECT_NE(refusal("", "https://" + std::string(254, 'a') + "/"), "");
}

TEST(EgressUrlTest, ports_are_numbers_from_1_to_65535) {
	for (const char *port : {"", "0", "65536", "70000", "999999", "99999999999", "-1", "+1", "0x50",
	                         "80a", "a", "443:443", "4 3", "%34"})
		EXPECT_NE(refusal("", std::string("https://api.example.com:") + port + "/"), "") << port;
	for (const char *port : {"", "0", "65536", "x"})
		EXPECT_NE(refusal("", std::string("https://[2606:4700::1111]:") + port + "/"), "") << port;
}

TEST(EgressUrlTest, http_goes_to_listed_hosts_only) {
	struct Row {
		const char *listed, *url;
		bool does_pass;
	};
	const Row table[] = {
		{"", "http://api.example.com/", false},
		{"api.example.com", "http://api.example.com/", true},
		{"api.example.com", "HTTP://API.EXAMPLE.COM/", true},
		{"api.example.com", "http://api.example.com./", true},
		{"api.example.com", "http://api.example.com:8080/", true},
		{"api.example.com", "http://sub.api.example.com/", false},
		{"api.example.com", "http://example.com/", false},
		{"api.example.com", "http://api.example.com.evil.example/", false},
		{"api.example.com", "http://evil.example/api.example.com", false},
		{"api.example.com", "http://evil.example?api.example.com", false},
		{"api.example.com:80", "http://api.example.com/", true},
		{"api.example.com:80", "http://api.example.com:80/", true},
		{"api.example.com:80", "http://api.example.com:8080/", false},
		{"api.example.com:443", "http://api.example.com/", false},
		{"127.0.0.1", "http://127.0.0.1:8098/v1", true},
		{"127.0.0.1", "http://localhost:8098/v1", false},
		{"localhost", "http://127.0.0.1:8098/v1", false},
		{"127.0.0.1:8098", "http://127.0.0.1:8098/v1", true},
		{"127.0.0.1:8098", "http://127.0.0.1/v1", false},
		{"127.0.0.1:8098", "http://[::ffff:127.0.0.1]:8098/v1", true},
		{"10.0.0.0/8", "http://10.1.2.3/", true},
		{"10.0.0.0/8", "http://11.1.2.3/", false},
		{"10.0.0.0/8", "http://api.example.com/", false},
		{"[::1]:80", "http://[::1]/", true},
		{"[::1]:80", "http://[0:0::1]/", true},
		{"[::1]:80", "http://[::1]:81/", false},
		{"fd00::/8", "http://[fd00::1]:81/", true},
		{"8.8.8.8", "http://8.8.8.8/", true},
		{"", "http://8.8.8.8/", false},
	};
	for (const Row &row : table)
		EXPECT_EQ(passes(row.listed, row.url), row.does_pass) << row.listed << " " << row.url;
}

TEST(EgressUrlTest, a_refusal_never_shows_the_query_or_the_user) {
	for (const char *url :
	     {"http://api.example.com/v1?key=sk_secret", "ftp://api.example.com/?key=sk_secret",
	      "https://127.1/?key=sk_secret", "https://api.example.com:x/?key=sk_secret",
	      "https://api.example.com/?key=sk_secret\n", "https://u:sk_secret@api.example.com/",
	      "https://api.example.com:sk_secret/", "sk_secret", "https://?sk_secret",
	      "http://api.example.com?sk_secret", "http://api.example.com#sk_secret"}) {
		const std::string why = refusal("", url);
		EXPECT_FALSE(why.empty()) << url;
		EXPECT_EQ(why.find("sk_secret"), std::string::npos) << why;
	}
}

TEST(HostMatchesTest, names_and_leading_stars) {
	struct Row {
		std::vector<std::string> hosts;
		const char *host;
		bool does_match;
	};
	const Row table[] = {
		{{"api.example.com"}, "api.example.com", true},
		{{"api.example.com"}, "example.com", false},
		{{"api.example.com"}, "x.api.example.com", false},
		{{"api.example.com"}, "api.example.com.evil.example", false},
		{{"*.example.com"}, "api.example.com", true},
		{{"*.example.com"}, "a.b.example.com", true},
		{{"*.example.com"}, "example.com", false},
		{{"*.example.com"}, ".example.com", false},
		{{"*.example.com"}, "badexample.com", false},
		{{"*.example.com"}, "example.com.evil.example", false},
		{{"*.example.com"}, "", false},
		{{"*"}, "api.example.com", false},
		{{"api.*"}, "api.example.com", false},
		{{"a.example", "*.b.example"}, "x.b.example", true},
		{{"a.example", "*.b.example"}, "a.example", true},
		{{"a.example", "*.b.example"}, "c.example", false},
		{{"127.0.0.1"}, "127.0.0.1", true},
		{{"127.0.0.1"}, "127.0.0.10", false},
		{{"[2606:4700::1111]"}, "2606:4700:0::1111", true},
		{{"2606:4700::1111"}, "2606:4700::1112", false},
		{{}, "api.example.com", false},
	};
	for (const Row &row : table)
		EXPECT_EQ(host_matches(row.hosts, row.host), row.does_match)
			<< (row.hosts.empty() ? "" : row.hosts.front()) << " " << row.host;
}

}  // namespace
}  // namespace sequin::http
