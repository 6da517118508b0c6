// What many parts of a manifest share: templates, jsonpaths, parameters, times.
// Scope: any.
#include <algorithm>

#include "core/error.h"
#include "core/manifest_parts.h"
#include "core/scanner.h"
#include "core/template.h"

namespace sequin::manifest {

namespace {

constexpr size_t kJsonPathBytes = 1000;
constexpr std::string_view kCred = "cred.", kSettings = "settings.";

bool has_default(const Placeholder &placeholder) {
	return std::any_of(placeholder.filters.begin(), placeholder.filters.end(),
	                   [](const std::string &filter) { return filter.rfind("default:", 0) == 0; });
}

bool declares(const AuthSpec &auth, std::string_view name) {
	return std::any_of(auth.secrets.begin(), auth.secrets.end(),
	                   [&](const SecretSpec &secret) { return secret.name == name; }) ||
	       std::any_of(auth.properties.begin(), auth.properties.end(),
	                   [&](const PropertySpec &property) { return property.name == name; });
}

// Of several kinds any may be in use: a name must be in each, or have a default.
bool offers_credential(const Offer &offer, const Placeholder &placeholder, std::string_view name) {
	if (offer.credentials == Credentials::kNone)
		return false;
	if (offer.credentials == Credentials::kOfKind)
		return declares(*offer.auth, name);
	const auto has_it = [&](const AuthSpec &auth) { return declares(auth, name); };
	const std::vector<AuthSpec> &kinds = offer.manifest.auth;
	return has_default(placeholder) ? std::any_of(kinds.begin(), kinds.end(), has_it)
	                                : std::all_of(kinds.begin(), kinds.end(), has_it);
}

bool offers_key_part(const Offer &offer, std::string_view name) {
	for (size_t part = 1; part <= offer.key_parts; ++part)
		if (name == "key." + std::to_string(part))
			return true;
	return false;
}

bool is_offered(const Offer &offer, const Placeholder &placeholder) {
	const std::string_view name = placeholder.name;
	if (name.substr(0, kSettings.size()) == kSettings) {
		const auto &settings = offer.manifest.settings;
		return std::any_of(settings.begin(), settings.end(), [&](const SettingSpec &setting) {
			return setting.name == name.substr(kSettings.size());
		});
	}
	if (name.substr(0, kCred.size()) == kCred)
		return offers_credential(offer, placeholder, name.substr(kCred.size()));
	if (name == "key")
		return offer.key_parts > 0;
	if (name == "parent.key")
		return offer.has_parent;
	return offers_key_part(offer, name);
}

void add_credentials(const AuthSpec &auth, std::vector<std::string> &names) {
	const auto add = [&](const std::string &name) {
		if (std::find(names.begin(), names.end(), "cred." + name) == names.end())
			names.push_back("cred." + name);
	};
	for (const SecretSpec &secret : auth.secrets)
		add(secret.name);
	for (const PropertySpec &property : auth.properties)
		add(property.name);
}

std::vector<std::string> offered_names(const Offer &offer) {
	std::vector<std::string> names;
	if (offer.credentials == Credentials::kOfKind)
		add_credentials(*offer.auth, names);
	if (offer.credentials == Credentials::kOfEveryKind)
		for (const AuthSpec &auth : offer.manifest.auth)
			add_credentials(auth, names);
	for (const SettingSpec &setting : offer.manifest.settings)
		names.push_back("settings." + setting.name);
	if (offer.key_parts > 0)
		names.emplace_back("key");
	for (size_t part = 1; part <= offer.key_parts; ++part)
		names.push_back("key." + std::to_string(part));
	if (offer.has_parent)
		names.emplace_back("parent.key");
	return names;
}

std::string hint_for(const Offer &offer, const std::string &name) {
	if (name.rfind("cred.", 0) == 0 && offer.credentials == Credentials::kNone)
		return "Use credentials in auth and http only.";
	const std::vector<std::string> names = offered_names(offer);
	if (std::find(names.begin(), names.end(), name) != names.end())
		return "Declare it in every kind of auth, or give it |default:'x'.";
	return suggestion(name, names);
}

// Where the parenthesis of the filter stands whose question mark is at `at`, or npos.
size_t filter_open(std::string_view path, size_t at) noexcept {
	if (path[at] != '?')
		return std::string_view::npos;
	const size_t next = path.find_first_not_of(" ", at + 1);
	return next != std::string_view::npos && path[next] == '(' ? next : std::string_view::npos;
}

// The text without string literals and without filters, in which operators mean what they say.
std::string bare_jsonpath(std::string_view path) {
	std::string bare;
	int filter_depth = 0;
	for (size_t i = 0; i < path.size(); ++i) {
		if (path[i] == '"') {
			for (++i; i < path.size() && path[i] != '"'; ++i)
				if (path[i] == '\\')
					++i;
			bare += ' ';
		} else if (const size_t open = filter_open(path, i); open != std::string_view::npos) {
			++filter_depth;
			i = open;
		} else if (filter_depth > 0) {
			filter_depth += path[i] == '(' ? 1 : path[i] == ')' ? -1 : 0;
		} else {
			bare += path[i];
		}
	}
	return bare;
}

bool looks_like_predicate(std::string_view path) {
	const std::string bare = bare_jsonpath(path);
	for (const char *mark :
	     {"==", "!", "<", ">", "&&", "||", "exists", "like_regex", "starts", "unknown"})
		if (bare.find(mark) != std::string::npos)
			return true;
	return false;
}

bool is_member_path(std::string_view path) noexcept {
	if (path.empty() || path.front() == '.' || path.back() == '.')
		return false;
	return path.find("..") == std::string_view::npos && !has_control(path);
}

}  // namespace

void check_template(const Node &node, std::string_view text, const Offer &offer) {
	std::vector<Placeholder> found;
	try {
		found = placeholders(text);
	} catch (const Error &error) {
		node.fail(error.what(), error.hint());
	}
	for (const Placeholder &placeholder : found)
		if (!is_offered(offer, placeholder))
			node.fail("unknown name " + quoted(placeholder.name),
			          hint_for(offer, placeholder.name));
}

std::string read_template(const Node &node, const Offer &offer) {
	std::string text = node.text_or_empty();
	if (has_control(text))
		node.fail("has control characters", "Leave line breaks and tabs out.");
	check_template(node, text, offer);
	return text;
}

std::string read_path(const Node &node, const Offer &offer) {
	std::string path = read_template(node, offer);
	if (path.empty() || path.front() != '/')
		node.fail("path " + quoted(path) + " does not begin with /",
		          "Write the path that follows http.base_url.");
	std::string outside;  // of placeholders
	for (size_t i = 0; i < path.size(); ++i) {
		if (path.compare(i, 2, "${") == 0)
			i = std::min(path.find('}', i), path.size());
		else
			outside += path[i];
	}
	if (outside.find_first_of("?# ") != std::string::npos)
		node.fail("path " + quoted(path) + " has a character that cannot stand in a path",
		          "Put parameters into query, and write a blank as %20.");
	return path;
}

NameValues read_query(const std::optional<Node> &node, const Offer &offer) {
	NameValues query;
	if (!node)
		return query;
	for (const auto &[name, value] : node->members()) {
		if (name.empty() || has_control(name) || name.find("${") != std::string::npos)
			value.fail(quoted(name) + " is not the name of a parameter",
			           "Use the parameter's own name; only values are templates.");
		if (value.value().is_string())
			query.emplace_back(name, read_template(value, offer));
		else
			query.emplace_back(name, value.scalar());
	}
	return query;
}

bool uses_name(std::string_view text, std::string_view name) {
	for (const Placeholder &placeholder : placeholders(text))
		if (placeholder.name == name || placeholder.name.rfind(std::string(name) + ".", 0) == 0)
			return true;
	return false;
}

bool uses_name(const NameValues &query, std::string_view name) {
	return std::any_of(query.begin(), query.end(),
	                   [&](const auto &parameter) { return uses_name(parameter.second, name); });
}

std::string read_jsonpath(Manifest &manifest, const Node &node, JsonPathIs is) {
	std::string path = node.text();
	if (path.size() > kJsonPathBytes)
		node.fail("jsonpath is longer than " + std::to_string(kJsonPathBytes) + " bytes",
		          "Shorten it.");
	if (path.find('$') == std::string::npos || has_control(path))
		node.fail(quoted(path) + " is not a jsonpath", "Begin with $, as in \"$.id\".");
	if (is == JsonPathIs::kPredicate && !looks_like_predicate(path))
		node.fail(quoted(path) + " is not a predicate", "Compare it, as in \"$.deleted == true\".");
	manifest.jsonpaths.push_back({node.path(), path, is == JsonPathIs::kPredicate});
	return path;
}

std::string maybe_jsonpath(Manifest &manifest, const Node &owner, std::string_view key,
                           JsonPathIs is) {
	const std::optional<Node> node = owner.maybe(key);
	return node ? read_jsonpath(manifest, *node, is) : std::string();
}

std::string read_records(Manifest &manifest, const Node &node) {
	std::string path = read_jsonpath(manifest, node);
	if (!is_plain_records_path(path))
		node.fail(quoted(path) + " is not a plain member path ending in [*]",
		          "Write \"$[*]\", \"$.data[*]\" or \"$.a.b[*]\", without filters.");
	return path;
}

TimeAs read_time_as(const Node &node) {
	return static_cast<TimeAs>(node.one_of({"epoch", "epoch_ms", "rfc3339", "date"}));
}

TimePath read_time_path(Manifest &manifest, const Node &node) {
	node.expect_keys({"path", "as"});
	TimePath time;
	time.path = read_jsonpath(manifest, node.must("path", "Say where the time stands."));
	time.as =
		read_time_as(node.must("as", "Write epoch, epoch_ms, rfc3339 or date: a number does not "
	                                 "say its unit."));
	return time;
}

Into read_into(const Node &node) {
	const std::string text = node.text();
	const size_t dot = text.find('.');
	const std::string place = text.substr(0, dot);
	const std::string name = dot == std::string::npos ? "" : text.substr(dot + 1);
	if (place == "query" && !name.empty() && !has_control(name))
		return {Into::Place::kQuery, name};
	if (place == "body" && is_member_path(name))
		return {Into::Place::kBody, name};
	node.fail(quoted(text) + " is not a place in a request",
	          "Write query.<name> or body.<member path>.");
}

PollSpec read_poll(const std::optional<Node> &node) {
	PollSpec poll;
	if (!node)
		return poll;
	node->expect_keys({"active", "quiet"});
	const std::optional<Node> active = node->maybe("active"), quiet = node->maybe("quiet");
	if (active)
		poll.active_us = active->duration_us(kMoreThanZero);
	if (quiet)
		poll.quiet_us = quiet->duration_us(kMoreThanZero);
	if (active && quiet && poll.active_us > poll.quiet_us)
		node->fail("active is slower than quiet", "Write the shorter time at active.");
	if (!quiet)
		poll.quiet_us = std::max(poll.quiet_us, poll.active_us);
	if (!active)
		poll.active_us = std::min(poll.active_us, poll.quiet_us);
	return poll;
}

int64_t read_duration(const Node &owner, std::string_view key, const std::string &why,
                      int64_t least_us) {
	return owner.must(key, why).duration_us(least_us);
}

}  // namespace sequin::manifest
