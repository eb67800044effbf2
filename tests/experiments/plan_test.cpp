#include "core/experiments/experiment.hpp"
#include "core/experiments/plan.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <set>

namespace assay::experiments {
namespace {

using nlohmann::json;

json written() {
  return json::parse(R"({
    "experiment_name": "comprehensive_evaluation",
    "description": "Comprehensive AI model evaluation",
    "models": [
      {"name": "claude-3-haiku", "model": "claude-local", "model_args": "model=claude-3-haiku-20240307"},
      {"name": "gpt_3.5", "model": "gpt-3.5-turbo"}
    ],
    "task_groups": [
      {"name": "basic_coding", "tasks": ["function_generation", "code_completion"]},
      {"name": "advanced_coding", "tasks": ["bug_fix"], "depends_on": ["basic_coding"]}
    ],
    "configurations": [
      {"name": "conservative", "temperature": 0.3, "max_tokens": 1024},
      {"name": "balanced", "temperature": 0.7, "max_tokens": 1024}
    ],
    "configuration": {"limit": 3, "max_gen_toks": 64}
  })");
}

evaluation_plan plan_of(const json& from) {
  auto read = plan_from_json(from);
  EXPECT_TRUE(read) << (read ? "" : to_string(read.error()));
  return read ? *read : evaluation_plan{};
}

std::string where_of(const json& from) {
  const auto read = plan_from_json(from);
  if (!read)
    return read.error().where;
  const auto children = expand(*read);
  return children ? "nothing wrong" : children.error().where;
}

TEST(plan_test, TheDocumentsPlanExpandsToEveryCombination) {
  const auto plan = plan_of(written());
  const auto children = expand(plan);
  ASSERT_TRUE(children) << to_string(children.error());
  ASSERT_EQ(children->size(), 8U);
  EXPECT_EQ(count_children(plan), 8U);
  const auto& first = children->front();
  EXPECT_EQ(first.key, "claude-3-haiku_basic_coding_conservative");
  EXPECT_EQ(first.request.model_kind, "claude-local");
  EXPECT_EQ(first.request.model_args, "model=claude-3-haiku-20240307");
  EXPECT_EQ(first.request.tasks.size(), 2U);
  EXPECT_EQ(first.request.generation.temperature, 0.3);
  EXPECT_EQ(first.request.limit, 3U);
  EXPECT_EQ(first.request.generation.max_tokens, 1024U) << "a configuration goes before what is common";
  EXPECT_EQ(children->back().key, "gpt_3.5_advanced_coding_balanced") << "names with _ stay whole";
}

TEST(plan_test, APlanReadsBackAsItself) {
  auto from = written();
  from["prompt_types"] = {"baseline", "cot"};
  from["repeats"] = 2;
  from["max_cost"] = 1.5;
  from["timeout"] = 300;
  from["retry"] = {{"attempts", 2}, {"delay", 5}};
  const auto plan = plan_of(from);
  EXPECT_EQ(plan_of(to_json(plan)), plan);
  EXPECT_EQ(plan_of(json{{"evaluation_plan", from}}), plan);
}

TEST(plan_test, PromptTypesAndRepeatsAreDimensions) {
  auto from = written();
  from["prompt_types"] = {"baseline", "cot"};
  from["repeats"] = 3;
  from["configuration"]["random_seed"] = 7;
  const auto children = expand(plan_of(from));
  ASSERT_TRUE(children);
  ASSERT_EQ(children->size(), 48U);
  std::set<std::string> keys;
  for (const auto& child : *children)
    keys.insert(child.key);
  EXPECT_EQ(keys.size(), 48U);
  EXPECT_TRUE(keys.contains("claude-3-haiku_basic_coding_conservative_cot_r3"));
  EXPECT_EQ((*children)[0].request.prompt_types, std::vector<std::string>{"baseline"});
  EXPECT_EQ((*children)[0].request.random_seed, 7);
  EXPECT_EQ((*children)[2].request.random_seed, 9);
}

TEST(plan_test, DependenciesHoldWithinACell) {
  const auto children = expand(plan_of(written()));
  ASSERT_TRUE(children);
  for (const auto& child : *children) {
    if (child.group == 0) {
      EXPECT_TRUE(child.after.empty());
      continue;
    }
    ASSERT_EQ(child.after.size(), 1U);
    const auto& before = (*children)[child.after[0]];
    EXPECT_EQ(before.group, 0U);
    EXPECT_EQ(before.model, child.model);
    EXPECT_EQ(before.configuration, child.configuration);
  }
}

TEST(plan_test, AnEvaluationOfTheConfigurationIsAPlan) {
  const auto read =
      plan_from_json({{"description", "d"},
                      {"models", {"a", "b"}},
                      {"tasks", {"t"}},
                      {"configuration", {{"limit", 10}, {"batch_size", 1}, {"log_samples", true}}}},
                     "baseline_test");
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(read->name, "baseline_test");
  const auto children = expand(*read);
  ASSERT_TRUE(children);
  EXPECT_EQ(children->size(), 2U);
  EXPECT_EQ(children->front().key, "a_tasks_default");
}

TEST(plan_test, EveryMistakeNamesItsField) {
  const auto changed = [](const char* pointer, json value) {
    auto from = written();
    from[json::json_pointer(pointer)] = std::move(value);
    return where_of(from);
  };
  EXPECT_EQ(changed("/experiment_name", ""), "experiment_name");
  EXPECT_EQ(changed("/modles", json::array()), "modles");
  EXPECT_EQ(changed("/models", json::array()), "models");
  EXPECT_EQ(changed("/models/1/name", "claude-3-haiku"), "models[1].name");
  EXPECT_EQ(changed("/models/1/model", ""), "models[1].model");
  EXPECT_EQ(changed("/task_groups/1/tasks", json::array()), "task_groups[1].tasks");
  EXPECT_EQ(changed("/task_groups/1/depends_on", {"nothing"}), "task_groups[1].depends_on[0]");
  EXPECT_EQ(changed("/task_groups/0/depends_on", {"advanced_coding"}), "task_groups[0].depends_on");
  EXPECT_EQ(changed("/task_groups/0/depends_on", {"basic_coding"}), "task_groups[0].depends_on");
  EXPECT_EQ(changed("/configurations/1/temperature", 0.3), "configurations[1]") << "differs in nothing";
  EXPECT_EQ(changed("/configurations/1/temperature", 9), "configurations[1].temperature");
  EXPECT_EQ(changed("/configurations/1/max_cost", 1), "configurations[1].max_cost");
  EXPECT_EQ(changed("/configuration/limit", 0), "configuration.limit");
  EXPECT_EQ(changed("/repeats", 0), "repeats");
  EXPECT_EQ(changed("/max_cost", -1), "max_cost");
  EXPECT_EQ(changed("/timeout", 0), "timeout");
  EXPECT_EQ(changed("/retry", {{"attempts", 99}}), "retry.attempts");
  auto cached = written();
  cached["repeats"] = 2;
  cached["configuration"]["use_cache"] = true;
  EXPECT_EQ(where_of(cached), "repeats");
}

TEST(plan_test, TwoChildrenOfOneNameAreRefused) {
  auto from = written();
  from["models"] = {{{"name", "a_b"}, {"model", "x"}}, {{"name", "a"}, {"model", "y"}}};
  from["task_groups"] = {{{"name", "c"}, {"tasks", {"t"}}}, {{"name", "b_c"}, {"tasks", {"t"}}}};
  EXPECT_EQ(where_of(from), "models");
}

TEST(plan_test, NoMoreChildrenSamplesOrDollarsThanAllowed) {
  const auto plan = plan_of(written());
  const auto many = expand(plan, {7, 1000, {}});
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().where, "experiments.max_children");
  const auto children = *expand(plan);
  std::vector<priced> told;
  for (size_t model = 0; model < 2; ++model)
    for (size_t group = 0; group < 2; ++group)
      for (size_t configuration = 0; configuration < 2; ++configuration)
        told.push_back({model, group, configuration, 10, from_dollars(0.5), {}});
  const auto fine = price(plan, children, told, {100, 80, from_dollars(4)});
  ASSERT_TRUE(fine);
  EXPECT_EQ(fine->samples, 80U);
  EXPECT_EQ(fine->estimated_cost, from_dollars(4));
  EXPECT_EQ(price(plan, children, told, {100, 79, {}}).error().where, "experiments.max_samples");
  EXPECT_EQ(price(plan, children, told, {100, 80, from_dollars(3.99)}).error().where, "experiments.max_cost");
  auto bounded = plan;
  bounded.max_cost = from_dollars(10);
  told[0].cost.reset();
  EXPECT_EQ(price(bounded, children, told, {}).error().where, "max_cost") << "its price is not known";
}

} // namespace
} // namespace assay::experiments
