// Tests of http/curl_transport.h: what servers do wrong, and how far they get with it.
#include "http/curl_transport.h"

#include <gtest/gtest.h>

#include "test/unit/http_loop.h"
#include "test/unit/http_names.h"
#include "test/unit/http_server.h"

namespace sequin::http {
namespace {

constexpr const char *kHead = "HTTP/1.1 200 OK\r\n";

Response fetch_from(const Handler &handler, const Limits &limits = {},
                    const std::string &method = "GET") {
	HttpServer server(handler);
	Request request = get(server.url("/v1?key=sk_secret"));
	request.method = method;
	request.limits = limits;
	request.headers = {{"Authorization", "Bearer sk_secret"}};
	const Response response = Loop().fetch(request);
	EXPECT_EQ(response.failure_text.find("sk_secret"), std::string::npos) << response.failure_text;
	EXPECT_EQ(response.failure_text.find('?'), std::string::npos) << response.failure_text;
	EXPECT_EQ(response.failure_text.empty(), response.failure == Failure::kNone);
	return response;
}

Response fetch_bytes(const std::string &bytes, const Limits &limits = {}) {
	return fetch_from(then_close(bytes), limits);
}

TEST(TransportFaultTest, cut_off_before_an_answer) {
	const Handler mute = [](const Seen &, Peer &) { return false; };
	const Handler resets = [](const Seen &, Peer &peer) { return peer.reset(); };
	const Handler half_a_head = then_close("HTTP/1.1 200 OK\r\nContent-Le");
	for (const Handler &handler : {mute, resets}) {
		const Response response = fetch_from(handler);
		EXPECT_EQ(response.failure, Failure::kReset);
		EXPECT_TRUE(response.was_sent);
		EXPECT_EQ(response.status, 0);
	}
	EXPECT_EQ(fetch_from(half_a_head).failure, Failure::kTruncated);
}

TEST(TransportFaultTest, cut_off_within_an_answer) {
	const std::string begun = std::string(kHead) + "Content-Length: 1000\r\n\r\n{\"id\":";
	EXPECT_EQ(fetch_bytes(begun).failure, Failure::kTruncated);
	const Response reset = fetch_from([&](const Seen &, Peer &peer) {
		peer.write(begun);
		return peer.reset();
	});
	EXPECT_TRUE(reset.failure == Failure::kReset || reset.failure == Failure::kTruncated);
	EXPECT_TRUE(reset.was_sent);
	const std::string chunks = std::string(kHead) + "Transfer-Encoding: chunked\r\n\r\n";
	for (const char *body : {"5\r\n[1,2]\r\n", "5\r\n[1,", "5\r\n", "5", ""})
		EXPECT_EQ(fetch_bytes(chunks + body).failure, Failure::kTruncated) << body;
	const std::string packed = gzip_of_blanks(5000);
	EXPECT_EQ(fetch_bytes(std::string(kHead) + "Content-Encoding: gzip\r\nContent-Length: " +
	                      std::to_string(packed.size()) + "\r\n\r\n" + packed.substr(0, 30))
	              .failure,
	          Failure::kTruncated);
}

TEST(TransportFaultTest, nonsense_is_no_answer) {
	const std::string chunks = std::string(kHead) + "Transfer-Encoding: chunked\r\n\r\n";
	for (const std::string &bytes :
	     {std::string("hello\r\n\r\n"), std::string("\r\n\r\n"), std::string(100, '\0'),
	      std::string("HTTP/1.1 OK\r\n\r\n"), std::string("HTTP/9.9 200 OK\r\n\r\n"),
	      std::string("220 smtp.example ESMTP\r\n"), chunks + "xyz\r\n[1]\r\n0\r\n\r\n",
	      chunks + "-5\r\n[1,2]\r\n0\r\n\r\n", chunks + "fffffffffffffffff\r\n[1]\r\n",
	      chunks + "3\r\n[1]nonsense\r\n", std::string(kHead) + "Content-Length: -5\r\n\r\n[1]",
	      std::string(kHead) + "Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\nnot gzip at!",
	      std::string(kHead) + "Content-Encoding: nonsense\r\nContent-Length: 3\r\n\r\n[1]"}) {
		const Response response = fetch_bytes(bytes);
		EXPECT_NE(response.failure, Failure::kNone) << bytes << " gave " << response.body;
		EXPECT_TRUE(response.was_sent);
	}
}

TEST(TransportFaultTest, a_server_that_never_answers) {
	Limits limits;
	limits.read_timeout_ms = 150;
	const int64_t before_ms = now_ms();
	const Response response =
		fetch_from([](const Seen &, Peer &peer) { return peer.hang(); }, limits);
	EXPECT_EQ(response.failure, Failure::kTimeout);
	EXPECT_TRUE(response.was_sent);
	EXPECT_GE(now_ms() - before_ms, 150);
	EXPECT_LT(now_ms() - before_ms, 5000);
	EXPECT_GE(response.total_ms, 140);
	EXPECT_NE(response.failure_text.find("first byte never arrived"), std::string::npos);
	EXPECT_EQ(response.failure_text.find("timed out after 0.0 s"), std::string::npos);
}

TEST(TransportFaultTest, a_server_that_falls_silent) {
	Limits limits;
	limits.read_timeout_ms = 150;
	const Response response = fetch_from(
		[](const Seen &, Peer &peer) {
			peer.write(std::string(kHead) + "Content-Length: 100\r\n\r\n[");
			return peer.hang();
		},
		limits);
	EXPECT_EQ(response.failure, Failure::kTimeout);
	EXPECT_NE(response.failure_text.find("first byte arrived"), std::string::npos);
}

TEST(TransportFaultTest, a_slow_server_is_not_silent) {
	Limits limits;
	limits.read_timeout_ms = 250;
	const Response response = fetch_from(
		[](const Seen &, Peer &peer) {
			return peer.write(std::string(kHead) + "Content-Length: 20\r\n\r\n") &&
		           peer.drip(std::string(20, ' '), 20);
		},
		limits);
	EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
	EXPECT_GE(response.total_ms, 380);
}

TEST(TransportFaultTest, a_slow_server_has_so_much_time_and_no_more) {
	Limits limits;
	limits.read_timeout_ms = 1000;
	limits.total_timeout_ms = 300;
	for (const char *begin : {"", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"}) {
		const int64_t before_ms = now_ms();
		const Response response = fetch_from(
			[&](const Seen &, Peer &peer) {
				return peer.write(begin) &&
			           peer.drip("HTTP/1.1 200 OK\r\nX: " + std::string(1000, 'x'), 20);
			},
			limits);
		EXPECT_EQ(response.failure, Failure::kTimeout);
		EXPECT_TRUE(response.was_sent);
		EXPECT_GE(now_ms() - before_ms, 290);
		EXPECT_LT(now_ms() - before_ms, 5000);
	}
}

TEST(TransportFaultTest, nobody_listens) {
	const QuietPort port(QuietPort::Manner::kRefuses);
	const Response response = Loop().fetch(get(port.url() + "?key=sk_secret"));
	EXPECT_EQ(response.failure, Failure::kConnect);
	EXPECT_FALSE(response.was_sent);
	EXPECT_NE(response.failure_text.find("127.0.0.1"), std::string::npos);
	EXPECT_EQ(response.failure_text.find("sk_secret"), std::string::npos);
}

TEST(TransportFaultTest, nobody_accepts) {
	const QuietPort port(QuietPort::Manner::kIgnores);
	Request request = get(port.url());
	request.limits.connect_timeout_ms = 200;
	request.limits.read_timeout_ms = 50;  // counts once connected
	const int64_t before_ms = now_ms();
	const Response response = Loop().fetch(request);
	EXPECT_EQ(response.failure, Failure::kTimeout);
	EXPECT_FALSE(response.was_sent);
	EXPECT_GE(now_ms() - before_ms, 190);
	EXPECT_LT(now_ms() - before_ms, 5000);
}

TEST(TransportFaultTest, too_many_bytes) {
	Limits limits;
	limits.max_body_bytes = 1000;
	const std::string body(1001, ' ');
	for (const std::string &bytes :
	     {answer(body), answer(gzip_of_blanks(5000), "Content-Encoding: gzip\r\n"),
	      std::string(kHead) + "Transfer-Encoding: chunked\r\n\r\n" + chunked(body),
	      std::string(kHead) + "Connection: close\r\n\r\n" + body}) {
		const Response response = fetch_bytes(bytes, limits);
		EXPECT_EQ(response.failure, Failure::kTooLarge);
		EXPECT_TRUE(response.was_sent);
		EXPECT_LE(response.body.size(), 1000u);
	}
	EXPECT_EQ(fetch_bytes(answer(body.substr(1)), limits).failure, Failure::kNone);
}

TEST(TransportFaultTest, an_endless_body_ends) {
	Limits limits;
	limits.max_body_bytes = 4 << 20;
	const Response response = fetch_from(
		[](const Seen &, Peer &peer) {
			peer.write(std::string(kHead) + "\r\n");
			while (peer.write(std::string(100000, ' '))) {
			}
			return false;
		},
		limits);
	EXPECT_EQ(response.failure, Failure::kTooLarge);
}

TEST(TransportFaultTest, a_body_that_swells) {
	const std::string bomb = gzip_of_blanks(4 << 20);
	Limits limits;
	Response response = fetch_bytes(answer(bomb, "Content-Encoding: gzip\r\n"), limits);
	EXPECT_EQ(response.failure, Failure::kTooLarge);
	EXPECT_NE(response.failure_text.find("swells"), std::string::npos);
	EXPECT_LT(response.body.size(), size_t{3} << 20);
	limits.max_decompression_ratio = 200;
	response = fetch_bytes(answer(bomb, "Content-Encoding: gzip\r\n"), limits);
	EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
	EXPECT_GE(response.body.size(), size_t{4} << 20);
}

TEST(TransportFaultTest, too_many_values_or_levels) {
	Limits limits;
	limits.max_json_values = 1000;
	limits.max_json_depth = 50;
	std::string many = "[0";
	for (int i = 0; i < 2000; ++i)
		many += ",{}";
	for (const std::string &body : {many + "]", std::string(51, '['), std::string(51, '{')}) {
		Response response = fetch_bytes(answer(body), limits);
		EXPECT_EQ(response.failure, Failure::kJsonTooLarge);
		EXPECT_TRUE(response.was_sent);
		Limits unlimited = limits;
		unlimited.max_json_values = 0;
		EXPECT_EQ(fetch_bytes(answer(body), unlimited).failure, Failure::kNone);
	}
	const std::string level = std::string(50, '[') + std::string(50, ']');
	EXPECT_EQ(fetch_bytes(answer(level), limits).failure, Failure::kNone);
	EXPECT_EQ(fetch_bytes(answer('"' + std::string(5000, '[') + '"'), limits).failure,
	          Failure::kNone);
}

TEST(TransportFaultTest, too_many_headers) {
	Limits limits;
	limits.max_header_bytes = 10000;
	std::string lines;
	for (int i = 0; i < 1000; ++i)
		lines += "X-Header: some value\r\n";
	for (const std::string &bytes :
	     {answer("{}", lines), answer("{}", "X-Header: " + std::string(20000, 'x') + "\r\n"),
	      answer("{}", "X-Header: " + std::string(200000, 'x') + "\r\n"),
	      answer("{}", std::string(200000, 'x')),
	      "HTTP/1.1 200 " + std::string(200000, 'x') + "\r\n\r\n",
	      std::string(kHead) + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + lines +
	          "\r\n"}) {
		const Response response = fetch_bytes(bytes, limits);
		EXPECT_EQ(response.failure, Failure::kTooLarge) << bytes.substr(0, 100);
		EXPECT_TRUE(response.was_sent);
	}
	limits.max_header_bytes = 50000;
	EXPECT_EQ(fetch_bytes(answer("{}", lines), limits).failure, Failure::kNone);
}

TEST(TransportFaultTest, a_write_is_sent_once_though_its_connection_dies) {
	// A kept connection that dies before an answer: libcurl would send the request anew.
	const Handler second_dies = [](const Seen &seen, Peer &peer) {
		return seen.target == "/first" && peer.write(answer("{}"));
	};
	for (const char *method : {"POST", "PATCH", "PUT", "DELETE"}) {
		HttpServer server(second_dies);
		Loop loop;
		EXPECT_EQ(loop.fetch(get(server.url("/first"))).failure, Failure::kNone);
		Request request = get(server.url("/second"));
		request.method = method;
		request.body = "{}";
		const Response response = loop.fetch(request);
		EXPECT_EQ(response.failure, Failure::kReset) << method << response.failure_text;
		EXPECT_TRUE(response.was_sent) << method;
		EXPECT_EQ(server.seen_count(), 2u) << method;
	}
}

TEST(TransportFaultTest, a_read_is_sent_anew_if_its_connection_dies) {
	HttpServer server([](const Seen &seen, Peer &peer) {
		return (seen.connection == 2 || seen.target == "/first") && peer.write(answer("{}"));
	});
	Loop loop;
	EXPECT_EQ(loop.fetch(get(server.url("/first"))).failure, Failure::kNone);
	EXPECT_EQ(loop.fetch(get(server.url("/second"))).failure, Failure::kNone);
	EXPECT_EQ(server.seen_count(), 3u);
}

TEST(TransportFaultTest, a_write_follows_a_connection_that_was_closed_in_between) {
	HttpServer server([](const Seen &seen, Peer &peer) {
		peer.write(answer("{}"));
		return seen.target != "/first";
	});
	Loop loop;
	EXPECT_EQ(loop.fetch(get(server.url("/first"))).failure, Failure::kNone);
	EXPECT_TRUE(loop.run_until([&] { return server.open() == 0; }));
	Request request = get(server.url("/second"));
	request.method = "POST";
	request.body = "{}";
	const Response response = loop.fetch(request);
	EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
	EXPECT_EQ(server.seen_count(), 2u);
}

TEST(TransportFaultTest, an_unknown_host) {
	Names names;
	const Response response = Loop("api.test").fetch(get("http://api.test/?sk_secret"));
	EXPECT_EQ(response.failure, Failure::kResolve);
	EXPECT_FALSE(response.was_sent);
	EXPECT_EQ(response.failure_text, "could not resolve \"api.test\"");
}

}  // namespace
}  // namespace sequin::http
