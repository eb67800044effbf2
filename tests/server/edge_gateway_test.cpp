#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

#include <sys/socket.h>

#include <chrono>
#include <thread>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;

namespace {

json chat(const std::string& model, const json& more = json::object()) {
  json out{{"model", model}, {"messages", {{{"role", "user"}, {"content", "one two three"}}}}};
  out.update(more);
  return out;
}

/// The body of an answer in chunks, with what follows it.
struct streamed {
  http_reply head;
  std::string body;
  std::string trailer;
  bool whole = false;
};

class edge_gateway_test : public edge_test {
protected:
  http_reply ask(const json& body, std::string_view headers = {}) {
    return post("/v1/chat/completions", body.dump(), admin(), headers);
  }

  /// Reads the head, then chunks until the last one.
  static streamed read_chunks(http_connection& connection) {
    streamed out;
    out.head = connection.receive();
    auto& rest = connection.rest();
    const auto need = [&](const auto& have) {
      while (!have())
        if (!connection.fill())
          return false;
      return true;
    };
    while (true) {
      if (!need([&] { return rest.find("\r\n") != std::string::npos; }))
        return out;
      const auto size = std::stoul(rest, nullptr, 16);
      rest.erase(0, rest.find("\r\n") + 2);
      if (size == 0)
        break;
      if (!need([&] { return rest.size() >= size + 2; }))
        return out;
      out.body += rest.substr(0, size);
      rest.erase(0, size + 2);
    }
    if (!need([&] { return rest.starts_with("\r\n") || rest.find("\r\n\r\n") != std::string::npos; }))
      return out;
    const auto end = rest.starts_with("\r\n") ? 0 : rest.find("\r\n\r\n") + 2;
    out.trailer = rest.substr(0, end);
    rest.erase(0, end + 2);
    out.whole = true;
    return out;
  }

  streamed stream(http_connection& connection, const json& body,
                  std::string_view path = "/v1/chat/completions") {
    connection.send(request_text("POST", path, body.dump(), admin(), "Accept: text/event-stream\r\n"));
    return read_chunks(connection);
  }

  static std::vector<json> events(const std::string& body, bool* done = nullptr) {
    std::vector<json> out;
    for (size_t at = 0; at < body.size();) {
      const auto end = body.find("\n\n", at);
      const auto event = body.substr(at + 6, end - at - 6);
      if (event == "[DONE]" && done != nullptr)
        *done = true;
      else if (event != "[DONE]")
        out.push_back(json::parse(event));
      at = end == std::string::npos ? body.size() : end + 2;
    }
    return out;
  }
};

TEST_F(edge_gateway_test, AnswersAsOpenAiDoes) {
  start();
  const auto reply = ask(chat("echo", {{"temperature", 0.5}, {"logit_bias", {{"1", 2}}}}));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto body = reply.json();
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["model"], "echo-2026");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "echo: one two three");
  EXPECT_EQ(body["usage"]["total_tokens"], 8);
  EXPECT_EQ(reply.header("x-assay-served-by"), "fake/echo");
  EXPECT_EQ(reply.header("x-assay-cost"), "0.001500000");
  EXPECT_EQ(reply.header("x-assay-cached"), "false");
  const auto asked = farm_.questions();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].tenant.value, "admin");
  EXPECT_EQ(asked[0].request.parameters.temperature, 0.5);
  ASSERT_TRUE(asked[0].request.options);
  EXPECT_EQ(asked[0].request.options->extra_json, R"({"logit_bias":{"1":2}})");
  EXPECT_EQ(asked[0].cache, cache_use::off);
}

TEST_F(edge_gateway_test, TakesItsOwnWishesFromHeaders) {
  options.model_timeout = milliseconds{7000};
  start();
  EXPECT_EQ(ask(chat("echo"), "x-assay-cache: use\r\nx-assay-timeout: 1.5\r\n").header("x-assay-cached"),
            "true");
  ask(chat("echo"));
  const auto asked = farm_.questions();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].cache, cache_use::use);
  EXPECT_EQ(asked[0].request.timeout, milliseconds{1500});
  EXPECT_EQ(asked[1].request.timeout, milliseconds{7000});
  for (const auto* wrong :
       {"x-assay-cache: perhaps\r\n", "x-assay-timeout: soon\r\n", "x-assay-timeout: 0\r\n"})
    EXPECT_EQ(ask(chat("echo"), wrong).status, 400) << wrong;
}

TEST_F(edge_gateway_test, FailsInOpenAisShape) {
  start();
  const auto check = [](const http_reply& reply, int status, const json& param, const json& code) {
    EXPECT_EQ(reply.status, status) << reply.body;
    const auto error = reply.json()["error"];
    EXPECT_FALSE(error["message"].get<std::string>().empty());
    EXPECT_TRUE(error["type"].is_string());
    EXPECT_EQ(error["param"], param) << reply.body;
    EXPECT_EQ(error["code"], code) << reply.body;
  };
  check(ask(chat("missing")), 404, "model", "model_not_found");
  check(ask(chat("echo", {{"temperature", 9}})), 400, "temperature", nullptr);
  check(ask(chat("echo", {{"messages", {{{"role", "king"}, {"content", "x"}}}}})), 400, "messages[0].role",
        nullptr);
  check(post("/v1/chat/completions", chat("echo").dump(), "nonsense"), 401, nullptr, "invalid_api_key");
  check(post("/v1/chat/completions", chat("echo").dump(), user("vera", "viewer")), 403, nullptr, nullptr);
  check(get("/v1/nothing", admin()), 404, nullptr, nullptr);
  const auto busy = ask(chat("busy"));
  check(busy, 429, nullptr, "rate_limit_exceeded");
  EXPECT_EQ(busy.header("retry-after"), "1");
  EXPECT_EQ(busy.json()["error"]["type"], "rate_limit_error");
  EXPECT_EQ(ask(chat("closed")).header("retry-after"), "89") << "as the provider has asked";
  check(ask(chat("huge")), 502, nullptr, "malformed_answer");
}

TEST_F(edge_gateway_test, WhatIsWrongWithAProvidersAddressIsNotTheCallersMistake) {
  start();
  for (const auto* model : {"moved", "no-route"}) {
    const auto reply = ask(chat(model));
    EXPECT_EQ(reply.status, 502) << reply.body;
    EXPECT_THAT(reply.json()["error"]["message"].get<std::string>(), HasSubstr("base_url"));
    EXPECT_EQ(post("/llm_api/invoke", json{{"prompt", "x"}, {"model", model}}.dump(), admin()).status, 502);
  }
  EXPECT_EQ(ask(chat("refused")).status, 400);
}

TEST_F(edge_gateway_test, AModelThatItsProviderDoesNotKnowIsNotFoundUnderEveryApi) {
  start();
  const auto reply = ask(chat("unknown-there"));
  EXPECT_EQ(reply.status, 404) << reply.body;
  EXPECT_EQ(reply.json()["error"]["code"], "model_not_found");
  EXPECT_EQ(reply.json()["error"]["param"], "model");
  const auto other =
      post("/llm_api/invoke", json{{"prompt", "x"}, {"model", "unknown-there"}}.dump(), admin());
  EXPECT_EQ(other.status, 404) << other.body;
  EXPECT_EQ(other.json()["error_code"], "NOT_FOUND");
}

TEST_F(edge_gateway_test, PicturesComeOnlyFromWhereTheyMay) {
  options.check_picture = [](const std::string& url) -> result<void> {
    if (url.find("169.254") != std::string::npos)
      return fault{errc::forbidden, "169.254.169.254 is where clouds keep credentials", "base_url", {}};
    return {};
  };
  start();
  const auto with_picture = [](const std::string& url, bool streamed) {
    json picture{{"type", "image_url"}};
    picture["image_url"]["url"] = url;
    json message{{"role", "user"}};
    message["content"] = json::array({json{{"type", "text"}, {"text", "what is it"}}, picture});
    json out{{"model", "echo"}, {"stream", streamed}};
    out["messages"] = json::array({message});
    return out;
  };
  EXPECT_EQ(ask(with_picture("https://pictures.example/a.png?size=1", false)).status, 200);
  for (const bool streamed : {false, true}) {
    const auto refused = ask(with_picture("http://169.254.169.254/latest", streamed));
    EXPECT_EQ(refused.status, 403) << refused.body;
    EXPECT_THAT(refused.body, HasSubstr("image_url"));
  }
  EXPECT_EQ(farm_.questions().size(), 1u) << "the model hears of the good one alone";
}

TEST_F(edge_gateway_test, StreamsEveryPieceAndEndsInOrder) {
  start();
  http_connection connection{port()};
  for (int round = 0; round < 2; ++round) {
    const auto reply =
        stream(connection, chat("echo", {{"stream", true}, {"stream_options", {{"include_usage", true}}}}));
    ASSERT_EQ(reply.head.status, 200);
    EXPECT_TRUE(reply.whole);
    EXPECT_THAT(reply.head.header("content-type"), HasSubstr("text/event-stream"));
    bool done = false;
    std::string text;
    const auto all = events(reply.body, &done);
    EXPECT_TRUE(done);
    for (const auto& one : all)
      if (!one["choices"].empty() && one["choices"][0]["delta"].contains("content"))
        text += one["choices"][0]["delta"]["content"].get<std::string>();
    EXPECT_EQ(text, "echo: one two three");
    EXPECT_EQ(all.back()["usage"]["total_tokens"], 8);
    EXPECT_THAT(reply.trailer, HasSubstr("x-assay-served-by: fake/echo"));
    EXPECT_THAT(reply.trailer, HasSubstr("x-assay-cost: 0.001500000"));
  }
  EXPECT_EQ(farm_.taken(), 2 * std::string("echo: one two three").size())
      << "each piece was said to be taken";
  EXPECT_EQ(farm_.withdrawn(), 0u);
}

TEST_F(edge_gateway_test, AQuestionThatFailsBeforeItsFirstPieceIsAnError) {
  start();
  EXPECT_EQ(ask(chat("missing", {{"stream", true}})).status, 404);
  EXPECT_EQ(ask(chat("busy", {{"stream", true}})).status, 429);
  EXPECT_EQ(ask(chat("closed", {{"stream", true}})).header("retry-after"), "89");
}

TEST_F(edge_gateway_test, AStreamThatBreaksSaysSo) {
  start();
  http_connection connection{port()};
  const auto reply = stream(connection, chat("broken", {{"stream", true}}));
  EXPECT_TRUE(reply.whole);
  bool done = false;
  const auto all = events(reply.body, &done);
  EXPECT_FALSE(done);
  EXPECT_EQ(all.back()["error"]["code"], "truncated_answer") << reply.body;
}

TEST_F(edge_gateway_test, AClientThatGoesTakesItsQuestionBack) {
  start();
  const auto token = admin();
  {
    http_connection connection{port()};
    connection.send(request_text("POST", "/v1/chat/completions", chat("silent").dump(), token));
    ASSERT_TRUE(comes_true([&] { return farm_.questions().size() == 1; }));
  }
  EXPECT_TRUE(comes_true([&] { return farm_.withdrawn() == 1; }));
  {
    http_connection connection{port()};
    connection.send(
        request_text("POST", "/v1/chat/completions", chat("endless", {{"stream", true}}).dump(), token));
    connection.receive();
    ASSERT_TRUE(connection.fill());
  }
  EXPECT_TRUE(comes_true([&] { return farm_.withdrawn() == 2; })) << "also in the middle of a stream";
}

TEST_F(edge_gateway_test, ASlowReaderHoldsTheStreamAndNotTheServer) {
  start();
  const auto token = admin();
  http_connection slow{port(), 4096};
  slow.send(request_text("POST", "/v1/chat/completions", chat("endless", {{"stream", true}}).dump(), token));
  ASSERT_TRUE(comes_true([&] { return farm_.taken() > 0; }));
  // The buffers fill, then nothing more is taken until the reader reads.
  uint64_t before = 0;
  ASSERT_TRUE(comes_true([&] {
    const auto now = farm_.taken();
    const bool still = now == before && get("/health").status == 200 && farm_.taken() == now;
    before = now;
    return still;
  }));
  EXPECT_LT(before, uint64_t{64} << 20);
  EXPECT_EQ(ask(chat("echo")).status, 200);
}

TEST_F(edge_gateway_test, ALostGatewayIsSaidAndReplaced) {
  start();
  const auto token = admin();
  http_connection connection{port()};
  connection.send(request_text("POST", "/v1/chat/completions", chat("silent").dump(), token));
  ASSERT_TRUE(comes_true([&] { return farm_.questions().size() == 1; }));
  farm_.lose_gateway();
  const auto reply = connection.receive();
  EXPECT_EQ(reply.status, 503) << reply.body;
  EXPECT_EQ(reply.header("retry-after"), "1");
  EXPECT_EQ(ask(chat("echo")).status, 200);
}

TEST_F(edge_gateway_test, StopsWhileSomebodyWaits) {
  start();
  http_connection connection{port()};
  connection.send(request_text("POST", "/v1/chat/completions", chat("silent").dump(), admin()));
  ASSERT_TRUE(comes_true([&] { return farm_.questions().size() == 1; }));
  edge_->stop(milliseconds{0});
  EXPECT_TRUE(connection.closed());
  stop();
}

TEST_F(edge_gateway_test, APipelinedRequestIsAnsweredAfterTheFirst) {
  start();
  const auto token = admin();
  http_connection connection{port()};
  const auto one = request_text("POST", "/v1/chat/completions", chat("echo").dump(), token);
  connection.send(one + one);
  EXPECT_EQ(connection.receive().status, 200);
  EXPECT_EQ(connection.receive().status, 200);
  EXPECT_EQ(farm_.withdrawn(), 0u) << "a further request is no farewell";
}

TEST_F(edge_gateway_test, GivesVectors) {
  start();
  const auto reply =
      post("/v1/embeddings", json{{"model", "e"}, {"input", {"a", "b"}}, {"dimensions", 2}}.dump(), admin());
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json()["data"][1]["embedding"], (json{0.5, 1.0}));
  const auto asked = farm_.questions();
  ASSERT_TRUE(asked.at(0).request.inputs);
  EXPECT_EQ(asked[0].request.kind, call_kind::embed);
  EXPECT_EQ(asked[0].request.inputs->dimensions, 2u);
  const auto packed = post(
      "/v1/embeddings", json{{"model", "e"}, {"input", "a"}, {"encoding_format", "base64"}}.dump(), admin());
  EXPECT_EQ(packed.json()["data"][0]["embedding"], "AAAAPwAAAAA=");
}

TEST_F(edge_gateway_test, ListsModels) {
  start();
  const auto list = get("/v1/models", admin());
  ASSERT_EQ(list.status, 200);
  EXPECT_EQ(list.json()["object"], "list");
  EXPECT_EQ(list.json()["data"][0]["id"], "claude-3-haiku");
  EXPECT_EQ(list.json()["data"][0]["owned_by"], "anthropic");
  EXPECT_EQ(get("/v1/models/claude-3-haiku", admin()).json()["object"], "model");
  EXPECT_EQ(get("/v1/models/sim-p70", admin()).json()["id"], "sim-p70");
  const auto longer = get("/v1/models/openrouter/somebody/nothing", admin());
  EXPECT_EQ(longer.status, 404);
  EXPECT_NE(longer.body.find("`openrouter/somebody/nothing`"), std::string::npos) << longer.body;
  const auto missing = get("/v1/models/openai/nothing", admin());
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(missing.json()["error"]["message"].get<std::string>(), HasSubstr("openai/nothing"));
}

TEST_F(edge_gateway_test, AnHttp10ClientGetsItsStreamWithoutChunks) {
  start();
  http_connection connection{port()};
  const auto body = chat("echo", {{"stream", true}}).dump();
  connection.send("POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer " + admin()
                  + "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size())
                  + "\r\n\r\n" + body);
  const auto head = connection.receive();
  EXPECT_EQ(head.status, 200);
  EXPECT_FALSE(head.headers.contains("transfer-encoding"));
  EXPECT_TRUE(connection.closed());
  EXPECT_THAT(connection.rest(), HasSubstr("data: [DONE]"));
}

} // namespace

TEST_F(edge_gateway_test, TokensOfAnswersCountAgainstTheKeyThatAsked) {
  start();
  const auto made = post("/auth/keys", R"({"name":"small","tokens_per_minute":5})", admin()).json();
  const auto key = made.value("key", "");
  const auto ask_with = [&](const json& body) { return post("/v1/chat/completions", body.dump(), key); };
  EXPECT_EQ(ask_with(chat("echo")).status, 200) << "a minute's tokens are there at once";
  const auto refused = ask_with(chat("echo"));
  EXPECT_EQ(refused.status, 429) << refused.body;
  EXPECT_FALSE(refused.header("retry-after").empty());
  EXPECT_EQ(ask(chat("echo")).status, 200) << "others are not held back";
}
