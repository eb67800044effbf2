#include "core/reports/analysis.hpp"
#include "core/reports/analytics.hpp"
#include "tests/reports/report_world.hpp"

#include <gtest/gtest.h>

namespace assay::reports::test {
namespace {

using nlohmann::json;

sample_record plain_sample(uint32_t row, double score, milliseconds duration, money cost) {
  sample_record out;
  out.address.sample = row;
  out.status = sample_status::scored;
  out.scores.push_back({0, score, {}});
  out.duration = duration;
  out.cost = cost;
  out.usage.completion_tokens = 1;
  return out;
}

std::vector<std::string> kinds(const json& anomalies) {
  std::vector<std::string> out;
  for (const auto& one : anomalies)
    out.push_back(one["kind"].get<std::string>());
  return out;
}

json results(double first, double second) {
  return json::array({{{"task_id", "questions"}, {"score", first}, {"execution_time", 3.0}, {"cost", 0.5}},
                      {{"task_id", "essays"}, {"score", second}, {"execution_time", 9.0}, {"cost", 0.1}}});
}

TEST(analysis, NamesStrongAndWeakTasks) {
  const auto world = make_world();
  const run_analyser analyser(world.facts.run, {"single_turn", "multi_turn"});
  const auto out = analyser.finish(results(0.9, 0.3), {});
  ASSERT_EQ(out["strengths"].size(), 1U);
  EXPECT_EQ(out["strengths"][0]["task_id"], "questions");
  ASSERT_EQ(out["weaknesses"].size(), 1U);
  EXPECT_EQ(out["weaknesses"][0]["category"], "multi_turn");
  EXPECT_EQ(out["slowest_task"]["task_id"], "essays");
  EXPECT_EQ(out["most_expensive_task"]["task_id"], "questions");
  EXPECT_EQ(out["categories"].size(), 2U);
  EXPECT_TRUE(out["rules"].contains("strength"));
}

TEST(analysis, TakesTheIntervalIntoAccount) {
  const auto world = make_world();
  const run_analyser analyser(world.facts.run, {});
  auto tasks = results(0.7, 0.6);
  tasks[0]["confidence_interval"] = {{"low", 0.66}, {"high", 0.74}};
  tasks[1]["confidence_interval"] = {{"low", 0.5}, {"high", 0.7}};
  const auto out = analyser.finish(tasks, {});
  ASSERT_EQ(out["strengths"].size(), 1U) << "its interval lies above 0.65";
  EXPECT_TRUE(out["weaknesses"].empty());
}

TEST(analysis, FindsSlowAndExpensiveSamples) {
  const auto world = make_world();
  run_analyser analyser(world.facts.run, {});
  for (uint32_t i = 0; i < 100; ++i)
    analyser.add(plain_sample(i, i % 2, milliseconds{100 + i % 10}, money{1'000}));
  analyser.add(plain_sample(100, 1, seconds{30}, money{1'000'000}));
  const auto out = analyser.finish(results(0.5, 0.5), {});
  const auto& task = out["tasks"][0];
  EXPECT_EQ(kinds(task["anomalies"]), (std::vector<std::string>{"slow_sample", "expensive_sample"}));
  EXPECT_EQ(task["slowest"][0]["sample"], "0:0:100:0");
  EXPECT_EQ(task["slowest"].size(), 5U);
  EXPECT_EQ(task["most_expensive"][0]["sample"], "0:0:100:0");
}

TEST(analysis, FindsErrorsEmptyAnswersAndScoresWithoutSpread) {
  const auto world = make_world();
  run_analyser analyser(world.facts.run, {});
  for (uint32_t i = 0; i < 30; ++i) {
    auto sample = plain_sample(i, 1, milliseconds{100}, money{});
    if (i < 3) {
      sample.status = sample_status::failed;
      sample.error = errc::provider_timeout;
    }
    if (i == 3)
      sample.usage.completion_tokens = 0;
    analyser.add(sample);
  }
  const auto out = analyser.finish(results(1, 1), {});
  EXPECT_EQ(kinds(out["tasks"][0]["anomalies"]),
            (std::vector<std::string>{"many_errors", "empty_answers", "no_spread"}));
  EXPECT_EQ(out["tasks"][0]["error_classes"]["provider_timeout"], 3);
}

TEST(analysis, ComparesWithEarlierRuns) {
  const auto world = make_world();
  const run_analyser analyser(world.facts.run, {});
  const auto document = [](double score) { return json{{"task_results", results(score, 0.5)}}.dump(); };
  const auto out = analyser.finish(
      results(0.8, 0.5), {{run_id{2}, document(0.6)}, {run_id{1}, document(0.9)}, {run_id{0}, "?"}});
  const auto& task = out["comparison"]["tasks"][0];
  EXPECT_EQ(task["previous_run"], to_string(run_id{2}));
  EXPECT_DOUBLE_EQ(task["difference"].get<double>(), 0.2);
  EXPECT_EQ(task["best_score"], 0.9);
  EXPECT_DOUBLE_EQ(task["mean_score"].get<double>(), 0.75);
  EXPECT_EQ(task["runs"], 2);
}

run_point point(uint32_t second, const std::string& model, double score, const std::string& task = "t") {
  run_point out;
  out.run = run_id{second, 1};
  out.model = model;
  out.completed_at = "2024-01-01T00:00:0" + std::to_string(second) + "Z";
  out.score = score;
  out.execution_time = 2.0;
  out.cost = 0.5;
  out.tasks.push_back({task, score, 1.0, 0.5});
  return out;
}

TEST(analytics, ComparesModels) {
  const auto out = models_json({point(3, "b", 0.5), point(2, "a", 0.9), point(1, "a", 0.7, "u")});
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out[0]["model_id"], "a");
  EXPECT_DOUBLE_EQ(out[0]["average_score"].get<double>(), 0.8);
  EXPECT_EQ(out[0]["task_count"], 2);
  EXPECT_EQ(out[0]["average_execution_time"], 2.0);
  EXPECT_DOUBLE_EQ(out[0]["consistency"].get<double>(), 0.8);
  EXPECT_EQ(out[0]["last_score"], 0.9);
}

TEST(analytics, ComparesTasks) {
  const auto out = tasks_json({point(3, "b", 0.5), point(2, "a", 0.9), point(1, "a", 0.7, "u")});
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out[0]["task_id"], "t");
  EXPECT_EQ(out[0]["models"][0]["model_id"], "a") << "the best comes first";
}

TEST(analytics, FollowsScoresInTime) {
  const auto out = trends_json({point(3, "a", 0.9), point(1, "a", 0.5), point(2, "a", 0.4, "u")}, "t");
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0]["points"].size(), 2U);
  EXPECT_EQ(out[0]["points"][0]["score"], 0.5);
  EXPECT_EQ(out[0]["direction"], "up");
}

TEST(analytics, ReadsResultDocuments) {
  EXPECT_FALSE(run_point_of(run_id{1}, "{}"));
  EXPECT_FALSE(run_point_of(run_id{1}, "?"));
  const auto read = run_point_of(world_run, make_world().facts.result);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->model, "lab/model<1>");
  EXPECT_EQ(read->tasks.size(), 2U);
}

} // namespace
} // namespace assay::reports::test
