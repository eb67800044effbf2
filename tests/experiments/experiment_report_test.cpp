#include "core/reports/experiment_report.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace assay::reports {
namespace {

using namespace experiments;
using nlohmann::json;

const wall_time now{std::chrono::seconds{1'704'110'400}};

/// Two models, the first of which is right at @p good of 100 samples, the other at @p bad.
struct world {
  experiment what;
  std::vector<std::optional<child_facts>> facts;

  world(uint32_t good, uint32_t bad) {
    const json plan{
        {"experiment_name", "who <is> better"},
        {"models", {"strong", "weak_one"}},
        {"tasks", {"sums"}},
        {"configurations", {{{"name", "cold"}, {"temperature", 0}}, {{"name", "warm"}, {"temperature", 1}}}}};
    what.plan = *plan_from_json(plan);
    what.requests = *expand(what.plan);
    what.head.id = "x";
    what.head.state = experiment_state::completed;
    for (size_t i = 0; i < what.requests.size(); ++i) {
      const bool first = what.requests[i].model == 0;
      const auto right = first ? good : bad;
      experiment_child child;
      child.state = child_state::completed;
      child.run = run_id{i + 1};
      child.score = right / 100.0;
      child.cost = from_dollars(first ? 1 : 0.1);
      what.children.push_back(child);
      child_facts one;
      one.samples = 100;
      one.durations.record(milliseconds{first ? 200 : 100}, 100);
      stats::task_scores task{"sums", "hash", {}, 100, 0};
      for (uint32_t sample = 0; sample < 100; ++sample)
        task.scores.push_back({sample, 0, 0, sample < right ? 1.0 : 0.0});
      one.scores.tasks.push_back(std::move(task));
      one.scores.variants = {"default"};
      facts.push_back(std::move(one));
    }
  }

  json report() const { return experiment_report(what, facts, now); }
};

TEST(experiment_report_test, HasTheDocumentsMembers) {
  const auto report = world(90, 40).report();
  EXPECT_EQ(report["experiment_info"]["name"], "who <is> better");
  EXPECT_EQ(report["experiment_info"]["total_evaluations"], 4);
  const auto& strong = report["model_performance"]["strong"];
  EXPECT_DOUBLE_EQ(strong["average_score"].get<double>(), 0.9);
  EXPECT_DOUBLE_EQ(strong["consistency"].get<double>(), 1);
  EXPECT_EQ(strong["total_evaluations"], 2);
  EXPECT_DOUBLE_EQ(strong["cost"].get<double>(), 2);
  EXPECT_NEAR(strong["latency"]["p50"].get<double>(), 0.2, 0.01);
  EXPECT_TRUE(report["model_performance"].contains("weak_one")) << "names stay whole";
  EXPECT_DOUBLE_EQ(report["task_analysis"]["sums"]["by_model"]["weak_one"].get<double>(), 0.4);
  EXPECT_EQ(report["configuration_analysis"]["cold"]["best_model"], "strong");
  EXPECT_EQ(report["evaluations"].size(), 4U);
}

TEST(experiment_report_test, ADifferenceThatIsThereIsSignificant) {
  const auto report = world(90, 40).report();
  const auto& pairs = report["significance"]["models"]["pairs"];
  ASSERT_EQ(pairs.size(), 1U);
  EXPECT_TRUE(pairs[0]["significant"].get<bool>());
  EXPECT_NEAR(pairs[0]["difference"].get<double>(), -0.5, 1e-9);
  EXPECT_EQ(pairs[0]["pairs"], 200);
  EXPECT_FALSE(report["significance"]["configurations"]["pairs"][0]["significant"].get<bool>());
  EXPECT_EQ(report["recommendations"][0],
            "best overall model: strong (average score 0.900); its lead over weak_one "
            "is significant");
  EXPECT_EQ(report["recommendation_evidence"][0]["model"], "strong");
}

TEST(experiment_report_test, TheCheaperOfEqualsIsRecommended) {
  const auto report = world(51, 50).report();
  ASSERT_EQ(report["recommendations"].size(), 2U);
  EXPECT_NE(report["recommendations"][1].get<std::string>().find("weak_one costs 10 %"), std::string::npos);
}

TEST(experiment_report_test, SaysWhatIsMissingAndWhoIsUnstable) {
  world made(90, 40);
  made.what.children[1].score = 0.1;
  made.what.children[3].state = child_state::failed;
  made.what.children[3].error = "no money";
  made.facts[3].reset();
  const auto report = made.report();
  ASSERT_EQ(report["experiment_info"]["missing"].size(), 1U);
  EXPECT_EQ(report["experiment_info"]["missing"][0]["key"], "weak_one_tasks_warm");
  EXPECT_EQ(report["experiment_info"]["missing"][0]["error"], "no money");
  EXPECT_EQ(report["model_performance"]["weak_one"]["missing_evaluations"], 1);
  const auto text = report["recommendations"].dump();
  EXPECT_NE(text.find("strong is unstable (consistency 0.200)"), std::string::npos) << text;
  EXPECT_NE(text.find("1 of 4 evaluations are missing"), std::string::npos) << text;
}

TEST(experiment_report_test, EveryFormCanBeWritten) {
  const auto report = world(90, 40).report();
  EXPECT_EQ(json::parse(render_report(report, report_form::json)), report);
  const auto page = render_report(report, report_form::html);
  EXPECT_NE(page.find("who &lt;is&gt; better"), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos) << "opens offline";
  size_t drawings = 0;
  for (size_t at = page.find("<svg"); at != std::string::npos; at = page.find("<svg", at + 1))
    ++drawings;
  EXPECT_EQ(drawings, 4U) << "cost against quality, two charts of intervals, the heat map";
  const auto text = render_report(report, report_form::markdown);
  EXPECT_EQ(text.rfind("# who \\<is> better\n", 0), 0U) << text.substr(0, 40);
  EXPECT_NE(text.find("| strong |"), std::string::npos);
  const auto rows = render_report(report, report_form::csv);
  EXPECT_EQ(std::count(rows.begin(), rows.end(), '\n'), 5);
}

TEST(experiment_report_test, NothingDoneIsAReportToo) {
  world made(90, 40);
  for (size_t i = 0; i < made.what.children.size(); ++i) {
    made.what.children[i] = experiment_child{};
    made.facts[i].reset();
  }
  made.what.head.state = experiment_state::running;
  const auto report = made.report();
  EXPECT_EQ(report["experiment_info"]["completed_evaluations"], 0);
  for (const auto form : {report_form::json, report_form::markdown, report_form::html, report_form::csv})
    EXPECT_FALSE(render_report(report, form).empty());
}

} // namespace
} // namespace assay::reports
