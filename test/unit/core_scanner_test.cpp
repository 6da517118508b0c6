// Tests of core/scanner.h: what the meter counts, and what survives of a page that jsonb refuses.
#include "core/scanner.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "core/error.h"

namespace sequin {
namespace {

constexpr int64_t kAny = int64_t{1} << 40;

bool passes(const std::string &text, int64_t bytes, int64_t values, int depth) {
	JsonMeter meter(bytes, values, depth);
	return meter.feed(text.data(), text.size());
}

// The number of values the meter counts: the least limit that lets the text pass.
int64_t values_in(const std::string &text) {
	int64_t count = 0;
	while (!passes(text, kAny, count, 1000))
		++count;
	return count;
}

int depth_of(const std::string &text) {
	int depth = 0;
	while (!passes(text, kAny, kAny, depth))
		++depth;
	return depth;
}

std::vector<std::string> texts(const std::vector<std::string_view> &views) {
	return {views.begin(), views.end()};
}

using Texts = std::vector<std::string>;

TEST(JsonMeterTest, counts_values_and_not_member_names) {
	EXPECT_EQ(values_in(""), 0);
	EXPECT_EQ(values_in("{}"), 1);
	EXPECT_EQ(values_in("[]"), 1);
	EXPECT_EQ(values_in("12.5e-3"), 1);
	EXPECT_EQ(values_in("[1,2,3]"), 4);
	EXPECT_EQ(values_in("[\"a\",\"b\"]"), 3);
	EXPECT_EQ(values_in("{\"a\":\"b\"}"), 2);
	EXPECT_EQ(values_in("{\"a\" : \"b\" , \"c\" : true}"), 3);
	EXPECT_EQ(values_in("{\"a\":{\"b\":[null,{}]}}"), 5);
	EXPECT_EQ(values_in("[\"a,b\",\"{[\",\"\\\"],[\"]"), 4);
	EXPECT_EQ(values_in("[{},{},{}]"), 4);
}

TEST(JsonMeterTest, counts_depth) {
	EXPECT_EQ(depth_of("1"), 0);
	EXPECT_EQ(depth_of("[]"), 1);
	EXPECT_EQ(depth_of("[[],[[]],{}]"), 3);
	EXPECT_EQ(depth_of("{\"[[[[\":1}"), 1);
	EXPECT_EQ(depth_of("]]]][["), 2);
}

TEST(JsonMeterTest, names_the_limit_that_was_passed) {
	JsonMeter bytes(4, kAny, 10), values(kAny, 4, 10), depth(kAny, kAny, 4);
	const std::string text = "[[[[[[[[1]]]]]]]]";
	EXPECT_FALSE(bytes.feed(text.data(), text.size()));
	EXPECT_FALSE(values.feed(text.data(), text.size()));
	EXPECT_FALSE(depth.feed(text.data(), text.size()));
	EXPECT_STREQ(bytes.reason(), "the answer has more bytes than its limit allows");
	EXPECT_STREQ(values.reason(), "the answer has more JSON values than its limit allows");
	EXPECT_STREQ(depth.reason(), "the answer is nested deeper than its limit allows");
}

TEST(JsonMeterTest, stays_refused) {
	JsonMeter meter(3, kAny, 10);
	EXPECT_TRUE(meter.feed("[1]", 3));
	EXPECT_TRUE(meter.feed("", 0));
	EXPECT_EQ(meter.reason(), nullptr);
	EXPECT_FALSE(meter.feed(" ", 1));
	EXPECT_FALSE(meter.feed("", 0));
}

// Structure-heavy random bytes: every kind of token, broken or not.
std::string random_text(std::mt19937 &random, size_t size) {
	static constexpr std::string_view kPieces[] = {
		"{",    "}",       "[",       "]",        "\"",   ":",         ",",
		"\\",   " ",       "\n",      "a",        "1",    "null",      "\"x\"",
		"\\\"", "\\u0000", "\\ud800", "1e400000", "\xff", "\"data\":", "[{\"data\":["};
	std::string text;
	while (text.size() < size)
		text += kPieces[random() % std::size(kPieces)];
	return text;
}

TEST(JsonMeterTest, chunking_never_changes_the_verdict) {
	std::mt19937 random(1);
	int refused = 0;
	for (int round = 0; round < 20000; ++round) {
		const std::string text = random_text(random, random() % 120);
		const int64_t bytes = random() % 150, values = random() % 30;
		const int depth = static_cast<int>(random() % 8);
		JsonMeter whole(bytes, values, depth), parts(bytes, values, depth);
		const bool expected = whole.feed(text.data(), text.size());
		bool seen = true;
		for (size_t at = 0; at < text.size();) {
			const size_t size = std::min<size_t>(random() % 5, text.size() - at);
			seen = parts.feed(text.data() + at, size);
			at += size;
		}
		ASSERT_EQ(seen, expected) << text;
		ASSERT_STREQ(parts.reason() ? parts.reason() : "", whole.reason() ? whole.reason() : "");
		refused += expected ? 0 : 1;
	}
	EXPECT_GT(refused, 2000);
	EXPECT_LT(refused, 18000);
}

TEST(RecordsPathTest, knows_plain_member_paths) {
	for (const char *path : {"$[*]", "$.data[*]", "$.data.orders.nodes[*]", "$._a1[*]",
	                         "$.\"a b\".c[*]", "$.\"q\\\"\\\\\"[*]"})
		EXPECT_TRUE(is_plain_records_path(path)) << path;
	for (const char *path : {"",
	                         "$",
	                         "[*]",
	                         "$.data",
	                         "$.data[*].x",
	                         "$.data[0]",
	                         "$.data[*][*]",
	                         "$..data[*]",
	                         "$.[*]",
	                         "$.1a[*]",
	                         "$.a b[*]",
	                         "data[*]",
	                         "$data[*]",
	                         "$.data[*] ",
	                         "strict $.data[*]",
	                         "$.\"\"[*]",
	                         "$.\"a[*]",
	                         "$.a?[*]",
	                         "$.\"a\\n\"[*]",
	                         "$.a.*[*]",
	                         "$.\"a\"b[*]"})
		EXPECT_FALSE(is_plain_records_path(path)) << path;
}

TEST(CutPageTest, refuses_other_paths) {
	try {
		cut_page("{}", "$.data");
		FAIL() << "no error";
	} catch (const Error &error) {
		EXPECT_EQ(error.sqlstate(), "22023");
		EXPECT_STREQ(error.what(), "\"$.data\" is not a plain member path");
	}
}

TEST(CutPageTest, cuts_records_and_keeps_the_envelope) {
	const std::string text =
		" {\"a\": [9], \"data\" : [ {\"id\":1} ,2, \"x,]\" ,[3,[4]]],\"more\":true} ";
	const CutPage page = cut_page(text, "$.data[*]");
	EXPECT_EQ(texts(page.records), (Texts{"{\"id\":1}", "2", "\"x,]\"", "[3,[4]]"}));
	EXPECT_EQ(page.envelope, " {\"a\": [9], \"data\" : [],\"more\":true} ");
	EXPECT_TRUE(page.is_complete);
}

TEST(CutPageTest, finds_arrays_at_the_top_and_in_depth) {
	const CutPage top = cut_page("[1,2]", "$[*]");
	EXPECT_EQ(texts(top.records), (Texts{"1", "2"}));
	EXPECT_EQ(top.envelope, "[]");
	EXPECT_TRUE(top.is_complete);

	const CutPage deep =
		cut_page("{\"data\":{\"nodes\":{},\"orders\":{\"nodes\":[{}]}}}", "$.data.orders.nodes[*]");
	EXPECT_EQ(texts(deep.records), (Texts{"{}"}));
	EXPECT_EQ(deep.envelope, "{\"data\":{\"nodes\":{},\"orders\":{\"nodes\":[]}}}");
	EXPECT_TRUE(deep.is_complete);

	const CutPage empty = cut_page("{\"data\":[ ]}", "$.data[*]");
	EXPECT_TRUE(empty.records.empty());
	EXPECT_EQ(empty.envelope, "{\"data\":[]}");
	EXPECT_TRUE(empty.is_complete);
}

TEST(CutPageTest, tolerates_what_jsonb_refuses_inside_records) {
	const std::string text =
		"{\"data\":[{\"id\":\"a\\u0000\"},{\"id\":\"\\ud800\"},{\"n\":1e400000},"
		"{\"s\":\"\xff\xfe\"},{\"s\":\"\\q\"},{\"s\":\"\n\"},{id:'x'},nan,{\"ok\":1}],\"more\":"
		"false}";
	const CutPage page = cut_page(text, "$.data[*]");
	ASSERT_EQ(page.records.size(), 9u);
	EXPECT_EQ(page.records[0], "{\"id\":\"a\\u0000\"}");
	EXPECT_EQ(page.records[2], "{\"n\":1e400000}");
	EXPECT_EQ(page.records[3], "{\"s\":\"\xff\xfe\"}");
	EXPECT_EQ(page.records[8], "{\"ok\":1}");
	EXPECT_EQ(page.envelope, "{\"data\":[],\"more\":false}");
	EXPECT_TRUE(page.is_complete);
}

TEST(CutPageTest, drops_a_byte_order_mark) {
	const CutPage page = cut_page("\xEF\xBB\xBF[1]", "$[*]");
	EXPECT_EQ(page.envelope, "[]");
	EXPECT_TRUE(page.is_complete);
}

TEST(CutPageTest, gives_whole_records_of_a_truncated_text) {
	const std::string text = "{\"data\":[{\"id\":1},{\"id\":2},34],\"more\":true}";
	const Texts all = {"{\"id\":1}", "{\"id\":2}", "34"};
	for (size_t size = 0; size < text.size(); ++size) {
		const CutPage page = cut_page(std::string_view(text).substr(0, size), "$.data[*]");
		EXPECT_FALSE(page.is_complete) << size;
		// A number is known to be whole only by what follows it.
		const size_t count = size < 17 ? 0 : size < 26 ? 1 : size < 30 ? 2 : 3;
		EXPECT_EQ(texts(page.records), Texts(all.begin(), all.begin() + static_cast<long>(count)))
			<< size;
	}
	EXPECT_TRUE(cut_page(text, "$.data[*]").is_complete);
}

TEST(CutPageTest, is_incomplete_when_brackets_do_not_balance) {
	for (const char *text : {"{\"data\":[{\"a\":1]}]}", "{\"data\":[1 2]}", "{\"data\":[1,]}",
	                         "{\"data\":[,1]}", "{\"data\":[1}]", "{\"data\":[1],}",
	                         "{\"data\":[1],\"x\"}", "{\"x\":}", "{\"data\" [1]}"}) {
		EXPECT_FALSE(cut_page(text, "$.data[*]").is_complete) << text;
	}
	EXPECT_EQ(texts(cut_page("{\"data\":[1 2]}", "$.data[*]").records), (Texts{"1"}));
	EXPECT_TRUE(cut_page("{\"data\":[{\"a\":1]]}", "$.data[*]").records.empty());
}

TEST(CutPageTest, leaves_a_text_without_the_array_as_it_is) {
	for (const char *text : {"{\"data\":{}}", "{\"data\":null}", "{\"other\":[1]}", "[1]", "", "x",
	                         "\"data\"", "{}"}) {
		const CutPage page = cut_page(text, "$.data[*]");
		EXPECT_FALSE(page.is_complete) << text;
		EXPECT_TRUE(page.records.empty()) << text;
		EXPECT_EQ(page.envelope, text);
	}
}

TEST(CutPageTest, takes_the_last_of_equal_names_as_jsonb_does) {
	EXPECT_EQ(texts(cut_page("{\"data\":[1],\"data\":[2]}", "$.data[*]").records), (Texts{"2"}));
	EXPECT_EQ(cut_page("{\"data\":[1],\"data\":[2]}", "$.data[*]").envelope,
	          "{\"data\":[1],\"data\":[]}");
	EXPECT_FALSE(cut_page("{\"data\":[1],\"data\":7}", "$.data[*]").is_complete);
	EXPECT_FALSE(cut_page("{\"a\":{\"b\":[1]},\"a\":{}}", "$.a.b[*]").is_complete);
}

TEST(CutPageTest, compares_names_without_their_escapes) {
	EXPECT_TRUE(cut_page("{\"d\\u0061ta\":[1]}", "$.data[*]").is_complete);
	EXPECT_TRUE(cut_page("{\"a\\/b\\\"\":[1]}", "$.\"a/b\\\"\"[*]").is_complete);
	EXPECT_TRUE(cut_page("{\"\\u00e9\\ud83d\\ude00\":[1]}", "$.\"\xc3\xa9\xf0\x9f\x98\x80\"[*]")
	                .is_complete);
	EXPECT_FALSE(cut_page("{\"d\\ud800ta\":[1]}", "$.data[*]").is_complete);
	EXPECT_FALSE(cut_page("{\"d\\qata\":[1]}", "$.data[*]").is_complete);
	EXPECT_FALSE(cut_page("{\"dat\\\\u0061\":[1]}", "$.data[*]").is_complete);
}

TEST(CutPageTest, survives_any_bytes) {
	std::mt19937 random(2);
	size_t cut = 0;
	for (int round = 0; round < 40000; ++round) {
		std::string text = random_text(random, random() % 90);
		if (round % 2 == 0)
			text = "{\"data\":[" + text + "]}";
		// A copy of just that size, so that a sanitizer sees every step beyond it.
		const std::vector<char> bytes(text.begin(), text.end());
		const std::string_view view(bytes.data(), bytes.size());
		for (const char *path : {"$.data[*]", "$[*]", "$.a.data[*]"}) {
			const CutPage page = cut_page(view, path);
			const char *last = view.data();
			for (const std::string_view record : page.records) {
				ASSERT_GE(record.data(), last);
				ASSERT_FALSE(record.empty());
				last = record.data() + record.size();
				ASSERT_LE(last, view.data() + view.size());
			}
			cut += page.records.size();
			ASSERT_LE(page.envelope.size(), text.size() + 1);
		}
	}
	EXPECT_GT(cut, 1000u);
}

TEST(CutPageTest, goes_as_deep_as_the_text) {
	const std::string deep = "[" + std::string(200000, '[') + std::string(200000, ']') + "]";
	EXPECT_EQ(cut_page(deep, "$[*]").records.size(), 1u);
}

}  // namespace
}  // namespace sequin
