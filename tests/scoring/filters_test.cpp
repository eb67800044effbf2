#include "core/scoring/epochs.hpp"
#include "core/scoring/pattern.hpp"
#include "core/scoring/simple_pattern.hpp"
#include "tests/scoring/scoring_support.hpp"

#include <random>

namespace assay::scoring {
namespace {

filter_definition of_filter(filter_type type) {
  filter_definition d;
  d.type = type;
  return d;
}

filter_pipeline pipeline(const std::vector<filter_definition>& steps) {
  auto made = filter_pipeline::compile(steps);
  if (made.has_error()) {
    ADD_FAILURE() << to_string(made.error());
    return {};
  }
  return std::move(*made);
}

TEST(filters, RegexTakesTheMatchThatIsSelected) {
  auto d = of_filter(filter_type::regex);
  EXPECT_EQ(pipeline({d}).apply("so\n#### 1,234"), "1,234") << "the pattern of GSM8K when none is given";
  EXPECT_EQ(pipeline({d}).apply("none"), "[invalid]");
  d.pattern = R"((-?[$0-9.,]{2,})|(-?[0-9]+))";
  d.group_select = -1;
  EXPECT_EQ(pipeline({d}).apply("10 apples and 7"), "7");
  d.group_select = 1;
  EXPECT_EQ(pipeline({d}).apply("10 apples and 7"), "7");
  d.group_select = 5;
  d.fallback = "?";
  EXPECT_EQ(pipeline({d}).apply("10 apples and 7"), "?");
}

TEST(simple_patterns, ReadOnlyWhatHasOneReading) {
  for (const char* text :
       {R"(#### (\-?[0-9\.\,]+))", "answer is ([A-D])", ",", R"(\$)", R"(<b>([a-z ]*)</b>)", "a(b*)c?"})
    EXPECT_TRUE(simple_pattern::read(text)) << text;
  for (const char* text :
       {"",         "(a)",   "[ab]c",  "a|b",     "^a",    "a$",   "a.",           "a(b",
        "a)b",      "a(b)+", "a(?:b)", "a(b)(c)", "ab{2}", "ab+?", "ab+b",         "ab?b",
        "a[0-9]*5", "a[^b]", "aa*",    R"(a\b)",  "a[b-",  "aé",   "a[[:alpha:]]", "a(b(c))"})
    EXPECT_FALSE(simple_pattern::read(text)) << text;
}

TEST(simple_patterns, FindWhatRe2Finds) {
  const std::vector<std::string> patterns{R"(#### (\-?[0-9\.\,]+))", "a(b*)c?", "ab+",
                                          R"(a\d?(-+)\w)",           "aa(b)",   "a b?([cd]+)-?"};
  std::mt19937 random(11);
  for (const std::string& text : patterns) {
    ASSERT_TRUE(simple_pattern::read(text)) << text;
    const auto fast = pattern::compile(text, "pattern").value();
    // The same pattern in a form that only RE2 reads.
    const auto slow = pattern::compile("(?:" + text + ")", "pattern").value();
    for (int round = 0; round < 2'000; ++round) {
      std::string answer;
      for (size_t i = random() % 16; i > 0; --i)
        answer += "aaab#c-d1, 9.\xC3"[random() % 15];
      if (round % 3 == 0)
        answer += "#### -1,2";
      EXPECT_EQ(fast.find_all(answer), slow.find_all(answer)) << text << " in " << answer;
      EXPECT_EQ(fast.without_matches(answer), slow.without_matches(answer)) << text << " in " << answer;
    }
  }
}

TEST(filters, MultiChoiceRegexFallsBackToChoicesAndLetters) {
  auto d = of_filter(filter_type::multi_choice_regex);
  d.pattern = R"((\([A-Z]\)))";
  d.ignore_case = true;
  const std::vector<std::string> choices{"Paris", "New York", "Oslo"};
  EXPECT_EQ(pipeline({d}).apply("I say (B).", choices), "(B)");
  EXPECT_EQ(pipeline({d}).apply("It must be new york", choices), "(B)");
  EXPECT_EQ(pipeline({d}).apply("The answer: C", choices), "(C)");
  EXPECT_EQ(pipeline({d}).apply("The answer: D", choices), "[invalid]");
}

TEST(filters, ChangeTexts) {
  EXPECT_EQ(pipeline({of_filter(filter_type::remove_whitespace)}).apply(" \n a "), "a ");
  EXPECT_EQ(pipeline({of_filter(filter_type::lowercase)}).apply("ÄB"), "äb");
  EXPECT_EQ(pipeline({of_filter(filter_type::uppercase)}).apply("äé жb"), "ÄÉ ЖB");
  auto map = of_filter(filter_type::map);
  map.mapping = {{"y", "yes"}, {"n", "no"}};
  EXPECT_EQ(pipeline({map}).apply("y"), "yes");
  EXPECT_EQ(pipeline({map}).apply("x"), "x");
  map.default_value = "unknown";
  EXPECT_EQ(pipeline({map}).apply("x"), "unknown");
  EXPECT_EQ(pipeline({of_filter(filter_type::regex_pos)}).apply("[('the', 'DET'), ('cat', 'NOUN')]"),
            "['DET', 'NOUN']");
  EXPECT_EQ(pipeline({of_filter(filter_type::regex_pos)}).apply("none"), "['invalid']");
  EXPECT_EQ(pipeline({of_filter(filter_type::format_span)}).apply("Person: Ada, Alan\nlocation: none"),
            "per: ada $ per: alan");
}

TEST(filters, WorkOverRepeats) {
  auto k = of_filter(filter_type::take_first_k);
  k.k = 3;
  auto regex = of_filter(filter_type::regex);
  regex.pattern = R"((\d+))";
  const std::vector<std::string> answers{"is 3", "is 4", "4!", "5", "5", "5"};
  using list = std::vector<std::string>;
  EXPECT_EQ(pipeline({k, regex}).apply_all(answers), (list{"3", "4", "4"}));
  EXPECT_EQ(pipeline({k, regex, of_filter(filter_type::majority_vote)}).apply_all(answers), list{"4"});
  EXPECT_EQ(pipeline({of_filter(filter_type::take_first)}).apply_all(answers), list{"is 3"});
  EXPECT_EQ(pipeline({of_filter(filter_type::majority_vote)}).apply_all({"b", "a"}), list{"b"});
  EXPECT_EQ(pipeline({of_filter(filter_type::majority_vote)}).apply_all({}), list{});
}

TEST(filters, NameWhatRe2CannotDo) {
  auto d = of_filter(filter_type::regex);
  for (const auto& [text, named] :
       std::vector<std::pair<std::string, std::string>>{{"a(?=b)", "look-ahead (?="},
                                                        {"(?<!a)b", "look-behind (?<!"},
                                                        {R"((a)\1)", "back-reference \\1"},
                                                        {"(?P<x>a)(?P=x)", "back-reference (?P="}}) {
    d.pattern = text;
    const auto made = filter_pipeline::compile(std::vector{d});
    ASSERT_TRUE(made.has_error());
    EXPECT_NE(made.error().message.find(named), std::string::npos) << made.error().message;
    EXPECT_EQ(made.error().where, "filters[0].regex_pattern");
    d.in_python = true;
    EXPECT_TRUE(filter_pipeline::compile(std::vector{d}).value().needs_python());
    d.in_python = false;
  }
  EXPECT_EQ(beyond_re2(R"([(?=]\\1(?:a)(?i:b)(?P<n>c))"), "");
}

TEST(filters, StandInFrontOfAScorer) {
  auto d = of_type(scorer_type::exact_match);
  d.filters = {of_filter(filter_type::regex)};
  EXPECT_EQ(judged(d, "long talk\n#### 42", "42"), 1);
  EXPECT_EQ(need_of(d), scorer_need::nothing);
  d.filters.push_back(of_filter(filter_type::custom));
  EXPECT_EQ(need_of(d), scorer_need::python);
  EXPECT_TRUE(make_scorer(d).value()->score("#### 42", "42").problem);
}

TEST(filters, SurviveRandomBytes) {
  std::vector<filter_definition> steps;
  for (uint8_t type = 1; type < filter_type_count; ++type)
    steps.push_back(of_filter(static_cast<filter_type>(type)));
  steps[0].group_select = -1;
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    std::string answer(random() % 200, '\0');
    for (char& c : answer)
      c = static_cast<char>(random());
    for (const filter_definition& one : steps)
      pipeline({one}).apply_all({answer, answer + "x"}, std::vector<std::string>{answer.substr(0, 3), ""});
  }
}

TEST(epochs, ReduceScoresOfRepeats) {
  const std::vector<double> values{1, 0, 0, 1, 0};
  const auto reduced = [&](std::string_view name) {
    const auto how = epochs_reduction_from_string(name);
    return how ? reduce_epochs(*how, values) : std::nullopt;
  };
  EXPECT_DOUBLE_EQ(*reduced("mean"), 0.4);
  EXPECT_DOUBLE_EQ(*reduced("median"), 0);
  EXPECT_DOUBLE_EQ(*reduced("majority"), 0);
  EXPECT_DOUBLE_EQ(*reduced("max"), 1);
  EXPECT_DOUBLE_EQ(*reduced("at_least_2"), 1);
  EXPECT_DOUBLE_EQ(*reduced("at_least_3"), 0);
  EXPECT_NEAR(*reduced("pass_at_2"), 1 - 3.0 / 10, 1e-12);
  EXPECT_NEAR(*reduced("pass_hat_2"), 1.0 / 10, 1e-12);
  EXPECT_FALSE(reduced("pass_at_6")) << "of five repeats nobody draws six";
  for (const char* name : {"pass_at_0", "pass_at_", "at_least_x", "best", "pass_at_99999"})
    EXPECT_FALSE(epochs_reduction_from_string(name)) << name;
  EXPECT_EQ(to_string(*epochs_reduction_from_string("pass_hat_3")), "pass_hat_3");
  EXPECT_FALSE(reduce_epochs({}, {}));
}

} // namespace
} // namespace assay::scoring
