// The parts of the manifest's parser: what they read, and what they share.
// Scope: any. Inside core/manifest*.cpp only.
//
// Order matters: settings and auth come first, since templates name them; feeds come before
// collections, which name them. All functions throw Error 22023.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/manifest.h"
#include "core/manifest_reader.h"

namespace sequin::manifest {

// What the parts share: manifest_places.cpp.

enum class Credentials { kNone, kOfKind, kOfEveryKind };

// Which placeholder names a place offers, besides the declared settings.
struct Offer {
	const Manifest &manifest;
	Credentials credentials = Credentials::kNone;
	const AuthSpec *auth = nullptr;  // kOfKind
	size_t key_parts = 0;            // key, key.1 to key.N
	bool has_parent = false;         // parent.key
};

void check_template(const Node &node, std::string_view text, const Offer &offer);
std::string read_template(const Node &node, const Offer &offer);
std::string read_path(const Node &node, const Offer &offer);  // of a request
NameValues read_query(const std::optional<Node> &node, const Offer &offer);
bool uses_name(std::string_view text, std::string_view name);  // `key` also matches `key.1`
bool uses_name(const NameValues &query, std::string_view name);

enum class JsonPathIs { kValue, kPredicate };

// Every jsonpath goes through here, so that the server can check its syntax.
std::string read_jsonpath(Manifest &manifest, const Node &node, JsonPathIs is = JsonPathIs::kValue);
std::string maybe_jsonpath(Manifest &manifest, const Node &owner, std::string_view key,
                           JsonPathIs is = JsonPathIs::kValue);
std::string read_records(Manifest &manifest, const Node &node);

TimeAs read_time_as(const Node &node);
TimePath read_time_path(Manifest &manifest, const Node &node);
Into read_into(const Node &node);
PollSpec read_poll(const std::optional<Node> &node);
int64_t read_duration(const Node &owner, std::string_view key, const std::string &why,
                      int64_t least_us);

constexpr int64_t kMoreThanZero = 1;

// The parts.

void read_settings(Manifest &manifest, const Node &root);
void read_auth(Manifest &manifest, const Node &root);
void read_hosts(Manifest &manifest, const Node &root);
void read_http(Manifest &manifest, const Node &root);
void read_limits(Manifest &manifest, const Node &root);
void read_errors(Manifest &manifest, const Node &root);
PagingSpec read_paging(Manifest &manifest, const Node &node);
void read_feeds(Manifest &manifest, const Node &root);
void read_collections(Manifest &manifest, const Node &root);

void expect_template_keys(const Node &node);

// One collection, its template merged in.
CollectionSpec read_collection(Manifest &manifest, const std::string &object, const Node &node);
IncrementalSpec read_incremental(Manifest &manifest, const Node &node,
                                 const CollectionSpec &collection);
std::vector<DeleteSpec> read_deletes(Manifest &manifest, const Node &node,
                                     const CollectionSpec &collection);

}  // namespace sequin::manifest
