// Times as APIs write them. Scope: any. Unix µs everywhere; no locale, no time zone database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/manifest.h"

namespace sequin {

// ISO 8601 / RFC 3339 as found in the wild: date only, `T` or blank, seconds optional, 1 to 9
// fraction digits (cut to µs), `Z`, `+00:00`, `+0000`, `+00`; without zone UTC is meant. Years 1 to
// 9999; leap second 60 is the next minute. nullopt: it is not one.
std::optional<int64_t> parse_iso_time(std::string_view text) noexcept;

// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 date, all three forms).
std::optional<int64_t> parse_http_date(std::string_view text) noexcept;

// As a request wants it: kEpoch is whole seconds (floor), kRfc3339 has `Z` and six digits only when
// there is a fraction, kDate is YYYY-MM-DD.
std::string format_time(int64_t unix_us, TimeAs as);

// `500ms`, `0.5s`, `30s`, `5m`, `4h`, `7d` (also `1 day`-less bare forms only). nullopt: not one.
std::optional<int64_t> parse_duration(std::string_view text) noexcept;

}  // namespace sequin
