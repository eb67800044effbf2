#include "actors/gateway/gateway.hpp"
#include "tests/actors/response_cache_world.hpp"

#include <algorithm>

namespace assay::test {
namespace {

/// Stands for the edge.
struct caller_state {
  std::vector<call_outcome> outcomes;
  std::vector<call_delta> deltas;
};

answer_sink_actor::behavior_type caller(answer_sink_actor::stateful_pointer<caller_state> self) {
  return {
      [self](const call_outcome_batch& batch) {
        auto& all = self->state.outcomes;
        all.insert(all.end(), batch.outcomes.begin(), batch.outcomes.end());
      },
      [self](const call_delta& delta) { self->state.deltas.push_back(delta); },
  };
}

/// Stands for the router, and remembers what was taken.
struct fleet_state : router_state {
  std::vector<deltas_taken> taken;
};

call_target_actor::behavior_type fleet_of(call_target_actor::stateful_pointer<fleet_state> self) {
  return {
      [self](const open_lane& wish) { self->state.lanes.push_back(wish.where); },
      [self](const call_batch& batch) {
        for (const auto& one : batch.calls)
          self->state.calls.emplace_back(batch.where.run, one);
      },
      [self](const withdraw_calls& wish) { self->state.withdrawals.push_back(wish); },
      [](const recall_calls&) {},
      [self](const deltas_taken& taken) { self->state.taken.push_back(taken); },
      [self](const close_lane& wish) { self->state.closed.push_back(wish); },
  };
}

class gateway_test : public actor_test {
protected:
  call_target_actor router_ = spawn(fleet_of);
  call_target_actor cache_ = spawn(fleet_of);
  answer_sink_actor edge_ = spawn(caller);
  gateway_config config;
  gateway_actor gateway_;
  int lookups = 0;

  gateway_test() {
    config.router = router_;
    config.cache = cache_;
    config.wall = [] { return wall_time{std::chrono::seconds{1'700'000'000}}; };
    config.find_model = [this](const std::string& name) -> result<model_profile> {
      ++lookups;
      if (name == "nobody")
        return fault{errc::not_found, "no model is called `nobody`", "model", {}};
      model_profile out;
      out.id = model_id{name};
      out.provider = provider_id{"p"};
      out.wire_model = name + "-2026";
      out.defaults.temperature = 0.25;
      out.defaults.max_tokens = 99;
      return out;
    };
  }

  fleet_state& at_router() { return state_of<fleet_state>(router_); }
  fleet_state& at_cache() { return state_of<fleet_state>(cache_); }
  caller_state& at_edge() { return state_of<caller_state>(edge_); }
  gateway_state& inside() { return state_of<gateway_state>(gateway_); }

  void start() {
    gateway_ = spawn(assay::gateway, config);
    run();
  }

  model_question question(uint64_t id, const std::string& tenant = "ann", const std::string& model = "m") {
    model_question out;
    out.tenant = user_id{tenant};
    out.model = model;
    out.request.id = call_id{id};
    out.request.timeout = 5s;
    out.request.messages.push_back({chat_role::user, shared_text{"hi"}, nullptr});
    return out;
  }

  void ask_models_of(std::vector<model_question> questions) {
    if (!gateway_)
      start();
    tell(gateway_, ask_models{std::move(questions), edge_});
  }

  void ask_one(uint64_t id, const std::string& tenant = "ann", const std::string& model = "m") {
    ask_models_of({question(id, tenant, model)});
  }

  /// Lets so many calls of the lane that was opened last out.
  void grant(uint32_t calls) {
    lane_credit credit;
    credit.run = at_router().lanes.back().run;
    credit.calls = calls;
    tell(gateway_, credit);
  }

  void answer(uint64_t id, std::string_view text) {
    call_outcome out;
    out.id = call_id{id};
    out.answer = shared_text{text};
    out.finish = finish_reason::stop;
    finish(out);
  }

  void finish(call_outcome out) {
    const auto& calls = at_router().calls;
    const auto found =
        std::ranges::find_if(calls, [&](const auto& entry) { return entry.second.id == out.id; });
    ASSERT_NE(found, calls.end());
    tell(gateway_, call_outcome_batch{found->first, {std::move(out)}});
  }

  double gauge_of(metric family) {
    auto heard = ask<gauges>(gateway_, read_gauges{});
    for (const auto& one : heard ? heard->values : std::vector<gauge>{})
      if (one.family == family)
        return one.value;
    return -1;
  }
};

TEST_F(gateway_test, AnswersAQuestionByWayOfALaneOfItsOwn) {
  ask_one(1);
  ASSERT_EQ(at_router().lanes.size(), 1u);
  const auto& lane = at_router().lanes[0];
  EXPECT_TRUE(lane.interactive);
  EXPECT_EQ(lane.tenant.value, "ann");
  EXPECT_EQ(lane.model.value, "m");
  EXPECT_EQ(lane.wire_model, "m-2026");
  EXPECT_FALSE(lane.run.empty());
  EXPECT_TRUE(at_router().calls.empty()) << "no call goes without credit";
  grant(4);
  ASSERT_EQ(at_router().calls.size(), 1u);
  const auto& sent = at_router().calls[0].second;
  EXPECT_EQ(sent.parameters.temperature, 0.25) << "the operator's default, since the question says nothing";
  EXPECT_GT(sent.estimated_tokens, 0u);
  answer(1, "hello");
  ASSERT_EQ(at_edge().outcomes.size(), 1u);
  EXPECT_EQ(at_edge().outcomes[0].answer.view(), "hello");
  EXPECT_EQ(at_edge().outcomes[0].served_by, "p/m");
  EXPECT_TRUE(inside().questions.empty());
}

TEST_F(gateway_test, WhatTheQuestionSaysGoesBeforeTheModelsDefaults) {
  auto wish = question(1);
  wish.request.parameters.max_tokens = 5;
  ask_models_of({std::move(wish)});
  grant(1);
  ASSERT_EQ(at_router().calls.size(), 1u);
  EXPECT_EQ(at_router().calls[0].second.parameters.max_tokens, 5u);
}

TEST_F(gateway_test, QuestionsOfOneTenantToOneModelShareALane) {
  ask_models_of({question(1), question(2), question(3, "bob"), question(4, "ann", "other")});
  EXPECT_EQ(at_router().lanes.size(), 3u);
  EXPECT_EQ(lookups, 3);
  ask_one(5);
  EXPECT_EQ(at_router().lanes.size(), 3u);
  std::set<run_id> runs;
  for (const auto& one : at_router().lanes)
    runs.insert(one.run);
  EXPECT_EQ(runs.size(), 3u);
}

TEST_F(gateway_test, KeysOfOneTenantHaveLanesOfTheirOwn) {
  auto with_key = question(1);
  with_key.api_key = "ci";
  with_key.key_budget = money{5};
  ask_models_of({question(2), std::move(with_key)});
  ASSERT_EQ(at_router().lanes.size(), 2u);
  EXPECT_EQ(at_router().lanes[1].api_key, "ci");
  EXPECT_EQ(at_router().lanes[1].key_budget, money{5});
}

TEST_F(gateway_test, NeverHasMoreCallsOutThanItsCredit) {
  ask_models_of({question(1), question(2), question(3)});
  grant(2);
  EXPECT_EQ(at_router().calls.size(), 2u);
  answer(1, "x");
  EXPECT_EQ(at_router().calls.size(), 3u) << "an answer makes room";
  EXPECT_EQ(at_router().calls[2].second.id, call_id{3});
}

TEST_F(gateway_test, AsksTheCacheWhenItMay) {
  auto wish = question(1);
  wish.cache = cache_use::use;
  ask_models_of({std::move(wish), question(2)});
  ASSERT_EQ(at_cache().lanes.size(), 1u);
  EXPECT_EQ(at_cache().lanes[0].cache, cache_use::use);
  ASSERT_EQ(at_router().lanes.size(), 1u);
  EXPECT_NE(at_router().lanes[0].run, at_cache().lanes[0].run);
}

TEST_F(gateway_test, RefusesAModelThatNobodyKnows) {
  ask_one(1, "ann", "nobody");
  ASSERT_EQ(at_edge().outcomes.size(), 1u);
  EXPECT_EQ(at_edge().outcomes[0].error->code, errc::not_found);
  EXPECT_TRUE(inside().lanes.empty());
}

TEST_F(gateway_test, BoundsTheQuestionsOfOneTenantAndOfAll) {
  config.max_open = 3;
  config.max_open_per_tenant = 2;
  ask_models_of({question(1), question(2), question(3), question(4, "bob"), question(5, "cid")});
  ASSERT_EQ(at_edge().outcomes.size(), 2u);
  EXPECT_EQ(at_edge().outcomes[0].id, call_id{3});
  EXPECT_EQ(at_edge().outcomes[0].error->code, errc::rate_limited);
  EXPECT_EQ(at_edge().outcomes[1].id, call_id{5});
  EXPECT_EQ(gauge_of(metric::gateway_refused_total), 2.0);
  EXPECT_EQ(gauge_of(metric::gateway_open_questions), 3.0);
  grant(1); // The lane of bob.
  answer(4, "x");
  ask_one(6, "cid");
  EXPECT_EQ(at_edge().outcomes.size(), 3u) << "there is room again";
}

TEST_F(gateway_test, GivesUpAQuestionThatWaitsTooLong) {
  ask_one(1);
  advance(4900ms);
  EXPECT_TRUE(at_edge().outcomes.empty());
  advance(400ms);
  ASSERT_EQ(at_edge().outcomes.size(), 1u);
  EXPECT_EQ(at_edge().outcomes[0].error->code, errc::rate_limited);
  EXPECT_NE(at_edge().outcomes[0].error->message.find("took no question"), std::string::npos);
  EXPECT_TRUE(inside().questions.empty());
  grant(1);
  EXPECT_TRUE(at_router().calls.empty()) << "nobody waits for it any more";
}

TEST_F(gateway_test, WithdrawsACallWhoseTimeIsUp) {
  ask_one(1);
  grant(1);
  advance(5200ms);
  ASSERT_EQ(at_edge().outcomes.size(), 1u);
  ASSERT_EQ(at_router().withdrawals.size(), 1u);
  EXPECT_EQ(at_router().withdrawals[0].calls, std::vector<call_id>{call_id{1}});
  EXPECT_EQ(at_router().withdrawals[0].grace, milliseconds{0});
  call_outcome late;
  late.id = call_id{1};
  late.error = fault{errc::cancelled, "withdrawn", {}, {}};
  finish(late);
  EXPECT_EQ(at_edge().outcomes.size(), 1u) << "every question is answered once";
  EXPECT_TRUE(inside().questions.empty());
}

TEST_F(gateway_test, WithdrawsWhatNobodyWaitsForAndThatAlone) {
  ask_models_of({question(1), question(2), question(3)});
  grant(2);
  tell(gateway_, withdraw_questions{{call_id{1}, call_id{3}}});
  ASSERT_EQ(at_router().withdrawals.size(), 1u) << "the third was not out yet";
  EXPECT_EQ(at_router().withdrawals[0].calls, std::vector<call_id>{call_id{1}});
  EXPECT_TRUE(at_edge().outcomes.empty());
  answer(2, "x");
  EXPECT_EQ(at_edge().outcomes.size(), 1u);
  EXPECT_EQ(gauge_of(metric::gateway_withdrawn_total), 2.0);
}

TEST_F(gateway_test, WithdrawsEverythingOfAnEdgeThatFalls) {
  ask_models_of({question(1), question(2)});
  grant(1);
  kill(edge_);
  ASSERT_EQ(at_router().withdrawals.size(), 1u);
  EXPECT_EQ(inside().questions.size(), 1u) << "the one that is out, until it ends";
}

TEST_F(gateway_test, WatchesWhoeverAsksOnceAndNoLongerThanItWaits) {
  for (uint64_t id = 1; id <= 50; ++id) {
    ask_one(id);
    grant(1);
    answer(id, "x");
  }
  ASSERT_EQ(at_edge().outcomes.size(), 50u);
  EXPECT_TRUE(inside().watched_sinks.empty());
  caf::anon_send_exit(edge_, caf::exit_reason::kill);
  EXPECT_LT(run(), 10u) << "a watch for each question would bring fifty notices";
}

TEST_F(gateway_test, PassesPiecesOnAndWhatWasTakenBack) {
  ask_one(1);
  grant(1);
  tell(gateway_, call_delta{call_id{1}, {{0, "a", {}, {}}}, 10});
  ASSERT_EQ(at_edge().deltas.size(), 1u);
  EXPECT_TRUE(at_router().taken.empty()) << "whoever reads says so";
  tell(gateway_, deltas_taken{call_id{1}, 10});
  ASSERT_EQ(at_router().taken.size(), 1u);
  EXPECT_EQ(at_router().taken[0].bytes, 10u);
  tell(gateway_, withdraw_questions{{call_id{1}}});
  tell(gateway_, call_delta{call_id{1}, {{0, "b", {}, {}}}, 7});
  EXPECT_EQ(at_edge().deltas.size(), 1u);
  ASSERT_EQ(at_router().taken.size(), 2u) << "pieces that nobody reads must not hold the wire";
  EXPECT_EQ(at_router().taken[1].bytes, 7u);
}

TEST_F(gateway_test, ClosesLanesThatAreIdle) {
  ask_one(1);
  grant(1);
  answer(1, "x");
  advance(59s, 100ms);
  EXPECT_TRUE(at_router().closed.empty());
  advance(2s, 100ms);
  ASSERT_EQ(at_router().closed.size(), 1u);
  EXPECT_EQ(at_router().closed[0].run, at_router().lanes[0].run);
  EXPECT_TRUE(inside().lanes.empty());
  EXPECT_FALSE(inside().ticking) << "an idle gateway has no timer";
  ask_one(2);
  EXPECT_EQ(at_router().lanes.size(), 2u);
}

TEST_F(gateway_test, MakesRoomForNewLanes) {
  config.max_lanes = 2;
  ask_models_of({question(1, "ann", "a"), question(2, "ann", "b")});
  grant(1);
  answer(2, "x");
  ask_one(3, "ann", "c");
  EXPECT_EQ(at_router().closed.size(), 1u) << "the idle one went";
  ask_one(4, "ann", "d");
  ASSERT_EQ(at_edge().outcomes.size(), 2u);
  EXPECT_EQ(at_edge().outcomes[1].error->code, errc::rate_limited) << "both are in use";
}

TEST_F(gateway_test, FailsItsQuestionsAtOnceWhenTheRouterFalls) {
  ask_models_of({question(1), question(2)});
  grant(1);
  kill(router_);
  ASSERT_EQ(at_edge().outcomes.size(), 2u);
  for (const auto& one : at_edge().outcomes)
    EXPECT_EQ(one.error->code, errc::actor_lost);
  EXPECT_FALSE(ask<gauges>(gateway_, read_gauges{})) << "its supervisor starts it again with the new router";
}

TEST_F(gateway_test, EndsWhenTheCacheEnds) {
  ask_one(1);
  kill(cache_);
  EXPECT_FALSE(ask<gauges>(gateway_, read_gauges{})) << "it is started again with the new cache";
}

TEST_F(gateway_test, AnswersTwoSinksSeparately) {
  const auto other = spawn(caller);
  ask_one(1);
  tell(gateway_, ask_models{{question(2)}, other});
  grant(2);
  answer(1, "a");
  answer(2, "b");
  EXPECT_EQ(at_edge().outcomes.size(), 1u);
  ASSERT_EQ(state_of<caller_state>(other).outcomes.size(), 1u);
  EXPECT_EQ(state_of<caller_state>(other).outcomes[0].answer.view(), "b");
}

} // namespace
} // namespace assay::test
