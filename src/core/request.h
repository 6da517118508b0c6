// From manifest, credential and position to a request in full.
// Scope: any; may name http/transport.h, which is plain values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/manifest.h"
#include "core/paging.h"
#include "http/transport.h"

namespace sequin {

// What a request is signed with. Plain text lives only as long as the engine needs it.
struct Access {
	std::string kind;                             // credential kind
	std::map<std::string, std::string> values;    // secrets and properties: `cred.*`
	std::map<std::string, std::string> settings;  // manifest defaults overlaid by the sync's
	std::string base_url;                         // replaces the manifest's, or empty
	std::vector<std::string> secret_names;        // which of `values` are secret
};

struct CallSpec {
	std::string method = "GET";
	std::string path;                        // template, or an absolute URL (next_url)
	bool is_link = false;                    // `path` is a next URL as the API wrote it, which
	                                         // may lack scheme and host: never a template
	const NameValues *query = nullptr;       // templates
	const NameValues *more_query = nullptr;  // templates
	std::string body;                        // JSON text with templates, or empty
	std::vector<std::pair<Into, std::string>>
		set;                                   // already formatted values: cursors, bounds, sizes
	std::map<std::string, std::string> names;  // `key`, `key.1`, `parent.key`, ...
};

// Composes URL, headers and body, authentication included, and sets limits and hosts from the
// manifest. An absolute URL must be on the base URL's host (scheme, host, port), else Error 22023:
// credentials do not follow links. With `access.base_url` set, `hosts` is that URL's host only. A
// path prefix of the base URL stays in front, also of a link that begins with a slash and does not
// have it yet. Parameters stand in the order of `query`, `more_query`, `set`; of the first two a
// link keeps its own where the names are equal, `set` replaces. Credentials can be named in auth,
// base URL and headers only. In a body, `set` keeps the type that stands there (number, boolean,
// else text); what does not stand there is a number if the manifest uses the place for sizes, pages
// or offsets. Throws Error SQ003 if a secret of the credential is missing, 22023 for everything
// else.
http::Request make_request(const Manifest &manifest, const Access &access, const CallSpec &call);

// The same URL without query, user info or fragment: for logs and the requests view.
std::string public_url(std::string_view url);

// Replaces every occurrence of each secret value, its percent-encoded, its JSON-escaped and its
// base64 form (also inside a longer base64 text), by `********`. Values shorter than 6 bytes are
// left alone.
std::string mask_secrets(std::string text, const Access &access);

// A bearer of wildcards for fields: `sk_live_7eC3...zdp7dc` becomes `********`.
inline constexpr const char *kMasked = "***********";

}  // namespace sequin
