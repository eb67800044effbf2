#include "core/monitoring/advice.hpp"
#include "tests/monitoring/support.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::monitoring {
namespace {

using namespace test;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> actions(const std::vector<recommendation>& all) {
  std::vector<std::string> out;
  for (const auto& one : all)
    out.push_back(one.action);
  return out;
}

call_tally judged(int count, double quality, double dollars, microseconds duration = 1s) {
  call_tally out;
  for (int i = 0; i < count; ++i) {
    auto call = answered(duration, dollars);
    call.quality = quality;
    out.add(call);
  }
  return out;
}

TEST(recommendations, AHealthyModelNeedsNothing) {
  EXPECT_THAT(recommendations_for({}, {model("m", tally_of(100, 1s))}), IsEmpty());
}

TEST(recommendations, FewCallsCallForNothing) {
  EXPECT_THAT(recommendations_for({}, {model("m", tally_of(0, 60s, 9))}), IsEmpty());
}

TEST(recommendations, SlowCallsAskForFewerAtATimeWithinBounds) {
  const auto slow = recommendations_for({}, {model("m", tally_of(20, 10s))});
  ASSERT_THAT(actions(slow), ElementsAre("reduce_concurrency"));
  EXPECT_NEAR(*slow[0].concurrency_factor, 0.8, 0.01);
  EXPECT_THAT(slow[0].reason, HasSubstr("more than 8.00 s"));
  EXPECT_EQ(slow[0].samples, 20u);
  const auto crawling = recommendations_for({}, {model("m", tally_of(20, 500s))});
  EXPECT_EQ(*crawling[0].concurrency_factor, lowest_factor);
}

TEST(recommendations, FailuresNameAModelThatWorks) {
  const auto seen =
      recommendations_for({}, {model("bad", tally_of(10, 1s, 10)), model("good", tally_of(50, 1s))});
  ASSERT_THAT(actions(seen), ElementsAre("switch_model", "reduce_concurrency"));
  EXPECT_EQ(seen[0].model, model_id{"bad"});
  EXPECT_THAT(seen[0].reason, HasSubstr("good at p works"));
  EXPECT_THAT(actions(recommendations_for({}, {model("bad", tally_of(10, 1s, 10))})),
              ElementsAre("reduce_concurrency"));
}

TEST(recommendations, ThrottlingAsksForAnotherKey) {
  const auto seen = recommendations_for({}, {model("m", tally_of(80, 1s, 20, errc::rate_limited))});
  ASSERT_THAT(actions(seen), ElementsAre("reduce_concurrency", "add_key"));
  EXPECT_NEAR(*seen[0].concurrency_factor, 0.8, 1e-9);
}

TEST(recommendations, RejectedKeysAreNamed) {
  const auto seen = recommendations_for({}, {model("m", tally_of(100, 1s, 1, errc::credentials_rejected))});
  EXPECT_THAT(actions(seen), ElementsAre("check_credentials"));
  EXPECT_EQ(seen[0].evidence.at(0), (std::pair<std::string, double>{"credentials_rejected", 1}));
}

TEST(recommendations, CallsThatWaitHereWhileTheProviderIsQuickAskForMoreAtATime) {
  call_tally tally;
  for (int i = 0; i < 20; ++i) {
    auto call = answered(1s);
    call.timing = call_timing{5s, 0s, 0s, 1s, 0s, 0s};
    tally.add(call);
  }
  const auto seen = recommendations_for({}, {model("m", tally)});
  ASSERT_THAT(actions(seen), ElementsAre("increase_concurrency"));
  EXPECT_EQ(*seen[0].concurrency_factor, highest_factor);
}

TEST(recommendations, StateTheirWindowAndSamples) {
  const json shown = recommendations_for({}, {model("m", tally_of(20, 10s))}).at(0);
  EXPECT_EQ(shown["action"], "reduce_concurrency");
  EXPECT_EQ(shown["evidence"]["window"], "5m");
  EXPECT_EQ(shown["evidence"]["samples"], 20);
  EXPECT_NEAR(shown["evidence"]["response_time_avg"].get<double>(), 10, 0.01);
}

TEST(ranking, TheBestInEveryPartHasAHundred) {
  const auto order =
      rank({model("slow", judged(10, 0.9, 0.02, 4s)), model("best", judged(10, 1.0, 0.01, 1s))},
           window_span::hour);
  ASSERT_EQ(order.size(), 2u);
  EXPECT_EQ(order[0].model, model_id{"best"});
  EXPECT_NEAR(order[0].score, 100, 1e-6);
  // 0.4 * 1 + 0.3 * 0.9 + 0.2 * 1/4 + 0.1 * 1/2
  EXPECT_NEAR(order[1].score, 77, 0.2);
}

TEST(ranking, UnknownPartsAreLeftOut) {
  call_tally unpriced;
  auto call = answered(1s);
  call.cost.reset();
  unpriced.add(call);
  const auto order = rank({model("m", unpriced), model("idle", {})}, window_span::hour);
  ASSERT_EQ(order.size(), 1u) << "a model without calls has no place";
  EXPECT_FALSE(order[0].price);
  EXPECT_FALSE(order[0].quality);
  EXPECT_NEAR(order[0].score, 100, 1e-6);
}

TEST(costs, AModelThatIsAsGoodAndCheaperIsNamed) {
  const auto seen = cost_suggestions(
      {model("dear", judged(20, 0.9, 0.10)), model("cheap", judged(20, 0.89, 0.01))}, window_span::day, 10);
  ASSERT_THAT(actions(seen), ElementsAre("use_cheaper_model"));
  EXPECT_EQ(seen[0].model, model_id{"dear"});
  EXPECT_THAT(seen[0].reason, HasSubstr("cheap at p was as good and would have saved $1.8"));
}

TEST(costs, AWorseModelIsNotNamed) {
  EXPECT_THAT(cost_suggestions({model("dear", judged(20, 0.9, 0.10)), model("cheap", judged(20, 0.5, 0.01))},
                               window_span::day, 10),
              IsEmpty());
  EXPECT_THAT(cost_suggestions({model("dear", judged(20, 0.9, 0.10)), model("new", judged(3, 0.9, 0.01))},
                               window_span::day, 10),
              IsEmpty())
      << "three answers prove nothing";
}

TEST(costs, UnknownPricesAreSaid) {
  call_tally unpriced;
  auto call = answered(1s);
  call.cost.reset();
  unpriced.add(call);
  EXPECT_THAT(actions(cost_suggestions({model("m", unpriced)}, window_span::day, 10)),
              ElementsAre("set_prices"));
}

// -- what is shown -----------------------------------------------------------------------------------------

monitor_view sample_view() {
  monitor_view out;
  out.at = noon;
  auto one = model("m", judged(20, 0.85, 0.05, 3500ms));
  one.targets = {5.0, 0.95};
  out.overall = one.windows;
  out.models = {one};
  return out;
}

TEST(monitor_view, ASummaryHasTheDocumentsThreeNumbersWithWindowAndSamples) {
  const auto shown = overview_json(sample_view())["models"][0];
  EXPECT_NEAR(shown["response_time_avg"].get<double>(), 3.5, 1e-9);
  EXPECT_EQ(shown["success_rate"], 1.0);
  EXPECT_NEAR(shown["quality_score"].get<double>(), 0.85, 1e-9);
  EXPECT_EQ(shown["window"], "5m");
  EXPECT_EQ(shown["samples"], 20);
}

TEST(monitor_view, TargetsAreMetOrMissedInEachWindow) {
  auto view = sample_view();
  view.models[0].windows.minute = summarise(tally_of(5, 9s), 60s);
  view.models[0].windows.hour = summarise({}, 3600s);
  const auto shown = model_json(view, model_id{"m"}, window_span::five_minutes);
  EXPECT_EQ(shown["targets"]["target_response_time"]["met"], true);
  EXPECT_EQ(shown["windows"]["1m"]["targets"]["target_response_time"]["met"], false);
  EXPECT_EQ(shown["windows"]["1h"]["targets"]["target_response_time"]["met"], nullptr);
  EXPECT_TRUE(model_json(view, model_id{"none"}, window_span::hour).is_null());
}

TEST(monitor_view, CostsCarryShareAndEfficiency) {
  const auto shown = costs_json(sample_view(), window_span::hour);
  EXPECT_NEAR(shown["total_cost"].get<double>(), 1.0, 1e-9);
  EXPECT_NEAR(shown["projected_cost_per_day"].get<double>(), 24.0, 1e-6);
  EXPECT_NEAR(shown["models"][0]["cost_efficiency"].get<double>(), 1700, 1e-6);
  EXPECT_EQ(shown["models"][0]["share"], 1.0);
}

TEST(monitor_view, NamesCannotBreakAReport) {
  auto view = sample_view();
  view.models[0].model = model_id{"<script>alert(1)</script>|`x`\n# h"};
  EXPECT_THAT(report_html(view), Not(HasSubstr("<script>")));
  const auto text = report_markdown(view);
  EXPECT_THAT(text, Not(HasSubstr("<script>")));
  EXPECT_THAT(text, Not(HasSubstr("\n# h")));
  EXPECT_THAT(text, HasSubstr("| 1m | 20 | 100.0 % |"));
}

} // namespace
} // namespace assay::monitoring
