// Tests of core/paging.h: every kind of walk to its end, and the walks that have none.
#include "core/paging.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "core/error.h"

namespace sequin {
namespace {

PagingSpec spec(PagingKind kind) {
	PagingSpec paging;
	paging.kind = kind;
	return paging;
}

// A page of rows first..last (newest first), with a digest of its own.
PageFacts page(int first, int last) {
	PageFacts facts;
	facts.is_json = true;
	facts.rows = last - first + 1;
	facts.first_key = "k" + std::to_string(first);
	facts.last_key = "k" + std::to_string(last);
	facts.last_field = "f" + std::to_string(last);
	facts.digest = static_cast<uint64_t>(first * 1000 + last + 1);
	return facts;
}

PageFacts empty_page() {
	PageFacts facts;
	facts.is_json = true;
	return facts;
}

PagePosition reached(const std::string &after, int64_t number = 0) {
	PagePosition position;
	position.after = after;
	position.number = number;
	position.is_first = false;
	return position;
}

PageDecision decide(const PagingSpec &paging, const PagePosition &position, const PageFacts &facts,
                    int asked_size = 2) {
	return next_page(paging, position, facts, {}, asked_size);
}

TEST(PagePositionTest, survives_its_text) {
	PagePosition position = reached("a\"b\\\xc3\xa9", -7);
	position.digest = ~uint64_t{0};
	const PagePosition copy = PagePosition::decode(position.encode());
	EXPECT_EQ(copy.after, position.after);
	EXPECT_EQ(copy.number, -7);
	EXPECT_FALSE(copy.is_first);
	EXPECT_EQ(copy.digest, ~uint64_t{0});
	EXPECT_TRUE(PagePosition::decode(PagePosition{}.encode()).is_first);
}

TEST(PagePositionTest, refuses_other_texts) {
	for (const char *text :
	     {"", "{", "[]", "{}", "null", "{\"after\":1,\"number\":0,\"first\":true,\"digest\":0}",
	      "{\"after\":\"\",\"number\":\"0\",\"first\":true,\"digest\":0}",
	      "{\"after\":\"\",\"number\":0,\"first\":1,\"digest\":0}"}) {
		try {
			PagePosition::decode(text);
			FAIL() << text;
		} catch (const Error &error) {
			EXPECT_EQ(error.sqlstate(), "22023") << text;
			EXPECT_STREQ(error.what(), "could not read the position of a walk");
		}
	}
}

TEST(NextPageTest, without_paging_one_page_is_all) {
	PageFacts facts = page(0, 1);
	facts.more = true;
	EXPECT_EQ(decide(spec(PagingKind::kNone), {}, facts).verdict, PageVerdict::kDone);
	EXPECT_EQ(decide(spec(PagingKind::kNone), {}, empty_page()).verdict, PageVerdict::kDone);
}

TEST(NextPageTest, goes_on_after_the_last_record) {
	PagingSpec paging = spec(PagingKind::kAfterLastRecord);
	paging.stop_more = true;
	PageFacts facts = page(0, 1);
	facts.more = true;
	const PageDecision first = decide(paging, {}, facts);
	EXPECT_EQ(first.verdict, PageVerdict::kMore);
	EXPECT_EQ(first.next.after, "k1");
	EXPECT_FALSE(first.next.is_first);

	PageFacts last = page(2, 2);
	last.more = false;
	const PageDecision second = decide(paging, first.next, last);
	EXPECT_EQ(second.verdict, PageVerdict::kDone);
	EXPECT_EQ(second.next.after, "k2");

	PageFacts nothing = empty_page();
	nothing.more = false;
	EXPECT_EQ(decide(paging, {}, nothing).verdict, PageVerdict::kDone);
}

TEST(NextPageTest, a_stop_must_be_said) {
	PagingSpec paging = spec(PagingKind::kAfterLastRecord);
	paging.stop_more = true;
	EXPECT_EQ(decide(paging, {}, page(0, 0)).verdict, PageVerdict::kMore)
		<< "short, but not declared";
	const PageDecision silent = decide(paging, reached("k1"), empty_page());
	EXPECT_EQ(silent.verdict, PageVerdict::kLoop);
	EXPECT_EQ(silent.reason,
	          "A page came without records, and the API did not say that it was the last.");
	EXPECT_EQ(silent.next.after, "k1");
	PageFacts keyless = page(0, 1);
	keyless.last_key.clear();
	EXPECT_EQ(decide(paging, {}, keyless).verdict, PageVerdict::kLoop);
}

TEST(NextPageTest, walks_to_newer_rows_by_the_first_key) {
	PagingSpec paging = spec(PagingKind::kAfterLastRecord);
	paging.stop_more = true;
	PagePosition position = reached("k50");
	PageFacts facts = page(40, 49);
	facts.more = true;
	PageDecision decision = next_page(paging, position, facts, {}, 10, Direction::kNewer);
	EXPECT_EQ(decision.verdict, PageVerdict::kMore);
	EXPECT_EQ(decision.next.after, "k40");

	facts = page(35, 39);
	facts.more = false;
	decision = next_page(paging, decision.next, facts, {}, 10, Direction::kNewer);
	EXPECT_EQ(decision.verdict, PageVerdict::kDone);
	EXPECT_EQ(decision.next.after, "k35") << "the next poll begins behind the newest row";
	EXPECT_EQ(decision.next.number, 0) << "and counts its rows for itself";

	PageFacts nothing = empty_page();
	nothing.more = false;
	for (int poll = 0; poll < 3; ++poll) {
		decision = next_page(paging, decision.next, nothing, {}, 10, Direction::kNewer);
		EXPECT_EQ(decision.verdict, PageVerdict::kDone);
		EXPECT_EQ(decision.next.after, "k35");
		EXPECT_FALSE(decision.next.is_first);
	}
	facts = page(34, 34);
	facts.more = false;
	EXPECT_EQ(next_page(paging, decision.next, facts, {}, 10, Direction::kNewer).next.after, "k34");
}

TEST(NextPageTest, follows_tokens) {
	PagingSpec paging = spec(PagingKind::kToken);
	paging.stop_no_token = true;
	PageFacts facts = page(0, 1);
	facts.next = "t1";
	const PageDecision first = decide(paging, {}, facts);
	EXPECT_EQ(first.verdict, PageVerdict::kMore);
	EXPECT_EQ(first.next.after, "t1");
	const PageDecision last = decide(paging, first.next, page(2, 3));
	EXPECT_EQ(last.verdict, PageVerdict::kDone);
	EXPECT_EQ(last.next.after, "t1") << "the last position that is known to be good";
}

TEST(NextPageTest, a_token_given_twice_is_a_loop) {
	PagingSpec paging = spec(PagingKind::kToken);
	paging.stop_no_token = true;
	PageFacts facts = page(2, 3);
	facts.next = "t1";
	const PageDecision decision = decide(paging, reached("t1"), facts);
	EXPECT_EQ(decision.verdict, PageVerdict::kLoop);
	EXPECT_EQ(decision.reason, "The next page would be asked for exactly as this one was.");
	paging.stop_more = true;
	facts.more = false;
	EXPECT_EQ(decide(paging, reached("t1"), facts).verdict, PageVerdict::kDone)
		<< "an API may repeat the token on the last page";
}

TEST(NextPageTest, an_empty_page_goes_on_once_where_a_token_moves) {
	PagingSpec paging = spec(PagingKind::kToken);
	paging.stop_more = paging.stop_no_token = true;
	PageFacts facts = empty_page();
	facts.more = true;
	facts.next = "t2";
	const PageDecision first = decide(paging, reached("t1"), facts);
	EXPECT_EQ(first.verdict, PageVerdict::kMore);
	EXPECT_EQ(first.next.after, "t2");
	facts.next = "t3";
	EXPECT_EQ(decide(paging, PagePosition::decode(first.next.encode()), facts).verdict,
	          PageVerdict::kLoop);
	PageFacts rows = page(4, 5);
	rows.next = "t3";
	const PageDecision second = decide(paging, first.next, rows);
	EXPECT_EQ(second.verdict, PageVerdict::kMore);
	EXPECT_EQ(decide(paging, second.next,
	                 [] {
						 PageFacts again = empty_page();
						 again.next = "t4";
						 return again;
					 }())
	              .verdict,
	          PageVerdict::kMore);
}

TEST(NextPageTest, a_missing_token_without_its_stop_is_a_loop) {
	PagingSpec paging = spec(PagingKind::kToken);
	paging.stop_more = true;
	PageFacts facts = page(0, 1);
	facts.more = true;
	const PageDecision decision = decide(paging, {}, facts);
	EXPECT_EQ(decision.verdict, PageVerdict::kLoop);
	EXPECT_NE(decision.reason.find("lacks"), std::string::npos);
}

TEST(NextPageTest, follows_next_urls_of_body_and_header) {
	PagingSpec paging = spec(PagingKind::kNextUrl);
	paging.stop_no_link = true;
	PageFacts facts = page(0, 1);
	facts.next = "https://api.example.com/b";
	EXPECT_EQ(next_page(paging, {}, facts, "https://api.example.com/h", 2).next.after,
	          "https://api.example.com/b");
	paging.link_header = true;
	const PageDecision first = next_page(paging, {}, facts, "https://api.example.com/h", 2);
	EXPECT_EQ(first.next.after, "https://api.example.com/h");
	EXPECT_EQ(next_page(paging, first.next, page(2, 3), "https://api.example.com/h", 2).verdict,
	          PageVerdict::kLoop);
	EXPECT_EQ(next_page(paging, first.next, page(2, 3), {}, 2).verdict, PageVerdict::kDone);
}

TEST(NextPageTest, counts_pages_from_the_first) {
	PagingSpec paging = spec(PagingKind::kPage);
	paging.first = 1;
	paging.stop_short_page = true;
	const PageDecision first = decide(paging, {}, page(0, 1));
	EXPECT_EQ(first.verdict, PageVerdict::kMore);
	EXPECT_EQ(first.next.number, 2);
	const PageDecision second = decide(paging, first.next, page(2, 3));
	EXPECT_EQ(second.next.number, 3);
	EXPECT_EQ(decide(paging, second.next, page(4, 4)).verdict, PageVerdict::kDone);
	EXPECT_EQ(decide(paging, second.next, empty_page()).verdict, PageVerdict::kDone);
}

TEST(NextPageTest, an_empty_page_stops_only_where_it_is_declared) {
	PagingSpec paging = spec(PagingKind::kPage);
	paging.stop_empty_page = true;
	EXPECT_EQ(decide(paging, reached("", 3), page(4, 4)).verdict, PageVerdict::kMore);
	EXPECT_EQ(decide(paging, reached("", 3), empty_page()).verdict, PageVerdict::kDone);
	paging.stop_empty_page = false;
	paging.stop_more = true;
	PageFacts facts = empty_page();
	facts.more = true;
	EXPECT_EQ(decide(paging, reached("", 3), facts).verdict, PageVerdict::kLoop);
}

TEST(NextPageTest, moves_offsets_by_rows_or_by_the_limit) {
	PagingSpec paging = spec(PagingKind::kOffset);
	paging.stop_empty_page = true;
	EXPECT_EQ(decide(paging, reached("", 10), page(0, 4), 50).next.number, 15);
	paging.by_limit = true;
	EXPECT_EQ(decide(paging, reached("", 10), page(0, 4), 50).next.number, 60);
	EXPECT_EQ(decide(paging, reached("", 10), page(0, 4), 0).next.number, 15);
}

TEST(NextPageTest, walks_by_a_field) {
	PagingSpec paging = spec(PagingKind::kKeyset);
	paging.stop_short_page = true;
	const PageDecision first = decide(paging, {}, page(0, 1));
	EXPECT_EQ(first.next.after, "f1");
	EXPECT_EQ(decide(paging, first.next, page(2, 2)).next.after, "f2");
	PageFacts same = page(2, 3);
	same.last_field = "f1";
	EXPECT_EQ(decide(paging, first.next, same).verdict, PageVerdict::kLoop)
		<< "a page full of one value does not move";
}

TEST(NextPageTest, stops_at_the_total_of_every_kind) {
	for (const PagingKind kind :
	     {PagingKind::kAfterLastRecord, PagingKind::kToken, PagingKind::kNextUrl, PagingKind::kPage,
	      PagingKind::kOffset, PagingKind::kKeyset}) {
		PagingSpec paging = spec(kind);
		paging.first = 1;
		paging.stop_total = true;
		PagePosition position;
		int rows = 0;
		for (;; rows += 3) {
			ASSERT_LT(rows, 30);
			PageFacts facts = page(rows, rows + 2);
			facts.next = "t" + std::to_string(rows);
			facts.total = 12;
			// Asked for more than the API gives at once: pages are short, and none is the last for
			// it.
			const PageDecision decision = decide(paging, position, facts, 100);
			if (decision.verdict != PageVerdict::kMore) {
				EXPECT_EQ(decision.verdict, PageVerdict::kDone);
				break;
			}
			position = PagePosition::decode(decision.next.encode());
		}
		EXPECT_EQ(rows + 3, 12) << "kind " << static_cast<int>(kind);
	}
}

TEST(NextPageTest, the_same_page_again_is_a_loop_whatever_else_is_said) {
	for (const PagingKind kind :
	     {PagingKind::kAfterLastRecord, PagingKind::kToken, PagingKind::kNextUrl, PagingKind::kPage,
	      PagingKind::kOffset, PagingKind::kKeyset}) {
		PagingSpec paging = spec(kind);
		paging.stop_more = paging.stop_total = true;
		PageFacts facts = page(0, 1);
		facts.more = true;
		facts.next = "t1";
		const PageDecision first = decide(paging, {}, facts);
		ASSERT_EQ(first.verdict, PageVerdict::kMore);
		facts.next = "t2";
		facts.more = false;
		const PageDecision again = decide(paging, first.next, facts);
		EXPECT_EQ(again.verdict, PageVerdict::kLoop);
		EXPECT_EQ(again.reason, "The API gave the page before once more.");
		EXPECT_EQ(again.next.after, first.next.after);
	}
}

TEST(NextPageTest, a_first_page_has_no_page_before) {
	PagingSpec paging = spec(PagingKind::kOffset);
	paging.stop_short_page = true;
	PagePosition position;
	position.digest = page(0, 1).digest;
	EXPECT_EQ(decide(paging, position, page(0, 1)).verdict, PageVerdict::kMore);
}

// Whatever an API answers, a walk ends after pages that say something new: rows, then a token.
TEST(NextPageTest, no_answer_keeps_a_walk_going_without_rows) {
	std::mt19937 random(4);
	for (int round = 0; round < 5000; ++round) {
		PagingSpec paging = spec(static_cast<PagingKind>(random() % 7));
		paging.stop_more = random() % 2;
		paging.stop_total = random() % 4 == 0;
		PagePosition position;
		int pages = 0;
		for (;; ++pages) {
			ASSERT_LT(pages, 4);
			PageFacts facts = random() % 3 ? empty_page() : page(0, 1);
			if (pages > 0)
				facts.digest = position.digest;
			facts.next = "t" + std::to_string(random());
			facts.more = true;
			const PageDecision decision = decide(paging, position, facts);
			if (decision.verdict != PageVerdict::kMore)
				break;
			position = decision.next;
		}
	}
}

TEST(LinkNextTest, finds_the_next_link) {
	EXPECT_EQ(link_next("<https://a.example/?page=2>; rel=\"next\""), "https://a.example/?page=2");
	EXPECT_EQ(link_next("<https://a.example/?page=2>;rel=next"), "https://a.example/?page=2");
	EXPECT_EQ(link_next("</p?a=1,2;3>; rel=\"prev\", </n?a=1,2;3>; rel=\"next\"; title=\"x\""),
	          "/n?a=1,2;3");
	EXPECT_EQ(link_next("</l>; rel=\"last\",</n>; rel=\"next\""), "/n");
	EXPECT_EQ(link_next("</n> ; title=\"a, <b>; rel=\\\"prev\\\"\" ; REL = \"Last NEXT\""), "/n");
	EXPECT_EQ(link_next("</n>; crossorigin; rel=next, </m>; rel=next"), "/n");
	EXPECT_EQ(link_next("</n\xc3\xa9>; rel=next"), "/n%C3%A9");
	EXPECT_EQ(link_next(" , </n>; rel=\"next\""), "/n");
}

TEST(LinkNextTest, finds_no_other_link) {
	for (const char *header :
	     {"", "x", "<", "</n>", "</n", "</n>; rel", "</n>; rel=", "</n>; rel=\"nextish\"",
	      "</n>; rel=\"prev\"; rel=\"next\"", "</n>; title=\"rel=next\"", "</n>; xrel=next",
	      "</n>; rel=next; anchor=\"#x\"", "</n>; rel=\"prev", "<>; rel=next", "rel=next"})
		EXPECT_EQ(link_next(header), "") << header;
}

TEST(LinkNextTest, survives_any_text) {
	std::mt19937 random(5);
	static constexpr std::string_view kPieces[] = {"<",  ">",    ";",      ",",     "\"",
	                                               "\\", " ",    "=",      "rel",   "next",
	                                               "/n", "\xff", "anchor", "title", "; rel=next"};
	int found = 0;
	for (int round = 0; round < 100000; ++round) {
		std::string text;
		for (size_t count = random() % 16; count > 0; --count)
			text += kPieces[random() % std::size(kPieces)];
		found += link_next("</n>" + text).empty() ? 0 : 1;
		link_next(text);
	}
	EXPECT_GT(found, 5);
}

}  // namespace
}  // namespace sequin
