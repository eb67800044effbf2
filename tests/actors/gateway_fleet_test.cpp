#include "tests/actors/farm_world.hpp"

#include <caf/others.hpp>

/// Questions through a whole farm: gateway, router, provider, connection.
namespace assay::test {
namespace {

using namespace std::chrono_literals;

struct listener_state {
  std::vector<call_outcome> outcomes;
};

answer_sink_actor::behavior_type listener(answer_sink_actor::stateful_pointer<listener_state> self) {
  return {
      [self](const call_outcome_batch& batch) {
        auto& all = self->state.outcomes;
        all.insert(all.end(), batch.outcomes.begin(), batch.outcomes.end());
      },
      [](const call_delta&) {},
  };
}

class gateway_fleet : public farm_world {
protected:
  answer_sink_actor edge_ = spawn(listener);

  void start() {
    auto with = config();
    with.gateway.find_model = [](const std::string&) -> result<model_profile> {
      model_profile out;
      out.id = the_model;
      out.provider = the_provider;
      return out;
    };
    with.gateway.wall = [this] { return wall; };
    start_farm(std::move(with));
  }

  void ask_question(uint64_t id) {
    model_question one;
    one.tenant = user_id{"ann"};
    one.model = "m";
    one.request.id = call_id{id};
    one.request.timeout = 60s;
    one.request.messages.push_back({chat_role::user, shared_text{"hi"}, nullptr});
    tell(handles().gateway, ask_models{{std::move(one)}, edge_});
    run();
  }

  listener_state& at_edge() { return state_of<listener_state>(edge_); }
};

TEST_F(gateway_fleet, AnswersAtOnceWithoutAnyTimePassing) {
  start();
  ask_question(1);
  ASSERT_TRUE(wire.answer_next("hello"));
  run();
  ASSERT_EQ(at_edge().outcomes.size(), 1u);
  EXPECT_EQ(at_edge().outcomes[0].answer.view(), "hello");
  EXPECT_EQ(at_edge().outcomes[0].served_by, "test-provider/test-model");
}

TEST_F(gateway_fleet, AQuestionThatIsWithdrawnFreesItsPlaceAndLeavesTheOthers) {
  cap = 2;
  start();
  for (uint64_t id = 1; id <= 4; ++id)
    ask_question(id);
  EXPECT_EQ(wire.requests.size(), 2u);
  tell(handles().gateway, withdraw_questions{{call_id{1}, call_id{3}}});
  advance(1s);
  answer_everything();
  ASSERT_EQ(at_edge().outcomes.size(), 2u);
  std::vector<call_id> answered;
  for (const auto& one : at_edge().outcomes) {
    EXPECT_FALSE(one.error) << to_string(*one.error);
    answered.push_back(one.id);
  }
  std::ranges::sort(answered);
  EXPECT_EQ(answered, (std::vector<call_id>{call_id{2}, call_id{4}}));
  EXPECT_TRUE(state_of<gateway_state>(handles().gateway).questions.empty());
}

TEST_F(gateway_fleet, AQuestionToATargetThatRestsIsAnsweredAtOnce) {
  cap = 30;
  bool healthy = false;
  wire.respond = [&](const http_request&) {
    return std::optional{healthy ? fake_wire::answer(0, "well") : fake_wire::failure(0, 500)};
  };
  start();
  for (uint64_t id = 1; id <= 30; ++id)
    ask_question(id);
  advance(4s);
  const auto& model = provider_now().models.at(the_model);
  ASSERT_EQ(model->breaker.state(), control::breaker_state::open);
  const auto before = at_edge().outcomes.size();
  ask_question(31);
  ASSERT_EQ(at_edge().outcomes.size(), before + 1) << "nobody is kept waiting for a probe";
  const auto& refused = at_edge().outcomes.back();
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.id, call_id{31});
  EXPECT_EQ(refused.error->code, errc::breaker_open);
  EXPECT_NE(refused.error->message.find("failed too often"), std::string::npos) << refused.error->message;
  healthy = true;
  advance(2min, 100ms);
  // The probes that close a breaker are calls, so somebody has to ask.
  for (uint64_t id = 32; id <= 40; ++id) {
    ask_question(id);
    advance(100ms);
  }
  EXPECT_FALSE(at_edge().outcomes.back().error);
}

TEST_F(gateway_fleet, ComesBackWithANewRouter) {
  start();
  ask_question(1);
  const auto before = handles().gateway;
  kill(handles().router);
  advance(10s);
  ASSERT_EQ(at_edge().outcomes.size(), 1u);
  EXPECT_EQ(at_edge().outcomes[0].error->code, errc::actor_lost);
  EXPECT_NE(handles().gateway, before);
  wire.requests.clear();
  ask_question(2);
  ASSERT_TRUE(wire.answer_next("again"));
  run();
  ASSERT_EQ(at_edge().outcomes.size(), 2u);
  EXPECT_EQ(at_edge().outcomes[1].answer.view(), "again");
}

TEST_F(gateway_fleet, AFallingGatewayTakesNobodyWithIt) {
  start();
  const auto before = handles();
  kill(before.gateway);
  advance(10s);
  const auto after = handles();
  EXPECT_NE(after.gateway, before.gateway);
  EXPECT_EQ(after.runs, before.runs);
  EXPECT_EQ(after.router, before.router);
}

} // namespace
} // namespace assay::test
