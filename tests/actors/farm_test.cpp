#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::StartsWith;

TEST_F(farm_world, RunsAnEvaluationToItsEnd) {
  start_farm();
  const auto id = submit(20);
  answer_everything();
  const auto record = find(id);
  EXPECT_EQ(record.state, run_state::completed);
  EXPECT_EQ(record.progress.done, 20u);
  EXPECT_EQ(record.progress.scored, 20u);
  EXPECT_DOUBLE_EQ(record.progress.score_sum, 20.0);
  EXPECT_EQ(scored(id), 20u);
  EXPECT_EQ(store->results[id], R"({"done":20})");
  EXPECT_THAT(event_types(id), ElementsAre(event_type::evaluation_created, event_type::evaluation_started,
                                           event_type::evaluation_completed));
  // 20 calls of 10 prompt tokens at 1 dollar and 2 answer tokens at 2 dollars the million.
  EXPECT_EQ(record.progress.cost, std::optional{money{20 * (10 * 1000 + 2 * 2000)}});
}

TEST_F(farm_world, NeverHasMoreCallsOutThanTheWindow) {
  cap = 5;
  start_farm();
  submit(200);
  EXPECT_EQ(wire.requests.size(), 5u);
  answer_everything();
  EXPECT_EQ(wire.most_open, 5u);
}

TEST_F(farm_world, SaysInTheLogWhichSamplesFailed) {
  int number = 0;
  wire.respond = [&](const http_request&) {
    return std::optional{++number == 3 ? fake_wire::failure(0, 400) : fake_wire::answer(0, "right")};
  };
  start_farm();
  const auto id = submit(5);
  advance(1s);
  EXPECT_THAT(event_types(id), ElementsAre(event_type::evaluation_created, event_type::evaluation_started,
                                           event_type::log, event_type::evaluation_completed));
  const auto data = nlohmann::json::parse(store->events[id][2].data.view());
  EXPECT_EQ(data["evaluation_id"], to_string(id));
  EXPECT_EQ(data["level"], "warning");
  EXPECT_THAT(data["message"].get<std::string>(),
              StartsWith("sample 2 of questions failed: provider_rejected: "))
      << "with what the provider said";
  EXPECT_EQ(data["sample"], 2);
  EXPECT_EQ(data["prompt_type"], "baseline");
}

TEST_F(farm_world, DoesNotFillTheLogWhenEverythingFails) {
  int number = 0;
  wire.respond = [&](const http_request&) {
    return std::optional{++number % 2 == 0 ? fake_wire::failure(0, 400) : fake_wire::answer(0, "right")};
  };
  start_farm();
  const auto id = submit(100);
  advance(2s);
  const auto types = event_types(id);
  EXPECT_EQ(std::ranges::count(types, event_type::log), 21) << "twenty, and that there are more";
}

TEST_F(farm_world, AWrongAnswerScoresZero) {
  start_farm();
  const auto id = submit(4);
  answer_everything("wrong");
  const auto record = find(id);
  EXPECT_EQ(record.state, run_state::completed);
  EXPECT_EQ(record.progress.scored, 4u);
  EXPECT_DOUBLE_EQ(record.progress.score_sum, 0.0);
}

TEST_F(farm_world, TheAnswerReachesTheJournalBeforeItsScore) {
  start_farm();
  const auto id = submit(1);
  store->hold = true;
  wire.answer_next("right");
  run();
  // Two batches wait: first the response alone, then the score.
  EXPECT_EQ(store->waiting(), 2u);
  EXPECT_EQ(find(id).progress.done, 0u) << "a sample counts only when it is committed";
  store->hold = false;
  store->commit();
  advance(600ms);
  EXPECT_EQ(find(id).progress.done, 1u);
}

TEST_F(farm_world, PauseSendsNothingNewAndKeepsWhatIsInFlight) {
  cap = 2;
  start_farm();
  const auto id = submit(10);
  ASSERT_EQ(wire.requests.size(), 2u);
  const auto paused = verb(id, run_verb::pause);
  ASSERT_TRUE(paused.has_value());
  EXPECT_EQ(paused->state, run_state::paused);
  wire.answer_next("right");
  wire.answer_next("right");
  advance(1s);
  EXPECT_EQ(scored(id), 2u);
  EXPECT_TRUE(wire.requests.empty());
  EXPECT_EQ(verb(id, run_verb::pause)->state, run_state::paused) << "verbs are idempotent";
  ASSERT_TRUE(verb(id, run_verb::resume).has_value());
  answer_everything();
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(wire.bodies.size(), 10u) << "nothing is asked twice";
}

TEST_F(farm_world, CancelWithdrawsWaitingCallsAtOnce) {
  cap = 2;
  start_farm();
  const auto id = submit(10);
  ASSERT_EQ(provider_now().calls.size(), 10u);
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  EXPECT_EQ(provider_now().calls.size(), 2u) << "those in flight";
  EXPECT_TRUE(wire.cancelled.empty()) << "which may finish";
  advance(29s, 100ms);
  EXPECT_TRUE(wire.cancelled.empty());
  advance(2s, 100ms);
  EXPECT_EQ(wire.cancelled.size(), 2u);
  EXPECT_TRUE(provider_now().calls.empty());
}

TEST_F(farm_world, ACallOfACancelledRunIsNotTriedAgain) {
  cap = 2;
  start_farm();
  const auto id = submit(10);
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  wire.deliver(fake_wire::failure(wire.requests.front().id, 503));
  wire.deliver(fake_wire::broken(wire.requests.front().id, errc::truncated_answer, true));
  advance(20s, 100ms);
  EXPECT_EQ(wire.bodies.size(), 2u);
  EXPECT_TRUE(provider_now().calls.empty());
  EXPECT_EQ(find(id).progress.possibly_billed, 1u);
}

TEST_F(farm_world, CallsThatACancelTakesOutOfTheLimiterMakeRoomAtOnce) {
  limits.requests_per_minute = 60;
  cap = 4;
  start_farm();
  const auto first = submit(10);
  const auto second = submit(10);
  auto& model = *provider_now().models.at(test::the_model);
  ASSERT_EQ(model.exchanging(), 1u);
  ASSERT_EQ(model.gates.front().acquiring, 3u);
  ASSERT_TRUE(verb(first, run_verb::cancel).has_value());
  EXPECT_EQ(model.gates.front().acquiring, 3u) << "taken by the other run";
  EXPECT_EQ(state_of<rate_limiter_state>(the_limiter()).waiting.size(), 3u) << "nothing asks for who is gone";
  for (const auto& [id, open] : provider_now().calls)
    EXPECT_TRUE(open.phase != provider_state::call_phase::acquiring || open.run == second);
}

/// A slot is on its way while its call is withdrawn.
TEST_F(farm_world, ASlotThatNobodyWantsAnyMoreIsGivenBack) {
  limits.requests_per_minute = 60;
  cap = 2;
  start_farm();
  const auto id = submit(10);
  const auto limiter = the_limiter();
  auto& slots = *state_of<rate_limiter_state>(limiter).limits;
  ASSERT_EQ(slots.slots_in_use(), 1u);
  sched.clock().current_time += 2s;
  caf::anon_send(the_provider_actor(), withdraw_calls{id, std::nullopt});
  caf::anon_send(limiter, tick{});
  run();
  EXPECT_EQ(wire.bodies.size(), 1u);
  EXPECT_EQ(slots.slots_in_use(), 1u);
}

TEST_F(farm_world, CancelKeepsAnswersThatComeWithinTheGrace) {
  cap = 2;
  start_farm();
  const auto id = submit(10);
  const auto cancelled = verb(id, run_verb::cancel);
  ASSERT_TRUE(cancelled.has_value());
  EXPECT_EQ(cancelled->state, run_state::cancelled);
  wire.answer_next("right");
  advance(31s, 100ms);
  EXPECT_EQ(scored(id), 1u);
  EXPECT_EQ(wire.cancelled.size(), 1u) << "the other call is given up after the grace";
  EXPECT_EQ(find(id).progress.possibly_billed, 1u) << "and put on record, since it may cost money";
  EXPECT_EQ(find(id).state, run_state::cancelled);
  EXPECT_EQ(wire.bodies.size(), 2u);
  EXPECT_FALSE(verb(id, run_verb::resume).has_value()) << "cancelled is final";
}

TEST_F(farm_world, RetryAsksOnlyWhatFailed) {
  wire.respond = [](const http_request& request) -> std::optional<http_outcome> {
    const bool bad = request.body.view().find("question 3") != std::string_view::npos;
    return bad ? fake_wire::failure(0, 400) : fake_wire::answer(0, "right");
  };
  start_farm();
  const auto id = submit(6);
  advance(2s);
  ASSERT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(find(id).progress.failed, 1u);
  wire.bodies.clear();
  wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  ASSERT_TRUE(verb(id, run_verb::retry).has_value());
  advance(2s);
  EXPECT_EQ(wire.bodies.size(), 1u);
  EXPECT_EQ(find(id).generation, 1u);
  EXPECT_EQ(find(id).progress.failed, 0u);
  EXPECT_THAT(event_types(id),
              ElementsAre(event_type::evaluation_created, event_type::evaluation_started, event_type::log,
                          event_type::evaluation_completed, event_type::evaluation_retried,
                          event_type::evaluation_started, event_type::evaluation_completed))
      << "whoever waits for its start hears of each";
}

TEST_F(farm_world, AfterACrashTheRunGoesOnByItselfAndRepeatsOnlyCallsInFlight) {
  cap = 3;
  start_farm();
  const auto id = submit(12);
  for (int i = 0; i < 4; ++i) {
    wire.answer_next("right");
    run();
  }
  ASSERT_EQ(scored(id), 4u);
  const auto sent_before = wire.bodies.size();
  crash_farm();
  start_farm();
  answer_everything();
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 12u);
  EXPECT_EQ(wire.bodies.size(), 12u + (sent_before - 4u));
  EXPECT_EQ(std::ranges::count(event_types(id), event_type::evaluation_started), 1)
      << "going on is no other start";
}

TEST_F(farm_world, AnAnswerWithoutAScoreIsScoredAfterACrashWithoutAnotherCall) {
  cap = 1;
  start_farm();
  const auto id = submit(1);
  response_record kept;
  kept.run = id;
  kept.answer = shared_text{"right"};
  store->responses[id][kept.address] = kept;
  crash_farm();
  wire.bodies.clear();
  start_farm();
  advance(2s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 1u);
  EXPECT_TRUE(wire.bodies.empty());
}

TEST_F(farm_world, APausedRunStaysPausedOverARestart) {
  start_farm();
  const auto id = submit(10);
  ASSERT_TRUE(verb(id, run_verb::pause).has_value());
  crash_farm();
  wire.bodies.clear();
  start_farm();
  advance(5s, 100ms);
  EXPECT_EQ(find(id).state, run_state::paused);
  EXPECT_TRUE(wire.bodies.empty());
}

TEST_F(farm_world, HigherPriorityGoesFirstAndDependenciesAreAwaited) {
  auto with = config();
  with.runs.max_running = 1;
  start_farm(with);
  const auto first = submit(1);
  auto low = request(1);
  low.priority = -5;
  auto high = request(1);
  high.priority = 5;
  auto after = request(1);
  after.priority = 50;
  const auto low_id = submit(low);
  const auto high_id = submit(high);
  after.depends_on = {low_id};
  const auto after_id = submit(after);
  EXPECT_EQ(find(after_id).waiting_for, "the end of " + to_string(low_id) + ", which it depends on");
  EXPECT_EQ(find(high_id).waiting_for, "") << "it waits for its turn";
  wire.answer_next("right");
  advance(1s);
  EXPECT_EQ(find(first).state, run_state::completed);
  EXPECT_EQ(find(high_id).state, run_state::running);
  EXPECT_EQ(find(low_id).state, run_state::queued);
  wire.answer_next("right");
  advance(1s);
  EXPECT_EQ(find(low_id).state, run_state::running);
  EXPECT_EQ(find(after_id).state, run_state::queued);
  EXPECT_NE(find(after_id).waiting_for, "");
  answer_everything();
  EXPECT_EQ(find(after_id).waiting_for, "");
  answer_everything();
  EXPECT_EQ(find(after_id).state, run_state::completed);
}

TEST_F(farm_world, TheSameIdempotencyKeyGetsTheSameRun) {
  start_farm();
  const auto send = [&](uint64_t samples) {
    return ask<run_submitted>(handles().runs, submit_run{request(samples), user_id{"ann"}, "key-1"});
  };
  const auto first = send(3);
  const auto again = send(3);
  const auto other = send(4);
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(first->record.spec.id, again->record.spec.id);
  EXPECT_TRUE(again->existed);
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code, errc::conflict);
}

TEST_F(farm_world, ADryRunSendsAndStoresNothing) {
  start_farm();
  auto wish = request(7);
  wish.dry_run = true;
  const auto answer = ask<run_submitted>(handles().runs, submit_run{wish, user_id{"ann"}, ""});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->calls, 7u);
  advance(1s);
  EXPECT_TRUE(store->runs.empty());
  EXPECT_TRUE(wire.bodies.empty());
}

TEST_F(farm_world, ABadKeyEndsTheRunInsteadOfFailingEverySample) {
  wire.respond = [](const http_request&) { return std::optional{fake_wire::failure(0, 401)}; };
  start_farm();
  const auto id = submit(500);
  advance(3s);
  const auto record = find(id);
  EXPECT_EQ(record.state, run_state::failed);
  ASSERT_TRUE(record.error.has_value());
  EXPECT_EQ(record.error->code, errc::credentials_rejected);
  EXPECT_LE(wire.bodies.size(), 16u);
  EXPECT_EQ(record.progress.failed, 0u);
}

TEST_F(farm_world, ARunThatNeverSucceedsGivesUp) {
  wire.respond = [](const http_request&) { return std::optional{fake_wire::failure(0, 400)}; };
  start_farm();
  const auto id = submit(5'000);
  advance(3s);
  EXPECT_EQ(find(id).state, run_state::failed);
  EXPECT_LT(wire.bodies.size(), 400u);
}

TEST_F(farm_world, TheTimeLimitEndsTheRunAndKeepsItsAnswers) {
  cap = 1;
  start_farm();
  auto wish = request(10);
  wish.time_limit = 20s;
  const auto id = submit(wish);
  wire.answer_next("right");
  advance(25s, 100ms);
  const auto record = find(id);
  EXPECT_EQ(record.state, run_state::failed);
  EXPECT_EQ(record.error->code, errc::time_limit_reached);
  EXPECT_EQ(scored(id), 1u);
}

TEST_F(farm_world, ACallsDeadlineStartsWhenItGetsItsSlot) {
  cap = 1;
  auto with = config();
  with.runs.child.call_timeout = 10s;
  start_farm(with);
  const auto id = submit(6);
  // The last call waits 45 seconds in the line, more than its deadline and what is added to it.
  for (int i = 0; i < 6; ++i) {
    advance(9s, 100ms);
    ASSERT_TRUE(wire.answer_next("right"));
    run();
  }
  advance(1s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(wire.bodies.size(), 6u);
  EXPECT_TRUE(wire.cancelled.empty());
}

TEST_F(farm_world, AStopWaitsUntilTheLastAnswerIsDurable) {
  cap = 1;
  start_farm();
  const auto id = submit(1);
  store->hold = true;
  wire.answer_next("right");
  run();
  auto pending = self->request(root, caf::infinite, stop_farm{1s});
  advance(3s);
  EXPECT_TRUE(self->mailbox().empty())
      << "the run was ended after its grace, its answer is not on the disk yet";
  store->hold = false;
  store->commit();
  advance(1s);
  ASSERT_FALSE(self->mailbox().empty());
  pending.receive([](const farm_stopped&) {}, [](const caf::error&) { ADD_FAILURE(); });
  EXPECT_EQ(store->responses[id].size(), 1u);
}

TEST_F(farm_world, AStopDrainsRunsAndFlushes) {
  cap = 2;
  start_farm();
  const auto id = submit(10);
  auto pending = self->request(root, caf::infinite, stop_farm{30s});
  advance(1s);
  EXPECT_TRUE(self->mailbox().empty()) << "two calls are still in flight";
  wire.answer_next("right");
  wire.answer_next("right");
  advance(2s);
  bool stopped = false;
  ASSERT_FALSE(self->mailbox().empty());
  pending.receive([&](const farm_stopped&) { stopped = true; }, [&](const caf::error&) {});
  EXPECT_TRUE(stopped);
  EXPECT_EQ(scored(id), 2u);
  EXPECT_EQ(store->runs[id].state, run_state::running) << "it goes on at the next start";
  EXPECT_LE(sys.registry().running(), 2u) << "the test's own actor and CAF's";
}

/// The store takes nothing, so the supervisor of runs waits for what a fallen run had written.
TEST_F(farm_world, AStopEndsRunsThatDoNotComeToRestWithinTheGrace) {
  start_farm();
  const auto id = submit(3);
  store->hold = true;
  wire.answer_next("right");
  run();
  kill(the_evaluation(id));
  auto pending = self->request(root, caf::infinite, stop_farm{3s});
  advance(2900ms);
  using phase = root_supervisor_state::phase;
  EXPECT_EQ(state_of<root_supervisor_state>(root).now, phase::draining_runs);
  advance(200ms);
  EXPECT_EQ(state_of<root_supervisor_state>(root).now, phase::flushing);
  EXPECT_TRUE(self->mailbox().empty()) << "the store has some time for what is on its way";
  advance(6s);
  bool stopped = false;
  ASSERT_FALSE(self->mailbox().empty());
  pending.receive([&](const farm_stopped&) { stopped = true; }, [&](const caf::error&) {});
  EXPECT_TRUE(stopped);
  EXPECT_LE(sys.registry().running(), 2u);
}

TEST_F(farm_world, AStopFlushesOnceTheWholeFleetHasEnded) {
  start_farm();
  caf::anon_send(root, stop_farm{30s});
  const auto& watched = state_of<root_supervisor_state>(root);
  while (watched.now != root_supervisor_state::phase::flushing && sched.try_run_once()) {
  }
  ASSERT_EQ(watched.now, root_supervisor_state::phase::flushing);
  for (const auto part :
       {farm_part::runs, farm_part::cache, farm_part::batches, farm_part::router, farm_part::providers})
    EXPECT_FALSE(watched.family.contains(watched.addresses[static_cast<size_t>(part)]))
        << static_cast<int>(part);
}

TEST_F(farm_world, AStopRefusesWhatIsStillBeingPrepared) {
  start_farm();
  workers->hold = true;
  auto pending = self->request(handles().runs, caf::infinite, submit_run{request(1), user_id{"ann"}, ""});
  run();
  ASSERT_EQ(workers->held.size(), 1u);
  tell(root, stop_farm{30s});
  ASSERT_FALSE(self->mailbox().empty()) << "nobody may wait for an actor that is gone";
  pending.receive([](const run_submitted&) { ADD_FAILURE(); },
                  [](const caf::error& reason) { EXPECT_EQ(to_fault(reason).code, errc::shutting_down); });
}

TEST_F(farm_world, AStopDoesNotWaitLongerThanItsGrace) {
  start_farm();
  submit(10);
  auto pending = self->request(root, caf::infinite, stop_farm{5s});
  advance(8s, 50ms);
  bool stopped = false;
  ASSERT_FALSE(self->mailbox().empty());
  pending.receive([&](const farm_stopped&) { stopped = true; }, [&](const caf::error&) {});
  EXPECT_TRUE(stopped);
}

TEST_F(farm_world, AFullStoreStopsTheRunAndLosesNothingThatWasReported) {
  start_farm();
  const auto id = submit(50);
  wire.answer_next("right");
  run();
  store->broken = fault{errc::store_full, "the disk is full", {}, "free some space"};
  wire.answer_next("right");
  advance(2s);
  const auto sent = wire.bodies.size();
  advance(10s, 100ms);
  EXPECT_EQ(wire.bodies.size(), sent) << "nothing new is paid for that cannot be kept";
  EXPECT_EQ(scored(id), 1u);
  const auto refused = ask<run_submitted>(handles().runs, submit_run{request(1), user_id{"ann"}, ""});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::store_full);
}

} // namespace
} // namespace assay
