// Requests of backends. See requests.h.
// Scope: engine.
#include "engine/requests.h"

#include "core/error.h"
#include "pg/requests.h"

namespace sequin::engine {
namespace {

constexpr size_t kMostAnswerBytes = 4 << 20;

Json error_answer(const Error &error) {
	Json body = Json::object();
	body.set("sqlstate", Json::string(error.sqlstate()));
	body.set("message", Json::string(error.what()));
	body.set("detail", Json::string(error.detail()));
	body.set("hint", Json::string(error.hint()));
	Json answer = Json::object();
	answer.set("error", body);
	return answer;
}

}  // namespace

Requests::~Requests() {
	for (Open &open : open_)
		pg::drop_quietly(open.taken);
}

void Requests::advance() {
	for (void *taken : pg::take_requests_of(generation_)) {
		Open open;
		open.id = next_id_++;
		open.taken = taken;
		open_.push_back(std::move(open));
	}
	for (auto it = open_.begin(); it != open_.end();)
		it = step(&*it) ? std::next(it) : open_.erase(it);
}

bool Requests::step(Open *open) {
	if (!open->is_read) {
		std::string text;
		const pg::QueueState state = pg::receive(open->taken, &text);
		if (state == pg::QueueState::kWaiting)
			return true;
		if (state == pg::QueueState::kGone) {
			pg::drop_quietly(open->taken);
			return false;
		}
		open->is_read = true;
		const uint64_t id = open->id;
		const auto answer = [this, id](const Json &body) {
			for (Open &one : open_)
				if (one.id == id)
					one.answer = body.dump();
		};
		try {
			run_(Json::parse(text), answer);
		} catch (const Error &error) {
			open->answer = error_answer(error).dump();
		}
	}
	if (open->answer.empty())
		return true;
	if (open->answer.size() > kMostAnswerBytes)
		open->answer = error_answer(Error("54000", "the answer is too large to hand over", {},
		                                  "Read the result from its table."))
		                   .dump();
	if (pg::send(open->taken, open->answer) == pg::QueueState::kWaiting)
		return true;
	pg::drop_quietly(open->taken);
	return false;
}

}  // namespace sequin::engine
