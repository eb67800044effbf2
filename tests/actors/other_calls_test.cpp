#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;

const run_id their_run{1'700'000'000U, 7U};
const provider_id other_provider{"standby"};

struct outcome_sink_state {
  std::vector<call_outcome> outcomes;
};

call_sink_actor::behavior_type outcome_sink(call_sink_actor::stateful_pointer<outcome_sink_state> self) {
  return {
      [self](const call_outcome_batch& batch) {
        auto& all = self->state.outcomes;
        all.insert(all.end(), batch.outcomes.begin(), batch.outcomes.end());
      },
      [](const lane_credit&) {},
      [](const call_delta&) {},
      [](const calls_on_the_wire&) {},
  };
}

http_outcome body_of(std::string_view json) {
  http_outcome out;
  out.status = 200;
  out.request_written = true;
  out.body = shared_text{json};
  return out;
}

http_outcome vectors(size_t count) {
  nlohmann::json data = nlohmann::json::array();
  for (size_t i = count; i-- > 0;) // The order of the answer is not that of the question.
    data.push_back({{"index", i}, {"embedding", {static_cast<double>(i), 0.5}}});
  return body_of(
      nlohmann::json{{"data", data}, {"model", "v"}, {"usage", {{"prompt_tokens", 1'000}}}}.dump());
}

http_outcome counted_answer(uint32_t prompt_tokens) {
  return body_of(nlohmann::json{
      {"choices", {{{"index", 0}, {"message", {{"content", "right"}}}, {"finish_reason", "stop"}}}},
      {"usage", {{"prompt_tokens", prompt_tokens}, {"completion_tokens", 2}}}}
                     .dump());
}

/// Calls that no evaluation makes, through router, provider, limiter and connection.
class other_calls : public farm_world {
protected:
  call_sink_actor sink = spawn(outcome_sink);
  lane where;
  std::vector<std::string> targets; ///< Of everything sent.
  std::function<std::optional<http_outcome>(const http_request&, const std::string& key)> reply;
  api_dialect dialect = api_dialect::vllm;

  void start() {
    auto with = config();
    with.providers.providers.front().dialect = dialect;
    start_with(std::move(with));
  }

  void start_with(root_supervisor_config with) {
    wire.respond_to_key = [this](const http_request& request, const std::string& key) {
      targets.push_back(request.target);
      return reply ? reply(request, key) : std::nullopt;
    };
    start_farm(std::move(with));
    where.run = their_run;
    where.model = test::the_model;
    where.provider = test::the_provider;
    open();
  }

  void open() { tell(handles().router, open_lane{where, sink}); }

  void send(call request) {
    call_batch batch{where, {}, sink};
    batch.calls.push_back(std::move(request));
    tell(handles().router, std::move(batch));
  }

  static call asking(uint64_t id, call_kind kind, std::string_view text = "2+2?") {
    call out;
    out.id = call_id{id};
    out.kind = kind;
    if (kind == call_kind::embed)
      out.inputs = std::make_shared<const embedding_inputs>(
          embedding_inputs{{std::string(text), "another"}, std::nullopt});
    else
      out.messages.push_back({chat_role::user, shared_text{text}});
    return out;
  }

  const std::vector<call_outcome>& got() { return state_of<outcome_sink_state>(sink).outcomes; }
  provider_state::model_state& model() { return *provider_now().models.at(test::the_model); }

  /// What the estimator says of asking()'s messages, uncorrected.
  static uint32_t estimate(std::string_view text) {
    const std::vector<chat_message> messages{{chat_role::user, shared_text{text}}};
    return codecs::estimate_prompt(messages, nullptr, codecs::rates_of(codecs::tokenizer_family::unknown));
  }

  /// Answered chats whose prompts count so many times what is estimated.
  void chat(uint32_t calls, uint32_t times, std::string_view text = "a question of some length, in English") {
    reply = [=](const http_request&, const std::string&) {
      return std::optional{counted_answer(times * estimate(text))};
    };
    static uint64_t next = 1'000;
    for (uint32_t i = 0; i < calls; ++i)
      send(asking(++next, call_kind::chat, text));
    reply = nullptr;
  }

  double gauge_of(metric family) {
    const auto heard = ask<gauges>(handles().providers, read_gauges{});
    EXPECT_TRUE(heard.has_value());
    if (heard)
      for (const auto& one : heard->values)
        if (one.family == family)
          return one.value;
    return -1;
  }
};

// -- vectors -----------------------------------------------------------------------------------------------

TEST_F(other_calls, VectorsComeBackInTheOrderOfTheirTextsAndArePricedByTheirInput) {
  reply = [](const http_request&, const std::string&) { return std::optional{vectors(2)}; };
  start();
  auto request = asking(1, call_kind::embed);
  request.stream = true; // Nobody streams vectors.
  send(std::move(request));
  ASSERT_EQ(got().size(), 1u);
  const auto& outcome = got()[0];
  ASSERT_FALSE(outcome.error) << to_string(*outcome.error);
  ASSERT_TRUE(outcome.embeddings);
  EXPECT_EQ(outcome.embeddings->vectors, (std::vector<std::vector<float>>{{0, 0.5F}, {1, 0.5F}}));
  EXPECT_EQ(outcome.usage.prompt_tokens, 1'000u);
  EXPECT_FALSE(outcome.usage_estimated);
  EXPECT_EQ(outcome.cost, from_dollars(0.001)) << "a dollar for a million";
  EXPECT_EQ(outcome.served_model, "v");
  ASSERT_EQ(targets, std::vector<std::string>{"/embeddings"});
  EXPECT_THAT(wire.bodies.at(0), testing::HasSubstr("another"));
  EXPECT_THAT(wire.bodies.at(0), testing::Not(testing::HasSubstr("stream")));
  EXPECT_TRUE(provider_now().calls.empty());
  EXPECT_EQ(gauge_of(metric::provider_calls_answered_total), 1);
}

TEST_F(other_calls, AnAnswerWithTooFewVectorsIsAFailureThatIsTriedAgain) {
  int number = 0;
  reply = [&](const http_request&, const std::string&) { return std::optional{vectors(++number)}; };
  start();
  send(asking(1, call_kind::embed));
  advance(30s, 50ms);
  ASSERT_EQ(got().size(), 1u);
  ASSERT_TRUE(got()[0].embeddings) << "the second answer has two";
  ASSERT_EQ(got()[0].failures.size(), 1u);
  EXPECT_EQ(got()[0].failures[0].error, errc::malformed_answer);
  EXPECT_TRUE(got()[0].failures[0].possibly_billed);
}

TEST_F(other_calls, VectorsAreRetriedAndWaitForTheirKeyAsChatsDo) {
  int number = 0;
  reply = [&](const http_request&, const std::string&) {
    ++number;
    return std::optional{number == 1   ? fake_wire::failure(0, 503)
                         : number == 2 ? fake_wire::failure(0, 429, {{"retry-after", "20"}}, "slow")
                                       : vectors(2)};
  };
  start();
  send(asking(1, call_kind::embed));
  advance(10s, 50ms);
  EXPECT_EQ(number, 2);
  EXPECT_TRUE(got().empty()) << "the key is closed";
  advance(40s, 50ms);
  ASSERT_EQ(got().size(), 1u);
  EXPECT_TRUE(got()[0].embeddings);
  EXPECT_EQ(got()[0].failures.size(), 2u);
}

TEST_F(other_calls, AProviderWithoutVectorsSaysSoBeforeAnythingIsSent) {
  dialect = api_dialect::deepseek;
  start();
  send(asking(1, call_kind::embed));
  ASSERT_EQ(got().size(), 1u);
  EXPECT_EQ(got()[0].error->code, errc::unsupported);
  EXPECT_FALSE(got()[0].possibly_billed);
  EXPECT_TRUE(targets.empty());
}

TEST_F(other_calls, ACallForVectorsWithoutTextsIsRefused) {
  start();
  auto request = asking(1, call_kind::embed);
  request.inputs = nullptr;
  send(std::move(request));
  ASSERT_EQ(got().size(), 1u);
  EXPECT_EQ(got()[0].error->code, errc::invalid_argument);
}

TEST_F(other_calls, VectorsComeFromTheStandbyWhenTheFirstIsGone) {
  reply = [](const http_request&, const std::string& key) {
    return std::optional{key == "standby-key" ? vectors(2)
                                              : fake_wire::broken(0, errc::connect_failed, false)};
  };
  auto with = config();
  auto second = with.providers.providers.front();
  second.id = other_provider;
  second.key = secret{"standby-key"};
  with.providers.providers.push_back(second);
  where.route.models = {{test::the_model, test::the_provider, "m", token_prices{1, 1, {}}, 1, {}},
                        {model_id{"second"}, other_provider, "n", token_prices{1, 1, {}}, 1, {}}};
  start_with(std::move(with));
  send(asking(1, call_kind::embed));
  advance(3min, 50ms);
  ASSERT_EQ(got().size(), 1u);
  ASSERT_TRUE(got()[0].embeddings);
  EXPECT_EQ(got()[0].served_by, "standby/second");
}

TEST_F(other_calls, AProviderThatCountsNoVectorsLeavesTheEstimate) {
  reply = [](const http_request&, const std::string&) {
    return std::optional{body_of(R"({"data":[{"embedding":[1]},{"embedding":[2]}]})")};
  };
  start();
  send(asking(1, call_kind::embed, "some text whose tokens nobody counts"));
  ASSERT_EQ(got().size(), 1u);
  EXPECT_TRUE(got()[0].usage_estimated);
  EXPECT_GT(got()[0].usage.prompt_tokens, 5u);
  EXPECT_EQ(got()[0].usage.completion_tokens, 0u);
  EXPECT_TRUE(got()[0].cost);
}

// -- counts of tokens --------------------------------------------------------------------------------------

TEST_F(other_calls, TheProviderIsAskedToCountWhereItCan) {
  reply = [](const http_request& request, const std::string&) {
    EXPECT_TRUE(request.target.ends_with("/tokenize")) << request.target;
    return std::optional{body_of(R"({"count":17,"max_model_len":4096,"tokens":[]})")};
  };
  start();
  send(asking(1, call_kind::count_tokens));
  ASSERT_EQ(got().size(), 1u);
  EXPECT_FALSE(got()[0].error);
  EXPECT_EQ(got()[0].usage.prompt_tokens, 17u);
  EXPECT_FALSE(got()[0].usage_estimated);
  EXPECT_EQ(got()[0].cost, money{}) << "counting costs nothing";
  EXPECT_EQ(model().tokens.observations(), 0u) << "only what was used is learned from";
}

TEST_F(other_calls, AProviderThatCannotCountGetsNoCallAndTheEstimateAnswers) {
  dialect = api_dialect::openai;
  start();
  send(asking(1, call_kind::count_tokens, "how many tokens are this?"));
  ASSERT_EQ(got().size(), 1u);
  EXPECT_FALSE(got()[0].error);
  EXPECT_EQ(got()[0].usage.prompt_tokens, estimate("how many tokens are this?"));
  EXPECT_TRUE(got()[0].usage_estimated);
  EXPECT_EQ(got()[0].cost, money{});
  EXPECT_TRUE(targets.empty());
  EXPECT_TRUE(provider_now().calls.empty());
}

TEST_F(other_calls, AProviderThatFailsToCountIsNotAskedAgainAndTheEstimateAnswers) {
  reply = [](const http_request&, const std::string&) { return std::optional{fake_wire::failure(0, 503)}; };
  start();
  send(asking(1, call_kind::count_tokens));
  ASSERT_EQ(got().size(), 1u) << "at once";
  EXPECT_FALSE(got()[0].error);
  EXPECT_EQ(got()[0].usage.prompt_tokens, estimate("2+2?"));
  EXPECT_TRUE(got()[0].usage_estimated);
  EXPECT_FALSE(got()[0].possibly_billed);
  ASSERT_EQ(got()[0].failures.size(), 1u);
  EXPECT_EQ(got()[0].failures[0].error, errc::provider_unavailable) << "why it is only an estimate";
  EXPECT_EQ(targets.size(), 1u);
}

TEST_F(other_calls, ASilentProviderLeavesTheEstimateAfterTheDeadline) {
  start();
  auto request = asking(1, call_kind::count_tokens);
  request.timeout = 5s;
  send(std::move(request));
  ASSERT_EQ(targets.size(), 1u);
  EXPECT_TRUE(got().empty());
  advance(30s, 50ms);
  ASSERT_EQ(got().size(), 1u);
  EXPECT_TRUE(got()[0].usage_estimated);
  EXPECT_FALSE(got()[0].possibly_billed);
}

TEST_F(other_calls, ACountDoesNotWaitForAProviderThatRests) {
  cap = 30;
  reply = [](const http_request&, const std::string&) {
    return std::optional{fake_wire::broken(0, errc::connect_failed, false)};
  };
  start();
  for (uint64_t id = 1; id <= 40; ++id)
    send(asking(id, call_kind::chat));
  advance(2'500ms);
  ASSERT_EQ(model().breaker.state(), control::breaker_state::open);
  const auto before = got().size();
  const auto sent = targets.size();
  send(asking(100, call_kind::count_tokens));
  ASSERT_EQ(got().size(), before + 1);
  EXPECT_EQ(got().back().id, call_id{100});
  EXPECT_TRUE(got().back().usage_estimated);
  EXPECT_EQ(targets.size(), sent);
}

TEST_F(other_calls, ARejectedKeyIsNoReasonToEstimateWhileAnotherIsGood) {
  for (const std::string name : {"one", "two"}) {
    provider_key key;
    key.name = name;
    key.value = secret{"sk-" + name};
    keys.push_back(key);
  }
  int refusals = 0;
  reply = [&](const http_request&, const std::string&) {
    return std::optional{refusals++ == 0 ? fake_wire::failure(0, 401, {}, "invalid_api_key")
                                         : body_of(R"({"count":17})")};
  };
  start();
  send(asking(1, call_kind::count_tokens));
  ASSERT_EQ(got().size(), 1u);
  EXPECT_EQ(got()[0].usage.prompt_tokens, 17u);
  EXPECT_FALSE(got()[0].usage_estimated);
}

TEST_F(other_calls, AWithdrawnCountIsCancelled) {
  cap = 1;
  start();
  send(asking(1, call_kind::chat));
  send(asking(2, call_kind::count_tokens));
  tell(handles().router, withdraw_calls{their_run, std::nullopt});
  ASSERT_EQ(got().size(), 1u);
  EXPECT_EQ(got()[0].id, call_id{2});
  EXPECT_EQ(got()[0].error->code, errc::cancelled);
}

TEST_F(other_calls, CountsTellTheMonitorNothingOfTheModel) {
  reply = [](const http_request&, const std::string&) { return std::optional{body_of(R"({"count":17})")}; };
  start();
  send(asking(1, call_kind::count_tokens));
  auto known = ask<statistics>(handles().monitor, read_statistics{});
  ASSERT_TRUE(known.has_value());
  EXPECT_TRUE(known->models.empty());
  chat(1, 1);
  known = ask<statistics>(handles().monitor, read_statistics{});
  ASSERT_TRUE(known.has_value());
  ASSERT_EQ(known->models.size(), 1u);
  EXPECT_EQ(known->models[0].calls, 1u);
}

// -- estimates that learn ----------------------------------------------------------------------------------

TEST_F(other_calls, EstimatesLearnFromWhatAnsweredChatsHaveUsed) {
  dialect = api_dialect::openai;
  start();
  chat(20, 3);
  EXPECT_EQ(model().tokens.observations(), 20u);
  EXPECT_NEAR(gauge_of(metric::provider_token_estimate_factor), 3, 0.01);
  EXPECT_LT(gauge_of(metric::provider_token_estimate_error_ratio), 0.2);
  send(asking(1, call_kind::count_tokens, "a question that nobody has asked before"));
  EXPECT_EQ(got().back().usage.prompt_tokens, 3 * estimate("a question that nobody has asked before"));
}

TEST_F(other_calls, TheLimiterIsAskedForWhatACallWillTake) {
  limits.tokens_per_minute = 1'000'000;
  start();
  chat(20, 3);
  auto request = asking(1, call_kind::chat, "a question of some length, in English");
  request.answer_tokens = 50;
  send(std::move(request));
  ASSERT_EQ(provider_now().calls.size(), 1u);
  EXPECT_EQ(provider_now().calls.begin()->second.reserved,
            3 * estimate("a question of some length, in English") + 50);
  request = asking(2, call_kind::chat, "short");
  request.estimated_tokens = 5'000;
  send(std::move(request));
  EXPECT_EQ(provider_now().calls.at(call_id{2}).reserved, 5'000u) << "who asks for more gets more";
  send(asking(3, call_kind::count_tokens));
  EXPECT_EQ(provider_now().calls.at(call_id{3}).reserved, 0u) << "counting takes no tokens";
}

TEST_F(other_calls, PicturesTeachNothingAboutTexts) {
  reply = [](const http_request&, const std::string&) { return std::optional{counted_answer(5'000)}; };
  start();
  auto request = asking(1, call_kind::chat);
  message_extras extras;
  extras.images.emplace_back().url = "https://example.org/a.png";
  request.messages[0].extras = std::make_shared<const message_extras>(std::move(extras));
  send(std::move(request));
  ASSERT_EQ(got().size(), 1u);
  ASSERT_FALSE(got()[0].error) << to_string(*got()[0].error);
  EXPECT_EQ(model().tokens.observations(), 0u);
}

TEST_F(other_calls, WhatWasLearnedSurvivesTheFallOfTheProviderAndANewProcess) {
  start();
  chat(30, 3);
  advance(5s);
  kill(the_provider_actor());
  advance(3s);
  send(asking(1, call_kind::chat));
  EXPECT_NEAR(model().tokens.factor(), 3, 0.2);
  EXPECT_GE(model().tokens.observations(), 16u);
  advance(5s);
  crash_farm();
  sink = spawn(outcome_sink);
  start();
  EXPECT_NEAR(model().tokens.factor(), 3, 0.2);
}

} // namespace
} // namespace assay
