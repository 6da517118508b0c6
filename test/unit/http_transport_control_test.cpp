// Tests of http/curl_transport.h: what the owner of the loop may do at any time, and lookups.
#include "http/curl_transport.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "test/unit/http_loop.h"
#include "test/unit/http_names.h"
#include "test/unit/http_server.h"

namespace sequin::http {
namespace {

Done never() {
	return
		[](Response &&response) { ADD_FAILURE() << "called after all: " << response.failure_text; };
}

TEST(TransportCancelTest, before_it_starts) {
	HttpServer server(always(answer("{}")));
	Loop loop;
	loop.transport().cancel(loop.transport().send(get(server.url()), never()));
	EXPECT_EQ(loop.transport().in_flight(), 0);
	EXPECT_EQ(loop.fetch(get(server.url("/next"))).failure, Failure::kNone);
	EXPECT_EQ(server.seen_count(), 1u);
}

TEST(TransportCancelTest, while_it_waits_for_room) {
	Gate gate;
	HttpServer server(gate.handler());
	CurlOptions options;
	options.max_connections = 1;
	options.reserved_for_urgent = 0;
	Loop loop("127.0.0.1", options);
	int done = 0;
	loop.transport().send(get(server.url("/1")), [&](Response &&) { ++done; });
	const RequestId second = loop.transport().send(get(server.url("/2")), never());
	loop.transport().send(get(server.url("/3")), [&](Response &&) { ++done; });
	EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 1; }));
	loop.transport().cancel(second);
	gate.open();
	loop.run_until_idle();
	EXPECT_EQ(done, 2);
	EXPECT_EQ(server.seen().back().target, "/3");
}

TEST(TransportCancelTest, while_its_host_is_looked_up) {
	Names names;
	names.hang("slow.test");
	Loop loop("slow.test");
	const RequestId id = loop.transport().send(get("http://slow.test/"), never());
	EXPECT_TRUE(loop.run_until([&] { return names.looking_up() == 1; }));
	const int64_t before_ms = now_ms();
	loop.transport().cancel(id);
	EXPECT_EQ(loop.transport().in_flight(), 0);
	loop.drop();
	EXPECT_LT(now_ms() - before_ms, 1000);
}

TEST(TransportCancelTest, while_it_connects) {
	const QuietPort port(QuietPort::Manner::kIgnores);
	Loop loop;
	const RequestId id = loop.transport().send(get(port.url()), never());
	for (int i = 0; i < 5; ++i)
		loop.transport().advance();
	loop.transport().cancel(id);
	EXPECT_EQ(loop.transport().in_flight(), 0);
}

TEST(TransportCancelTest, while_it_waits_for_the_answer_or_reads_it) {
	for (const char *begin : {"", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n["}) {
		HttpServer server([&](const Seen &, Peer &peer) {
			peer.write(begin);
			return peer.hang();
		});
		Loop loop;
		const RequestId id = loop.transport().send(get(server.url()), never());
		EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 1; }));
		loop.transport().cancel(id);
		EXPECT_EQ(loop.transport().in_flight(), 0);
		EXPECT_TRUE(loop.run_until([&] { return server.open() == 0; })) << "the socket is closed";
	}
}

TEST(TransportCancelTest, when_it_is_over_or_was_never_there) {
	HttpServer server(always(answer("{}")));
	Loop loop;
	RequestId id = 0;
	int done = 0;
	id = loop.transport().send(get(server.url()), [&](Response &&) {
		++done;
		loop.transport().cancel(id);  // itself
	});
	loop.run_until_idle();
	loop.transport().cancel(id);
	loop.transport().cancel(id + 1000);
	EXPECT_EQ(done, 1);
	EXPECT_EQ(loop.fetch(get(server.url())).failure, Failure::kNone);
}

TEST(TransportCallbackTest, may_cancel_what_ended_in_the_same_turn) {
	Gate gate;
	HttpServer server(gate.handler());
	Loop loop;
	std::vector<RequestId> ids;
	int done = 0;
	for (int i = 0; i < 10; ++i)
		ids.push_back(loop.transport().send(get(server.url()), [&](Response &&) {
			++done;
			for (RequestId id : ids)
				loop.transport().cancel(id);
		}));
	EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 10; }));
	gate.open();
	pollfd readable{loop.transport().poll_fd(), POLLIN, 0};
	poll(&readable, 1, 20);  // so that several have ended
	loop.run_until_idle();
	EXPECT_EQ(done, 1);
}

TEST(TransportCallbackTest, may_send_the_next_page) {
	HttpServer server([](const Seen &seen, Peer &peer) { return peer.write(answer(seen.target)); });
	Loop loop;
	int page = 0;
	std::function<void(Response &&)> next = [&](Response &&response) {
		EXPECT_EQ(response.failure, Failure::kNone);
		if (++page < 100)
			loop.transport().send(get(server.url("/" + std::to_string(page))), next);
	};
	loop.transport().send(get(server.url("/0")), next);
	loop.run_until_idle();
	EXPECT_EQ(page, 100);
	EXPECT_EQ(server.accepted(), 1);
}

TEST(TransportCallbackTest, that_sends_what_is_refused_does_not_hold_the_loop) {
	HttpServer server(always(answer("{}")));
	Loop loop;
	EXPECT_EQ(loop.fetch(get(server.url())).failure, Failure::kNone);
	Request request = get(server.url());
	request.hosts = {"api.test"};
	int refused = 0;
	std::function<void(Response &&)> again = [&](Response &&response) {
		EXPECT_EQ(response.failure, Failure::kForbiddenHost);
		if (++refused < 100000)
			loop.transport().send(request, again);
	};
	loop.transport().send(request, again);
	EXPECT_EQ(loop.fetch(get(server.url())).failure, Failure::kNone);
	EXPECT_LT(refused, 10000);
}

TEST(TransportCallbackTest, end_all_calls_each_once_and_none_that_was_cancelled) {
	Gate gate;
	HttpServer server(gate.handler());
	CurlOptions options;
	options.max_connections = 3;
	options.reserved_for_urgent = 0;
	Loop loop("127.0.0.1", options);
	std::vector<RequestId> ids(8);
	std::vector<int> called(8);
	int sent = 0, late = 0;
	for (size_t i = 0; i < ids.size(); ++i) {
		ids[i] = loop.transport().send(get(server.url()), [&, i](Response &&response) {
			EXPECT_EQ(response.failure, Failure::kOther);
			EXPECT_FALSE(response.failure_text.empty());
			EXPECT_GT(response.done_at_us, 0);
			sent += response.was_sent;
			++called[i];
			loop.transport().cancel(ids[i ^ 1]);
			loop.transport().send(get(server.url()), [&](Response &&) { ++late; });
		});
	}
	EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 3; }));
	loop.transport().end_all();
	for (size_t i = 0; i < ids.size(); i += 2)
		EXPECT_EQ(called[i] + called[i + 1], 1) << i;
	EXPECT_EQ(loop.transport().in_flight(), 4) << "what callbacks sent is kept";
	EXPECT_LE(sent, 3);
	gate.open();
	loop.run_until_idle();
	EXPECT_EQ(late, 4);
}

TEST(TransportCallbackTest, end_all_knows_what_was_sent) {
	Gate gate;
	HttpServer server(gate.handler());
	const QuietPort port(QuietPort::Manner::kIgnores);
	Loop loop;
	bool was_sent = false, was_connecting_sent = true;
	loop.transport().send(get(server.url()), [&](Response &&r) { was_sent = r.was_sent; });
	loop.transport().send(get(port.url()), [&](Response &&r) { was_connecting_sent = r.was_sent; });
	EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 1; }));
	loop.transport().end_all();
	EXPECT_TRUE(was_sent);
	EXPECT_FALSE(was_connecting_sent);
}

TEST(TransportEndTest, nobody_is_called_after_the_transport_is_gone) {
	HttpServer server([](const Seen &, Peer &peer) { return peer.hang(); });
	const QuietPort port(QuietPort::Manner::kIgnores);
	Names names;
	names.hang("slow.test");
	CurlOptions options;
	options.max_connections = 4;
	options.reserved_for_urgent = 0;
	Loop loop("127.0.0.1,slow.test", options);
	for (const std::string &url :
	     {server.url(), port.url(), std::string("http://slow.test/"), server.url(), server.url()})
		loop.transport().send(get(url), never());
	EXPECT_TRUE(
		loop.run_until([&] { return server.seen_count() == 2 && names.looking_up() == 1; }));
	const int64_t before_ms = now_ms();
	loop.drop();
	EXPECT_LT(now_ms() - before_ms, 1000);
}

TEST(TransportTimeoutTest, says_how_long_to_wait) {
	Gate gate;
	HttpServer server(gate.handler());
	Loop loop;
	EXPECT_EQ(loop.transport().timeout_ms(), -1) << "nothing to do";
	Request request = get(server.url());
	request.limits.read_timeout_ms = 30000;
	bool is_done = false;
	loop.transport().send(request, [&](Response &&) { is_done = true; });
	EXPECT_EQ(loop.transport().timeout_ms(), 0) << "there is something to start";
	EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 1; }));
	EXPECT_TRUE(loop.run_until([&] { return loop.transport().timeout_ms() > 1000; }));
	EXPECT_LE(loop.transport().timeout_ms(), 30000);
	pollfd readable{loop.transport().poll_fd(), POLLIN, 0};
	EXPECT_EQ(poll(&readable, 1, 0), 0) << "nothing has come";
	gate.open();
	EXPECT_EQ(poll(&readable, 1, 20000), 1) << "the answer wakes the loop";
	EXPECT_TRUE(loop.run_until([&] { return is_done; }));
	EXPECT_TRUE(loop.run_until([&] { return loop.transport().timeout_ms() == -1; }));
}

TEST(TransportTimeoutTest, is_not_lost_when_something_else_is_sent) {
	// The timer of the first must survive a second request that never reaches libcurl.
	const QuietPort port(QuietPort::Manner::kIgnores);
	Loop loop;
	Failure failure = Failure::kNone;
	Request request = get(port.url());
	request.limits.connect_timeout_ms = 200;
	loop.transport().send(request, [&](Response &&response) { failure = response.failure; });
	for (int i = 0; i < 5; ++i)
		loop.transport().advance();
	loop.transport().send(get("http://forbidden.test/"), nullptr);
	loop.transport().cancel(loop.transport().send(get(port.url()), never()));
	const int64_t before_ms = now_ms();
	loop.run_until_idle();
	EXPECT_EQ(failure, Failure::kTimeout);
	EXPECT_LT(now_ms() - before_ms, 5000);
}

TEST(TransportLookupTest, ones_that_hang_hold_up_neither_the_loop_nor_others) {
	HttpServer server(always(answer("{}")));
	Names names;
	names.add("good.test", {"127.0.0.1"});
	for (int i = 0; i < 15; ++i)
		names.hang("slow" + std::to_string(i) + ".test");
	CurlOptions options;
	options.max_lookups = 8;
	std::string listed = "127.0.0.1,good.test";
	for (int i = 0; i < 15; ++i)
		listed += ",slow" + std::to_string(i) + ".test";
	Loop loop(listed, options);
	EXPECT_EQ(loop.fetch(get(server.url("/", "good.test"))).failure, Failure::kNone);
	int timed_out = 0;
	for (int i = 0; i < 15; ++i) {
		Request request = get("http://slow" + std::to_string(i) + ".test/");
		request.limits.connect_timeout_ms = 200;
		loop.transport().send(request, [&](Response &&response) {
			timed_out += response.failure == Failure::kTimeout && !response.was_sent;
		});
	}
	EXPECT_TRUE(loop.run_until([&] { return names.looking_up() >= 4; }));
	EXPECT_LE(names.looking_up(), 8);
	EXPECT_EQ(loop.fetch(get(server.url("/", "good.test"))).failure, Failure::kNone)
		<< "a host that was reached passes them";
	EXPECT_EQ(timed_out, 0);
	loop.run_until_idle();
	EXPECT_EQ(timed_out, 15);
	EXPECT_LT(loop.longest_advance_us(), 500000);
}

TEST(TransportLookupTest, ones_that_are_over_hold_up_nobody) {
	Gate gate;
	HttpServer server(gate.handler());
	CurlOptions options;
	options.max_lookups = 4;
	Loop loop("127.0.0.1", options);
	for (int i = 0; i < 30; ++i)
		loop.transport().send(get(server.url()), nullptr);
	EXPECT_TRUE(loop.run_until([&] { return server.seen_count() == 30; }));
	gate.open();
	loop.run_until_idle();
}

TEST(TransportLookupTest, a_mutation_passes_those_that_hang) {
	HttpServer server(always(answer("{}")));
	Names names;
	names.add("new.test", {"127.0.0.1"});
	names.hang("slow.test");
	CurlOptions options;
	options.max_lookups = 4;
	Loop loop("slow.test,new.test", options);
	for (int i = 0; i < 20; ++i)
		loop.transport().send(get("http://slow.test/"), never());
	EXPECT_TRUE(loop.run_until([&] { return names.looking_up() == 2; }));
	Request request = get(server.url("/", "new.test"));
	request.method = "POST";
	request.priority = Priority::kMutation;
	request.limits.total_timeout_ms = 3000;
	EXPECT_EQ(loop.fetch(request).failure, Failure::kNone);
	loop.drop();
}

}  // namespace
}  // namespace sequin::http
