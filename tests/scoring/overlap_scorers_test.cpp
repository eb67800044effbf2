#include "core/scoring/run_aggregate.hpp"
#include "core/scoring/words.hpp"
#include "tests/scoring/scoring_support.hpp"

#include <cmath>

// oracle_test.py compares many random texts with plain Python; here are the rules, one by one.
namespace assay::scoring {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  const std::string tokenised = tokenise_13a(text);
  for (const std::string_view word : split_words(tokenised))
    out.emplace_back(word);
  return out;
}

TEST(tokenise_13a, SetsMarksApartButNotInsideNumbers) {
  using list = std::vector<std::string>;
  EXPECT_EQ(words_of("Hello, world."), (list{"Hello", ",", "world", "."}));
  EXPECT_EQ(words_of("It costs 1,000.50 (about)"), (list{"It", "costs", "1,000.50", "(", "about", ")"}));
  EXPECT_EQ(words_of("1990-2000 well-known"), (list{"1990", "-", "2000", "well-known"}));
  EXPECT_EQ(words_of("don't &quot;go&quot;\nnow"), (list{"don't", "\"", "go", "\"", "now"}));
  EXPECT_EQ(words_of(""), list{});
}

TEST(f1, ComparesWordsAsSquadDoes) {
  const auto d = of_type(scorer_type::f1);
  EXPECT_EQ(judged(d, "The Denver Broncos!", "denver broncos"), 1);
  EXPECT_DOUBLE_EQ(judged(d, "Paris, France", "Paris"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(judged(d, "the the cat cat", "a cat"), 2.0 / 3);
  EXPECT_EQ(judged(d, "London", "Paris"), 0);
  EXPECT_EQ(judged(d, "the", "an"), 1) << "both are empty when articles are taken out";
  EXPECT_EQ(judged(d, "", "Paris"), 0);
}

TEST(f1, TakesTheBestOfSeveralTargetsAndAThreshold) {
  auto d = of_type(scorer_type::f1);
  d.separator = "|";
  EXPECT_EQ(judged(d, "New York", "Paris|New York"), 1);
  d.threshold = 0.6;
  EXPECT_EQ(judged(d, "Paris, France", "Paris"), 1);
  d.threshold = 0.7;
  EXPECT_EQ(judged(d, "Paris, France", "Paris"), 0);
}

TEST(bleu, GivesOneForTheSameTextAndHalvesWhereNothingMatches) {
  const auto d = of_type(scorer_type::bleu);
  EXPECT_DOUBLE_EQ(judged(d, "the cat sat on the mat", "the cat sat on the mat"), 1);
  EXPECT_DOUBLE_EQ(judged(d, "Yes", "Yes"), 1) << "lengths that a short answer does not have do not count";
  EXPECT_EQ(judged(d, "quite different", "the cat sat"), 0);
  EXPECT_EQ(judged(d, "", "the cat"), 0);
  // 1/2, then 0/1 counts 1/2: sqrt(1/4).
  EXPECT_DOUBLE_EQ(judged(d, "the dog", "the cat"), 0.5);
}

TEST(bleu, PunishesShortAnswers) {
  EXPECT_NEAR(judged(of_type(scorer_type::bleu), "the cat sat on", "the cat sat on the mat"),
              std::exp(1 - 6.0 / 4), 1e-12);
}

TEST(bleu, WritesTheCountsThatACorpusNeeds) {
  EXPECT_EQ(extracted(of_type(scorer_type::bleu), "the cat sat", "the cat"), "3 2 2 1 0 0 3 2 1 0");
}

TEST(chrf, ComparesCharactersWithoutWhiteSpace) {
  const auto d = of_type(scorer_type::chrf);
  EXPECT_DOUBLE_EQ(judged(d, "ab cd", "a bcd"), 1);
  EXPECT_EQ(judged(d, "xyz", "abc"), 0);
  EXPECT_GT(judged(d, "北京是首都", "北京是中国首都"), 0.25);
  auto words = d;
  words.word_order = 2;
  EXPECT_LT(judged(words, "ab cd", "a bcd"), 1);
}

TEST(ter, CountsAShiftAsOneEdit) {
  const auto d = of_type(scorer_type::ter);
  // Snover et al. 2006, section 3.1: one shift and three other edits for thirteen words.
  EXPECT_NEAR(judged(d, "this week the saudis denied information published in the new york times",
                     "saudi arabia denied this week information published in the american new york times"),
              1 - 4.0 / 13, 1e-12);
  EXPECT_EQ(judged(d, "a b c", "a b c"), 1);
  EXPECT_EQ(judged(d, "a b c d e f", "x"), 0) << "a rate over 1 is 0";
  EXPECT_EQ(extracted(d, "b a", "a b"), "1 2");
}

TEST(rouge, HasTheValuesOfLinsExamples) {
  auto d = of_type(scorer_type::rouge);
  EXPECT_DOUBLE_EQ(judged(d, "police kill the gunman", "police killed the gunman"), 0.75);
  EXPECT_DOUBLE_EQ(judged(d, "the gunman kill police", "police killed the gunman"), 0.5);
  d.variant = "rouge2";
  EXPECT_DOUBLE_EQ(judged(d, "the gunman kill police", "police killed the gunman"), 1.0 / 3);
  d.variant = "rouge1";
  EXPECT_DOUBLE_EQ(judged(d, "POLICE!", "police"), 1);
}

TEST(levenshtein, CountsCharactersNotBytes) {
  auto d = of_type(scorer_type::levenshtein);
  EXPECT_EQ(extracted(d, "kitten", "sitting"), "3 edits");
  EXPECT_DOUBLE_EQ(judged(d, "kitten", "sitting"), 1 - 3.0 / 7);
  EXPECT_DOUBLE_EQ(judged(d, "北京", "南京"), 0.5);
  EXPECT_EQ(judged(d, "", ""), 1);
  d.variant = "distance";
  d.threshold = 3;
  EXPECT_EQ(judged(d, "kitten", "sitting"), 1);
  d.threshold = 2;
  EXPECT_EQ(judged(d, "kitten", "sitting"), 0);
}

TEST(edit_distance, IsRightAcrossBlocksOf64) {
  std::vector<uint32_t> a;
  for (uint32_t i = 0; i < 300; ++i)
    a.push_back(i % 7);
  auto b = a;
  b.insert(b.begin() + 70, 99);
  b.erase(b.begin() + 200);
  b[130] = 98;
  EXPECT_EQ(edit_distance(a, b), 3U);
  EXPECT_EQ(edit_distance(b, a), 3U);
  EXPECT_EQ(common_subsequence(a, a), 300U);
  EXPECT_EQ(common_subsequence(a, b), 298U);
}

TEST(starts_with, ComparesTheBeginning) {
  auto d = of_type(scorer_type::starts_with);
  EXPECT_EQ(judged(d, "Yes, it is", "Yes"), 1);
  EXPECT_EQ(judged(d, "Oh yes", "Yes"), 0);
  EXPECT_EQ(judged(d, "anything", ""), 0) << "an empty text begins nothing";
  d.ignore_case = true;
  EXPECT_EQ(judged(d, "yes", "YES"), 1);
}

TEST(exact_match, TakesOutRegexesThenCaseThenPunctuation) {
  auto d = of_type(scorer_type::exact_match);
  d.regexes_to_ignore = {",", R"(\$)", R"((?s).*#### )", R"(\.$)"};
  d.ignore_case = true;
  EXPECT_EQ(judged(d, "so it is\n#### $1,234.", "#### 1234"), 1);
  EXPECT_EQ(judged(d, "#### 1235", "#### 1234"), 0);
  d.regexes_to_ignore = {"("};
  EXPECT_EQ(make_scorer(d).error().where, "regexes_to_ignore");
}

TEST(labels, ReadTheLabelThatTheAnswerNames) {
  auto d = of_type(scorer_type::accuracy);
  d.labels = {"positive", "negative", "not sure", "sure"};
  EXPECT_EQ(extracted(d, "It is not positive but Negative.", "negative"), "negative\tnegative");
  EXPECT_EQ(extracted(d, "I am not sure", "sure"), "not sure\tsure");
  EXPECT_EQ(judged(d, "positively", "positive"), 0) << "a part of a word names nothing";
}

TEST(run_aggregate, MakesCorpusBleuOfCountsAndNotOfMeans) {
  const auto d = of_type(scorer_type::bleu);
  const auto scorer = make_scorer(d).value();
  run_aggregate whole(d);
  run_aggregate other(d);
  const auto first = scorer->score("the cat sat on the mat", "the cat sat on the mat");
  const auto second = scorer->score("a dog", "the dog barks loudly now");
  whole.add(first.value, first.extracted);
  other.add(second.value, second.extracted);
  whole.merge(other);
  ASSERT_TRUE(whole.value());
  EXPECT_TRUE(whole.is_own());
  const double means = (first.value + second.value) / 2;
  EXPECT_GT(std::abs(whole.value()->score - means), 0.01);
  // 7/8, 5/6, 4/4, 3/3, brevity exp(1 - 11/8).
  EXPECT_NEAR(whole.value()->score, std::exp(1 - 11.0 / 8) * std::pow(7.0 / 8 * 5 / 6, 0.25), 1e-12);
}

TEST(run_aggregate, MakesMccAndF1OfPairs) {
  auto d = of_type(scorer_type::mcc);
  run_aggregate mcc(d);
  d.type = scorer_type::f1;
  d.average = f1_average::binary;
  d.positive = "yes";
  run_aggregate f1(d);
  const auto add = [&](int times, const char* predicted, const char* wanted) {
    for (int i = 0; i < times; ++i) {
      const std::string pair = std::string(predicted) + "\t" + wanted;
      mcc.add(0, pair);
      f1.add(0, pair);
    }
  };
  // The example of Wikipedia's article on the phi coefficient: 6 hits, 1 false alarm, 2 missed, 3 rejected.
  add(6, "yes", "yes");
  add(1, "yes", "no");
  add(2, "no", "yes");
  add(3, "no", "no");
  EXPECT_NEAR(mcc.value()->score, 0.478, 5e-4);
  EXPECT_NEAR(f1.value()->score, 12.0 / 15, 1e-12);
}

TEST(run_aggregate, FindsTheMedianInBoundedMemory) {
  auto d = of_type(scorer_type::exact_match);
  d.aggregate = aggregation::median;
  run_aggregate many(d);
  for (int i = 0; i < 50'001; ++i)
    many.add(i / 50'000.0, {});
  EXPECT_NEAR(many.value()->score, 0.5, 1e-4);
  run_aggregate few(d);
  few.add(0.2, {});
  few.add(0.4, {});
  EXPECT_DOUBLE_EQ(few.value()->score, 0.3);
  EXPECT_FALSE(run_aggregate(d).value());
}

TEST(run_aggregate, SurvivesWhatNoScorerWrote) {
  for (const auto type : {scorer_type::bleu, scorer_type::chrf, scorer_type::ter, scorer_type::mcc}) {
    run_aggregate all(of_type(type));
    for (const char* text : {"", "x", "1 2", "1 2 3 4 5 6 7 8 9 10 11", "-1 2", "nan 1", "\t", "a"})
      all.add(0.5, text);
    EXPECT_TRUE(all.value());
  }
}

TEST(make_scorer, RefusesAggregationsThatTheTypeHasNot) {
  auto d = of_type(scorer_type::exact_match);
  d.aggregate = aggregation::corpus;
  EXPECT_EQ(make_scorer(d).error().where, "aggregation");
  d.type = scorer_type::chrf;
  EXPECT_TRUE(make_scorer(d).has_value());
  d.aggregate = aggregation::mcc;
  EXPECT_TRUE(make_scorer(d).has_error());
}

} // namespace
} // namespace assay::scoring
