#include "core/scoring/judge_agreement.hpp"

#include "core/scoring/judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::scoring {
namespace {

using testing::ElementsAre;

scorer_definition judged_by(std::vector<std::string> models, judge_scale scale = judge_scale::yes_no) {
  scorer_definition out;
  out.type = scorer_type::judge;
  out.name = "verdict";
  out.scale = scale;
  out.models = std::move(models);
  return out;
}

scorer_definition exact() {
  scorer_definition out;
  out.name = "exact_match";
  return out;
}

/// What the judges' scorer leaves of these verdicts.
score_value said(const scorer_definition& scorer, const std::vector<std::optional<double>>& verdicts) {
  const auto outcome = combine_verdicts(scorer, verdicts);
  return {0, outcome.value, outcome.extracted};
}

TEST(judge_agreement, ReadsWhatCombiningShows) {
  EXPECT_THAT(verdicts_in("0.333, none, 1.000"), ElementsAre(0.333, std::nullopt, 1.0));
  EXPECT_TRUE(verdicts_in("").empty());
  std::string many;
  for (int i = 0; i < 40; ++i)
    many += "0.500, ";
  EXPECT_EQ(verdicts_in(many.substr(0, 256)).size(), 36U) << "the last one may be half a number";
}

// Wikipedia's example of Cohen's kappa: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: 0.4.
TEST(judge_agreement, OfTwoJudgesIsCohensKappa) {
  const auto scorer = judged_by({"a", "b"});
  judge_agreement tally({scorer});
  const auto add = [&](int times, double first, double second) {
    for (int i = 0; i < times; ++i)
      tally.add(std::vector{said(scorer, {first, second})});
  };
  add(20, 1, 1);
  add(5, 1, 0);
  add(10, 0, 1);
  add(15, 0, 0);
  const auto found = tally.finish();
  ASSERT_EQ(found["judges"].size(), 1U);
  const auto& panel = found["judges"][0];
  EXPECT_EQ(panel["scorer"], "verdict");
  EXPECT_EQ(panel["samples"], 50);
  EXPECT_EQ(panel["distance"], "nominal");
  EXPECT_EQ(panel["pairs"][0]["first"], "a");
  EXPECT_EQ(panel["pairs"][0]["second"], "b");
  EXPECT_EQ(panel["pairs"][0]["samples"], 50);
  EXPECT_NEAR(panel["pairs"][0]["cohens_kappa"].get<double>(), 0.4, 1e-12);
  EXPECT_NEAR(panel["pairs"][0]["same"].get<double>(), 0.7, 1e-12);
  EXPECT_TRUE(found["scorers"].empty());
}

TEST(judge_agreement, OfRatingsIsThatOfTheirNumbers) {
  const auto scorer = judged_by({"a", "b", "c"}, judge_scale::ten);
  judge_agreement tally({scorer});
  std::vector<std::vector<std::optional<double>>> ratings;
  for (uint32_t i = 0; i < 40; ++i) {
    std::vector<std::optional<double>> item{i * 7 % 10, i * 3 % 10, i * 7 % 10};
    if (i % 5 == 0)
      item[1].reset();
    ratings.push_back(item);
    for (auto& rating : item)
      if (rating)
        *rating /= 9;
    tally.add(std::vector{said(scorer, item)});
  }
  const auto panel = tally.finish()["judges"][0];
  EXPECT_EQ(panel["distance"], "interval");
  EXPECT_EQ(panel["samples"], 40);
  EXPECT_NEAR(panel["krippendorff_alpha"].get<double>(), *krippendorff_alpha(ratings, alpha_metric::interval),
              1e-12);
  ASSERT_EQ(panel["pairs"].size(), 3U);
  EXPECT_EQ(panel["pairs"][0]["samples"], 32);
  EXPECT_EQ(panel["pairs"][1]["cohens_kappa"], 1.0);
}

TEST(judge_agreement, IsThatOfAJudgeAndAnotherScorerToo) {
  judge_agreement tally({judged_by({"a"}, judge_scale::five), exact()});
  const auto add = [&](int times, double judge, double other) {
    for (int i = 0; i < times; ++i)
      tally.add(std::vector<score_value>{{0, judge, {}}, {1, other, {}}});
  };
  add(20, 0.75, 1);
  add(5, 0.5, 0);
  add(10, 0.25, 1);
  add(15, 0, 0);
  tally.add(std::vector<score_value>{{0, 1, {}}}); // has no other score
  const auto found = tally.finish();
  EXPECT_TRUE(found["judges"].empty());
  ASSERT_EQ(found["scorers"].size(), 1U);
  EXPECT_EQ(found["scorers"][0]["judge"], "verdict");
  EXPECT_EQ(found["scorers"][0]["scorer"], "exact_match");
  EXPECT_EQ(found["scorers"][0]["samples"], 50);
  EXPECT_NEAR(found["scorers"][0]["cohens_kappa"].get<double>(), 0.4, 1e-12);
}

TEST(judge_agreement, IsNullWithoutJudgesAndHasNoNumbersWithoutSamples) {
  EXPECT_TRUE(judge_agreement({exact()}).finish().is_null());
  EXPECT_TRUE(judge_agreement({judged_by({"a"})}).finish().is_null());
  const auto found = judge_agreement({judged_by({"a", "b"})}).finish();
  EXPECT_TRUE(found["judges"][0]["krippendorff_alpha"].is_null());
  EXPECT_TRUE(found["judges"][0]["pairs"][0]["same"].is_null());
}

} // namespace
} // namespace assay::scoring
