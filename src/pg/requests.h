// The engine's side of request slots, for C++ code. See request_slots.h.
// Scope: engine. C++ regime, outside a transaction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sequin::pg {

enum class QueueState { kWaiting, kDone, kGone };

std::vector<void *> take_requests_of(uint32_t engine_generation);
QueueState receive(void *request, std::string *text);
QueueState send(void *request,
                const std::string &text);   // repeat with the same text while kWaiting
void drop_quietly(void *request) noexcept;  // frees it

}  // namespace sequin::pg
