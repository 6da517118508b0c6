// Composing requests. Where each value may come from and how it is encoded for its place.
// Scope: any.
#include "core/request.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "core/template.h"
#include "core/url.h"

namespace sequin {

namespace {

#ifdef SEQUIN_VERSION
constexpr char kUserAgent[] = "sequin/" SEQUIN_VERSION;
#else
constexpr char kUserAgent[] = "sequin/dev";
#endif

constexpr std::string_view kCred = "cred.", kSettings = "settings.";

bool begins_with(std::string_view text, std::string_view start) noexcept {
	return text.substr(0, start.size()) == start;
}

// ---- names ----

std::optional<std::string> value_of(const std::map<std::string, std::string> &values,
                                    std::string_view name) {
	const auto found = values.find(std::string(name));
	if (found == values.end())
		return std::nullopt;
	return found->second;
}

// What paths, parameters and bodies may name: they show in logs, so no credential.
Lookup names_of_call(const Access &access, const CallSpec &call) {
	return [&](std::string_view name) -> std::optional<std::string> {
		if (begins_with(name, kSettings))
			return value_of(access.settings, name.substr(kSettings.size()));
		return value_of(call.names, name);
	};
}

bool is_secret(const Access &access, std::string_view name) {
	const std::vector<std::string> &names = access.secret_names;
	return std::find(names.begin(), names.end(), name) != names.end();
}

// What auth, base URL and headers may name. `has_secret` becomes true when a secret was read.
Lookup names_of_credential(const Access &access, bool &has_secret) {
	return [&](std::string_view name) -> std::optional<std::string> {
		if (begins_with(name, kSettings))
			return value_of(access.settings, name.substr(kSettings.size()));
		if (!begins_with(name, kCred))
			return std::nullopt;
		name.remove_prefix(kCred.size());
		has_secret = has_secret || is_secret(access, name);
		return value_of(access.values, name);
	};
}

const AuthSpec &auth_of(const Manifest &manifest, const Access &access) {
	const AuthSpec *const auth = manifest.auth_kind(access.kind);
	if (auth == nullptr)
		throw Error("22023", "provider \"" + manifest.provider + "\" has no credential kind \"" +
		                         access.kind + "\"");
	for (const SecretSpec &secret : auth->secrets) {
		const std::optional<std::string> value = value_of(access.values, secret.name);
		if (!secret.is_optional && (!value || value->empty()))
			throw Error("SQ003", "credential has no value for \"" + secret.name + "\"", {},
			            "Give it with update_credential.");
	}
	return *auth;
}

// ---- URL ----

// A value may name a host or a part of it, and must not be able to end it. Where the template
// begins with a placeholder, the value is a whole URL.
std::string fill_base_url(const std::string &text, const Access &access) {
	bool has_secret = false;
	const Lookup lookup = names_of_credential(access, has_secret);
	const std::string_view also = begins_with(text, "${") ? ":/" : "";
	return fill(text, Place::kPlain, [&](std::string_view name) {
		const std::optional<std::string> value = lookup(name);
		const auto fits = [&](char byte) {
			return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
			       (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
			       byte == '~' || also.find(byte) != std::string_view::npos;
		};
		if (value && !std::all_of(value->begin(), value->end(), fits))
			throw Error("22023",
			            "value of \"" + std::string(name) + "\" cannot stand in the base URL", {},
			            "Use letters, digits, dots and hyphens only.");
		return value;
	});
}

Url base_of(const Manifest &manifest, const Access &access) {
	Url base = parse_url(access.base_url.empty() ? fill_base_url(manifest.http.base_url, access)
	                                             : access.base_url);
	if (!base.query.empty())
		throw Error("22023", "base URL has a query", {}, "Leave everything from the ? on out.");
	while (!base.path.empty() && base.path.back() == '/')
		base.path.pop_back();
	return base;
}

// A link without scheme and host, on the base URL.
Url resolve_link(const Url &base, std::string_view link) {
	if (begins_with(link, "//"))
		return parse_url(base.scheme + ":" + std::string(link));
	if (!begins_with(link, "/"))
		throw Error("22023", "link \"" + public_url(link).substr(0, 200) + "\" is relative",
		            "A link must be a URL, or a path that begins with /.");
	const bool has_prefix = begins_with(link, base.path) &&
	                        (link.size() == base.path.size() || link[base.path.size()] == '/' ||
	                         link[base.path.size()] == '?');
	return parse_url(base.origin() + (has_prefix ? "" : base.path) + std::string(link));
}

Url target_of(const Url &base, const CallSpec &call, const Lookup &lookup) {
	const bool is_absolute = is_absolute_url(call.path);
	if (!is_absolute && !call.is_link) {
		const std::string path = fill(call.path, Place::kPathSegment, lookup);
		return parse_url(base.origin() + base.path + (begins_with(path, "/") ? "" : "/") + path);
	}
	Url url = is_absolute ? parse_url(call.path) : resolve_link(base, call.path);
	if (url.origin() != base.origin())
		throw Error("22023",
		            "link leads to \"" + url.origin() + "\" and not to \"" + base.origin() + "\"",
		            "Credentials do not follow links to other hosts.");
	return url;
}

// ---- parameters ----

int hex_value(char digit) noexcept {
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

std::string decode_name(std::string_view text) {
	std::string out;
	for (size_t at = 0; at < text.size(); ++at) {
		const bool is_escape = text[at] == '%' && at + 2 < text.size() &&
		                       hex_value(text[at + 1]) >= 0 && hex_value(text[at + 2]) >= 0;
		if (is_escape) {
			out.push_back(
				static_cast<char>(hex_value(text[at + 1]) * 16 + hex_value(text[at + 2])));
			at += 2;
		} else {
			out.push_back(text[at] == '+' ? ' ' : text[at]);
		}
	}
	return out;
}

// The parameters of a URL, in order. Those that came with a link stay as they were written.
class Query final {
public:
	explicit Query(std::string_view raw) {
		while (!raw.empty()) {
			const size_t end = std::min(raw.find('&'), raw.size());
			const std::string_view pair = raw.substr(0, end);
			raw.remove_prefix(std::min(end + 1, raw.size()));
			if (!pair.empty())
				pairs_.emplace_back(decode_name(pair.substr(0, pair.find('='))), pair);
		}
		linked_ = pairs_.size();
	}

	// Template values: the text around placeholders needs the encoding of the place as well.
	void add(const NameValues *values, const Lookup &lookup) {
		if (values == nullptr)
			return;
		for (const auto &[name, value] : *values) {
			if (!is_linked(name))
				pairs_.emplace_back(name, encode(name, fill(value, Place::kPlain, lookup)));
		}
	}

	void set(const std::string &name, std::string_view value) {
		const auto has_name = [&](const auto &pair) { return pair.first == name; };
		const auto first = std::find_if(pairs_.begin(), pairs_.end(), has_name);
		if (first == pairs_.end()) {
			pairs_.emplace_back(name, encode(name, value));
			return;
		}
		first->second = encode(name, value);
		pairs_.erase(std::remove_if(std::next(first), pairs_.end(), has_name), pairs_.end());
		linked_ = std::min(linked_, pairs_.size());
	}

	std::string text() const {
		std::string out;
		for (const auto &pair : pairs_)
			out.append(out.empty() ? "" : "&").append(pair.second);
		return out;
	}

private:
	bool is_linked(const std::string &name) const {
		const auto end = pairs_.begin() + static_cast<std::ptrdiff_t>(linked_);
		return std::any_of(pairs_.begin(), end,
		                   [&](const auto &pair) { return pair.first == name; });
	}

	static std::string encode(std::string_view name, std::string_view value) {
		return percent_encode(name) + "=" + percent_encode(value);
	}

	std::vector<std::pair<std::string, std::string>> pairs_;  // name, whole text
	size_t linked_ = 0;                                       // the first ones, from a link
};

// ---- body ----

bool is_same(const Into &one, const Into &other) noexcept {
	return one.place == other.place && one.name == other.name;
}

bool is_number_in(const PagingSpec &paging, const Into &into) noexcept {
	return is_same(paging.size_into, into) ||
	       ((paging.kind == PagingKind::kPage || paging.kind == PagingKind::kOffset) &&
	        is_same(paging.into, into));
}

// Values come as text; whether the API wants a number only the manifest can tell.
bool takes_number(const Manifest &manifest, const Into &into) noexcept {
	return std::any_of(manifest.collections.begin(), manifest.collections.end(),
	                   [&](const auto &spec) { return is_number_in(spec.paging, into); }) ||
	       std::any_of(manifest.feeds.begin(), manifest.feeds.end(),
	                   [&](const auto &spec) { return is_number_in(spec.paging, into); });
}

// The value as the type of what stands in its place.
Json typed(const Json &old, const std::string &value, bool is_number) {
	if (old.is_boolean() && (value == "true" || value == "false"))
		return Json::boolean(value == "true");
	int64_t number = 0;
	const char *const end = value.data() + value.size();
	const auto [stop, error] = std::from_chars(value.data(), end, number);
	const bool is_integer = error == std::errc() && stop == end && !value.empty();
	if (is_integer && (old.is_number() || (old.is_null() && is_number)))
		return Json::integer(number);
	return Json::string(value);
}

// Values are shared inside a document, so what is set in a part of it is set in the whole.
void set_member(Json node, std::string_view path, const std::string &value, bool is_number) {
	const size_t dot = path.find('.');
	const std::string_view name = path.substr(0, dot);
	if (dot == std::string_view::npos) {
		node.set(name, typed(node.get(name), value, is_number));
		return;
	}
	Json member = node.get(name);
	if (node.is_array()) {
		size_t index = 0;
		const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), index);
		if (error != std::errc() || stop != name.data() + name.size() || index >= node.size())
			throw Error("22023", "\"" + std::string(name) + "\" is no element of the array there");
		member = node.at(index);
	} else if (member.is_null()) {
		member = Json::object();
		node.set(name, member);
	}
	set_member(member, path.substr(dot + 1), value, is_number);
}

std::string compose_body(const Manifest &manifest, const CallSpec &call, const Lookup &lookup) {
	const auto is_in_body = [](const auto &set) { return set.first.place == Into::Place::kBody; };
	if (call.body.empty() && std::none_of(call.set.begin(), call.set.end(), is_in_body))
		return {};
	const std::string text = call.body.empty() ? "{}" : fill(call.body, Place::kJson, lookup);
	try {
		Json body = Json::parse(text);
		for (const auto &[into, value] : call.set) {
			if (into.place == Into::Place::kBody)
				set_member(body, into.name, value, takes_number(manifest, into));
		}
		return body.dump();
	} catch (const Error &error) {
		throw Error("22023", "could not compose the body of a request",
		            std::string("The reason is: ") + error.what() + ".");
	}
}

// ---- headers ----

char lower(char byte) noexcept {
	return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

bool is_same_header(std::string_view one, std::string_view other) noexcept {
	return one.size() == other.size() &&
	       std::equal(one.begin(), one.end(), other.begin(),
	                  [](char left, char right) { return lower(left) == lower(right); });
}

void set_header(http::Headers &headers, const std::string &name, std::string value) {
	for (auto &header : headers) {
		if (is_same_header(header.first, name)) {
			header.second = std::move(value);
			return;
		}
	}
	headers.emplace_back(name, std::move(value));
}

void add_headers(const Manifest &manifest, const Access &access, http::Request &request) {
	request.headers.emplace_back("Accept", "application/json");
	request.headers.emplace_back("User-Agent", kUserAgent);
	if (!request.body.empty())
		request.headers.emplace_back("Content-Type", "application/json");
	for (const auto &[name, value] : manifest.http.headers) {
		bool has_secret = false;
		set_header(request.headers, name,
		           fill(value, Place::kHeader, names_of_credential(access, has_secret)));
		if (has_secret)
			request.secret_headers.push_back(name);
	}
}

void set_secret_header(http::Request &request, const std::string &name, std::string value) {
	set_header(request.headers, name, std::move(value));
	const auto has_name = [&](const std::string &other) { return is_same_header(other, name); };
	if (std::none_of(request.secret_headers.begin(), request.secret_headers.end(), has_name))
		request.secret_headers.push_back(name);
}

std::string basic_value(const AuthSpec &auth, const Lookup &lookup) {
	const std::string user = fill(auth.user, Place::kPlain, lookup);
	if (user.find(':') != std::string::npos)
		throw Error("22023", "user of a basic credential has a colon", {},
		            "Give the user without the password.");
	return "Basic " + base64_encode(user + ":" + fill(auth.password, Place::kPlain, lookup));
}

void sign(const AuthSpec &auth, const Access &access, http::Request &request, Query &query) {
	bool has_secret = false;
	const Lookup lookup = names_of_credential(access, has_secret);
	switch (auth.method) {
	case AuthMethod::kNone:
		return;
	case AuthMethod::kBearer:
		set_secret_header(request, "Authorization",
		                  "Bearer " + fill(auth.token, Place::kHeader, lookup));
		return;
	case AuthMethod::kBasic:
		set_secret_header(request, "Authorization", basic_value(auth, lookup));
		return;
	case AuthMethod::kApiKey:
		break;
	}
	const std::string key = "${cred." + auth.secrets.at(0).name + "}";
	if (auth.in_query)
		query.set(auth.name, auth.prefix + fill(key, Place::kPlain, lookup));
	else
		set_secret_header(request, auth.name, auth.prefix + fill(key, Place::kHeader, lookup));
}

void set_limits(const HttpSpec &http, http::Limits &limits) {
	limits.connect_timeout_ms = http.connect_timeout_ms;
	limits.read_timeout_ms = http.read_timeout_ms;
	limits.total_timeout_ms = http.total_timeout_ms;
	limits.max_body_bytes = http.max_response_bytes;
	limits.max_json_values = http.max_values;
	limits.max_json_depth = http.max_depth;
}

}  // namespace

http::Request make_request(const Manifest &manifest, const Access &access, const CallSpec &call) {
	const AuthSpec &auth = auth_of(manifest, access);
	const Url base = base_of(manifest, access);
	const Lookup lookup = names_of_call(access, call);

	http::Request request;
	request.method = call.method;
	set_limits(manifest.http, request.limits);
	request.hosts = access.base_url.empty() ? manifest.hosts : std::vector<std::string>{base.host};

	Url url = target_of(base, call, lookup);
	Query query(url.query);
	query.add(call.query, lookup);
	query.add(call.more_query, lookup);
	for (const auto &[into, value] : call.set) {
		if (into.place == Into::Place::kQuery)
			query.set(into.name, value);
	}
	request.body = compose_body(manifest, call, lookup);
	add_headers(manifest, access, request);
	sign(auth, access, request, query);
	url.query = query.text();
	request.url = url.text();
	return request;
}

std::string public_url(std::string_view url) {
	url = url.substr(0, url.find_first_of("?#"));
	const size_t scheme_end = url.find("://");
	if (scheme_end == std::string_view::npos)
		return std::string(url);
	const size_t authority = scheme_end + 3;
	const size_t path = std::min(url.find_first_of("/\\", authority), url.size());
	const size_t user_end = url.substr(0, path).rfind('@');
	std::string out(url.substr(0, authority));
	const bool has_user = user_end != std::string_view::npos && user_end >= authority;
	return out.append(url.substr(has_user ? user_end + 1 : authority));
}

}  // namespace sequin
