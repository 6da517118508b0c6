// A manifest that uses the whole language, for tests, and changes to it.
// Scope: any. Tests only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/json.h"

namespace sequin::sample {

// The sample as text.
std::string_view manifest();

// `value` put at a place such as "collections/customer/deletes/0/kind"; nullptr takes it away.
std::string changed(std::string_view json_text, std::string_view place, const char *value);

}  // namespace sequin::sample
