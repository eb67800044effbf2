#include "core/control/retry_rules.hpp"

#include <gtest/gtest.h>

namespace assay::control {
namespace {

using namespace std::chrono_literals;

constexpr double highest = 0.999999;

failed_try failed(errc error, uint16_t attempts = 1) {
  failed_try out;
  out.error = error;
  out.attempts = attempts;
  return out;
}

TEST(backoff, GrowsByItsStrategy) {
  const auto wait = [](retry_strategy strategy, unsigned retries, double random) {
    return backoff({strategy, 500ms, 20s, 5, std::nullopt}, retries, random);
  };
  EXPECT_EQ(wait(retry_strategy::exponential, 0, 0.0), 0ms);
  EXPECT_EQ(wait(retry_strategy::exponential, 0, highest), 500ms);
  EXPECT_EQ(wait(retry_strategy::exponential, 3, highest), 4s);
  EXPECT_EQ(wait(retry_strategy::exponential, 9, highest), 20s);
  EXPECT_EQ(wait(retry_strategy::exponential, 4'000'000'000U, highest), 20s);
  EXPECT_EQ(wait(retry_strategy::equal_jitter, 3, 0.0), 2s);
  EXPECT_EQ(wait(retry_strategy::equal_jitter, 3, highest), 4s);
  EXPECT_EQ(wait(retry_strategy::linear, 0, highest), 500ms);
  EXPECT_EQ(wait(retry_strategy::linear, 3, 0.0), 1s);
  EXPECT_EQ(wait(retry_strategy::linear, 3, highest), 2s);
  EXPECT_EQ(wait(retry_strategy::immediate, 0, highest), 0ms);
  EXPECT_EQ(wait(retry_strategy::immediate, 1, highest), 500ms);
  EXPECT_EQ(wait(retry_strategy::immediate, 2, highest), 1s);
}

TEST(backoff, TakesAConfiguredJitter) {
  EXPECT_EQ(backoff({retry_strategy::exponential, 1s, 20s, 5, 0.0}, 1, 0.3), 2s);
  EXPECT_EQ(backoff({retry_strategy::linear, 1s, 20s, 5, 1.0}, 0, 0.25), 250ms);
}

TEST(retry_rules, RetriesTransientErrorsFiveTimesInAll) {
  const retry_rules rules;
  for (const auto code : {errc::connect_failed, errc::provider_timeout, errc::provider_unavailable,
                          errc::truncated_answer, errc::malformed_answer}) {
    for (uint16_t attempts = 1; attempts <= 4; ++attempts) {
      const auto decision = rules.decide(failed(code, attempts), 0.5);
      EXPECT_TRUE(decision.retry) << to_string(code);
      EXPECT_TRUE(decision.burns_attempt);
      EXPECT_EQ(decision.how, retry_class::transient);
      EXPECT_EQ(decision.wait, 250ms * (1 << (attempts - 1)));
    }
    EXPECT_FALSE(rules.decide(failed(code, 5), 0.5).retry);
  }
}

TEST(retry_rules, GivesUpOnWhatWouldFailAgain) {
  const retry_rules rules;
  for (const auto code : {errc::provider_rejected, errc::content_filtered, errc::cancelled,
                          errc::budget_exhausted, errc::internal, errc::store_full}) {
    const auto decision = rules.decide(failed(code), 0.5);
    EXPECT_FALSE(decision.retry) << to_string(code);
    EXPECT_EQ(decision.how, retry_class::never);
    EXPECT_FALSE(decision.reason.empty());
  }
}

TEST(retry_rules, HonoursRetryAfter) {
  const retry_rules rules;
  auto call = failed(errc::rate_limited);
  call.retry_after = 20s;
  EXPECT_EQ(rules.decide(call, 0.0).wait, 20s);
  EXPECT_EQ(rules.decide(call, highest).wait, 22s);
  call.retry_after = 1s;
  EXPECT_EQ(rules.decide(call, highest).wait, 1250ms);
  call.retry_after = -5s;
  EXPECT_EQ(rules.decide(call, 0.0).wait, 0ms);
  auto busy = failed(errc::provider_unavailable);
  busy.retry_after = 7s;
  EXPECT_EQ(rules.decide(busy, 0.0).wait, 7s);
  busy.retry_after = 10ms;
  EXPECT_GE(rules.decide(busy, 0.9).wait, 450ms) << "never shorter than the backoff";
}

TEST(retry_rules, DefersA429WithoutBurningAttempts) {
  const retry_rules rules;
  auto call = failed(errc::rate_limited, 5);
  for (const auto expected : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16'000ms, 30'000ms, 30'000ms}) {
    const auto decision = rules.decide(call, 0.0);
    EXPECT_TRUE(decision.retry);
    EXPECT_FALSE(decision.burns_attempt);
    EXPECT_EQ(decision.how, retry_class::wait);
    EXPECT_EQ(decision.wait, expected) << "equal jitter: never less than half";
    ++call.deferrals;
  }
}

TEST(retry_rules, BoundsAllDeferralsTogether) {
  retry_rules rules;
  auto call = failed(errc::rate_limited);
  call.retry_after = 60s;
  call.deferred = 14min;
  EXPECT_TRUE(rules.decide(call, 0.0).retry);
  call.deferred = 14min + 1ms;
  EXPECT_FALSE(rules.decide(call, 0.0).retry);
  call.deferred = 0ms;
  call.retry_after = 2h;
  EXPECT_FALSE(rules.decide(call, 0.0).retry);
  rules.longest_deferral = 3h;
  EXPECT_TRUE(rules.decide(call, 0.0).retry);
}

TEST(retry_rules, TriesAPossiblyBilledCallOnlyOnceMore) {
  retry_rules rules;
  auto call = failed(errc::provider_timeout);
  call.possibly_billed_tries = 1;
  EXPECT_TRUE(rules.decide(call, 0.5).retry);
  call.attempts = 2;
  call.possibly_billed_tries = 2;
  EXPECT_FALSE(rules.decide(call, 0.5).retry);
  rules.possibly_billed_tries = 1;
  call = failed(errc::provider_timeout);
  EXPECT_TRUE(rules.decide(call, 0.5).retry) << "nothing was billed";
  call.possibly_billed_tries = 1;
  EXPECT_FALSE(rules.decide(call, 0.5).retry);
}

TEST(retry_rules, SendsKeyProblemsToAnotherKeyAtOnce) {
  const retry_rules rules;
  for (const auto code : {errc::credentials_rejected, errc::quota_exhausted}) {
    const auto decision = rules.decide(failed(code), 0.9);
    EXPECT_TRUE(decision.retry);
    EXPECT_EQ(decision.how, retry_class::other_key);
    EXPECT_EQ(decision.wait, 0ms);
    EXPECT_FALSE(rules.decide(failed(code, 5), 0.9).retry);
  }
  EXPECT_EQ(rules.decide(failed(errc::breaker_open), 0.5).how, retry_class::other_provider);
}

TEST(retry_rules, FollowsTheConfiguredTable) {
  retry_rules rules;
  ASSERT_TRUE(rules.set(errc::connect_failed, {retry_strategy::immediate, 100ms, 1s, 3, 0.0}));
  EXPECT_EQ(rules.decide(failed(errc::connect_failed, 1), 0.5).wait, 0ms);
  EXPECT_EQ(rules.decide(failed(errc::connect_failed, 2), 0.5).wait, 100ms);
  EXPECT_FALSE(rules.decide(failed(errc::connect_failed, 3), 0.5).retry);
  ASSERT_TRUE(rules.set(errc::content_filtered, {retry_strategy::linear, 100ms, 1s, 2, 0.0}));
  EXPECT_TRUE(rules.decide(failed(errc::content_filtered, 1), 0.5).retry);
  EXPECT_FALSE(rules.decide(failed(errc::content_filtered, 2), 0.5).retry);
  ASSERT_TRUE(rules.set(errc::provider_timeout, {retry_strategy::linear, 1ms, 1s, 100, 0.0}));
  EXPECT_FALSE(rules.decide(failed(errc::provider_timeout, 5), 0.5).retry) << "five is the most";
}

TEST(retry_rules, RefusesSenselessRules) {
  retry_rules rules;
  const auto where = [&](errc code, const retry_rule& rule) {
    const auto answer = rules.set(code, rule);
    return answer ? std::string("accepted") : answer.error().where;
  };
  EXPECT_EQ(where(errc::cancelled, {}), "retry.rules.cancelled");
  EXPECT_EQ(where(errc::budget_exhausted, {}), "retry.rules.budget_exhausted");
  EXPECT_EQ(where(errc::rate_limited, {retry_strategy::linear, -1ms, 1s, 3, {}}),
            "retry.rules.rate_limited.base");
  EXPECT_EQ(where(errc::rate_limited, {retry_strategy::linear, 2s, 1s, 3, {}}),
            "retry.rules.rate_limited.cap");
  EXPECT_EQ(where(errc::rate_limited, {retry_strategy::linear, 1s, 1s, 0, {}}),
            "retry.rules.rate_limited.attempts");
  EXPECT_EQ(where(errc::rate_limited, {retry_strategy::linear, 1s, 1s, 3, 1.5}),
            "retry.rules.rate_limited.jitter");
}

TEST(retry_strategy, HasNamesThatLeadBack) {
  for (const auto* name : {"exponential", "equal_jitter", "linear", "immediate"})
    EXPECT_EQ(to_string(*retry_strategy_from_string(name)), name);
  EXPECT_FALSE(retry_strategy_from_string("hopeful"));
}

} // namespace
} // namespace assay::control
