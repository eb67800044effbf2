#include "actors/monitoring/event_hub.hpp"
#include "actors/runs/evaluation.hpp"
#include "actors/supervision/journal.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/fake_farm.hpp"

#include <algorithm>

namespace assay {
namespace {

using namespace std::chrono_literals;

/// Stands for the router: keeps what it gets.
struct lane_keeper_state {
  std::vector<open_lane> lanes;
  std::vector<call> calls;
  std::vector<withdraw_calls> withdrawals;
  size_t closed = 0;
};

call_target_actor::behavior_type lane_keeper(call_target_actor::stateful_pointer<lane_keeper_state> self) {
  return {
      [self](const open_lane& wish) { self->state.lanes.push_back(wish); },
      [self](const call_batch& batch) {
        self->state.calls.insert(self->state.calls.end(), batch.calls.begin(), batch.calls.end());
      },
      [self](const withdraw_calls& wish) { self->state.withdrawals.push_back(wish); },
      [](const recall_calls&) {},
      [](const deltas_taken&) {},
      [self](const close_lane&) { ++self->state.closed; },
  };
}

/// Stands for the run supervisor: remembers how its child ended.
struct guardian_state {
  std::optional<caf::error> childs_end;
  run_record latest;
};

run_supervisor_actor::behavior_type guardian(run_supervisor_actor::stateful_pointer<guardian_state> self) {
  self->set_down_handler([self](const caf::down_msg& down) { self->state.childs_end = down.reason; });
  return {
      [](const submit_run&) { return run_submitted{}; },
      [](const command_run&) { return run_record{}; },
      [](const find_run&) { return run_record{}; },
      [](const count_runs&) { return run_counts{}; },
      [](const read_gauges&) { return gauges{}; },
      [](const drain&) {},
      [](const open_runs_found&) {},
      [self](const run_reported& news) { self->state.latest = news.record; },
      [](const run_pinned&) {},
      [](const expired_runs_found&) {},
      [](const preparation_ended&) {},
      [](const tick&) {},
  };
}

class evaluation_test : public test::actor_test {
protected:
  std::shared_ptr<test::fake_store> store = std::make_shared<test::fake_store>();
  std::shared_ptr<test::inline_executor> workers = std::make_shared<test::inline_executor>();
  event_hub_actor hub = spawn(event_hub, event_hub_config{});
  journal_actor the_journal = spawn(journal, journal_config{store, hub, 100, 5ms});
  call_target_actor router = spawn(lane_keeper);
  run_supervisor_actor parent = spawn(guardian);
  evaluation_actor child;
  const run_id id{1'700'000'000U, 7U};
  std::optional<seconds> time_limit;
  std::optional<size_t> max_kept_bytes;
  cache_use cache = cache_use::off;

  void start(uint64_t samples) {
    evaluation_config config;
    auto& spec = config.record.spec;
    spec.id = id;
    spec.prompt_types = {"baseline"};
    spec.time_limit = time_limit;
    spec.cache = cache;
    spec.max_cost = money{77};
    spec.api_key = "nightly";
    spec.key_budget = money{99};
    pinned_task task;
    task.id = task_id{"questions"};
    task.sample_count = samples;
    spec.tasks.push_back(task);
    config.make_worker = [this] { return std::make_shared<test::fake_worker>(*store); };
    config.workers = workers;
    config.journal = the_journal;
    config.event_hub = hub;
    config.router = router;
    config.max_kept_bytes = max_kept_bytes.value_or(config.max_kept_bytes);
    config.wall = [] { return wall_time{1'700'000'000'000ms}; };
    child = spawn(evaluation, std::move(config), parent);
    auto* guard = caf::actor_cast<caf::abstract_actor*>(parent);
    dynamic_cast<caf::local_actor*>(guard)->monitor(child);
    run();
  }

  void give_credit(uint32_t calls) { tell(child, lane_credit{id, calls}); }

  call_outcome outcome_of(const call& request, std::optional<errc> error = {}, bool billed = false) {
    call_outcome out;
    out.id = request.id;
    out.possibly_billed = billed;
    if (error) {
      out.error = fault{*error, "no", {}, {}};
      out.failures.push_back({*error, 0, 0ms, billed, "no"});
    } else {
      out.answer = shared_text{"right"};
    }
    return out;
  }

  void send_back(call_outcome outcome) {
    call_outcome_batch batch{id, {}};
    batch.outcomes.push_back(std::move(outcome));
    tell(child, std::move(batch));
  }

  lane_keeper_state& routed() { return state_of<lane_keeper_state>(router); }
  guardian_state& guarded() { return state_of<guardian_state>(parent); }
  errc end_of_child() {
    return guarded().childs_end ? to_fault(*guarded().childs_end).code : errc::deadline_exceeded;
  }
};

// -- answers that cannot be kept ---------------------------------------------------------------------------

TEST_F(evaluation_test, AnAnswerTooLargeForTheStoreFailsItsSampleAlone) {
  max_kept_bytes = 1'000;
  start(3);
  give_credit(3);
  const auto calls = routed().calls;
  auto large = outcome_of(calls[1]);
  large.answer = shared_text{std::string(1'000, 'x')};
  large.usage.completion_tokens = 250;
  send_back(outcome_of(calls[0]));
  send_back(std::move(large));
  send_back(outcome_of(calls[2]));
  const auto& record = store->runs.at(id);
  EXPECT_EQ(record.state, run_state::completed);
  EXPECT_EQ(record.progress.done, 3u);
  EXPECT_EQ(record.progress.failed, 1u);
  const auto& kept = std::next(store->responses[id].begin())->second;
  EXPECT_EQ(kept.error, errc::too_large);
  EXPECT_NE(kept.error_message.find("more than the 1000 that are kept"), std::string::npos)
      << kept.error_message;
  EXPECT_TRUE(kept.answer.empty());
  EXPECT_EQ(kept.usage.completion_tokens, 250u) << "it was paid for all the same";
  EXPECT_EQ(std::next(store->samples[id].begin())->second.error, errc::too_large);
}

TEST_F(evaluation_test, AQuestionTooLargeForTheStoreIsNotKeptEither) {
  max_kept_bytes = 10;
  start(1);
  give_credit(1);
  send_back(outcome_of(routed().calls.at(0)));
  EXPECT_EQ(store->runs.at(id).state, run_state::failed);
  ASSERT_EQ(store->responses[id].size(), 1u);
  EXPECT_TRUE(store->responses[id].begin()->second.prompt.empty());
}

// -- the fall of those it needs ----------------------------------------------------------------------------

TEST_F(evaluation_test, EndsWhenItsRouterEnds) {
  start(5);
  kill(router);
  EXPECT_EQ(end_of_child(), errc::actor_lost);
}

TEST_F(evaluation_test, EndsWhenTheJournalEnds) {
  start(5);
  kill(the_journal);
  EXPECT_EQ(end_of_child(), errc::actor_lost);
}

TEST_F(evaluation_test, EndsWithTheReasonWhenTheStoreFails) {
  start(5);
  give_credit(1);
  store->broken = fault{errc::store_failed, "flush failed", {}, {}};
  send_back(outcome_of(routed().calls.at(0)));
  EXPECT_EQ(end_of_child(), errc::store_failed);
}

// -- work that finds no room -------------------------------------------------------------------------------

TEST_F(evaluation_test, OffersAJobAgainThatTheWorkersHadNoRoomFor) {
  workers->full = true;
  start(5);
  advance(2s, 100ms);
  EXPECT_TRUE(routed().lanes.empty());
  workers->full = false;
  advance(1s, 100ms);
  EXPECT_EQ(routed().lanes.size(), 1u);
}

// -- withdrawal --------------------------------------------------------------------------------------------

TEST_F(evaluation_test, ACancelWithdrawsWithTheGraceAndAnswersWhenItIsDurable) {
  start(5);
  give_credit(3);
  ASSERT_EQ(routed().calls.size(), 3u);
  store->hold = true;
  auto pending = self->request(child, caf::infinite, command_run{id, run_verb::cancel});
  run();
  EXPECT_TRUE(self->mailbox().empty()) << "nothing is durable yet";
  ASSERT_EQ(routed().withdrawals.size(), 1u);
  EXPECT_EQ(routed().withdrawals[0].grace, 30s);
  store->hold = false;
  store->commit();
  run();
  ASSERT_FALSE(self->mailbox().empty());
  pending.receive([](const run_record& record) { EXPECT_EQ(record.state, run_state::cancelled); },
                  [](const caf::error&) { ADD_FAILURE(); });
}

TEST_F(evaluation_test, ACancelledRunKeepsWhatComesAndRecordsWhatMayHaveBeenPaidFor) {
  start(5);
  give_credit(3);
  tell(child, command_run{id, run_verb::cancel});
  const auto calls = routed().calls;
  send_back(outcome_of(calls[0]));
  send_back(outcome_of(calls[1], errc::cancelled, true));
  EXPECT_FALSE(guarded().childs_end.has_value()) << "one call is still out";
  send_back(outcome_of(calls[2], errc::cancelled, false));
  ASSERT_TRUE(guarded().childs_end.has_value());
  EXPECT_EQ(routed().calls.size(), 3u) << "nothing new was asked";
  EXPECT_EQ(routed().closed, 1u);
  const auto& record = store->runs.at(id);
  EXPECT_EQ(record.state, run_state::cancelled);
  EXPECT_EQ(record.progress.done, 2u);
  EXPECT_EQ(record.progress.failed, 1u) << "given up, and on record as such";
  EXPECT_EQ(record.progress.possibly_billed, 1u);
  EXPECT_EQ(store->samples[id].size(), 2u) << "the one that was never sent is as if never asked";
  ASSERT_EQ(store->responses[id].size(), 2u);
  const auto& given_up = store->responses[id].rbegin()->second;
  EXPECT_EQ(given_up.error, errc::cancelled);
  EXPECT_TRUE(given_up.possibly_billed);
}

TEST_F(evaluation_test, WhatMayHaveBeenPaidForWhenARunEndsForGoodIsInItsRecordForEver) {
  start(5);
  give_credit(2);
  const auto calls = routed().calls;
  send_back(outcome_of(calls.at(0), errc::quota_exhausted, true));
  send_back(outcome_of(calls.at(1), errc::quota_exhausted, true));
  const auto& record = store->runs.at(id);
  EXPECT_EQ(record.state, run_state::failed);
  EXPECT_EQ(record.progress.possibly_billed, 2u);
  EXPECT_EQ(record.lost_calls, 2u) << "no sample tells of them, so a recount would miss them";
}

TEST_F(evaluation_test, ARunSaysHowManyCallsMayBeOutBeforeTheyAre) {
  start(500);
  EXPECT_EQ(store->runs.at(id).open_calls_at_most, 0u);
  store->hold = true;
  give_credit(100);
  EXPECT_EQ(store->waiting(), 1u);
  store->hold = false;
  store->commit();
  run();
  EXPECT_EQ(store->runs.at(id).open_calls_at_most, 128u);
  EXPECT_EQ(store->runs.at(id).state, run_state::running);
  const auto before = store->submitted;
  send_back(outcome_of(routed().calls.at(0)));
  EXPECT_EQ(store->submitted, before + 2u) << "an answer and its score; no other write for a call";
}

TEST_F(evaluation_test, ARunSaysHowManyCallsTheWindowLetsOutAndHearsOfALargerOne) {
  start(500);
  const auto let_out = [&](uint32_t calls) {
    lane_credit credit{id, 100};
    credit.on_the_wire_at_most = calls;
    tell(child, std::move(credit));
  };
  let_out(20);
  EXPECT_EQ(store->runs.at(id).sent_calls_at_most, 20u);
  EXPECT_EQ(store->runs.at(id).open_calls_at_most, 128u);
  let_out(40);
  EXPECT_EQ(store->runs.at(id).sent_calls_at_most, 40u);
  let_out(10);
  EXPECT_EQ(store->runs.at(id).sent_calls_at_most, 40u) << "forty may be out still";
  tell(child, command_run{id, run_verb::pause});
  for (const auto& asked : std::vector(routed().calls))
    send_back(outcome_of(asked));
  EXPECT_EQ(store->runs.at(id).sent_calls_at_most, 0u) << "it rests";
}

TEST_F(evaluation_test, TheTimeOfARunIsThatInWhichItWasUnderWay) {
  start(2);
  give_credit(1);
  advance(10s, 500ms);
  tell(child, command_run{id, run_verb::pause});
  send_back(outcome_of(routed().calls.at(0)));
  advance(600s, 10s);
  tell(child, command_run{id, run_verb::resume});
  advance(5s, 500ms);
  send_back(outcome_of(routed().calls.at(1)));
  const auto& record = store->runs.at(id);
  ASSERT_EQ(record.state, run_state::completed);
  EXPECT_EQ(record.active_for.value_or(0ms).count(), 15'000);
}

TEST_F(evaluation_test, ASampleTookAtLeastAsLongAsItsTriesShow) {
  start(2);
  give_credit(2);
  const attempt_record before{errc::provider_unavailable, 503, 4s, false, "busy"};
  auto answered = outcome_of(routed().calls.at(0));
  answered.failures = {before};
  answered.timing.first_byte = 2s;
  auto failed = outcome_of(routed().calls.at(1), errc::provider_unavailable);
  failed.failures = {before, before};
  send_back(std::move(answered));
  send_back(std::move(failed));
  const auto& samples = store->samples[id];
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples.begin()->second.duration, 6s) << "tries of before it was asked again count";
  EXPECT_EQ(std::next(samples.begin())->second.duration, 4s) << "nobody waited after the last one";
}

TEST_F(evaluation_test, APausedRunAsksWhatWasWithdrawnAgainAndRemembersItsTries) {
  start(2);
  give_credit(1);
  tell(child, command_run{id, run_verb::pause});
  ASSERT_EQ(routed().withdrawals.size(), 1u);
  EXPECT_FALSE(routed().withdrawals[0].grace.has_value()) << "what is in flight may finish";
  send_back(outcome_of(routed().calls.at(0), errc::cancelled, true));
  EXPECT_TRUE(store->responses[id].empty());
  EXPECT_EQ(routed().calls.size(), 1u);
  tell(child, command_run{id, run_verb::resume});
  ASSERT_EQ(routed().calls.size(), 2u);
  EXPECT_EQ(routed().calls[1].messages, routed().calls[0].messages);
  ASSERT_EQ(routed().calls[1].failures.size(), 1u);
  EXPECT_TRUE(routed().calls[1].failures[0].possibly_billed);
}

TEST_F(evaluation_test, TheTimeLimitGivesUpWhatIsInFlightAtOnce) {
  time_limit = 20s;
  start(5);
  give_credit(2);
  advance(19s, 100ms);
  EXPECT_TRUE(routed().withdrawals.empty());
  advance(2s, 100ms);
  ASSERT_EQ(routed().withdrawals.size(), 1u);
  EXPECT_EQ(routed().withdrawals[0].grace, 0ms);
}

TEST_F(evaluation_test, ADrainWithdrawsWithItsGraceAndDoesNotWaitLonger) {
  start(5);
  give_credit(2);
  tell(child, drain{7s});
  ASSERT_EQ(routed().withdrawals.size(), 1u);
  EXPECT_EQ(routed().withdrawals[0].grace, 7s);
  advance(6s, 100ms);
  EXPECT_FALSE(guarded().childs_end.has_value());
  advance(2s, 100ms);
  EXPECT_TRUE(guarded().childs_end.has_value());
  EXPECT_EQ(store->runs.at(id).state, run_state::running) << "it goes on at the next start";
}

TEST_F(evaluation_test, ADrainEndsAsSoonAsNothingIsOut) {
  start(5);
  give_credit(1);
  tell(child, drain{30s});
  send_back(outcome_of(routed().calls.at(0)));
  EXPECT_TRUE(guarded().childs_end.has_value());
  EXPECT_EQ(store->samples[id].size(), 1u);
}

TEST_F(evaluation_test, ADrainDuringRecoveryEndsTheRunsActorOnly) {
  workers->hold = true;
  start(5);
  tell(child, drain{30s});
  ASSERT_EQ(workers->held.size(), 1u);
  workers->held.front()();
  run();
  EXPECT_TRUE(guarded().childs_end.has_value());
  EXPECT_TRUE(routed().lanes.empty());
}

TEST_F(evaluation_test, ACancelDuringRecoveryAsksNothing) {
  workers->hold = true;
  start(5);
  tell(child, command_run{id, run_verb::cancel});
  workers->hold = false;
  workers->held.front()();
  run();
  EXPECT_TRUE(guarded().childs_end.has_value());
  EXPECT_TRUE(routed().calls.empty());
  EXPECT_EQ(store->runs.at(id).state, run_state::cancelled);
}

// -- answers that cost nothing -----------------------------------------------------------------------------

TEST_F(evaluation_test, SaysHowManyAnswersCameFromTheCacheAndWhatTheyWouldHaveCost) {
  cache = cache_use::use;
  start(2);
  give_credit(2);
  ASSERT_EQ(routed().lanes.size(), 1u);
  EXPECT_EQ(routed().lanes[0].where.cache, cache_use::use);
  EXPECT_EQ(routed().lanes[0].where.max_cost, money{77});
  EXPECT_EQ(routed().lanes[0].where.api_key, "nightly");
  EXPECT_EQ(routed().lanes[0].where.key_budget, money{99});
  ASSERT_EQ(routed().calls.size(), 2u);
  EXPECT_EQ(routed().calls[0].repetition, 0u);
  auto given = outcome_of(routed().calls[0]);
  given.cached = true;
  given.cost = money{0};
  given.saved = money{42};
  auto paid = outcome_of(routed().calls[1]);
  paid.cost = money{50};
  send_back(given);
  send_back(paid);
  ASSERT_TRUE(guarded().childs_end.has_value());
  const auto& record = store->runs.at(id);
  EXPECT_EQ(record.progress.done, 2u);
  EXPECT_EQ(record.progress.cached, 1u);
  EXPECT_EQ(record.progress.cost, money{50});
  const auto& samples = store->samples[id];
  EXPECT_EQ(std::ranges::count_if(samples, [](const auto& one) { return one.second.cached; }), 1);
  const auto& first = store->responses[id].begin()->second;
  EXPECT_TRUE(first.cached);
  EXPECT_EQ(first.saved, money{42});
}

} // namespace
} // namespace assay
