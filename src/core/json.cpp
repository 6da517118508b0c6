// Owning JSON values over jansson: reference counting, and failures as Error.
// Scope: any.
//
// Objects are made with json_pack("{}"): the server exports a function of the name that jansson's
// own constructor has, and the dynamic linker would pick the server's.
#include "core/json.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <jansson.h>

#include "core/error.h"

namespace sequin {

namespace {

struct Free {
	void operator()(char *memory) const noexcept { std::free(memory); }
};

json_t *owned_or_throw(json_t *value, const char *what) {
	if (value == nullptr)
		throw Error("22023", what);
	return value;
}

[[noreturn]] void fail_type(const char *expected, const Json &found) {
	throw Error("22023", std::string("expected ") + expected + ", found " + found.type_name());
}

// jansson quotes the text around the mistake, which may be a secret.
std::string reason_of(const json_error_t &error) {
	std::string reason = error.text;
	if (size_t near = reason.find(" near "); near != std::string::npos)
		reason.resize(near);
	return "The reader says: " + reason + ".";
}

}  // namespace

Json::Json(const Json &other) noexcept : value_(json_incref(other.value_)) {}

Json::Json(Json &&other) noexcept : value_(std::exchange(other.value_, nullptr)) {}

Json &Json::operator=(Json other) noexcept {
	std::swap(value_, other.value_);
	return *this;
}

Json::~Json() {
	json_decref(value_);
}

Json Json::parse(std::string_view text) {
	json_error_t error;
	json_t *value = json_loadb(text.data() == nullptr ? "" : text.data(), text.size(),
	                           JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	if (value == nullptr)
		throw Error("22032",
		            "invalid JSON text at line " + std::to_string(error.line) + ", column " +
		                std::to_string(error.column),
		            reason_of(error));
	return Json(value);
}

Json Json::object() {
	return Json(owned_or_throw(json_pack("{}"), "out of memory"));
}

Json Json::array() {
	return Json(owned_or_throw(json_array(), "out of memory"));
}

Json Json::string(std::string_view text) {
	return Json(owned_or_throw(json_stringn(text.data() == nullptr ? "" : text.data(), text.size()),
	                           "text is not valid UTF-8"));
}

Json Json::integer(int64_t value) {
	return Json(owned_or_throw(json_integer(value), "out of memory"));
}

Json Json::real(double value) {
	return Json(owned_or_throw(json_real(value), "number is not finite"));
}

Json Json::boolean(bool value) {
	return Json(json_boolean(value));
}

bool Json::is_null() const noexcept {
	return value_ == nullptr || json_is_null(value_);
}

bool Json::is_object() const noexcept {
	return json_is_object(value_);
}

bool Json::is_array() const noexcept {
	return json_is_array(value_);
}

bool Json::is_string() const noexcept {
	return json_is_string(value_);
}

bool Json::is_integer() const noexcept {
	return json_is_integer(value_);
}

bool Json::is_number() const noexcept {
	return json_is_number(value_);
}

bool Json::is_boolean() const noexcept {
	return json_is_boolean(value_);
}

const char *Json::type_name() const noexcept {
	if (is_null())
		return "null";
	switch (json_typeof(value_)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "integer";
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	case JSON_NULL:
		break;
	}
	return "null";
}

std::string_view Json::as_string() const {
	if (!is_string())
		fail_type("string", *this);
	return {json_string_value(value_), json_string_length(value_)};
}

int64_t Json::as_integer() const {
	if (!is_integer())
		fail_type("integer", *this);
	return json_integer_value(value_);
}

double Json::as_number() const {
	if (!is_number())
		fail_type("number", *this);
	return json_number_value(value_);
}

bool Json::as_boolean() const {
	if (!is_boolean())
		fail_type("boolean", *this);
	return json_is_true(value_);
}

size_t Json::size() const noexcept {
	return is_object() ? json_object_size(value_) : json_array_size(value_);
}

bool Json::has(std::string_view key) const noexcept {
	return json_object_getn(value_, key.data(), key.size()) != nullptr;
}

Json Json::get(std::string_view key) const noexcept {
	return Json(json_incref(json_object_getn(value_, key.data(), key.size())));
}

Json Json::at(size_t index) const noexcept {
	return Json(json_incref(json_array_get(value_, index)));
}

std::vector<std::string> Json::keys() const {
	std::vector<std::string> names;
	names.reserve(json_object_size(value_));
	for (void *member = json_object_iter(value_); member != nullptr;
	     member = json_object_iter_next(value_, member))
		names.emplace_back(json_object_iter_key(member), json_object_iter_key_len(member));
	return names;
}

void Json::set(std::string_view key, Json value) {
	if (!is_object())
		fail_type("object", *this);
	json_t *member = value.value_ == nullptr ? json_null() : json_incref(value.value_);
	if (json_object_setn_new(value_, key.data() == nullptr ? "" : key.data(), key.size(), member) !=
	    0)
		throw Error("22023",
		            "member cannot be set: its name is not valid UTF-8, or it is its own value");
}

void Json::append(Json value) {
	if (!is_array())
		fail_type("array", *this);
	json_t *element = value.value_ == nullptr ? json_null() : json_incref(value.value_);
	if (json_array_append_new(value_, element) != 0)
		throw Error("22023", "an array cannot be its own element");
}

std::string Json::dump() const {
	if (value_ == nullptr)
		return "null";
	std::unique_ptr<char, Free> text(json_dumps(value_, JSON_COMPACT | JSON_ENCODE_ANY));
	if (text == nullptr)
		throw Error("54000", "JSON value is nested too deeply to be written");
	return text.get();
}

Json Json::deep_copy() const {
	if (value_ == nullptr)
		return {};
	return Json(
		owned_or_throw(json_deep_copy(value_), "JSON value is too deep or too large to be copied"));
}

}  // namespace sequin
