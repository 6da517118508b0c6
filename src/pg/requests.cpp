// The engine's side of request slots, for C++ code. See requests.h.
// Scope: engine.
#include "pg/requests.h"

#include "pg/guard.h"
#include "pg/pg.h"
#include "pg/request_slots.h"

namespace sequin::pg {
namespace {

QueueState state_of(Progress progress) {
	return progress == Progress::kDone      ? QueueState::kDone
	       : progress == Progress::kWaiting ? QueueState::kWaiting
	                                        : QueueState::kGone;
}

}  // namespace

std::vector<void *> take_requests_of(uint32_t engine_generation) {
	Taken taken[kMostTaken];
	Taken *first = taken;
	const int count =
		call([first, engine_generation] { return take_requests(first, engine_generation); });
	std::vector<void *> requests;
	for (int i = 0; i < count; i++)
		requests.push_back(new Taken(taken[i]));
	return requests;
}

QueueState receive(void *request, std::string *text) {
	auto *taken = static_cast<Taken *>(request);
	struct Received {
		Progress progress;
		char *data;
		Size size;
	};
	const Received received = call([taken] {
		Received r{Progress::kWaiting, nullptr, 0};
		r.progress = receive_request(taken, &r.data, &r.size);
		return r;
	});
	if (received.progress == Progress::kDone)
		text->assign(received.data, received.size);
	return state_of(received.progress);
}

QueueState send(void *request, const std::string &text) {
	auto *taken = static_cast<Taken *>(request);
	const char *data = text.data();
	const Size size = text.size();
	return state_of(call([taken, data, size] { return send_answer(taken, data, size); }));
}

void drop_quietly(void *request) noexcept {
	auto *taken = static_cast<Taken *>(request);
	quiet([taken] { call([taken] { drop_request(taken); }); });
	delete taken;
}

}  // namespace sequin::pg
