// Calendar arithmetic on the proleptic Gregorian calendar, and the texts APIs write times in.
// Scope: any.
#include "core/time.h"

#include <array>
#include <cstdio>
#include <limits>

#include "core/error.h"

namespace sequin {

namespace {

constexpr int64_t kSecondUs = 1000000;
constexpr int64_t kDaySeconds = 86400;

struct Civil {
	int year = 0, month = 0, day = 0;
	int hour = 0, minute = 0, second = 0;
};

constexpr bool is_leap(int64_t year) noexcept {
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

constexpr int days_in_month(int64_t year, int month) noexcept {
	constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return month == 2 && is_leap(year) ? 29 : kDays[month - 1];
}

constexpr int64_t floor_div(int64_t value, int64_t by) noexcept {
	return value / by - (value % by < 0 ? 1 : 0);
}

// Days from 0001-01-01 to the first day of a year, for years from 1.
constexpr int64_t days_before_year(int64_t year) noexcept {
	const int64_t past = year - 1;
	return past * 365 + past / 4 - past / 100 + past / 400;
}

constexpr int64_t kUnixDay = days_before_year(1970);
constexpr int64_t kLastDay = days_before_year(10000) - 1;

int64_t day_number(const Civil &civil) noexcept {
	int64_t days = days_before_year(civil.year) - kUnixDay;
	for (int month = 1; month < civil.month; ++month)
		days += days_in_month(civil.year, month);
	return days + civil.day - 1;
}

bool is_valid(const Civil &civil) noexcept {
	return civil.year >= 1 && civil.year <= 9999 && civil.month >= 1 && civil.month <= 12 &&
	       civil.day >= 1 && civil.day <= days_in_month(civil.year, civil.month) &&
	       civil.hour >= 0 && civil.hour <= 23 && civil.minute >= 0 && civil.minute <= 59 &&
	       civil.second >= 0 && civil.second <= 60;
}

int64_t to_unix_seconds(const Civil &civil) noexcept {
	return day_number(civil) * kDaySeconds + civil.hour * 3600 + civil.minute * 60 + civil.second;
}

Civil to_civil(int64_t unix_seconds) {
	const int64_t unix_day = floor_div(unix_seconds, kDaySeconds);
	int64_t day = unix_day + kUnixDay;  // since 0001-01-01
	if (day < 0 || day > kLastDay)
		throw Error("22023", "time is outside the years 1 to 9999");
	const int64_t rest = unix_seconds - unix_day * kDaySeconds;
	Civil civil;
	civil.year = static_cast<int>(day / 366 + 1);  // never too late; at most a few years early
	while (days_before_year(civil.year + 1) <= day)
		++civil.year;
	day -= days_before_year(civil.year);
	civil.month = 1;
	while (day >= days_in_month(civil.year, civil.month))
		day -= days_in_month(civil.year, civil.month++);
	civil.day = static_cast<int>(day) + 1;
	civil.hour = static_cast<int>(rest / 3600);
	civil.minute = static_cast<int>(rest / 60 % 60);
	civil.second = static_cast<int>(rest % 60);
	return civil;
}

// Reads a text from left to right; the first thing that does not fit makes it fail for good.
class Cursor {
public:
	explicit Cursor(std::string_view text) noexcept : rest_(text) {}

	bool is_ok() const noexcept { return is_ok_; }
	bool is_done() const noexcept { return is_ok_ && rest_.empty(); }
	char peek() const noexcept { return rest_.empty() ? '\0' : rest_.front(); }

	bool take_if(char wanted) noexcept {
		if (rest_.empty() || rest_.front() != wanted)
			return false;
		rest_.remove_prefix(1);
		return true;
	}

	void expect(std::string_view wanted) noexcept {
		if (rest_.substr(0, wanted.size()) == wanted)
			rest_.remove_prefix(wanted.size());
		else
			is_ok_ = false;
	}

	bool has_digit() const noexcept { return peek() >= '0' && peek() <= '9'; }

	int digits(int count) noexcept {
		int value = 0;
		for (int i = 0; i < count; ++i) {
			if (!has_digit()) {
				is_ok_ = false;
				return 0;
			}
			value = value * 10 + (rest_.front() - '0');
			rest_.remove_prefix(1);
		}
		return value;
	}

	// 1 to 9 digits after the point, as microseconds.
	int64_t fraction_us() noexcept {
		int64_t value = 0;
		int count = 0;
		for (; has_digit(); ++count, rest_.remove_prefix(1))
			if (count < 6)
				value = value * 10 + (rest_.front() - '0');
		if (count < 1 || count > 9)
			is_ok_ = false;
		for (; count < 6; ++count)
			value *= 10;
		return value;
	}

	// Which of the names stands here, from 1; the longest first where one begins another.
	template <size_t N>
	int name(const std::array<std::string_view, N> &names) noexcept {
		for (size_t i = 0; i < N; ++i) {
			if (rest_.substr(0, names[i].size()) == names[i]) {
				rest_.remove_prefix(names[i].size());
				return static_cast<int>(i) + 1;
			}
		}
		is_ok_ = false;
		return 0;
	}

private:
	std::string_view rest_;
	bool is_ok_ = true;
};

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 14> kWeekdays = {
	"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
	"Mon",    "Tue",     "Wed",       "Thu",      "Fri",    "Sat",      "Sun"};

// `Z`, `+00:00`, `+0000`, `+00` or nothing, as seconds east.
int64_t zone_seconds(Cursor &cursor) noexcept {
	if (cursor.take_if('Z') || cursor.take_if('z'))
		return 0;
	const bool is_east = cursor.take_if('+');
	if (!is_east && !cursor.take_if('-'))
		return 0;
	const int hours = cursor.digits(2);
	const bool has_colon = cursor.take_if(':');
	const int minutes = has_colon || cursor.has_digit() ? cursor.digits(2) : 0;
	if (hours > 23 || minutes > 59)
		cursor.expect("zone out of range");
	const int64_t seconds = hours * 3600 + minutes * 60;
	return is_east ? seconds : -seconds;
}

void read_clock(Cursor &cursor, Civil &civil) noexcept {
	civil.hour = cursor.digits(2);
	cursor.expect(":");
	civil.minute = cursor.digits(2);
	cursor.expect(":");
	civil.second = cursor.digits(2);
}

}  // namespace

std::optional<int64_t> parse_iso_time(std::string_view text) noexcept {
	Cursor cursor(text);
	Civil civil;
	civil.year = cursor.digits(4);
	cursor.expect("-");
	civil.month = cursor.digits(2);
	cursor.expect("-");
	civil.day = cursor.digits(2);
	int64_t fraction_us = 0, zone = 0;
	if (!cursor.is_done()) {
		if (!cursor.take_if('T') && !cursor.take_if('t'))
			cursor.expect(" ");
		civil.hour = cursor.digits(2);
		cursor.expect(":");
		civil.minute = cursor.digits(2);
		if (cursor.take_if(':')) {
			civil.second = cursor.digits(2);
			if (cursor.take_if('.'))
				fraction_us = cursor.fraction_us();
		}
		zone = zone_seconds(cursor);
	}
	if (!cursor.is_done() || !is_valid(civil))
		return std::nullopt;
	return (to_unix_seconds(civil) - zone) * kSecondUs + fraction_us;
}

std::optional<int64_t> parse_http_date(std::string_view text) noexcept {
	Cursor cursor(text);
	Civil civil;
	cursor.name(kWeekdays);
	if (cursor.take_if(',')) {  // IMF-fixdate or RFC 850
		cursor.expect(" ");
		civil.day = cursor.digits(2);
		const bool is_rfc850 = cursor.take_if('-');
		if (!is_rfc850)
			cursor.expect(" ");
		civil.month = cursor.name(kMonths);
		cursor.expect(is_rfc850 ? "-" : " ");
		civil.year = cursor.digits(is_rfc850 ? 2 : 4);
		if (is_rfc850)  // two digits: no API is older than Unix
			civil.year += civil.year < 70 ? 2000 : 1900;
		cursor.expect(" ");
		read_clock(cursor, civil);
		cursor.expect(" GMT");
	} else {  // asctime: a one-digit day has a blank before it
		cursor.expect(" ");
		civil.month = cursor.name(kMonths);
		cursor.expect(" ");
		civil.day = cursor.take_if(' ') ? cursor.digits(1) : cursor.digits(2);
		cursor.expect(" ");
		read_clock(cursor, civil);
		cursor.expect(" ");
		civil.year = cursor.digits(4);
	}
	if (!cursor.is_done() || !is_valid(civil))
		return std::nullopt;
	return to_unix_seconds(civil) * kSecondUs;
}

std::string format_time(int64_t unix_us, TimeAs as) {
	if (as == TimeAs::kEpoch)
		return std::to_string(floor_div(unix_us, kSecondUs));
	if (as == TimeAs::kEpochMs)
		return std::to_string(floor_div(unix_us, 1000));

	const int64_t seconds = floor_div(unix_us, kSecondUs);
	const Civil civil = to_civil(seconds);
	char text[48];
	std::snprintf(text, sizeof text, "%04d-%02d-%02d", civil.year, civil.month, civil.day);
	if (as == TimeAs::kDate)
		return text;

	std::string result = text;
	std::snprintf(text, sizeof text, "T%02d:%02d:%02d", civil.hour, civil.minute, civil.second);
	result += text;
	if (const int64_t fraction = unix_us - seconds * kSecondUs; fraction != 0) {
		std::snprintf(text, sizeof text, ".%06d", static_cast<int>(fraction));
		result += text;
	}
	return result + "Z";
}

std::optional<int64_t> parse_duration(std::string_view text) noexcept {
	struct Unit {
		std::string_view word;
		int64_t us;
	};
	constexpr Unit kUnits[] = {{"ms", 1000},
	                           {"s", kSecondUs},
	                           {"m", 60 * kSecondUs},
	                           {"h", 3600 * kSecondUs},
	                           {"d", kDaySeconds * kSecondUs}};
	Cursor cursor(text);
	int64_t whole = 0;
	int digits = 0;
	for (; cursor.has_digit() && digits <= 12; ++digits)
		whole = whole * 10 + cursor.digits(1);
	if (digits < 1 || digits > 12)
		return std::nullopt;
	const int64_t millionths = cursor.take_if('.') ? cursor.fraction_us() : 0;
	for (const Unit &unit : kUnits) {
		Cursor rest = cursor;
		rest.expect(unit.word);
		if (!rest.is_done())
			continue;
		if (whole > std::numeric_limits<int64_t>::max() / unit.us - 1)
			return std::nullopt;
		return whole * unit.us + millionths * unit.us / 1000000;
	}
	return std::nullopt;
}

}  // namespace sequin
