// The one exception type of our own code: what happened, to what, and what to do next.
// Scope: any.
//
// `sqlstate` is five characters. Standard codes are used where they say it (22023 bad argument,
// 42704 no such thing, 55000 wrong state, 54000 too large, 08006 network); our class is
//   SQ001 provider refused     SQ002 rate limited      SQ003 credential invalid
//   SQ004 outcome unknown      SQ005 cursor expired    SQ006 wait timed out
// `message` starts in lower case and has no full stop; `detail` and `hint` are whole sentences.
// No field may carry a secret, a header or a whole body.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace sequin {

class Error : public std::runtime_error {
public:
	Error(const char *sqlstate, const std::string &message, std::string detail = {},
	      std::string hint = {})
		: std::runtime_error(message), sqlstate_(sqlstate), detail_(std::move(detail)),
		  hint_(std::move(hint)) {}

	const std::string &sqlstate() const noexcept { return sqlstate_; }
	const std::string &detail() const noexcept { return detail_; }
	const std::string &hint() const noexcept { return hint_; }

private:
	std::string sqlstate_;
	std::string detail_;
	std::string hint_;
};

}  // namespace sequin
