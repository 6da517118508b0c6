// Tests of core/request.h: what leaves the house, in which encoding, to whom, and what is masked.
#include "core/request.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "core/template.h"
#include "core/url.h"

namespace sequin {
namespace {

constexpr char kKey[] = "sk_test_4eC39HqLyjWD";

AuthSpec auth(AuthMethod method) {
	AuthSpec spec;
	spec.kind = "key";
	spec.method = method;
	SecretSpec secret;
	secret.name = "secret";
	if (method != AuthMethod::kNone)
		spec.secrets.push_back(secret);
	spec.token = "${cred.secret}";
	return spec;
}

Manifest manifest_with(AuthSpec spec) {
	Manifest manifest;
	manifest.provider = "acme";
	manifest.hosts = {"api.acme.example"};
	manifest.auth = {std::move(spec)};
	manifest.http.base_url = "https://api.acme.example";
	return manifest;
}

Manifest acme() {
	return manifest_with(auth(AuthMethod::kBearer));
}

Access access_with(const std::string &secret = kKey) {
	Access access;
	access.kind = "key";
	access.values = {{"secret", secret}, {"shop", "north"}};
	access.settings = {{"version", "2026-01"}};
	access.secret_names = {"secret"};
	return access;
}

CallSpec call(const std::string &path) {
	CallSpec spec;
	spec.path = path;
	return spec;
}

CallSpec link(const std::string &path) {
	CallSpec spec = call(path);
	spec.is_link = true;
	return spec;
}

std::string url_of(const CallSpec &spec) {
	return make_request(acme(), access_with(), spec).url;
}

std::string header(const http::Request &request, const std::string &name) {
	std::string found;
	int count = 0;
	for (const auto &[other, value] : request.headers) {
		if (other == name) {
			found = value;
			++count;
		}
	}
	EXPECT_LE(count, 1) << name;
	return count == 1 ? found : "(none)";
}

void expect_error(const std::function<void()> &act, const std::string &message,
                  const std::string &sqlstate = "22023") {
	try {
		act();
		FAIL() << "no error: " << message;
	} catch (const Error &error) {
		EXPECT_EQ(error.sqlstate(), sqlstate);
		EXPECT_EQ(std::string(error.what()), message);
		for (const std::string &text : {std::string(error.what()), error.detail(), error.hint()})
			EXPECT_EQ(text.find(kKey), std::string::npos);
	}
}

Into query(const std::string &name) {
	return {Into::Place::kQuery, name};
}

Into body(const std::string &name) {
	return {Into::Place::kBody, name};
}

TEST(MakeRequestTest, composes_a_plain_read) {
	Manifest manifest = acme();
	manifest.http.connect_timeout_ms = 1;
	manifest.http.read_timeout_ms = 2;
	manifest.http.total_timeout_ms = 3;
	manifest.http.max_response_bytes = 4;
	manifest.http.max_values = 5;
	manifest.http.max_depth = 6;
	manifest.http.headers = {{"Acme-Version", "v${settings.version}"}};
	const http::Request request = make_request(manifest, access_with(), call("/v1/customers"));
	EXPECT_EQ(request.method, "GET");
	EXPECT_EQ(request.url, "https://api.acme.example/v1/customers");
	EXPECT_EQ(request.body, "");
	EXPECT_EQ(header(request, "Accept"), "application/json");
	EXPECT_EQ(header(request, "User-Agent").substr(0, 7), "sequin/");
	EXPECT_EQ(header(request, "Acme-Version"), "v2026-01");
	EXPECT_EQ(header(request, "Content-Type"), "(none)");
	EXPECT_EQ(header(request, "Authorization"), std::string("Bearer ") + kKey);
	EXPECT_EQ(request.secret_headers, std::vector<std::string>{"Authorization"});
	EXPECT_EQ(request.hosts, std::vector<std::string>{"api.acme.example"});
	EXPECT_EQ(request.max_redirects, 0);
	EXPECT_EQ(request.limits.connect_timeout_ms, 1);
	EXPECT_EQ(request.limits.read_timeout_ms, 2);
	EXPECT_EQ(request.limits.total_timeout_ms, 3);
	EXPECT_EQ(request.limits.max_body_bytes, 4);
	EXPECT_EQ(request.limits.max_json_values, 5);
	EXPECT_EQ(request.limits.max_json_depth, 6);
}

TEST(MakeRequestTest, keys_stay_inside_their_segment) {
	CallSpec spec = call("/v1/items/${key}/lines");
	spec.names = {{"key", "a/../b?c=d#e f%"}};
	EXPECT_EQ(url_of(spec),
	          "https://api.acme.example/v1/items/a%2F..%2Fb%3Fc%3Dd%23e%20f%25/lines");
	for (const char *key : {"", ".", ".."}) {
		spec.names["key"] = key;
		EXPECT_THROW(url_of(spec), Error) << key;
	}
}

TEST(MakeRequestTest, orders_and_replaces_parameters) {
	const NameValues fixed = {{"limit", "10"}, {"expand[]", "data.a"}, {"expand[]", "data.b"}};
	const NameValues more = {{"q", "x > '${settings.version}' & y"}};
	CallSpec spec = call("/v1/items");
	spec.query = &fixed;
	spec.more_query = &more;
	spec.set = {{query("limit"), "100"}, {query("created[gte]"), "5"}, {body("ignored"), "1"}};
	spec.method = "POST";
	EXPECT_EQ(url_of(spec),
	          "https://api.acme.example/v1/items?limit=100&expand%5B%5D=data.a&expand%5B%5D=data.b"
	          "&q=x%20%3E%20%272026-01%27%20%26%20y&created%5Bgte%5D=5");
	spec.set = {{query("expand[]"), "z"}, {Into{}, "nowhere"}};
	spec.more_query = nullptr;
	EXPECT_EQ(url_of(spec), "https://api.acme.example/v1/items?limit=10&expand%5B%5D=z");
}

TEST(MakeRequestTest, paths_parameters_and_bodies_see_no_credential) {
	const NameValues leak = {{"k", "${cred.secret}"}};
	CallSpec spec = call("/v1/items");
	spec.query = &leak;
	EXPECT_THROW(url_of(spec), Error);
	EXPECT_THROW(url_of(call("/v1/${cred.secret}")), Error);
	CallSpec with_body = call("/v1/items");
	with_body.body = "{\"k\":\"${cred.secret}\"}";
	EXPECT_THROW(url_of(with_body), Error);
}

TEST(MakeRequestTest, keeps_the_prefix_of_another_base_url) {
	Access access = access_with();
	access.base_url = "https://Proxy.Example:8443/acme/";
	const http::Request request = make_request(acme(), access, call("/v1/items"));
	EXPECT_EQ(request.url, "https://proxy.example:8443/acme/v1/items");
	EXPECT_EQ(request.hosts, std::vector<std::string>{"proxy.example"});
	EXPECT_EQ(make_request(acme(), access, link("/v1/items?page=2")).url,
	          "https://proxy.example:8443/acme/v1/items?page=2");
	EXPECT_EQ(make_request(acme(), access, link("/acme/v1/items?page=2")).url,
	          "https://proxy.example:8443/acme/v1/items?page=2");
	EXPECT_EQ(make_request(acme(), access, link("/acmes/v1")).url,
	          "https://proxy.example:8443/acme/acmes/v1");
	access.base_url = "https://proxy.example/acme?x=1";
	expect_error([&] { make_request(acme(), access, call("/")); }, "base URL has a query");
}

TEST(MakeRequestTest, fills_the_base_url_with_harmless_values_only) {
	Manifest manifest = acme();
	Access access = access_with();
	manifest.http.base_url = "https://${cred.shop}.acme.example";
	EXPECT_EQ(make_request(manifest, access, call("/x")).url, "https://north.acme.example/x");
	for (const char *shop : {"evil.example/", "evil.example?", "evil.example#", "a@evil.example",
	                         "evil.example:1", "evil.example\\", "a b", "a\n", "a%2f"}) {
		access.values["shop"] = shop;
		expect_error([&] { make_request(manifest, access, call("/x")); },
		             "value of \"cred.shop\" cannot stand in the base URL");
	}
	access.values["shop"] = "";
	expect_error([&] { make_request(manifest, access, call("/x")); },
	             "URL \"https://.acme.example\" has no host that can be used");

	manifest.http.base_url = "${cred.shop}/api";
	access.values["shop"] = "https://north.acme.example";
	EXPECT_EQ(make_request(manifest, access, call("/x")).url, "https://north.acme.example/api/x");
	access.values["shop"] = "ftp://north.acme.example";
	EXPECT_THROW(make_request(manifest, access, call("/x")), Error);
}

TEST(MakeRequestTest, follows_links_on_the_same_origin_only) {
	EXPECT_EQ(url_of(call("https://api.acme.example/v1/items?page=2&q=a%26b#top")),
	          "https://api.acme.example/v1/items?page=2&q=a%26b");
	EXPECT_EQ(url_of(call("HTTPS://API.ACME.EXAMPLE.:443/p")), "https://api.acme.example/p");
	EXPECT_EQ(url_of(link("/p?x=1")), "https://api.acme.example/p?x=1");
	EXPECT_EQ(url_of(link("//api.acme.example/p")), "https://api.acme.example/p");
	EXPECT_EQ(url_of(link("/p?a=b c\xc3\xa9")), "https://api.acme.example/p?a=b%20c%C3%A9");
	expect_error([] { url_of(call("https://evil.example/v1?t=1")); },
	             "link leads to \"https://evil.example\" and not to \"https://api.acme.example\"");
	for (const char *url :
	     {"http://api.acme.example/p", "https://api.acme.example:8443/p",
	      "https://api.acme.example@evil.example/p", "https://api.acme.example.evil.example/p",
	      "https://evil.example\\@api.acme.example/p", "https://api.acme.example%00.evil/p",
	      "https:///p", "https://api.acme.example/\r\nX: y", "https://api.acme.example:0/p",
	      "https://api..example"})
		EXPECT_THROW(url_of(call(url)), Error) << url;
	for (const char *url :
	     {"//evil.example/p", "?page=2", "p", "", "javascript:x", "///evil.example"})
		EXPECT_THROW(url_of(link(url)), Error) << url;
}

TEST(MakeRequestTest, a_link_is_no_template_and_keeps_its_own_parameters) {
	EXPECT_EQ(url_of(link("/p?x=${settings.version}")),
	          "https://api.acme.example/p?x=${settings.version}");
	const NameValues fixed = {{"limit", "10"}, {"created[gte]", "1"}, {"added", "yes"}};
	CallSpec spec = link("/p?created%5Bgte%5D=7&limit=20&flag&z=%2B");
	spec.query = &fixed;
	EXPECT_EQ(url_of(spec),
	          "https://api.acme.example/p?created%5Bgte%5D=7&limit=20&flag&z=%2B&added=yes");
	spec.set = {{query("limit"), "5"}};
	EXPECT_EQ(url_of(spec),
	          "https://api.acme.example/p?created%5Bgte%5D=7&limit=5&flag&z=%2B&added=yes");
}

TEST(MakeRequestTest, composes_bodies) {
	CallSpec spec = call("/search");
	spec.method = "POST";
	spec.body =
		"{\"filter\":{\"v\":\"${settings.version}\",\"k\":\"${key}\"},\"limit\":10,\"deep\":"
		"[{\"on\":false,\"value\":\"0\"}]}";
	spec.names = {{"key", "q\"\\\n"}};
	spec.set = {{body("limit"), "50"},        {body("after"), "17"},
	            {body("deep.0.value"), "99"}, {body("deep.0.on"), "true"},
	            {body("page.cursor"), "abc"}, {query("x"), "1"}};
	const http::Request request = make_request(acme(), access_with(), spec);
	EXPECT_EQ(request.body, "{\"filter\":{\"v\":\"2026-01\",\"k\":\"q\\\"\\\\\\n\"},\"limit\":50,"
	                        "\"deep\":[{\"on\":true,"
	                        "\"value\":\"99\"}],\"after\":\"17\",\"page\":{\"cursor\":\"abc\"}}");
	EXPECT_EQ(header(request, "Content-Type"), "application/json");
	EXPECT_EQ(request.url, "https://api.acme.example/search?x=1");
}

TEST(MakeRequestTest, sizes_and_offsets_in_bodies_are_numbers) {
	Manifest manifest = acme();
	CollectionSpec collection;
	collection.paging.kind = PagingKind::kOffset;
	collection.paging.into = body("page.offset");
	collection.paging.size_into = body("limit");
	manifest.collections = {collection};
	CallSpec spec = call("/search");
	spec.method = "POST";
	spec.set = {{body("limit"), "50"}, {body("page.offset"), "100"}, {body("since"), "7"}};
	EXPECT_EQ(make_request(manifest, access_with(), spec).body,
	          "{\"limit\":50,\"page\":{\"offset\":100},\"since\":\"7\"}");
	manifest.collections[0].paging.kind = PagingKind::kToken;
	EXPECT_EQ(make_request(manifest, access_with(), spec).body,
	          "{\"limit\":50,\"page\":{\"offset\":\"100\"},\"since\":\"7\"}");
}

TEST(MakeRequestTest, refuses_bodies_that_do_not_fit) {
	CallSpec spec = call("/search");
	spec.body = "{\"a\":[1],\"b\":2}";
	for (const char *path : {"a.1.x", "a.x.y", "a.0", "b.c", "b.c.d"}) {
		spec.set = {{body(path), "1"}};
		expect_error([&] { url_of(spec); }, "could not compose the body of a request");
	}
	spec.set.clear();
	spec.body = "{\"a\":";
	expect_error([&] { url_of(spec); }, "could not compose the body of a request");
}

TEST(MakeRequestTest, signs_by_every_method) {
	const CallSpec spec = call("/v1/items?x=1");
	EXPECT_EQ(header(make_request(manifest_with(auth(AuthMethod::kNone)), access_with(), spec),
	                 "Authorization"),
	          "(none)");

	AuthSpec basic = auth(AuthMethod::kBasic);
	basic.user = "${cred.shop}";
	basic.password = "${cred.secret}";
	EXPECT_EQ(
		header(make_request(manifest_with(basic), access_with("pass:word"), spec), "Authorization"),
		"Basic bm9ydGg6cGFzczp3b3Jk");
	basic.user = "a:b";
	expect_error([&] { make_request(manifest_with(basic), access_with(), spec); },
	             "user of a basic credential has a colon");

	AuthSpec key = auth(AuthMethod::kApiKey);
	key.name = "X-Key";
	key.prefix = "Token ";
	const http::Request by_header = make_request(manifest_with(key), access_with(), spec);
	EXPECT_EQ(header(by_header, "X-Key"), std::string("Token ") + kKey);
	EXPECT_EQ(by_header.secret_headers, std::vector<std::string>{"X-Key"});

	key.name = "x";
	key.prefix = "";
	key.in_query = true;
	const http::Request by_query = make_request(manifest_with(key), access_with("a&b=c "), spec);
	EXPECT_EQ(by_query.url, "https://api.acme.example/v1/items?x=a%26b%3Dc%20");
	EXPECT_TRUE(by_query.secret_headers.empty());
}

TEST(MakeRequestTest, headers_of_the_manifest_replace_ours_and_never_auth) {
	Manifest manifest = acme();
	manifest.http.headers = {{"accept", "application/vnd.acme+json"},
	                         {"authorization", "Basic x"},
	                         {"X-Twice", "${cred.secret}"}};
	const http::Request request = make_request(manifest, access_with(), call("/"));
	EXPECT_EQ(header(request, "Accept"), "application/vnd.acme+json");
	EXPECT_EQ(header(request, "accept"), "(none)");
	EXPECT_EQ(header(request, "authorization"), std::string("Bearer ") + kKey);
	EXPECT_EQ(header(request, "Authorization"), "(none)");
	EXPECT_EQ(request.secret_headers, (std::vector<std::string>{"X-Twice", "Authorization"}));
}

TEST(MakeRequestTest, a_missing_secret_is_the_credentials_fault) {
	for (const char *secret : {"", "none"}) {
		Access access = access_with(secret);
		if (std::string(secret) == "none")
			access.values.erase("secret");
		expect_error([&] { make_request(acme(), access, call("/")); },
		             "credential has no value for \"secret\"", "SQ003");
	}
	Access other = access_with();
	other.kind = "oauth";
	expect_error([&] { make_request(acme(), other, call("/")); },
	             "provider \"acme\" has no credential kind \"oauth\"");
	expect_error(
		[&] { make_request(acme(), access_with("line\nbreak"), call("/")); },
		"placeholder \"${cred.secret}\" has a value with control characters, which cannot stand "
		"in a header");
}

TEST(ParseUrlTest, says_what_is_wrong_and_not_what_is_secret) {
	expect_error([] { parse_url("https://u:sk_1@a.example/p?key=sk_2"); },
	             "URL \"https://a.example/p\" has a user before its host");
	expect_error([] { parse_url("https://a.example/\n?key=sk_2"); },
	             "URL \"https://a.example/?\" has a character that cannot stand in a URL");
	expect_error([] { parse_url("ftp://a.example"); },
	             "URL \"ftp://a.example\" is not an http or https URL");
}

TEST(ParseUrlTest, reads_and_writes) {
	EXPECT_EQ(parse_url("https://a.example").text(), "https://a.example/");
	EXPECT_EQ(parse_url("http://A.example:80?x").text(), "http://a.example/?x");
	EXPECT_EQ(parse_url("http://a.example:443/p").text(), "http://a.example:443/p");
	EXPECT_EQ(parse_url("http://[::1]:8080/p?q#f").text(), "http://[::1]:8080/p?q");
	EXPECT_EQ(parse_url("http://[::1]").port, 0);
	for (const char *url :
	     {"http://[::1", "http://::1/", "http://[x]/", "http://a:70000/", "http://a:/",
	      "http://a:1x/", "file:///etc", "a.example", "http://", "http://a b/"})
		EXPECT_THROW(parse_url(url), Error) << url;
}

TEST(PublicUrlTest, shows_neither_query_nor_user_nor_fragment) {
	EXPECT_EQ(public_url("https://a.example/p?key=1"), "https://a.example/p");
	EXPECT_EQ(public_url("https://a.example/p#t"), "https://a.example/p");
	EXPECT_EQ(public_url("https://u:p@a.example/p@q"), "https://a.example/p@q");
	EXPECT_EQ(public_url("https://u@v@a.example"), "https://a.example");
	EXPECT_EQ(public_url("/p?x"), "/p");
	EXPECT_EQ(public_url("https://a.example?u@x"), "https://a.example");
	EXPECT_EQ(public_url(""), "");
}

TEST(MaskSecretsTest, masks_every_form) {
	const std::string secret = "a+b/c \"d\\e\n\xc3\xa9?";
	const Access access = access_with(secret);
	EXPECT_EQ(mask_secrets("x " + secret + " y " + secret, access), "x ******** y ********");
	EXPECT_EQ(mask_secrets("k=" + percent_encode(secret) + "&l", access), "k=********&l");
	EXPECT_EQ(mask_secrets("k=a%2bb%2fc%20%22d%5ce%0a%c3%a9%3f", access), "k=********");
	const std::string json = Json::string(secret).dump();
	EXPECT_EQ(mask_secrets(json, access), "\"********\"");
	EXPECT_EQ(mask_secrets("\"a+b\\/c \\\"d\\\\e\\n\xc3\xa9?\"", access), "\"********\"");
	EXPECT_EQ(mask_secrets("<" + base64_encode(secret) + ">", access), "<********>");
}

TEST(MaskSecretsTest, masks_inside_longer_base64) {
	const Access access = access_with();
	for (const std::string before : {"", "u", "us", "use", "user:"}) {
		for (const std::string after : {"", ":", ":x", ":xyz"}) {
			const std::string text = "Basic " + base64_encode(before + kKey + after);
			const std::string masked = mask_secrets(text, access);
			ASSERT_NE(masked.find("********"), std::string::npos) << before << "|" << after;
			// What is left encodes the neighbours and at most the bits they share a character with.
			EXPECT_LE(masked.size(), 6 + 8 + (before.size() + after.size() + 4) / 3 * 4 + 4);
		}
	}
}

TEST(MaskSecretsTest, masks_the_longest_first_and_leaves_the_rest) {
	Access access = access_with("secret-1");
	access.values["other"] = "secret-1-and-more";
	access.values["tiny"] = "abc";
	access.values["stars"] = "*********";
	access.secret_names = {"secret", "other", "tiny", "stars", "absent"};
	EXPECT_EQ(mask_secrets("secret-1-and-more", access), "********");
	EXPECT_EQ(mask_secrets("secret-1x", access), "********x");
	EXPECT_EQ(mask_secrets("abc north", access), "abc north");
	EXPECT_EQ(mask_secrets("*********", access), "********");
	EXPECT_EQ(mask_secrets("", access), "");
}

}  // namespace
}  // namespace sequin
