// Tests of core/template.h: what a placeholder becomes in each place, and what is refused.
#include "core/template.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <string>

#include "core/error.h"

namespace sequin {
namespace {

const Lookup &names() {
	static const auto *const lookup =
		new Lookup([](std::string_view name) -> std::optional<std::string> {
			const std::map<std::string, std::string, std::less<>> values = {
				{"key", "cus_1/\xc3\xa4"
		                "?"},
				{"time", "1709208000123456"},
				{"whole", "1709208000000000"},
				{"before", "-1"},
				{"empty", ""},
				{"upper", "\xc3\x84"
		                  "BC"},
				{"quote", "a\"b\\c\n"},
				{"line", "a\r\nX: y"},
				{"dots", ".."},
				{"dot", "."},
				{"parent.key", "p1"},
				{"cred.secret_key", "sk_1"},
				{"text", "x y"},
			};
			const auto found = values.find(name);
			if (found == values.end())
				return std::nullopt;
			return found->second;
		});
	return *lookup;
}

std::string filled(std::string_view text, Place place = Place::kPlain) {
	return fill(text, place, names());
}

Error error_of(const std::function<void()> &action) {
	try {
		action();
	} catch (const Error &error) {
		return error;
	}
	ADD_FAILURE() << "nothing was thrown";
	return Error("00000", "");
}

std::string failure_of(std::string_view text, Place place = Place::kPlain) {
	const Error error = error_of([&] { filled(text, place); });
	EXPECT_EQ(error.sqlstate(), "22023");
	EXPECT_FALSE(error.hint().empty());
	return error.what();
}

TEST(Template, leaves_other_text_alone) {
	for (const char *text : {"", "plain", "$", "$$", "$name", "{name}", "a $ {b}",
	                         "100 %/\xc3\xa4"
	                         "?\"\n",
	                         "}"})
		EXPECT_EQ(filled(text, Place::kQueryValue), text);
}

TEST(Template, encodes_for_the_place) {
	EXPECT_EQ(filled("/c/${key}/x", Place::kPathSegment), "/c/cus_1%2F%C3%A4%3F/x");
	EXPECT_EQ(filled("a ${text}", Place::kQueryValue), "a x%20y");
	EXPECT_EQ(filled("${text}", Place::kForm), "x%20y");
	EXPECT_EQ(filled("Bearer ${cred.secret_key}", Place::kHeader), "Bearer sk_1");
	EXPECT_EQ(filled(R"({"a":"${quote}"})", Place::kJson), R"({"a":"a\"b\\c\u000a"})");
	EXPECT_EQ(filled("${quote}"), "a\"b\\c\n");
	EXPECT_EQ(filled("${parent.key}-${key}"), "p1-cus_1/\xc3\xa4"
	                                          "?");
}

TEST(Template, applies_filters_from_left_to_right) {
	EXPECT_EQ(filled("${time|rfc3339}"), "2024-02-29T12:00:00.123456Z");
	EXPECT_EQ(filled("${whole|rfc3339}"), "2024-02-29T12:00:00Z");
	EXPECT_EQ(filled("${time|rfc3339_ms}"), "2024-02-29T12:00:00.123Z");
	EXPECT_EQ(filled("${whole|rfc3339_ms}"), "2024-02-29T12:00:00.000Z");
	EXPECT_EQ(filled("${before|rfc3339_ms}"), "1969-12-31T23:59:59.999Z");
	EXPECT_EQ(filled("${time|date}"), "2024-02-29");
	EXPECT_EQ(filled("${time|epoch}"), "1709208000");
	EXPECT_EQ(filled("${before|epoch}"), "-1");
	EXPECT_EQ(filled("${time|epoch_ms}"), "1709208000123");
	EXPECT_EQ(filled("${upper|lower}"), "\xc3\x84"
	                                    "bc");
	EXPECT_EQ(filled("${text|url}"), "x%20y");
	EXPECT_EQ(filled("${text|json}"), "\"x y\"");
	EXPECT_EQ(filled("${text|base64}"), "eCB5");
	EXPECT_EQ(filled("${time|date|base64|lower}"), "mjaync0wmi0yoq==");
	EXPECT_EQ(filled("${text|url}", Place::kQueryValue),
	          "x%2520y");  // a filter is not the encoding
}

TEST(Template, falls_back_on_defaults) {
	EXPECT_EQ(filled("${absent|default:'x'}"), "x");
	EXPECT_EQ(filled("${empty|default:'x'}"), "x");
	EXPECT_EQ(filled("${text|default:'x'}"), "x y");
	EXPECT_EQ(filled("${absent|default:''}"), "");
	EXPECT_EQ(filled("${absent|default:'it''s | } ${'}!"), "it's | } ${!");
	EXPECT_EQ(filled("${absent|lower|default:'X'}"), "X");
	EXPECT_EQ(filled("${absent|default:'X'|lower}"), "x");
	EXPECT_EQ(filled("${absent|default:'0'|date}"), "1970-01-01");
	EXPECT_EQ(filled("/${absent|default:'a/b'}", Place::kPathSegment), "/a%2Fb");
}

TEST(Template, refuses_bad_syntax) {
	EXPECT_EQ(failure_of("a ${"), "placeholder \"${\" is not closed");
	EXPECT_EQ(failure_of("${key"), "placeholder \"${key\" is not closed");
	EXPECT_EQ(failure_of("${key|default:'x}"), "placeholder \"${key|default:'x}\" is not closed");
	EXPECT_NE(failure_of("${}").find("no name"), std::string::npos);
	EXPECT_NE(failure_of("${ key }").find("no name"), std::string::npos);
	EXPECT_NE(failure_of("${key-x}").find("no name"), std::string::npos);
	EXPECT_NE(failure_of("${${key}}").find("no name"), std::string::npos);
	EXPECT_EQ(failure_of("${key|}"), "placeholder \"${key|}\" has unknown filter \"\"");
	EXPECT_EQ(failure_of("${key|upper}"),
	          "placeholder \"${key|upper}\" has unknown filter \"upper\"");
	EXPECT_NE(failure_of("${key|default}").find("unknown filter"), std::string::npos);
	EXPECT_NE(failure_of("${key|default:x}").find("without quotes"), std::string::npos);
	EXPECT_NE(failure_of("${key|default:'x' }").find("without quotes"), std::string::npos);
	EXPECT_NE(failure_of("${key|default:'x'y'z'}").find("without quotes"), std::string::npos);
	EXPECT_NE(failure_of("${time|lower|date}").find("does not fit"), std::string::npos);
	EXPECT_NE(failure_of("${time|date|epoch}").find("does not fit"), std::string::npos);
	EXPECT_NE(failure_of("${time|default:'x'|epoch}").find("does not fit"), std::string::npos);
}

TEST(Template, refuses_unknown_names_and_unfit_values) {
	EXPECT_EQ(failure_of("${absent}"),
	          "placeholder \"${absent}\" has a name that is not known here");
	EXPECT_NE(failure_of("${text|date}").find("not a time"), std::string::npos);
	EXPECT_NE(failure_of("${line}", Place::kHeader).find("control characters"), std::string::npos);
}

TEST(Template, messages_hold_no_value) {
	for (const auto &[text, place] : {std::pair("${line}", Place::kHeader),
	                                  {"${quote|date}", Place::kPlain},
	                                  {"/${dots}", Place::kPathSegment}}) {
		const std::string message = failure_of(text, place);
		for (const char *value : {"X: y", "a\"b", ".."})
			EXPECT_EQ(message.find(value), std::string::npos) << message;
	}
}

TEST(Template, a_value_cannot_change_the_path) {
	EXPECT_NE(failure_of("/c/${empty}", Place::kPathSegment).find("cannot stand in a path"),
	          std::string::npos);
	EXPECT_NE(failure_of("/c/${empty}/x", Place::kPathSegment), "");
	EXPECT_NE(failure_of("/c/${dots}/x", Place::kPathSegment), "");
	EXPECT_NE(failure_of("/c/${dot}", Place::kPathSegment), "");
	EXPECT_NE(failure_of("/c/.${dot}", Place::kPathSegment), "");
	EXPECT_NE(failure_of("/c/${dot}${dot}?a=b", Place::kPathSegment), "");
	EXPECT_NE(failure_of("/c/${empty}?a=b", Place::kPathSegment), "");
	EXPECT_EQ(filled("/c/x${empty}/${dots}.json", Place::kPathSegment), "/c/x/...json");
	EXPECT_EQ(filled("/c/${empty}${text}", Place::kPathSegment), "/c/x%20y");
}

TEST(Template, lists_its_placeholders) {
	const auto found = placeholders("/a/${key}/${settings.x|default:'a|b'|lower}");
	ASSERT_EQ(found.size(), 2u);
	EXPECT_EQ(found[0].name, "key");
	EXPECT_TRUE(found[0].filters.empty());
	EXPECT_EQ(found[1].name, "settings.x");
	EXPECT_EQ(found[1].filters, (std::vector<std::string>{"default:'a|b'", "lower"}));
	EXPECT_TRUE(placeholders("none").empty());
	EXPECT_THROW(placeholders("${x|nope}"), Error);
}

TEST(Template, cuts_long_placeholders_between_characters) {
	std::string text = "${x|";
	for (int i = 0; i < 100; ++i)
		text += "\xc3\xa4";
	for (const std::string &wrong : {text + "}", "${xy|" + text.substr(4) + "}"}) {
		const std::string message = failure_of(wrong);
		EXPECT_LT(message.size(), 200u);
		const size_t end = message.find('"', 13);
		EXPECT_EQ(message.substr(end - 2, 2), "\xc3\xa4") << message;
	}
}

TEST(PercentEncode, keeps_unreserved_characters) {
	EXPECT_EQ(percent_encode("AZaz09-._~"), "AZaz09-._~");
	EXPECT_EQ(percent_encode(" /?#[]@!$&'()*+,;=%\"<>"),
	          "%20%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25%22%3C%3E");
	EXPECT_EQ(percent_encode(std::string_view("\0\xff", 2)), "%00%FF");
}

TEST(Base64, encodes_the_examples_of_the_rfc) {
	const std::pair<const char *, const char *> examples[] = {{"", ""},
	                                                          {"f", "Zg=="},
	                                                          {"fo", "Zm8="},
	                                                          {"foo", "Zm9v"},
	                                                          {"foob", "Zm9vYg=="},
	                                                          {"fooba", "Zm9vYmE="},
	                                                          {"foobar", "Zm9vYmFy"},
	                                                          {"605", "NjA1"}};
	for (const auto &[plain, encoded] : examples) {
		EXPECT_EQ(base64_encode(plain), encoded);
		EXPECT_EQ(base64_decode(encoded), plain);
	}
}

TEST(Base64, round_trips_bytes_and_refuses_noise) {
	std::mt19937 random(3);
	std::uniform_int_distribution<int> byte(0, 255), length(0, 100);
	for (int i = 0; i < 2000; ++i) {
		std::string bytes;
		for (int left = length(random); left > 0; --left)
			bytes += static_cast<char>(byte(random));
		ASSERT_EQ(base64_decode(base64_encode(bytes)), bytes);
	}
	for (const char *text : {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=",
	                         "Zh==", "Zm9=", "Zm9v\n", "Zm 9", "Zm-_", "Zg==Zg==", "Z=g="})
		EXPECT_THROW(base64_decode(text), Error) << text;
}

TEST(Template, never_throws_anything_else) {
	std::mt19937 random(5);
	const std::string alphabet = "${}|':.keytimdfaul lowerbs64";
	std::uniform_int_distribution<size_t> pick(0, alphabet.size() - 1), length(0, 30);
	const Place places[] = {Place::kPathSegment, Place::kQueryValue, Place::kHeader,
	                        Place::kJson,        Place::kForm,       Place::kPlain};
	for (int i = 0; i < 50000; ++i) {
		std::string text = "${key";
		for (size_t left = length(random); left > 0; --left)
			text += alphabet[pick(random)];
		try {
			filled(text, places[i % 6]);
		} catch (const Error &error) {
			ASSERT_EQ(error.sqlstate(), "22023") << text;
		}
	}
}

}  // namespace
}  // namespace sequin
