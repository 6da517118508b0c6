// Tests of http/curl_transport.h: where requests and credentials may go, redirects included.
#include "http/curl_transport.h"

#include <gtest/gtest.h>

#include "test/unit/http_loop.h"
#include "test/unit/http_names.h"
#include "test/unit/http_server.h"

namespace sequin::http {
namespace {

std::string redirect(const std::string &location, const char *status = "302 Found") {
	return answer("elsewhere", "Location: " + location + "\r\n", status);
}

// Answers /<target> with a redirect to what the test wrote there, all else with 200.
class Signpost final {
public:
	Handler handler() {
		return [this](const Seen &seen, Peer &peer) {
			const bool is_start = seen.target.rfind("/start", 0) == 0;
			return peer.write(is_start ? redirect(location, status) : answer(seen.target));
		};
	}
	std::string location;
	const char *status = "302 Found";
};

Request following(const std::string &url, int max_redirects = 5) {
	Request request = get(url);
	request.max_redirects = max_redirects;
	return request;
}

TEST(TransportRedirectTest, are_answers_unless_wanted) {
	Signpost signpost;
	HttpServer server(signpost.handler());
	signpost.location = "/end";
	const Response response = Loop().fetch(following(server.url("/start"), 0));
	EXPECT_EQ(response.failure, Failure::kNone);
	EXPECT_EQ(response.status, 302);
	EXPECT_EQ(*response.header("location"), "/end");
	EXPECT_EQ(server.seen_count(), 1u);
}

TEST(TransportRedirectTest, are_followed_at_the_same_origin_with_credentials) {
	Signpost signpost;
	HttpServer server(signpost.handler());
	Loop loop;
	for (const char *status : {"301 Moved", "302 Found", "303 See", "307 Same", "308 Same"}) {
		for (const std::string &location : {std::string("/end?x=1"), server.url("/end#part"),
		                                    "//127.0.0.1:" + std::to_string(server.port()) + "/"}) {
			signpost.location = location;
			signpost.status = status;
			Request request = following(server.url("/start/b?key=1"));
			request.headers = {{"Authorization", "Bearer sk_1"}, {"X-Key", "sk_2"}, {"X-A", "1"}};
			request.secret_headers = {"x-key"};
			const Response response = loop.fetch(request);
			EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
			EXPECT_EQ(response.status, 200) << location;
			const Seen last = server.seen().back();
			EXPECT_EQ(response.body, last.target);
			EXPECT_EQ(*last.header("authorization"), "Bearer sk_1");
			EXPECT_EQ(*last.header("x-key"), "sk_2");
			EXPECT_EQ(response.header("location"), nullptr) << "of the last answer only";
		}
	}
}

TEST(TransportRedirectTest, relative_ones_are_resolved_as_browsers_do) {
	Signpost signpost;
	HttpServer server(signpost.handler());
	Loop loop;
	const std::pair<const char *, const char *> table[] = {
		{"/x", "/x"},         {"../x", "/x"},   {"../../x?y", "/x?y"}, {"/a/./b/../c", "/a/c"},
		{"/x%20y", "/x%20y"}, {"/x#part", "/x"}};
	for (const auto &[location, target] : table) {
		signpost.location = location;
		EXPECT_EQ(loop.fetch(following(server.url("/start/b?z"))).body, target) << location;
	}
}

TEST(TransportRedirectTest, credentials_stay_at_their_origin) {
	HttpServer end(always(answer("{}")));
	Names names;
	names.add("other.test", {"127.0.0.1"});
	Signpost signpost;
	HttpServer start(signpost.handler());
	Loop loop("127.0.0.1,other.test");
	// Another port, another name for the same server, another name and port.
	for (const std::string &location :
	     {end.url("/end"), start.url("/end", "other.test"), end.url("/end", "other.test")}) {
		signpost.location = location;
		Request request = following(start.url("/start"));
		request.headers = {{"Authorization", "Bearer sk_1"},
		                   {"AUTHORIZATION", "sk_1"},
		                   {"Cookie", "session=sk_1"},
		                   {"x-api-KEY", "sk_1"},
		                   {"X-Plain", "1"}};
		request.secret_headers = {"X-Api-Key"};
		EXPECT_EQ(loop.fetch(request).status, 200) << location;
		const Seen last = (location == start.url("/end", "other.test") ? start : end).seen().back();
		EXPECT_EQ(last.target, "/end");
		EXPECT_NE(last.header("x-plain"), nullptr);
		for (const auto &[name, value] : last.headers)
			EXPECT_EQ(value.find("sk_1"), std::string::npos) << name;
	}
}

TEST(TransportRedirectTest, credentials_do_not_come_back) {
	Signpost home_signpost, away_signpost;
	HttpServer home(home_signpost.handler()), away(away_signpost.handler());
	home_signpost.location = away.url("/start");
	away_signpost.location = home.url("/end");
	Request request = following(home.url("/start"));
	request.headers = {{"Authorization", "Bearer sk_1"}};
	EXPECT_EQ(Loop().fetch(request).status, 200);
	EXPECT_NE(home.seen().front().header("authorization"), nullptr);
	EXPECT_EQ(away.seen().back().header("authorization"), nullptr);
	EXPECT_EQ(home.seen().back().header("authorization"), nullptr);
}

TEST(TransportRedirectTest, go_to_allowed_places_only) {
	Signpost signpost;
	HttpServer server(signpost.handler());
	HttpServer inner(always(answer("inner secrets")), "127.0.0.2");
	const std::string port = std::to_string(inner.port());
	struct Row {
		std::string location;
		Failure failure;
	};
	const Row table[] = {
		{inner.url("/x?sk_secret"), Failure::kForbiddenHost},  // plain http, not listed
		{"https://127.0.0.2:" + port + "/?sk_secret", Failure::kForbiddenAddress},
		{"https://169.254.169.254/latest/?sk_secret", Failure::kForbiddenAddress},
		{"https://[::ffff:127.0.0.2]:" + port + "/?sk_secret", Failure::kForbiddenAddress},
		{"https://[::1]:" + port + "/?sk_secret", Failure::kForbiddenAddress},
		{"http://0x7f000002:" + port + "/?sk_secret", Failure::kForbiddenHost},
		{"http://2130706434:" + port + "/?sk_secret", Failure::kForbiddenHost},
		{"https://user:sk_secret@127.0.0.1/", Failure::kForbiddenHost},
		{"ftp://127.0.0.1/?sk_secret", Failure::kForbiddenHost},
		{"file:///etc/passwd", Failure::kForbiddenHost},
	};
	for (const Row &row : table) {
		signpost.location = row.location;
		const Response response = Loop().fetch(following(server.url("/start")));
		EXPECT_EQ(response.failure, row.failure) << row.location << " " << response.failure_text;
		EXPECT_EQ(response.failure_text.find("sk_secret"), std::string::npos);
		EXPECT_TRUE(response.was_sent) << "to the first server";
	}
	EXPECT_EQ(inner.accepted(), 0);
}

TEST(TransportRedirectTest, go_to_the_hosts_of_the_provider_only) {
	Names names;
	names.add("api.test", {"127.0.0.1"});
	names.add("files.api.test", {"127.0.0.1"});
	names.add("evil.test", {"127.0.0.1"});
	Signpost signpost;
	HttpServer server(signpost.handler());
	Loop loop("api.test,files.api.test,evil.test");
	for (const auto &[host, failure] :
	     {std::pair{"files.api.test", Failure::kNone}, {"evil.test", Failure::kForbiddenHost}}) {
		signpost.location = server.url("/end", host);
		Request request = following(server.url("/start", "API.test"));
		request.hosts = {"api.test", "*.api.test"};
		EXPECT_EQ(loop.fetch(request).failure, failure) << host;
	}
	Request request = get(server.url("/end", "evil.test"));
	request.hosts = {"api.test"};
	const Response response = loop.fetch(request);
	EXPECT_EQ(response.failure, Failure::kForbiddenHost);
	EXPECT_FALSE(response.was_sent);
}

TEST(TransportRedirectTest, end) {
	HttpServer server([](const Seen &seen, Peer &peer) {
		return peer.write(redirect("/" + std::to_string(std::atoi(seen.target.c_str() + 1) + 1)));
	});
	const Response response = Loop().fetch(following(server.url("/0"), 3));
	EXPECT_EQ(response.failure, Failure::kNone);
	EXPECT_EQ(response.status, 302);
	EXPECT_EQ(*response.header("location"), "/4");
	EXPECT_EQ(server.seen_count(), 4u);
}

TEST(TransportRedirectTest, share_the_time_of_their_request) {
	HttpServer server([](const Seen &, Peer &peer) {
		return peer.drip("HTTP", 20) && peer.write("/1.1 302 Found\r\nContent-Length: 0\r\n"
		                                           "Location: /again\r\n\r\n");
	});
	Request request = following(server.url(), 1000);
	request.limits.total_timeout_ms = 300;
	const int64_t before_ms = now_ms();
	EXPECT_EQ(Loop().fetch(request).failure, Failure::kTimeout);
	EXPECT_GE(now_ms() - before_ms, 280);
	EXPECT_LT(now_ms() - before_ms, 5000);
}

TEST(TransportRedirectTest, of_writes_are_answers) {
	Signpost signpost;
	HttpServer server(signpost.handler());
	signpost.location = "/end";
	for (const char *status : {"301 Moved", "302 Found", "303 See", "307 Same", "308 Same"}) {
		for (const char *method : {"POST", "PUT", "PATCH", "DELETE"}) {
			signpost.status = status;
			Request request = following(server.url("/start"));
			request.method = method;
			request.body = "{}";
			EXPECT_EQ(Loop().fetch(request).status, std::atoi(status));
			EXPECT_EQ(server.seen().back().target, "/start");
		}
	}
}

TEST(TransportRedirectTest, without_a_usable_place_are_answers) {
	Signpost signpost;
	HttpServer server(signpost.handler());
	for (const char *location : {"", "http://a b/", "javascript:alert(1)", "http://[::"}) {
		signpost.location = location;
		const Response response = Loop().fetch(following(server.url("/start")));
		EXPECT_EQ(response.status, 302) << location << " led to " << server.seen().back().target;
		EXPECT_LE(server.seen().back().target.size(), 6u);
	}
	signpost.status = "304 Not Modified";
	signpost.location = "/end";
	EXPECT_EQ(Loop().fetch(following(server.url("/start"))).status, 304);
}

TEST(TransportEgressTest, an_address_that_is_not_listed_is_never_connected_to) {
	HttpServer server(always(answer("{}")));
	const std::string port = std::to_string(server.port());
	Names names;
	names.add("inner.test", {"127.0.0.1"});
	names.add("mapped.test", {"::ffff:127.0.0.1"});
	names.add("both.test", {"::1", "127.0.0.1", "10.0.0.1"});
	Loop loop("");
	for (const char *host : {"127.0.0.1", "inner.test", "mapped.test", "both.test", "localhost",
	                         "[::ffff:127.0.0.1]", "inner.test."}) {
		const Response response =
			loop.fetch(get(std::string("https://") + host + ":" + port + "/?sk_secret"));
		EXPECT_EQ(response.failure, Failure::kForbiddenAddress) << host << response.failure_text;
		EXPECT_FALSE(response.was_sent);
		EXPECT_NE(response.failure_text.find("sequin.allowed_hosts"), std::string::npos);
		EXPECT_EQ(response.failure_text.find("sk_secret"), std::string::npos);
	}
	const Response plain = loop.fetch(get(server.url("/?sk_secret")));
	EXPECT_EQ(plain.failure, Failure::kForbiddenHost);
	EXPECT_FALSE(plain.was_sent);
	EXPECT_EQ(server.accepted(), 0);
}

TEST(TransportEgressTest, one_forbidden_address_does_not_forbid_the_others) {
	const QuietPort port(QuietPort::Manner::kRefuses);
	HttpServer server(then_close(""));
	Names names;
	names.add("mixed.test", {"127.0.0.2", "127.0.0.1"});
	Loop loop("127.0.0.1");
	// Not TLS, so that it fails: what counts is that it was connected to.
	Request request = get("https://mixed.test:" + std::to_string(server.port()) + "/");
	const Response response = loop.fetch(request);
	EXPECT_EQ(response.failure, Failure::kTls) << response.failure_text;
	EXPECT_EQ(server.accepted(), 1);
	request.url = port.url().replace(0, 16, "https://mixed.test");
	EXPECT_EQ(loop.fetch(request).failure, Failure::kConnect);
}

TEST(TransportEgressTest, proxies_of_the_environment_are_ignored) {
	HttpServer server(always(answer("direct"))), proxy(always(answer("proxy")));
	for (const char *name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"})
		setenv(name, proxy.url().c_str(), 1);
	EXPECT_EQ(Loop().fetch(get(server.url())).body, "direct");
	for (const char *name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"})
		unsetenv(name);
}

TEST(TransportEgressTest, a_proxy_that_was_asked_for_is_used) {
	HttpServer proxy([](const Seen &seen, Peer &peer) { return peer.write(answer(seen.target)); });
	CurlOptions options;
	options.proxy = proxy.url();
	Loop loop("api.test", options);
	EXPECT_EQ(loop.fetch(get("http://api.test/v1")).body, "http://api.test/v1");
	EXPECT_EQ(loop.fetch(get("http://other.test/v1")).failure, Failure::kForbiddenHost);
}

}  // namespace
}  // namespace sequin::http
