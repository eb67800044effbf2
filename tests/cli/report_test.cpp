#include "cli/progress.hpp"
#include "cli/run_report.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::cli {
namespace {

using nlohmann::json;

json cell(const char* prompt, double score) {
  return {{"prompt_type", prompt},
          {"score", score},
          {"stderr", 0.05},
          {"confidence_interval", {{"low", score - 0.1}, {"high", score + 0.1}, {"level", 0.95}}},
          {"n", 10},
          {"samples", 11},
          {"errors", 1}};
}

run_outcome outcome(const char* model, double score) {
  run_outcome out;
  out.record.spec.id = run_id{1'700'000'000, 42};
  out.record.spec.model = model_id{model};
  out.record.state = run_state::completed;
  out.record.progress.total = 22;
  out.record.progress.done = 22;
  json document;
  document["simulated"] = true;
  document["summary_metrics"] = {{"overall_score", score},
                                 {"total_cost", 0.0123},
                                 {"usage", {{"prompt_tokens", 1000}, {"completion_tokens", 200}}}};
  document["task_results"] =
      json::array({{{"task_id", "中文算术"},
                    {"prompt_types", json::array({cell("baseline", score), cell("cot", score)})}}});
  out.document = document.dump();
  return out;
}

TEST(render_outcomes, ShowsModelsSideBySideWithIntervalsAndErrors) {
  const auto text = render_outcomes({}, {outcome("sim-strong", 0.9), outcome("sim-weak", 0.5)});
  EXPECT_NE(text.find("sim-strong (simulated)"), std::string::npos);
  EXPECT_NE(text.find("0.900 ± 0.050 [0.800, 1.000]  n 10, 1 error"), std::string::npos) << text;
  EXPECT_NE(text.find("$0.0123"), std::string::npos);
  EXPECT_NE(text.find("1,000 in, 200 out"), std::string::npos);
  // One row holds both models.
  const auto row = text.substr(text.find("中文算术"));
  const auto line = row.substr(0, row.find('\n'));
  EXPECT_NE(line.find("0.900"), std::string::npos);
  EXPECT_NE(line.find("0.500"), std::string::npos);
}

TEST(render_outcomes, PutsTablesBelowEachOtherInANarrowTerminal) {
  terminal narrow;
  narrow.is_terminal = true;
  narrow.columns = 80;
  const auto text = render_outcomes(narrow, {outcome("sim-strong", 0.9), outcome("sim-weak", 0.5)});
  const auto first = text.find("sim-strong");
  const auto second = text.find("sim-weak");
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(second, std::string::npos);
  EXPECT_NE(text.substr(first, second - first).find("\n"), std::string::npos);
}

TEST(render_outcomes, ShowsWhyARunWithoutResultFailed) {
  run_outcome failed;
  failed.record.spec.model = model_id{"m"};
  failed.record.state = run_state::failed;
  failed.record.error = fault{errc::credentials_rejected, "the key is wrong", {}, {}};
  const auto text = render_outcomes({}, {failed});
  EXPECT_NE(text.find("failed: the key is wrong"), std::string::npos) << text;
}

TEST(explained, NamesTheProviderAndWhatToDo) {
  run_record failed;
  failed.spec.provider = provider_id{"openai"};
  for (const auto code : {errc::quota_exhausted, errc::connect_failed, errc::provider_unavailable,
                          errc::credentials_rejected, errc::rate_limited}) {
    failed.error = fault{code, "HTTP 503: Service Unavailable", {}, {}};
    const auto told = explained(failed);
    EXPECT_EQ(told.message, "provider openai: HTTP 503: Service Unavailable");
    EXPECT_FALSE(told.hint.empty()) << to_string(code);
  }
  failed.error = fault{errc::quota_exhausted, "no credit", {}, {}};
  EXPECT_NE(explained(failed).hint.find("OPENAI_API_KEY"), std::string::npos);
  failed.error = fault{errc::dataset_changed, "it differs", {}, "look"};
  EXPECT_EQ(explained(failed), *failed.error) << "no provider is to blame";
}

TEST(explained, HasNoHoleForAProviderWithoutAKeyVariable) {
  run_record failed;
  failed.spec.provider = provider_id{"mock"};
  for (const auto code : {errc::quota_exhausted, errc::credentials_rejected}) {
    failed.error = fault{code, "HTTP 401", {}, {}};
    EXPECT_NE(explained(failed).hint.find("providers.mock.api_key"), std::string::npos)
        << explained(failed).hint;
  }
}

TEST(render_outcomes, CallsARunInterruptedThatNobodyGoesOnWith) {
  auto left = outcome("m", 0.5);
  left.record.state = run_state::running;
  EXPECT_NE(render_outcomes({}, {left}).find("running"), std::string::npos);
  EXPECT_FALSE(outcome_json(left).contains("interrupted"));
  left.interrupted = true;
  const auto text = render_outcomes({}, {left});
  EXPECT_NE(text.find("interrupted"), std::string::npos) << text;
  EXPECT_EQ(text.find("running"), std::string::npos) << text;
  EXPECT_EQ(outcome_json(left)["interrupted"], true);
}

TEST(model_label, SaysWhoIsSimulated) {
  run_spec spec;
  spec.model = model_id{"sim-p100"};
  spec.provider = provider_id{"mock"};
  EXPECT_EQ(model_label(spec), "sim-p100 (simulated)");
  spec.provider = provider_id{"openai"};
  EXPECT_EQ(model_label(spec), "sim-p100");
}

TEST(render_outcomes, SurvivesDocumentsOfAnotherShape) {
  for (const char* document : {"", "[]", "{}", "null", R"({"task_results": 3})", R"({"summary_metrics": []})",
                               R"({"task_results": []})", "{"}) {
    auto odd = outcome("m", 0.5);
    odd.document = document;
    EXPECT_FALSE(render_outcomes({}, {odd}).empty()) << document;
  }
}

TEST(render_agreements, HasALineForEachPairOfJudges) {
  auto judged = outcome("sim-strong", 0.9);
  EXPECT_EQ(render_agreements({judged}), "") << "no judge";
  auto document = json::parse(judged.document);
  document["task_results"][0]["prompt_types"][0]["agreement"] = json::parse(R"({
    "judges": [{"scorer": "verdict", "judges": ["a", "b"], "samples": 12, "krippendorff_alpha": 0.6251,
      "pairs": [{"first": "a", "second": "b", "samples": 11, "same": 0.75, "cohens_kappa": null}]}],
    "scorers": [{"judge": "verdict", "scorer": "f1", "samples": 9, "same": 0.5, "cohens_kappa": 0.4127}]})");
  judged.document = document.dump();
  EXPECT_EQ(render_agreements({judged}),
            "agreement, 中文算术, baseline, verdict: alpha 0.625, n 12\n"
            "agreement, 中文算术, baseline, a and b: kappa -, 0.750 the same, n 11\n"
            "agreement, 中文算术, baseline, verdict and f1: kappa 0.413, 0.500 the same, n 9\n");
}

TEST(outcome_json, FallsBackToTheStatusOfTheRun) {
  run_outcome without;
  without.record.spec.id = run_id{1'700'000'000, 42};
  without.record.state = run_state::cancelled;
  EXPECT_EQ(outcome_json(without)["state"], "cancelled");
}

} // namespace
} // namespace assay::cli
