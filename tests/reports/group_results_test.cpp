#include "core/reports/group_results.hpp"

#include "tests/reports/report_world.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace assay::reports {
namespace {

using nlohmann::json;

json task(const char* id, double value, double error, int n, const char* metric = "acc,none") {
  return {{"task_id", id},
          {"n", n},
          {"metrics", {{metric, value}}},
          {"scorers", {{metric, {{"stderr", error}, {"n", n}}}}}};
}

std::string groups(bool by_size, const char* metric = "acc", const char* filter = "none") {
  return json::array(
             {{{"name", "both"},
               {"alias", "Both of them"},
               {"tasks", {"a", "b"}},
               {"aggregates", {{{"metric", metric}, {"filters", {filter}}, {"weight_by_size", by_size}}}}}})
      .dump();
}

TEST(group_results, TasksCountBySizeOrAlike) {
  const auto tasks =
      json::array({task("a", 0.5, 0.05, 100), task("b", 0.8, 0.02, 300), task("c", 0, 0.1, 50)});
  const auto by_size = group_results(groups(true), tasks)["both"];
  EXPECT_EQ(by_size["alias"], "Both of them");
  EXPECT_EQ(by_size["n"], 400);
  EXPECT_NEAR(by_size["metrics"]["acc,none"].get<double>(), 0.725, 1e-12);
  EXPECT_NEAR(group_results(groups(false), tasks)["both"]["metrics"]["acc,none"].get<double>(), 0.65, 1e-12);
  // ((99 * 0.05^2 * 100) + (299 * 0.02^2 * 300)) / 398 / 400
  EXPECT_NEAR(by_size["stderr"]["acc,none"].get<double>(), std::sqrt((24.75 + 35.88) / 398 / 400), 1e-12);
}

TEST(group_results, WhatNoTaskHasIsLeftOut) {
  const auto tasks = json::array({task("a", 0.5, 0.05, 100), task("b", 0.8, 0.02, 300, "f1,none")});
  EXPECT_NEAR(group_results(groups(true), tasks)["both"]["metrics"]["acc,none"].get<double>(), 0.5, 1e-12);
  EXPECT_TRUE(group_results(groups(true, "acc", "strict"), tasks)["both"]["metrics"].empty());
  const auto plain = json::array({task("a", 0.5, 0.05, 100, "acc")});
  EXPECT_NEAR(group_results(groups(true), plain)["both"]["metrics"]["acc,none"].get<double>(), 0.5, 1e-12);
  EXPECT_TRUE(group_results("", tasks).empty());
  EXPECT_TRUE(group_results("no JSON", tasks).empty());
}

TEST(group_results, AreInTheResultsOfLmEval) {
  auto world = test::make_world();
  auto document = json::parse(world.facts.result, nullptr, false);
  if (!document.is_object())
    document = json::object();
  const auto first = world.facts.run.spec.tasks.front().id.value;
  document["groups"] = {{"both",
                         {{"alias", "Both"},
                          {"tasks", {first}},
                          {"n", 15},
                          {"metrics", {{"acc,none", 0.25}}},
                          {"stderr", {{"acc,none", nullptr}}}}}};
  world.facts.result = document.dump();
  const auto read = json::parse(test::exported(world, test::options_for(export_format::lm_eval)));
  EXPECT_EQ(read["groups"]["both"]["acc,none"], 0.25);
  EXPECT_EQ(read["groups"]["both"]["acc_stderr,none"], "N/A");
  EXPECT_EQ(read["group_subtasks"]["both"].size(), 1U);
}

} // namespace
} // namespace assay::reports
