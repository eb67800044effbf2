#include "tests/scoring/scoring_support.hpp"

namespace assay::scoring {
namespace {

TEST(json_equal, ComparesValuesAndNotTexts) {
  const auto d = of_type(scorer_type::json_equal);
  EXPECT_EQ(judged(d, R"({"b": 2.0, "a": "x"})", R"({"a":"x","b":2})"), 1);
  EXPECT_EQ(judged(d, R"({"a": "x"})", R"({"a":"x","b":2})"), 0);
  EXPECT_EQ(judged(d, R"({"a": "x", "b": 2, "c": 3})", R"({"a":"x","b":2})"), 0);
  EXPECT_EQ(judged(d, R"({"a": "2"})", R"({"a": 2})"), 0);
  EXPECT_EQ(judged(d, "true", "true"), 1);
  EXPECT_EQ(judged(d, "\"\\u5317\\u4eac\"", "\"北京\""), 1);
}

TEST(json_equal, FindsTheJsonInTheAnswer) {
  const auto d = of_type(scorer_type::json_equal);
  const std::string_view target = R"({"a": [1, 2]})";
  EXPECT_EQ(judged(d, "Here you are:\n```json\n{\"a\": [1, 2]}\n```\nDone.", target), 1);
  EXPECT_EQ(judged(d, "```\n{\"a\": [1, 2]}\n```", target), 1);
  EXPECT_EQ(judged(d, "``` {\"a\": [1, 2]} ```", target), 1);
  EXPECT_EQ(judged(d, "```json\n{\"a\": 0}\n```\nBetter:\n```json\n{\"a\": [1, 2]}\n```", target), 1);
  EXPECT_EQ(judged(d, "The result {\"a\": [1, 2]} follows from {x}, see [1].", target), 1);
  EXPECT_EQ(judged(d, "use } and { like {\"a\": [1, 2]}", target), 1);
  EXPECT_EQ(judged(d, "no JSON", target), 0);
  EXPECT_EQ(judged(d, "[1, 2] they are", "[1,2]"), 1);
  EXPECT_EQ(judged(d, R"(so {"a": "}{"} it is)", R"({"a": "}{"})"), 1);
}

TEST(json_equal, IgnoresTheOrderOfArraysWhenAsked) {
  auto d = of_type(scorer_type::json_equal);
  EXPECT_EQ(judged(d, "[2, 1]", "[1, 2]"), 0);
  d.ignore_order = true;
  EXPECT_EQ(judged(d, "[2, 1]", "[1, 2]"), 1);
  EXPECT_EQ(judged(d, "[2, 2, 1]", "[1, 1, 2]"), 0);
  EXPECT_EQ(judged(d, R"([{"a": [3, 4]}, {"a": [1, 2]}])", R"([{"a": [2, 1]}, {"a": [4, 3]}])"), 1);
}

TEST(json_equal, AllowsNumbersToDifferByTheTolerance) {
  auto d = of_type(scorer_type::json_equal);
  EXPECT_EQ(judged(d, R"({"p": 6.51})", R"({"p": 6.5})"), 0);
  d.tolerance = 0.02;
  EXPECT_EQ(judged(d, R"({"p": 6.51})", R"({"p": 6.5})"), 1);
  EXPECT_EQ(judged(d, R"({"p": 6.6})", R"({"p": 6.5})"), 0);
}

TEST(json_equal, ComparesASubset) {
  auto d = of_type(scorer_type::json_equal);
  d.subset = true;
  EXPECT_EQ(judged(d, R"({"a": 1, "b": {"c": 2, "d": 3}})", R"({"b": {"c": 2}})"), 1);
  EXPECT_EQ(judged(d, R"({"b": {}})", R"({"b": {"c": 2}})"), 0);
  d.subset = false;
  d.required_keys = {"a"};
  EXPECT_EQ(judged(d, R"({"a": 1, "b": 2})", R"({"a": 1, "b": 3})"), 1);
  EXPECT_EQ(judged(d, R"({"b": 3})", R"({"a": 1, "b": 3})"), 0);
}

TEST(json_equal, SaysWhenTheTargetIsNoJson) {
  const auto outcome = (*make_scorer(of_type(scorer_type::json_equal)))->score("{}", "{oops");
  ASSERT_TRUE(outcome.problem);
  EXPECT_EQ(outcome.problem->code, errc::scorer_failed);
}

TEST(json_equal, SurvivesDeepNesting) {
  const auto made = make_scorer(of_type(scorer_type::json_equal));
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ((*made)->score(deep, "[]").value, 0);
  EXPECT_TRUE((*made)->score("[]", deep).problem);
}

TEST(json_equal, EndsOnLargeArraysWithoutOrder) {
  auto d = of_type(scorer_type::json_equal);
  d.ignore_order = true;
  std::string up = "[0";
  std::string down = "[29999";
  for (int i = 1; i < 30'000; ++i) {
    up += "," + std::to_string(i);
    down += "," + std::to_string(29'999 - i);
  }
  // Beyond the budget the verdict is "wrong", and comes soon.
  EXPECT_EQ(judged(d, down + "]", up + "]"), 0);
}

} // namespace
} // namespace assay::scoring
