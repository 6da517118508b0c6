// SQL-callable values: typed access to documents, times, event ids. Immutable and without side
// effects; the accessors never raise an error that depends on the data (they are LEAKPROOF). Scope:
// backends and engines. Server regime: no object with a destructor.
#include <optional>
#include <string_view>

#include "core/time.h"

#include "pg/pg.h"

namespace sequin {
namespace {

constexpr int64_t kEpochShiftUs = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
constexpr int64_t kMillisecondsFrom =
	100000000000;  // a number this large counts milliseconds, not seconds
constexpr int64_t kLastUs = 253402300799999999;  // the end of the year 9999

JsonbValue *member(FunctionCallInfo fcinfo, JsonbValue *space) {
	Jsonb *data = PG_GETARG_JSONB_P(0);
	text *key = PG_GETARG_TEXT_PP(1);
	if (!JB_ROOT_IS_OBJECT(data))
		return nullptr;
	return getKeyJsonValueFromContainer(&data->root, VARDATA_ANY(key),
	                                    static_cast<int>(VARSIZE_ANY_EXHDR(key)), space);
}

std::string_view text_of(const JsonbValue *value) {
	return {value->val.string.val, static_cast<size_t>(value->val.string.len)};
}

// Unix seconds (with fraction) or another unit, as µs. nullopt: out of range.
std::optional<int64_t> number_to_us(Numeric number, int64_t unit_us) {
	if (numeric_is_nan(number) || numeric_is_inf(number))
		return std::nullopt;
	const double approximate =
		DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(number)));
	const double us = approximate * static_cast<double>(unit_us);
	if (!(us >= -62135596800000000.0 && us <= static_cast<double>(kLastUs)))
		return std::nullopt;
	const Datum scaled = DirectFunctionCall2(numeric_mul, NumericGetDatum(number),
	                                         NumericGetDatum(int64_to_numeric(unit_us)));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, scaled));
}

Datum us_to_datum(int64_t unix_us) {
	return TimestampTzGetDatum(unix_us - kEpochShiftUs);
}

// Digits, one point, an exponent of at most three digits: what numeric_in takes without an error.
bool is_plain_number(std::string_view text) {
	size_t i = 0, digits = 0;
	if (text.size() > 1000)
		return false;
	if (i < text.size() && (text[i] == '-' || text[i] == '+'))
		i++;
	for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; i++)
		digits++;
	if (i < text.size() && text[i] == '.')
		for (i++; i < text.size() && text[i] >= '0' && text[i] <= '9'; i++)
			digits++;
	if (digits == 0)
		return false;
	if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
		size_t exponent = 0;
		if (++i < text.size() && (text[i] == '-' || text[i] == '+'))
			i++;
		for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; i++)
			exponent++;
		if (exponent == 0 || exponent > 3)
			return false;
	}
	return i == text.size();
}

}  // namespace

extern "C" {

SEQUIN_FUNCTION(sequin_get_text);
Datum sequin_get_text(PG_FUNCTION_ARGS) {
	JsonbValue space;
	const JsonbValue *value = member(fcinfo, &space);
	if (value == nullptr)
		PG_RETURN_NULL();
	switch (value->type) {
	case jbvString:
		PG_RETURN_TEXT_P(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
	case jbvNumeric:
		PG_RETURN_TEXT_P(cstring_to_text(DatumGetCString(
			DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)))));
	case jbvBool:
		PG_RETURN_TEXT_P(cstring_to_text(value->val.boolean ? "true" : "false"));
	case jbvBinary:
		PG_RETURN_TEXT_P(cstring_to_text(
			JsonbToCString(nullptr, value->val.binary.data, value->val.binary.len)));
	default:
		PG_RETURN_NULL();
	}
}

SEQUIN_FUNCTION(sequin_get_numeric);
Datum sequin_get_numeric(PG_FUNCTION_ARGS) {
	JsonbValue space;
	const JsonbValue *value = member(fcinfo, &space);
	if (value == nullptr)
		PG_RETURN_NULL();
	if (value->type == jbvNumeric)
		PG_RETURN_NUMERIC(DatumGetNumericCopy(NumericGetDatum(value->val.numeric)));
	if (value->type != jbvString || !is_plain_number(text_of(value)))
		PG_RETURN_NULL();
	char *digits = pnstrdup(value->val.string.val, value->val.string.len);
	PG_RETURN_DATUM(DirectFunctionCall3(numeric_in, CStringGetDatum(digits),
	                                    ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

// A text in ISO 8601, or a number: Unix seconds, from 10^11 on milliseconds.
SEQUIN_FUNCTION(sequin_get_timestamptz);
Datum sequin_get_timestamptz(PG_FUNCTION_ARGS) {
	JsonbValue space;
	const JsonbValue *value = member(fcinfo, &space);
	std::optional<int64_t> us;
	if (value != nullptr && value->type == jbvString)
		us = parse_iso_time(text_of(value));
	if (value != nullptr && value->type == jbvNumeric) {
		const double seconds = DatumGetFloat8(
			DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
		us = number_to_us(value->val.numeric,
		                  seconds >= static_cast<double>(kMillisecondsFrom) ? 1000 : 1000000);
	}
	if (!us)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(us_to_datum(*us));
}

SEQUIN_FUNCTION(sequin_get_boolean);
Datum sequin_get_boolean(PG_FUNCTION_ARGS) {
	JsonbValue space;
	const JsonbValue *value = member(fcinfo, &space);
	if (value != nullptr && value->type == jbvBool)
		PG_RETURN_BOOL(value->val.boolean);
	if (value != nullptr && value->type == jbvString) {
		if (text_of(value) == "true")
			PG_RETURN_BOOL(true);
		if (text_of(value) == "false")
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_NULL();
}

// _time(value, written_as): epoch, epoch_ms, rfc3339 or date; numbers may come as text.
SEQUIN_FUNCTION(sequin_time);
Datum sequin_time(PG_FUNCTION_ARGS) {
	Jsonb *json = PG_GETARG_JSONB_P(0);
	const text *as = PG_GETARG_TEXT_PP(1);
	const std::string_view written_as(VARDATA_ANY(as), VARSIZE_ANY_EXHDR(as));
	JsonbValue value;
	if (!JB_ROOT_IS_SCALAR(json) || !JsonbExtractScalar(&json->root, &value))
		PG_RETURN_NULL();
	std::optional<int64_t> us;
	if (written_as == "epoch" || written_as == "epoch_ms") {
		Numeric number = nullptr;
		if (value.type == jbvNumeric)
			number = value.val.numeric;
		if (value.type == jbvString && is_plain_number(text_of(&value)))
			number = DatumGetNumeric(DirectFunctionCall3(
				numeric_in, CStringGetDatum(pnstrdup(value.val.string.val, value.val.string.len)),
				ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		if (number != nullptr)
			us = number_to_us(number, written_as == "epoch" ? 1000000 : 1000);
	} else if (value.type == jbvString) {
		us = parse_iso_time(text_of(&value));
	}
	if (!us)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(us_to_datum(*us));
}

// UTC, six digits, Z.
SEQUIN_FUNCTION(sequin_iso);
Datum sequin_iso(PG_FUNCTION_ARGS) {
	const TimestampTz time = PG_GETARG_TIMESTAMPTZ(0);
	struct pg_tm tm;
	fsec_t fraction;
	if (TIMESTAMP_NOT_FINITE(time) ||
	    timestamp2tm(time, nullptr, &tm, &fraction, nullptr, nullptr) != 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year,
	                                          tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min,
	                                          tm.tm_sec, static_cast<int>(fraction))));
}

// A uuid of version 8: 58 bits of the instance and all 64 of seq, so that it needs no column.
//   bytes 0-5 and the low half of 6: instance; high half of 6: version; 7: instance; 8: variant and
//   six bits of seq; 9-15: 56 bits; the last two bits of seq lie in the low bits of byte 7.
SEQUIN_FUNCTION(sequin_event_id);
Datum sequin_event_id(PG_FUNCTION_ARGS) {
	const uint64 random_bits = static_cast<uint64>(PG_GETARG_INT64(0));
	const uint64 seq = static_cast<uint64>(PG_GETARG_INT64(1));
	pg_uuid_t *uuid = static_cast<pg_uuid_t *>(palloc(sizeof(pg_uuid_t)));
	for (int i = 0; i < 6; i++)
		uuid->data[i] = static_cast<unsigned char>(random_bits >> (8 * i));
	uuid->data[6] = static_cast<unsigned char>(0x80 | ((random_bits >> 48) & 0x0F));
	uuid->data[7] = static_cast<unsigned char>((((random_bits >> 52) & 0x3F) << 2) | (seq >> 62));
	uuid->data[8] = static_cast<unsigned char>(0x80 | ((seq >> 56) & 0x3F));
	for (int i = 0; i < 7; i++)
		uuid->data[9 + i] = static_cast<unsigned char>(seq >> (8 * (6 - i)));
	PG_RETURN_UUID_P(uuid);
}

SEQUIN_FUNCTION(sequin_event_seq);
Datum sequin_event_seq(PG_FUNCTION_ARGS) {
	const pg_uuid_t *uuid = PG_GETARG_UUID_P(0);
	uint64 seq = static_cast<uint64>(uuid->data[7] & 3) << 62 |
	             static_cast<uint64>(uuid->data[8] & 0x3F) << 56;
	for (int i = 0; i < 7; i++)
		seq |= static_cast<uint64>(uuid->data[9 + i]) << (8 * (6 - i));
	PG_RETURN_INT64(static_cast<int64>(seq));
}

}  // extern "C"
}  // namespace sequin
