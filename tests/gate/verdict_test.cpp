#include "core/gate/verdict.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::gate {
namespace {

using testing::HasSubstr;

/// A run of one task with so many right and wrong samples.
judged_run run_of(std::string id, int right, int wrong) {
  judged_run out;
  out.id = id;
  out.done = static_cast<uint64_t>(right + wrong);
  stats::run_scores scores{std::move(id), "model", {"plain"}, {}};
  stats::task_scores task{"sums", "hash", {}, out.done, 0};
  for (int i = 0; i < right + wrong; ++i)
    task.scores.push_back({static_cast<uint32_t>(i), 0, 0, i < right ? 1.0 : 0.0});
  scores.tasks.push_back(std::move(task));
  out.scores.emplace("score", std::move(scores));
  return out;
}

rule at_least(double bound) {
  rule out;
  out.name = "r";
  out.bound = bound;
  return out;
}

rule of_kind(rule_kind kind, double bound) {
  auto out = at_least(bound);
  out.kind = kind;
  return out;
}

verdict verdict_of(const rule& one, const judged_run& run, const judged_run* baseline = nullptr) {
  return judge({"p", {one}}, run, baseline).rules.at(1).outcome;
}

TEST(verdict, PassesOnlyWhatTheSamplesShow) {
  // The one-sided bounds of 180 of 200 are 0.860 and 0.930.
  const auto run = run_of("a", 180, 20);
  EXPECT_EQ(verdict_of(at_least(0.85), run), verdict::pass);
  EXPECT_EQ(verdict_of(at_least(0.88), run), verdict::inconclusive);
  EXPECT_EQ(verdict_of(at_least(0.95), run), verdict::fail);
}

TEST(verdict, GoesByTheNumberItselfWhenTold) {
  auto rule = at_least(0.9);
  rule.confidence = 0;
  EXPECT_EQ(verdict_of(rule, run_of("a", 180, 20)), verdict::pass);
  rule.bound = 0.901;
  EXPECT_EQ(verdict_of(rule, run_of("a", 180, 20)), verdict::fail);
}

TEST(verdict, ConcludesNothingFromFewSamples) {
  auto rule = at_least(0.1);
  rule.min_samples = 300;
  EXPECT_EQ(verdict_of(rule, run_of("a", 180, 20)), verdict::inconclusive);
  EXPECT_EQ(verdict_of(at_least(0.1), run_of("a", 1, 0)), verdict::inconclusive);
}

TEST(verdict, ComparesWithTheBaselineOnTheSameSamples) {
  const auto rule = of_kind(rule_kind::not_worse_than, 0.05);
  const auto baseline = run_of("base", 150, 50);
  const auto same = run_of("same", 150, 50);
  const auto worse = run_of("worse", 100, 100);
  const auto little_worse = run_of("little", 143, 57);
  EXPECT_EQ(verdict_of(rule, same, &baseline), verdict::pass);
  EXPECT_EQ(verdict_of(rule, worse, &baseline), verdict::fail);
  EXPECT_EQ(verdict_of(rule, little_worse, &baseline), verdict::inconclusive);
  EXPECT_EQ(verdict_of(rule, same), verdict::inconclusive) << "there is nothing to compare with";
}

TEST(verdict, NarrowsToATaskAndAPrompt) {
  auto run = run_of("a", 200, 0);
  auto& scores = run.scores.at("score");
  scores.variants.push_back("cot");
  scores.tasks.push_back({"words", "hash", {}, 0, 0});
  for (uint32_t i = 0; i < 200; ++i) {
    scores.tasks[1].scores.push_back({i, 0, 0, 0.0});
    scores.tasks[0].scores.push_back({i, 1, 0, 0.0});
  }
  auto rule = at_least(0.9);
  EXPECT_EQ(verdict_of(rule, run), verdict::fail);
  rule.task = "sums";
  EXPECT_EQ(verdict_of(rule, run), verdict::fail) << "the other prompt is always wrong";
  rule.prompt_type = "plain";
  EXPECT_EQ(verdict_of(rule, run), verdict::pass);
  rule.prompt_type = "none such";
  EXPECT_EQ(verdict_of(rule, run), verdict::inconclusive);
  rule.metric = "none such";
  EXPECT_EQ(verdict_of(rule, run), verdict::inconclusive);
}

TEST(verdict, LooksAtCostErrorsAndTheEnd) {
  auto run = run_of("a", 10, 0);
  EXPECT_EQ(verdict_of(of_kind(rule_kind::max_cost, 1), run), verdict::inconclusive) << "not known";
  run.cost = from_dollars(1.5);
  EXPECT_EQ(verdict_of(of_kind(rule_kind::max_cost, 1), run), verdict::fail);
  EXPECT_EQ(verdict_of(of_kind(rule_kind::max_cost, 1.5), run), verdict::pass);
  run.failed = 1;
  EXPECT_EQ(verdict_of(of_kind(rule_kind::max_error_rate, 0.05), run), verdict::fail);
  EXPECT_EQ(verdict_of(of_kind(rule_kind::max_error_rate, 0.1), run), verdict::pass);
  const policy lenient{"p", {of_kind(rule_kind::max_error_rate, 1)}};
  EXPECT_EQ(judge(lenient, run, nullptr).outcome(), verdict::pass);
  run.state = run_state::paused;
  EXPECT_EQ(judge(lenient, run, nullptr).outcome(), verdict::inconclusive);
  run.state = run_state::failed;
  EXPECT_EQ(judge(lenient, run, nullptr).outcome(), verdict::fail);
}

TEST(verdict, OfTheWholeIsTheWorst) {
  gate_report report;
  EXPECT_EQ(report.outcome(), verdict::inconclusive);
  report.rules.push_back({"a", verdict::pass, "", {}, {}, 0});
  EXPECT_EQ(report.outcome(), verdict::pass);
  report.rules.push_back({"b", verdict::inconclusive, "", {}, {}, 0});
  EXPECT_EQ(report.outcome(), verdict::inconclusive);
  report.rules.push_back({"c", verdict::fail, "", {}, {}, 0});
  EXPECT_EQ(report.outcome(), verdict::fail);
}

TEST(verdict, IsWrittenForCiSystems) {
  gate_report report{"nightly <main>", "eval_1", "", {}};
  report.rules.push_back({"a & b", verdict::pass, "", {}, {}, 0});
  report.rules.push_back({"c", verdict::fail, "0.7 \"low\"\x01", {}, {}, 0});
  report.rules.push_back({"d", verdict::inconclusive, "too few", {}, {}, 0});
  EXPECT_EQ(to_junit(report), R"(<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" errors="1">
  <testsuite name="nightly &lt;main&gt;" tests="3" failures="1" errors="1">
    <testcase classname="eval_1" name="a &amp; b"/>
    <testcase classname="eval_1" name="c">
      <failure type="fail" message="0.7 &quot;low&quot;�"/>
    </testcase>
    <testcase classname="eval_1" name="d">
      <error type="inconclusive" message="too few"/>
    </testcase>
  </testsuite>
</testsuites>
)");
}

TEST(verdict, IsShownAsJson) {
  const auto body = to_json(judge({"p", {at_least(0.5)}}, run_of("a", 180, 20), nullptr));
  EXPECT_EQ(body["verdict"], "pass");
  EXPECT_TRUE(body["baseline_id"].is_null());
  EXPECT_EQ(body["rules"].size(), 2U);
  EXPECT_NEAR(body["rules"][1]["value"].get<double>(), 0.9, 1e-12);
  EXPECT_EQ(body["rules"][1]["samples"], 200);
  EXPECT_THAT(body["rules"][1]["message"].get<std::string>(), HasSubstr("wanted at least 0.5"));
}

} // namespace
} // namespace assay::gate
