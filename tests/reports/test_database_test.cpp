#include "core/reports/test_database.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::reports {
namespace {

using nlohmann::json;

const wall_time noon{seconds{1'755'172'800}};

counted_tests tests_of(std::string model, std::string prompt_type, std::string difficulty, uint64_t full,
                       uint64_t partial, uint64_t failed) {
  counted_tests out;
  out.kind = {std::move(model), "mock", "sums", "reasoning", std::move(prompt_type), std::move(difficulty)};
  out.counts.total = full + partial + failed;
  out.counts.full = full;
  out.counts.partial = partial;
  out.counts.scored = out.counts.total;
  out.counts.score_sum = static_cast<double>(full) + 0.5 * static_cast<double>(partial);
  out.counts.time = milliseconds{100 * static_cast<int64_t>(out.counts.total)};
  return out;
}

counted_source source_of(std::string name, std::vector<counted_tests> tests, std::string owner = "ada") {
  counted_source out;
  out.name = std::move(name);
  out.owner = user_id{std::move(owner)};
  out.finished_at = noon;
  out.tests = std::move(tests);
  return out;
}

test_database two_runs() {
  test_database out;
  out.add(source_of(
      "eval_1", {tests_of("m", "baseline", "beginner", 6, 2, 2), tests_of("m", "cot", "beginner", 8, 0, 2)}));
  out.add(source_of("eval_2", {tests_of("n", "cot", "advanced", 1, 0, 4)}, "bob"));
  return out;
}

sample_record sample_of(sample_status status, std::optional<errc> error = {}) {
  sample_record out;
  out.status = status;
  out.error = error;
  out.duration = milliseconds{250};
  out.usage.prompt_tokens = 10;
  out.usage.completion_tokens = 4;
  out.cost = money{500};
  return out;
}

TEST(test_counts, KnowFullAndPartialSuccessAndFailure) {
  test_counts counts;
  count_test(counts, sample_of(sample_status::scored), 1.0);
  count_test(counts, sample_of(sample_status::scored), 1.0 - 1e-12);
  count_test(counts, sample_of(sample_status::scored), 0.4);
  count_test(counts, sample_of(sample_status::scored), 0.0);
  count_test(counts, sample_of(sample_status::scored), {});
  count_test(counts, sample_of(sample_status::failed, errc::provider_timeout), {});
  count_test(counts, sample_of(sample_status::failed, errc::connect_failed), 0.0);
  count_test(counts, sample_of(sample_status::answered), 1.0);
  EXPECT_EQ(counts.total, 7U) << "an answer without a verdict is no test yet";
  EXPECT_EQ(counts.full, 2U);
  EXPECT_EQ(counts.partial, 1U);
  EXPECT_EQ(counts.failures(), 4U);
  EXPECT_EQ(counts.errors, 3U);
  EXPECT_EQ(counts.timeouts, 1U);
  EXPECT_EQ(counts.scored, 5U);
  EXPECT_EQ(counts.prompt_tokens, 70U);
  EXPECT_EQ(counts.cost, money{3500});
  EXPECT_EQ(counts.time, milliseconds{1750});
}

TEST(test_counts, SurviveTheirStorageForm) {
  auto source = source_of("eval_1", {tests_of("m", "baseline", "beginner", 6, 2, 2)});
  source.generation = 3;
  source.runs = {"x"};
  source.tests[0].counts.cost = money{12};
  EXPECT_EQ(counted_source_from_text(to_text(source)).value(), source);
  EXPECT_EQ(counted_source_from_text("{\"name\":1}").error().code, errc::store_unreadable);
  EXPECT_EQ(counted_source_from_text("").error().code, errc::store_unreadable);
}

TEST(test_counts, OnlyEvaluationsThatAskedAndScoredCount) {
  run_record run;
  run.state = run_state::completed;
  EXPECT_TRUE(is_counted(run));
  run.state = run_state::failed;
  EXPECT_TRUE(is_counted(run)) << "what it has asked was tested";
  run.state = run_state::running;
  EXPECT_FALSE(is_counted(run));
  run.state = run_state::completed;
  run.spec.predict_only = true;
  EXPECT_FALSE(is_counted(run));
  run.spec.predict_only = false;
  run.spec.origin = run_id{1, 2};
  EXPECT_FALSE(is_counted(run)) << "the answers were counted with the run that asked";
  run.spec.origin = {};
  run.spec.kind = run_kind::imported;
  EXPECT_FALSE(is_counted(run));
}

TEST(test_database, CountsASourceOnceHoweverOftenItComes) {
  auto database = two_runs();
  database.add(source_of("eval_2", {tests_of("n", "cot", "advanced", 3, 0, 2)}, "bob"));
  const auto shown = database.statistics();
  EXPECT_EQ(shown["summary"]["total_tests"], 25);
  EXPECT_EQ(shown["summary"]["runs"], 2);
  EXPECT_EQ(shown["by_model"]["n"]["full_success"], 3) << "the later count replaces the earlier";
}

TEST(test_database, GroupsAndNarrows) {
  const auto database = two_runs();
  test_query query;
  query.by = {"model", "prompt_type"};
  const auto rows = database.rows(query);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0]["model"], "m");
  EXPECT_EQ(rows[0]["prompt_type"], "baseline");
  EXPECT_EQ(rows[0]["total"], 10);
  EXPECT_EQ(rows[0]["success_rate"], 0.8);
  EXPECT_EQ(rows[0]["weighted_success_score"], 0.7);
  EXPECT_EQ(rows[0]["mean_score"], 0.7);
  EXPECT_EQ(rows[0]["avg_execution_time"], 0.1);

  test_query hard;
  hard.difficulties = {"hard"};
  EXPECT_EQ(database.rows(hard)[0]["total"], 5);
  test_query bobs;
  bobs.owner = user_id{"bob"};
  EXPECT_EQ(database.statistics(bobs)["summary"]["total_tests"], 5);
  test_query nothing;
  nothing.models = {"x"};
  EXPECT_EQ(database.rows(nothing)[0]["total"], 0);
  EXPECT_TRUE(database.rows(nothing)[0]["success_rate"].is_null());
}

TEST(test_database, RefusesColumnsThatDoNotExist) {
  test_query query;
  query.by = {"colour"};
  EXPECT_EQ(check_query(query).error().where, "by");
  query.by = {"model", "model"};
  EXPECT_FALSE(check_query(query));
  query.by = test_columns();
  EXPECT_TRUE(check_query(query));
}

TEST(master_database, HasTheDocumentedLevels) {
  const auto file = two_runs().master_database(noon);
  EXPECT_EQ(file["version"], "3.0");
  EXPECT_EQ(file["summary"]["total_tests"], 25);
  EXPECT_EQ(file["summary"]["models_tested"], json::array({"m", "n"}));
  const auto& model = file["models"]["m"];
  EXPECT_EQ(model["overall_stats"]["total"], 20);
  EXPECT_EQ(model["total_tests"], 20);
  const auto& leaf = model["by_prompt_type"]["baseline"]["by_tool_success_rate"]["1.0"]["by_difficulty"]
                          ["easy"]["by_task_type"]["reasoning"];
  EXPECT_EQ(leaf["total"], 10);
  EXPECT_EQ(leaf["success"], 8);
  EXPECT_EQ(leaf["full_success"].get<int>() + leaf["partial_success"].get<int>(), leaf["success"]);
  EXPECT_EQ(leaf["total_errors"], leaf["total"].get<int>() - leaf["success"].get<int>());
  EXPECT_EQ(leaf["timeout_errors"].get<int>() + leaf["other_errors"].get<int>(), leaf["total_errors"]);
}

TEST(master_database, ReadsWhatItWrote) {
  const auto file = two_runs().master_database(noon);
  const auto read = read_master_database(file.dump(), "old").value();
  EXPECT_TRUE(read.imported);
  EXPECT_EQ(read.runs, (std::vector<std::string>{"eval_1", "eval_2"}));
  test_database again;
  again.add(read);
  const auto before = two_runs().statistics();
  const auto after = again.statistics();
  EXPECT_EQ(after["by_model"], before["by_model"]);
  EXPECT_EQ(after["by_prompt_type"], before["by_prompt_type"]);
  EXPECT_EQ(after["by_difficulty"], before["by_difficulty"]);
  EXPECT_EQ(after["by_task_type"], before["by_task_type"]);
}

TEST(master_database, ReadsFilesOfOtherPrograms) {
  const auto read =
      read_master_database(R"({"version": "3.0", "models": {"qwen": {"by_prompt_type": {"optimal":
    {"by_tool_success_rate": {"0.8": {"by_difficulty": {"easy": {"by_task_type": {
      "simple_task": {"total": 10, "success": 7, "partial_success": 2},
      "pipeline": {"total": 4, "successful": 1, "partial": 1, "failed": 2},
      "empty": {"total": 0}}}}}}}}}}})",
                           "theirs")
          .value();
  ASSERT_EQ(read.tests.size(), 2U);
  EXPECT_EQ(read.tests[0].kind.task_type, "pipeline");
  EXPECT_EQ(read.tests[0].counts.full, 1U);
  EXPECT_EQ(read.tests[0].counts.partial, 1U);
  EXPECT_EQ(read.tests[1].counts.full, 5U) << "success holds the partial ones";
  EXPECT_EQ(read.tests[1].counts.failures(), 3U);
  EXPECT_EQ(read.tests[1].kind.difficulty, "beginner");
}

TEST(master_database, RefusesWhatItIsNot) {
  for (const char* text : {"", "[]", "{}", R"({"models": []})", R"({"models": {}})",
                           R"({"models": {"m": 3}})", R"({"models": {"m": {"by_prompt_type": 3}}})",
                           R"({"models": {"m": {"by_prompt_type": {"p": {"by_tool_success_rate": {"1.0":
                             {"by_difficulty": {"easy": {"by_task_type": {"t": {"total": 1, "success": 5}}}}}}}}}}})"}) {
    const auto read = read_master_database(text, "x");
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, errc::malformed_input) << text;
  }
}

} // namespace
} // namespace assay::reports
