// Tests of core/time.h: the calendar against the C library, and texts as APIs write them.
#include "core/time.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <string>

#include "core/error.h"

namespace sequin {
namespace {

constexpr int64_t kSecond = 1000000, kMinute = 60 * kSecond, kHour = 60 * kMinute,
				  kDay = 24 * kHour;
constexpr int64_t kNoon = 1709208000 * kSecond;  // 2024-02-29 12:00:00 UTC

TEST(IsoTime, reads_the_forms_of_the_wild) {
	for (const char *text :
	     {"2024-02-29T12:00:00Z", "2024-02-29 12:00:00Z", "2024-02-29t12:00:00z",
	      "2024-02-29T12:00Z", "2024-02-29T12:00", "2024-02-29 12:00:00", "2024-02-29T12:00:00.0Z",
	      "2024-02-29T12:00:00.000000000Z", "2024-02-29T12:00:00+00:00", "2024-02-29T12:00:00+0000",
	      "2024-02-29T12:00:00+00", "2024-02-29T12:00:00-00:00", "2024-02-29T17:45:00+05:45",
	      "2024-02-29T02:30:00-0930", "2024-03-01T01:45:00+13:45", "2024-03-01T02:00+14",
	      "2024-02-29T00:00:00-12:00", "2024-02-29T11:59:60Z"})
		EXPECT_EQ(parse_iso_time(text), kNoon) << text;
	EXPECT_EQ(parse_iso_time("2024-02-29"), kNoon - 12 * kHour);
}

TEST(IsoTime, cuts_fractions_to_microseconds) {
	EXPECT_EQ(parse_iso_time("1970-01-01T00:00:00.1Z"), 100000);
	EXPECT_EQ(parse_iso_time("1970-01-01T00:00:00.000001Z"), 1);
	EXPECT_EQ(parse_iso_time("1970-01-01T00:00:00.123456789Z"), 123456);
	EXPECT_EQ(parse_iso_time("1969-12-31T23:59:59.999999Z"), -1);
	EXPECT_EQ(parse_iso_time("1969-12-31T23:59:59.5+00"), -500000);
}

TEST(IsoTime, refuses_what_is_no_time) {
	for (const char *text : {"",
	                         "2024",
	                         "2024-02",
	                         "2023-02-29",
	                         "2100-02-29",
	                         "2024-13-01",
	                         "2024-00-01",
	                         "2024-01-00",
	                         "2024-01-32",
	                         "2024-04-31",
	                         "0000-01-01",
	                         "24-01-01",
	                         "12024-01-01",
	                         "2024-1-1",
	                         "2024-01-01T",
	                         "2024-01-01T12",
	                         "2024-01-01T24:00:00Z",
	                         "2024-01-01T12:60:00Z",
	                         "2024-01-01T12:00:61Z",
	                         "2024-01-01T12:00:00.Z",
	                         "2024-01-01T12:00:00.1234567890Z",
	                         "2024-01-01T12:00:00,5Z",
	                         "2024-01-01T12:00:00+",
	                         "2024-01-01T12:00:00+1",
	                         "2024-01-01T12:00:00+24:00",
	                         "2024-01-01T12:00:00+01:60",
	                         "2024-01-01T12:00:00+01:",
	                         "2024-01-01T12:00:00+010",
	                         "2024-01-01T12:00:00 UTC",
	                         "2024-01-01T12:00:00ZZ",
	                         "2024-01-01Z",
	                         " 2024-01-01",
	                         "2024-01-01 ",
	                         "2024/01/01",
	                         "now",
	                         "1709208000",
	                         "-024-01-01",
	                         "2024-01-01T12:00:00.5.5Z"})
		EXPECT_FALSE(parse_iso_time(text).has_value()) << text;
	EXPECT_FALSE(parse_iso_time(std::string_view("2024-01-01\0", 11)).has_value());
}

TEST(IsoTime, reads_the_whole_calendar) {
	EXPECT_EQ(format_time(*parse_iso_time("0001-01-01T00:00:00Z"), TimeAs::kRfc3339),
	          "0001-01-01T00:00:00Z");
	EXPECT_EQ(format_time(*parse_iso_time("9999-12-31T23:59:59.999999Z"), TimeAs::kRfc3339),
	          "9999-12-31T23:59:59.999999Z");
	EXPECT_EQ(parse_iso_time("2000-02-29"), 951782400 * kSecond);
	EXPECT_EQ(*parse_iso_time("1900-03-01") - *parse_iso_time("1900-02-28"), kDay);
	EXPECT_EQ(*parse_iso_time("1904-03-01") - *parse_iso_time("1904-02-28"), 2 * kDay);
	EXPECT_THROW(format_time(*parse_iso_time("9999-12-31T23:00:00-10:00"), TimeAs::kDate), Error);
	EXPECT_THROW(format_time(*parse_iso_time("0001-01-01T00:00:00+10:00"), TimeAs::kDate), Error);
	EXPECT_THROW(format_time(INT64_MAX, TimeAs::kRfc3339), Error);
	EXPECT_THROW(format_time(INT64_MIN, TimeAs::kRfc3339), Error);
}

TEST(IsoTime, agrees_with_the_c_library) {
	std::mt19937_64 random(7);
	std::uniform_int_distribution<int64_t> seconds(-62135596800, 253402300799);
	for (int i = 0; i < 20000; ++i) {
		const time_t time = seconds(random);
		tm civil{};
		gmtime_r(&time, &civil);
		char text[64];
		strftime(text, sizeof text, "-%m-%dT%H:%M:%SZ", &civil);
		std::string year = std::to_string(civil.tm_year + 1900);
		year.insert(0, 4 - year.size(), '0');
		ASSERT_EQ(format_time(time * kSecond, TimeAs::kRfc3339), year + text);
		ASSERT_EQ(parse_iso_time(year + text), time * kSecond);
	}
}

TEST(FormatTime, writes_what_a_request_wants) {
	const int64_t time = kNoon + 42;
	EXPECT_EQ(format_time(time, TimeAs::kEpoch), "1709208000");
	EXPECT_EQ(format_time(time, TimeAs::kEpochMs), "1709208000000");
	EXPECT_EQ(format_time(time, TimeAs::kRfc3339), "2024-02-29T12:00:00.000042Z");
	EXPECT_EQ(format_time(kNoon, TimeAs::kRfc3339), "2024-02-29T12:00:00Z");
	EXPECT_EQ(format_time(time, TimeAs::kDate), "2024-02-29");
	EXPECT_EQ(format_time(-1, TimeAs::kEpoch), "-1");
	EXPECT_EQ(format_time(-1, TimeAs::kEpochMs), "-1");
	EXPECT_EQ(format_time(-1, TimeAs::kDate), "1969-12-31");
	EXPECT_EQ(format_time(-1, TimeAs::kRfc3339), "1969-12-31T23:59:59.999999Z");
}

TEST(HttpDate, reads_its_three_forms) {
	const int64_t time = 784111777 * kSecond;
	EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), time);
	EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), time);
	EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), time);
	EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994"), time + 10 * kDay);
	EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 12:00:00 GMT"), kNoon);
	EXPECT_EQ(parse_http_date("Thursday, 29-Feb-24 12:00:00 GMT"), kNoon);
}

TEST(HttpDate, refuses_what_is_none) {
	for (const char *text :
	     {"", "Sun", "Sun,", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37",
	      "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 nov 1994 08:49:37 GMT",
	      "Son, 06 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
	      "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "Sun Nov 6 08:49:37 1994",
	      "Sun Nov  6 08:49:37 94", "Sun, 06 Nov 1994 08:49:37 GMT ", "784111777",
	      "1994-11-06T08:49:37Z"})
		EXPECT_FALSE(parse_http_date(text).has_value()) << text;
}

TEST(Duration, reads_its_units) {
	EXPECT_EQ(parse_duration("500ms"), kSecond / 2);
	EXPECT_EQ(parse_duration("0.5s"), kSecond / 2);
	EXPECT_EQ(parse_duration("30s"), 30 * kSecond);
	EXPECT_EQ(parse_duration("5m"), 5 * kMinute);
	EXPECT_EQ(parse_duration("4h"), 4 * kHour);
	EXPECT_EQ(parse_duration("7d"), 7 * kDay);
	EXPECT_EQ(parse_duration("0s"), 0);
	EXPECT_EQ(parse_duration("1.5d"), 36 * kHour);
	EXPECT_EQ(parse_duration("0.001ms"), 1);
	EXPECT_EQ(parse_duration("0.000001d"), 86400);
}

TEST(Duration, refuses_what_is_none) {
	for (const char *text : {"",
	                         "5",
	                         "s",
	                         "ms",
	                         "-5s",
	                         "+5s",
	                         "5 s",
	                         " 5s",
	                         "5s ",
	                         "5S",
	                         "5sec",
	                         "1 day",
	                         "1day",
	                         ".5s",
	                         "5.s",
	                         "5,5s",
	                         "1e3s",
	                         "1h30m",
	                         "5us",
	                         "1w",
	                         "99999999999999999999s",
	                         "999999999999d",
	                         "0.1234567890s"})
		EXPECT_FALSE(parse_duration(text).has_value()) << text;
}

TEST(Times, never_fall_over_noise) {
	std::mt19937 random(11);
	const std::string alphabet = "0123456789-:TZ .+GMTSunNov,dhms";
	std::uniform_int_distribution<size_t> pick(0, alphabet.size() - 1), length(0, 40);
	for (int i = 0; i < 50000; ++i) {
		std::string text;
		for (size_t left = length(random); left > 0; --left)
			text += alphabet[pick(random)];
		if (const auto time = parse_iso_time(text)) {
			EXPECT_EQ(parse_iso_time(format_time(*time, TimeAs::kRfc3339)), time) << text;
		}
		(void)parse_http_date(text);
		if (const auto duration = parse_duration(text)) {
			EXPECT_GE(*duration, 0) << text;
		}
	}
}

}  // namespace
}  // namespace sequin
