#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;

class provider_test : public farm_world {
protected:
  sample_record only_sample(run_id id) { return store->samples[id].begin()->second; }
  response_record only_response(run_id id) { return store->responses[id].begin()->second; }
};

TEST_F(provider_test, AFixedModelKeepsItsCallsInFlightThroughRateLimits) {
  auto with = config();
  with.providers.child.in_flight.fixed = false;
  with.providers.child.in_flight.initial = 2;
  in_flight = in_flight_rule::fixed;
  limits.concurrent_requests = 6;
  start_farm(with);
  submit(60);
  ASSERT_EQ(wire.requests.size(), 6u) << "no slow start, and the model's own cap";
  wire.deliver(fake_wire::failure(wire.requests.front().id, 429, {}, "rate_limit_exceeded"));
  advance(30s, 50ms);
  EXPECT_EQ(wire.requests.size(), 6u) << "a 429 does not make it fewer";
}

TEST_F(provider_test, AnAdaptiveModelFindsItsNumberOfCallsInAFixedFarm) {
  auto with = config();
  with.providers.child.in_flight.initial = 2;
  in_flight = in_flight_rule::adaptive;
  start_farm(with);
  submit(60);
  EXPECT_EQ(wire.requests.size(), 2u);
}

TEST_F(provider_test, TwoRunsMayHavePinnedAModelOfOneNameDifferently) {
  wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  start_farm();
  pinned_name = "old-name";
  pinned_prices = token_prices{1.0, 1.0, {}};
  const auto before = submit(1);
  pinned_name = "new-name";
  pinned_prices = token_prices{100.0, 100.0, {}};
  const auto after = submit(1);
  advance(1s);
  ASSERT_EQ(wire.bodies.size(), 2u);
  EXPECT_THAT(wire.bodies[0], testing::HasSubstr("old-name"));
  EXPECT_THAT(wire.bodies[1], testing::HasSubstr("new-name"));
  EXPECT_EQ(only_response(after).cost->nanodollars, 100 * only_response(before).cost->nanodollars);
}

TEST_F(provider_test, RetriesTransientFailuresAndRecordsEach) {
  start_farm();
  const auto id = submit(1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(wire.requests.size(), 1u);
    wire.deliver(fake_wire::failure(wire.requests.front().id, 503));
    advance(25s, 50ms);
  }
  wire.answer_next("right");
  advance(1s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(only_sample(id).tries, 3);
  ASSERT_EQ(only_response(id).failures.size(), 2u);
  EXPECT_EQ(only_response(id).failures[0].error, errc::provider_unavailable);
  EXPECT_EQ(only_response(id).failures[0].http_status, 503);
}

TEST_F(provider_test, GivesUpAfterFiveTries) {
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::broken(0, errc::connect_failed, false)};
  };
  start_farm();
  const auto id = submit(1);
  advance(3min, 50ms);
  EXPECT_EQ(wire.bodies.size(), 5u);
  EXPECT_EQ(only_sample(id).status, sample_status::failed);
  EXPECT_EQ(only_sample(id).error, errc::connect_failed);
}

TEST_F(provider_test, AModelsOwnMaxRetriesHoldsBelowTheRule) {
  max_retries = 1;
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::broken(0, errc::connect_failed, false)};
  };
  start_farm();
  const auto id = submit(1);
  advance(3min, 50ms);
  EXPECT_EQ(wire.bodies.size(), 2u);
  EXPECT_EQ(only_sample(id).error, errc::connect_failed);
}

TEST_F(provider_test, AnEmptyRetryBudgetMakesRetriesWait) {
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::broken(0, errc::connect_failed, false)};
  };
  auto with = config();
  with.providers.child.retry_budget = control::retry_budget{0, 0};
  start_farm(with);
  const auto id = submit(1);
  advance(4s, 50ms);
  EXPECT_EQ(wire.bodies.size(), 1u);
  advance(2min, 50ms);
  EXPECT_EQ(wire.bodies.size(), 5u) << "as many tries as ever, each after a longer wait";
  EXPECT_EQ(only_sample(id).error, errc::connect_failed);
}

TEST_F(provider_test, DoesNotRetryARejection) {
  wire.respond = [](const http_request&) { return std::optional{fake_wire::failure(0, 400)}; };
  start_farm();
  const auto id = submit(1);
  advance(1min, 50ms);
  EXPECT_EQ(wire.bodies.size(), 1u);
  EXPECT_EQ(only_sample(id).error, errc::provider_rejected);
}

TEST_F(provider_test, APossiblyBilledFailureGetsOneMoreTryOnly) {
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::broken(0, errc::truncated_answer, true)};
  };
  start_farm();
  const auto id = submit(1);
  advance(3min, 50ms);
  EXPECT_EQ(wire.bodies.size(), 2u);
  EXPECT_TRUE(only_sample(id).possibly_billed);
}

TEST_F(provider_test, HonoursRetryAfterAndHoldsTheKeyClosedForAll) {
  cap = 4;
  start_farm();
  submit(20);
  ASSERT_EQ(wire.requests.size(), 4u);
  wire.deliver(
      fake_wire::failure(wire.requests.front().id, 429, {{"retry-after", "89"}}, "rate_limit_exceeded"));
  const auto sent = wire.bodies.size();
  while (wire.answer_next("right"))
    run();
  advance(88s, 100ms);
  EXPECT_EQ(wire.bodies.size(), sent) << "nothing goes out while the key is closed";
  wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  advance(20s, 100ms);
  EXPECT_EQ(wire.bodies.size(), 21u) << "all samples, and the one that was turned away again";
}

TEST_F(provider_test, SustainedRateLimitsBurnNoAttempts) {
  int refused = 0;
  wire.respond = [&](const http_request&) {
    return std::optional{++refused <= 12
                             ? fake_wire::failure(0, 429, {{"retry-after", "2"}}, "rate_limit_exceeded")
                             : fake_wire::answer(0, "right")};
  };
  start_farm();
  const auto id = submit(1);
  advance(2min, 50ms);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 1u);
}

TEST_F(provider_test, ALimitThatOnlyRefusalsTellOfIsKept) {
  double left = 10;
  auto last = now();
  uint64_t refused = 0;
  wire.respond = [&](const http_request&) {
    const std::chrono::duration<double> passed = now() - last;
    last = now();
    left = std::min(10.0, left + 10.0 * passed.count());
    if (left < 1) {
      ++refused;
      return std::optional{fake_wire::failure(0, 429, {{"retry-after", "1"}}, "rate_limit_exceeded")};
    }
    left -= 1;
    return std::optional{fake_wire::answer(0, "right")};
  };
  cap = 40;
  start_farm();
  const auto id = submit(2'000);
  advance(10s, 10ms);
  refused = 0;
  const auto before = scored(id);
  advance(60s, 10ms);
  EXPECT_LE(refused, 60u) << "without a pace, thirty of each second's forty are refused";
  EXPECT_GE(scored(id) - before, 360u) << "at six tenths of the limit or more";
}

TEST_F(provider_test, InsufficientQuotaIsNotWaitedFor) {
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::failure(0, 429, {}, "insufficient_quota")};
  };
  start_farm();
  const auto id = submit(100);
  advance(2s);
  EXPECT_EQ(find(id).state, run_state::failed);
  EXPECT_EQ(find(id).error->code, errc::quota_exhausted);
}

TEST_F(provider_test, ASilentWireIsGivenUpAfterTheDeadline) {
  start_farm();
  const auto id = submit(1);
  ASSERT_EQ(wire.requests.size(), 1u);
  advance(11min, 500ms);
  EXPECT_EQ(wire.cancelled.size(), 1u);
  EXPECT_EQ(find(id).state, run_state::running) << "it is tried once more, since it may have been billed";
  EXPECT_EQ(wire.bodies.size(), 2u);
}

TEST_F(provider_test, TheBreakerOpensOnServerErrorsAndProbesBeforeItCloses) {
  cap = 30;
  bool healthy = false;
  wire.respond = [&](const http_request&) {
    return std::optional{healthy ? fake_wire::answer(0, "right") : fake_wire::failure(0, 500)};
  };
  start_farm();
  const auto id = submit(200);
  advance(1s);
  auto& model = *provider_now().models.at(test::the_model);
  EXPECT_EQ(model.breaker.state(), control::breaker_state::open);
  const auto sent = wire.bodies.size();
  advance(3s);
  EXPECT_EQ(wire.bodies.size(), sent) << "an open breaker sends nothing";
  healthy = true;
  advance(3min, 50ms);
  EXPECT_EQ(model.breaker.state(), control::breaker_state::closed);
  EXPECT_EQ(find(id).state, run_state::completed);
}

/// The only probe waits for its slot when its run is cancelled; without its permit nobody would ask again.
TEST_F(provider_test, AWithdrawnProbeMakesRoomForAnother) {
  cap = 30;
  wire.respond = [&](const http_request&) { return std::optional{fake_wire::failure(0, 500)}; };
  start_farm();
  const auto first = submit(200);
  auto& model = *provider_now().models.at(test::the_model);
  ASSERT_EQ(model.breaker.state(), control::breaker_state::open);
  tell(the_limiter(), key_closed{30s, false});
  advance(10s, 50ms);
  ASSERT_EQ(model.breaker.state(), control::breaker_state::half_open);
  ASSERT_EQ(model.gates.front().acquiring, 1u);
  wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  ASSERT_TRUE(verb(first, run_verb::cancel).has_value());
  const auto second = submit(50);
  advance(60s, 50ms);
  EXPECT_EQ(find(second).state, run_state::completed);
}

TEST_F(provider_test, RateLimitsNeverTripTheBreaker) {
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::failure(0, 429, {{"retry-after", "1"}}, "rate_limit_exceeded")};
  };
  start_farm();
  submit(100);
  advance(2min, 50ms);
  EXPECT_EQ(provider_now().models.at(test::the_model)->breaker.state(), control::breaker_state::closed);
}

TEST_F(provider_test, TwoRunsOfEqualWeightShareTheWindow) {
  cap = 10;
  start_farm();
  const auto first = submit(400);
  const auto second = submit(400);
  for (int i = 0; i < 300; ++i) {
    wire.answer_next("right");
    run();
  }
  advance(1s);
  const auto a = static_cast<double>(scored(first));
  const auto b = static_cast<double>(scored(second));
  EXPECT_NEAR(a / (a + b), 0.5, 0.06);
}

TEST_F(provider_test, ANewcomersFirstCallGoesOutNextHoweverLongTheOthersQueueIs) {
  cap = 2;
  start_farm();
  submit(5'000);
  for (int i = 0; i < 20; ++i) {
    wire.answer_next("right");
    run();
  }
  wire.bodies.clear();
  const auto late = submit(3);
  for (int i = 0; i < 8; ++i) {
    wire.answer_next("right");
    run();
  }
  advance(1s);
  EXPECT_GE(scored(late), 1u);
}

TEST_F(provider_test, AnUnconfiguredModelIsARunsFailureWithTheReason) {
  start_farm();
  auto wish = request(3);
  wish.model = model_id{"no-such-model"};
  const auto id = submit(wish);
  advance(2s);
  EXPECT_EQ(find(id).state, run_state::failed);
  EXPECT_EQ(find(id).error->code, errc::not_found);
}

/// A provider that is away for some seconds costs no sample, however good it was just before.
TEST_F(provider_test, AShortOutageEndsNoSample) {
  cap = 10;
  constexpr uint64_t good = 1'000;
  uint64_t asked = 0;
  bool back = false;
  wire.respond = [&](const http_request&) {
    const bool away = ++asked > good && !back;
    return std::optional{away ? fake_wire::broken(0, errc::connect_failed, false)
                              : fake_wire::answer(0, "right")};
  };
  start_farm();
  const auto id = submit(3'000);
  advance(8s, 10ms);
  EXPECT_GT(asked, good);
  EXPECT_LT(asked - good, 200u) << "an open breaker sends nothing";
  back = true;
  advance(3min, 50ms);
  const auto run = find(id);
  EXPECT_EQ(run.state, run_state::completed);
  EXPECT_EQ(run.progress.done, 3'000u);
  EXPECT_EQ(run.progress.failed, 0u);
}

TEST_F(provider_test, TheMonitorCountsCallsTokensAndErrors) {
  int number = 0;
  wire.respond = [&](const http_request&) {
    return std::optional{++number % 5 == 0 ? fake_wire::failure(0, 400) : fake_wire::answer(0, "right")};
  };
  start_farm();
  submit(20);
  advance(2s);
  const auto seen = ask<statistics>(handles().monitor, read_statistics{});
  ASSERT_TRUE(seen.has_value());
  ASSERT_EQ(seen->models.size(), 1u);
  EXPECT_EQ(seen->models[0].calls, 20u);
  EXPECT_EQ(seen->models[0].failures, 0u) << "the requests were wrong, not the model";
  EXPECT_EQ(seen->models[0].errors.at("provider_rejected"), 4u);
  EXPECT_EQ(seen->models[0].prompt_tokens, 160u);
}

TEST_F(provider_test, ManyCallsLeaveNothingBehind) {
  cap = 256;
  auto with = config();
  with.runs.child.max_uncommitted = 4'096;
  wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  start_farm(with);
  const auto id = submit(20'000);
  advance(2s);
  ASSERT_EQ(find(id).state, run_state::completed);
  auto& state = provider_now();
  EXPECT_TRUE(state.calls.empty());
  EXPECT_TRUE(state.wheel->empty());
  EXPECT_LE(state.wheel->pool_size(), 1'024u);
  EXPECT_TRUE(state.lanes.empty());
  EXPECT_EQ(state_of<rate_limiter_state>(the_limiter()).limits->slots_in_use(), 0u);
  auto& router = state_of<model_router_state>(handles().router);
  EXPECT_TRUE(router.calls.empty());
  EXPECT_TRUE(router.lanes.empty());
}

} // namespace
} // namespace assay
