#include "tests/reports/report_world.hpp"

#include <gmock/gmock.h>

namespace assay::reports::test {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(exporter, KnowsEveryFormatByItsName) {
  for (const auto format :
       {export_format::json, export_format::jsonl, export_format::csv, export_format::lm_eval,
        export_format::eval_log, export_format::junit, export_format::html, export_format::promptfoo})
    EXPECT_EQ(export_format_from_string(to_string(format)), format);
  EXPECT_FALSE(export_format_from_string("parquet"));
}

TEST(exporter, AsksForATaskWhereAFormatHasAFileForEach) {
  const auto world = make_world();
  const auto refused = make_exporter(world.facts, options_for(export_format::eval_log));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "task");
  EXPECT_THAT(refused.error().hint, HasSubstr("questions, essays"));
  auto unknown = options_for(export_format::csv);
  unknown.unit = export_unit{7, 0};
  EXPECT_FALSE(make_exporter(world.facts, unknown));
}

TEST(exporter, NamesTheFilesOfARun) {
  const auto world = make_world();
  std::vector<std::string> names;
  for (const auto& file : export_files(world.facts.run, options_for(export_format::lm_eval)))
    names.push_back(file.name);
  EXPECT_THAT(names, ElementsAre("lab__model__1/results_2023-11-14T22-14-21.250000.json",
                                 "lab__model__1/samples_questions_2023-11-14T22-14-21.250000.jsonl",
                                 "lab__model__1/samples_essays_2023-11-14T22-14-21.250000.jsonl"));
  EXPECT_EQ(safe_file_name("../a/b"), "_.._a_b");
  EXPECT_EQ(export_files(world.facts.run, options_for(export_format::html)).front().name,
            to_string(world_run) + ".html");
}

TEST(exporter, TellsThePromptTypeWhereThereAreSeveral) {
  auto world = make_world();
  EXPECT_EQ(unit_name(world.facts.run, {0, 0}), "questions");
  world.facts.run.spec.prompt_types = {"baseline", "cot"};
  EXPECT_EQ(unit_name(world.facts.run, {1, 1}), "essays_cot");
  EXPECT_EQ(units_of(world.facts.run).size(), 4U);
}

TEST(exporter, KeepsASpreadsheetFromComputing) {
  const auto text = exported(make_world(), options_for(export_format::csv));
  EXPECT_THAT(text, HasSubstr("'=SUM(A1:A9) #0"));
  EXPECT_THAT(text, Not(HasSubstr(",=SUM")));
  EXPECT_THAT(text, Not(HasSubstr(",@cmd")));
  EXPECT_THAT(text, HasSubstr("\r\n"));
}

TEST(exporter, WritesARunThatHasNoResultYet) {
  auto world = make_world(3);
  world.facts.result.clear();
  world.facts.run.state = run_state::running;
  const auto document = json::parse(exported(world, options_for(export_format::json)));
  EXPECT_EQ(document["state"], "running");
  EXPECT_EQ(document["samples"].size(), 5U);
  auto options = options_for(export_format::eval_log);
  options.unit = export_unit{0, 0};
  EXPECT_EQ(json::parse(exported(world, options))["status"], "started");
  EXPECT_THAT(exported(world, options_for(export_format::html)), HasSubstr("</html>"));
}

TEST(exporter, WritesARunWithoutSamples) {
  auto world = make_world();
  world.samples.clear();
  world.responses.clear();
  EXPECT_TRUE(json::parse(exported(world, options_for(export_format::json)))["samples"].empty());
  EXPECT_EQ(exported(world, options_for(export_format::jsonl)), "");
  EXPECT_THAT(exported(world, options_for(export_format::junit)), HasSubstr("tests=\"0\""));
  EXPECT_THAT(exported(world, options_for(export_format::html)), HasSubstr("</html>"));
}

TEST(exporter, JudgesTestCasesByThePassScore) {
  const auto world = make_world();
  auto options = options_for(export_format::junit);
  EXPECT_THAT(exported(world, options), HasSubstr("failures=\"7\" errors=\"1\""))
      << "five of the first task, two essays";
  options.pass_score = 0.2;
  EXPECT_THAT(exported(world, options), HasSubstr("failures=\"5\" errors=\"1\""));
}

TEST(exporter, WritesWhatPromptfooReads) {
  auto world = make_world();
  world.documents[0] = tasks::parse_row_value(
                           R"({"vars": {"q": 1}, "assert": {"assert": [{"type": "equals", "value": "x"}]}})")
                           .value();
  const auto file = json::parse(exported(world, options_for(export_format::promptfoo)));
  const auto& results = file["results"];
  EXPECT_EQ(results["version"], 3);
  ASSERT_EQ(results["results"].size(), 17U);
  EXPECT_EQ(results["stats"]["successes"], 9);
  EXPECT_EQ(results["stats"]["failures"], 7);
  EXPECT_EQ(results["stats"]["errors"], 1);
  ASSERT_EQ(results["prompts"].size(), 2U);
  EXPECT_EQ(results["prompts"][1]["label"], "essays");
  EXPECT_EQ(results["prompts"][1]["metrics"]["testFailCount"], 2);
  const auto& first = results["results"][0];
  EXPECT_EQ(first["vars"], json::parse(R"({"q": 1})"));
  EXPECT_EQ(first["testCase"]["assert"][0]["type"], "equals");
  EXPECT_EQ(first["success"], false);
  EXPECT_EQ(first["failureReason"], 1);
  EXPECT_EQ(first["namedScores"]["exact_match"], 0.0);
  EXPECT_EQ(first["response"]["output"], "+1");
  const auto& broken = results["results"][4];
  EXPECT_EQ(broken["failureReason"], 2);
  EXPECT_EQ(broken["error"], "no answer in time <30 s>");
  EXPECT_EQ(file["config"]["providers"][0], "lab/model<1>");
}

TEST(exporter, AScorerCalledPassDecidesWhatSucceeds) {
  auto world = make_world();
  world.facts.run.spec.tasks.front().scorer_names = {"score", "pass"};
  const auto results =
      json::parse(exported(world, options_for(export_format::promptfoo)))["results"]["results"];
  EXPECT_EQ(results[0]["success"], true) << "its score is 0, and it passes";
  EXPECT_EQ(results[1]["success"], false) << "its score is 1";
}

TEST(exporter, ShowsTheWorstSamplesAndEveryFailure) {
  const auto world = make_world();
  auto options = options_for(export_format::html);
  options.worst_samples = 2;
  const auto text = exported(world, options);
  EXPECT_THAT(text, HasSubstr("questions · 0"));
  EXPECT_THAT(text, HasSubstr("questions · 3"));
  EXPECT_THAT(text, Not(HasSubstr("questions · 6")));
  EXPECT_THAT(text, HasSubstr("questions · 4")) << "it has failed";
  EXPECT_THAT(text, HasSubstr("no answer in time &lt;30 s&gt;"));
}

TEST(exporter, ShowsThePreparedTasksOfLmEvalAsTheirFilesHaveThem) {
  auto world = make_world();
  const json origin{{"format", "lm_eval"},
                    {"config",
                     {{"task", "questions"},
                      {"doc_to_text", "{{question}}"},
                      {"process_docs", {{"!function", "utils.clean"}, {"folder", "/home/eva/tasks"}}},
                      {"metric_list", {{{"metric", "exact_match"}, {"higher_is_better", false}}}},
                      {"metadata", {{"version", 3}}}}},
                    {"num_fewshot", 5},
                    {"notes", json::array()}};
  const json definition{{"id", "questions"}, {"dataset", "a.jsonl"},    {"prompt", "{q}"},
                        {"target", "{t}"},   {"scorer", "exact_match"}, {"origin", origin.dump()}};
  world.facts.run.spec.tasks[0].definition = definition.dump();
  const auto results = json::parse(exported(world, options_for(export_format::lm_eval)));
  EXPECT_EQ(results["n-shot"]["questions"], 5);
  EXPECT_EQ(results["n-shot"]["essays"], 0);
  EXPECT_EQ(results["versions"]["questions"], 3);
  EXPECT_EQ(results["versions"]["essays"], 1.0);
  EXPECT_EQ(results["higher_is_better"]["questions"]["exact_match"], false);
  const auto& config = results["configs"]["questions"];
  EXPECT_EQ(config["doc_to_text"], "{{question}}");
  EXPECT_EQ(config["num_fewshot"], 5);
  EXPECT_EQ(config["process_docs"], "!function utils.clean");
  EXPECT_EQ(results.dump().find("/home/eva"), std::string::npos);
  EXPECT_EQ(results["configs"]["essays"]["output_type"], "generate_until");
}

TEST(exporter, ReportsHowFarJudgesAgree) {
  auto world = make_world();
  EXPECT_THAT(exported(world, options_for(export_format::html)), Not(HasSubstr("Agreement of judges")));
  auto document = json::parse(world.facts.result);
  document["task_results"][1]["agreement"] = json::parse(R"({
    "judges": [{"scorer": "verdict", "judges": ["a<1>", "b"], "samples": 12, "krippendorff_alpha": 0.6251,
      "pairs": [{"first": "a<1>", "second": "b", "samples": 11, "same": 0.75, "cohens_kappa": null}]}],
    "scorers": [{"judge": "verdict", "scorer": "f1", "samples": 9, "same": 0.5, "cohens_kappa": 0.4127}]})");
  world.facts.result = document.dump();
  const auto text = exported(world, options_for(export_format::html));
  EXPECT_THAT(text, HasSubstr("Agreement of judges"));
  EXPECT_THAT(text, HasSubstr("0.625"));
  EXPECT_THAT(text, HasSubstr("a&lt;1&gt; and b"));
  EXPECT_THAT(text, HasSubstr("verdict and f1"));
  EXPECT_THAT(text, HasSubstr("0.413"));
}

} // namespace
} // namespace assay::reports::test
