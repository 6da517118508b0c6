// Transactions and statements. SQL goes in, values come out; everything is copied before return.
// Scope: engine and other workers (Transaction), backends (SpiScope). C++ regime.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sequin::pg {

// A worker's unit of work: start, snapshot, SPI ... commit. Without commit() the destructor aborts.
// Every one runs under the pinned lock_timeout. Never held over a wait for the network.
class Transaction {
public:
	Transaction();
	~Transaction();
	Transaction(const Transaction &) = delete;
	Transaction &operator=(const Transaction &) = delete;
	void commit();  // flushes statistics too; throws PgError (then it is aborted)

private:
	bool is_open_ = false;
};

// SPI inside a transaction that somebody else owns (a backend's statement).
class SpiScope {
public:
	SpiScope();
	~SpiScope();
	SpiScope(const SpiScope &) = delete;
	SpiScope &operator=(const SpiScope &) = delete;
};

// A Datum of type jsonb in the current transaction's memory.
struct JsonbDatum {
	uintptr_t datum = 0;
};

// A parameter: what it is and a view of its value, which must live until run() returns.
struct Value {
	enum class Type {
		kText,
		kInteger,
		kSmall,
		kBig,
		kBoolean,
		kDouble,
		kTime,
		kJson,
		kJsonb,
		kTextArray,
		kBytes,
		kChar
	};
	Type type = Type::kText;
	bool is_null = false;   // the type still counts: it is the parameter's
	std::string_view text;  // kText, kJson (parsed by the server), kBytes
	int64_t number = 0;     // integers; kTime: Unix µs; kBoolean; kChar
	double real = 0;
	uintptr_t datum = 0;  // kJsonb
	const std::vector<std::string> *array = nullptr;

	static Value null_of(Type t) {
		Value v;
		v.type = t;
		v.is_null = true;
		return v;
	}
	static Value of_text(std::string_view text) {
		Value v;
		v.type = Type::kText;
		v.text = text;
		return v;
	}
	static Value of_json(std::string_view text) {
		Value v;
		v.type = Type::kJson;
		v.text = text;
		return v;
	}
	static Value of_bytes(std::string_view text) {
		Value v;
		v.type = Type::kBytes;
		v.text = text;
		return v;
	}
	static Value of_integer(int32_t n) {
		Value v;
		v.type = Type::kInteger;
		v.number = n;
		return v;
	}
	static Value of_small(int16_t n) {
		Value v;
		v.type = Type::kSmall;
		v.number = n;
		return v;
	}
	static Value of_big(int64_t n) {
		Value v;
		v.type = Type::kBig;
		v.number = n;
		return v;
	}
	static Value of_boolean(bool b) {
		Value v;
		v.type = Type::kBoolean;
		v.number = b;
		return v;
	}
	static Value of_time(int64_t unix_us) {
		Value v;
		v.type = Type::kTime;
		v.number = unix_us;
		return v;
	}
	static Value of_char(char c) {
		Value v;
		v.type = Type::kChar;
		v.number = c;
		return v;
	}
	static Value of_jsonb(JsonbDatum j) {
		Value v;
		v.type = Type::kJsonb;
		v.datum = j.datum;
		return v;
	}
	static Value of_array(const std::vector<std::string> &a) {
		Value v;
		v.type = Type::kTextArray;
		v.array = &a;
		return v;
	}
	// Empty text is NULL.
	static Value of_optional(std::string_view text) {
		return text.empty() ? null_of(Type::kText) : of_text(text);
	}
	static Value of_optional_time(const std::optional<int64_t> &t) {
		return t ? of_time(*t) : null_of(Type::kTime);
	}
};

// Column values as the server's output functions write them.
class Row {
public:
	explicit Row(std::vector<std::optional<std::string>> values) : values_(std::move(values)) {}
	bool is_null(size_t column) const { return !values_.at(column).has_value(); }
	const std::string &text(size_t column) const;  // throws Error XX000 on null
	std::string text_or(size_t column, std::string_view fallback) const;
	int64_t number(size_t column) const;
	bool boolean(size_t column) const;

private:
	std::vector<std::optional<std::string>> values_;
};

// One SQL text, prepared at first use and kept for the life of the process.
// Use as `static pg::Statement apply("...")`: it is trivially destructible.
class Statement {
public:
	constexpr explicit Statement(const char *sql) : sql_(sql) {}
	// Needs an open Transaction or SpiScope. Throws PgError.
	std::vector<Row> run(std::initializer_list<Value> values = {});

private:
	const char *sql_;
	void *plan_ = nullptr;
};

// Parses text as jsonb in the current transaction. Throws PgError (22P02, 22P05, 22003, 22021 ...).
JsonbDatum parse_jsonb(std::string_view text);

// Runs SQL once, unprepared.
std::vector<Row> execute(const char *sql);

}  // namespace sequin::pg
