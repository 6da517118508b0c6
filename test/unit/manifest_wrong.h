// One wrong manifest: the sample with one change, and what it must be refused with.
// Scope: any. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "core/error.h"
#include "core/manifest.h"
#include "manifest_sample.h"

namespace sequin::sample {

struct Wrong {
	const char *place;
	const char *value;    // nullptr takes the key away
	const char *message;  // how the message begins
	const char *hint;     // a part of the hint
};

inline void PrintTo(const Wrong &wrong, std::ostream *out) {
	*out << wrong.place << " = " << (wrong.value == nullptr ? "(absent)" : wrong.value);
}

inline void expect_refused(const Wrong &wrong) {
	const std::string text = changed(manifest(), wrong.place, wrong.value);
	try {
		parse_manifest(text);
		FAIL() << "it was taken";
	} catch (const Error &error) {
		EXPECT_EQ(error.sqlstate(), "22023");
		EXPECT_EQ(std::string(error.what()).rfind(wrong.message, 0), 0u) << error.what() << "\n"
																		 << wrong.message;
		EXPECT_NE(error.hint().find(wrong.hint), std::string::npos) << error.hint();
		EXPECT_TRUE(error.hint().back() == '.' || error.hint().back() == '?') << error.hint();
	}
}

}  // namespace sequin::sample
