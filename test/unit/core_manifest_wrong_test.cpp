// Tests of core/manifest.h: what a wrong manifest is refused with, collections apart.
#include "core/manifest.h"

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"
#include "manifest_sample.h"
#include "manifest_wrong.h"

namespace sequin {
namespace {

using sample::Wrong;

const Wrong kHead[] = {
	{"manifest", nullptr, "manifest: missing key \"manifest\"", "\"manifest\": 1"},
	{"manifest", "2", "manifest: unknown version of the manifest language", "Write 1."},
	{"manifest", "\"1\"", "manifest: unknown version of the manifest language", "Write 1."},
	{"provider", nullptr, "manifest: missing key \"provider\"", "collection ids"},
	{"provider", "\"Acme\"", "provider: \"Acme\" is not a name", "lower-case"},
	{"provider", "\"\"", "provider: \"\" is not a name", "lower-case"},
	{"provider", "7", "provider: expected string, found integer", "quotes"},
	{"version", nullptr, "manifest: missing key \"version\"", "version of this file"},
	{"version", "2026", "version: expected string, found integer", "quotes"},
	{"title", "\"\"", "title: empty text", "leave the key out"},
	{"collection", "{}", "manifest: unknown key \"collection\"", "Did you mean \"collections\"?"},
	{"htpt", "{}", "manifest: unknown key \"htpt\"", "Did you mean \"http\"?"},
	{"mutations", "{}", "manifest: unknown key \"mutations\"", "Known here are manifest, provider"},
	{"hosts", nullptr, "manifest: missing key \"hosts\"", "credentials may go to"},
	{"hosts", "[]", "hosts: empty list", "at least one"},
	{"hosts", "\"api.acme.test\"", "hosts: expected array, found string", "[value"},
	{"hosts/0", "\"API.acme.test\"", "hosts[0]: host \"API.acme.test\" has upper-case",
     "lower case"},
	{"hosts/0", "\"https://api.acme.test\"", "hosts[0]: host \"https://api.acme.test\" is not",
     "scheme"},
	{"hosts/0", "\"api.acme.test:443\"", "hosts[0]: host \"api.acme.test:443\" is not", "port"},
	{"hosts/0", "\"api..test\"", "hosts[0]: host \"api..test\" is not a host name", "name alone"},
	{"hosts/0", "\"-api.test\"", "hosts[0]: host \"-api.test\" is not a host name", "name alone"},
	{"hosts/0", "\"a.*.test\"", "hosts[0]: host \"a.*.test\" is not a host name", "leading"},
	{"hosts/1", "\"*.test\"", "hosts[1]: host \"*.test\" is too wide", "two labels"},
	{"hosts/1", "\"*\"", "hosts[1]: host \"*\" is not a host name", "leading"},
	{"hosts/1", "\"*.0.0.1\"", "hosts[1]: host \"*.0.0.1\" is too wide", "two labels"},
	{"hosts/1", "\"api.acme.test\"", "hosts[1]: \"api.acme.test\" stands here twice", "second"},
	{"hosts/1", "5", "hosts[1]: expected string, found integer", "quotes"},
};

const Wrong kSettingsAndAuth[] = {
	{"settings/Region", "{}", "settings.Region: \"Region\" is not a name", "lower-case"},
	{"settings/region/defautl", "1", "settings.region: unknown key \"defautl\"", "\"default\""},
	{"settings/region/default", "[]", "settings.region.default: expected string, number or boolean",
     "plain value"},
	{"settings/region/pattern", "\"([a-z\"", "settings.region.pattern: pattern \"([a-z\" is not",
     "ECMAScript"},
	{"settings/api_version/default", "\"x\"", "settings.api_version.default: does not match",
     "pattern"},
	{"auth", nullptr, "manifest: missing key \"auth\"", "sign in"},
	{"auth", "{}", "auth: has no kind", "method"},
	{"auth/acme_key/method", nullptr, "auth.acme_key: missing key \"method\"", "bearer"},
	{"auth/acme_key/method", "\"bearer_token\"",
     "auth.acme_key.method: unknown word \"bearer_token\"", "Did you mean \"bearer\"?"},
	{"auth/acme_key/method", "\"oauth2_code\"",
     "auth.acme_key.method: unknown word \"oauth2_code\"", "none, bearer, api_key and basic"},
	{"auth/acme_key/secrets", nullptr, "auth.acme_key: missing key \"secrets\"", "user must give"},
	{"auth/acme_key/secrets", "{}", "auth.acme_key: has no secret", "method none"},
	{"auth/acme_key/secrets/second_key", "{}", "auth.acme_key: does not say which of its secrets",
     "optional"},
	{"auth/acme_token/secrets/more", "{}", "auth.acme_token: does not say which of its secrets",
     "optional"},
	{"auth/acme_key/prefix", "\"x\"", "auth.acme_key: unknown key \"prefix\" in method \"bearer\"",
     "token"},
	{"auth/acme_key/token", "\"${cred.secret}\"",
     "auth.acme_key.token: unknown name \"cred.secret\"", "cred.secret_key"},
	{"auth/acme_key/token", "\"${cred.password}\"",
     "auth.acme_key.token: unknown name \"cred.password\"", "cred.second_key"},
	{"auth/acme_key/token", "\"${cred.secret_key\"", "auth.acme_key.token: placeholder",
     "Close it"},
	{"auth/acme_key/token", "\"a\\nb\"", "auth.acme_key.token: has control characters",
     "line breaks"},
	{"auth/acme_key/secrets/second_key/optional", "\"yes\"",
     "auth.acme_key.secrets.second_key.optional: expected boolean, found string", "true or false"},
	{"auth/acme_key/secrets/second_key/also", "[\"apiKey\"]",
     "auth.acme_key.secrets.second_key.also: \"apiKey\" names two", "name of its own"},
	{"auth/acme_key/secrets/second_key/pattern", "\"[\"",
     "auth.acme_key.secrets.second_key.pattern: pattern", "ECMAScript"},
	{"auth/acme_key/properties/secret_key", "{}",
     "auth.acme_key.properties.secret_key: \"secret_key\" names two", "name of its own"},
	{"auth/acme_token/in", nullptr, "auth.acme_token: missing key \"in\"", "header or query"},
	{"auth/acme_token/in", "\"cookie\"", "auth.acme_token.in: unknown word \"cookie\"", "query"},
	{"auth/acme_token/name", "\"X Token\"",
     "auth.acme_token.name: \"X Token\" is not a header name", "hyphens"},
	{"auth/acme_login/user", nullptr, "auth.acme_login: missing key \"user\"", "signs in"},
	{"auth/acme_login/user", "\"${settings.regoin}\"",
     "auth.acme_login.user: unknown name \"settings.regoin\"", "Did you mean \"settings.region\"?"},
	{"auth/acme_open/secrets", "{}", "auth.acme_open: unknown key \"secrets\"", "properties"},
};

const Wrong kHttp[] = {
	{"http", nullptr, "manifest: missing key \"http\"", "base_url"},
	{"http/base_url", nullptr, "http: missing key \"base_url\"", "where the API is"},
	{"http/base_url", "\"http://api.acme.test\"",
     "http.base_url: URL \"http://api.acme.test\" is not", "https://"},
	{"http/base_url", "\"https://evil.test\"", "http.base_url: host \"evil.test\" is not in hosts",
     "Add it to hosts"},
	{"http/base_url", "\"https://files.acme.test\"",
     "http.base_url: host \"files.acme.test\" is not in hosts", "Add it"},
	{"http/base_url", "\"https://api.acme.test@evil.test\"", "http.base_url: URL", "user"},
	{"http/base_url", "\"https://api.acme.test?x\"", "http.base_url: URL", "query"},
	{"http/base_url", "\"https://api.acme.test:x\"", "http.base_url: URL", "443"},
	{"http/base_url", "\"https://${settings.regio}.acme.test\"",
     "http.base_url: unknown name \"settings.regio\"", "settings.region"},
	{"http/base_url", "\"http://${settings.region}.acme.test\"", "http.base_url: URL", "https"},
	{"http/base_url", "\"https://${cred.user}.acme.test\"",
     "http.base_url: unknown name \"cred.user\"", "every kind of auth"},
	{"http/headers/X-Key", "\"${key}\"", "http.headers.X-Key: unknown name \"key\"",
     "cred.secret_key"},
	{"http/headers/acme-version", "\"1\"", "http.headers.acme-version: header", "second"},
	{"http/headers/Host", "\"x\"", "http.headers.Host: header \"Host\" belongs to the transport",
     "Leave it out"},
	{"http/headers/a b", "\"x\"", "http.headers.a b: \"a b\" is not a header name", "hyphens"},
	{"http/headers/X-N", "1", "http.headers.X-N: expected string, found integer", "quotes"},
	{"http/timeout/read", "30", "http.timeout.read: expected string, found integer", "quotes"},
	{"http/timeout/read", "\"30 s\"", "http.timeout.read: \"30 s\" is not a duration", "30s"},
	{"http/timeout/read", "\"0s\"", "http.timeout.read: duration \"0s\" is out of range",
     "at least 1ms"},
	{"http/timeout/read", "\"2h\"", "http.timeout.read: timeout is longer than an hour", "1h"},
	{"http/timeout/write", "\"1s\"", "http.timeout: unknown key \"write\"",
     "connect, read and total"},
	{"http/max_response", "\"16 MB\"", "http.max_response: \"16 MB\" is not a size", "16MB"},
	{"http/max_response", "\"2GB\"", "http.max_response: size \"2GB\" is out of range", "1 GB"},
	{"http/max_response", "true", "http.max_response: expected integer or string", "16MB"},
	{"http/page_bytes", "10", "http.page_bytes: 10 is out of range", "1 kB"},
	{"http/max_depth", "1.5", "http.max_depth: expected integer, found number", "whole number"},
	{"http/max_depth", "0", "http.max_depth: 0 is out of range", "from 2 to 1000"},
	{"check/path", nullptr, "check: missing key \"path\"", "proves a credential"},
	{"check/path", "\"account\"", "check.path: path \"account\" does not begin with /", "base_url"},
	{"check/path", "\"/account?x=1\"", "check.path: path \"/account?x=1\" has a character",
     "query"},
	{"check/path", "\"/${cred.account}\"", "check.path: unknown name \"cred.account\"",
     "auth and http"},
	{"check/account", "\"id\"", "check.account: \"id\" is not a jsonpath", "$.id"},
	{"error/code", "\"\"", "error.code: empty text", "leave the key out"},
	{"error/codes", "\"$\"", "error: unknown key \"codes\"", "\"code\""},
};

const Wrong kLimitsAndErrors[] = {
	{"limits", "{}", "limits: expected array, found object", "[value"},
	{"limits/0/name", nullptr, "limits[0]: missing key \"name\"", "health"},
	{"limits/1/name", "\"account\"", "limits[1]: two limits are named \"account\"", "Rename"},
	{"limits/0/rate", "\"80\"", "limits[0].rate: \"80\" is not a rate", "80/1s"},
	{"limits/0/rate", "\"80/s\"", "limits[0].rate: \"s\" is not a duration", "30s"},
	{"limits/0/rate", "\"0/1s\"", "limits[0].rate: rate \"0/1s\" is out of range", "1 to 1000000"},
	{"limits/1/concurrency", nullptr, "limits[1]: missing key \"rate\" or \"concurrency\"",
     "one of"},
	{"limits/1/concurrency", "0", "limits[1].concurrency: 0 is out of range", "from 1 to"},
	{"limits/0/reserve", "0.2", "limits[0].reserve: expected string, found number", "quotes"},
	{"limits/0/reserve", "\"100%\"", "limits[0].reserve: \"100%\" is not a share", "99%"},
	{"limits/0/match/secret", "\"(\"", "limits[0].match.secret: pattern \"(\" is not",
     "ECMAScript"},
	{"limits/0/match/method", "\"GET\"", "limits[0].match: unknown key \"method\"",
     "path and secret"},
	{"limits/0/learn/reset/as", nullptr, "limits[0].learn.reset: missing key \"as\"", "unit"},
	{"limits/0/learn/reset/as", "\"second\"", "limits[0].learn.reset.as: unknown word \"second\"",
     "Did you mean \"seconds\"?"},
	{"limits/0/learn/limit", "\"X-Limit\"", "limits[0].learn.limit: expected object, found string",
     "{"},
	{"errors/0/match", nullptr, "errors[0]: missing key \"match\"", "which answers"},
	{"errors/0/match", "{}", "errors[0].match: matches every answer", "at least one"},
	{"errors/0/match/status", "99", "errors[0].match.status: 99 is out of range", "100 to 599"},
	{"errors/0/match/status", "\"6xx\"", "errors[0].match.status: \"6xx\" is not a status", "5xx"},
	{"errors/0/match/status", "[]", "errors[0].match.status: empty list", "429"},
	{"errors/0/match/status", "true", "errors[0].match.status: expected integer, list or string",
     "429"},
	{"errors/0/match/status", "[\"5xx\"]",
     "errors[0].match.status[0]: expected integer, found string", "whole number"},
	{"errors/1/match/body", "\"$.error.code\"", "errors[1].match.body: \"$.error.code\" is not a",
     "Compare it"},
	{"errors/0/class", nullptr, "errors[0]: missing key \"class\"", "to be done"},
	{"errors/0/class", "\"rate_limited\"", "errors[0].class: unknown word \"rate_limited\"",
     "limited"},
	{"errors/0/class", "\"record-gone\"", "errors[0].class: unknown word \"record-gone\"",
     "Did you mean \"record_gone\"?"},
	{"errors/0/wait/as", nullptr, "errors[0].wait: missing key \"as\"", "unit"},
	{"errors/0/wait/fixed", "\"1s\"", "errors[0].wait: has both a header and a fixed time",
     "fixed"},
	{"errors/2/wait/fixed", "\"0s\"", "errors[2].wait.fixed: duration \"0s\" is out of range",
     "more than 0s"},
};

const Wrong kFeeds[] = {
	{"feeds/Events", "{}", "feeds.Events: \"Events\" is not a name", "lower-case"},
	{"feeds/events/path", nullptr, "feeds.events: missing key \"path\"", "list of events"},
	{"feeds/events/records", nullptr, "feeds.events: missing key \"records\"", "events stand"},
	{"feeds/events/id", nullptr, "feeds.events: missing key \"id\"", "id"},
	{"feeds/events/time", nullptr, "feeds.events: missing key \"time\"", "happened"},
	{"feeds/events/time/as", nullptr, "feeds.events.time: missing key \"as\"", "unit"},
	{"feeds/events/paging", nullptr, "feeds.events: missing key \"paging\"", "next page"},
	{"feeds/events/since", nullptr, "feeds.events: missing key \"since\"", "from below"},
	{"feeds/events/object", nullptr, "feeds.events: missing key \"object\"", "changed document"},
	{"feeds/events/type", nullptr, "feeds.events: missing key \"type\"", "routes"},
	{"feeds/events/retention", nullptr, "feeds.events: missing key \"retention\"", "full pass"},
	{"feeds/events/granularity", nullptr, "feeds.events: missing key \"granularity\"", "grain"},
	{"feeds/events/overlap", nullptr, "feeds.events: missing key \"overlap\"", "second look"},
	{"feeds/events/overlap", "\"30d\"", "feeds.events: overlap is not shorter", "Shorten"},
	{"feeds/events/retention", "\"0d\"", "feeds.events.retention: duration \"0d\" is out of range",
     "more than 0s"},
	{"feeds/events/object", "\"$.data[*]\"",
     "feeds.events.object: \"$.data[*]\" is not a plain member", "$.data.object"},
	{"feeds/events/object", "\"$.data ? (@.a == 1)\"", "feeds.events.object: ", "members alone"},
	{"feeds/events/records", "\"$.data\"", "feeds.events.records: \"$.data\" is not a plain member",
     "[*]"},
	{"feeds/events/gone", "\"$.deleted\"", "feeds.events.gone: \"$.deleted\" is not a predicate",
     "Compare it"},
	{"feeds/events/since", "\"created\"", "feeds.events.since: \"created\" is not a place",
     "query.<name>"},
	{"feeds/events/since", "\"body.created\"", "feeds.events: sets \"body.created\"",
     "query.<name>"},
	{"feeds/events/trust/equals", nullptr, "feeds.events.trust: missing key \"equals\"",
     "document"},
	{"feeds/events/trust/equals", "\"${cred.account}\"",
     "feeds.events.trust.equals: unknown name \"cred.account\"", "auth and http"},
	{"feeds/events/query/x", "[]", "feeds.events.query.x: expected string, number or boolean",
     "plain value"},
	{"feeds/events/poll/active", "\"31s\"", "feeds.events.poll: active is slower than quiet",
     "shorter time"},
	{"feeds/events/retention_days", "1", "feeds.events: unknown key \"retention_days\"",
     "Did you mean \"retention\"?"},
};

class WrongManifest : public testing::TestWithParam<Wrong> {};

TEST_P(WrongManifest, is_refused_with_path_and_hint) {
	sample::expect_refused(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Head, WrongManifest, testing::ValuesIn(kHead));
INSTANTIATE_TEST_SUITE_P(SettingsAndAuth, WrongManifest, testing::ValuesIn(kSettingsAndAuth));
INSTANTIATE_TEST_SUITE_P(Http, WrongManifest, testing::ValuesIn(kHttp));
INSTANTIATE_TEST_SUITE_P(LimitsAndErrors, WrongManifest, testing::ValuesIn(kLimitsAndErrors));
INSTANTIATE_TEST_SUITE_P(Feeds, WrongManifest, testing::ValuesIn(kFeeds));

Error error_of(const std::string &text) {
	try {
		parse_manifest(text);
	} catch (const Error &error) {
		return error;
	}
	ADD_FAILURE() << "it was taken";
	return Error("00000", "");
}

TEST(WrongManifests, that_are_no_json_name_line_and_column) {
	const Error error = error_of("{\n\"manifest\": 1,,}");
	EXPECT_EQ(error.sqlstate(), "22032");
	EXPECT_STREQ(error.what(), "invalid JSON text at line 2, column 15");
	EXPECT_EQ(error_of("").sqlstate(), "22032");
}

TEST(WrongManifests, that_are_no_object_are_refused) {
	for (const char *text : {"[]", "1", "\"x\"", "null"})
		EXPECT_EQ(std::string(error_of(text).what()).rfind("manifest: expected object, found ", 0),
		          0u);
}

TEST(WrongManifests, that_are_too_large_or_too_deep_are_refused) {
	const std::string base(sample::manifest());
	const std::string padding((1 << 20) - base.size(), ' ');
	EXPECT_NO_THROW(parse_manifest(base + padding));
	EXPECT_STREQ(error_of(base + padding + " ").what(), "manifest: larger than 1 MB");

	const auto nested = [](int levels) {
		return sample::changed(sample::manifest(), "collections/contact/body/deep",
		                       (std::string(levels, '[') + std::string(levels, ']')).c_str());
	};
	EXPECT_NO_THROW(parse_manifest(nested(28)));  // root, collections, contact, body: 32 in all
	EXPECT_STREQ(error_of(nested(29)).what(), "manifest: nested more than 32 levels deep");
	EXPECT_STREQ(error_of(nested(1000)).what(), "manifest: nested more than 32 levels deep");
	EXPECT_EQ(error_of(nested(28) + std::string(100000, '[')).sqlstate(), "22032");
}

TEST(WrongManifests, say_which_template_a_value_may_come_from) {
	const Error error =
		error_of(sample::changed(sample::manifest(), "templates/listed/key", nullptr));
	EXPECT_STREQ(error.what(), "collections.customer: missing key \"key\"");
	EXPECT_NE(error.detail().find("template \"listed\""), std::string::npos);
	EXPECT_EQ(
		error_of(sample::changed(sample::manifest(), "collections/country/key", nullptr)).detail(),
		"");
}

TEST(WrongManifests, do_not_let_long_names_into_messages) {
	const std::string name = "collections/" + std::string(5000, 'x');
	const Error error = error_of(sample::changed(sample::manifest(), name, "{}"));
	EXPECT_LT(std::string(error.what()).size(), 400u);
	const Error word = error_of(sample::changed(sample::manifest(), "provider",
	                                            ('"' + std::string(5000, 'X') + '"').c_str()));
	EXPECT_LT(std::string(word.what()).size(), 400u);
}

TEST(WrongManifests, with_a_ring_of_parents_are_refused) {
	std::string text(sample::manifest());
	text = sample::changed(text, "collections/invoice/parent", "{\"collection\": \"line_item\"}");
	text = sample::changed(text, "collections/invoice/path", "\"/lines/${parent.key}/invoices\"");
	EXPECT_NE(std::string(error_of(text).what()).find("its own ancestor"), std::string::npos);
}

TEST(WrongManifests, object_names_end_at_63_bytes) {
	const std::string country =
		Json::parse(sample::manifest()).get("collections").get("country").dump();
	const auto with_name = [&](size_t length) {
		return sample::changed(sample::manifest(), "collections/" + std::string(length, 'c'),
		                       country.c_str());
	};
	EXPECT_NO_THROW(parse_manifest(with_name(63)));
	EXPECT_NE(std::string(error_of(with_name(64)).what()).find("is not the name"),
	          std::string::npos);
}

}  // namespace
}  // namespace sequin
