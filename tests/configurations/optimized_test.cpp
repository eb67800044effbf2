#include "core/configurations/optimized.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

namespace assay::configurations {
namespace {

using nlohmann::json;

past_result result_at(double temperature, double score, double cost, double tokens, uint64_t samples = 100) {
  past_result out;
  out.run = "eval_" + std::to_string(temperature);
  out.parameters.temperature = temperature;
  out.parameters.max_tokens = 512;
  out.score = score;
  out.samples = samples;
  out.cost = cost;
  out.completion_tokens = tokens * static_cast<double>(samples);
  return out;
}

optimization_input base() {
  optimization_input out;
  out.configuration = R"({"temperature":0.7,"max_tokens":2048,"timeout":60,
    "performance_targets":{"target_response_time":5,"target_success_rate":0.95},
    "task_optimizations":{"bug_fix":{"temperature":0.1,"top_p":0.8}}})";
  out.task_type = "bug_fix";
  return out;
}

/// The best answers are dear and long, the cheap ones are nearly as good, the shortest are bad.
optimization_input with_results(optimization_strategy strategy) {
  auto out = base();
  out.strategy = strategy;
  out.results = {result_at(0.2, 0.90, 1.0, 400), result_at(0.5, 0.87, 0.2, 200),
                 result_at(1.0, 0.40, 0.1, 50)};
  return out;
}

json temperature_of(const json& shown) { return shown["configuration"]["temperature"]; }

TEST(optimized, MergesWhatIsConfiguredForTheTypeOfTask) {
  const auto shown = optimized_json(base());
  EXPECT_EQ(temperature_of(shown), 0.1);
  EXPECT_EQ(shown["configuration"]["top_p"], 0.8);
  EXPECT_EQ(shown["configuration"]["max_tokens"], 2048);
  EXPECT_FALSE(shown["configuration"].contains("task_optimizations"));
  EXPECT_EQ(shown["values"]["temperature"]["source"], "task_optimizations");
  EXPECT_EQ(shown["values"]["temperature"]["configured"], 0.7);
  EXPECT_EQ(shown["values"]["max_tokens"]["source"], "configuration");
  EXPECT_EQ(shown["values"]["frequency_penalty"]["source"], "provider_default");
  EXPECT_EQ(shown["values"]["frequency_penalty"]["value"], nullptr);
}

TEST(optimized, SaysThatNothingSpeaksForAnything) {
  const auto shown = optimized_json(base());
  EXPECT_EQ(shown["evidence"], false);
  EXPECT_EQ(shown["values"]["temperature"]["evidence"], nullptr);
  EXPECT_EQ(shown["candidates"], json::array());
  EXPECT_EQ(shown["observed"], nullptr);
  EXPECT_NE(shown["notes"].dump().find("no finished run"), std::string::npos) << shown["notes"];
  EXPECT_EQ(shown["targets"]["target_response_time"]["met"], nullptr);
}

TEST(optimized, AnotherTypeOfTaskGetsThePlainValues) {
  auto input = base();
  input.task_type = "translation";
  EXPECT_EQ(temperature_of(optimized_json(input)), 0.7);
}

TEST(optimized, EachStrategyFindsItsOwn) {
  EXPECT_EQ(temperature_of(optimized_json(with_results(optimization_strategy::quality))), 0.2);
  EXPECT_EQ(temperature_of(optimized_json(with_results(optimization_strategy::cost))), 0.5)
      << "the cheapest of those that are about as good";
  EXPECT_EQ(temperature_of(optimized_json(with_results(optimization_strategy::latency))), 0.5);
  // 0.7 * 1 + 0.3 * 50/400 = 0.74; 0.7 * 0.967 + 0.3 * 0.25 = 0.75; the last is too bad.
  EXPECT_EQ(temperature_of(optimized_json(with_results(optimization_strategy::performance))), 0.5);
  // 0.5 * 1 + 0.25 * (0.125 + 0.1) = 0.56; 0.5 * 0.967 + 0.25 * (0.25 + 0.5) = 0.67; the last is too bad.
  EXPECT_EQ(temperature_of(optimized_json(with_results(optimization_strategy::balanced))), 0.5);
}

TEST(optimized, AValueFromRunsCarriesItsEvidence) {
  const auto shown = optimized_json(with_results(optimization_strategy::quality));
  const auto& value = shown["values"]["temperature"];
  EXPECT_EQ(value["source"], "past_results");
  EXPECT_EQ(value["configured"], 0.1);
  EXPECT_EQ(value["evidence"]["samples"], 100);
  EXPECT_NEAR(value["evidence"]["score"].get<double>(), 0.9, 1e-12);
  // Wilson's interval of 90 in 100, from its published form.
  EXPECT_NEAR(value["evidence"]["score_interval"]["low"].get<double>(), 0.8256, 5e-4);
  EXPECT_NEAR(value["evidence"]["score_interval"]["high"].get<double>(), 0.9448, 5e-4);
  EXPECT_NEAR(value["evidence"]["cost_per_sample"].get<double>(), 0.01, 1e-12);
  EXPECT_EQ(shown["evidence"], true);
  // What those runs left open is part of what was tried.
  EXPECT_EQ(shown["values"]["top_p"]["value"], nullptr);
  EXPECT_FALSE(shown["configuration"].contains("top_p"));
  EXPECT_EQ(shown["candidates"].size(), 3U);
}

TEST(optimized, RunsWithTheSameParametersCountTogether) {
  auto input = with_results(optimization_strategy::quality);
  input.results = {result_at(0.2, 0.8, 1, 10, 12), result_at(0.2, 0.9, 1, 10, 12),
                   result_at(0.9, 0.5, 1, 10)};
  const auto shown = optimized_json(input);
  EXPECT_EQ(temperature_of(shown), 0.2);
  EXPECT_EQ(shown["values"]["temperature"]["evidence"]["samples"], 24);
  EXPECT_NEAR(shown["values"]["temperature"]["evidence"]["score"].get<double>(), 0.85, 1e-12);
}

TEST(optimized, FewSamplesOrASingleTrialDecideNothing) {
  auto input = with_results(optimization_strategy::quality);
  input.results = {result_at(0.2, 0.9, 1, 10), result_at(0.5, 1.0, 1, 10, least_evidence - 1)};
  const auto shown = optimized_json(input);
  EXPECT_EQ(temperature_of(shown), 0.1);
  EXPECT_EQ(shown["evidence"], false);
  EXPECT_EQ(shown["candidates"].size(), 2U) << "they are shown all the same";
  EXPECT_EQ(shown["candidates"][1]["enough"], false);
}

TEST(optimized, UnknownCostsDecideNothingAboutCost) {
  auto input = with_results(optimization_strategy::cost);
  for (auto& one : input.results)
    one.cost.reset();
  const auto shown = optimized_json(input);
  EXPECT_EQ(temperature_of(shown), 0.1);
  EXPECT_NE(shown["notes"].dump().find("cost"), std::string::npos) << shown["notes"];
}

observed_calls seen(uint64_t measured, double p99) {
  observed_calls out;
  out.window = "24h";
  out.samples = measured;
  out.measured = measured;
  out.response_time_avg = 6;
  out.response_time_p99 = p99;
  out.success_rate = 0.99;
  return out;
}

TEST(optimized, TheTimeoutFollowsTheMonitorWhereTimeCounts) {
  auto input = base();
  input.observed = seen(100, 9.3);
  input.strategy = optimization_strategy::latency;
  auto shown = optimized_json(input);
  EXPECT_EQ(shown["configuration"]["timeout"], 28.0);
  EXPECT_EQ(shown["values"]["timeout"]["source"], "monitor");
  EXPECT_EQ(shown["values"]["timeout"]["evidence"]["window"], "24h");
  EXPECT_EQ(shown["values"]["timeout"]["evidence"]["samples"], 100);

  input.strategy = optimization_strategy::quality;
  EXPECT_EQ(optimized_json(input)["configuration"]["timeout"], 60);
  input.strategy = optimization_strategy::latency;
  input.observed = seen(100, 40);
  EXPECT_EQ(optimized_json(input)["configuration"]["timeout"], 60) << "never longer than configured";
  input.observed = seen(least_evidence - 1, 1);
  EXPECT_EQ(optimized_json(input)["configuration"]["timeout"], 60) << "too few calls";
}

TEST(optimized, TargetsAreMetOrMissed) {
  auto input = base();
  input.observed = seen(100, 9);
  const auto targets = optimized_json(input)["targets"];
  EXPECT_EQ(targets["target_response_time"]["met"], false);
  EXPECT_EQ(targets["target_response_time"]["observed"], 6.0);
  EXPECT_EQ(targets["target_success_rate"]["met"], true);
}

TEST(optimized, StrategiesHaveTheirWords) {
  for (const auto& name : optimization_strategy_names())
    EXPECT_EQ(to_string(optimization_strategy_from_string(name).value()), name);
  EXPECT_FALSE(optimization_strategy_from_string("fast"));
}

} // namespace
} // namespace assay::configurations
