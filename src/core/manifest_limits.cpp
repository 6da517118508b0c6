// The parts `limits`, `errors` and `error` of a manifest: how fast, and what refusals mean.
// Scope: any.
#include <algorithm>

#include "core/manifest_parts.h"

namespace sequin::manifest {

namespace {

constexpr int64_t kMostRequests = 1000000;
constexpr int64_t kLongestIntervalUs = int64_t{31} * 86400 * 1000000;

// "80/1s"
void read_rate(const Node &node, LimitSpec &limit) {
	const std::string text = node.text();
	const size_t slash = text.find('/');
	const std::string count = text.substr(0, slash);
	if (slash == std::string::npos || count.empty() || count.size() > 7 ||
	    count.find_first_not_of("0123456789") != std::string::npos)
		node.fail(quoted(text) + " is not a rate", "Write requests per duration, as in \"80/1s\".");
	const Node interval(Json::string(text.substr(slash + 1)), node.path());
	limit.interval_us = interval.duration_us(kMoreThanZero);
	const int64_t allowed = std::stol(count);
	if (allowed < 1 || allowed > kMostRequests || limit.interval_us > kLongestIntervalUs)
		node.fail("rate " + quoted(text) + " is out of range",
		          "Write 1 to 1000000 requests per at most 31d.");
	limit.allowed = static_cast<int>(allowed);
}

WaitAs read_wait_as(const Node &owner) {
	return static_cast<WaitAs>(
		owner
			.must("as",
	              "Write seconds, epoch, epoch_ms, http_date or rfc3339: a number does not say "
	              "its unit.")
			.one_of({"seconds", "epoch", "epoch_ms", "http_date", "rfc3339"}));
}

std::string read_header(const Node &owner) {
	return lower_case(owner.must("header", "Name the header of the answer.").header_name());
}

void read_learn(const Node &node, LimitSpec &limit) {
	node.expect_keys({"limit", "remaining", "reset"});
	if (const auto header = node.maybe("limit")) {
		header->expect_keys({"header"});
		limit.learn_limit = read_header(*header);
	}
	if (const auto header = node.maybe("remaining")) {
		header->expect_keys({"header"});
		limit.learn_remaining = read_header(*header);
	}
	if (const auto reset = node.maybe("reset")) {
		reset->expect_keys({"header", "as"});
		limit.learn_reset = {read_header(*reset), read_wait_as(*reset)};
	}
}

LimitSpec read_limit(const Node &node) {
	node.expect_keys({"name", "rate", "concurrency", "match", "reserve", "learn"});
	LimitSpec limit;
	limit.name =
		node.must("name", "Name it: health and logs say which limit holds calls back.").slug();
	if (const auto rate = node.maybe("rate"))
		read_rate(*rate, limit);
	if (const auto concurrency = node.maybe("concurrency"))
		limit.concurrency = static_cast<int>(concurrency->integer(1, 10000));
	if (limit.allowed == 0 && limit.concurrency == 0)
		node.fail("missing key \"rate\" or \"concurrency\"", "Write at least one of the two.");
	if (const auto match = node.maybe("match")) {
		match->expect_keys({"path", "secret"});
		if (const auto path = match->maybe("path"))
			limit.path_glob = path->text();
		if (const auto secret = match->maybe("secret"))
			limit.secret_pattern = secret->regex();
	}
	if (const auto reserve = node.maybe("reserve"))
		limit.reserve = reserve->share();
	if (const auto learn = node.maybe("learn"))
		read_learn(*learn, limit);
	return limit;
}

// 429, [429, 503] or "5xx"
void read_status(const Node &node, ErrorRule &rule) {
	constexpr const char *kHint = "Write a status such as 429, a list of them, or \"5xx\".";
	if (node.value().is_string()) {
		const std::string text(node.value().as_string());
		if (text.size() != 3 || text[0] < '1' || text[0] > '5' || text.substr(1) != "xx")
			node.fail(quoted(text) + " is not a status", kHint);
		rule.status_hundred = text[0] - '0';
		return;
	}
	if (!node.value().is_array()) {
		if (!node.value().is_integer())
			node.fail(std::string("expected integer, list or string, found ") +
			              node.value().type_name(),
			          kHint);
		rule.statuses.push_back(static_cast<int>(node.integer(100, 599)));
		return;
	}
	for (const Node &element : node.elements())
		rule.statuses.push_back(static_cast<int>(element.integer(100, 599)));
	if (rule.statuses.empty())
		node.fail("empty list", kHint);
}

void read_match(Manifest &manifest, const Node &node, ErrorRule &rule) {
	node.expect_keys({"status", "header", "body", "contains"});
	if (node.value().size() == 0)
		node.fail("matches every answer",
		          "Name at least one of status, header, body and contains.");
	if (const auto status = node.maybe("status"))
		read_status(*status, rule);
	if (const auto header = node.maybe("header")) {
		header->expect_keys({"name", "value"});
		rule.header =
			lower_case(header->must("name", "Name the header of the answer.").header_name());
		if (const auto value = header->maybe("value"))
			rule.header_value = value->text();
	}
	rule.body = maybe_jsonpath(manifest, node, "body", JsonPathIs::kPredicate);
	if (const auto contains = node.maybe("contains"))
		rule.contains = contains->text();
}

void read_wait(const Node &node, ErrorRule &rule) {
	node.expect_keys({"header", "as", "fixed"});
	if (const auto fixed = node.maybe("fixed")) {
		if (node.has("header") || node.has("as"))
			node.fail("has both a header and a fixed time",
			          "Write {\"header\", \"as\"} or {\"fixed\"}.");
		rule.wait_fixed_us = fixed->duration_us(kMoreThanZero);
		return;
	}
	rule.wait_header = {read_header(node), read_wait_as(node)};
}

ErrorRule read_rule(Manifest &manifest, const Node &node) {
	node.expect_keys({"match", "class", "wait", "message", "hint"});
	ErrorRule rule;
	read_match(manifest, node.must("match", "Say which answers the rule is for."), rule);
	// In the order of ErrorClass, which begins with kNone.
	const size_t index =
		node.must("class", "Say what is to be done with such an answer.")
			.one_of({"retry", "limited", "auth_dead", "auth_expired", "missing_scope",
	                 "cursor_expired", "retention_lost", "too_many", "record_gone",
	                 "record_invalid", "conflict", "unknown_outcome", "fatal"});
	rule.error_class = static_cast<ErrorClass>(index + 1);
	if (const auto wait = node.maybe("wait"))
		read_wait(*wait, rule);
	if (const auto message = node.maybe("message"))
		rule.message = message->text();
	if (const auto hint = node.maybe("hint"))
		rule.hint = hint->text();
	return rule;
}

}  // namespace

void read_limits(Manifest &manifest, const Node &root) {
	const std::optional<Node> limits = root.maybe("limits");
	if (!limits)
		return;
	for (const Node &node : limits->elements()) {
		LimitSpec limit = read_limit(node);
		for (const LimitSpec &other : manifest.limits)
			if (other.name == limit.name)
				node.fail("two limits are named " + quoted(limit.name), "Rename one of them.");
		manifest.limits.push_back(std::move(limit));
	}
}

void read_errors(Manifest &manifest, const Node &root) {
	if (const auto error = root.maybe("error")) {
		error->expect_keys({"code", "message"});
		manifest.error_code = maybe_jsonpath(manifest, *error, "code");
		manifest.error_message = maybe_jsonpath(manifest, *error, "message");
	}
	if (const auto errors = root.maybe("errors"))
		for (const Node &node : errors->elements())
			manifest.errors.push_back(read_rule(manifest, node));
}

}  // namespace sequin::manifest
