#include "core/tasks/task_definition.hpp"

#include <gtest/gtest.h>

namespace assay::tasks {
namespace {

const std::string head = "id: a\ndataset: a.jsonl\nprompt: '{q}'\ntarget: '{t}'\n";

task_definition parsed(const std::string& scorers) {
  auto task = parse_task(head + scorers, "t.yaml", "/srv");
  if (task.has_error()) {
    ADD_FAILURE() << to_string(task.error());
    return {};
  }
  return std::move(*task);
}

TEST(read_scorers, KnowsEveryTypeByItsName) {
  for (uint8_t type = 1; type <= scoring::scorer_type_count; ++type) {
    const auto value = static_cast<scoring::scorer_type>(type);
    std::string more;
    if (value == scoring::scorer_type::regex)
      more = ", pattern: 'a(b)'";
    if (value == scoring::scorer_type::judge)
      more = ", rubric: It is right.";
    if (value == scoring::scorer_type::python)
      more = ", function: metrics.score";
    const auto task = parsed("scorer: {type: " + std::string(to_string(value)) + more + "}\n");
    ASSERT_FALSE(task.scorer_definitions.empty());
    EXPECT_EQ(task.scorer_definitions[0].type, value);
    EXPECT_EQ(task.scorer_definitions[0].name, to_string(value));
  }
}

TEST(read_scorers, GivesACodeTaskItsThreeScorers) {
  auto task = parsed("scorer: {type: code, language: sql}\n");
  EXPECT_EQ(task.scorer_names(), (std::vector<std::string>{"code", "completeness", "code_quality"}));
  EXPECT_TRUE(task.scorer_definitions[0].primary);
  EXPECT_FALSE(task.scorer_definitions[1].primary);
  EXPECT_EQ(task.scorer_definitions[2].language, "sql");
  EXPECT_EQ(parsed("scorer: {type: code, language: text}\n").scorer_names(),
            (std::vector<std::string>{"code", "completeness"}));
  EXPECT_EQ(parsed("scorers: [code, {type: completeness, weight: 2}]\n").scorer_names(),
            (std::vector<std::string>{"code", "completeness", "code_quality"}));
  EXPECT_EQ(parsed("scorer: {type: code, name: tests}\n").scorer_names(),
            (std::vector<std::string>{"tests", "tests_completeness", "tests_code_quality"}));
}

TEST(read_scorers, ReadsFilters) {
  const auto task =
      parsed("scorer:\n"
             "  type: exact_match\n"
             "  filters:\n"
             "    - {function: regex, regex_pattern: '#### (.+)', group_select: -1, fallback: none}\n"
             "    - take_first\n"
             "    - {function: map, mapping_dict: {a: '1'}, default_value: '0'}\n"
             "    - {function: take_first_k, k: 3}\n");
  const auto& filters = task.scorer_definitions[0].filters;
  ASSERT_EQ(filters.size(), 4U);
  EXPECT_EQ(filters[0].pattern, "#### (.+)");
  EXPECT_EQ(filters[0].group_select, -1);
  EXPECT_EQ(filters[0].fallback, "none");
  EXPECT_EQ(filters[1].type, scoring::filter_type::take_first);
  EXPECT_EQ(filters[2].mapping[0].second, "1");
  EXPECT_EQ(filters[2].default_value, "0");
  EXPECT_EQ(filters[3].k, 3U);
}

TEST(read_scorers, ReadsASchemaWrittenInYaml) {
  const auto task =
      parsed("scorer:\n  type: json_schema\n  schema:\n    type: object\n    required: [name]\n"
             "    properties:\n      name: {type: string, minLength: 2}\n      zip: {const: '12'}\n");
  const auto& scorer = *task.scorers[0];
  EXPECT_EQ(scorer.score(R"({"name": "Ada", "zip": "12"})", "").value, 1);
  EXPECT_EQ(scorer.score(R"({"name": "A"})", "").value, 0);
  EXPECT_EQ(scorer.score(R"({"name": "Ada", "zip": 12})", "").value, 0) << "quoted scalars are texts";
}

TEST(read_scorers, NeedNoTargetWhenNothingIsCompared) {
  for (const char* scorer : {"is_json", "{type: judge, rubric: polite}",
                             "{type: json_schema, schema: {type: array}}", "code_quality"}) {
    const auto task = parse_task(
        std::string("id: a\ndataset: a.jsonl\nprompt: '{q}'\nscorer: ") + scorer + "\n", "t.yaml", "/srv");
    EXPECT_TRUE(task.has_value()) << scorer;
  }
  EXPECT_TRUE(
      parse_task("id: a\ndataset: a.jsonl\nprompt: '{q}'\nscorer: bleu\n", "t.yaml", "/srv").has_error());
}

TEST(read_scorers, GivesTheAggregationItsWeight) {
  const auto task =
      parsed("scorers: [bleu, {type: f1, average: macro}, {type: mcc, aggregation: mean}, numeric]\n");
  const auto weights = task.scorer_weights();
  EXPECT_TRUE(weights[0].own);
  EXPECT_TRUE(weights[1].own);
  EXPECT_FALSE(weights[2].own);
  EXPECT_FALSE(weights[3].own);
}

struct broken_scorer {
  const char* yaml;
  const char* where;
  const char* message;
};

class broken_scorers : public testing::TestWithParam<broken_scorer> {};

TEST_P(broken_scorers, AreRefusedWithFileLineAndKey) {
  const auto task = parse_task(head + "scorer:\n" + GetParam().yaml, "t.yaml", "/srv");
  ASSERT_TRUE(task.has_error()) << GetParam().yaml;
  EXPECT_EQ(task.error().where, std::string("t.yaml:") + GetParam().where);
  EXPECT_NE((task.error().message + task.error().hint).find(GetParam().message), std::string::npos)
      << to_string(task.error());
}

INSTANTIATE_TEST_SUITE_P(
    all, broken_scorers,
    testing::Values(
        broken_scorer{"  type: bleu\n  beta: 2\n", "7: scorer.beta", "no such option"},
        broken_scorer{"  type: bleu\n  max_order: 5\n", "7: scorer.max_order", "1 to 4"},
        broken_scorer{"  type: rouge\n  variant: rouge3\n", "7: scorer.variant", "rougeL"},
        broken_scorer{"  type: f1\n  average: makro\n", "7: scorer.average", "did you mean 'macro'?"},
        broken_scorer{"  type: f1\n  average: binary\n", "6: scorer.positive", "class that counts"},
        broken_scorer{"  type: f1\n  threshold: 2\n", "7: scorer.threshold", "0 to 1"},
        broken_scorer{"  type: numeric\n  aggregation: corpus\n", "7: scorer.aggregation",
                      "no aggregation corpus"},
        broken_scorer{"  type: judge\n", "6: scorer.rubric", "needs a rubric"},
        broken_scorer{"  type: judge\n  rubric: x\n  scale: '1-7'\n", "8: scorer.scale", "not known here"},
        broken_scorer{"  type: code\n  language: cobol\n", "7: scorer.language", "cobol"},
        broken_scorer{"  type: json_schema\n  schema: {type: strin}\n", "7: scorer.schema", "strin"},
        broken_scorer{"  type: exact_match\n  regexes_to_ignore: ['(?=a)']\n", "7: scorer.regexes_to_ignore",
                      "look-ahead"},
        broken_scorer{"  type: exact_match\n  filters: regex\n", "7: scorer.filters", "list"},
        broken_scorer{"  type: exact_match\n  filters: [regx]\n", "7: scorer.filters[0]",
                      "did you mean 'regex'?"},
        broken_scorer{"  type: exact_match\n  filters:\n    - take_first\n    - {function: regex, "
                      "regex_pattern: '(a)\\1'}\n",
                      "9: scorer.filters[1].regex_pattern", "back-reference"},
        broken_scorer{"  type: exact_match\n  filters:\n    - {function: lowercase, k: 2}\n",
                      "8: scorer.filters[0].k", "no such option"},
        broken_scorer{"  type: exact_match\n  filters: [take_first_k]\n", "7: scorer.filters[0]", "k"},
        broken_scorer{"  type: exact_match\n  filters:\n    - {regex_pattern: a}\n", "8: scorer.filters[0]",
                      "no function"}));

} // namespace
} // namespace assay::tasks
