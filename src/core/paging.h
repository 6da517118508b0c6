// Which request comes next. Pure: facts in, decision out.
// Scope: any.
#pragma once

#include <string>
#include <string_view>

#include "core/manifest.h"
#include "core/page.h"

namespace sequin {

// Where a walk stands. It is stored as text (`encode`) in the checkpoint, so it survives restarts.
struct PagePosition {
	std::string after;                // last key, token, next URL, or keyset value
	int64_t number = 0;               // page number or offset
	bool is_first = true;
	uint64_t digest = 0;              // of the page before, for the loop guard

	std::string encode() const;       // compact JSON object
	static PagePosition decode(std::string_view text);     // throws Error 22023
};

enum class PageVerdict {
	kMore,        // ask again with `next`
	kDone,        // the API said so, by a declared stop
	kLoop         // the same token or the same page again: the walk is void
};

struct PageDecision {
	PageVerdict verdict = PageVerdict::kDone;
	PagePosition next;
	std::string reason;               // kLoop: a sentence for a person
};

enum class Direction { kOlder, kNewer };   // kNewer walks by `newer_into`; the cursor is the first key

// Decides after a page. `link_next` is the URL of rel="next" from the Link header, or empty.
// A declared stop must hold for kDone; an empty page with `more` true goes on once with the same
// position only where a token moves, else it is kLoop.
PageDecision next_page(const PagingSpec &paging, const PagePosition &position,
					   const PageFacts &facts, std::string_view link_next, int asked_size,
					   Direction direction = Direction::kOlder);

// The target of rel="next" in a Link header (RFC 8288), or empty.
std::string link_next(std::string_view link_header);

}  // namespace sequin
