#include "actors/fleet/connection.hpp"
#include "tests/support/actor_fixture.hpp"

namespace assay {
namespace {

/// What a connection hands to its sockets, and the way back.
struct wire_log {
  std::vector<http_request> sent;
  std::vector<http_credit> granted;
  transport_sink deliver;
};

class logged_wire final : public transport {
public:
  explicit logged_wire(wire_log& log) : log_(log) {}
  void submit(std::vector<http_request> requests) override {
    std::move(requests.begin(), requests.end(), std::back_inserter(log_.sent));
  }
  void cancel(std::vector<uint64_t>) override {}
  void grant(std::vector<http_credit> credits) override {
    log_.granted.insert(log_.granted.end(), credits.begin(), credits.end());
  }
  void close() override {}
  size_t open_sockets() const override { return 0; }

private:
  wire_log& log_;
};

struct results_state {
  std::vector<exchange_result> results;
  std::vector<call_delta> deltas;
  std::vector<connection_probed> probes;
};

exchange_sink_actor::behavior_type results(exchange_sink_actor::stateful_pointer<results_state> self) {
  return {
      [self](const exchange_result_batch& batch) {
        self->state.results.insert(self->state.results.end(), batch.results.begin(), batch.results.end());
      },
      [self](const call_delta& delta) { self->state.deltas.push_back(delta); },
      [self](const connection_probed& probed) { self->state.probes.push_back(probed); },
  };
}

class connection_test : public test::actor_test {
protected:
  wire_log log;
  exchange_sink_actor owner = spawn(results);

  connection_actor make(provider_profile provider) {
    connection_config config;
    config.provider = std::move(provider);
    config.open_transport = [this](const provider_profile&,
                                   transport_sink sink) -> result<std::unique_ptr<transport>> {
      log.deliver = std::move(sink);
      return std::make_unique<logged_wire>(log);
    };
    auto made = spawn(connection, config, owner);
    run();
    return made;
  }

  static exchange asking(uint64_t id, std::vector<chat_message> messages) {
    exchange one;
    one.id = call_id{id};
    one.wire_model = "m";
    one.messages = std::move(messages);
    return one;
  }

  static chat_message user(std::string_view text) { return {chat_role::user, shared_text(text)}; }

  const std::vector<call_delta>& streamed() { return state_of<results_state>(owner).deltas; }
  const std::vector<exchange_result>& got() { return state_of<results_state>(owner).results; }

  void answer(http_headers headers,
              std::string_view body = R"({"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]})") {
    http_outcome outcome;
    outcome.id = 1;
    outcome.status = 200;
    outcome.headers = std::move(headers);
    outcome.body = shared_text(body);
    http_turn turn;
    turn.outcomes.push_back(std::move(outcome));
    log.deliver(std::move(turn));
    run();
  }
};

TEST_F(connection_test, AProbeAsksForTheListOfModelsAndIsNoCall) {
  provider_profile provider;
  provider.base_url = "http://x/v1";
  const auto made = make(provider);
  tell(made, probe_connection{call_id{1}, milliseconds{500}});
  ASSERT_EQ(log.sent.size(), 1u);
  EXPECT_EQ(log.sent[0].target, "/models");
  EXPECT_TRUE(log.sent[0].body.empty());
  EXPECT_EQ(log.sent[0].timeout, milliseconds{500});
  answer({}, R"({"object":"list","data":[{"id":"m","object":"model"}]})");
  ASSERT_EQ(state_of<results_state>(owner).probes.size(), 1u);
  EXPECT_EQ(state_of<results_state>(owner).probes[0].id, call_id{1});
  EXPECT_FALSE(state_of<results_state>(owner).probes[0].error.has_value());
  EXPECT_TRUE(got().empty());
}

TEST_F(connection_test, TheProvidersOwnBodyComesAlongWhenAskedForWithoutTheKey) {
  provider_profile provider;
  provider.base_url = "http://x/v1";
  provider.key = secret{"sk-very-secret-1"};
  const auto made = make(provider);
  auto wish = asking(1, {user("hi")});
  answer_options options;
  options.raw_response = true;
  wish.options = std::make_shared<const answer_options>(options);
  constexpr std::string_view rest = R"("choices":[{"message":{"content":"x"},"finish_reason":"stop"}]})";
  tell(made, exchange_batch{{wish}});
  answer({}, R"({"echo":"sk-very-secret-1",)" + std::string(rest));
  ASSERT_EQ(got().size(), 1u);
  ASSERT_TRUE(got()[0].extras);
  EXPECT_EQ(got()[0].extras->raw_response, R"({"echo":"***",)" + std::string(rest));
  EXPECT_EQ(log.sent.at(0).body.view().find("raw_response"), std::string_view::npos);
  // More than a caller is shown.
  tell(made, exchange_batch{{wish}});
  answer({}, R"({"echo":")" + std::string(2 << 20, 'x') + R"(",)" + std::string(rest));
  ASSERT_EQ(got().size(), 2u);
  ASSERT_TRUE(got()[1].extras);
  EXPECT_TRUE(got()[1].extras->raw_response.empty());
  ASSERT_EQ(got()[1].extras->dropped.size(), 1u);
  // Not asked for.
  tell(made, exchange_batch{{asking(1, {user("hi")})}});
  answer({});
  ASSERT_EQ(got().size(), 3u);
  EXPECT_FALSE(got()[2].extras);
}

TEST_F(connection_test, AnAnswerIsCutWhereTheModelCouldNotBeToldToStop) {
  provider_profile provider;
  provider.base_url = "https://api.openai.com/v1";
  provider.dialect = api_dialect::openai;
  const auto made = make(provider);
  auto wish = asking(1, {user("hi")});
  wish.wire_model = "o3";
  wish.parameters.stop = {"END", "\n\n"};
  tell(made, exchange_batch{{wish}});
  EXPECT_EQ(log.sent.at(0).body.view().find("END"), std::string_view::npos);
  answer({}, R"({"choices":[{"message":{"content":"four\n\nfiveEND"},"finish_reason":"length"}]})");
  ASSERT_EQ(got().size(), 1u);
  EXPECT_EQ(got()[0].answer.view(), "four");
  EXPECT_EQ(got()[0].finish, finish_reason::stop);
  ASSERT_TRUE(got()[0].extras);
  EXPECT_EQ(got()[0].extras->dropped, std::vector<std::string>{"stop: o3 takes none"});
  // A model that takes them has stopped by itself.
  wish.wire_model = "gpt-4o";
  tell(made, exchange_batch{{wish}});
  answer({}, R"({"choices":[{"message":{"content":"END of it"},"finish_reason":"stop"}]})");
  ASSERT_EQ(got().size(), 2u);
  EXPECT_EQ(got()[1].answer.view(), "END of it");
}

TEST_F(connection_test, AKeyThatAProviderRepeatsIsNotTold) {
  provider_profile provider;
  provider.base_url = "http://x/v1";
  provider.key = secret{"sk-very-secret-1"};
  const auto made = make(provider);
  tell(made, exchange_batch{{asking(1, {user("hi")})}});
  http_outcome outcome;
  outcome.id = 1;
  outcome.status = 401;
  outcome.headers = {{"x-request-id", "for sk-very-secret-1"}};
  outcome.body = shared_text(
      R"({"error":{"message":"you sent Authorization: Bearer sk-very-secret-1, twice sk-very-secret-1"}})");
  http_turn turn;
  turn.outcomes.push_back(std::move(outcome));
  log.deliver(std::move(turn));
  run();
  ASSERT_EQ(got().size(), 1u);
  ASSERT_TRUE(got()[0].error);
  const auto said = to_string(*got()[0].error) + got()[0].request_id;
  EXPECT_EQ(said.find("sk-very-secret-1"), std::string::npos) << said;
  EXPECT_NE(said.find("Bearer ***"), std::string::npos) << said;
}

TEST_F(connection_test, SendsToTheAddressOfTheProvidersProtocol) {
  provider_profile provider;
  tell(make(provider), exchange_batch{{asking(1, {user("hi")})}});
  provider.protocol = wire_protocol::azure_openai;
  provider.base_url = "https://r.openai.azure.com/openai";
  tell(make(provider), exchange_batch{{asking(2, {user("hi")})}});
  provider.protocol = wire_protocol::anthropic;
  provider.base_url = "https://api.anthropic.com/v1";
  tell(make(provider), exchange_batch{{asking(3, {user("hi")})}});
  provider.protocol = wire_protocol::gemini;
  provider.base_url = "https://generativelanguage.googleapis.com/v1beta";
  tell(make(provider), exchange_batch{{asking(4, {user("hi")})}});
  ASSERT_EQ(log.sent.size(), 4u);
  EXPECT_EQ(log.sent[0].target, "/chat/completions");
  EXPECT_EQ(log.sent[1].target, "/deployments/m/chat/completions?api-version=2024-10-21");
  EXPECT_EQ(log.sent[2].target, "/messages");
  EXPECT_EQ(log.sent[3].target, "/models/m:generateContent");
}

TEST_F(connection_test, ReadsTheAnswersOfTheProvidersProtocol) {
  provider_profile provider;
  provider.protocol = wire_protocol::anthropic;
  const auto claude = make(provider);
  answer({{"anthropic-ratelimit-requests-limit", "50"},
          {"anthropic-ratelimit-requests-remaining", "49"},
          {"anthropic-ratelimit-input-tokens-limit", "80000"},
          {"anthropic-ratelimit-output-tokens-limit", "16000"},
          {"anthropic-ratelimit-output-tokens-remaining", "15000"}},
         R"({"type":"message","model":"c","content":[{"type":"text","text":"from Claude"}],)"
         R"("stop_reason":"max_tokens","usage":{"input_tokens":3,"output_tokens":4}})");
  provider.protocol = wire_protocol::gemini;
  const auto gemini = make(provider);
  answer({}, R"({"candidates":[{"content":{"parts":[{"text":"from Gemini"}]},"finishReason":"STOP"}],)"
             R"("usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":6}})");
  ASSERT_EQ(got().size(), 2u);
  EXPECT_EQ(got()[0].answer.view(), "from Claude");
  EXPECT_EQ(got()[0].finish, finish_reason::length);
  EXPECT_EQ(got()[0].usage.completion_tokens, 4u);
  EXPECT_EQ(got()[0].limits->limit_requests, 50u);
  EXPECT_EQ(got()[0].limits->limit_input_tokens, 80'000u);
  EXPECT_EQ(got()[0].limits->limit_output_tokens, 16'000u);
  EXPECT_EQ(got()[0].limits->remaining_output_tokens, 15'000u);
  EXPECT_EQ(got()[1].answer.view(), "from Gemini");
  EXPECT_EQ(got()[1].finish, finish_reason::stop);
  EXPECT_EQ(got()[1].usage.prompt_tokens, 5u);
}

TEST_F(connection_test, AsksForVectorsAndCountsWhereTheProtocolHasThem) {
  const auto both = [](uint64_t id) {
    auto embeds = asking(id, {});
    embeds.kind = call_kind::embed;
    embeds.stream = true;
    embeds.inputs = std::make_shared<const embedding_inputs>(embedding_inputs{{"a", "b"}, 8});
    auto counts = asking(id + 1, {user("hi")});
    counts.kind = call_kind::count_tokens;
    return exchange_batch{{embeds, counts}};
  };
  provider_profile provider;
  provider.dialect = api_dialect::llama_cpp;
  tell(make(provider), both(1));
  provider = {};
  provider.protocol = wire_protocol::gemini;
  provider.base_url = "https://generativelanguage.googleapis.com/v1beta";
  tell(make(provider), both(3));
  provider.protocol = wire_protocol::anthropic;
  provider.base_url = "https://api.anthropic.com/v1";
  tell(make(provider), both(5));
  ASSERT_EQ(log.sent.size(), 5u);
  EXPECT_EQ(log.sent[0].target, "/embeddings");
  EXPECT_EQ(log.sent[1].target, "/chat/completions/input_tokens");
  EXPECT_EQ(log.sent[2].target, "/models/m:batchEmbedContents");
  EXPECT_EQ(log.sent[3].target, "/models/m:countTokens");
  EXPECT_EQ(log.sent[4].target, "/messages/count_tokens");
  for (const auto& request : log.sent)
    EXPECT_FALSE(request.stream) << request.target;
  ASSERT_EQ(got().size(), 1u) << "Anthropic has no vectors";
  EXPECT_EQ(got()[0].id, call_id{5});
  EXPECT_EQ(got()[0].error->code, errc::unsupported);
}

TEST_F(connection_test, ReadsVectorsAndCountsAsWhatTheyWereAskedFor) {
  provider_profile provider;
  provider.protocol = wire_protocol::gemini;
  const auto gemini = make(provider);
  auto one = asking(1, {});
  one.kind = call_kind::embed;
  one.inputs = std::make_shared<const embedding_inputs>(embedding_inputs{{"a"}, std::nullopt});
  const std::string_view vectors =
      R"({"embeddings":[{"values":[0.5,1]}],"usageMetadata":{"promptTokenCount":3},"simulated":true})";
  tell(gemini, exchange_batch{{one}});
  answer({}, vectors);
  one.inputs = std::make_shared<const embedding_inputs>(embedding_inputs{{"a", "b"}, std::nullopt});
  tell(gemini, exchange_batch{{one}});
  answer({}, vectors);
  one = asking(1, {user("hi")});
  one.kind = call_kind::count_tokens;
  tell(gemini, exchange_batch{{one}});
  answer({}, R"({"totalTokens":21})");
  one.kind = call_kind::chat;
  tell(gemini, exchange_batch{{one}});
  answer({}, R"({"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]})");
  ASSERT_EQ(got().size(), 4u);
  ASSERT_TRUE(got()[0].embeddings);
  EXPECT_EQ(got()[0].embeddings->vectors, (std::vector<std::vector<float>>{{0.5F, 1}}));
  EXPECT_EQ(got()[0].usage.prompt_tokens, 3u);
  EXPECT_TRUE(got()[0].simulated);
  EXPECT_EQ(got()[1].error->code, errc::malformed_answer) << "one vector for two texts";
  EXPECT_TRUE(got()[1].possibly_billed);
  EXPECT_EQ(got()[2].usage.prompt_tokens, 21u);
  EXPECT_TRUE(got()[2].usage_present);
  EXPECT_EQ(got()[3].answer.view(), "x") << "the same number is a chat again";
}

TEST_F(connection_test, PassesOnWhatTheProviderSaysThatItCharged) {
  provider_profile provider;
  provider.dialect = api_dialect::openrouter;
  const auto asked = make(provider);
  tell(asked, exchange_batch{{asking(1, {user("hi")})}});
  answer({}, R"({"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],)"
             R"("usage":{"prompt_tokens":3,"completion_tokens":1,"cost":0.0025}})");
  ASSERT_EQ(got().size(), 1u);
  EXPECT_EQ(got()[0].cost, from_dollars(0.0025));
}

TEST_F(connection_test, AnswersWhatCannotBeAskedWithoutSendingIt) {
  provider_profile provider;
  provider.dialect = api_dialect::llama_factory;
  tell(make(provider), exchange_batch{{asking(1, {user("a"), user("b")}), asking(2, {user("hi")})}});
  EXPECT_EQ(log.sent.size(), 1u);
  ASSERT_EQ(got().size(), 1u);
  EXPECT_EQ(got()[0].id, call_id{1});
  EXPECT_EQ(got()[0].error->code, errc::unsupported);
  EXPECT_FALSE(got()[0].possibly_billed);
}

TEST_F(connection_test, CountsLimitsPerMinuteOrPerDay) {
  const auto made = make({});
  answer({{"x-ratelimit-limit-requests", "10"},
          {"x-ratelimit-remaining-requests", "9"},
          {"x-ratelimit-renewalperiod-requests", "10"}});
  answer({{"x-ratelimit-limit-requests", "200"},
          {"x-ratelimit-remaining-requests", "199"},
          {"x-ratelimit-reset-requests", "7m12s"}});
  ASSERT_EQ(got().size(), 2u);
  EXPECT_EQ(got()[0].limits->limit_requests, 60u);
  EXPECT_EQ(got()[0].limits->remaining_requests, 54u);
  EXPECT_EQ(got()[1].limits->limit_requests, std::nullopt);
  EXPECT_EQ(got()[1].limits->limit_requests_per_day, 200u);
  EXPECT_EQ(got()[1].limits->remaining_requests_today, 199u);
}

TEST_F(connection_test, StreamsPiecesAsTheyComeAndThenTheWholeAnswer) {
  const auto made = make({});
  auto one = asking(1, {user("hi")});
  one.stream = true;
  tell(made, exchange_batch{{one}});
  ASSERT_EQ(log.sent.size(), 1u);
  EXPECT_TRUE(log.sent[0].stream);
  const std::string hello = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hel\"}}]}\n\n";
  http_turn turn;
  turn.pieces.push_back({1, shared_text{": keep-alive\n\n"}});
  log.deliver(std::move(turn));
  run();
  EXPECT_TRUE(streamed().empty());
  ASSERT_EQ(log.granted.size(), 1u) << "what adds nothing is taken at once";
  turn = {};
  turn.pieces.push_back({1, shared_text{hello}});
  log.deliver(std::move(turn));
  run();
  ASSERT_EQ(streamed().size(), 1u);
  EXPECT_EQ(streamed()[0].pieces.at(0).text, "hel");
  EXPECT_EQ(streamed()[0].bytes, hello.size());
  EXPECT_EQ(log.granted.size(), 1u);
  tell(made, deltas_taken{call_id{1}, hello.size()});
  ASSERT_EQ(log.granted.size(), 2u);
  EXPECT_EQ(log.granted[1].bytes, hello.size());
  turn = {};
  turn.pieces.push_back({1, shared_text{"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},"
                                        "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"}});
  http_outcome outcome;
  outcome.id = 1;
  outcome.status = 200;
  turn.outcomes.push_back(outcome);
  log.deliver(std::move(turn));
  run();
  ASSERT_EQ(got().size(), 1u);
  EXPECT_FALSE(got()[0].error);
  EXPECT_EQ(got()[0].answer.view(), "hello");
}

TEST_F(connection_test, AStreamWithoutItsEndIsAFailure) {
  const auto made = make({});
  auto one = asking(1, {user("hi")});
  one.stream = true;
  tell(made, exchange_batch{{one}});
  http_turn turn;
  turn.pieces.push_back(
      {1, shared_text{"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hel\"}}]}\n\n"}});
  http_outcome outcome;
  outcome.id = 1;
  outcome.status = 200;
  turn.outcomes.push_back(outcome);
  log.deliver(std::move(turn));
  run();
  ASSERT_EQ(got().size(), 1u);
  ASSERT_TRUE(got()[0].error);
  EXPECT_EQ(got()[0].error->code, errc::truncated_answer);
  EXPECT_TRUE(got()[0].possibly_billed);
}

} // namespace
} // namespace assay
