#include "config/document.hpp"
#include "config/scalars.hpp"
#include "config/tree.hpp"
#include "core/experiments/plan.hpp"
#include "tests/config/support.hpp"

#include <nlohmann/json.hpp>

namespace assay::config {
namespace {

// These tests read the shipped files; they run in the source folder.
class examples : public test::config_test {
protected:
  examples() { request.config_dir = test::fs::current_path().string() + "/config"; }

  static std::string example(const std::string& name) {
    return test::fs::current_path().string() + "/config/examples/" + name;
  }
};

/// @returns whether the key, with its placeholders for names and lists, is somewhere in the tree.
bool appears(const node& tree, std::string_view path) {
  if (path.empty())
    return true;
  if (path.starts_with("<name>")) {
    path.remove_prefix(std::min<size_t>(7, path.size()));
    for (const auto& [name, member] : tree.members)
      if (appears(member, path))
        return true;
    return false;
  }
  const auto end = std::min(path.find('.'), path.size());
  auto key = path.substr(0, end);
  const auto rest = path.substr(std::min(end + 1, path.size()));
  const bool list = key.ends_with("[]");
  if (list)
    key.remove_suffix(2);
  const auto* member = tree.find(key);
  if (member == nullptr || !list)
    return member != nullptr && appears(*member, rest);
  for (const auto& item : member->items)
    if (appears(item, rest))
      return true;
  return false;
}

TEST_F(examples, TheShippedFolderLoadsAndSaysTheDefaults) {
  const auto values = loaded();
  const settings built_in;
  EXPECT_EQ(values.sources.size(), 1U);
  EXPECT_EQ(values.server.host, built_in.server.host);
  EXPECT_EQ(values.server.port, built_in.server.port);
  EXPECT_EQ(values.logging.level, built_in.logging.level);
}

TEST_F(examples, TheModelsOfTheDocumentLoad) {
  request.environment = {{"ANTHROPIC_API_KEY", "a"}, {"OPENAI_API_KEY", "o"}, {"DEEPSEEK_API_KEY", "d"}};
  request.files = {example("model_configs.yaml")};
  const auto values = loaded();
  const auto* haiku = find_model(values, model_id("claude-3-haiku"));
  ASSERT_NE(haiku, nullptr);
  EXPECT_EQ(haiku->defaults.temperature, 0.7);
  EXPECT_EQ(haiku->defaults.max_tokens, 2048U);
  EXPECT_EQ(haiku->defaults.top_p, 0.9);
  EXPECT_EQ(haiku->limits, (rate_limits{60, 100000, 0, 5}));
  EXPECT_EQ(haiku->max_cost_per_request, from_dollars(1));
  EXPECT_EQ(haiku->daily_budget, from_dollars(100));
  EXPECT_EQ(haiku->target_response_time, seconds{5});
  EXPECT_EQ(haiku->target_success_rate, 0.95);
  ASSERT_EQ(haiku->task_optimizations.size(), 3U);
  EXPECT_EQ(haiku->task_optimizations.at("code_completion").temperature, 0.2);
  EXPECT_EQ(haiku->task_optimizations.at("bug_fix").max_tokens, 1024U);
  EXPECT_EQ(find_provider(values, provider_id("anthropic"))->key.reveal(), "a");
  EXPECT_EQ(find_model(values, model_id("gpt-3.5-turbo"))->provider.value, "openai");
  EXPECT_EQ(find_model(values, model_id("deepseek-coder"))->limits.tokens_per_minute, 200000U);
}

TEST_F(examples, TheModelsLoadWithoutAnyKey) {
  request.files = {example("model_configs.yaml")};
  const auto values = loaded();
  for (const auto& provider : values.providers)
    EXPECT_TRUE(provider.key.empty()) << provider.id.value;
  EXPECT_TRUE(warns(values, "ANTHROPIC_API_KEY"));
}

TEST_F(examples, TheEvaluationsOfTheDocumentLoad) {
  request.files = {example("model_configs.yaml"), example("evaluation_configs.yaml")};
  const auto values = loaded();
  ASSERT_EQ(values.evaluations.size(), 2U);
  EXPECT_EQ(values.evaluations[0].id, "baseline_test");
  EXPECT_EQ(values.evaluations[0].tasks.size(), 3U);
  const auto configuration = nlohmann::json::parse(values.evaluations[0].configuration_json);
  EXPECT_EQ(configuration["limit"], 10);
  EXPECT_EQ(configuration["log_samples"], true);
  EXPECT_EQ(configuration["output_base_path"], "results/baseline");
  EXPECT_FALSE(warns(values, "evaluation")) << "claude-3-5-sonnet comes from the catalogue";
  const auto tests = nlohmann::json::parse(values.ab_tests_json);
  EXPECT_EQ(tests["temperature_optimization"]["variants"].size(), 3U);
  EXPECT_EQ(tests["temperature_optimization"]["minimum_samples"], 50);
}

TEST_F(examples, TheApiManagersFileLoads) {
  request.files = {example("api_manager.json")};
  EXPECT_NE(find_model(loaded(), model_id("gemini-2.5-flash")), nullptr);
}

TEST_F(examples, TheFullExampleLoadsAndNamesEveryKey) {
  request.files = {example("farm.example.yaml")};
  const auto values = loaded();
  EXPECT_EQ(values.retry.rules.size(), 2U);
  const auto tree = parse_file(example("farm.example.yaml"), "farm.example.yaml");
  ASSERT_TRUE(tree);
  for (const auto& key : known_keys())
    EXPECT_TRUE(appears(*tree, key.path)) << key.path << " is missing in farm.example.yaml";
}

TEST_F(examples, ThePlanIsOne) {
  const auto tree = parse_file(example("experiment_plan.yaml"), "experiment_plan.yaml");
  ASSERT_TRUE(tree);
  const auto plan = experiments::plan_from_json(to_json_value(*tree));
  ASSERT_TRUE(plan) << to_string(plan.error());
  const auto children = experiments::expand(*plan);
  ASSERT_TRUE(children) << to_string(children.error());
  EXPECT_EQ(children->size(), 16U);
}

TEST_F(examples, TheFullExampleShowsTheDefaults) {
  request.files = {example("farm.example.yaml")};
  const auto shown = dump(loaded());
  request.files.clear();
  const auto otherwise = dump(loaded());
  for (const auto* group : {"server", "cors", "auth", "storage", "farm", "logging"})
    EXPECT_EQ(shown[group], otherwise[group]) << group;
}

} // namespace
} // namespace assay::config
