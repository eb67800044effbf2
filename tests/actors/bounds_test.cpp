#include "tests/actors/farm_world.hpp"

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;

/// What keeps the farm's memory bounded and its messages few.
class bounds : public farm_world {
protected:
  void answer_always() {
    wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  }

  /// Calls @p look after every single message until nothing is left to do.
  template <class Look>
  void step_by_step(Look look) {
    while (sched.try_run_once())
      look();
  }

  size_t timers() { return sched.clock().schedule().size(); }
};

// -- credit ------------------------------------------------------------------------------------------------

TEST_F(bounds, AnEvaluationNeverHasMoreCallsOutThanItsCreditNorItsDatasetInMemory) {
  cap = 4;
  auto with = config();
  with.runs.child.page_size = 16;
  with.runs.child.read_ahead = 32;
  workers->hold = false;
  start_farm(with);
  const auto id = submit(5'000);
  const auto child = the_evaluation(id);
  auto& state = state_of<evaluation_state>(child);
  ASSERT_GT(state.credit, 0u);
  size_t most_out = 0;
  size_t most_ready = 0;
  for (int i = 0; i < 300; ++i) {
    wire.answer_next("right");
    step_by_step([&] {
      EXPECT_LE(state.open.size(), state.credit);
      most_out = std::max(most_out, state.open.size());
      most_ready = std::max(most_ready, state.ready.size());
    });
  }
  EXPECT_EQ(most_out, state.credit) << "the credit is used";
  EXPECT_LE(most_ready, 16u + 32u);
  EXPECT_EQ(wire.most_open, 4u);
}

TEST_F(bounds, AnEvaluationThatIsToldToHaveLessOutSendsNothingUntilItHas) {
  cap = 4;
  start_farm();
  const auto id = submit(5'000);
  auto& state = evaluation_now(id);
  const auto before = state.open.size();
  ASSERT_GT(before, 10u);
  tell(the_evaluation(id), lane_credit{id, 10});
  for (size_t i = 0; i < before - 10; ++i) {
    EXPECT_EQ(state.open.size(), before - i);
    wire.answer_next("right");
    run();
  }
  EXPECT_EQ(state.open.size(), 10u);
  wire.answer_next("right");
  run();
  EXPECT_EQ(state.open.size(), 10u) << "from here on one goes out for each that comes back";
}

TEST_F(bounds, AnswersThatTheStoreDoesNotTakeHoldNewCallsBack) {
  cap = 64;
  auto with = config();
  with.runs.child.max_uncommitted = 100;
  start_farm(with);
  const auto id = submit(2'000);
  store->hold = true;
  answer_always();
  while (wire.answer_next("right"))
    run();
  for (int i = 0; i < 50; ++i)
    advance(10ms);
  // What was out when the bound was reached still comes back: a credit's worth.
  EXPECT_LE(evaluation_now(id).uncommitted_samples, 100u + evaluation_now(id).credit);
  const auto sent = wire.bodies.size();
  advance(5s, 50ms);
  EXPECT_EQ(wire.bodies.size(), sent);
  store->hold = false;
  store->commit();
  for (int i = 0; i < 200 && find(id).state != run_state::completed; ++i)
    advance(50ms);
  EXPECT_EQ(find(id).state, run_state::completed);
}

TEST_F(bounds, AFullWaitingLineRefusesInsteadOfGrowing) {
  cap = 1;
  auto with = config();
  with.providers.child.queue_capacity = 10;
  start_farm(with);
  const auto id = submit(1'000);
  EXPECT_LE(provider_now().calls.size(), 11u);
  advance(100ms);
  EXPECT_EQ(wire.bodies.size(), 1u);
  EXPECT_NE(find(id).state, run_state::completed);
}

// -- timers ------------------------------------------------------------------------------------------------

TEST_F(bounds, ThousandOpenCallsNeedNoTimerEach) {
  cap = 1'000;
  start_farm();
  submit(2'000);
  ASSERT_EQ(wire.requests.size(), 1'000u);
  ASSERT_EQ(provider_now().wheel->size(), 1'000u);
  EXPECT_LE(timers(), 10u);
  while (wire.answer_next("right"))
    run();
  advance(1s);
  EXPECT_LE(timers(), 10u) << "answered calls leave none behind";
  EXPECT_TRUE(provider_now().wheel->empty());
}

TEST_F(bounds, ThousandCallsThatWaitForAKeyNeedNoTimerEach) {
  cap = 1'000;
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::failure(0, 429, {{"retry-after", "60"}})};
  };
  start_farm();
  submit(1'000);
  EXPECT_EQ(provider_now().models.at(test::the_model)->waiting(), 1'000u);
  EXPECT_LE(timers(), 10u);
}

TEST_F(bounds, ALimiterThatIsAskedAllTheTimeHasTwoTimersAtMost) {
  limits.requests_per_minute = 6'000;
  cap = 64;
  answer_always();
  start_farm();
  submit(2'000);
  for (int i = 0; i < 300; ++i) {
    advance(10ms);
    ASSERT_LE(timers(), 11u);
  }
}

TEST_F(bounds, AnIdleFarmHasTheMonitorsTimerOnly) {
  answer_always();
  start_farm();
  const auto id = submit(50);
  advance(10s, 50ms);
  ASSERT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(timers(), 1u);
}

// -- messages ----------------------------------------------------------------------------------------------

/// The scheduler of the tests handles one message a step, so steps are messages.
TEST_F(bounds, OneMessageCarriesManySamplesUnderLoad) {
  cap = 64;
  auto with = config();
  size_t crossings = 0;
  with.providers.child.open_transport = [&, open = wire.factory()](const provider_profile& profile,
                                                                   transport_sink sink) {
    return open(profile, [&crossings, sink = std::move(sink)](http_turn&& turn) {
      ++crossings;
      sink(std::move(turn));
    });
  };
  answer_always();
  start_farm(with);
  constexpr size_t calls = 6'400;
  caf::anon_send(handles().runs, submit_run{request(calls), user_id{"ann"}, ""});
  const auto messages = run();
  ASSERT_EQ(wire.bodies.size(), calls);
  // A window's worth of calls makes one round: some eighteen messages for 64 calls. One message a sample and
  // hop would be ten a call.
  EXPECT_LE(messages, calls / 3) << "messages for all calls";
  EXPECT_LE(crossings, calls / 64 + 16) << "crossings from the sockets to the actors";
  EXPECT_LE(store->submitted, calls / 16) << "batches for the journal";
}

TEST_F(bounds, OneMessageCarriesOneSampleWhenIdleAndNothingWaitsForCompany) {
  cap = 1;
  start_farm();
  const auto id = submit(4);
  wire.answer_next("right"); // The run's window grows once.
  run();
  const auto before = store->submitted;
  wire.answer_next("right");
  const auto messages = run();
  EXPECT_EQ(scored(id), 2u) << "without any time passing";
  EXPECT_EQ(store->submitted - before, 2u) << "the answer, then its score";
  EXPECT_EQ(wire.bodies.size(), 3u) << "and the next call is out";
  EXPECT_LE(messages, 24u);
}

// -- monitors ----------------------------------------------------------------------------------------------

TEST_F(bounds, ARouterThatStoodBehindAHundredRunsIsMournedOnce) {
  cap = 64;
  answer_always();
  start_farm();
  for (int i = 0; i < 100; ++i)
    submit(1);
  advance(1s);
  // What falls with the router is the same after one run as after a hundred: no down message for each.
  const auto provider = the_provider_actor();
  EXPECT_EQ(state_of<provider_state>(provider).watched_sinks.size(), 1u);
  caf::anon_send_exit(handles().router, caf::exit_reason::kill);
  EXPECT_LE(run(), 24u);
  EXPECT_TRUE(state_of<provider_state>(provider).watched_sinks.empty());
}

} // namespace
} // namespace assay
