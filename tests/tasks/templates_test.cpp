#include "core/tasks/templates.hpp"

#include <gtest/gtest.h>

#include <random>

namespace assay::tasks {
namespace {

row_value sample() {
  return parse_row_value(
             R"({"q": "Why?", "n": 1.50, "big": 123456789012345678901234567890, "e": 1E5, "neg": -7,
    "yes": true, "none": null, "choices": ["a", "b\n"], "a": {"b": {"c": "deep"}, "list": [[1, 2], {"x": "y"}]},
    "a.b": "whole name", "Price [USD]": 5, "": "empty", "emoji": "\u00e9\ud83d\ude00"})")
      .value();
}

std::string rendered(std::string_view source) {
  const auto compiled = text_template::compile(source);
  if (compiled.has_error())
    return "compile: " + compiled.error().message;
  const auto text = compiled->render(sample());
  return text.has_value() ? *text : "render: " + text.error().message;
}

TEST(templates, InsertTextsAsTheyAreAndNumbersAsWritten) {
  EXPECT_EQ(rendered("Q: {q} { n }{neg}"), "Q: Why? 1.50-7");
  EXPECT_EQ(rendered("{big} {e}"), "123456789012345678901234567890 1E5");
  EXPECT_EQ(rendered("{yes} {none}"), "true null");
  EXPECT_EQ(rendered("{emoji}"), "é😀");
}

TEST(templates, InsertArraysAndObjectsAsJson) {
  EXPECT_EQ(rendered("{choices}"), R"(["a", "b\n"])");
  EXPECT_EQ(rendered("{a.list}"), R"([[1, 2], {"x": "y"}])");
}

TEST(templates, ReachIntoObjectsAndArrays) {
  EXPECT_EQ(rendered("{choices[0]}"), "a");
  EXPECT_EQ(rendered("{a.b.c}"), "deep");
  EXPECT_EQ(rendered("{a.list[0][1]}{a.list[1].x}"), "2y");
}

TEST(templates, PreferAFieldWithTheWholeName) {
  EXPECT_EQ(rendered("{a.b}"), "whole name");
  EXPECT_EQ(rendered("{Price [USD]}"), "5");
}

TEST(templates, TakeDoubledBracesAsLiteral) {
  EXPECT_EQ(rendered("{{\"a\": {n}}} {{}}"), "{\"a\": 1.50} {}");
  EXPECT_EQ(rendered("{{q}}"), "{q}");
}

TEST(templates, NameTheMissingFieldAndTheFieldsThereAre) {
  const auto compiled = text_template::compile("{question}").value();
  const auto text = compiled.render(parse_row_value(R"({"q": 1, "answer": 2})").value());
  ASSERT_TRUE(text.has_error());
  EXPECT_EQ(text.error().code, errc::template_failed);
  EXPECT_NE(text.error().message.find("`question`"), std::string::npos);
  EXPECT_EQ(text.error().hint, "fields present: q, answer");
  for (const char* missing :
       {"{choices[2]}", "{a.x}", "{q.length}", "{choices.a}", "{a[0]}", "{choices[99999999999999999999]}"})
    EXPECT_EQ(rendered(missing).substr(0, 7), "render:") << missing;
}

TEST(templates, RefuseBracesWithoutPartner) {
  for (const char* broken :
       {"{", "}", "{q", "q}", "{q}}", "{{q}", "{}", "{ }", "{a{b}}", "{\"a\": 1}", "{a\nb}"}) {
    const auto compiled = text_template::compile(broken);
    ASSERT_TRUE(compiled.has_error()) << broken;
    EXPECT_EQ(compiled.error().code, errc::template_failed);
    EXPECT_FALSE(compiled.error().hint.empty());
  }
}

TEST(templates, TellTheirFields) {
  const auto compiled = text_template::compile("{a.b} and {q}, {{no}}").value();
  EXPECT_EQ(compiled.fields(), (std::vector<std::string>{"a.b", "q"}));
  EXPECT_FALSE(compiled.is_constant());
  EXPECT_TRUE(text_template::compile("{{x}}").value().is_constant());
}

TEST(templates, TakeTheLastOfRepeatedMembers) {
  const auto row = parse_row_value(R"({"a": 1, "a": 2})").value();
  EXPECT_EQ(text_template::compile("{a}").value().render(row).value(), "2");
}

TEST(templates, SurviveRandomTexts) {
  const std::string_view letters = "{}{}[].ab01 \n\"q";
  const row_value row = sample();
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string source;
    for (size_t i = random() % 16; i > 0; --i)
      source.push_back(letters[random() % letters.size()]);
    const auto compiled = text_template::compile(source);
    if (compiled.has_error()) {
      ASSERT_EQ(compiled.error().code, errc::template_failed);
      continue;
    }
    const auto text = compiled->render(row);
    ASSERT_TRUE(text.has_value() || text.error().code == errc::template_failed);
    if (compiled->is_constant()) {
      ASSERT_TRUE(text.has_value()) << source;
    }
  }
}

TEST(row_value, IsTheSameFromBothParsers) {
  row_parser parser;
  for (
      const std::string_view json :
      {R"({"a": 1, "b": [true, false, null, -5, 18446744073709551615], "c": {"d": "\u5317\n\"x\"", "": {}}, "a": 2})",
       R"({"x": 1.50, "y": [1e400, -0.0, 123456789012345678901234567890]})", R"(["\ud83d\ude00", "\uDE00"])",
       R"("\udc00")", "[]", "5", "-0", " {\"a\" : 1 } ", "{\"a\": 1,}", "{\"a\": \"\xFF\"}", "", "nul",
       "{\"a\": 01}", "[1] [2]"}) {
    const auto fast = parser.parse(json);
    const auto slow = parse_row_value(json);
    ASSERT_EQ(fast.has_error(), slow.has_error()) << json;
    if (fast.has_error()) {
      EXPECT_EQ(fast.error(), slow.error());
      continue;
    }
    std::string a;
    std::string b;
    fast->append_to(a);
    slow->append_to(b);
    EXPECT_EQ(a, b);
  }
  EXPECT_TRUE(parser.parse(std::string(100, '[') + std::string(100, ']')).has_value());
  EXPECT_TRUE(parser.parse(std::string(101, '[') + std::string(101, ']')).has_error());
}

TEST(row_value, RefusesDeepNestingAndBrokenText) {
  EXPECT_TRUE(parse_row_value(std::string(100, '[') + std::string(100, ']')).has_value());
  EXPECT_TRUE(parse_row_value(std::string(101, '[') + std::string(101, ']')).has_error());
  EXPECT_TRUE(parse_row_value(std::string(1'000'000, '[')).has_error());
  for (const char* broken :
       {"", "{", "{\"a\":}", "[1,]", "nul", "\"\xFF\"", "{\"a\": \"\\ud800\"}", "1 2", "'a'", "NaN"})
    EXPECT_TRUE(parse_row_value(broken).has_error()) << broken;
}

} // namespace
} // namespace assay::tasks
