// Makes a JSON text acceptable to the server without changing its shape, so that the key of a
// record that must be set aside can still be read. Scope: any.
#pragma once

#include <string>
#include <string_view>

namespace sequin {

// Replaces by U+FFFD: bytes that are no UTF-8, `\u0000`, lone surrogate escapes; by a blank: raw
// control characters in strings; by 0: numbers with an exponent beyond 308. Never throws but
// bad_alloc.
std::string repair_json(std::string_view text);

// The text with bytes that are no UTF-8 and NUL replaced by U+FFFD, cut at a character to
// `max_bytes`.
std::string printable(std::string_view text, size_t max_bytes);

}  // namespace sequin
