// Tests of core/verdict.h: what each answer and each failure means.
#include "core/verdict.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "core/time.h"

namespace sequin {
namespace {

constexpr int64_t kSecond = 1000000;
constexpr int64_t kDay = 86400 * kSecond;
constexpr int64_t kNow = 784111777 * kSecond;  // Sun, 06 Nov 1994 08:49:37 GMT

http::Response answer(int status, std::string body = "{}") {
	http::Response response;
	response.status = status;
	response.body = std::move(body);
	return response;
}

PageFacts json() {
	PageFacts facts;
	facts.is_json = true;
	return facts;
}

PageFacts refused() {
	return {};
}

Verdict judged(int status, CallKind kind = CallKind::kList) {
	return judge({}, kind, answer(status), json(), kNow);
}

// One rule, and what it makes of an answer.
Verdict by_rule(const ErrorRule &rule, const http::Response &response, PageFacts facts = json()) {
	Manifest manifest;
	manifest.errors = {rule};
	return judge(manifest, CallKind::kList, response, facts, kNow);
}

ErrorRule rule_for(int status, ErrorClass error_class = ErrorClass::kConflict) {
	ErrorRule rule;
	if (status != 0)
		rule.statuses = {status};
	rule.error_class = error_class;
	return rule;
}

int64_t wait_for(WaitAs as, const std::string &value) {
	ErrorRule rule = rule_for(429, ErrorClass::kLimited);
	rule.wait_header = {"x-wait", as};
	http::Response response = answer(429);
	response.headers = {{"x-wait", value}};
	return by_rule(rule, response).wait_us;
}

TEST(JudgeTest, without_rules_the_status_decides) {
	for (const int status : {200, 201, 204, 299})
		EXPECT_EQ(judged(status).error_class, ErrorClass::kNone) << status;
	for (const int status : {408, 409, 425, 500, 502, 503, 504, 599})
		EXPECT_EQ(judged(status).error_class, ErrorClass::kRetry) << status;
	for (const int status : {301, 304, 400, 402, 405, 418, 422, 600, 100, 0})
		EXPECT_EQ(judged(status).error_class, ErrorClass::kFatal) << status;
	EXPECT_EQ(judged(401).error_class, ErrorClass::kAuthDead);
	EXPECT_EQ(judged(403).error_class, ErrorClass::kMissingScope);
	EXPECT_EQ(judged(429).error_class, ErrorClass::kLimited);
	for (const int status : {404, 410}) {
		EXPECT_EQ(judged(status, CallKind::kGet).error_class, ErrorClass::kRecordGone);
		EXPECT_EQ(judged(status, CallKind::kChildren).error_class, ErrorClass::kRecordGone);
		for (const CallKind kind : {CallKind::kList, CallKind::kFeed, CallKind::kCheck})
			EXPECT_EQ(judged(status, kind).error_class, ErrorClass::kFatal);
	}
}

TEST(JudgeTest, a_usable_answer_says_nothing) {
	const Verdict verdict = judged(200);
	EXPECT_EQ(verdict.code, "");
	EXPECT_EQ(verdict.message, "");
	EXPECT_EQ(verdict.wait_us, 0);
}

TEST(JudgeTest, codes_and_messages_come_from_the_api_where_it_gives_them) {
	EXPECT_EQ(judged(500).code, "http_500");
	EXPECT_EQ(judged(500).message, "The API answered with status 500.");
	PageFacts facts = json();
	facts.error_code = "parameter_unknown";
	facts.error_message = "No such parameter: x";
	const Verdict verdict = judge({}, CallKind::kList, answer(400), facts, kNow);
	EXPECT_EQ(verdict.code, "parameter_unknown");
	EXPECT_EQ(verdict.message,
	          "The API answered with status 400. The API says: \"No such parameter: x\"");
	EXPECT_EQ(judged(401).message, "The API does not accept the credential (status 401).");
	EXPECT_EQ(judged(401).hint, "Replace the secret with update_credential.");
	EXPECT_EQ(judged(403).message, "The credential may not read this (status 403).");
	EXPECT_EQ(judged(429).message, "The API limits the rate of requests (status 429).");
	EXPECT_EQ(judged(404, CallKind::kGet).message, "The record is gone (status 404).");
	EXPECT_EQ(judged(302).message, "The API answered with a redirect (status 302).");
}

TEST(JudgeTest, failures_of_the_transport) {
	using http::Failure;
	struct Case {
		Failure failure;
		ErrorClass error_class;
		const char *code;
	};
	for (const Case &expected : {
			 Case{Failure::kResolve, ErrorClass::kRetry, "resolve_failed"},
			 Case{Failure::kConnect, ErrorClass::kRetry, "connect_failed"},
			 Case{Failure::kTls, ErrorClass::kRetry, "tls_failed"},
			 Case{Failure::kTimeout, ErrorClass::kRetry, "timeout"},
			 Case{Failure::kReset, ErrorClass::kRetry, "connection_reset"},
			 Case{Failure::kTruncated, ErrorClass::kRetry, "truncated"},
			 Case{Failure::kTooLarge, ErrorClass::kTooMany, "too_large"},
			 Case{Failure::kJsonTooLarge, ErrorClass::kTooMany, "json_too_large"},
			 Case{Failure::kForbiddenAddress, ErrorClass::kFatal, "forbidden_address"},
			 Case{Failure::kForbiddenHost, ErrorClass::kFatal, "forbidden_host"},
			 Case{Failure::kCancelled, ErrorClass::kRetry, "cancelled"},
			 Case{Failure::kOther, ErrorClass::kRetry, "network_error"},
		 }) {
		http::Response response = answer(200);
		response.failure = expected.failure;
		Verdict verdict = by_rule(rule_for(0), response);
		EXPECT_EQ(verdict.error_class, expected.error_class) << expected.code << ", and no rule";
		EXPECT_EQ(verdict.code, expected.code);
		ASSERT_FALSE(verdict.message.empty());
		EXPECT_EQ(verdict.message.back(), '.');
		response.failure_text = "It rained.";
		EXPECT_EQ(judge({}, CallKind::kGet, response, json(), kNow).message, "It rained.");
	}
}

TEST(JudgeTest, a_body_that_the_database_refuses) {
	const http::Response bad = answer(200, "\r\n {\"a\":\"\\u0000\"}");
	EXPECT_EQ(judge({}, CallKind::kList, bad, refused(), kNow).error_class, ErrorClass::kTooMany);
	EXPECT_EQ(judge({}, CallKind::kFeed, bad, refused(), kNow).error_class, ErrorClass::kTooMany);
	EXPECT_EQ(judge({}, CallKind::kGet, bad, refused(), kNow).error_class,
	          ErrorClass::kRecordInvalid);
	EXPECT_EQ(judge({}, CallKind::kCheck, bad, refused(), kNow).error_class, ErrorClass::kRetry);
	EXPECT_EQ(judge({}, CallKind::kList, bad, refused(), kNow).code, "bad_json");
	for (const char *body : {"", " \n", "<html>", "null?"}) {
		const Verdict verdict = judge({}, CallKind::kList, answer(200, body), refused(), kNow);
		EXPECT_EQ(verdict.error_class, ErrorClass::kRetry) << body;
		EXPECT_EQ(verdict.code, "not_json");
	}
	EXPECT_EQ(judge({}, CallKind::kList, answer(500, "<html>"), refused(), kNow).code, "http_500");
}

TEST(JudgeTest, rules_match_by_status) {
	EXPECT_EQ(by_rule(rule_for(400), answer(400)).error_class, ErrorClass::kConflict);
	EXPECT_EQ(by_rule(rule_for(400), answer(402)).error_class, ErrorClass::kFatal);
	ErrorRule several = rule_for(400);
	several.statuses = {400, 404};
	EXPECT_EQ(by_rule(several, answer(404)).error_class, ErrorClass::kConflict);
	ErrorRule hundred = rule_for(0);
	hundred.status_hundred = 5;
	EXPECT_EQ(by_rule(hundred, answer(503)).error_class, ErrorClass::kConflict);
	EXPECT_EQ(by_rule(hundred, answer(429)).error_class, ErrorClass::kLimited);
	EXPECT_EQ(by_rule(rule_for(0), answer(200)).error_class, ErrorClass::kConflict);
	EXPECT_EQ(by_rule(rule_for(400), answer(0)).error_class, ErrorClass::kFatal);
}

TEST(JudgeTest, rules_match_by_header) {
	ErrorRule rule = rule_for(0);
	rule.header = "x-reason";
	http::Response response = answer(400);
	EXPECT_EQ(by_rule(rule, response).error_class, ErrorClass::kFatal);
	response.headers = {{"x-other", "b"}, {"x-reason", "a"}, {"x-reason", " b "}};
	EXPECT_EQ(by_rule(rule, response).error_class, ErrorClass::kConflict);
	rule.header_value = "b";
	EXPECT_EQ(by_rule(rule, response).error_class, ErrorClass::kConflict);
	rule.header_value = "c";
	EXPECT_EQ(by_rule(rule, response).error_class, ErrorClass::kFatal);
}

TEST(JudgeTest, rules_match_by_body_and_text_on_success_too) {
	ErrorRule rule = rule_for(200);
	rule.body = "$.error.code == \"x\"";
	PageFacts facts = json();
	EXPECT_EQ(by_rule(rule, answer(200), facts).error_class, ErrorClass::kNone);
	facts.rule_hits = {false};
	EXPECT_EQ(by_rule(rule, answer(200), facts).error_class, ErrorClass::kNone);
	facts.rule_hits = {true};
	EXPECT_EQ(by_rule(rule, answer(200), facts).error_class, ErrorClass::kConflict);
	EXPECT_EQ(by_rule(rule, answer(200), facts).code, "conflict");
	rule.contains = "THROTTLED";
	EXPECT_EQ(by_rule(rule, answer(200, "{}"), facts).error_class, ErrorClass::kNone);
	EXPECT_EQ(by_rule(rule, answer(200, "{\"code\":\"THROTTLED\"}"), facts).error_class,
	          ErrorClass::kConflict);
}

TEST(JudgeTest, the_first_rule_wins_by_its_own_index) {
	Manifest manifest;
	manifest.errors = {rule_for(400, ErrorClass::kRetry), rule_for(400, ErrorClass::kRecordGone),
	                   rule_for(0, ErrorClass::kFatal)};
	manifest.errors[0].body = manifest.errors[1].body = "$.x == 1";
	PageFacts facts = json();
	facts.rule_hits = {false, true, false};
	EXPECT_EQ(judge(manifest, CallKind::kList, answer(400), facts, kNow).error_class,
	          ErrorClass::kRecordGone);
	facts.rule_hits = {true, true, false};
	EXPECT_EQ(judge(manifest, CallKind::kList, answer(400), facts, kNow).error_class,
	          ErrorClass::kRetry);
	EXPECT_EQ(judge(manifest, CallKind::kList, answer(404), facts, kNow).error_class,
	          ErrorClass::kFatal);
}

TEST(JudgeTest, rules_speak_for_themselves) {
	ErrorRule rule = rule_for(401, ErrorClass::kAuthDead);
	rule.message = "The key has expired.";
	rule.hint = "Make a new key.";
	EXPECT_EQ(by_rule(rule, answer(401)).message, "The key has expired.");
	EXPECT_EQ(by_rule(rule, answer(401)).hint, "Make a new key.");
	EXPECT_EQ(by_rule(rule, answer(401)).code, "http_401");
	PageFacts facts = json();
	facts.error_message = "Expired API Key provided";
	EXPECT_EQ(by_rule(rule, answer(401), facts).message,
	          "The key has expired. The API says: \"Expired API Key provided\"");
}

TEST(JudgeTest, reads_waits_in_every_form) {
	EXPECT_EQ(wait_for(WaitAs::kSeconds, "7"), 7 * kSecond);
	EXPECT_EQ(wait_for(WaitAs::kSeconds, " 1.25 "), 1250000);
	EXPECT_EQ(wait_for(WaitAs::kSeconds, "Sun, 06 Nov 1994 08:49:40 GMT"), 3 * kSecond);
	EXPECT_EQ(wait_for(WaitAs::kEpoch, "784111780"), 3 * kSecond);
	EXPECT_EQ(wait_for(WaitAs::kEpoch, "784111780.5"), 3500000);
	EXPECT_EQ(wait_for(WaitAs::kEpochMs, "784111780001"), 3001000);
	EXPECT_EQ(wait_for(WaitAs::kHttpDate, "Sunday, 06-Nov-94 08:49:40 GMT"), 3 * kSecond);
	EXPECT_EQ(wait_for(WaitAs::kRfc3339, "1994-11-06T08:49:40.5Z"), 3500000);
}

TEST(JudgeTest, waits_stay_between_nothing_and_a_day) {
	EXPECT_EQ(wait_for(WaitAs::kSeconds, "86401"), kDay);
	EXPECT_EQ(wait_for(WaitAs::kSeconds, "99999999999999999999999999"), kDay);
	EXPECT_EQ(wait_for(WaitAs::kSeconds, "9223372036854.9"), kDay);
	EXPECT_EQ(wait_for(WaitAs::kEpoch, "9223372036854"), kDay);
	EXPECT_EQ(wait_for(WaitAs::kEpochMs, "99999999999999999999"), kDay);
	EXPECT_EQ(wait_for(WaitAs::kRfc3339, "9999-12-31T00:00:00Z"), kDay);
	EXPECT_EQ(wait_for(WaitAs::kEpoch, "1"), 0);
	EXPECT_EQ(wait_for(WaitAs::kHttpDate, "Sun, 06 Nov 1994 08:49:30 GMT"), 0);
	for (const char *text : {"", "-5", "+5", "soon", "1e3", ".5", "0x10", "5 s", "nan", "1.2.3"})
		EXPECT_EQ(wait_for(WaitAs::kSeconds, text), 0) << text;
}

TEST(JudgeTest, a_fixed_wait_stands_in_for_a_missing_header) {
	ErrorRule rule = rule_for(429, ErrorClass::kLimited);
	rule.wait_fixed_us = 10 * kSecond;
	EXPECT_EQ(by_rule(rule, answer(429)).wait_us, 10 * kSecond);
	rule.wait_header = {"x-wait", WaitAs::kSeconds};
	EXPECT_EQ(by_rule(rule, answer(429)).wait_us, 10 * kSecond);
	http::Response response = answer(429);
	response.headers = {{"x-wait", "3"}};
	EXPECT_EQ(by_rule(rule, response).wait_us, 3 * kSecond);
	rule.wait_fixed_us = 9 * kDay;
	EXPECT_EQ(by_rule(rule, answer(429)).wait_us, kDay);
}

TEST(JudgeTest, retry_after_counts_without_a_rule_for_it) {
	for (const int status : {429, 503}) {
		http::Response response = answer(status);
		EXPECT_EQ(judge({}, CallKind::kList, response, json(), kNow).wait_us, 0);
		response.headers = {{"retry-after", "4"}};
		EXPECT_EQ(judge({}, CallKind::kList, response, json(), kNow).wait_us, 4 * kSecond);
		EXPECT_EQ(by_rule(rule_for(status, ErrorClass::kLimited), response).wait_us, 4 * kSecond);
		EXPECT_EQ(by_rule(rule_for(status, ErrorClass::kFatal), response).wait_us, 0);
		ErrorRule fixed = rule_for(status, ErrorClass::kRetry);
		fixed.wait_fixed_us = kSecond;
		EXPECT_EQ(by_rule(fixed, response).wait_us, kSecond);
	}
}

TEST(BackoffTest, stays_between_half_the_base_and_the_ceiling) {
	constexpr int64_t kBase = kSecond, kCap = 60 * kSecond;
	EXPECT_EQ(backoff_us(1, kBase, kCap, 0), kBase / 2);
	EXPECT_EQ(backoff_us(1, kBase, kCap, 0.75), 750000);
	EXPECT_EQ(backoff_us(3, kBase, kCap, 0.5), 2 * kSecond);
	EXPECT_EQ(backoff_us(100, kBase, kCap, 0.5), 30 * kSecond);
	EXPECT_EQ(backoff_us(std::numeric_limits<int>::max(), kBase, kCap, 0.5), 30 * kSecond);
	EXPECT_EQ(backoff_us(0, kBase, kCap, 0.75), 750000);
	EXPECT_EQ(backoff_us(5, kBase, kBase / 4, 0.999), kBase / 4);
	EXPECT_EQ(backoff_us(5, 0, kCap, 0.5), 0);
	for (int attempt = 1; attempt < 80; ++attempt) {
		for (int step = 0; step < 100; ++step) {
			const int64_t wait_us = backoff_us(attempt, kBase, kCap, step / 100.0);
			ASSERT_GE(wait_us, kBase / 2);
			ASSERT_LE(wait_us, kCap);
		}
	}
}

}  // namespace
}  // namespace sequin
