#include "tests/actors/farm_world.hpp"

#include <caf/others.hpp>

/// Questions through a whole farm: gateway, router, provider, connection.
namespace assay::test {
namespace {

using namespace std::chrono_literals;

struct edge_state {
  std::vector<call_outcome> outcomes;
};

answer_sink_actor::behavior_type edge(answer_sink_actor::stateful_pointer<edge_state> self) {
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
  answer_sink_actor edge_ = spawn(edge);

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

  void ask_question(uint64_t id, milliseconds timeout = 60s) {
    model_question one;
    one.tenant = user_id{"ann"};
    one.model = "m";
    one.request.id = call_id{id};
    one.request.timeout = timeout;
    one.request.messages.push_back({chat_role::user, shared_text{"hi"}, nullptr});
    tell(handles().gateway, ask_models{{std::move(one)}, edge_});
    run();
  }

  edge_state& at_edge() { return state_of<edge_state>(edge_); }
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

TEST_F(gateway_fleet, WhoeverIsTurnedAwayHearsHowLongTheProviderAsksToWait) {
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::failure(0, 429, {{"retry-after", "1200"}}, "rate_limit_exceeded")};
  };
  start();
  ask_question(1);
  advance(1s);
  ASSERT_EQ(at_edge().outcomes.size(), 1u) << "twenty minutes are longer than a call waits";
  const auto& refused = at_edge().outcomes[0];
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code, errc::rate_limited);
  EXPECT_EQ(refused.retry_after, milliseconds{1'200'000});
}

TEST_F(gateway_fleet, AQuestionThatALimitWouldHoldTooLongIsAnsweredAtOnce) {
  limits.requests_per_minute = 2;
  wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "well")}; };
  start();
  for (uint64_t id = 1; id <= 4; ++id)
    ask_question(id, 5s);
  ASSERT_EQ(at_edge().outcomes.size(), 4u) << "without any time passing";
  EXPECT_LE(wire.requests.size(), 2u);
  const auto& refused = at_edge().outcomes.back();
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code, errc::rate_limited);
  EXPECT_NE(refused.error->message.find("requests-per-minute limit of provider test-provider"),
            std::string::npos)
      << refused.error->message;
  ASSERT_TRUE(refused.retry_after);
  EXPECT_GT(*refused.retry_after, 5s);
  EXPECT_LE(*refused.retry_after, 64s);
}

TEST_F(gateway_fleet, AQuestionThatHasTheTimeWaitsForItsLimit) {
  limits.requests_per_minute = 2;
  wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "well")}; };
  start();
  ask_question(1, 120s);
  ask_question(2, 120s);
  advance(100s, 100ms);
  ASSERT_EQ(at_edge().outcomes.size(), 2u);
  for (const auto& one : at_edge().outcomes)
    EXPECT_FALSE(one.error) << to_string(*one.error);
}

TEST_F(gateway_fleet, APauseThatTheProviderAsksForIsToldAtOnceWhenItIsTooLong) {
  wire.respond = [](const http_request&) {
    return std::optional{fake_wire::failure(0, 429, {{"retry-after", "89"}}, "rate_limit_exceeded")};
  };
  start();
  ask_question(1, 10s);
  advance(1s);
  ask_question(2, 10s);
  ASSERT_EQ(at_edge().outcomes.size(), 2u);
  for (const auto& one : at_edge().outcomes) {
    ASSERT_TRUE(one.error);
    EXPECT_EQ(one.error->code, errc::rate_limited);
    ASSERT_TRUE(one.retry_after);
    EXPECT_GT(*one.retry_after, 60s);
  }
  EXPECT_NE(at_edge().outcomes[1].error->message.find("(429)"), std::string::npos)
      << at_edge().outcomes[1].error->message;
}

TEST_F(gateway_fleet, AQuestionWhoseTimeEndsInTheLineSaysWhatItWaitedFor) {
  cap = 1;
  start();
  ask_question(1);
  ask_question(2, 3s);
  EXPECT_EQ(wire.requests.size(), 1u);
  advance(2s, 20ms);
  EXPECT_TRUE(at_edge().outcomes.empty());
  advance(1s, 20ms);
  ASSERT_EQ(at_edge().outcomes.size(), 1u);
  const auto& late = at_edge().outcomes[0];
  EXPECT_EQ(late.id, call_id{2});
  ASSERT_TRUE(late.error);
  EXPECT_EQ(late.error->code, errc::rate_limited);
  EXPECT_NE(late.error->message.find("a place among the 1 calls"), std::string::npos) << late.error->message;
  EXPECT_TRUE(wire.cancelled.empty()) << "the one on the wire has its time";
}

TEST_F(gateway_fleet, AQuestionWhoseTimeEndsOnTheWireIsATimeout) {
  start();
  ask_question(1, 3s);
  advance(4s, 20ms);
  ASSERT_EQ(at_edge().outcomes.size(), 1u);
  EXPECT_EQ(at_edge().outcomes[0].error->code, errc::provider_timeout);
}

TEST_F(gateway_fleet, CountsThatAreNotPossibleAreLoweredAndSaid) {
  wire.respond = [](const http_request&) {
    auto out = fake_wire::answer(0, "well");
    out.body = shared_text{
        R"({"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":)"
        R"("assistant","content":"well"},"finish_reason":"stop"}],"usage":{"prompt_tokens":4294967295,)"
        R"("completion_tokens":4294967295,"total_tokens":8589934590,"cost":1000000}})"};
    return std::optional{std::move(out)};
  };
  start();
  ask_question(1);
  ASSERT_EQ(at_edge().outcomes.size(), 1u);
  const auto& one = at_edge().outcomes[0];
  EXPECT_FALSE(one.error);
  EXPECT_EQ(one.usage.prompt_tokens, 2u + 64 + 4'096) << "two bytes in one message";
  EXPECT_EQ(one.usage.completion_tokens, 262'144u + 4'096);
  EXPECT_TRUE(one.usage_estimated);
  ASSERT_TRUE(one.cost);
  EXPECT_LT(to_dollars(*one.cost), 1.0);
  const auto& model = *provider_now().models.at(the_model);
  EXPECT_EQ(model.overcounted, 1u);
  EXPECT_EQ(model.tokens.observations(), 0u) << "nothing is learnt from it";
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

/// Streams whose caller goes. A token costs a cent, in and out.
class dropped_streams : public gateway_fleet {
protected:
  void start_paid() {
    auto with = config();
    with.gateway.find_model = [](const std::string&) -> result<model_profile> {
      model_profile out;
      out.id = the_model;
      out.provider = the_provider;
      out.prices = token_prices{10'000, 10'000, std::nullopt};
      return out;
    };
    with.gateway.wall = [this] { return wall; };
    with.budgets.per_day = from_dollars(100);
    start_farm(std::move(with));
  }

  void ask_for_stream() {
    model_question one;
    one.tenant = user_id{"ann"};
    one.model = "m";
    one.request.id = call_id{1};
    one.request.timeout = 60s;
    one.request.stream = true;
    one.request.parameters.max_tokens = 100;
    one.request.messages.push_back({chat_role::user, shared_text{"hi"}, nullptr});
    tell(handles().gateway, ask_models{{std::move(one)}, edge_});
    advance(1s);
    ASSERT_EQ(wire.requests.size(), 1u);
  }

  void receive(const std::string& words, const std::string& more = {}) {
    ASSERT_TRUE(wire.deliver_piece(wire.requests.front().id,
                                   R"(data: {"id":"c","object":"chat.completion.chunk","model":"m",)"
                                   R"("choices":[{"index":0,"delta":{"content":")"
                                       + words + R"("}}])" + more + "}\n\n"));
    run();
  }

  void drop() {
    tell(handles().gateway, withdraw_questions{{call_id{1}}});
    advance(3s);
    EXPECT_EQ(wire.cancelled.size(), 1u);
  }

  model_statistics counted() {
    const auto found = ask<statistics>(handles().monitor, read_statistics{});
    return found && !found->models.empty() ? found->models.front() : model_statistics{};
  }

  money spent() {
    return state_of<budget_keeper_state>(handles().budgets)
        .ledger.find({control::budget_scope::day, {}, control::utc_day(wall)})
        .spent;
  }
};

TEST_F(dropped_streams, CostWhatHasComeOfThem) {
  start_paid();
  ask_for_stream();
  receive("one two three");
  drop();
  const auto seen = counted();
  EXPECT_GE(seen.completion_tokens, 2u);
  EXPECT_LE(seen.completion_tokens, 6u);
  EXPECT_GT(seen.prompt_tokens, 0u);
  const auto tokens = static_cast<int64_t>(seen.prompt_tokens + seen.completion_tokens);
  EXPECT_EQ(spent(), money{tokens * 10'000'000});
  EXPECT_EQ(seen.cost, spent());
}

TEST_F(dropped_streams, AreNoFailuresOfTheModel) {
  start_paid();
  ask_for_stream();
  receive("one");
  drop();
  const auto seen = counted();
  EXPECT_EQ(seen.calls, 1u);
  EXPECT_EQ(seen.failures, 0u);
  ASSERT_EQ(seen.errors.count("cancelled"), 1u) << "they are told apart from answers";
  EXPECT_EQ(seen.errors.at("cancelled"), 1u);
}

TEST_F(dropped_streams, CostWhatTheProviderHasCounted) {
  start_paid();
  ask_for_stream();
  receive("one", R"(,"usage":{"prompt_tokens":50,"completion_tokens":7,"total_tokens":57})");
  drop();
  EXPECT_EQ(spent(), from_dollars(0.57));
}

TEST_F(dropped_streams, CostAllThatTheyMayHaveWhenNothingHasCome) {
  start_paid();
  ask_for_stream();
  drop();
  EXPECT_GE(spent(), from_dollars(1)) << "a hundred tokens, and the prompt";
  EXPECT_EQ(counted().calls, 0u);
}

} // namespace
} // namespace assay::test
