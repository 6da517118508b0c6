// An http or https URL in its parts, as we send it.
// Scope: any.
#pragma once

#include <string>
#include <string_view>

namespace sequin {

struct Url {
	std::string scheme, host;  // lower case; the host without a last dot, v6 addresses in brackets
	int port = 0;              // 0: the scheme's own
	std::string path;          // empty or with its leading slash, as written
	std::string query;         // without the question mark, as written

	std::string origin() const;  // scheme, host and port
	std::string text() const;
};

// Reads a URL; the fragment is dropped, blanks and bytes beyond ASCII are percent-encoded. Throws
// Error 22023 on another scheme, user info, a host of other bytes than letters, digits, `-`, `_`
// and `.`, on control characters and backslashes: what another reader could understand otherwise.
// No message contains more of the text than `public_url` gives.
Url parse_url(std::string_view text);

// Whether the text begins with http:// or https://, in any case of letters.
bool is_absolute_url(std::string_view text) noexcept;

}  // namespace sequin
