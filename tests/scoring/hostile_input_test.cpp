#include "tests/scoring/scoring_support.hpp"

#include <random>

namespace assay::scoring {
namespace {

std::vector<std::unique_ptr<scorer>> one_of_each() {
  std::vector<std::unique_ptr<scorer>> scorers;
  for (uint8_t type = 1; type <= scorer_type_count; ++type) {
    auto d = of_type(static_cast<scorer_type>(type));
    d.rubric = "It is right.";
    d.function = "metrics.score";
    scorers.push_back(make_scorer([&] {
                        auto copy = d;
                        copy.pattern = copy.type == scorer_type::regex ? "(?i)answer[: ]+(.*)" : "";
                        return copy;
                      }())
                          .value());
    d.ignore_case = d.ignore_punctuation = d.ignore_numbers = d.ignore_order = d.whole_words = d.subset =
        true;
    d.separator = "|";
    d.pattern = "(\\w+)[^0-9]*?(\\d*)";
    d.choices = {"yes", "no", "maybe"};
    d.tolerance = 0.5;
    d.labels = {"yes", "no", "B"};
    d.word_order = 2;
    d.regexes_to_ignore = {"\\s+"};
    filter_definition filter;
    filter.type = filter_type::lowercase;
    d.filters = {filter};
    scorers.push_back(make_scorer(d).value());
  }
  return scorers;
}

void judge_all(const std::vector<std::unique_ptr<scorer>>& scorers, std::string_view answer,
               std::string_view target) {
  for (const auto& scorer : scorers) {
    const score_outcome outcome = scorer->score(answer, target);
    ASSERT_GE(outcome.value, 0);
    ASSERT_LE(outcome.value, 1);
    ASSERT_LE(outcome.extracted.size(), 256U);
  }
}

TEST(scorers, SurviveRandomBytes) {
  const auto scorers = one_of_each();
  std::mt19937 random(20240101);
  for (int round = 0; round < 1'500; ++round) {
    std::string answer(random() % 120, '\0');
    std::string target(random() % 20, '\0');
    for (char& c : answer)
      c = static_cast<char>(random());
    for (char& c : target)
      c = static_cast<char>(random());
    judge_all(scorers, answer, target);
  }
}

TEST(scorers, SurviveRandomPiecesOfWhatTheyLookFor) {
  const auto scorers = one_of_each();
  const std::vector<std::string_view> pieces{
      "1",       "23",   ",",    ".",    "/",      "-",        "−",    "e",        "10^", "×",
      "\\frac{", "}{",   "}",    "%",    "$",      " ",        "\n",   "{",        "[",   "]",
      "\"",      ":",    "```",  "json", "answer", "Answer: ", " is ", "(",        ")",   "B",
      "A",       "**",   "答案", "是",   "选",     "\\boxed{", "####", "</think>", "|",   "\xC2\xA0",
      "\xE2",    "\x80", "null", "\\",   "９",     "。"};
  std::mt19937 random(42);
  for (int round = 0; round < 4'000; ++round) {
    std::string answer;
    std::string target;
    for (size_t i = random() % 24; i > 0; --i)
      answer += pieces[random() % pieces.size()];
    for (size_t i = random() % 6; i > 0; --i)
      target += pieces[random() % pieces.size()];
    judge_all(scorers, answer, target);
  }
}

TEST(scorers, EndOnLongAnswersMadeToBeSlow) {
  const auto scorers = one_of_each();
  for (const std::string_view unit : {"a", "1", "{", "[{\"", "```", "(A) ", "1/", "1 ", ",111", "\\frac{1",
                                      "\\boxed{", "answer is ", "A\n", "####"}) {
    std::string answer;
    while (answer.size() < 12'000)
      answer += unit;
    judge_all(scorers, answer, "B");
    judge_all(scorers, answer, answer);
  }
}

TEST(scorers, SimulatedAnswersSurviveRandomTargets) {
  const auto scorers = one_of_each();
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    std::string target(random() % 16, '\0');
    for (char& c : target)
      c = static_cast<char>(random());
    for (const auto& scorer : scorers) {
      scorer->right_answer(target);
      scorer->wrong_answer(target, target, random());
    }
  }
}

TEST(patterns, SurviveRandomTexts) {
  const std::string_view letters = "ab01()[]{}|*+?.^$\\dwsb-,:P<>i";
  std::mt19937 random(99);
  for (int round = 0; round < 3'000; ++round) {
    auto d = of_type(scorer_type::regex);
    for (size_t i = 1 + random() % 14; i > 0; --i)
      d.pattern.push_back(letters[random() % letters.size()]);
    const auto made = make_scorer(d);
    if (made.has_value())
      (*made)->right_answer("ab");
    else
      EXPECT_EQ(made.error().code, errc::invalid_argument);
  }
}

} // namespace
} // namespace assay::scoring
