// The parts `hosts`, `http` and `check` of a manifest: where traffic goes and in what frame.
// Scope: any.
#include <algorithm>

#include "core/manifest_parts.h"

namespace sequin::manifest {

namespace {

constexpr std::string_view kHttps = "https://";
constexpr size_t kHostBytes = 253, kLabelBytes = 63;
constexpr int64_t kLongestTimeoutUs = int64_t{3600} * 1000000;

std::vector<std::string_view> labels_of(std::string_view host) {
	std::vector<std::string_view> labels;
	for (size_t dot; (dot = host.find('.')) != std::string_view::npos; host.remove_prefix(dot + 1))
		labels.push_back(host.substr(0, dot));
	labels.push_back(host);
	return labels;
}

bool is_label(std::string_view label) noexcept {
	if (label.empty() || label.size() > kLabelBytes || label.front() == '-' || label.back() == '-')
		return false;
	return std::all_of(label.begin(), label.end(), [](char c) {
		return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
	});
}

bool is_host(std::string_view host) {
	const std::vector<std::string_view> labels = labels_of(host);
	return host.size() <= kHostBytes && std::all_of(labels.begin(), labels.end(), is_label);
}

bool is_suffix(std::string_view suffix) {
	const std::string_view last = labels_of(suffix).back();
	return is_host(suffix) && labels_of(suffix).size() >= 2 &&
	       last.find_first_not_of("0123456789") != std::string_view::npos;
}

void check_host(const Node &node, const std::string &host) {
	if (lower_case(host) != host)
		node.fail("host " + quoted(host) + " has upper-case letters", "Write it in lower case.");
	const bool is_wildcard = host.rfind("*.", 0) == 0;
	if (is_wildcard && !is_suffix(std::string_view(host).substr(2)))
		node.fail("host " + quoted(host) + " is too wide",
		          "Keep at least two labels after the star, as "
		          "in \"*.example.com\".");
	if (!is_wildcard && !is_host(host))
		node.fail(
			"host " + quoted(host) + " is not a host name",
			"Write the name alone, without scheme, port or path; a star only as leading \"*.\".");
}

bool is_inside(const std::vector<std::string> &hosts, std::string_view host) {
	return std::any_of(hosts.begin(), hosts.end(), [&](const std::string &allowed) {
		if (allowed.rfind("*.", 0) != 0)
			return host == allowed;
		const std::string_view suffix = std::string_view(allowed).substr(1);
		return host.size() > suffix.size() && host.substr(host.size() - suffix.size()) == suffix;
	});
}

std::string read_base_url(const Manifest &manifest, const Node &node) {
	std::string url = read_template(node, {manifest, Credentials::kOfEveryKind});
	while (!url.empty() && url.back() == '/')
		url.pop_back();
	const size_t first = url.find("${");
	if (first == 0)
		return url;  // a whole URL from the credential or a setting
	if (url.rfind(kHttps, 0) != 0)
		node.fail("URL " + quoted(url) + " is not https", "Begin with https://.");
	if (first != std::string::npos)
		return url;  // `hosts` is checked when it is filled
	const std::string rest = url.substr(kHttps.size());
	if (rest.find_first_of("@?# ") != std::string::npos)
		node.fail("URL " + quoted(url) + " has more than scheme, host, port and path",
		          "Leave user, query and fragment out.");
	const std::string authority = rest.substr(0, rest.find('/'));
	const std::string host = authority.substr(0, authority.find(':'));
	const std::string port = authority.substr(host.size());
	if (port.size() == 1 || port.size() > 6 ||
	    port.find_first_not_of("0123456789", 1) != std::string::npos)
		node.fail("URL " + quoted(url) + " has a port that is not a number",
		          "Write host or host:443.");
	if (!is_inside(manifest.hosts, host))
		node.fail("host " + quoted(host) + " is not in hosts",
		          "Add it to hosts: credentials go to these "
		          "hosts only.");
	return url;
}

NameValues read_headers(const Manifest &manifest, const Node &http) {
	NameValues headers;
	const std::optional<Node> list = http.maybe("headers");
	if (!list)
		return headers;
	std::vector<std::string> taken;
	for (const auto &[name, node] : list->members()) {
		const std::string lower = Node(Json::string(name), node.path()).header_name();
		const std::string key = lower_case(lower);
		if (key == "host" || key == "content-length" || key == "transfer-encoding" ||
		    key == "connection")
			node.fail("header " + quoted(name) + " belongs to the transport", "Leave it out.");
		if (std::find(taken.begin(), taken.end(), key) != taken.end())
			node.fail("header " + quoted(name) + " stands here twice", "Leave the second one out.");
		taken.push_back(key);
		headers.emplace_back(name, read_template(node, {manifest, Credentials::kOfEveryKind}));
	}
	return headers;
}

void read_timeout(const Node &owner, std::string_view key, int &timeout_ms) {
	const std::optional<Node> node = owner.maybe(key);
	if (!node)
		return;
	const int64_t us = node->duration_us(1000);
	if (us > kLongestTimeoutUs)
		node->fail("timeout is longer than an hour", "Write at most 1h.");
	timeout_ms = static_cast<int>(us / 1000);
}

void read_check(Manifest &manifest, const Node &root) {
	const std::optional<Node> node = root.maybe("check");
	if (!node)
		return;
	node->expect_keys({"path", "query", "account"});
	CheckSpec check;
	check.path = read_path(node->must("path", "Say which read proves a credential."), {manifest});
	check.query = read_query(node->maybe("query"), {manifest});
	check.account = maybe_jsonpath(manifest, *node, "account");
	manifest.check = std::move(check);
}

}  // namespace

void read_hosts(Manifest &manifest, const Node &root) {
	const Node hosts = root.must("hosts", "Name the hosts that credentials may go to.");
	manifest.hosts = hosts.texts();
	for (const Node &host : hosts.elements())
		check_host(host, host.text());
}

void read_http(Manifest &manifest, const Node &root) {
	const Node node = root.must("http", "Say where the API is: {\"base_url\": \"https://...\"}.");
	node.expect_keys({"base_url", "headers", "timeout", "max_response", "max_values", "max_depth",
	                  "request_id", "page_bytes"});
	HttpSpec &http = manifest.http;
	http.base_url = read_base_url(manifest, node.must("base_url", "Say where the API is."));
	http.headers = read_headers(manifest, node);
	if (const auto timeout = node.maybe("timeout")) {
		timeout->expect_keys({"connect", "read", "total"});
		read_timeout(*timeout, "connect", http.connect_timeout_ms);
		read_timeout(*timeout, "read", http.read_timeout_ms);
		read_timeout(*timeout, "total", http.total_timeout_ms);
	}
	if (const auto size = node.maybe("max_response"))
		http.max_response_bytes = size->size_bytes();
	if (const auto values = node.maybe("max_values"))
		http.max_values = values->integer(1000, 100000000);
	if (const auto depth = node.maybe("max_depth"))
		http.max_depth = static_cast<int>(depth->integer(2, 1000));
	if (const auto header = node.maybe("request_id"))
		http.request_id = lower_case(header->header_name());
	if (const auto size = node.maybe("page_bytes"))
		http.page_bytes = size->size_bytes();
	read_check(manifest, root);
}

}  // namespace sequin::manifest
