#include "tests/scoring/scoring_support.hpp"

namespace assay::scoring {
namespace {

struct simulated_case {
  const char* name;
  scorer_definition definition;
  std::string target;
  std::string other;
};

scorer_definition with(scorer_type type, void (*change)(scorer_definition&)) {
  scorer_definition d = of_type(type);
  change(d);
  return d;
}

std::vector<simulated_case> cases() {
  using d = scorer_definition;
  const auto regex = scorer_type::regex;
  return {
      {"exact", of_type(scorer_type::exact_match), "Paris", "Oslo"},
      {"exact_list", with(scorer_type::exact_match, [](d& x) { x.separator = "|"; }), "Paris|Paname",
       "Oslo|Paris"},
      {"exact_json", with(scorer_type::exact_match, [](d& x) { x.separator = "json"; }), R"(["a","b"])",
       R"(["b"])"},
      {"exact_fixed", with(scorer_type::exact_match, [](d& x) { x.targets = {"yes"}; }), "", ""},
      {"exact_same", of_type(scorer_type::exact_match), "Paris", "Paris"},
      {"contains", of_type(scorer_type::contains), "Paris", "Oslo"},
      {"contains_all",
       with(scorer_type::contains,
            [](d& x) {
              x.all = true;
              x.separator = ",";
              x.whole_words = true;
            }),
       "red,blue", "red,green"},
      {"contains_inside", of_type(scorer_type::contains), "no", "notes"},
      {"numeric", of_type(scorer_type::numeric), "18", "20"},
      {"numeric_text", of_type(scorer_type::numeric), "9 * 2 = 18\n#### 18", "3 + 4 = 7\n#### 7"},
      {"numeric_target", with(scorer_type::numeric, [](d& x) { x.target_pattern = "#### (.+)"; }),
       "a 5\n#### 1,800", "#### 1800"},
      {"numeric_strict",
       with(scorer_type::numeric,
            [](d& x) {
              x.pattern = "Answer: ";
              x.strict = true;
            }),
       "-2.5", "7"},
      {"numeric_group",
       with(scorer_type::numeric,
            [](d& x) {
              x.pattern = "<a>(.+?)</a>";
              x.strict = true;
            }),
       "1/2", "1/3"},
      {"numeric_wide", with(scorer_type::numeric, [](d& x) { x.tolerance = 50; }), "10", "20"},
      {"choice", of_type(scorer_type::multiple_choice), "B", "D"},
      {"choice_same", with(scorer_type::multiple_choice, [](d& x) { x.letters = 2; }), "A", "A"},
      {"choice_text", of_type(scorer_type::multiple_choice), "B. Paris", "A. Oslo"},
      {"choice_only_text", of_type(scorer_type::multiple_choice), "Paris", "Oslo"},
      {"choice_list",
       with(scorer_type::multiple_choice,
            [](d& x) {
              x.choices = {"yes", "no"};
            }),
       "no", "yes"},
      {"choice_index", with(scorer_type::multiple_choice, [](d& x) { x.index_base = 0; }), "3", "3"},
      {"json", of_type(scorer_type::json_equal), R"({"a": [1, {"b": null}]})", R"({"a": []})"},
      {"json_same", of_type(scorer_type::json_equal), "[1]", "[1]"},
      {"json_empty", of_type(scorer_type::json_equal), "{}", "[]"},
      {"json_subset", with(scorer_type::json_equal, [](d& x) { x.subset = true; }), R"({"a": 1})",
       R"({"a": 1, "b": 2})"},
      {"regex_group", with(regex, [](d& x) { x.pattern = R"((?i)answer:\s*(.+))"; }), "Oslo", "Rome"},
      {"regex_date", with(regex, [](d& x) { x.pattern = R"((\d{4}-\d{2}-\d{2}))"; }), "2024-03-14",
       "2024-03-15"},
      {"regex_plain", with(regex, [](d& x) { x.pattern = R"(^[A-Z]{2,3}-\d+\b)"; }), "", ""},
      {"regex_alternatives", with(regex, [](d& x) { x.pattern = "(?:yes|no), (?P<who>[a-z]+)[.!]?$"; }),
       "anna", "ben"},
      {"regex_class", with(regex, [](d& x) { x.pattern = R"(<([^>]*)>x*?[^x1]+)"; }), "ok", "ko"},
      {"regex_whole",
       with(regex,
            [](d& x) {
              x.pattern = "[a-z]+";
              x.group = 0;
            }),
       "word", "other"},
      {"f1", of_type(scorer_type::f1), "Denver Broncos", "Seattle Seahawks"},
      {"f1_of_classes",
       with(scorer_type::f1,
            [](d& x) {
              x.average = f1_average::macro;
              x.labels = {"yes", "no"};
            }),
       "yes", "yes"},
      {"accuracy", of_type(scorer_type::accuracy), "spam", "ham"},
      {"mcc", of_type(scorer_type::mcc), "spam", "spam"},
      {"bleu", of_type(scorer_type::bleu), "the cat sat on the mat", "a dog barks"},
      {"chrf", of_type(scorer_type::chrf), "the cat sat on the mat", "a dog barks"},
      {"ter", of_type(scorer_type::ter), "the cat sat on the mat", "a dog barks"},
      {"rouge", of_type(scorer_type::rouge), "the cat sat on the mat", "a dog barks"},
      {"levenshtein", of_type(scorer_type::levenshtein), "kitten", "sitting"},
      {"starts_with", of_type(scorer_type::starts_with), "Yes", "No"},
      {"is_json", of_type(scorer_type::is_json), "", ""},
      {"contains_json", of_type(scorer_type::contains_json), "", ""},
      {"json_schema",
       with(scorer_type::json_schema,
            [](d& x) {
              x.schema =
                  R"({"type":"object","required":["n"],"properties":{"n":{"type":"integer","minimum":3}}})";
            }),
       "", ""},
      {"json_schema_of_sample", of_type(scorer_type::json_schema), R"({"type":"array","minItems":2})",
       "true"},
      {"filtered",
       with(scorer_type::exact_match,
            [](d& x) {
              filter_definition map;
              map.type = filter_type::lowercase;
              x.filters = {map};
            }),
       "word", "other"},
      {"regex_chinese", with(regex, [](d& x) { x.pattern = "答案[是为]：(.+)"; }), "长江", "黄河"},
  };
}

TEST(right_answer, IsJudgedRightByEveryScorer) {
  for (const simulated_case& c : cases()) {
    const std::string answer = right_answer(c.definition, c.target);
    EXPECT_EQ(judged(c.definition, answer, c.target), 1) << c.name << ": " << answer;
  }
}

TEST(wrong_answer, IsNotJudgedRightByAnyScorer) {
  for (const simulated_case& c : cases())
    for (uint64_t seed = 0; seed < 8; ++seed) {
      const std::string answer = wrong_answer(c.definition, c.target, c.other, seed);
      EXPECT_LT(judged(c.definition, answer, c.target), 1) << c.name << ": " << answer;
    }
}

TEST(wrong_answer, DependsOnTheSeedAlone) {
  const auto d = of_type(scorer_type::multiple_choice);
  EXPECT_EQ(wrong_answer(d, "B", "C", 3), wrong_answer(d, "B", "C", 3));
  EXPECT_NE(wrong_answer(d, "B", "C", 0), wrong_answer(d, "B", "C", 3));
  EXPECT_EQ(wrong_answer(d, "B", "C", 0), "The answer is (C).");
}

} // namespace
} // namespace assay::scoring
