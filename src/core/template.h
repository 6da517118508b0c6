// `${name|filter}`: substitution into requests, with the encoding of the place.
// Scope: any.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sequin {

// Where a substituted value lands; decides its encoding. Text of the template itself is not
// encoded.
enum class Place { kPathSegment, kQueryValue, kHeader, kJson, kForm, kPlain };

// Looks a name up. nullopt: not known here (Error 22023). A value of time filters is decimal Unix
// µs.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

// Fills a template. Throws Error 22023 naming the placeholder that is unknown, unclosed, has a
// filter that does not exist or does not fit; or whose value cannot stand in a header (control
// characters).
std::string fill(std::string_view text, Place place, const Lookup &lookup);

struct Placeholder {
	std::string name;
	std::vector<std::string> filters;
};

// The placeholders of a template, for checks at load. Throws Error 22023 on bad syntax or filter.
std::vector<Placeholder> placeholders(std::string_view text);

std::string percent_encode(std::string_view text);  // RFC 3986 unreserved stay as they are
std::string base64_encode(std::string_view bytes);
std::string base64_decode(std::string_view text);  // throws Error 22023

}  // namespace sequin
