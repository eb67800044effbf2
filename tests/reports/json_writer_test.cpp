#include "core/reports/json_writer.hpp"
#include "core/reports/markup.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace assay::reports {
namespace {

// Expected texts are what CPython 3.11 prints.

TEST(json_writer, WritesNumbersAsPythonDoes) {
  EXPECT_EQ(python_float(0.0), "0.0");
  EXPECT_EQ(python_float(-0.0), "-0.0");
  EXPECT_EQ(python_float(1.0), "1.0");
  EXPECT_EQ(python_float(0.1), "0.1");
  EXPECT_EQ(python_float(100.0), "100.0");
  EXPECT_EQ(python_float(1e15), "1000000000000000.0");
  EXPECT_EQ(python_float(1e16), "1e+16");
  EXPECT_EQ(python_float(123456789012345680.0), "1.2345678901234568e+17");
  EXPECT_EQ(python_float(0.0001), "0.0001");
  EXPECT_EQ(python_float(0.00001), "1e-05");
  EXPECT_EQ(python_float(1.5e-7), "1.5e-07");
  EXPECT_EQ(python_float(1.0 / 3.0), "0.3333333333333333");
  EXPECT_EQ(python_float(5e-324), "5e-324");
  EXPECT_EQ(python_float(1.7976931348623157e308), "1.7976931348623157e+308");
  EXPECT_EQ(python_float(std::numeric_limits<double>::infinity()), "Infinity");
  EXPECT_EQ(python_float(std::nan("")), "NaN");
}

TEST(json_writer, IndentsAsPythonDoes) {
  std::string out;
  json_writer json(out, 2);
  json.begin_object().member("a", "x").key("b").begin_array().count(1).null().end_array();
  json.key("c").begin_object().end_object().key("d").begin_array().end_array().end_object();
  EXPECT_EQ(out, "{\n  \"a\": \"x\",\n  \"b\": [\n    1,\n    null\n  ],\n  \"c\": {},\n  \"d\": []\n}");
}

TEST(json_writer, EscapesAsPythonDoesWithoutAscii) {
  std::string out;
  append_json_text(out, "\"\\/\b\f\n\r\t\x01\x1f\x7f 北京");
  EXPECT_EQ(out, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f 北京\"");
  out.clear();
  append_json_text(out, "\xff");
  EXPECT_EQ(out, "\"\xEF\xBF\xBD\"");
}

TEST(json_writer, KeepsTheNumbersOfADocument) {
  const auto row = tasks::parse_row_value(R"({"i": 12345678901234567890123, "z": -0, "f": 1E3, "i": 7})");
  ASSERT_TRUE(row);
  std::string out;
  json_writer(out).value(*row);
  EXPECT_EQ(out, R"({"i": 7, "z": 0, "f": 1000.0})") << "a repeated name keeps its last value";
}

TEST(markup, EscapesWhatHtmlAndXmlReserve) {
  EXPECT_EQ(escape_markup("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
  EXPECT_EQ(escape_markup(std::string_view("\x01\n\t\r", 4)), "\xEF\xBF\xBD\n\t&#13;");
  EXPECT_EQ(escape_markup("\xEF\xBF\xBF"), "\xEF\xBF\xBD");
  EXPECT_EQ(escape_markup("北京"), "北京");
}

TEST(markup, ShortensBetweenCharacters) {
  EXPECT_EQ(shorten("abc", 3), "abc");
  EXPECT_EQ(shorten("北京", 4), "北…");
}

} // namespace
} // namespace assay::reports
