// Owning JSON values over jansson, for what we compose and validate ourselves. Records never pass
// here: they go as bytes into jsonb. json.cpp is the only file that includes jansson.h.
// Scope: any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct json_t;

namespace sequin {

class Json {
public:
	Json() noexcept = default;  // null
	Json(const Json &other) noexcept;
	Json(Json &&other) noexcept;
	Json &operator=(Json other) noexcept;
	~Json();

	static Json parse(std::string_view text);  // throws Error 22032 with line and column
	static Json object();
	static Json array();
	static Json string(std::string_view text);
	static Json integer(int64_t value);
	static Json real(double value);
	static Json boolean(bool value);

	bool is_null() const noexcept;
	bool is_object() const noexcept;
	bool is_array() const noexcept;
	bool is_string() const noexcept;
	bool is_integer() const noexcept;
	bool is_number() const noexcept;
	bool is_boolean() const noexcept;
	const char *type_name() const noexcept;  // "object", "string", ...

	std::string_view as_string() const;  // the as_ functions throw Error 22023 on another type
	int64_t as_integer() const;
	double as_number() const;
	bool as_boolean() const;

	size_t size() const noexcept;  // members or elements
	bool has(std::string_view key) const noexcept;
	Json get(std::string_view key) const noexcept;  // null if absent
	Json at(size_t index) const noexcept;
	std::vector<std::string> keys() const;  // in the order of the text
	void set(std::string_view key, Json value);
	void append(Json value);

	std::string dump() const;  // compact
	Json deep_copy() const;

private:
	explicit Json(json_t *owned) noexcept : value_(owned) {}
	json_t *value_ = nullptr;  // nullptr is null
};

}  // namespace sequin
