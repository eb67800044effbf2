#include "config/task_places.hpp"
#include "tests/config/support.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::config {
namespace {

class checks : public test::config_test {};

TEST_F(checks, TlsNeedsBothFiles) {
  EXPECT_TRUE(has(refused("server:\n  tls: {cert: a.pem}\n").where, "local.yaml:2 server.tls"));
  file("local.yaml", "server: {tls: {cert: a.pem, key: b.pem}}\n");
  EXPECT_TRUE(loaded().server.tls.enabled());
}

TEST_F(checks, TheDocumentedPasswordStaysOnLoopback) {
  request.environment["ASSAY_ADMIN_PASSWORD"] = "admin123";
  EXPECT_EQ(loaded().auth.admin_password.reveal(), "admin123");
  request.flags = {{"server.host", "0.0.0.0"}};
  EXPECT_TRUE(has(refused().message, "loopback"));
  request.environment["ASSAY_ADMIN_PASSWORD"] = "another";
  loaded();
}

TEST_F(checks, TenantsHaveRulesOfTheirOwnOrThoseOfTheDefault) {
  file("local.yaml", "tenants:\n  ann: {weight: 3, max_running_runs: 2}\n  default: {weight: 2}\n");
  const auto values = loaded();
  EXPECT_EQ(tenant_rules_of(values, "ann").weight, 3U);
  EXPECT_EQ(tenant_rules_of(values, "ann").max_running_runs, 2U);
  EXPECT_EQ(tenant_rules_of(values, "ben").weight, 2U);
  EXPECT_FALSE(tenant_rules_of(values, "ben").max_queued_runs);
  EXPECT_TRUE(has(refused("tenants: {ann: {weight: 0}}\n").where, "weight"));
}

TEST_F(checks, RetryRulesNameRealErrors) {
  file("local.yaml",
       "retry:\n  rules:\n    - {error: provider_timeout, strategy: linear, base: 1s, cap: 5s}\n"
       "    - {error: transient}\n    - {error: default, strategy: immediate}\n");
  const auto values = loaded();
  ASSERT_EQ(values.retry.rules.size(), 3U);
  EXPECT_EQ(values.retry.rules[0].strategy, retry_strategy::linear);
  EXPECT_EQ(values.retry.rules[2].strategy, retry_strategy::immediate);
  auto wrong = refused("retry:\n  rules:\n    - {error: provider_timout}\n");
  EXPECT_EQ(wrong.where, "config/local.yaml:3 retry.rules[0].error");
  wrong = refused("retry: {rules: [{error: default, base: 9s, cap: 1s}]}\n");
  EXPECT_TRUE(has(wrong.where, "cap"));
}

TEST_F(checks, DatasetsOfAHubNameFiles) {
  EXPECT_TRUE(has(refused("tasks: {datasets: {squad: 7}}\n").where, "tasks.datasets.squad"));
  EXPECT_TRUE(has(refused("tasks: {datasets: {squad: {test: []}}}\n").message, "`squad`"));
  file("local.yaml", "tasks:\n  roots: [data]\n  datasets:\n    squad: {test: [a.jsonl, /b.jsonl]}\n"
                     "    'x/y:z': c.jsonl\n");
  const auto values = loaded();
  EXPECT_EQ(values.tasks.roots, std::vector{folder.path() + "/data"});
  auto files = dataset_files(values);
  std::ranges::sort(files);
  std::vector expected{folder.path() + "/a.jsonl", std::string("/b.jsonl"), folder.path() + "/c.jsonl"};
  std::ranges::sort(expected);
  EXPECT_EQ(files, expected);
}

TEST_F(checks, AnEvaluationNeedsModelsAndTasks) {
  EXPECT_TRUE(
      has(refused("evaluations:\n  e: {models: [sim-strong]}\n").where, "local.yaml:2 evaluations.e"));
}

TEST_F(checks, AnUnknownModelInAnEvaluationIsAWarning) {
  file("local.yaml", "evaluations: {e: {models: [sim-storng], tasks: [t]}}\n");
  EXPECT_TRUE(warns(loaded(), "did you mean `sim-strong`"));
}

TEST_F(checks, AnAbTestIsCheckedInShape) {
  const std::string head = "ab_tests:\n  t:\n    base_model: sim-strong\n";
  EXPECT_TRUE(has(refused(head + "    variants: {a: {temperature: 1}}\n").message, "at least two"));
  EXPECT_TRUE(has(refused(head + "    variants: {a: {}, b: 3}\n").where, "ab_tests.t.variants.b"));
  const std::string two = head + "    variants: {a: {}, b: {temperature: 1}}\n    traffic_split: ";
  EXPECT_TRUE(has(refused(two + "{a: 0.5, c: 0.5}\n").message, "`c`"));
  EXPECT_TRUE(has(refused(two + "{a: 1}\n").message, "leaves out the variant `b`"));
  EXPECT_TRUE(has(refused(two + "{a: 0.5, b: 0.6}\n").message, "add up to 1"));
  EXPECT_TRUE(has(refused(two + "{a: half, b: half}\n").message, "no number"));
  file("local.yaml", two + "{a: 0.33, b: 0.67}\n");
  const auto tests = nlohmann::json::parse(loaded().ab_tests_json);
  EXPECT_EQ(tests["t"]["traffic_split"]["b"], 0.67);
  EXPECT_EQ(tests["t"]["success_metric"], "quality_score");
  EXPECT_TRUE(has(refused(head + "    variants: {a: {}, b: {}}\n").where, "ab_tests.t.variants.b"));
  EXPECT_TRUE(
      has(refused(head + "    variants: {a: {}, b: {temperature: 1}}\n    success_metric: luck\n").where,
          "ab_tests.t.success_metric"));
}

} // namespace
} // namespace assay::config
