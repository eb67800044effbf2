#include "core/gate/policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace assay::gate {
namespace {

using testing::HasSubstr;

TEST(policy, ReadsEveryKey) {
  const auto read = parse_policy(R"(name: nightly
confidence: 0.9
min_samples: 20
rules:
  - name: good enough
    metric: exact_match
    task: sums
    prompt_type: plain
    at_least: 0.8
    confidence: 0
    min_samples: 100
  - not_worse_than: baseline
    margin: 0.02
  - max_cost: 1.5
  - max_error_rate: 0.01
)",
                                 "gate.yaml");
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(read->name, "nightly");
  ASSERT_EQ(read->rules.size(), 4U);
  const auto& first = read->rules[0];
  EXPECT_EQ(first.name, "good enough");
  EXPECT_EQ(first.kind, rule_kind::at_least);
  EXPECT_EQ(first.bound, 0.8);
  EXPECT_EQ(first.metric, "exact_match");
  EXPECT_EQ(first.task, "sums");
  EXPECT_EQ(first.prompt_type, "plain");
  EXPECT_EQ(first.confidence, 0);
  EXPECT_EQ(first.min_samples, 100U);
  const auto& second = read->rules[1];
  EXPECT_EQ(second.kind, rule_kind::not_worse_than);
  EXPECT_EQ(second.bound, 0.02);
  EXPECT_EQ(second.confidence, 0.9) << "the policy's own";
  EXPECT_EQ(second.min_samples, 20U);
  EXPECT_EQ(second.metric, "score");
  EXPECT_FALSE(second.name.empty());
  EXPECT_EQ(read->rules[2].kind, rule_kind::max_cost);
  EXPECT_EQ(read->rules[3].bound, 0.01);
  EXPECT_TRUE(read->needs_baseline());
}

TEST(policy, OfTheDocumentIsRight) {
  std::ifstream file("docs/statistics.md");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto begin = text.find("```yaml\n");
  ASSERT_NE(begin, std::string::npos) << "tests run in the repository's folder";
  const auto from = begin + 8;
  const auto read = parse_policy(text.substr(from, text.find("```", from) - from), "statistics.md");
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(read->rules.size(), 4U);
}

struct mistake {
  const char* yaml;
  const char* where;
  const char* message;
};

TEST(policy, NamesFileLineAndKeyOfAMistake) {
  const mistake mistakes[] = {
      {"rules:\n  - at_laest: 0.8\n", "g.yaml:2: rules[0].at_laest", "unknown key"},
      {"rules:\n  - at_least: much\n", "g.yaml:2: rules[0].at_least", "expected a number"},
      {"rules:\n  - metric: score\n", "g.yaml:2: rules[0]", "checks nothing"},
      {"rules:\n  - at_least: 0.8\n    max_cost: 1\n", "rules[0].max_cost", "one thing"},
      {"rules:\n  - not_worse_than: baseline\n", "rules[0].not_worse_than", "needs a margin"},
      {"rules:\n  - not_worse_than: 0.7\n    margin: 0.1\n", "rules[0].not_worse_than", "`baseline`"},
      {"rules:\n  - at_least: 0.8\n    confidence: 0.3\n", "rules[0].confidence", "above 0.5"},
      {"rules:\n  - max_cost: 1\n    task: sums\n", "rules[0].task", "whole run"},
      {"rules:\n  - at_least: 0.8\n    margin: 0.1\n", "rules[0].margin", "not_worse_than"},
      {"rules:\n  - max_error_rate: 2\n", "rules[0].max_error_rate", "0 to 1"},
      {"rules:\n  - at_least: 0.8\n    min_samples: 0\n", "rules[0].min_samples", "expected"},
      {"rules: []\n", "g.yaml:1: rules", "list of rules"},
      {"name: x\n", "rules", "list of rules"},
      {"rule: x\n", "g.yaml:1: rule", "unknown key"},
      {"- at_least: 0.8\n", "g.yaml:1", "mapping"},
  };
  for (const auto& one : mistakes) {
    const auto read = parse_policy(one.yaml, "g.yaml");
    ASSERT_FALSE(read) << one.yaml;
    EXPECT_EQ(read.error().code, errc::invalid_argument) << one.yaml;
    EXPECT_THAT(read.error().where, HasSubstr(one.where)) << one.yaml;
    EXPECT_THAT(read.error().message, HasSubstr(one.message)) << one.yaml;
  }
}

TEST(policy, RefusesWhatIsNoYaml) {
  const auto read = parse_policy("rules: [\n", "g.yaml");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, errc::malformed_input);
  EXPECT_THAT(read.error().where, HasSubstr("g.yaml:"));
  EXPECT_FALSE(parse_policy("", "g.yaml"));
}

} // namespace
} // namespace assay::gate
