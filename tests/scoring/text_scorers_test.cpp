#include "tests/scoring/scoring_support.hpp"

namespace assay::scoring {
namespace {

TEST(exact_match, IgnoresOnlyWhiteSpaceAtTheEndsByDefault) {
  const auto d = of_type(scorer_type::exact_match);
  EXPECT_EQ(judged(d, " Paris\n", "Paris"), 1);
  EXPECT_EQ(judged(d, "paris", "Paris"), 0);
  EXPECT_EQ(judged(d, "Paris.", "Paris"), 0);
  auto strict = d;
  strict.strip = false;
  EXPECT_EQ(judged(strict, " Paris", "Paris"), 0);
}

TEST(exact_match, IgnoresWhatItIsToldTo) {
  auto d = of_type(scorer_type::exact_match);
  d.ignore_case = true;
  d.ignore_punctuation = true;
  EXPECT_EQ(judged(d, "**Positive.**", "positive"), 1);
  EXPECT_EQ(judged(d, "ÉCOLE！", "école"), 1);
  EXPECT_EQ(judged(d, "not positive", "positive"), 0);
  d.ignore_numbers = true;
  EXPECT_EQ(judged(d, "1. positive", "positive"), 1);
}

TEST(exact_match, AcceptsAnyOfSeveralTargets) {
  auto d = of_type(scorer_type::exact_match);
  d.targets = {"unknown"};
  d.separator = "|";
  EXPECT_EQ(judged(d, "NYC", "New York | NYC"), 1);
  EXPECT_EQ(judged(d, "unknown", "New York|NYC"), 1);
  EXPECT_EQ(judged(d, "New York|NYC", "New York|NYC"), 0);
}

TEST(exact_match, ReadsAListOfTargetsFromJson) {
  auto d = of_type(scorer_type::exact_match);
  d.separator = "json";
  EXPECT_EQ(judged(d, "b", R"(["a", "b"])"), 1);
  const auto made = make_scorer(d);
  const auto outcome = (*made)->score("a", "a");
  ASSERT_TRUE(outcome.problem);
  EXPECT_EQ(outcome.problem->code, errc::scorer_failed);
  EXPECT_EQ(outcome.value, 0);
}

TEST(exact_match, FindsTheTargetInALongerReference) {
  auto d = of_type(scorer_type::exact_match);
  d.target_pattern = "#### (.+)";
  EXPECT_EQ(judged(d, "18", "9 * 2 = 18\n#### 18"), 1);
  const auto outcome = (*make_scorer(d))->score("18", "no mark");
  ASSERT_TRUE(outcome.problem);
  EXPECT_EQ(outcome.problem->where, "target");
}

TEST(contains, FindsAnyOrAllTargets) {
  auto d = of_type(scorer_type::contains);
  d.ignore_case = true;
  EXPECT_EQ(judged(d, "It is the city of PARIS, I believe.", "Paris"), 1);
  EXPECT_EQ(judged(d, "It is Lyon.", "Paris"), 0);
  EXPECT_EQ(judged(d, "答案是长江。", "长江"), 1);
  d.separator = ",";
  EXPECT_EQ(judged(d, "red", "red, blue"), 1);
  d.all = true;
  EXPECT_EQ(judged(d, "red", "red, blue"), 0);
  EXPECT_EQ(judged(d, "blue and red", "red, blue"), 1);
}

TEST(contains, NeverFindsAnEmptyTarget) {
  auto d = of_type(scorer_type::contains);
  EXPECT_EQ(judged(d, "anything", ""), 0);
  d.separator = "|";
  EXPECT_EQ(judged(d, "anything", "x|"), 0);
}

TEST(contains, CanAskForWholeWords) {
  auto d = of_type(scorer_type::contains);
  EXPECT_EQ(judged(d, "another", "not"), 1);
  d.whole_words = true;
  EXPECT_EQ(judged(d, "another", "not"), 0);
  EXPECT_EQ(judged(d, "knot, not a bow", "not"), 1);
  EXPECT_EQ(judged(d, "éno", "no"), 0);
  EXPECT_EQ(judged(d, "答no案", "no"), 1);
}

TEST(regex, MatchesWithoutAGroupWhateverTheTarget) {
  auto d = of_type(scorer_type::regex);
  d.pattern = R"(\b\d{3}-\d{4}\b)";
  EXPECT_EQ(judged(d, "call 555-0199 now", "anything"), 1);
  EXPECT_EQ(judged(d, "call 5555-01999", "anything"), 0);
}

TEST(regex, ComparesWhatTheGroupOfTheLastMatchHolds) {
  auto d = of_type(scorer_type::regex);
  d.pattern = R"((\d{4}-\d{2}-\d{2}))";
  EXPECT_EQ(judged(d, "From 2024-01-01 ten days lead to 2024-01-11.", "2024-01-11"), 1);
  EXPECT_EQ(extracted(d, "From 2024-01-01 to 2024-01-11.", "x"), "2024-01-11");
  d.match = match_choice::first;
  EXPECT_EQ(judged(d, "From 2024-01-01 to 2024-01-11.", "2024-01-11"), 0);
}

TEST(regex, ComparesTheWholeMatchAsGroupZero) {
  auto d = of_type(scorer_type::regex);
  d.pattern = "[A-Z]{3}";
  d.group = 0;
  EXPECT_EQ(judged(d, "code ABC.", "ABC"), 1);
  EXPECT_EQ(judged(d, "code ABC.", "ABD"), 0);
}

TEST(regex, SeesAGroupThatTookNoPartAsNoAnswer) {
  auto d = of_type(scorer_type::regex);
  d.pattern = "x(y)?";
  EXPECT_EQ(judged(d, "x", "y"), 0);
  EXPECT_EQ(judged(d, "xy", "y"), 1);
}

TEST(regex, FindsTheLastOfVeryManyMatches) {
  auto d = of_type(scorer_type::regex);
  d.pattern = R"((\d+))";
  std::string answer;
  for (int i = 0; i < 50'000; ++i)
    answer += std::to_string(i) + " ";
  EXPECT_EQ(judged(d, answer, "49999"), 1);
}

TEST(make_scorer, NamesTheOptionThatIsWrong) {
  auto d = of_type(scorer_type::regex);
  EXPECT_EQ(make_scorer(d).error().where, "pattern");
  d.pattern = "(a";
  EXPECT_EQ(make_scorer(d).error().where, "pattern");
  d.pattern = "(?=a)";
  EXPECT_NE(to_string(make_scorer(d).error()).find("look-ahead"), std::string::npos)
      << to_string(make_scorer(d).error());
  d.pattern = std::string(5000, 'a');
  EXPECT_EQ(make_scorer(d).error().code, errc::invalid_argument);
  d.pattern = "(a)";
  d.group = 2;
  EXPECT_EQ(make_scorer(d).error().where, "group");
  d.group = 1;
  d.target_pattern = "[";
  EXPECT_EQ(make_scorer(d).error().where, "target_pattern");
  auto n = of_type(scorer_type::numeric);
  n.tolerance = -1;
  EXPECT_EQ(make_scorer(n).error().where, "tolerance");
  n.tolerance = 0;
  n.strict = true;
  EXPECT_EQ(make_scorer(n).error().where, "strict");
  auto c = of_type(scorer_type::multiple_choice);
  c.choices = {"only"};
  EXPECT_EQ(make_scorer(c).error().where, "choices");
}

TEST(scorer, DoesNotJudgeReasoningInFrontOfTheAnswer) {
  const auto d = of_type(scorer_type::exact_match);
  EXPECT_EQ(judged(d, "<think>Lyon? No.</think>\n\nParis", "Paris"), 1);
  EXPECT_EQ(judged(of_type(scorer_type::contains), "<think>Paris?</think> Lyon", "Paris"), 0);
}

TEST(scorer, KeepsAtMost256BytesOfValidTextOfTheAnswer) {
  const auto d = of_type(scorer_type::exact_match);
  EXPECT_LE(extracted(d, std::string(1000, 'a'), "x").size(), 256U);
  std::string wide;
  for (int i = 0; i < 200; ++i)
    wide += "北";
  EXPECT_EQ(extracted(d, wide, "x").size(), 255U);
  EXPECT_EQ(extracted(d, "a\xFF", "x"), "a\xEF\xBF\xBD");
}

} // namespace
} // namespace assay::scoring
