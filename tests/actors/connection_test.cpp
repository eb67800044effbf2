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
};

exchange_sink_actor::behavior_type results(exchange_sink_actor::stateful_pointer<results_state> self) {
  return {
      [self](const exchange_result_batch& batch) {
        self->state.results.insert(self->state.results.end(), batch.results.begin(), batch.results.end());
      },
      [self](const call_delta& delta) { self->state.deltas.push_back(delta); },
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
  answer({{"anthropic-ratelimit-requests-limit", "50"}, {"anthropic-ratelimit-requests-remaining", "49"}},
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
  EXPECT_EQ(got()[1].answer.view(), "from Gemini");
  EXPECT_EQ(got()[1].finish, finish_reason::stop);
  EXPECT_EQ(got()[1].usage.prompt_tokens, 5u);
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
