#include "binary_fixture.hpp"

#include <csignal>

namespace assay::cli::test {
namespace {

using nlohmann::json;

class promptfoo_runs : public binary {};

TEST_F(promptfoo_runs, AskTheProvidersOfTheFile) {
  write_task(2);
  std::ofstream(folder + "/sums/capitals.yaml")
      << "prompts: ['The capital of {{country}}?', {label: polite, raw: 'Please: the capital of "
         "{{country}}'}]\n"
         "providers: [{id: mock/sim-p100, config: {temperature: 0.25}}, mock/sim-p0]\n"
         "defaultTest: {assert: [{type: not-contains, value: sorry}]}\n"
         "tests:\n  - vars: {country: France}\n    assert: [{type: contains, value: Paris}]\n"
         "  - vars: {country: [Italy, Spain]}\n    assert: [{type: contains-any, value: [Rome, Madrid]}]\n";
  start_mock();
  const auto done = assay({"run", "--promptfoo", "sums/capitals.yaml", "--output", "json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto result = json::parse(done.out);
  ASSERT_EQ(result["evaluations"].size(), 2U) << "its providers are the models";
  const auto& right = result["evaluations"][0];
  EXPECT_EQ(right["summary_metrics"]["total_samples"], 6) << "three tests with two prompts";
  EXPECT_DOUBLE_EQ(right["metrics_summary"]["capitals.score"].get<double>(), 1.0);
  EXPECT_DOUBLE_EQ(right["metrics_summary"]["capitals.pass"].get<double>(), 1.0);
  EXPECT_DOUBLE_EQ(result["evaluations"][1]["metrics_summary"]["capitals.pass"].get<double>(), 0.0);
  const auto file =
      json::parse(assay({"export", right["evaluation_id"].get<std::string>(), "--format", "promptfoo"}).out);
  EXPECT_EQ(file["results"]["stats"]["successes"], 6);
  EXPECT_EQ(file["results"]["results"][0]["vars"]["country"], "France");
  const auto pruned = json::parse(assay({"store", "prune", "--older-than", "0s", "--json"}).out);
  EXPECT_EQ(pruned["runs"].size(), 2U);
  mock->signal(SIGTERM);
  EXPECT_EQ(mock->wait().code, 0);
  EXPECT_EQ(assay({"tasks", "validate", "sums/capitals.yaml"}).code, 0);
  std::ofstream(folder + "/sums/broken.yaml")
      << "prompts: ['{{country}}']\nproviders: x\ntests: [{vars: {city: 1}}]\n";
  const auto broken = assay({"tasks", "validate", "sums/broken.yaml"});
  EXPECT_EQ(broken.code, 3);
  EXPECT_NE(broken.out.find("`country` has no value"), std::string::npos) << broken.out;
}

} // namespace
} // namespace assay::cli::test
