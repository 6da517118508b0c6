// Tests of core/manifest.h with damaged manifests: whatever comes, only our error is thrown.
#include "core/manifest.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "core/error.h"
#include "manifest_sample.h"

namespace sequin {
namespace {

std::string mutated(std::string text, std::mt19937 &random) {
	static constexpr std::string_view kBytes = "{}[]\",:0129.-eE \\$|'ax_*\x00\x7f\xff\xc3";
	const auto pick = [&](size_t count) {
		return std::uniform_int_distribution<size_t>(0, count - 1)(random);
	};
	for (size_t changes = 1 + pick(4); changes > 0; --changes) {
		const size_t at = pick(text.size());
		const char byte = pick(3) == 0 ? static_cast<char>(pick(256)) : kBytes[pick(kBytes.size())];
		switch (pick(5)) {
		case 0:
			text.erase(at, 1 + pick(12));
			break;
		case 1:
			text.insert(at, 1, byte);
			break;
		case 2:
			text.insert(pick(text.size()), text.substr(at, pick(40)));
			break;
		default:
			text[at] = byte;
		}
	}
	return text;
}

TEST(Manifest, only_ever_throws_our_error) {
	std::mt19937 random(20260);
	int good = 0, not_json = 0, wrong = 0;
	for (int i = 0; i < 8000; ++i) {
		const std::string text = mutated(std::string(sample::manifest()), random);
		try {
			parse_manifest(text);
			++good;
		} catch (const Error &error) {
			(error.sqlstate() == "22032" ? not_json : wrong) += 1;
			ASSERT_TRUE(error.sqlstate() == "22032" || error.sqlstate() == "22023") << error.what();
			ASSERT_LT(std::string(error.what()).size(), 1000u) << error.what();
		}
	}
	EXPECT_GT(good, 100);  // else the loop would prove nothing
	EXPECT_GT(not_json, 100);
	EXPECT_GT(wrong, 100);
}

// Replaces whole values, so that the text stays JSON and the checks behind the syntax are reached.
TEST(Manifest, only_ever_throws_our_error_for_any_value) {
	static constexpr const char *kValues[] = {"null",
	                                          "true",
	                                          "-1",
	                                          "0",
	                                          "1e308",
	                                          "9223372036854775807",
	                                          "\"\"",
	                                          "\"x\"",
	                                          "\"$\"",
	                                          "\"$[*]\"",
	                                          "\"${\"",
	                                          "\"${key}\"",
	                                          "\"[\"",
	                                          "\"\\u001f\"",
	                                          "\"99999d\"",
	                                          "[]",
	                                          "{}",
	                                          "[[]]",
	                                          "[\"a\",\"a\"]",
	                                          "{\"\":\"\"}",
	                                          "{\"kind\":\"none\"}",
	                                          "\"query.\"",
	                                          "\"*.\"",
	                                          "\".\""};
	const std::string text(sample::manifest());
	size_t tried = 0, wrong = 0;
	for (size_t at = text.find('"'); at != std::string::npos; at = text.find('"', at + 1)) {
		const size_t end = text.find('"', at + 1);
		if (end == std::string::npos ||
		    text.find_first_not_of(" \t\n", end + 1) == std::string::npos)
			break;
		for (const char *value : kValues) {
			std::string changed = text;
			changed.replace(at, end + 1 - at, value);
			++tried;
			try {
				parse_manifest(changed);
			} catch (const Error &) {
				++wrong;
			}
		}
		at = end;
	}
	EXPECT_GT(tried, 5000u);
	EXPECT_GT(wrong, tried / 2);
}

}  // namespace
}  // namespace sequin
