// Tests of core/json.h: ownership, types, order, and where a mistake is said to be.
#include "core/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "core/error.h"

namespace sequin {
namespace {

Error error_of(const std::function<void()> &action) {
	try {
		action();
	} catch (const Error &error) {
		return error;
	}
	ADD_FAILURE() << "nothing was thrown";
	return Error("00000", "");
}

TEST(Json, reads_every_type) {
	const Json value = Json::parse(R"({"o":{},"a":[1],"s":"x","i":-5,"r":2.5,"t":true,"n":null})");
	EXPECT_TRUE(value.is_object());
	EXPECT_TRUE(value.get("o").is_object());
	EXPECT_TRUE(value.get("a").is_array());
	EXPECT_EQ(value.get("s").as_string(), "x");
	EXPECT_EQ(value.get("i").as_integer(), -5);
	EXPECT_DOUBLE_EQ(value.get("i").as_number(), -5);
	EXPECT_DOUBLE_EQ(value.get("r").as_number(), 2.5);
	EXPECT_TRUE(value.get("t").as_boolean());
	EXPECT_TRUE(value.get("n").is_null());
	EXPECT_TRUE(value.has("n"));
	EXPECT_FALSE(value.has("absent"));
	EXPECT_TRUE(value.get("absent").is_null());
	EXPECT_EQ(value.size(), 7u);
	EXPECT_EQ(value.get("a").size(), 1u);
	EXPECT_EQ(value.get("a").at(0).as_integer(), 1);
	EXPECT_TRUE(value.get("a").at(1).is_null());
}

TEST(Json, names_its_types) {
	EXPECT_STREQ(Json().type_name(), "null");
	EXPECT_STREQ(Json::parse("null").type_name(), "null");
	EXPECT_STREQ(Json::object().type_name(), "object");
	EXPECT_STREQ(Json::array().type_name(), "array");
	EXPECT_STREQ(Json::string("").type_name(), "string");
	EXPECT_STREQ(Json::integer(1).type_name(), "integer");
	EXPECT_STREQ(Json::real(1).type_name(), "number");
	EXPECT_STREQ(Json::boolean(false).type_name(), "boolean");
	EXPECT_TRUE(Json::integer(1).is_number());
	EXPECT_FALSE(Json::real(1).is_integer());
}

TEST(Json, keeps_the_order_of_keys) {
	const Json value = Json::parse(R"({"zebra":1,"a":2,"middle":3})");
	EXPECT_EQ(value.keys(), (std::vector<std::string>{"zebra", "a", "middle"}));
	EXPECT_EQ(value.dump(), R"({"zebra":1,"a":2,"middle":3})");
	EXPECT_TRUE(Json::array().keys().empty());
}

TEST(Json, composes) {
	Json list = Json::array();
	list.append(Json::integer(std::numeric_limits<int64_t>::min()));
	list.append(Json::string("a\"b\\\n\xc3\xa4"));
	list.append(Json());
	Json object = Json::object();
	object.set("list", list);
	object.set("half", Json::real(0.5));
	object.set("half", Json::boolean(true));
	object.set("none", Json());
	EXPECT_EQ(object.dump(), "{\"list\":[-9223372036854775808,\"a\\\"b\\\\\\n\xc3\xa4\",null],"
	                         "\"half\":true,\"none\":null}");
	EXPECT_EQ(Json::parse(object.dump()).dump(), object.dump());
}

TEST(Json, copies_share_and_deep_copies_do_not) {
	Json first = Json::object();
	Json shared = first;
	Json apart = first.deep_copy();
	shared.set("x", Json::integer(1));
	EXPECT_TRUE(first.has("x"));
	EXPECT_FALSE(apart.has("x"));
	EXPECT_TRUE(Json().deep_copy().is_null());

	Json moved = std::move(shared);
	EXPECT_TRUE(moved.has("x"));
	moved = moved.get("x");  // what it held may go with it
	EXPECT_EQ(moved.as_integer(), 1);
	Json &self = moved;
	moved = self;
	EXPECT_EQ(moved.as_integer(), 1);
}

TEST(Json, a_member_outlives_its_object) {
	Json member;
	{
		const Json object = Json::parse(R"({"a":{"b":"text"}})");
		member = object.get("a").get("b");
	}
	EXPECT_EQ(member.as_string(), "text");
}

TEST(Json, says_where_a_text_is_wrong) {
	const Error error = error_of([] { Json::parse("{\n \"a\": 1,\n \"secret\" 2}"); });
	EXPECT_EQ(error.sqlstate(), "22032");
	EXPECT_STREQ(error.what(), "invalid JSON text at line 3, column 11");
	EXPECT_EQ(error.detail().find("secret"), std::string::npos);
	EXPECT_EQ(error.detail().find("near"), std::string::npos);
	EXPECT_FALSE(error.detail().empty());
}

TEST(Json, refuses_what_is_not_json) {
	const std::string deep(5000, '[');
	for (const std::string &text :
	     {std::string(), std::string("{"), std::string("{}x"), std::string("[1,]"),
	      std::string("nul"), std::string("\"\xff\""), std::string("\"\\u0000\""),
	      std::string("{\"a\":1,\"a\":2}"), std::string("123456789012345678901234567890"), deep})
		EXPECT_EQ(error_of([&] { Json::parse(text); }).sqlstate(), "22032") << text.substr(0, 40);
	EXPECT_EQ(error_of([] { Json::parse(std::string_view()); }).sqlstate(), "22032");
}

TEST(Json, refuses_the_wrong_type) {
	const Json text = Json::string("1");
	EXPECT_STREQ(error_of([&] { (void)text.as_integer(); }).what(),
	             "expected integer, found string");
	EXPECT_STREQ(error_of([&] { (void)text.as_number(); }).what(), "expected number, found string");
	EXPECT_STREQ(error_of([&] { (void)text.as_boolean(); }).what(),
	             "expected boolean, found string");
	EXPECT_STREQ(error_of([&] { (void)Json().as_string(); }).what(), "expected string, found null");
	EXPECT_EQ(error_of([&] { (void)Json::real(1.5).as_integer(); }).sqlstate(), "22023");
	EXPECT_EQ(error_of([&] { Json(text).set("a", Json()); }).sqlstate(), "22023");
	EXPECT_EQ(error_of([&] { Json(text).append(Json()); }).sqlstate(), "22023");
}

TEST(Json, refuses_what_json_cannot_hold) {
	EXPECT_EQ(error_of([] { Json::string("\xff"); }).sqlstate(), "22023");
	EXPECT_EQ(error_of([] { Json::real(std::nan("")); }).sqlstate(), "22023");
	EXPECT_EQ(error_of([] { Json::object().set("\xff", Json()); }).sqlstate(), "22023");
	EXPECT_EQ(Json::string(std::string_view("a\0b", 3)).dump(), "\"a\\u0000b\"");
}

TEST(Json, a_value_cannot_hold_itself) {
	Json object = Json::object();
	EXPECT_EQ(error_of([&] { object.set("self", object); }).sqlstate(), "22023");
	Json list = Json::array();
	EXPECT_EQ(error_of([&] { list.append(list); }).sqlstate(), "22023");
}

}  // namespace
}  // namespace sequin
