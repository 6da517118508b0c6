// What an answer means: the manifest's error rules, then the defaults of doc/manifest.md.
// Scope: any.
#pragma once

#include <cstdint>
#include <string>

#include "core/manifest.h"
#include "core/page.h"
#include "http/transport.h"

namespace sequin {

struct Verdict {
	ErrorClass error_class = ErrorClass::kNone;  // kNone: a usable answer
	int64_t wait_us = 0;  // kLimited, kRetry: what the API asked for; 0: it did not say
	std::string code;     // stable word: the API's code, else e.g. "http_500", "timeout"
	std::string message;  // a sentence for a person, not masked
	std::string hint;
};

// kChildren is a list below one record: 404 means that the record is gone.
enum class CallKind { kList, kChildren, kGet, kFeed, kCheck };

// `now_us` turns absolute times of wait headers into a duration of at most a day. A transport
// failure is kRetry (kForbiddenAddress, kForbiddenHost: kFatal; kTooLarge, kJsonTooLarge:
// kTooMany); its codes are resolve_failed, connect_failed, tls_failed, timeout, connection_reset,
// truncated, too_large, json_too_large, forbidden_address, forbidden_host, cancelled and
// network_error.
//
// A 2xx body that begins as JSON and that jsonb refuses has code `bad_json`: kTooMany for a list or
// feed, so that the caller cuts the page; kRecordInvalid for one record; kRetry for a check. A body
// that is no JSON at all (a proxy's page, nothing) has code `not_json` and is kRetry.
//
// kRetry and kLimited without a wait of their own take Retry-After, in seconds or as a date.
Verdict judge(const Manifest &manifest, CallKind kind, const http::Response &response,
              const PageFacts &facts, int64_t now_us);

// Full jitter: between 0 and min(cap, base * 2^(attempt-1)), at least base / 2. `random` in [0, 1).
int64_t backoff_us(int attempt, int64_t base_us, int64_t cap_us, double random) noexcept;

}  // namespace sequin
