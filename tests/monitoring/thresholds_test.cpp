#include "core/monitoring/thresholds.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

namespace assay::monitoring {
namespace {

using nlohmann::json;

std::string field_of(const std::string& change) {
  const auto out = changed(thresholds{}, std::string_view{change});
  return out ? "accepted" : out.error().where;
}

TEST(thresholds, StartAsTheDocumentsSay) {
  const json shown = thresholds{};
  EXPECT_EQ(shown["response_time_threshold"], 30.0);
  EXPECT_EQ(shown["error_rate_threshold"], 0.1);
  EXPECT_EQ(shown["cost_threshold_per_hour"], nullptr);
  EXPECT_EQ(shown["scaling_thresholds"]["response_time_high"], 8.0);
  EXPECT_EQ(shown["scaling_thresholds"]["error_rate_high"], 0.05);
  EXPECT_EQ(shown["scaling_thresholds"]["success_rate_low"], 0.9);
}

TEST(thresholds, AChangeReplacesOnlyWhatItNames) {
  const auto out = changed(thresholds{}, std::string_view{R"({"cost_threshold_per_hour": 10.0,
    "scaling_thresholds": {"error_rate_high": 0.2}, "auto_scaling_enabled": true})"});
  ASSERT_TRUE(out.has_value());
  thresholds expected;
  expected.cost_threshold_per_hour = from_dollars(10);
  expected.scaling.error_rate_high = 0.2;
  expected.auto_scaling_enabled = true;
  EXPECT_EQ(*out, expected);
  const auto without = changed(*out, std::string_view{R"({"cost_threshold_per_hour": null})"});
  ASSERT_TRUE(without.has_value());
  EXPECT_FALSE(without->cost_threshold_per_hour);
}

TEST(thresholds, ComeBackFromTheirOwnForm) {
  thresholds value;
  value.monitoring_enabled = false;
  value.response_time_threshold = 12.5;
  value.error_rate_threshold = 0.25;
  value.cost_threshold_per_hour = from_dollars(0.125);
  value.minimum_samples = 7;
  value.scaling = {1, 0.5, 0.25};
  value.auto_scaling_enabled = true;
  value.apply_retry_advice = true;
  EXPECT_EQ(changed(thresholds{}, json(value)).value(), value);
}

TEST(thresholds, MistakesAreNamed) {
  EXPECT_EQ(field_of(R"({"error_rate_threshold": 1.5})"), "error_rate_threshold");
  EXPECT_EQ(field_of(R"({"response_time_threshold": "30"})"), "response_time_threshold");
  EXPECT_EQ(field_of(R"({"minimum_samples": 2.5})"), "minimum_samples");
  EXPECT_EQ(field_of(R"({"minimum_samples": 0})"), "minimum_samples");
  EXPECT_EQ(field_of(R"({"cost_threshold_per_hour": -1})"), "cost_threshold_per_hour");
  EXPECT_EQ(field_of(R"({"monitoring_enabled": 1})"), "monitoring_enabled");
  EXPECT_EQ(field_of(R"({"scaling_thresholds": {"success_rate_low": 2}})"),
            "scaling_thresholds.success_rate_low");
  EXPECT_NE(field_of(R"({"error_rate": 0.1})"), "accepted");
  EXPECT_NE(field_of(R"([])"), "accepted");
  EXPECT_NE(field_of(R"(nonsense)"), "accepted");
  EXPECT_EQ(field_of("{}"), "accepted");
}

} // namespace
} // namespace assay::monitoring
