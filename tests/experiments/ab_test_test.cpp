#include "tests/experiments/support.hpp"

#include <array>
#include <cmath>
#include <set>

namespace assay::experiments {
namespace {

using test::json;
using test::test_of;
using test::two_temperatures;

std::string field_of_mistake(const json& written) {
  const auto read = ab_test_from_json(written);
  return read ? "none" : read.error().where;
}

TEST(ab_test, ReadsTheDocumentedTest) {
  auto written = two_temperatures();
  written["traffic_split"] = {{"low_temp", 0.5}, {"high_temp", 0.5}};
  written["success_metric"] = "quality_score";
  written["confidence_level"] = 0.95;
  written["max_duration_hours"] = 24;
  const auto test = test_of(written);
  ASSERT_EQ(test.variants.size(), 2U);
  EXPECT_EQ(test.variants[1].name, "low_temp");
  EXPECT_EQ(json::parse(test.variants[1].configuration).at("model_id"), "claude-3-haiku");
  EXPECT_EQ(test.max_duration_hours, 24);
}

TEST(ab_test, ComesBackAsTheSame) {
  auto written = two_temperatures();
  written["paired"] = true;
  written["minimum_effect"] = 0.05;
  written["success_metric"] = "score.exact_match";
  auto test = test_of(written);
  auto back = test_of(to_json(test));
  // What was a default is written out.
  back.variants[0].configuration = test.variants[0].configuration;
  back.variants[1].configuration = test.variants[1].configuration;
  EXPECT_EQ(back, test);
}

TEST(ab_test, TakesASplitInThirds) {
  auto written = two_temperatures();
  written["variants"]["medium"] = {{"temperature", 0.5}};
  written["traffic_split"] = {{"low_temp", 0.33}, {"medium", 0.33}, {"high_temp", 0.34}};
  const auto test = test_of(written);
  double sum = 0;
  for (const auto& one : test.variants)
    sum += one.share;
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(ab_test, EachMistakeNamesItsField) {
  const auto with = [](const char* key, json value) {
    auto written = two_temperatures();
    written[key] = std::move(value);
    return field_of_mistake(written);
  };
  EXPECT_EQ(with("traffic_split", {{"low_temp", 0.5}, {"high_temp", 0.4}}), "traffic_split");
  EXPECT_EQ(with("traffic_split", {{"low_temp", 1.0}}), "traffic_split.high_temp");
  EXPECT_EQ(with("traffic_split", {{"low_temp", 0.5}, {"high_temp", 0.5}, {"x", 0.1}}), "traffic_split.x");
  EXPECT_EQ(with("traffic_split", {{"low_temp", 0}, {"high_temp", 1}}), "traffic_split.low_temp");
  EXPECT_EQ(with("success_metric", "happiness"), "success_metric");
  EXPECT_EQ(with("minimum_samples", 0), "minimum_samples");
  EXPECT_EQ(with("minimum_samples", 20.5), "minimum_samples");
  EXPECT_EQ(with("confidence_level", 1), "confidence_level");
  EXPECT_EQ(with("max_duration_hours", 0), "max_duration_hours");
  EXPECT_EQ(with("test_id", "a/b"), "test_id");
  EXPECT_EQ(with("test_id", nullptr), "test_id");
  EXPECT_EQ(with("paired", 1), "paired");
  EXPECT_EQ(with("surprise", 1), "surprise");
  EXPECT_EQ(with("base_model", 5), "base_model");
  EXPECT_EQ(with("variants", {{"one", json::object()}}), "variants");
  EXPECT_EQ(with("variants", {{"a", {{"temperature", 9}}}, {"b", json::object()}}), "variants.a.temperature");
  EXPECT_EQ(with("variants", {{"a", {{"api_key", "x"}}}, {"b", json::object()}}), "variants.a.api_key");
  EXPECT_EQ(field_of_mistake(json::array()), "");
}

TEST(ab_test, VariantsThatDifferInNothingAreRefused) {
  auto written = two_temperatures();
  written["variants"] = {{"a", {{"temperature", 0.3}}},
                         {"b", {{"temperature", 0.3}, {"model_id", "claude-3-haiku"}}}};
  const auto read = ab_test_from_json(written);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().where, "variants.b");
  EXPECT_NE(read.error().message.find("'a'"), std::string::npos);
}

TEST(ab_test, AUnitAlwaysGetsTheSameVariant) {
  const auto test = test_of(two_temperatures());
  EXPECT_EQ(variant_of_unit(test, "user-1"), variant_of_unit(test, "user-1"));
  auto other = test;
  other.id = "another";
  int moved = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto unit = "user-" + std::to_string(i);
    moved += variant_of_unit(test, unit) != variant_of_unit(other, unit) ? 1 : 0;
  }
  EXPECT_NEAR(moved, 500, 80) << "two tests must not divide people alike";
}

TEST(ab_test, AssignmentAndDrawsFollowTheSplit) {
  auto written = two_temperatures();
  written["traffic_split"] = {{"low_temp", 0.2}, {"high_temp", 0.8}};
  const auto test = test_of(written);
  std::array<int, 2> by_unit{};
  std::array<int, 2> by_draw{};
  for (int i = 0; i < 10'000; ++i) {
    ++by_unit[variant_of_unit(test, std::to_string(i))];
    ++by_draw[variant_of_draw(test, static_cast<uint64_t>(i))];
  }
  EXPECT_NEAR(by_unit[1], 2000, 160);
  EXPECT_NEAR(by_draw[1], 2000, 160);
}

std::string field_of_mistake(const ab_test& test, const json& written) {
  const auto read = observation_from_json(test, written, "observations[3]");
  return read ? "none" : read.error().where;
}

TEST(observation, EachMistakeNamesItsField) {
  const auto test = test_of(two_temperatures());
  EXPECT_EQ(field_of_mistake(test, {{"variant", "low_temp"}, {"quality", 0.5}}), "none");
  EXPECT_EQ(field_of_mistake(test, {{"variant", "low_temp"}, {"success", false}}), "none");
  EXPECT_EQ(field_of_mistake(test, {{"variant", "x"}, {"quality", 1}}), "observations[3].variant");
  EXPECT_EQ(field_of_mistake(test, {{"quality", 1}}), "observations[3].variant");
  EXPECT_EQ(field_of_mistake(test, {{"variant", "low_temp"}}), "observations[3].quality");
  EXPECT_EQ(field_of_mistake(test, {{"variant", "low_temp"}, {"quality", 2}}), "observations[3].quality");
  EXPECT_EQ(field_of_mistake(test, {{"variant", "low_temp"}, {"quality", 1}, {"cost", -1}}),
            "observations[3].cost");
  EXPECT_EQ(field_of_mistake(test, {{"variant", "low_temp"}, {"quality", 1}, {"scores", {{"a", 3}}}}),
            "observations[3].scores.a");
  EXPECT_EQ(field_of_mistake(test, {{"variant", "low_temp"}, {"quality", 1}, {"qualty", 1}}),
            "observations[3].qualty");
  EXPECT_EQ(field_of_mistake(test, 5), "observations[3]");
}

TEST(observation, AUnitSaysItsVariantAndDoesNotTakeAnother) {
  const auto test = test_of(two_temperatures());
  const auto own = variant_of_unit(test, "user-1");
  const auto read = observation_from_json(test, {{"unit", "user-1"}, {"quality", 1}});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->variant, own);
  EXPECT_EQ(
      field_of_mistake(test, {{"unit", "user-1"}, {"variant", test.variants[1 - own].name}, {"quality", 1}}),
      "observations[3].variant");
}

TEST(observation, PerformanceIsTheTargetOverTheTime) {
  const auto test = test_of(two_temperatures());
  observation one;
  one.response_time = 4;
  EXPECT_EQ(performance_of(test.variants[0], one), 1);
  one.response_time = 10;
  EXPECT_EQ(performance_of(test.variants[0], one), 0.5);
  one.success = false;
  EXPECT_EQ(performance_of(test.variants[0], one), 0);
  one = {};
  EXPECT_EQ(performance_of(test.variants[0], one), std::nullopt);
}

} // namespace
} // namespace assay::experiments
