// Tests of http/curl_transport.h over TLS: whom it trusts.
#include "http/curl_transport.h"

#include <gtest/gtest.h>

#include "test/unit/http_certificate.h"
#include "test/unit/http_loop.h"
#include "test/unit/http_names.h"
#include "test/unit/http_server.h"

namespace sequin::http {
namespace {

class TransportTlsTest : public testing::Test {
protected:
	TransportTlsTest() {
		names_.add("api.test", {"127.0.0.1"});
		names_.add("other.test", {"127.0.0.1"});
	}

	Response fetch(const std::string &host, const std::string &ca_file) {
		CurlOptions options;
		options.ca_file = ca_file;
		Loop loop("127.0.0.1", options);
		return loop.fetch(
			get("https://" + host + ":" + std::to_string(server_.port()) + "/v1?sk_secret"));
	}

	void refused(const Response &response) {
		EXPECT_EQ(response.failure, Failure::kTls) << response.failure_text;
		EXPECT_FALSE(response.was_sent);
		EXPECT_EQ(response.failure_text.find("sk_secret"), std::string::npos);
		EXPECT_EQ(server_.seen_count(), 0u);
	}

	Names names_;
	Certificate certificate_{"api.test"};
	HttpServer server_{always(answer("{}")), "127.0.0.1", certificate_.server()};
};

TEST_F(TransportTlsTest, who_is_trusted_answers) {
	const Response response = fetch("api.test", certificate_.file());
	EXPECT_EQ(response.failure, Failure::kNone) << response.failure_text;
	EXPECT_EQ(response.body, "{}");
	EXPECT_GE(response.tls_ms, response.connect_ms);
	EXPECT_EQ(server_.seen().front().target, "/v1?sk_secret");
}

TEST_F(TransportTlsTest, connections_are_kept) {
	CurlOptions options;
	options.ca_file = certificate_.file();
	Loop loop("127.0.0.1", options);
	for (int i = 0; i < 5; ++i)
		EXPECT_EQ(
			loop.fetch(get("https://api.test:" + std::to_string(server_.port()) + "/")).failure,
			Failure::kNone);
	EXPECT_EQ(server_.accepted(), 1);
}

TEST_F(TransportTlsTest, nobody_else_does) {
	const Certificate other("api.test");
	refused(fetch("api.test", {}));
	refused(fetch("api.test", other.file()));
	refused(fetch("api.test", "/nonexistent/ca.pem"));
}

TEST_F(TransportTlsTest, a_name_is_trusted_for_itself_only) {
	refused(fetch("other.test", certificate_.file()));
	refused(fetch("127.0.0.1", certificate_.file()));
}

TEST_F(TransportTlsTest, a_server_that_speaks_none_is_told_nothing) {
	HttpServer plain(always(answer("{}")));
	const Response response =
		Loop().fetch(get("https://127.0.0.1:" + std::to_string(plain.port()) + "/?sk_secret"));
	refused(response);
	EXPECT_EQ(plain.seen_count(), 0u);
}

}  // namespace
}  // namespace sequin::http
