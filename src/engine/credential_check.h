// test_credential: the manifest's check call, made with the credential as it is stored now.
// Scope: engine.
#pragma once

#include <cstdint>

#include "engine/house.h"
#include "engine/requests.h"
#include "store/syncs.h"

namespace sequin::engine {

// Sends the check through the account of `row` and answers {"result": {status, account, ..}}. What
// was learned is saved. Call outside a transaction. Throws Error if the manifest has no check.
void check_credential(House &house, const Manifest &manifest, store::SyncRow row,
                      Requests::Answer answer);

}  // namespace sequin::engine
