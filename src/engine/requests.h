// Requests of backends: taken from the slots, run, answered. A request is JSON {"kind": ..}; so is
// the answer: {"result": ..} or {"error": {sqlstate, message, detail, hint}}. Scope: engine.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>

#include "core/json.h"

namespace sequin::engine {

class Requests {
public:
	using Answer = std::function<void(const Json &)>;
	// Runs one request; the answer may be given at once or later. Throws Error: it is the answer.
	using Run = std::function<void(const Json &request, Answer answer)>;

	Requests(uint32_t generation, Run run) : generation_(generation), run_(std::move(run)) {}
	~Requests();
	void advance();  // once a turn, outside a transaction

private:
	struct Open {
		uint64_t id = 0;
		void *taken = nullptr;
		bool is_read = false;
		std::string answer;  // empty: not there yet
	};
	bool step(Open *open);  // false: it has ended

	uint32_t generation_;
	Run run_;
	std::list<Open> open_;
	uint64_t next_id_ = 1;
};

}  // namespace sequin::engine
