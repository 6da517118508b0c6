// Transactions and statements. See spi.h.
// Scope: workers and backends.
#include "pg/spi.h"

#include <cstdlib>
#include <cstring>
#include <exception>

#include "pg/guard.h"
#include "pg/pg.h"

namespace sequin::pg {
namespace {

constexpr int kMaxValues = 40;
constexpr int64_t kEpochShiftUs = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

Oid type_of(Value::Type type) {
	switch (type) {
	case Value::Type::kText:
		return TEXTOID;
	case Value::Type::kInteger:
		return INT4OID;
	case Value::Type::kSmall:
		return INT2OID;
	case Value::Type::kBig:
		return INT8OID;
	case Value::Type::kBoolean:
		return BOOLOID;
	case Value::Type::kDouble:
		return FLOAT8OID;
	case Value::Type::kTime:
		return TIMESTAMPTZOID;
	case Value::Type::kJson:
	case Value::Type::kJsonb:
		return JSONBOID;
	case Value::Type::kTextArray:
		return TEXTARRAYOID;
	case Value::Type::kBytes:
		return BYTEAOID;
	case Value::Type::kChar:
		return CHAROID;
	}
	return InvalidOid;
}

// Server regime. `jsonb_in` wants a terminated string.
Datum text_to_jsonb(const char *data, size_t size) {
	char *text = pnstrdup(data, size);
	pg_verifymbstr(text, static_cast<int>(size), false);
	Datum result = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	pfree(text);
	return result;
}

// Server regime.
Datum to_datum(const Value &value) {
	switch (value.type) {
	case Value::Type::kText:
	case Value::Type::kBytes:
		return PointerGetDatum(
			cstring_to_text_with_len(value.text.data(), static_cast<int>(value.text.size())));
	case Value::Type::kInteger:
		return Int32GetDatum(static_cast<int32>(value.number));
	case Value::Type::kSmall:
		return Int16GetDatum(static_cast<int16>(value.number));
	case Value::Type::kBig:
		return Int64GetDatum(value.number);
	case Value::Type::kBoolean:
		return BoolGetDatum(value.number != 0);
	case Value::Type::kDouble:
		return Float8GetDatum(value.real);
	case Value::Type::kTime:
		return TimestampTzGetDatum(value.number - kEpochShiftUs);
	case Value::Type::kJson:
		return text_to_jsonb(value.text.data(), value.text.size());
	case Value::Type::kJsonb:
		return value.datum;
	case Value::Type::kChar:
		return CharGetDatum(static_cast<char>(value.number));
	case Value::Type::kTextArray: {
		const std::vector<std::string> &texts = *value.array;
		Datum *items = static_cast<Datum *>(palloc(sizeof(Datum) * (texts.size() + 1)));
		for (size_t i = 0; i < texts.size(); i++)
			items[i] = PointerGetDatum(
				cstring_to_text_with_len(texts[i].data(), static_cast<int>(texts[i].size())));
		return PointerGetDatum(construct_array(items, static_cast<int>(texts.size()), TEXTOID, -1,
		                                       false, TYPALIGN_INT));
	}
	}
	return static_cast<Datum>(0);
}

struct Texts {
	char **values;  // rows * columns, null for NULL
	uint64 rows;
	int columns;
};

// Server regime: every value of the last result as text, in SPI's memory.
Texts result_texts() {
	Texts texts{nullptr, 0, 0};
	if (SPI_tuptable == nullptr)
		return texts;
	TupleDesc description = SPI_tuptable->tupdesc;
	texts.rows = SPI_tuptable->numvals;
	texts.columns = description->natts;
	texts.values = static_cast<char **>(palloc0(sizeof(char *) * (texts.rows * texts.columns + 1)));
	for (uint64 r = 0; r < texts.rows; r++)
		for (int c = 0; c < texts.columns; c++)
			texts.values[r * texts.columns + c] =
				SPI_getvalue(SPI_tuptable->vals[r], description, c + 1);
	return texts;
}

// Copies into C++ and frees the server's side.
std::vector<Row> to_rows(const Texts &texts) {
	std::vector<Row> rows;
	rows.reserve(texts.rows);
	for (uint64 r = 0; r < texts.rows; r++) {
		std::vector<std::optional<std::string>> values(texts.columns);
		for (int c = 0; c < texts.columns; c++)
			if (const char *text = texts.values[r * texts.columns + c])
				values[c] = text;
		rows.emplace_back(std::move(values));
	}
	call([] {
		SPI_freetuptable(SPI_tuptable);
		SPI_tuptable = nullptr;
	});
	return rows;
}

void check_result(int code, const char *sql) {
	if (code < 0)
		elog(ERROR, "SPI failed with \"%s\" in: %s", SPI_result_code_string(code), sql);
}

}  // namespace

Transaction::Transaction() {
	is_open_ = true;
	try {
		call([] {
			SetCurrentStatementStartTimestamp();
			StartTransactionCommand();
			SPI_connect();
			PushActiveSnapshot(GetTransactionSnapshot());
		});
	} catch (...) {
		quiet([] { call([] { AbortCurrentTransaction(); }); });
		throw;
	}
}

Transaction::~Transaction() {
	if (is_open_)
		quiet([] { call([] { AbortCurrentTransaction(); }); });
}

void Transaction::commit() {
	call([] {
		PopActiveSnapshot();
		SPI_finish();
		CommitTransactionCommand();
		pgstat_report_stat(false);
	});
	is_open_ = false;
}

SpiScope::SpiScope() {
	call([] { SPI_connect(); });
}

SpiScope::~SpiScope() {
	// After an error the server unwinds SPI itself when the transaction aborts.
	if (std::uncaught_exceptions() == 0)
		quiet([] { call([] { SPI_finish(); }); });
}

const std::string &Row::text(size_t column) const {
	const auto &value = values_.at(column);
	if (!value)
		throw Error("XX000", "unexpected null in column " + std::to_string(column));
	return *value;
}

std::string Row::text_or(size_t column, std::string_view fallback) const {
	const auto &value = values_.at(column);
	return value ? *value : std::string(fallback);
}

int64_t Row::number(size_t column) const {
	return std::strtoll(text(column).c_str(), nullptr, 10);
}

bool Row::boolean(size_t column) const {
	return text(column) == "t";
}

std::vector<Row> Statement::run(std::initializer_list<Value> values) {
	if (values.size() > kMaxValues)
		throw Error("XX000", "too many parameters");
	const Value *first = values.begin();
	const int count = static_cast<int>(values.size());
	Texts texts = call([this, first, count] {
		if (plan_ == nullptr) {
			Oid types[kMaxValues];
			for (int i = 0; i < count; i++)
				types[i] = type_of(first[i].type);
			SPIPlanPtr plan = SPI_prepare(sql_, count, types);
			if (plan == nullptr)
				check_result(SPI_result, sql_);
			SPI_keepplan(plan);
			plan_ = plan;
		}
		Datum datums[kMaxValues];
		char nulls[kMaxValues + 1];
		for (int i = 0; i < count; i++) {
			nulls[i] = first[i].is_null ? 'n' : ' ';
			datums[i] = first[i].is_null ? static_cast<Datum>(0) : to_datum(first[i]);
		}
		check_result(SPI_execute_plan(static_cast<SPIPlanPtr>(plan_), datums, nulls, false, 0),
		             sql_);
		return result_texts();
	});
	return to_rows(texts);
}

JsonbDatum parse_jsonb(std::string_view text) {
	const char *data = text.data();
	const size_t size = text.size();
	return JsonbDatum{call([data, size] { return text_to_jsonb(data, size); })};
}

std::vector<Row> execute(const char *sql) {
	return to_rows(call([sql] {
		check_result(SPI_execute(sql, false, 0), sql);
		return result_texts();
	}));
}

}  // namespace sequin::pg
