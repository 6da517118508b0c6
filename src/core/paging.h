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
	std::string after;   // last key, token, next URL, or keyset value; page: rows so far
	int64_t number = 0;  // page number or offset; other kinds: rows so far
	bool is_first = true;
	uint64_t digest = 0;  // of the page before, for the loop guard

	std::string encode() const;                         // compact JSON object
	static PagePosition decode(std::string_view text);  // throws Error 22023
};

enum class PageVerdict {
	kMore,  // ask again with `next`
	kDone,  // the API said so, by a declared stop
	kLoop   // the same token or the same page again: the walk is void
};

struct PageDecision {
	PageVerdict verdict = PageVerdict::kDone;
	PagePosition next;   // kMore: ask with it; kDone: see next_page; kLoop: as it was
	std::string reason;  // kLoop: a sentence for a person
};

enum class Direction {
	kOlder,
	kNewer
};  // kNewer walks by `newer_into`; the cursor is the first key

// Decides after a page. `link_next` is the URL of rel="next" from the Link header, or empty.
// A declared stop must hold for kDone (`none` is always done after its page); an empty page with
// `more` true goes on once with the same position only where a token moves, else it is kLoop.
// The page that repeats the one before is kLoop even where a stop holds. Page numbers begin at
// `paging.first`: a position that is_first is read so, whatever its number. After kDone `next` is
// behind the last row where rows move the position (after_last_record, keyset), which is where a
// later walk to newer rows begins; a page without rows leaves the position alone.
PageDecision next_page(const PagingSpec &paging, const PagePosition &position,
                       const PageFacts &facts, std::string_view link_next, int asked_size,
                       Direction direction = Direction::kOlder);

// The target of rel="next" in a Link header (RFC 8288), or empty.
std::string link_next(std::string_view link_header);

}  // namespace sequin
