#include "core/values/task.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay {
namespace {

TEST(task_json, HasTheDocumentedKeys) {
  task_summary task;
  task.id = task_id{"single_turn_scenarios_function_generation"};
  task.name = "Function Generation";
  task.category = "single_turn";
  task.difficulty = "intermediate";
  task.description = "Generate Python functions based on specifications";
  task.languages = {"python"};
  task.tags = {"coding", "generation"};
  task.estimated_duration = 30;
  nlohmann::json out = task;
  EXPECT_TRUE(out["sample_count"].is_null());
  out.erase("sample_count");
  out.erase("prompt_types");
  out.erase("task_type");
  EXPECT_EQ(out, nlohmann::json::parse(R"({
    "task_id": "single_turn_scenarios_function_generation", "name": "Function Generation",
    "category": "single_turn", "difficulty": "intermediate",
    "description": "Generate Python functions based on specifications", "languages": ["python"],
    "tags": ["coding", "generation"], "estimated_duration": 30})"));
}

TEST(difficulty, KnowsItsAliases) {
  EXPECT_EQ(canonical_difficulty("easy"), "beginner");
  EXPECT_EQ(canonical_difficulty("Medium"), "intermediate");
  EXPECT_EQ(canonical_difficulty("hard"), "advanced");
  EXPECT_EQ(canonical_difficulty("advanced"), "advanced");
  EXPECT_EQ(canonical_difficulty("impossible"), "");
}

} // namespace
} // namespace assay
