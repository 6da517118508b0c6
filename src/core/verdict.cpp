// From an answer to what it means: transport, rules of the manifest, defaults.
// Scope: any.
#include "core/verdict.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "core/time.h"

namespace sequin {

namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr int64_t kLongestWaitUs = 86400 * kSecondUs;
constexpr char kRetryAfter[] = "retry-after";

// The first header of that lower-case name. (http::Response has the same, but core links no http.)
const std::string *header_of(const http::Response &response, std::string_view name) noexcept {
	for (const auto &[other, value] : response.headers) {
		if (other == name)
			return &value;
	}
	return nullptr;
}

bool is_success(int status) noexcept {
	return status >= 200 && status <= 299;
}

// ---- waits ----

std::string_view trimmed(std::string_view text) noexcept {
	while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
		text.remove_prefix(1);
	while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
		text.remove_suffix(1);
	return text;
}

// Digits with an optional fraction, times `scale`. What is too large stands for "very long".
std::optional<int64_t> scaled_number(std::string_view text, int64_t scale) noexcept {
	const size_t dot = std::min(text.find('.'), text.size());
	const std::string_view whole = text.substr(0, dot);
	const std::string_view fraction = text.substr(std::min(dot + 1, text.size()));
	if (whole.empty() || whole.find_first_not_of("0123456789") != std::string_view::npos ||
	    fraction.find_first_not_of("0123456789") != std::string_view::npos)
		return std::nullopt;
	int64_t value = 0;
	const std::errc error = std::from_chars(whole.data(), whole.data() + whole.size(), value).ec;
	if (error != std::errc() || value > std::numeric_limits<int64_t>::max() / scale - 1)
		return std::numeric_limits<int64_t>::max();
	value *= scale;
	for (const char digit : fraction) {
		scale /= 10;
		value += (digit - '0') * scale;
	}
	return value;
}

// The wait a header asks for, or nothing if it cannot be read.
std::optional<int64_t> wait_of(std::string_view text, WaitAs as, int64_t now_us) noexcept {
	text = trimmed(text);
	std::optional<int64_t> at_us;
	switch (as) {
	case WaitAs::kSeconds:
		if (const std::optional<int64_t> wait_us = scaled_number(text, kSecondUs))
			return std::min(*wait_us, kLongestWaitUs);
		at_us = parse_http_date(text);
		break;
	case WaitAs::kEpoch:
		at_us = scaled_number(text, kSecondUs);
		break;
	case WaitAs::kEpochMs:
		at_us = scaled_number(text, kSecondUs / 1000);
		break;
	case WaitAs::kHttpDate:
		at_us = parse_http_date(text);
		break;
	case WaitAs::kRfc3339:
		at_us = parse_iso_time(text);
		break;
	}
	if (!at_us)
		return std::nullopt;
	return *at_us <= now_us ? 0 : std::min(*at_us - now_us, kLongestWaitUs);
}

std::optional<int64_t> header_wait(const http::Response &response, const HeaderWait &wait,
                                   int64_t now_us) noexcept {
	if (wait.header.empty())
		return std::nullopt;
	const std::string *const value = header_of(response, wait.header);
	return value == nullptr ? std::nullopt : wait_of(*value, wait.as, now_us);
}

bool may_wait(ErrorClass error_class) noexcept {
	return error_class == ErrorClass::kRetry || error_class == ErrorClass::kLimited;
}

// ---- texts ----

// Our sentence, and what the API itself says.
std::string with_words_of_api(std::string sentence, const PageFacts &facts) {
	if (facts.error_message.empty())
		return sentence;
	return std::move(sentence) + " The API says: \"" + facts.error_message + "\"";
}

std::string code_of(const http::Response &response, const PageFacts &facts,
                    ErrorClass error_class) {
	if (!facts.error_code.empty())
		return facts.error_code;
	if (is_success(response.status))
		return to_string(error_class);
	return "http_" + std::to_string(response.status);
}

std::string answered(int status) {
	return "The API answered with status " + std::to_string(status) + ".";
}

// ---- transport ----

Verdict failed(ErrorClass error_class, const char *code, const http::Response &response,
               const char *sentence, const char *hint) {
	Verdict verdict;
	verdict.error_class = error_class;
	verdict.code = code;
	verdict.message = response.failure_text.empty() ? sentence : response.failure_text;
	verdict.hint = hint;
	return verdict;
}

Verdict judge_failure(const http::Response &response) {
	constexpr ErrorClass kRetry = ErrorClass::kRetry;
	constexpr const char *kAllow = "Ask a superuser to list it in sequin.allowed_hosts.";
	switch (response.failure) {
	case http::Failure::kResolve:
		return failed(kRetry, "resolve_failed", response,
		              "The name of the API's host has no address.",
		              "See whether the name is right and the server can look names up.");
	case http::Failure::kConnect:
		return failed(kRetry, "connect_failed", response, "No connection to the API was possible.",
		              "See whether the server may reach the host.");
	case http::Failure::kTls:
		return failed(kRetry, "tls_failed", response,
		              "No secure connection to the API was possible.",
		              "See whether the host's certificate is valid and known to this server.");
	case http::Failure::kTimeout:
		return failed(kRetry, "timeout", response, "The API did not answer in time.", "");
	case http::Failure::kReset:
		return failed(kRetry, "connection_reset", response, "The connection to the API broke off.",
		              "");
	case http::Failure::kTruncated:
		return failed(kRetry, "truncated", response, "The answer of the API broke off.", "");
	case http::Failure::kTooLarge:
		return failed(ErrorClass::kTooMany, "too_large", response,
		              "The answer of the API has more bytes than allowed.", "");
	case http::Failure::kJsonTooLarge:
		return failed(
			ErrorClass::kTooMany, "json_too_large", response,
			"The answer of the API has more values than allowed, or is nested too deeply.", "");
	case http::Failure::kForbiddenAddress:
		return failed(ErrorClass::kFatal, "forbidden_address", response,
		              "The API's host has an address that is not public.", kAllow);
	case http::Failure::kForbiddenHost:
		return failed(ErrorClass::kFatal, "forbidden_host", response,
		              "The request leads to a host that is not allowed.", kAllow);
	case http::Failure::kCancelled:
		return failed(kRetry, "cancelled", response, "The request was cancelled.", "");
	case http::Failure::kNone:
	case http::Failure::kOther:
		break;
	}
	return failed(kRetry, "network_error", response, "The request failed.", "");
}

// ---- rules ----

bool matches_status(const ErrorRule &rule, int status) noexcept {
	if (rule.statuses.empty() && rule.status_hundred == 0)
		return true;
	return (rule.status_hundred != 0 && status / 100 == rule.status_hundred) ||
	       std::find(rule.statuses.begin(), rule.statuses.end(), status) != rule.statuses.end();
}

bool matches_header(const ErrorRule &rule, const http::Response &response) noexcept {
	if (rule.header.empty())
		return true;
	return std::any_of(response.headers.begin(), response.headers.end(), [&](const auto &header) {
		return header.first == rule.header &&
		       (rule.header_value.empty() || trimmed(header.second) == rule.header_value);
	});
}

bool matches(const ErrorRule &rule, bool is_body_hit, const http::Response &response) noexcept {
	return matches_status(rule, response.status) && matches_header(rule, response) &&
	       (rule.body.empty() || is_body_hit) &&
	       (rule.contains.empty() || response.body.find(rule.contains) != std::string::npos);
}

Verdict judge_by_rule(const ErrorRule &rule, const http::Response &response, const PageFacts &facts,
                      int64_t now_us) {
	Verdict verdict;
	verdict.error_class = rule.error_class;
	verdict.code = code_of(response, facts, rule.error_class);
	verdict.message =
		with_words_of_api(rule.message.empty() ? answered(response.status) : rule.message, facts);
	verdict.hint = rule.hint;
	verdict.wait_us = header_wait(response, rule.wait_header, now_us)
	                      .value_or(std::clamp<int64_t>(rule.wait_fixed_us, 0, kLongestWaitUs));
	return verdict;
}

// ---- defaults ----

bool reads_pages(CallKind kind) noexcept {
	return kind == CallKind::kList || kind == CallKind::kChildren || kind == CallKind::kFeed;
}

Verdict judge_success(CallKind kind, const http::Response &response, const PageFacts &facts) {
	Verdict verdict;
	if (facts.is_json)
		return verdict;
	const size_t start = response.body.find_first_not_of(" \t\r\n");
	const bool looks_like_json =
		start != std::string::npos && (response.body[start] == '{' || response.body[start] == '[');
	verdict.error_class = ErrorClass::kRetry;
	if (!looks_like_json) {
		verdict.code = "not_json";
		verdict.message = "The API answered with status " + std::to_string(response.status) +
		                  ", but not in JSON.";
		verdict.hint = "See whether a proxy or a sign-in page stands before the API.";
		return verdict;
	}
	if (kind != CallKind::kCheck)
		verdict.error_class = reads_pages(kind) ? ErrorClass::kTooMany : ErrorClass::kRecordInvalid;
	verdict.code = "bad_json";
	verdict.message = "The API's answer is not JSON that the database can store.";
	return verdict;
}

ErrorClass default_class(CallKind kind, int status) noexcept {
	switch (status) {
	case 401:
		return ErrorClass::kAuthDead;
	case 403:
		return ErrorClass::kMissingScope;
	case 404:
	case 410:
		return kind == CallKind::kGet || kind == CallKind::kChildren ? ErrorClass::kRecordGone
		                                                             : ErrorClass::kFatal;
	case 408:
	case 409:
	case 425:
		return ErrorClass::kRetry;
	case 429:
		return ErrorClass::kLimited;
	default:
		return status >= 500 && status <= 599 ? ErrorClass::kRetry : ErrorClass::kFatal;
	}
}

Verdict judge_by_default(CallKind kind, const http::Response &response, const PageFacts &facts) {
	if (is_success(response.status))
		return judge_success(kind, response, facts);
	const std::string status = std::to_string(response.status);
	Verdict verdict;
	verdict.error_class = default_class(kind, response.status);
	verdict.code = code_of(response, facts, verdict.error_class);
	std::string sentence = answered(response.status);
	if (verdict.error_class == ErrorClass::kAuthDead) {
		sentence = "The API does not accept the credential (status " + status + ").";
		verdict.hint = "Replace the secret with update_credential.";
	} else if (verdict.error_class == ErrorClass::kMissingScope) {
		sentence = "The credential may not read this (status " + status + ").";
		verdict.hint = "Give the credential the permission, or leave the collection out.";
	} else if (verdict.error_class == ErrorClass::kLimited) {
		sentence = "The API limits the rate of requests (status " + status + ").";
	} else if (verdict.error_class == ErrorClass::kRecordGone) {
		sentence = "The record is gone (status " + status + ").";
	} else if (response.status >= 300 && response.status <= 399) {
		sentence = "The API answered with a redirect (status " + status + ").";
		verdict.hint = "See whether the base URL is right.";
	}
	verdict.message = with_words_of_api(std::move(sentence), facts);
	return verdict;
}

Verdict judge_answer(const Manifest &manifest, CallKind kind, const http::Response &response,
                     const PageFacts &facts, int64_t now_us) {
	for (size_t index = 0; index < manifest.errors.size(); ++index) {
		const ErrorRule &rule = manifest.errors[index];
		const bool is_body_hit = index < facts.rule_hits.size() && facts.rule_hits[index];
		if (matches(rule, is_body_hit, response))
			return judge_by_rule(rule, response, facts, now_us);
	}
	return judge_by_default(kind, response, facts);
}

}  // namespace

Verdict judge(const Manifest &manifest, CallKind kind, const http::Response &response,
              const PageFacts &facts, int64_t now_us) {
	if (response.failure != http::Failure::kNone)
		return judge_failure(response);
	Verdict verdict = judge_answer(manifest, kind, response, facts, now_us);
	if (!may_wait(verdict.error_class))
		verdict.wait_us = 0;
	else if (verdict.wait_us == 0)
		verdict.wait_us =
			header_wait(response, {kRetryAfter, WaitAs::kSeconds}, now_us).value_or(0);
	return verdict;
}

int64_t backoff_us(int attempt, int64_t base_us, int64_t cap_us, double random) noexcept {
	if (base_us <= 0 || cap_us <= 0)
		return 0;
	const double doubled = std::ldexp(static_cast<double>(base_us), std::max(attempt, 1) - 1);
	const double ceiling = std::min(doubled, static_cast<double>(cap_us));
	const double share = std::clamp(random, 0.0, 1.0);
	const auto wait_us = static_cast<int64_t>(ceiling * share);
	return std::min(std::max(wait_us, base_us / 2), cap_us);
}

}  // namespace sequin
