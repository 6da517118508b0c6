// Tests of core/manifest.h: what a good manifest becomes.
#include "core/manifest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "manifest_sample.h"

namespace sequin {
namespace {

using Strings = std::vector<std::string>;

constexpr int64_t kSecond = 1000000, kDay = 86400 * kSecond;

Manifest parsed(std::string_view place = {}, const char *value = nullptr) {
	if (place.empty())
		return parse_manifest(sample::manifest());
	return parse_manifest(sample::changed(sample::manifest(), place, value));
}

const CollectionSpec &collection(const Manifest &manifest, const char *object) {
	const CollectionSpec *found = manifest.collection(object);
	if (found == nullptr)
		throw std::logic_error(object);
	return *found;
}

bool is(const Into &into, Into::Place place, const std::string &name) {
	return into.place == place && into.name == name;
}

TEST(Manifest, reads_the_head) {
	const Manifest manifest = parsed();
	EXPECT_EQ(manifest.provider, "acme");
	EXPECT_EQ(manifest.version, "2026.1");
	EXPECT_EQ(manifest.title, "Acme");
	EXPECT_EQ(manifest.hosts, (Strings{"api.acme.test", "*.files.acme.test"}));
	EXPECT_EQ(parsed("title", nullptr).title, "acme");
	EXPECT_EQ(manifest.error_code, "$.error.code");
	EXPECT_EQ(manifest.error_message, "$.error.message");
}

TEST(Manifest, reads_settings) {
	const Manifest manifest = parsed();
	ASSERT_EQ(manifest.settings.size(), 4u);
	EXPECT_EQ(manifest.settings[0].name, "api_version");
	EXPECT_EQ(manifest.settings[0].default_value, "v2");
	EXPECT_EQ(manifest.settings[0].pattern, "^v[0-9]+$");
	EXPECT_TRUE(manifest.settings[0].has_default);
	EXPECT_FALSE(manifest.settings[1].has_default);
	EXPECT_EQ(manifest.settings[2].default_value, "50");
	EXPECT_EQ(manifest.settings[3].default_value, "true");
	EXPECT_TRUE(parsed("settings/region/default", "\"\"").settings[1].has_default);
}

TEST(Manifest, reads_auth) {
	const Manifest manifest = parsed();
	ASSERT_EQ(manifest.auth.size(), 4u);
	const AuthSpec &bearer = *manifest.auth_kind("acme_key");
	EXPECT_EQ(bearer.method, AuthMethod::kBearer);
	EXPECT_EQ(bearer.token, "${cred.secret_key}");
	ASSERT_EQ(bearer.secrets.size(), 2u);
	EXPECT_EQ(bearer.secrets[0].also, (Strings{"api_key", "apiKey"}));
	EXPECT_EQ(bearer.secrets[0].pattern, "^ak_");
	EXPECT_EQ(bearer.secrets[0].hint, "Make one at Acme.");
	EXPECT_FALSE(bearer.secrets[0].is_optional);
	EXPECT_TRUE(bearer.secrets[1].is_optional);
	EXPECT_EQ(bearer.properties[0].also, Strings{"account_id"});

	const AuthSpec &key = *manifest.auth_kind("acme_token");
	EXPECT_EQ(key.method, AuthMethod::kApiKey);
	EXPECT_FALSE(key.in_query);
	EXPECT_EQ(key.name, "X-Token");
	EXPECT_EQ(key.prefix, "Token ");
	EXPECT_TRUE(parsed("auth/acme_token/in", "\"query\"").auth[1].in_query);

	const AuthSpec &basic = *manifest.auth_kind("acme_login");
	EXPECT_EQ(basic.method, AuthMethod::kBasic);
	EXPECT_EQ(basic.user, "${cred.user}/${settings.region}");
	EXPECT_EQ(basic.password, "${cred.password}");
	EXPECT_EQ(parsed("auth/acme_login/password", "\"\"").auth_kind("acme_login")->password, "");

	EXPECT_EQ(manifest.auth_kind("acme_open")->method, AuthMethod::kNone);
	EXPECT_EQ(manifest.auth_kind("absent"), nullptr);
}

// jsonb keeps no order of keys.
TEST(Manifest, the_first_secret_is_the_one_that_must_be_there) {
	const char *place = "auth/acme_key/secrets";
	const Manifest turned =
		parsed(place, R"({"second_key": {"optional": true}, "secret_key": {}})");
	EXPECT_EQ(turned.auth_kind("acme_key")->secrets[0].name, "secret_key");
	EXPECT_EQ(turned.auth_kind("acme_key")->token, "${cred.secret_key}");
	const std::string two = sample::changed(sample::manifest(), place, R"({"b": {}, "a": {}})");
	const Manifest named =
		parse_manifest(sample::changed(two, "auth/acme_key/token", R"("${cred.a}")"));
	EXPECT_EQ(named.auth_kind("acme_key")->token, "${cred.a}");
}

TEST(Manifest, reads_http) {
	const HttpSpec http = parsed().http;
	EXPECT_EQ(http.base_url, "https://api.acme.test/rest");
	ASSERT_EQ(http.headers.size(), 3u);
	EXPECT_EQ(http.headers[0].first, "Acme-Version");
	EXPECT_EQ(http.headers[0].second, "${settings.api_version}");
	EXPECT_EQ(http.connect_timeout_ms, 2000);
	EXPECT_EQ(http.read_timeout_ms, 30000);
	EXPECT_EQ(http.total_timeout_ms, 120000);
	EXPECT_EQ(http.max_response_bytes, 32 << 20);
	EXPECT_EQ(http.max_values, 100000);
	EXPECT_EQ(http.max_depth, 50);
	EXPECT_EQ(http.request_id, "x-request-id");
	EXPECT_EQ(http.page_bytes, 500000);
}

TEST(Manifest, carries_the_defaults_of_http) {
	const HttpSpec http = parsed("http", R"({"base_url": "https://api.acme.test"})").http;
	const HttpSpec plain;
	EXPECT_EQ(http.connect_timeout_ms, plain.connect_timeout_ms);
	EXPECT_EQ(http.max_response_bytes, plain.max_response_bytes);
	EXPECT_EQ(http.max_values, plain.max_values);
	EXPECT_EQ(http.max_depth, plain.max_depth);
}

TEST(Manifest, takes_base_urls_inside_hosts) {
	for (const char *url : {"\"https://api.acme.test\"", "\"https://api.acme.test:8443/v1\"",
	                        "\"https://eu.files.acme.test\"", "\"https://a.b.files.acme.test/\"",
	                        "\"https://${settings.region}.acme.test\"", "\"${cred.account}\""})
		EXPECT_NO_THROW(parsed("http/base_url", url)) << url;
}

TEST(Manifest, reads_the_check) {
	const Manifest manifest = parsed();
	ASSERT_TRUE(manifest.check);
	EXPECT_EQ(manifest.check->path, "/account");
	EXPECT_EQ(manifest.check->query, (NameValues{{"expand", "owner"}}));
	EXPECT_EQ(manifest.check->account, "$.id");
	EXPECT_FALSE(parsed("check", nullptr).check);
}

TEST(Manifest, reads_limits) {
	const Manifest manifest = parsed();
	ASSERT_EQ(manifest.limits.size(), 2u);
	const LimitSpec &account = manifest.limits[0];
	EXPECT_EQ(account.name, "account");
	EXPECT_EQ(account.allowed, 80);
	EXPECT_EQ(account.interval_us, kSecond);
	EXPECT_EQ(account.concurrency, 10);
	EXPECT_DOUBLE_EQ(account.reserve, 0.2);
	EXPECT_EQ(account.secret_pattern, "^ak_live");
	EXPECT_EQ(account.learn_limit, "x-limit");
	EXPECT_EQ(account.learn_remaining, "x-left");
	EXPECT_EQ(account.learn_reset.header, "x-reset");
	EXPECT_EQ(account.learn_reset.as, WaitAs::kEpoch);
	EXPECT_EQ(manifest.limits[1].allowed, 0);
	EXPECT_EQ(manifest.limits[1].path_glob, "/search/*");
}

TEST(Manifest, reads_error_rules) {
	const Manifest manifest = parsed();
	ASSERT_EQ(manifest.errors.size(), 3u);
	EXPECT_EQ(manifest.errors[0].statuses, std::vector<int>{429});
	EXPECT_EQ(manifest.errors[0].header, "x-reason");
	EXPECT_EQ(manifest.errors[0].header_value, "rate");
	EXPECT_EQ(manifest.errors[0].error_class, ErrorClass::kLimited);
	EXPECT_EQ(manifest.errors[0].wait_header.header, "retry-after");
	EXPECT_EQ(manifest.errors[0].wait_header.as, WaitAs::kSeconds);
	EXPECT_EQ(manifest.errors[1].statuses, (std::vector<int>{400, 404}));
	EXPECT_EQ(manifest.errors[1].body, "$.error.code == \"missing\"");
	EXPECT_EQ(manifest.errors[1].error_class, ErrorClass::kRecordGone);
	EXPECT_EQ(manifest.errors[2].status_hundred, 5);
	EXPECT_EQ(manifest.errors[2].contains, "maintenance");
	EXPECT_EQ(manifest.errors[2].wait_fixed_us, 60 * kSecond);
	EXPECT_EQ(manifest.errors[2].message, "the API is under maintenance");
	EXPECT_EQ(manifest.errors[2].hint, "Wait.");
}

TEST(Manifest, knows_every_error_class_by_its_word) {
	for (int i = static_cast<int>(ErrorClass::kRetry); i <= static_cast<int>(ErrorClass::kFatal);
	     ++i) {
		const auto error_class = static_cast<ErrorClass>(i);
		const std::string word = '"' + std::string(to_string(error_class)) + '"';
		EXPECT_EQ(parsed("errors/0/class", word.c_str()).errors[0].error_class, error_class)
			<< word;
	}
	EXPECT_STREQ(to_string(ErrorClass::kNone), "none");
	EXPECT_THROW(parsed("errors/0/class", "\"none\""), Error);
}

TEST(Manifest, reads_feeds) {
	const Manifest manifest = parsed();
	const FeedSpec &feed = *manifest.feed("events");
	EXPECT_EQ(manifest.feed("absent"), nullptr);
	EXPECT_EQ(feed.path, "/events");
	EXPECT_EQ(feed.query, (NameValues{{"types", "all"}, {"deep", "1"}, {"raw", "false"}}));
	EXPECT_EQ(feed.records, "$.data[*]");
	EXPECT_EQ(feed.id, "$.id");
	EXPECT_EQ(feed.time.path, "$.created");
	EXPECT_EQ(feed.time.as, TimeAs::kEpoch);
	EXPECT_TRUE(is(feed.paging.newer_into, Into::Place::kQuery, "before"));
	EXPECT_TRUE(is(feed.since, Into::Place::kQuery, "created[gte]"));
	EXPECT_EQ(feed.since_as, TimeAs::kEpoch);
	EXPECT_EQ(feed.object, "$.data.object");
	EXPECT_EQ(feed.type, "$.type");
	EXPECT_EQ(feed.gone, "$.type like_regex \"deleted$\"");
	EXPECT_EQ(feed.skip, "$.test == true");
	EXPECT_EQ(feed.trust_path, "$.api_version");
	EXPECT_EQ(feed.trust_equals, "${settings.api_version}");
	EXPECT_EQ(feed.retention_us, 30 * kDay);
	EXPECT_EQ(feed.granularity_us, kSecond);
	EXPECT_EQ(feed.overlap_us, 600 * kSecond);
	EXPECT_EQ(feed.poll.active_us, kSecond / 2);
	EXPECT_EQ(feed.poll.quiet_us, 30 * kSecond);
	EXPECT_EQ(parsed("feeds/events/time/as", "\"date\"").feeds[0].since_as, TimeAs::kDate);
	EXPECT_EQ(parsed("feeds/events/since_as", "\"rfc3339\"").feeds[0].since_as, TimeAs::kRfc3339);
}

TEST(Manifest, merges_templates) {
	const Manifest manifest = parsed();
	const CollectionSpec &customer = collection(manifest, "customer");
	EXPECT_EQ(customer.records, "$.data[*]");
	EXPECT_EQ(customer.query, (NameValues{{"expand", "all"}, {"sort", "created"}}));
	EXPECT_EQ(customer.incremental.types, Strings{"customer"});
	ASSERT_TRUE(customer.slice);
	EXPECT_EQ(customer.slice->start_us, 1293840000 * kSecond);

	const CollectionSpec &invoice = collection(manifest, "invoice");
	NameValues query = invoice.query;
	std::sort(query.begin(), query.end());
	EXPECT_EQ(query, (NameValues{{"expand", "all"}, {"sort", "number"}, {"status", "any"}}));
	EXPECT_FALSE(invoice.slice);
	EXPECT_EQ(invoice.incremental.feed, "events");
	EXPECT_EQ(invoice.incremental.types, (Strings{"invoice", "bill"}));
	EXPECT_EQ(invoice.ignore, Strings{"meta.seen"});

	const Manifest other = parsed("collections/customer/ignore", "[\"x\"]");
	EXPECT_EQ(collection(other, "customer").ignore, Strings{"x"});  // lists are replaced
}

TEST(Manifest, reads_collections) {
	const Manifest manifest = parsed();
	const CollectionSpec &customer = collection(manifest, "customer");
	EXPECT_EQ(customer.id, "acme:customer");
	EXPECT_EQ(customer.title, "Customers");
	EXPECT_EQ(customer.method, "GET");
	EXPECT_EQ(customer.key, Strings{"$.id"});
	EXPECT_EQ(customer.created->path, "$.created");
	EXPECT_FALSE(customer.version);
	EXPECT_EQ(customer.drop, (Strings{"sources", "meta.huge"}));
	EXPECT_EQ(customer.get->path, "/customers/${key}");
	EXPECT_EQ(customer.get->gone, "$.deleted == true");
	EXPECT_EQ(customer.relist_every_us, kDay);
	EXPECT_EQ(customer.relist_window_us, 3 * kDay);
	EXPECT_TRUE(is(customer.slice->from, Into::Place::kQuery, "created[gte]"));
	EXPECT_TRUE(is(customer.slice->to, Into::Place::kQuery, "created[lt]"));
	EXPECT_EQ(customer.slice->as, TimeAs::kEpoch);
	EXPECT_EQ(customer.slice->min_span_us, kSecond);
	EXPECT_EQ(customer.incremental.poll.active_us, kSecond / 2);  // the feed's

	const CollectionSpec &contact = collection(manifest, "contact");
	EXPECT_EQ(contact.title, "contact");
	EXPECT_EQ(contact.method, "POST");
	EXPECT_EQ(
		contact.body,
		R"({"filter":{"region":"${settings.region|default:'eu'}"},"fields":["id","name"],"n":1})");
	EXPECT_EQ(contact.version->path, "$.updated");
	EXPECT_EQ(contact.version->as, TimeAs::kRfc3339);
	EXPECT_EQ(contact.updated->path, "$.updated");
	EXPECT_EQ(collection(manifest, "currency").records, "$.a.\"b c\"[*]");
	EXPECT_EQ(manifest.collection("absent"), nullptr);
}

TEST(Manifest, reads_paging) {
	const Manifest manifest = parsed();
	const PagingSpec &after = collection(manifest, "customer").paging;
	EXPECT_EQ(after.kind, PagingKind::kAfterLastRecord);
	EXPECT_TRUE(is(after.into, Into::Place::kQuery, "after"));
	EXPECT_TRUE(is(after.size_into, Into::Place::kQuery, "limit"));
	EXPECT_EQ(after.size, 100);
	EXPECT_EQ(after.more, "$.has_more");
	EXPECT_TRUE(after.stop_more);
	EXPECT_FALSE(after.stop_empty_page);
	EXPECT_EQ(after.order, Order::kDescending);

	const PagingSpec &token = collection(manifest, "contact").paging;
	EXPECT_EQ(token.kind, PagingKind::kToken);
	EXPECT_EQ(token.from, "$.paging.next");
	EXPECT_TRUE(is(token.into, Into::Place::kBody, "after"));
	EXPECT_TRUE(token.stop_no_token && token.stop_empty_page);
	EXPECT_EQ(token.order, Order::kAscending);

	const PagingSpec &link = collection(manifest, "currency").paging;
	EXPECT_EQ(link.kind, PagingKind::kNextUrl);
	EXPECT_TRUE(link.link_header && link.stop_no_link);
	EXPECT_EQ(link.order, Order::kNone);

	const PagingSpec &page = collection(manifest, "country").paging;
	EXPECT_EQ(page.kind, PagingKind::kPage);
	EXPECT_EQ(page.first, 1);
	EXPECT_EQ(page.total, "$.total");
	EXPECT_TRUE(page.stop_total && page.stop_short_page);
	EXPECT_EQ(collection(manifest, "line_item").paging.kind, PagingKind::kNone);
}

TEST(Manifest, reads_the_other_kinds_of_paging) {
	const char *place = "collections/country/paging";
	const auto paging = [&](const char *text) {
		return collection(parsed(place, text), "country").paging;
	};
	const PagingSpec offset = paging(R"({"kind": "offset", "into": "query.offset", "by": "limit",
		"size": {"into": "query.limit", "n": 5}, "stop": ["short_page"], "order": "none"})");
	EXPECT_EQ(offset.kind, PagingKind::kOffset);
	EXPECT_TRUE(offset.by_limit);
	EXPECT_FALSE(paging(R"({"kind": "offset", "into": "query.o", "stop": ["empty_page"],
		"order": "none"})")
	                 .by_limit);
	const PagingSpec keyset = paging(R"({"kind": "keyset", "field": "$.id", "into": "query.id_gt",
		"stop": ["empty_page"], "order": "asc"})");
	EXPECT_EQ(keyset.kind, PagingKind::kKeyset);
	EXPECT_EQ(keyset.field, "$.id");
	const PagingSpec url = paging(R"({"kind": "next_url", "from": "$.next", "stop": ["no_link"],
		"order": "none"})");
	EXPECT_EQ(url.from, "$.next");
	EXPECT_FALSE(url.link_header);
	EXPECT_TRUE(paging(R"({"kind": "next_url", "from": "$.next", "stop": ["no_token"],
		"order": "none"})")
	                .stop_no_token);
}

TEST(Manifest, reads_incremental) {
	const Manifest manifest = parsed();
	const IncrementalSpec &filter = collection(manifest, "contact").incremental;
	EXPECT_EQ(filter.mode, IncrementalMode::kFilter);
	EXPECT_TRUE(is(filter.from, Into::Place::kBody, "filter.since"));
	EXPECT_TRUE(is(filter.to, Into::Place::kBody, "filter.until"));
	EXPECT_EQ(filter.as, TimeAs::kRfc3339);
	EXPECT_TRUE(filter.exclusive);
	EXPECT_EQ(filter.granularity_us, 1000);
	EXPECT_EQ(filter.overlap_us, 300 * kSecond);
	EXPECT_EQ(filter.lag_us, 30 * kSecond);
	EXPECT_EQ(filter.query, (NameValues{{"archived", "false"}}));
	EXPECT_EQ(filter.poll.active_us, 5 * kSecond);
	EXPECT_EQ(filter.poll.quiet_us, 300 * kSecond);

	const IncrementalSpec &relist = collection(manifest, "currency").incremental;
	EXPECT_EQ(relist.mode, IncrementalMode::kRelist);
	EXPECT_EQ(relist.poll.active_us, 300 * kSecond);
	EXPECT_EQ(relist.poll.quiet_us, 300 * kSecond);  // never faster than active
	EXPECT_EQ(collection(manifest, "line_item").incremental.mode, IncrementalMode::kParent);
	EXPECT_EQ(collection(manifest, "country").incremental.because, "countries stay");
}

TEST(Manifest, reads_deletes) {
	const Manifest manifest = parsed();
	const CollectionSpec &customer = collection(manifest, "customer");
	EXPECT_NE(customer.deletes_by(DeleteKind::kFeed), nullptr);
	EXPECT_EQ(customer.deletes_by(DeleteKind::kNever), nullptr);
	const DeleteSpec &sweep = *customer.deletes_by(DeleteKind::kSweep);
	EXPECT_EQ(sweep.every_us, 7 * kDay);
	EXPECT_DOUBLE_EQ(sweep.max_ratio, 0.1);
	EXPECT_TRUE(sweep.verify);
	EXPECT_FALSE(collection(manifest, "currency").deletes_by(DeleteKind::kSweep)->verify);

	const CollectionSpec &contact = collection(manifest, "contact");
	const DeleteSpec &list = *contact.deletes_by(DeleteKind::kList);
	EXPECT_EQ(list.query, (NameValues{{"archived", "true"}}));
	EXPECT_EQ(list.poll.active_us, kSecond / 2);  // never slower than quiet
	EXPECT_EQ(contact.deletes_by(DeleteKind::kField)->when, "$.state == \"deleted\"");
	EXPECT_EQ(collection(manifest, "country").deletes_by(DeleteKind::kNever)->because,
	          "countries stay");
}

TEST(Manifest, orders_parents_before_their_children) {
	const Manifest manifest = parsed();
	Strings objects;
	for (const CollectionSpec &spec : manifest.collections)
		objects.push_back(spec.object);
	EXPECT_EQ(objects,
	          (Strings{"invoice", "line_item", "customer", "contact", "currency", "country"}));
	const ParentSpec &parent = *collection(manifest, "line_item").parent;
	EXPECT_EQ(parent.collection, "invoice");
	EXPECT_EQ(parent.embedded_records, "$.lines.data");
	EXPECT_EQ(parent.embedded_more, "$.lines.has_more == true");
	EXPECT_FALSE(parent.cascade);
}

TEST(Manifest, lists_every_jsonpath_with_its_place) {
	const Manifest manifest = parsed();
	const auto find = [&](const std::string &place) -> const JsonPathUse * {
		for (const JsonPathUse &use : manifest.jsonpaths)
			if (use.place == place)
				return &use;
		return nullptr;
	};
	for (const char *place : {"check.account",
	                          "error.code",
	                          "error.message",
	                          "feeds.events.records",
	                          "feeds.events.id",
	                          "feeds.events.time.path",
	                          "feeds.events.paging.more",
	                          "feeds.events.object",
	                          "feeds.events.type",
	                          "feeds.events.trust.path",
	                          "collections.customer.key[0]",
	                          "collections.customer.records",
	                          "collections.customer.created.path",
	                          "collections.customer.paging.more",
	                          "collections.contact.key[1]",
	                          "collections.contact.version.path",
	                          "collections.contact.updated.path",
	                          "collections.contact.paging.from",
	                          "collections.country.paging.total",
	                          "collections.line_item.key[1]",
	                          "collections.line_item.parent.embedded.records"}) {
		ASSERT_NE(find(place), nullptr) << place;
		EXPECT_FALSE(find(place)->is_predicate) << place;
	}
	for (const char *place :
	     {"errors[1].match.body", "feeds.events.gone", "feeds.events.skip",
	      "collections.customer.get.gone", "collections.contact.deletes[1].when",
	      "collections.line_item.parent.embedded.more"}) {
		ASSERT_NE(find(place), nullptr) << place;
		EXPECT_TRUE(find(place)->is_predicate) << place;
	}
	EXPECT_EQ(find("collections.line_item.key[0]"), nullptr);  // "parent" is no jsonpath
	EXPECT_EQ(find("collections.contact.key[1]")->path, "$.b");
}

TEST(Manifest, tells_predicates_from_paths) {
	const auto load = [](const char *path) {
		parsed("collections/customer/get/gone", Json::string(path).dump().c_str());
	};
	for (const char *predicate :
	     {"exists($.deleted)", "!($.a == 1)", "$.a like_regex \"x\"", "$.a starts with \"x\"",
	      "($.a > 1) is unknown", "$.a <> null && $.b == 1", "strict $.a ? (@.b > 1).c == 2",
	      "$.a == \"?(\""})
		EXPECT_NO_THROW(load(predicate)) << predicate;
	for (const char *path : {"$.deleted", "$.a ? (@.b > 1)", "$.\"a == b\"",
	                         "$.a ? (@.b ? (@.c == 1).d > 2).e", "$.a ?(@ == \")>\")"})
		EXPECT_THROW(load(path), Error) << path;
}

TEST(Manifest, every_shipped_manifest_loads) {
	namespace fs = std::filesystem;
	const char *source = std::getenv("SEQUIN_SOURCE_DIR");
	const fs::path directory = fs::path(source == nullptr ? "." : source) / "providers";
	size_t loaded = 0;
	for (const fs::directory_entry &entry : fs::directory_iterator(directory)) {
		const std::string name = entry.path().filename().string();
		const bool is_catalogue = name.find(".fields.json") != std::string::npos;
		if (entry.path().extension() != ".json" || is_catalogue || name == "manifest.schema.json")
			continue;
		std::ifstream file(entry.path());
		std::ostringstream text;
		text << file.rdbuf();
		try {
			const Manifest manifest = parse_manifest(text.str());
			EXPECT_EQ(manifest.provider + ".json", name);
			++loaded;
		} catch (const Error &error) {
			ADD_FAILURE() << name << ": " << error.what() << "\n"
						  << error.detail() << "\n"
						  << error.hint();
		}
	}
	if (loaded == 0 && !testing::Test::HasFailure())
		GTEST_SKIP() << "no manifest in " << directory;
}

}  // namespace
}  // namespace sequin
