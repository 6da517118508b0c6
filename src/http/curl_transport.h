// The transport over libcurl's multi interface. Only curl_*.cpp includes curl/curl.h.
// Scope: engine.
#pragma once

#include <memory>
#include <string>

#include "http/egress.h"
#include "http/transport.h"

namespace sequin::http {

struct CurlOptions {
	Egress egress;
	int max_connections = 200;  // sockets at once, the idle ones that are kept included
	int max_lookups = 16;       // requests at once whose host may still be looked up
	// Of max_connections and of max_lookups, but at most half, kept for Priority::kMutation.
	int reserved_for_urgent = 10;
	// Proxy for everything; proxies of the environment are always ignored. Behind one, the egress
	// rules see the name only: the proxy resolves it, and the proxy's own address is trusted.
	std::string proxy;
	std::string ca_file;  // empty: the system's
};

// Throws Error 58000 if libcurl or the kernel refuses.
std::unique_ptr<Transport> make_curl_transport(const CurlOptions &options);

}  // namespace sequin::http
