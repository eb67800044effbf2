#include "core/control/refusal_pace.hpp"

#include <gtest/gtest.h>

namespace assay::control {
namespace {

using namespace std::chrono_literals;

const steady_time start{1'000s};

/// So many answers a second, evenly, until @p end.
void answer_evenly(refusal_pace& pace, int per_second, steady_time from, steady_time end) {
  for (auto now = from; now < end; now += 1'000ms / per_second)
    pace.answered(1, now);
}

TEST(refusal_pace, FollowsFromWhatWasAnsweredBeforeARefusal) {
  struct row {
    const char* what;
    int per_second;
    std::chrono::milliseconds until;
    double least;
    double most;
  };
  for (const auto& [what, per_second, until, least, most] : {
           row{"ten a second for three seconds", 10, 3'000ms, 8.5, 9.5},
           row{"only the last seconds count", 100, 30'000ms, 85, 95},
           row{"a burst counts as a second's", 100, 200ms, 17, 19},
       }) {
    refusal_pace pace;
    EXPECT_FALSE(pace.per_second(start).has_value());
    answer_evenly(pace, per_second, start, start + until);
    pace.refused(start + until, 0s);
    ASSERT_TRUE(pace.per_second(start + until).has_value()) << what;
    EXPECT_GE(*pace.per_second(start + until), least) << what;
    EXPECT_LE(*pace.per_second(start + until), most) << what;
  }
}

TEST(refusal_pace, FewAnswersSayNothing) {
  refusal_pace pace;
  pace.answered(9, start);
  for (int i = 0; i < 50; ++i)
    pace.refused(start + 1s, 89s);
  EXPECT_FALSE(pace.per_second(start + 1s).has_value());
  pace.answered(9, start + 20s);
  pace.refused(start + 21s, 0s);
  EXPECT_FALSE(pace.per_second(start + 21s).has_value()) << "the first nine were long ago";
}

TEST(refusal_pace, CallsThatAreRefusedTogetherCountOnce) {
  refusal_pace pace;
  answer_evenly(pace, 10, start, start + 3s);
  pace.refused(start + 3s, 2s);
  const auto first = pace.per_second(start + 3s);
  for (int i = 0; i < 100; ++i)
    pace.refused(start + 3s, 2s);
  pace.refused(start + 4'999ms, 0s);
  EXPECT_EQ(pace.per_second(start + 5s), first);
  pace.refused(start + 5s, 0s);
  EXPECT_LT(pace.per_second(start + 5s), first);
  EXPECT_GE(pace.per_second(start + 5s).value_or(0), first.value_or(0) * 0.5) << "by half at most";
}

TEST(refusal_pace, GrowsSlowlyWhileAnswersComeAndIsForgotten) {
  refusal_pace pace;
  answer_evenly(pace, 10, start, start + 5s);
  pace.refused(start + 5s, 0s);
  const auto first = pace.per_second(start + 5s).value_or(0);
  EXPECT_EQ(pace.per_second(start + 60s), first) << "nothing was answered";
  answer_evenly(pace, 10, start + 60s, start + 70s);
  const auto later = pace.per_second(start + 70s).value_or(0);
  EXPECT_GT(later, first * 1.05);
  EXPECT_LT(later, first * 1.15);
  EXPECT_TRUE(pace.per_second(start + 305s).has_value());
  EXPECT_FALSE(pace.per_second(start + 306s).has_value());
}

TEST(refusal_pace, CarriesItsStateOverARestart) {
  refusal_pace pace;
  EXPECT_FALSE(pace.export_state(start).has_value());
  answer_evenly(pace, 10, start, start + 5s);
  pace.refused(start + 5s, 0s);
  const auto state = pace.export_state(start + 10s);
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->since_refusal, 5s);
  const refusal_pace next{*state, start + 100s, 20s};
  EXPECT_EQ(next.per_second(start + 100s), pace.per_second(start + 10s));
  EXPECT_FALSE((refusal_pace{*state, start, 296s}).per_second(start).has_value());
}

} // namespace
} // namespace assay::control
