#include "core/scoring/numbers.hpp"
#include "core/scoring/text.hpp"
#include "tests/scoring/scoring_support.hpp"

namespace assay::scoring {
namespace {

struct written_number {
  const char* text;
  double value;
};

class number_forms : public testing::TestWithParam<written_number> {};

TEST_P(number_forms, AreRead) {
  const auto number = last_number(fold_width(GetParam().text));
  ASSERT_TRUE(number) << GetParam().text;
  EXPECT_DOUBLE_EQ(number->value, GetParam().value) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    all, number_forms,
    testing::Values(
        written_number{"42", 42}, written_number{"The answer is 18.", 18}, written_number{"**18**", 18},
        written_number{"-3.5", -3.5}, written_number{"+7", 7}, written_number{".5", 0.5},
        written_number{"1,234,567", 1234567}, written_number{"$1,234.50", 1234.5}, written_number{"-$5", -5},
        written_number{"$-5", -5}, written_number{"\\$70{,}000", 70000}, written_number{"1\\,234", 1234},
        written_number{"12\xC2\xA0"
                       "345",
                       12345},
        written_number{"1\xE2\x80\xAF"
                       "234,5 or 7",
                       7},
        written_number{"1,00,000", 100000}, written_number{"1, 2, 3", 3}, written_number{"1,2", 2},
        written_number{"1.5e3", 1500}, written_number{"2E-4", 0.0002}, written_number{"2 eggs", 2},
        written_number{"1.5 × 10^3", 1500}, written_number{"6.02 \\times 10^{23}", 6.02e23},
        written_number{"3x10^-2", 0.03}, written_number{"1/2", 0.5}, written_number{"-3/4", -0.75},
        written_number{"1 1/2", 1.5}, written_number{"\\frac{3}{4}", 0.75},
        written_number{"-\\frac{1}{8}", -0.125}, written_number{"5/0 is 6", 6}, written_number{"１２３", 123},
        written_number{"答案是－５", -5}, written_number{"共３，０００元", 3000}, written_number{"−12", -12},
        written_number{"3–5", 5}, written_number{"10-4", 4}, written_number{"x2 = 9", 9},
        written_number{"use Qwen3", 3}, written_number{"18 (see x2)", 18}, written_number{"GPT-4", 4},
        written_number{"¥300", 300}, written_number{"￥300", 300}, written_number{"5kg", 5},
        written_number{"007", 7}, written_number{"12.", 12}, written_number{"(−3)", -3},
        written_number{"3 × 4 = 12", 12}, written_number{"on 3/4/2024", 2024}, written_number{"3/hour", 3}));

TEST(numbers, AreNotFoundWhereThereAreNone) {
  for (const char* text : {"", "none", "...", "-", "$", "1e", "\\frac{a}{b}", "5/0"})
    if (std::string_view(text) == "1e")
      EXPECT_DOUBLE_EQ(last_number(text)->value, 1);
    else
      EXPECT_FALSE(last_number(text)) << text;
}

TEST(numbers, TooLargeForADoubleAreNone) { EXPECT_FALSE(last_number(std::string(400, '9'))); }

TEST(numbers, KnowWhereTheyStand) {
  const std::string text = "it costs -$1,250.50 in all";
  const auto number = next_number(text, 0);
  ASSERT_TRUE(number);
  EXPECT_EQ(text.substr(number->begin, number->end - number->begin), "-$1,250.50");
}

TEST(numeric, TakesTheLastNumberOfTheAnswer) {
  const auto d = of_type(scorer_type::numeric);
  EXPECT_EQ(judged(d, "16 - 3 - 4 = 9 eggs, 9 * 2 = $18 a day.", "18"), 1);
  EXPECT_EQ(judged(d, "$18.00", "18"), 1);
  EXPECT_EQ(judged(d, "I am not sure", "18"), 0);
  EXPECT_EQ(judged(d, "所以答案是１８个。", "18"), 1);
  EXPECT_EQ(extracted(d, "It is $18.00.", "18"), "$18.00");
}

TEST(numeric, PrefersTheMarksOfFinalAnswers) {
  const auto d = of_type(scorer_type::numeric);
  EXPECT_EQ(judged(d, "So \\boxed{18} as shown in step 2.", "18"), 1);
  EXPECT_EQ(judged(d, "#### 18\nI checked it 2 times", "18"), 1);
  EXPECT_EQ(judged(d, "\\boxed{\\frac{1}{2}}", "0.5"), 1);
}

TEST(numeric, ReadsTheTargetWithItsPattern) {
  auto d = of_type(scorer_type::numeric);
  d.target_pattern = "#### (.+)";
  EXPECT_EQ(judged(d, "The profit is $70,000", "80,000*1.5=<<80000*1.5=120000>>120,000\n#### 70000"), 1);
}

TEST(numeric, TakesTheNumberThatThePatternNames) {
  auto d = of_type(scorer_type::numeric);
  d.pattern = "(?i)answer:";
  EXPECT_EQ(judged(d, "Answer: 5 (after 3 steps)", "5"), 1);
  EXPECT_EQ(judged(d, "it is 5", "5"), 1);
  d.strict = true;
  EXPECT_EQ(judged(d, "it is 5", "5"), 0);
  d.pattern = "<a>(.*?)</a>";
  EXPECT_EQ(judged(d, "<a>2 or 4</a> 9", "4"), 1);
}

TEST(numeric, AllowsTheTolerancesAndNoMore) {
  auto d = of_type(scorer_type::numeric);
  EXPECT_EQ(judged(d, "3.14", "3.14159"), 0);
  d.tolerance = 0.01;
  EXPECT_EQ(judged(d, "3.14", "3.14159"), 1);
  EXPECT_EQ(judged(d, "3.16", "3.14159"), 0);
  d.tolerance = 0;
  d.relative_tolerance = 0.05;
  EXPECT_EQ(judged(d, "96", "100"), 1);
  EXPECT_EQ(judged(d, "94", "100"), 0);
}

TEST(numeric, ComparesIntegersToTheLastDigit) {
  const auto d = of_type(scorer_type::numeric);
  EXPECT_EQ(judged(d, "9007199254740993", "9007199254740992"), 0);
  EXPECT_EQ(judged(d, "9,007,199,254,740,993", "9007199254740993"), 1);
  EXPECT_EQ(judged(d, "-0", "0"), 1);
  EXPECT_EQ(judged(d, "007", "7"), 1);
}

TEST(numeric, ReadsPercentAsTheTargetDoes) {
  const auto d = of_type(scorer_type::numeric);
  EXPECT_EQ(judged(d, "50%", "50"), 1);
  EXPECT_EQ(judged(d, "50 %", "0.5"), 1);
  EXPECT_EQ(judged(d, "0.5", "50%"), 1);
  EXPECT_EQ(judged(d, "50\\%", "50%"), 1);
  EXPECT_EQ(judged(d, "0.5%", "50%"), 0);
  EXPECT_EQ(judged(d, "５０％", "50%"), 1);
}

TEST(numeric, SaysWhenTheTargetHasNoNumber) {
  const auto outcome = (*make_scorer(of_type(scorer_type::numeric)))->score("5", "five");
  ASSERT_TRUE(outcome.problem);
  EXPECT_EQ(outcome.problem->code, errc::scorer_failed);
}

} // namespace
} // namespace assay::scoring
