// The parts `settings` and `auth` of a manifest: what a user gives, and how it is presented.
// Scope: any.
#include <algorithm>
#include <regex>

#include "core/manifest_parts.h"

namespace sequin::manifest {

namespace {

constexpr size_t kSpellingBytes = 63;

// Names and other spellings of one kind must not collide: a user's key means one thing.
class Spellings {
public:
	void add(const Node &node, const std::string &spelling) {
		if (spelling.size() > kSpellingBytes || has_control(spelling))
			node.fail(quoted(spelling) + " is not a name", "Use at most 63 printable characters.");
		if (std::find(taken_.begin(), taken_.end(), spelling) != taken_.end())
			node.fail(quoted(spelling) + " names two values of this kind",
			          "Give each secret and each property a name of its own.");
		taken_.push_back(spelling);
	}

	void check_slug(const Node &node, const std::string &name) {
		if (!is_slug(name))
			node.fail(quoted(name) + " is not a name",
			          "Use lower-case letters, digits and _, a letter first, at most 63 in all.");
		add(node, name);
	}

	std::vector<std::string> add_also(const Node &owner) {
		const std::optional<Node> also = owner.maybe("also");
		if (!also)
			return {};
		std::vector<std::string> spellings = also->texts();
		for (const std::string &spelling : spellings)
			add(*also, spelling);
		return spellings;
	}

private:
	std::vector<std::string> taken_;
};

std::vector<SecretSpec> read_secrets(const Node &auth, Spellings &spellings) {
	std::vector<SecretSpec> secrets;
	for (const auto &[name, node] :
	     auth.must("secrets", "Name what the user must give.").members()) {
		spellings.check_slug(node, name);
		node.expect_keys({"also", "pattern", "hint", "optional"});
		SecretSpec secret;
		secret.name = name;
		secret.also = spellings.add_also(node);
		if (const auto pattern = node.maybe("pattern"))
			secret.pattern = pattern->regex();
		if (const auto hint = node.maybe("hint"))
			secret.hint = hint->text();
		if (const auto optional = node.maybe("optional"))
			secret.is_optional = optional->boolean();
		secrets.push_back(std::move(secret));
	}
	if (secrets.empty())
		auth.fail("has no secret", "Name at least one in secrets, or use method none.");
	// jsonb keeps no order of keys: what "the first secret" is must not hang on it.
	std::stable_partition(secrets.begin(), secrets.end(),
	                      [](const SecretSpec &secret) { return !secret.is_optional; });
	return secrets;
}

std::vector<PropertySpec> read_properties(const Node &auth, Spellings &spellings) {
	std::vector<PropertySpec> properties;
	const std::optional<Node> list = auth.maybe("properties");
	if (!list)
		return properties;
	for (const auto &[name, node] : list->members()) {
		spellings.check_slug(node, name);
		node.expect_keys({"also"});
		properties.push_back({name, spellings.add_also(node)});
	}
	return properties;
}

void read_api_key(const Node &node, AuthSpec &auth) {
	auth.in_query = node.must("in", "Say header or query.").one_of({"header", "query"}) == 1;
	const Node name = node.must("name", "Say which header or parameter carries the key.");
	auth.name = auth.in_query ? name.text() : name.header_name();
	if (const auto prefix = node.maybe("prefix")) {
		auth.prefix = prefix->text_or_empty();
		if (has_control(auth.prefix))
			prefix->fail("has control characters", "Leave line breaks and tabs out.");
	}
}

void expect_keys_of(const Node &node, AuthMethod method) {
	switch (method) {
	case AuthMethod::kNone:
		node.expect_keys({"method", "properties"}, "method \"none\"");
		break;
	case AuthMethod::kBearer:
		node.expect_keys({"method", "secrets", "properties", "token"}, "method \"bearer\"");
		break;
	case AuthMethod::kApiKey:
		node.expect_keys({"method", "secrets", "properties", "in", "name", "prefix"},
		                 "method \"api_key\"");
		break;
	case AuthMethod::kBasic:
		node.expect_keys({"method", "secrets", "properties", "user", "password"},
		                 "method \"basic\"");
		break;
	}
}

// The first secret is presented where nothing else is said; so it must be clear which one it is.
void expect_one_first(const Node &node, const std::vector<SecretSpec> &secrets) {
	const auto same_rank = [&](const SecretSpec &secret) {
		return secret.is_optional == secrets[0].is_optional;
	};
	if (std::count_if(secrets.begin(), secrets.end(), same_rank) > 1)
		node.fail("does not say which of its secrets is presented",
		          "Mark the other secrets \"optional\": true, or with bearer write token.");
}

AuthSpec read_auth_kind(const Manifest &manifest, const std::string &kind, const Node &node) {
	AuthSpec auth;
	auth.kind = kind;
	auth.method = static_cast<AuthMethod>(
		node.must("method", "Say how a request is signed: none, bearer, api_key or basic.")
			.one_of({"none", "bearer", "api_key", "basic"}));
	expect_keys_of(node, auth.method);
	Spellings spellings;
	if (auth.method != AuthMethod::kNone)
		auth.secrets = read_secrets(node, spellings);
	auth.properties = read_properties(node, spellings);

	const Offer offer{manifest, Credentials::kOfKind, &auth};
	if (auth.method == AuthMethod::kBearer) {
		const std::optional<Node> token = node.maybe("token");
		if (!token)
			expect_one_first(node, auth.secrets);
		auth.token = token ? read_template(*token, offer) : "${cred." + auth.secrets[0].name + "}";
		if (auth.token.empty())
			token->fail("empty text", "Leave the key out: the first secret is the token then.");
	}
	if (auth.method == AuthMethod::kApiKey) {
		expect_one_first(node, auth.secrets);
		read_api_key(node, auth);
	}
	if (auth.method == AuthMethod::kBasic) {
		auth.user = read_template(node.must("user", "Say who signs in; \"\" for nobody."), offer);
		auth.password =
			read_template(node.must("password", "Say with what; \"\" for nothing."), offer);
	}
	return auth;
}

}  // namespace

void read_settings(Manifest &manifest, const Node &root) {
	const std::optional<Node> settings = root.maybe("settings");
	if (!settings)
		return;
	for (const auto &[name, node] : settings->members()) {
		if (!is_slug(name))
			node.fail(quoted(name) + " is not a name",
			          "Use lower-case letters, digits and _, a letter first, at most 63 in all.");
		node.expect_keys({"default", "pattern", "description"});
		SettingSpec setting;
		setting.name = name;
		if (const auto pattern = node.maybe("pattern"))
			setting.pattern = pattern->regex();
		if (const auto description = node.maybe("description"))
			setting.description = description->text();
		if (const auto value = node.maybe("default")) {
			setting.default_value = value->scalar();
			setting.has_default = true;
			if (setting.default_value.size() > 1000)
				value->fail("is longer than 1000 bytes", "Shorten it.");
			if (!setting.pattern.empty() &&
			    !std::regex_search(setting.default_value, std::regex(setting.pattern)))
				value->fail("does not match its own pattern", "Change the default or the pattern.");
		}
		manifest.settings.push_back(std::move(setting));
	}
}

void read_auth(Manifest &manifest, const Node &root) {
	const Node auth =
		root.must("auth", "Say how to sign in: {\"<kind>\": {\"method\": ...}}; method none "
	                      "if the API asks for nothing.");
	for (const auto &[kind, node] : auth.members()) {
		if (!is_slug(kind))
			node.fail(quoted(kind) + " is not a name",
			          "Use lower-case letters, digits and _, a letter first, at most 63 in all.");
		manifest.auth.push_back(read_auth_kind(manifest, kind, node));
	}
	if (manifest.auth.empty())
		auth.fail("has no kind", "Write {\"<kind>\": {\"method\": ...}}.");
}

}  // namespace sequin::manifest
