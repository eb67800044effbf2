#include "mock/json_instance.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::mock {

namespace {

std::string made(std::string_view schema) { return minimal_instance(schema); }

} // namespace

TEST(json_instance, HasWhatIsRequiredAndNoMore) {
  EXPECT_EQ(
      made(
          R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"]})"),
      R"({"a":0})");
  EXPECT_EQ(made(R"({"type":"object"})"), "{}");
  EXPECT_EQ(made(R"({"type":"object","required":["x"]})"), R"({"x":"simulated"})");
  EXPECT_EQ(made(R"({"properties":{"a":{"type":"null"}},"required":["a"]})"), R"({"a":null})");
}

TEST(json_instance, KeepsToBounds) {
  EXPECT_EQ(made(R"({"type":"integer","minimum":3})"), "3");
  EXPECT_EQ(made(R"({"type":"integer","exclusiveMinimum":3})"), "4");
  EXPECT_EQ(made(R"({"type":"integer","minimum":7,"multipleOf":5})"), "10");
  EXPECT_EQ(made(R"({"type":"integer","maximum":-2})"), "-2");
  EXPECT_EQ(made(R"({"type":"integer","exclusiveMaximum":0})"), "-1");
  EXPECT_EQ(made(R"({"type":"string","maxLength":3})"), R"("sim")");
  EXPECT_EQ(made(R"({"type":"string","minLength":12})"), R"("simulated...")");
  EXPECT_EQ(made(R"({"type":"array","minItems":2,"items":{"type":"boolean"}})"), "[false,false]");
  EXPECT_EQ(made(R"({"type":"array"})"), "[]");
}

TEST(json_instance, TakesTheFirstChoice) {
  EXPECT_EQ(made(R"({"enum":["b","a"]})"), R"("b")");
  EXPECT_EQ(made(R"({"const":5})"), "5");
  EXPECT_EQ(made(R"({"anyOf":[{"type":"integer"},{"type":"string"}]})"), "0");
  EXPECT_EQ(made(R"({"type":["string","null"]})"), R"("simulated")");
  EXPECT_EQ(made(R"({"type":"string","format":"date"})"), R"("2000-01-01")");
  EXPECT_EQ(made(R"({"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},
                              {"properties":{"b":{"type":"integer"}},"required":["b"]}]})"),
            R"({"a":0,"b":0})");
}

TEST(json_instance, UnderstandsGeminisSpelling) {
  EXPECT_EQ(
      made(R"({"type":"OBJECT","properties":{"a":{"type":"ARRAY","minItems":"1","items":{"type":"NUMBER"}}},
                     "required":["a"]})"),
      R"({"a":[0.0]})");
}

TEST(json_instance, FollowsReferencesEvenThoseThatNeverEnd) {
  EXPECT_EQ(made(R"({"$defs":{"n":{"type":"integer","minimum":1}},"type":"object",
                     "properties":{"a":{"$ref":"#/$defs/n"}},"required":["a"]})"),
            R"({"a":1})");
  const auto endless = made(R"({"$defs":{"n":{"type":"object","properties":{"a":{"$ref":"#/$defs/n"},
      "b":{"$ref":"#/$defs/n"}},"required":["a","b"]}},"$ref":"#/$defs/n"})");
  EXPECT_TRUE(nlohmann::json::accept(endless));
  EXPECT_LT(endless.size(), 1'000'000);
}

TEST(json_instance, PutsTheAnswerWhereItBelongs) {
  const auto schema = R"({"type":"object","properties":{"answer":{"type":"string"}}})";
  EXPECT_EQ(minimal_instance(schema, "42"), R"({"answer":"42"})");
  EXPECT_EQ(
      minimal_instance(
          R"({"type":"object","properties":{"answer":{"type":"string","maxLength":1}},"required":["answer"]})",
          "42"),
      R"({"answer":"s"})");
}

TEST(json_instance, StandsNonsense) {
  EXPECT_EQ(made("nonsense"), "{}");
  EXPECT_EQ(made("true"), "{}");
  EXPECT_EQ(made(R"({"type":7,"properties":[],"required":"x","enum":[]})"), "{}");
  EXPECT_EQ(made(R"({"$ref":"#/nowhere"})"), "{}");
  EXPECT_EQ(made(R"({"type":"string","minLength":-5,"maxLength":"x"})"), R"("")");
}

} // namespace assay::mock
