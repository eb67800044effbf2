#include "actors/runs/epoch_tally.hpp"
#include "tests/actors/evaluation_world.hpp"

#include <cmath>

namespace assay {
namespace {

sample_record scored(uint32_t sample, uint16_t epoch, double value) {
  sample_record out;
  out.address.sample = sample;
  out.address.epoch = epoch;
  out.status = sample_status::scored;
  out.scores.push_back({0, value, {}});
  return out;
}

sample_record failed(uint32_t sample, uint16_t epoch) {
  sample_record out;
  out.address.sample = sample;
  out.address.epoch = epoch;
  out.status = sample_status::failed;
  out.error = errc::provider_timeout;
  return out;
}

scoring::epochs_reduction reduction(const std::string& word) {
  return scoring::epochs_reduction_from_string(word).value();
}

epoch_tally tally_of(const std::string& word, stats::failed_samples rule = stats::failed_samples::exclude) {
  return {{{1, true}}, rule, reduction(word), true};
}

TEST(epoch_tally_test, RepeatsBecomeOneValueBeforeSamplesBecomeAScore) {
  auto tally = tally_of("mean");
  // 1 of 2, 2 of 2, 0 of 2
  for (const auto& row :
       {scored(0, 0, 1), scored(0, 1, 0), scored(1, 0, 1), scored(1, 1, 1), scored(2, 0, 0), scored(2, 1, 0)})
    tally.add(row);
  const auto score = tally.finish();
  EXPECT_DOUBLE_EQ(score.score.value(), 0.5);
  EXPECT_EQ(score.primary.count, 3u) << "samples, not repeats";
  EXPECT_EQ(score.samples, 6u);
  // Of 0.5, 1 and 0.
  EXPECT_NEAR(score.primary.standard_error, 0.5 / std::sqrt(3.0), 1e-12);
}

TEST(epoch_tally_test, TheReducerDecides) {
  const auto score_by = [](const std::string& word) {
    auto tally = tally_of(word);
    for (const auto& row : {scored(0, 0, 1), scored(0, 1, 0), scored(0, 2, 0), scored(1, 0, 1),
                            scored(1, 1, 1), scored(1, 2, 0)})
      tally.add(row);
    return tally.finish().score.value_or(-1);
  };
  EXPECT_DOUBLE_EQ(score_by("mean"), 0.5);
  EXPECT_DOUBLE_EQ(score_by("median"), 0.5);
  EXPECT_DOUBLE_EQ(score_by("mode"), 0.5);
  EXPECT_DOUBLE_EQ(score_by("max"), 1);
  EXPECT_DOUBLE_EQ(score_by("at_least_2"), 0.5);
  EXPECT_NEAR(score_by("pass_at_1"), 0.5, 1e-12);
  // 1 - C(2,2)/C(3,2) and 1 - C(1,2)/C(3,2)
  EXPECT_NEAR(score_by("pass_at_2"), (2.0 / 3 + 1) / 2, 1e-12);
}

TEST(epoch_tally_test, AFailedRepeatCountsAsTheTaskSays) {
  const auto score_by = [](stats::failed_samples rule) {
    auto tally = tally_of("mean", rule);
    for (const auto& row : {scored(0, 0, 1), failed(0, 1), failed(1, 0), failed(1, 1)})
      tally.add(row);
    return tally.finish();
  };
  const auto excluded = score_by(stats::failed_samples::exclude);
  EXPECT_EQ(excluded.score, 1.0);
  EXPECT_EQ(excluded.primary.count, 1u);
  EXPECT_EQ(excluded.errors, 3u);
  EXPECT_EQ(score_by(stats::failed_samples::zero).score, 0.25);
}

TEST(epoch_tally_test, AnAggregateOfItsOwnIsOverAllRepeats) {
  scoring::scorer_definition median;
  median.aggregate = scoring::aggregation::median;
  const auto own = std::make_shared<const scoring::run_aggregate>(median);
  epoch_tally tally{{{1, true, own}}, stats::failed_samples::exclude, reduction("mean"), true};
  for (const auto& row :
       {scored(0, 0, 0.1), scored(0, 1, 0.2), scored(1, 0, 0.3), scored(1, 1, 0.9), scored(2, 0, 0.4)})
    tally.add(row);
  EXPECT_DOUBLE_EQ(tally.finish().score.value(), 0.3);
  EXPECT_EQ(tally.finish().primary.count, 3u);
}

TEST(epoch_tally_test, OneRepeatIsCountedAsEver) {
  epoch_tally tally{{{1, true}}, stats::failed_samples::exclude, {}, false};
  tally.add(scored(0, 0, 1));
  tally.add(failed(1, 0));
  const auto score = tally.finish();
  EXPECT_EQ(score.score, 1.0);
  EXPECT_EQ(score.samples, 2u);
  EXPECT_EQ(score.errors, 1u);
}

/// The score that people see while the run goes on.
class epochs : public test::evaluation_world {};

TEST_F(epochs, ProgressReducesTheRepeatsThatHaveCome) {
  script.reduction = reduction("max");
  start(2, 3);
  give_credit(1);
  // Epoch by epoch: 0 and 1, 0 and 1, 0 and 1.
  for (const auto* text : {"wrong", "wrong", "right", "wrong", "wrong", "wrong"})
    send_back(answer_to(calls().back(), text));
  const auto& record = store->runs.at(id);
  EXPECT_EQ(record.state, run_state::completed);
  EXPECT_EQ(record.progress.done, 6u);
  EXPECT_EQ(record.progress.score(), 0.5) << "the best of sample 0 is right";
}

TEST_F(epochs, ARepeatIsNoAnswerToAnother) {
  start(1, 2);
  give_credit(2);
  ASSERT_EQ(calls().size(), 2u);
  EXPECT_NE(calls()[0].repetition, calls()[1].repetition);
}

} // namespace
} // namespace assay
