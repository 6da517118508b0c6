// The two error bridges; nobody else crosses between C++ exceptions and the server's longjmp.
// Scope: any process with a server error stack. Needs pg/pg.h's types only in the .cpp.
//
//   pg::call(lambda)   C++ -> server. The lambda is server regime: plain locals only, no object
//   with a
//                      destructor, no throw. A server error comes out as PgError. It does not make
//                      the error harmless: the transaction is broken and must be aborted by its
//                      owner.
//   pg::entry(lambda)  server -> C++. The lambda is C++ regime. Any exception comes out as a server
//                      error, raised after the catch block is left.
//   pg::quiet(lambda)  for destructors and callbacks: like entry, but an error is only logged.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "core/error.h"

namespace sequin::pg {

class PgError : public Error {
public:
	PgError(const char *sqlstate, const std::string &message, std::string detail, std::string hint,
	        std::string context)
		: Error(sqlstate, message, std::move(detail), std::move(hint)),
		  context_(std::move(context)) {}
	const std::string &context() const noexcept { return context_; }

private:
	std::string context_;
};

using Body = void (*)(void *);

void run_in_server(Body body, void *argument);         // throws PgError
void run_in_cpp(Body body, void *argument);            // ereports, longjmps
bool run_quietly(Body body, void *argument) noexcept;  // false: failed, and it is in the log

// Server regime on both sides: `*counter` is one higher while the body runs, whatever its end.
void run_counted(Body body, void *argument, int *counter);

template <class F>
auto call(F &&function) -> decltype(function()) {
	using Function = std::remove_reference_t<F>;
	using Result = decltype(function());
	if constexpr (std::is_void_v<Result>) {
		run_in_server([](void *p) { (*static_cast<Function *>(p))(); }, &function);
	} else {
		static_assert(std::is_trivially_destructible_v<Result>,
		              "a longjmp would skip its destructor");
		struct Frame {
			Function *function;
			Result result;
		} frame{&function, Result{}};
		run_in_server(
			[](void *p) {
				auto *f = static_cast<Frame *>(p);
				f->result = (*f->function)();
			},
			&frame);
		return frame.result;
	}
}

template <class F>
auto entry(F &&function) -> decltype(function()) {
	using Function = std::remove_reference_t<F>;
	using Result = decltype(function());
	if constexpr (std::is_void_v<Result>) {
		run_in_cpp([](void *p) { (*static_cast<Function *>(p))(); }, &function);
	} else {
		static_assert(std::is_trivially_destructible_v<Result>,
		              "a longjmp would skip its destructor");
		struct Frame {
			Function *function;
			Result result;
		} frame{&function, Result{}};
		run_in_cpp(
			[](void *p) {
				auto *f = static_cast<Frame *>(p);
				f->result = (*f->function)();
			},
			&frame);
		return frame.result;
	}
}

template <class F>
bool quiet(F &&function) noexcept {
	using Function = std::remove_reference_t<F>;
	return run_quietly([](void *p) { (*static_cast<Function *>(p))(); }, &function);
}

}  // namespace sequin::pg
