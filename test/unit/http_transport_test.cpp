// Tests of http/curl_transport.h: the ordinary life of requests, and who goes first.
#include "http/curl_transport.h"

#include <gtest/gtest.h>

#include <chrono>

#include "core/error.h"
#include "test/unit/http_loop.h"
#include "test/unit/http_server.h"

namespace sequin::http {
namespace {

TEST(TransportTest, a_whole_answer) {
	HttpServer server(always(answer("{\"id\":1}", "Request-Id: req_1\r\n")));
	Loop loop;
	const Response response = loop.fetch(get(server.url("/v1/customers?limit=1")));
	EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
	EXPECT_EQ(response.status, 200);
	EXPECT_EQ(response.body, "{\"id\":1}");
	EXPECT_TRUE(response.was_sent);
	EXPECT_TRUE(response.failure_text.empty());
	ASSERT_NE(response.header("request-id"), nullptr);
	EXPECT_EQ(*response.header("request-id"), "req_1");
	ASSERT_EQ(server.seen_count(), 1u);
	EXPECT_EQ(server.seen()[0].method, "GET");
	EXPECT_EQ(server.seen()[0].target, "/v1/customers?limit=1");
}

TEST(TransportTest, statuses_are_answers_not_failures) {
	for (const char *status :
	     {"201 Created", "304 Not Modified", "400 Bad Request", "404 Not Found",
	      "429 Too Many Requests", "500 Oops: broken", "503 Down"}) {
		HttpServer server(always(answer("", {}, status)));
		const Response response = Loop().fetch(get(server.url()));
		EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
		EXPECT_EQ(response.status, std::atoi(status));
		EXPECT_EQ(response.headers.size(), 1u) << "a status line is no header";
	}
}

TEST(TransportTest, requests_arrive_as_they_were_given) {
	HttpServer server(always(answer("{}")));
	Loop loop;
	for (const char *method : {"POST", "PUT", "PATCH", "DELETE", "GET"}) {
		Request request = get(server.url("/v1/x%20y?a=b&c=%26"));
		request.method = method;
		request.body = "{\"name\":\"\xC3\xA9\"}";
		request.headers = {{"Authorization", "Bearer sk_1"},
		                   {"X-Empty", ""},
		                   {"Content-Type", "application/json"}};
		EXPECT_EQ(loop.fetch(request).failure, Failure::kNone);
		const Seen seen = server.seen().back();
		EXPECT_EQ(seen.method, method);
		EXPECT_EQ(seen.target, "/v1/x%20y?a=b&c=%26");
		EXPECT_EQ(seen.body, request.body);
		EXPECT_EQ(*seen.header("authorization"), "Bearer sk_1");
		EXPECT_EQ(*seen.header("content-type"), "application/json");
		EXPECT_EQ(*seen.header("x-empty"), "");
		EXPECT_EQ(seen.header("expect"), nullptr);
	}
	Request request = get(server.url());
	request.method = "DELETE";
	EXPECT_EQ(loop.fetch(request).failure, Failure::kNone);
	EXPECT_EQ(server.seen().back().method, "DELETE");
	EXPECT_EQ(server.seen().back().body, "");
}

TEST(TransportTest, nothing_is_left_of_the_last_request) {
	HttpServer server(always(answer("{}")));
	Loop loop;
	Request post = get(server.url());
	post.method = "POST";
	post.body = "secret";
	post.headers = {{"X-Secret", "1"}};
	EXPECT_EQ(loop.fetch(post).failure, Failure::kNone);
	EXPECT_EQ(loop.fetch(get(server.url())).failure, Failure::kNone);
	EXPECT_EQ(server.seen().back().method, "GET");
	EXPECT_EQ(server.seen().back().body, "");
	EXPECT_EQ(server.seen().back().header("x-secret"), nullptr);
}

TEST(TransportTest, head_waits_for_no_body) {
	HttpServer server(always("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"));
	Request request = get(server.url());
	request.method = "HEAD";
	const Response response = Loop().fetch(request);
	EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
	EXPECT_EQ(server.seen()[0].method, "HEAD");
}

TEST(TransportTest, a_header_cannot_smuggle_another) {
	HttpServer server(always(answer("{}")));
	for (const auto &[name, value] : Headers{{"X-A", "1\r\nX-Evil: 1"},
	                                         {"X-A", "1\nX-Evil: 1"},
	                                         {"X-A\r\nX-Evil", "1"},
	                                         {"X-A: 1\r\nX-Evil", "1"},
	                                         {"X-A", std::string("1\0", 2)},
	                                         {"", "1"}}) {
		Request request = get(server.url());
		request.headers = {{name, value}};
		const Response response = Loop().fetch(request);
		EXPECT_EQ(response.failure, Failure::kOther);
		EXPECT_FALSE(response.was_sent);
		EXPECT_EQ(response.failure_text.find("Evil"), std::string::npos);
	}
	Request request = get(server.url());
	request.method = "POST / HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET";
	EXPECT_EQ(Loop().fetch(request).failure, Failure::kOther);
	EXPECT_EQ(server.seen_count(), 0u);
}

TEST(TransportTest, header_names_are_lower_cased_in_order_of_arrival) {
	HttpServer server(always("HTTP/1.1 200 OK\r\nX-B:  two words \r\nLINK: <a>; rel=next\r\n"
	                         "x-b: again\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n"));
	const Response response = Loop().fetch(get(server.url()));
	const Headers expected = {{"x-b", "two words"},
	                          {"link", "<a>; rel=next"},
	                          {"x-b", "again"},
	                          {"x-empty", ""},
	                          {"content-length", "0"}};
	EXPECT_EQ(response.headers, expected);
	EXPECT_EQ(*response.header("x-b"), "two words");
	EXPECT_EQ(response.header("X-B"), nullptr);
	EXPECT_EQ(response.header("missing"), nullptr);
}

TEST(TransportTest, provisional_answers_leave_no_trace) {
	HttpServer server(always("HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n"
	                         "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" +
	                         answer("{}", "X-Late: 1\r\n", "201 Created")));
	const Response response = Loop().fetch(get(server.url()));
	EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
	EXPECT_EQ(response.status, 201);
	EXPECT_EQ(response.header("x-early"), nullptr);
	EXPECT_EQ(response.header("link"), nullptr);
	EXPECT_NE(response.header("x-late"), nullptr);
	EXPECT_EQ(response.body, "{}");
}

TEST(TransportTest, compressed_bodies_are_unpacked) {
	HttpServer server(always(answer(gzip_of_blanks(500000), "Content-Encoding: gzip\r\n")));
	const Response response = Loop().fetch(get(server.url()));
	EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
	EXPECT_GE(response.body.size(), 500000u);
	EXPECT_EQ(response.body.find_first_not_of(' '), std::string::npos);
	EXPECT_NE(server.seen()[0].header("accept-encoding")->find("gzip"), std::string::npos);
}

TEST(TransportTest, chunked_and_unmeasured_bodies_are_whole) {
	HttpServer pieces(always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n" +
	                         chunked("2]")));
	EXPECT_EQ(Loop().fetch(get(pieces.url())).body, "[1,2]");
	HttpServer until_close(then_close("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[1,2]"));
	const Response response = Loop().fetch(get(until_close.url()));
	EXPECT_EQ(response.failure, Failure::kNone);
	EXPECT_EQ(response.body, "[1,2]");
}

TEST(TransportTest, connections_are_kept) {
	HttpServer server(always(answer("{}")));
	Loop loop;
	for (int i = 0; i < 20; ++i)
		EXPECT_EQ(loop.fetch(get(server.url())).failure, Failure::kNone);
	EXPECT_EQ(server.accepted(), 1);
}

TEST(TransportTest, no_more_sockets_than_agreed_however_many_servers) {
	CurlOptions options;
	options.max_connections = 16;
	Loop loop("127.0.0.1", options);
	std::vector<std::unique_ptr<HttpServer>> servers;
	for (int i = 0; i < 40; ++i)
		servers.push_back(std::make_unique<HttpServer>(always(answer("{}"))));
	for (const auto &server : servers)
		EXPECT_EQ(loop.fetch(get(server->url())).failure, Failure::kNone);
	EXPECT_TRUE(loop.run_until([&] {
		int open = 0;
		for (const auto &server : servers)
			open += server->open();
		return open <= options.max_connections;
	}));
}

TEST(TransportTest, times_are_told) {
	HttpServer server([](const Seen &, Peer &peer) {
		return peer.drip("HTTP", 10) && peer.write("/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{") &&
		       peer.drip("}", 10);
	});
	const auto unix_us = [] {
		return std::chrono::duration_cast<std::chrono::microseconds>(
				   std::chrono::system_clock::now().time_since_epoch())
		    .count();
	};
	const int64_t before_us = unix_us();
	const Response response = Loop().fetch(get(server.url()));
	const int64_t after_us = unix_us();
	EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
	EXPECT_LE(before_us, response.sent_at_us);
	EXPECT_LT(response.sent_at_us + 30000, response.done_at_us);
	EXPECT_LE(response.done_at_us, after_us);
	EXPECT_LE(response.dns_ms, response.connect_ms);
	EXPECT_LE(response.connect_ms, response.first_byte_ms);
	EXPECT_LE(response.first_byte_ms, response.total_ms);
	EXPECT_GE(response.total_ms, 30);
	EXPECT_LE(response.total_ms, (after_us - before_us) / 1000 + 1);
}

TEST(TransportTest, sent_at_is_when_it_started_not_when_it_was_queued) {
	Gate gate;
	HttpServer server(gate.handler());
	CurlOptions options;
	options.max_connections = 2;
	options.reserved_for_urgent = 1;
	Loop loop("127.0.0.1", options);
	std::vector<Response> responses(2);
	for (Response &response : responses)
		loop.transport().send(get(server.url()), [&](Response &&got) { response = got; });
	EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 1; }));
	gate.open();
	loop.run_until_idle();
	EXPECT_GE(responses[1].sent_at_us, responses[0].done_at_us);
}

TEST(TransportTest, parallel_requests_stay_within_the_connections) {
	HttpServer server([](const Seen &seen, Peer &peer) { return peer.write(answer(seen.target)); });
	CurlOptions options;
	options.max_connections = 50;
	Loop loop("127.0.0.1", options);
	int right = 0;
	for (int i = 0; i < 300; ++i) {
		const std::string target = "/" + std::to_string(i);
		Request request = get(server.url(target));
		request.priority = static_cast<Priority>(i % 4);
		loop.transport().send(request, [&right, target](Response &&response) {
			right += response.failure == Failure::kNone && response.body == target;
		});
	}
	EXPECT_EQ(loop.transport().in_flight(), 300);
	loop.run_until_idle();
	EXPECT_EQ(right, 300);
	EXPECT_EQ(server.seen_count(), 300u);
	EXPECT_LE(server.most_open(), 50);
	EXPECT_EQ(loop.transport().in_flight(), 0);
}

TEST(TransportTest, urgent_requests_pass_a_full_queue) {
	Gate gate;
	HttpServer server(gate.handler());
	CurlOptions options;
	options.max_connections = 6;
	options.reserved_for_urgent = 2;
	Loop loop("127.0.0.1", options);
	for (int i = 0; i < 20; ++i) {
		Request request = get(server.url("/backfill"));
		request.priority = Priority::kBackfill;
		loop.transport().send(request, nullptr);
	}
	EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 4; }));
	for (int i = 0; i < 3; ++i) {
		Request request = get(server.url("/mutation"));
		request.priority = Priority::kMutation;
		loop.transport().send(request, nullptr);
	}
	EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 6; }));
	EXPECT_EQ(server.seen()[4].target, "/mutation");
	EXPECT_EQ(server.seen()[5].target, "/mutation");
	gate.open();
	loop.run_until_idle();
	EXPECT_EQ(server.seen_count(), 23u);
	EXPECT_EQ(server.most_open(), 6);
}

TEST(TransportTest, what_waits_goes_in_order_of_urgency) {
	HttpServer server([](const Seen &seen, Peer &peer) { return peer.write(answer(seen.target)); });
	CurlOptions options;
	options.max_connections = 1;
	options.reserved_for_urgent = 0;
	Loop loop("127.0.0.1", options);
	for (const Priority priority :
	     {Priority::kSweep, Priority::kBackfill, Priority::kLive, Priority::kMutation}) {
		for (const char *number : {"a", "b"}) {
			Request request =
				get(server.url("/" + std::to_string(static_cast<int>(priority)) + number));
			request.priority = priority;
			loop.transport().send(request, nullptr);
		}
	}
	loop.run_until_idle();
	std::string order;
	for (const Seen &seen : server.seen())
		order += seen.target;
	EXPECT_EQ(order, "/0a/0b/1a/1b/2a/2b/3a/3b");
}

TEST(TransportTest, a_small_transport_still_serves_everyone) {
	HttpServer server(always(answer("{}")));
	CurlOptions options;
	options.max_connections = 5;
	options.reserved_for_urgent = 10;
	Loop loop("127.0.0.1", options);
	Request request = get(server.url());
	request.priority = Priority::kSweep;
	EXPECT_EQ(loop.fetch(request).failure, Failure::kNone);
}

TEST(TransportTest, advance_never_blocks) {
	HttpServer server(always(answer(std::string(50000, '1'))));
	HttpServer silent([](const Seen &, Peer &peer) { return peer.hang(); });
	const QuietPort deaf(QuietPort::Manner::kIgnores);
	CurlOptions options;
	options.max_connections = 50;
	Loop loop("127.0.0.1", options);
	int done = 0;
	for (const std::string &url : {silent.url(), deaf.url()})
		loop.transport().send(get(url), nullptr);
	for (int i = 0; i < 200; ++i)
		loop.transport().send(get(server.url()), [&](Response &&) { ++done; });
	EXPECT_TRUE(loop.run_until([&] { return done == 200; }));
	EXPECT_EQ(loop.transport().in_flight(), 2);
	RecordProperty("longest_us", static_cast<int>(loop.longest_advance_us()));
	EXPECT_LT(loop.longest_advance_us(), 500000);
}

}  // namespace
}  // namespace sequin::http
