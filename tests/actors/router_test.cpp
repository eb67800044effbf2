#include "actors/fleet/model_router.hpp"
#include "tests/support/actor_fixture.hpp"

#include <caf/others.hpp>

namespace assay {
namespace {

using namespace std::chrono_literals;

const run_id the_run{1'700'000'000U, 7U};
const provider_id the_provider{"p"};

/// Stands for an evaluation.
struct asker_state {
  std::vector<call_outcome> outcomes;
  std::vector<uint32_t> credits;
  std::vector<call_delta> deltas;
};

call_sink_actor::behavior_type asker(call_sink_actor::stateful_pointer<asker_state> self) {
  return {
      [self](const call_outcome_batch& batch) {
        auto& all = self->state.outcomes;
        all.insert(all.end(), batch.outcomes.begin(), batch.outcomes.end());
      },
      [self](const lane_credit& credit) { self->state.credits.push_back(credit.calls); },
      [self](const call_delta& delta) { self->state.deltas.push_back(delta); },
      [](const calls_on_the_wire&) {},
  };
}

/// Stands for a provider: keeps what it gets.
struct target_state {
  std::vector<lane> lanes;
  std::vector<call_batch> batches;
  std::vector<withdraw_calls> withdrawals;
  std::vector<recall_calls> recalls;
  std::vector<deltas_taken> taken;
  std::vector<close_lane> closed;
  call_sink_actor sink;
};

call_target_actor::behavior_type target(call_target_actor::stateful_pointer<target_state> self) {
  return {
      [self](const open_lane& wish) {
        self->state.lanes.push_back(wish.where);
        self->state.sink = wish.sink;
      },
      [self](const call_batch& batch) { self->state.batches.push_back(batch); },
      [self](const withdraw_calls& wish) { self->state.withdrawals.push_back(wish); },
      [self](const recall_calls& wish) { self->state.recalls.push_back(wish); },
      [self](const deltas_taken& taken) { self->state.taken.push_back(taken); },
      [self](const close_lane& wish) { self->state.closed.push_back(wish); },
  };
}

struct register_state {
  std::vector<provider_watcher_actor> watchers;
};

provider_supervisor_actor::behavior_type
register_of_watchers(provider_supervisor_actor::stateful_pointer<register_state> self) {
  return {
      [self](const watch_providers& wish) { self->state.watchers.push_back(wish.watcher); },
      [](const provider_memory&) {},
      [](const keys_changed&) {},
      [](const read_gauges&) { return gauges{}; },
      [](const tick&) {},
  };
}

class router_test : public test::actor_test {
protected:
  provider_supervisor_actor supervisor = spawn(register_of_watchers);
  model_router_actor router = make_router();
  call_sink_actor evaluation = spawn(asker);
  call_target_actor provider = spawn(target);

  model_router_actor make_router() {
    model_router_config config;
    config.providers = supervisor;
    config.wall = [] { return wall_time{}; };
    return spawn(model_router, config);
  }

  void SetUp() override {
    run();
    ASSERT_EQ(state_of<register_state>(supervisor).watchers.size(), 1u);
  }

  lane the_lane() const {
    lane out;
    out.run = the_run;
    out.provider = the_provider;
    out.model = model_id{"m"};
    return out;
  }

  void open() {
    tell(router, provider_up{the_provider, provider});
    tell(router, open_lane{the_lane(), evaluation});
  }

  void ask_calls(std::initializer_list<uint64_t> ids) {
    call_batch batch{the_lane(), {}, evaluation};
    for (const auto id : ids) {
      auto& request = batch.calls.emplace_back();
      request.id = call_id{id};
      request.messages.push_back({chat_role::user, prompt});
    }
    tell(router, std::move(batch));
  }

  void answer(uint64_t id) {
    call_outcome_batch batch{the_run, {}};
    batch.outcomes.emplace_back().id = call_id{id};
    tell(router, std::move(batch));
  }

  asker_state& asked() { return state_of<asker_state>(evaluation); }
  target_state& at(const call_target_actor& which) { return state_of<target_state>(which); }
  model_router_state& state() { return state_of<model_router_state>(router); }

  const shared_text prompt{"a prompt that is long enough to have a buffer of its own"};
};

TEST_F(router_test, PassesCallsOnAndAnswersBackInOneBatchEach) {
  open();
  ask_calls({1, 2, 3});
  ASSERT_EQ(at(provider).batches.size(), 1u);
  EXPECT_EQ(at(provider).batches[0].calls.size(), 3u);
  answer(2);
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].id, call_id{2});
  EXPECT_EQ(state().calls.size(), 2u);
}

TEST_F(router_test, APromptIsOneBufferFromTheAskerToTheProvider) {
  open();
  ask_calls({1});
  const auto& received = at(provider).batches.at(0).calls.at(0).messages.at(0).content;
  EXPECT_EQ(received.view().data(), prompt.view().data());
}

TEST_F(router_test, PassesPiecesOfAStreamedAnswerBack) {
  open();
  ask_calls({1});
  tell(router, call_delta{call_id{1}, {{0, "once", {}, {}}}, 4});
  tell(router, call_delta{call_id{9}, {{0, "nobody asked", {}, {}}}, 12});
  ASSERT_EQ(asked().deltas.size(), 1u);
  EXPECT_EQ(asked().deltas[0].pieces.at(0).text, "once");
}

TEST_F(router_test, PassesCreditBackAndRepeatsItToALaneThatIsOpenedAgain) {
  open();
  tell(router, lane_credit{the_run, 64, model_id{"m"}, the_provider});
  tell(router, open_lane{the_lane(), evaluation});
  EXPECT_EQ(asked().credits, (std::vector<uint32_t>{64, 64}));
}

TEST_F(router_test, SendsOpenCallsToTheNextIncarnationAtOnceAndSaysThatTheyMayBeBilled) {
  open();
  ask_calls({1, 2});
  answer(1);
  kill(provider);
  const auto next = spawn(target);
  tell(router, provider_up{the_provider, next});
  ASSERT_EQ(at(next).lanes.size(), 1u) << "the lane is announced before its calls";
  ASSERT_EQ(at(next).batches.size(), 1u);
  ASSERT_EQ(at(next).batches[0].calls.size(), 1u);
  const auto& again = at(next).batches[0].calls[0];
  EXPECT_EQ(again.id, call_id{2});
  ASSERT_EQ(again.failures.size(), 1u);
  EXPECT_EQ(again.failures[0].error, errc::actor_lost);
  EXPECT_TRUE(again.failures[0].possibly_billed);
}

TEST_F(router_test, OnlyCallsThatTheFallenProviderHadSentMayBeBilled) {
  open();
  ask_calls({1, 2});
  tell(router, calls_on_the_wire{the_provider, {call_id{2}}});
  kill(provider);
  auto next = spawn(target);
  tell(router, provider_up{the_provider, next});
  ASSERT_EQ(at(next).batches.size(), 1u);
  for (const auto& request : at(next).batches[0].calls)
    EXPECT_EQ(request.failures.size(), request.id == call_id{2} ? 1u : 0u);
  kill(next);
  next = spawn(target);
  tell(router, provider_up{the_provider, next});
  for (const auto& request : at(next).batches[0].calls)
    EXPECT_EQ(request.failures.size(), request.id == call_id{2} ? 2u : 1u) << "this one ended without a word";
}

TEST_F(router_test, KeepsCallsThatComeWhileTheProviderIsDown) {
  open();
  kill(provider);
  ask_calls({1});
  EXPECT_TRUE(asked().outcomes.empty());
  const auto next = spawn(target);
  tell(router, provider_up{the_provider, next});
  ASSERT_EQ(at(next).batches.size(), 1u);
  EXPECT_TRUE(at(next).batches[0].calls[0].failures.empty()) << "this one has never been out";
}

TEST_F(router_test, FailsCallsWhoseProviderDoesNotComeBack) {
  open();
  ask_calls({1, 2});
  kill(provider);
  advance(29s, 100ms);
  EXPECT_TRUE(asked().outcomes.empty());
  advance(2s, 100ms);
  ASSERT_EQ(asked().outcomes.size(), 2u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::actor_lost);
  EXPECT_TRUE(asked().outcomes[0].possibly_billed);
  EXPECT_TRUE(state().calls.empty());
  EXPECT_EQ(state().lanes.at(the_run).open, 0u);
}

TEST_F(router_test, FailsCallsThatComeLongAfterTheProviderFell) {
  open();
  kill(provider);
  advance(60s, 500ms);
  ask_calls({1});
  advance(1s, 100ms);
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::actor_lost);
}

TEST_F(router_test, RefusesCallsOfAProviderThatNobodyConfigured) {
  tell(router, open_lane{the_lane(), evaluation});
  advance(1s, 100ms);
  EXPECT_EQ(asked().credits, (std::vector<uint32_t>{1})) << "enough for one call, which gets the reason";
  ask_calls({1});
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::not_found);
}

TEST_F(router_test, RefusesCallsOfALaneThatWasNeverOpened) {
  tell(router, provider_up{the_provider, provider});
  ask_calls({1});
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::internal);
}

TEST_F(router_test, EndsWithdrawnCallsItselfWhileTheProviderIsDown) {
  open();
  ask_calls({1, 2});
  kill(provider);
  tell(router, withdraw_calls{the_run, std::nullopt});
  ASSERT_EQ(asked().outcomes.size(), 2u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::cancelled);
  const auto next = spawn(target);
  tell(router, provider_up{the_provider, next});
  EXPECT_TRUE(at(next).batches.empty());
}

TEST_F(router_test, EndsCallsThatWereWithdrawnBeforeTheirProviderFell) {
  open();
  ask_calls({1});
  tell(router, withdraw_calls{the_run, 30s});
  ASSERT_EQ(at(provider).withdrawals.size(), 1u);
  ask_calls({2});
  kill(provider);
  ASSERT_EQ(asked().outcomes.size(), 1u) << "at once, and only what had been withdrawn";
  EXPECT_EQ(asked().outcomes[0].id, call_id{1});
  EXPECT_EQ(asked().outcomes[0].error->code, errc::cancelled);
  EXPECT_TRUE(asked().outcomes[0].possibly_billed);
  const auto next = spawn(target);
  tell(router, provider_up{the_provider, next});
  ASSERT_EQ(at(next).batches.size(), 1u);
  EXPECT_EQ(at(next).batches[0].calls.size(), 1u);
}

TEST_F(router_test, GivesUpTheCallsOfAnAskerThatFalls) {
  open();
  ask_calls({1, 2});
  kill(evaluation);
  ASSERT_EQ(at(provider).withdrawals.size(), 1u);
  EXPECT_EQ(at(provider).withdrawals[0].grace, 0ms);
  EXPECT_EQ(at(provider).closed.size(), 1u);
  EXPECT_TRUE(state().calls.empty());
  EXPECT_TRUE(state().lanes.empty());
}

TEST_F(router_test, AnAnswerThatComesTwiceCountsOnce) {
  open();
  ask_calls({1});
  answer(1);
  answer(1);
  EXPECT_EQ(asked().outcomes.size(), 1u);
}

} // namespace
} // namespace assay
