// Keeps secrets that come as arguments out of activity, logs and statistics.
// Scope: backends. Server regime.
#pragma once

#include "pg/pg.h"

namespace sequin::pg {

// For a function that takes a secret: overwrites the activity and the text that an error would log.
// Raises 55000 where a literal cannot be hidden: in the text of DO or CALL, or in the code of a
// function; a bind parameter, from_file and from_env are always fine.
void hide_secrets(FunctionCallInfo fcinfo, const char *function_name, Jsonb *params);

}  // namespace sequin::pg
