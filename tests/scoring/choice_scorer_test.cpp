#include "tests/scoring/scoring_support.hpp"

namespace assay::scoring {
namespace {

struct stated {
  const char* answer;
  const char* letter;
};

class choice_forms : public testing::TestWithParam<stated> {};

TEST_P(choice_forms, AreUnderstood) {
  auto d = of_type(scorer_type::multiple_choice);
  EXPECT_EQ(extracted(d, GetParam().answer, "B"), GetParam().letter) << GetParam().answer;
  EXPECT_EQ(judged(d, GetParam().answer, GetParam().letter), 1) << GetParam().answer;
}

INSTANTIATE_TEST_SUITE_P(
    all, choice_forms,
    testing::Values(stated{"B", "B"}, stated{"b", "B"}, stated{" (B) ", "B"}, stated{"B.", "B"},
                    stated{"**B**", "B"}, stated{"B) Paris", "B"}, stated{"(b) Paris", "B"},
                    stated{"B: Paris", "B"}, stated{"The answer is B", "B"},
                    stated{"The answer is (B).", "B"}, stated{"the correct answer is **B**.", "B"},
                    stated{"Answer: B", "B"}, stated{"ANSWER: b", "B"}, stated{"Answer: **C. Paris**", "C"},
                    stated{"The answer is A. No wait, the answer is B.", "B"},
                    stated{"A and C are wrong. The answer is D because A is not.", "D"},
                    stated{"The answer is B. Option A is wrong because it is.", "B"},
                    stated{"The answer is option C", "C"}, stated{"The correct choice is D", "D"},
                    stated{"$\\boxed{C}$", "C"}, stated{"\\boxed{\\text{C}}", "C"}, stated{"答案是B", "B"},
                    stated{"答案：C", "C"}, stated{"正确答案为（Ｄ）。", "D"}, stated{"所以选A。", "A"},
                    stated{"故选 B", "B"}, stated{"我认为选项C是对的", "C"},
                    stated{"A dog is not it; it must be (C)", "C"}, stated{"I think it is D", "D"},
                    stated{"I would go with B here", "B"},
                    stated{"A) is a fruit\nB) is a stone\nSo it is B", "B"}, stated{"Reasoning...\n\nD", "D"},
                    stated{"<think>A?</think>B", "B"}, stated{"J", "J"}, stated{"Option B", "B"}));

TEST(multiple_choice, FindsNoLetterWhereNoneIsStated) {
  const auto d = of_type(scorer_type::multiple_choice);
  for (const char* answer :
       {"", "I do not know.", "A dog", "e.g. this one", "Because", "it's a tie", "The answer is a dog"})
    EXPECT_EQ(judged(d, answer, "B"), 0) << answer;
  EXPECT_EQ(extracted(d, "I do not know.", "I"), "");
  EXPECT_EQ(extracted(d, "The answer is a dog", "A"), "");
}

TEST(multiple_choice, IgnoresLettersTheTaskDoesNotHave) {
  auto d = of_type(scorer_type::multiple_choice);
  d.letters = 4;
  EXPECT_EQ(extracted(d, "Vitamin E", "D"), "");
  EXPECT_EQ(judged(d, "E", "D"), 0);
}

TEST(multiple_choice, MatchesTheTextOfTheChoices) {
  auto d = of_type(scorer_type::multiple_choice);
  d.choices = {"entailment", "neutral", "contradiction", "not entailment"};
  EXPECT_EQ(judged(d, "Entailment.", "A"), 1);
  EXPECT_EQ(judged(d, "Entailment.", "entailment"), 1);
  EXPECT_EQ(judged(d, "I would say it is a contradiction", "contradiction"), 1);
  EXPECT_EQ(judged(d, "This is not entailment", "D"), 1);
  EXPECT_EQ(judged(d, "This is not entailment", "A"), 0);
  EXPECT_EQ(judged(d, "B", "neutral"), 1);
}

TEST(multiple_choice, MatchesTheTextThatStandsInTheTarget) {
  const auto d = of_type(scorer_type::multiple_choice);
  EXPECT_EQ(judged(d, "B", "B. Paris"), 1);
  EXPECT_EQ(judged(d, "It is Paris.", "(B) Paris"), 1);
  EXPECT_EQ(judged(d, "It is Lyon.", "B. Paris"), 0);
  EXPECT_EQ(judged(d, "It is Paris.", "Paris"), 1);
}

TEST(multiple_choice, ReadsATargetThatIsANumber) {
  auto d = of_type(scorer_type::multiple_choice);
  d.index_base = 0;
  EXPECT_EQ(judged(d, "B", "1"), 1);
  d.index_base = 1;
  EXPECT_EQ(judged(d, "A", "1"), 1);
}

} // namespace
} // namespace assay::scoring
