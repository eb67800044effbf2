#include "tests/actors/farm_world.hpp"

#include <nlohmann/json.hpp>

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;

/// What must survive the fall of an actor or of the process: how full buckets are, closed keys, open
/// breakers, and that a call is not paid for twice.
class recovery : public farm_world {
protected:
  void answer_always() {
    wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  }

  void fail_always(int status) {
    wire.respond = [status](const http_request&) { return std::optional{fake_wire::failure(0, status)}; };
  }

  /// Starts a farm whose key allows 600 calls a minute, so ten at once and then one each 105 ms.
  void start_limited_farm() {
    limits.requests_per_minute = 600;
    cap = 64;
    answer_always();
    start_farm();
    submit(1'000);
  }

  /// Lets what @p find_victim finds fall three times, each time after a quiet while that fills the bucket.
  template <class Victim>
  void expect_no_burst_after_falls_of(Victim find_victim) {
    for (int i = 0; i < 3; ++i) {
      kill(find_victim());
      const auto before = wire.bodies.size();
      advance(500ms);
      EXPECT_LE(wire.bodies.size() - before, 5u) << "the rate allows five, a burst would be ten more";
      advance(1'500ms);
      EXPECT_GE(wire.bodies.size() - before, 10u) << "but they go on";
    }
  }

  /// A first call is turned away, for 89 seconds.
  void close_key() {
    const auto id = wire.requests.front().id;
    wire.deliver(fake_wire::failure(id, 429, {{"retry-after", "89"}}, "rate_limit_exceeded"));
    run();
  }

  /// Every call in flight has been answered; nothing may go out until the key opens.
  void expect_closed_for(std::chrono::milliseconds time) {
    answer_always();
    while (wire.answer_next("right"))
      run();
    const auto sent = wire.bodies.size();
    advance(time, 50ms);
    EXPECT_EQ(wire.bodies.size(), sent) << "the key is closed";
  }

  void expect_opens_within(std::chrono::milliseconds time) {
    const auto sent = wire.bodies.size();
    advance(time, 50ms);
    EXPECT_GT(wire.bodies.size(), sent);
  }
};

// -- buckets -----------------------------------------------------------------------------------------------

TEST_F(recovery, ALimiterThatFallsDoesNotBuyAnotherBurst) {
  start_limited_farm();
  advance(300ms);
  expect_no_burst_after_falls_of([&] { return the_limiter(); });
}

TEST_F(recovery, AProviderThatFallsDoesNotBuyAnotherBurst) {
  start_limited_farm();
  advance(300ms);
  expect_no_burst_after_falls_of([&] { return the_provider_actor(); });
}

TEST_F(recovery, AProviderSupervisorThatFallsDoesNotBuyAnotherBurst) {
  start_limited_farm();
  advance(300ms);
  expect_no_burst_after_falls_of([&] { return handles().providers; });
}

TEST_F(recovery, AProviderThatFallsRightAfterItsFirstCallsDoesNotBuyAnotherBurst) {
  limits.requests_per_minute = 600;
  cap = 64;
  answer_always();
  start_farm();
  const auto farm = handles();
  const auto provider = the_provider_actor();
  caf::anon_send(farm.runs, submit_run{request(1'000), user_id{"ann"}, ""});
  auto& models = state_of<provider_state>(provider).models;
  while (models.empty() || models.begin()->second->exchanging() == 0)
    ASSERT_TRUE(sched.try_run_once());
  kill(provider);
  const auto before = wire.bodies.size();
  advance(500ms);
  EXPECT_LE(wire.bodies.size() - before, 5u);
}

TEST_F(recovery, AProcessThatDiesDoesNotBuyAnotherBurst) {
  start_limited_farm();
  advance(5s);
  const auto before = wire.bodies.size();
  for (int i = 0; i < 3; ++i) {
    crash_farm();
    start_farm();
    run();
    EXPECT_LE(wire.bodies.size(), before + 3u);
  }
}

// -- closed keys -------------------------------------------------------------------------------------------

TEST_F(recovery, AClosedKeyStaysClosedWhenItsLimiterFalls) {
  cap = 4;
  start_farm();
  submit(20);
  close_key();
  kill(the_limiter());
  expect_closed_for(85s);
  expect_opens_within(20s);
}

TEST_F(recovery, AKeyThatIsClosedWhileItsLimiterIsDownIsClosedForTheNext) {
  cap = 4;
  start_farm();
  submit(20);
  kill(the_limiter());
  close_key();
  expect_closed_for(85s);
  expect_opens_within(20s);
}

TEST_F(recovery, AClosedKeyStaysClosedWhenItsProviderFalls) {
  cap = 4;
  start_farm();
  submit(20);
  close_key();
  while (wire.answer_next("right"))
    run();
  advance(3s);
  kill(the_provider_actor());
  expect_closed_for(80s);
  expect_opens_within(20s);
}

TEST_F(recovery, AClosedKeyStaysClosedWhenTheProviderSupervisorFalls) {
  cap = 4;
  start_farm();
  submit(20);
  close_key();
  while (wire.answer_next("right"))
    run();
  advance(5s);
  kill(handles().providers);
  expect_closed_for(80s);
  expect_opens_within(20s);
}

TEST_F(recovery, AClosedKeyStaysClosedOverANewProcess) {
  cap = 4;
  start_farm();
  submit(20);
  close_key();
  while (wire.answer_next("right"))
    run();
  advance(5s);
  wall += 5s;
  crash_farm();
  start_farm();
  expect_closed_for(80s);
  expect_opens_within(20s);
}

TEST_F(recovery, TheLastChangeBeforeAQuietTimeReachesTheStore) {
  answer_always();
  limits.requests_per_minute = 6'000;
  start_farm();
  submit(120);
  advance(10s);
  EXPECT_FALSE(provider_now().memory_changed);
  const auto& known = provider_now().models.at(test::the_model)->gates.front().limiter_memory;
  const auto kept = nlohmann::json::parse(store->documents["provider_state/" + test::the_provider.value]);
  EXPECT_EQ(kept.at("models").at(test::the_model.value).at("limiters").at(""), known);
  EXPECT_FALSE(state_of<rate_limiter_state>(the_limiter()).changed);
}

TEST_F(recovery, AWindowThatRefusalsHaveLoweredStaysLowOverANewProcess) {
  cap = 10;
  auto with = config();
  with.providers.child.in_flight.fixed = false;
  with.providers.child.in_flight.initial = 10;
  start_farm(with);
  submit(60);
  ASSERT_EQ(wire.requests.size(), 10u);
  wire.deliver(
      fake_wire::failure(wire.requests.front().id, 429, {{"retry-after", "1"}}, "rate_limit_exceeded"));
  advance(5s, 50ms);
  crash_farm();
  start_farm(with);
  advance(3s, 50ms);
  EXPECT_EQ(wire.requests.size(), 8u);
}

// -- breakers ----------------------------------------------------------------------------------------------

TEST_F(recovery, AnOpenBreakerStaysOpenWhenItsProviderFalls) {
  cap = 30;
  fail_always(500);
  start_farm();
  submit(200);
  advance(2'500ms);
  ASSERT_EQ(provider_now().models.at(test::the_model)->breaker.state(), control::breaker_state::open);
  kill(the_provider_actor());
  advance(100ms);
  const auto sent = wire.bodies.size();
  advance(1'500ms);
  EXPECT_EQ(wire.bodies.size(), sent) << "an open breaker sends nothing";
  advance(20s);
  EXPECT_GT(wire.bodies.size(), sent) << "and probes later";
}

TEST_F(recovery, AnOpenBreakerStaysOpenOverANewProcess) {
  cap = 30;
  fail_always(500);
  start_farm();
  submit(200);
  advance(2'500ms);
  ASSERT_EQ(provider_now().models.at(test::the_model)->breaker.state(), control::breaker_state::open);
  crash_farm();
  const auto sent = wire.bodies.size();
  start_farm();
  advance(1'500ms);
  EXPECT_EQ(wire.bodies.size(), sent) << "an open breaker sends nothing";
  advance(20s);
  EXPECT_GT(wire.bodies.size(), sent) << "and probes later";
}

TEST_F(recovery, WhatIsKnownOfAnAddressIsForgottenWithIt) {
  cap = 30;
  fail_always(500);
  start_farm();
  submit(200);
  advance(2'500ms);
  ASSERT_EQ(provider_now().models.at(test::the_model)->breaker.state(), control::breaker_state::open);
  crash_farm();
  const auto sent = wire.bodies.size();
  provider_address = "http://test:8081";
  answer_always();
  start_farm();
  advance(200ms);
  EXPECT_GT(wire.bodies.size(), sent) << "the other one has never failed";
  EXPECT_EQ(provider_now().models.at(test::the_model)->breaker.state(), control::breaker_state::closed);
}

TEST_F(recovery, AnOpenBreakerSaysWhyAndIsTriedSoonAfterANewProcess) {
  cap = 30;
  fail_always(500);
  start_farm();
  const auto id = submit(200);
  advance(2'500ms);
  const auto reason = provider_now().models.at(test::the_model)->last_failure;
  ASSERT_FALSE(reason.empty());
  crash_farm();
  auto& kept = store->documents["provider_state/" + test::the_provider.value];
  auto memory = nlohmann::json::parse(kept);
  ASSERT_EQ(memory["models"][test::the_model.value]["breaker_open"], true);
  memory["models"][test::the_model.value]["breaker_left"] = nanoseconds{60s}.count();
  kept = memory.dump();
  const auto sent = wire.bodies.size();
  start_farm();
  advance(1s);
  EXPECT_EQ(wire.bodies.size(), sent);
  EXPECT_NE(find(id).waiting_for.find("does not answer: " + reason), std::string::npos)
      << find(id).waiting_for;
  advance(2s);
  EXPECT_GT(wire.bodies.size(), sent) << "whoever starts it may have mended the cause";
}

TEST_F(recovery, GarbageInTheStoreIsNoReasonNotToStart) {
  answer_always();
  for (const std::string text : {"no json", "[]", R"({"models":7})", R"({"models":{"test-model":[]}})",
                                 R"({"models":{"test-model":{"breaker_open":"yes"}}})"}) {
    store->documents["provider_state/" + test::the_provider.value] = text;
    start_farm();
    const auto id = submit(3);
    advance(5s, 50ms);
    EXPECT_EQ(find(id).state, run_state::completed) << text;
    crash_farm();
  }
}

// -- calls: failed or sent again at once -------------------------------------------------------------------

TEST_F(recovery, TheConnectionsFallIsKnownBeforeAnyTimePasses) {
  cap = 3;
  start_farm();
  submit(10);
  ASSERT_EQ(provider_now().models.at(test::the_model)->exchanging(), 3u);
  kill(the_connection());
  EXPECT_EQ(provider_now().models.at(test::the_model)->exchanging(), 0u);
  for (const auto& [id, open] : provider_now().calls)
    EXPECT_NE(open.phase, provider_state::call_phase::exchanging);
}

TEST_F(recovery, CallsThatTheConnectionTookWithItMayBeBilledAndAreTriedOnceMore) {
  cap = 1;
  start_farm();
  const auto id = submit(1);
  kill(the_connection());
  advance(30s);
  ASSERT_EQ(wire.bodies.size(), 2u);
  wire.answer_next("right");
  advance(1s);
  ASSERT_EQ(scored(id), 1u);
  const auto& kept = store->responses[id].begin()->second;
  ASSERT_EQ(kept.failures.size(), 1u);
  EXPECT_EQ(kept.failures[0].error, errc::actor_lost);
  EXPECT_TRUE(kept.failures[0].possibly_billed);
  EXPECT_EQ(find(id).progress.possibly_billed, 1u);
}

TEST_F(recovery, ACallThatFellWithTwoConnectionsIsFinal) {
  cap = 1;
  start_farm();
  const auto id = submit(1);
  kill(the_connection());
  advance(5s);
  ASSERT_EQ(wire.bodies.size(), 2u);
  kill(the_connection());
  advance(5s);
  EXPECT_EQ(wire.bodies.size(), 2u);
  EXPECT_EQ(find(id).state, run_state::failed);
  EXPECT_EQ(store->samples[id].begin()->second.error, errc::actor_lost);
}

TEST_F(recovery, ALimiterThatFallsBeforeAnythingWasSentIsReplaced) {
  start_farm();
  submit(5);
  close_key();
  advance(3s);
  crash_farm();
  const auto sent = wire.bodies.size();
  start_farm();
  run();
  ASSERT_GT(provider_now().models.at(test::the_model)->gates.front().acquiring, 0u);
  ASSERT_FALSE(provider_now().ticking) << "nothing is on the wire";
  kill(the_limiter());
  advance(100ms);
  EXPECT_TRUE(the_limiter());
  EXPECT_EQ(wire.bodies.size(), sent);
}

TEST_F(recovery, ASlotGrantedWhileTheConnectionIsDownCostsNothing) {
  limits.requests_per_minute = 60;
  cap = 2;
  start_farm();
  const auto id = submit(2);
  ASSERT_EQ(wire.bodies.size(), 1u) << "the second waits for its slot";
  wire.answer_next("right");
  run();
  kill(the_connection());
  // The connection comes back after 50 ms, the slot comes after a second; so it has to fall again.
  advance(1'000ms);
  kill(the_connection());
  advance(60ms);
  advance(10s);
  wire.answer_next("right");
  advance(1s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(find(id).progress.possibly_billed, 0u);
}

TEST_F(recovery, ANewProviderGetsTheCallsOfTheOldOneAtOnce) {
  cap = 3;
  start_farm();
  submit(10);
  const auto sent = wire.bodies.size();
  kill(the_provider_actor());
  wire.requests.clear();
  // Its supervisor waits 50 to 60 ms before the restart; nothing waits after it.
  advance(70ms);
  EXPECT_EQ(wire.bodies.size(), sent + 3u);
  EXPECT_EQ(provider_now().calls.size(), 10u);
  size_t marked = 0;
  for (const auto& [id, open] : state_of<model_router_state>(handles().router).calls)
    marked += open.request.failures.size();
  EXPECT_EQ(marked, 3u) << "those that only waited in its line cannot have been billed";
}

TEST_F(recovery, ACallThatMayBeBilledAndWaitsForItsNextTryIsRememberedWhenItsProviderFalls) {
  cap = 1;
  start_farm();
  const auto id = submit(1);
  kill(the_connection());
  ASSERT_EQ(provider_now().calls.begin()->second.phase, provider_state::call_phase::deferred);
  kill(the_provider_actor());
  answer_always();
  advance(30s);
  EXPECT_EQ(find(id).progress.possibly_billed, 1u);
}

TEST_F(recovery, CallsOfACancelledRunAreNotPaidForAgainWhenTheirProviderFalls) {
  cap = 3;
  start_farm();
  const auto id = submit(10);
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  const auto sent = wire.bodies.size();
  kill(the_provider_actor());
  advance(40s, 100ms);
  EXPECT_EQ(wire.bodies.size(), sent);
  EXPECT_EQ(find(id).state, run_state::cancelled);
  EXPECT_EQ(find(id).progress.possibly_billed, 3u);
  EXPECT_TRUE(state_of<model_router_state>(handles().router).calls.empty());
}

TEST_F(recovery, CallsOfAPausedRunWaitForItsResumeWhenTheirProviderFalls) {
  cap = 3;
  start_farm();
  const auto id = submit(10);
  ASSERT_TRUE(verb(id, run_verb::pause).has_value());
  const auto sent = wire.bodies.size();
  kill(the_provider_actor());
  advance(40s, 100ms);
  EXPECT_EQ(wire.bodies.size(), sent) << "nothing new while it is paused";
  EXPECT_EQ(find(id).state, run_state::paused);
  answer_always();
  ASSERT_TRUE(verb(id, run_verb::resume).has_value());
  advance(5s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(wire.bodies.size(), 10u + 3u);
}

TEST_F(recovery, ARouterThatFallsLeavesNoCallBehindInTheProvider) {
  cap = 3;
  start_farm();
  submit(10);
  ASSERT_EQ(wire.requests.size(), 3u);
  const auto provider = the_provider_actor();
  kill(handles().router);
  advance(40ms);
  EXPECT_EQ(wire.cancelled.size(), 3u) << "nobody waits for these any more";
  EXPECT_TRUE(state_of<provider_state>(provider).calls.empty());
  EXPECT_TRUE(state_of<provider_state>(provider).lanes.empty());
}

TEST_F(recovery, AnEvaluationThatFallsLeavesNoCallBehind) {
  cap = 3;
  start_farm();
  const auto id = submit(10);
  kill(the_evaluation(id));
  advance(40ms);
  EXPECT_EQ(wire.cancelled.size(), 3u) << "nobody waits for these any more";
  EXPECT_TRUE(provider_now().calls.empty());
  EXPECT_TRUE(state_of<model_router_state>(handles().router).calls.empty());
  EXPECT_TRUE(state_of<model_router_state>(handles().router).lanes.empty());
}

// -- restarts that need no other event ---------------------------------------------------------------------

TEST_F(recovery, CallsInTheLineGoOnWhenTheLimiterIsBack) {
  limits.requests_per_minute = 60;
  cap = 8;
  start_farm();
  const auto id = submit(4);
  kill(the_limiter());
  answer_always();
  wire.answer_next("right");
  advance(10s);
  EXPECT_EQ(find(id).state, run_state::completed) << "those that waited in the old limiter too";
}

TEST_F(recovery, CallsInTheLineGoOnWhenTheConnectionIsBack) {
  cap = 2;
  start_farm();
  const auto id = submit(6);
  wire.answer_next("right");
  kill(the_connection());
  answer_always();
  advance(40s);
  EXPECT_EQ(find(id).state, run_state::completed);
}

TEST_F(recovery, ALimiterThatFallsAgainAndAgainEndsItsProviderWhichStartsAfresh) {
  start_farm();
  submit(5);
  const auto first = the_provider_actor();
  for (int i = 0; i < 200 && the_provider_actor() == first; ++i) {
    if (const auto limiter = the_limiter())
      kill(limiter);
    advance(50ms);
    if (!the_provider_actor())
      break;
  }
  EXPECT_NE(the_provider_actor(), first);
  answer_always();
  wire.answer_next("right");
  advance(40s);
  EXPECT_FALSE(escalation.has_value());
  EXPECT_TRUE(provider_now().calls.empty());
}

TEST_F(recovery, AConnectionThatFallsAgainAndAgainEndsItsProvider) {
  start_farm();
  submit(5);
  const auto first = the_provider_actor();
  for (int i = 0; i < 200 && the_provider_actor() == first; ++i) {
    if (const auto connection = the_connection())
      kill(connection);
    advance(50ms);
    if (!the_provider_actor())
      break;
  }
  EXPECT_NE(the_provider_actor(), first);
}

} // namespace
} // namespace assay
