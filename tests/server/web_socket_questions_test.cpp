#include "tests/server/edge_fixture.hpp"
#include "tests/server/web_socket_client.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;

/// Questions to models over a WebSocket.
namespace {

class web_socket_questions : public edge_test {
protected:
  std::unique_ptr<web_socket_client> connect(const std::string& token) {
    auto out = std::make_unique<web_socket_client>(port(), "/ws?token=" + token);
    EXPECT_EQ(out->handshake.status, 101) << out->handshake.body;
    return out;
  }

  static std::string ask(const std::string& id, const std::string& model, const json& more = json::object()) {
    json request{{"model", model}, {"prompt", "one two three"}};
    request.update(more);
    return json{{"type", "llm_invoke"}, {"id", id}, {"request", request}}.dump();
  }
};

} // namespace

TEST_F(web_socket_questions, AreAnsweredPieceByPieceAndThenWhole) {
  start();
  auto socket = connect(admin());
  socket->send(ask("q1", "echo"));
  std::string text;
  auto frame = socket->receive().json();
  for (; frame["type"] == "llm_delta"; frame = socket->receive().json()) {
    EXPECT_EQ(frame["data"]["id"], "q1");
    EXPECT_TRUE(frame["seq"].is_null());
    text += frame["data"]["delta"].get<std::string>();
  }
  EXPECT_EQ(text, "echo: one two three");
  ASSERT_EQ(frame["type"], "llm_completed") << frame;
  EXPECT_EQ(frame["data"]["id"], "q1");
  EXPECT_EQ(frame["data"]["result"], text);
  EXPECT_EQ(frame["data"]["provider"], "fake");
  EXPECT_EQ(frame["data"]["tokens_used"], 8);
  EXPECT_EQ(farm_.withdrawn(), 0u);
}

TEST_F(web_socket_questions, AreAnsweredWholeWhenNobodyWantsPieces) {
  start();
  auto socket = connect(admin());
  socket->send(ask("q1", "echo", {{"stream", false}}));
  const auto frame = socket->receive().json();
  ASSERT_EQ(frame["type"], "llm_completed") << frame;
  EXPECT_EQ(frame["data"]["text"], "echo: one two three");
}

TEST_F(web_socket_questions, SeveralShareASocket) {
  start();
  auto socket = connect(admin());
  socket->send(ask("silent", "silent"));
  socket->send(ask("loud", "echo"));
  const auto done = socket->receive_type("llm_completed").json();
  EXPECT_EQ(done["data"]["id"], "loud");
  socket->send(ask("silent", "echo"));
  EXPECT_EQ(socket->receive_type("error").json()["data"]["code"], "CONFLICT");
}

TEST_F(web_socket_questions, FailWithTheReason) {
  start();
  auto socket = connect(admin());
  socket->send(ask("q1", "missing"));
  const auto failed = socket->receive().json();
  ASSERT_EQ(failed["type"], "llm_failed") << failed;
  EXPECT_EQ(failed["data"]["id"], "q1");
  EXPECT_THAT(failed["data"]["message"].get<std::string>(), HasSubstr("missing"));
  socket->send(ask("q2", "echo", {{"temperature", 9}}));
  const auto wrong = socket->receive().json();
  ASSERT_EQ(wrong["type"], "llm_failed") << wrong;
  EXPECT_EQ(wrong["data"]["id"], "q2");
  EXPECT_EQ(wrong["data"]["field"], "request.temperature");
  socket->send(ask("q4", "closed"));
  const auto closed = socket->receive_type("llm_failed").json();
  EXPECT_EQ(closed["data"]["id"], "q4");
  EXPECT_EQ(closed["data"]["retry_after"], 89);
  socket->send(ask("q3", "broken"));
  EXPECT_EQ(socket->receive_type("llm_failed").json()["data"]["id"], "q3");
}

TEST_F(web_socket_questions, AreWithdrawnWhenCancelledOrLeft) {
  start();
  auto socket = connect(admin());
  socket->send(ask("q1", "endless"));
  EXPECT_EQ(socket->receive().json()["type"], "llm_delta");
  socket->send(R"({"type":"llm_cancel","id":"q1"})");
  EXPECT_EQ(socket->receive_type("llm_failed").json()["data"]["id"], "q1");
  socket->send(R"({"type":"llm_cancel","id":"q1"})");
  EXPECT_EQ(socket->receive_type("error").json()["data"]["field"], "id");
  // The same id is free again, and the frames are those of the new question.
  socket->send(ask("q1", "echo", {{"stream", false}}));
  EXPECT_EQ(socket->receive_type("llm_completed").json()["data"]["text"], "echo: one two three");
  EXPECT_TRUE(comes_true([&] { return farm_.withdrawn() == 1; }));
  socket->send(ask("q2", "silent"));
  socket->send(R"({"type":"ping"})");
  socket->receive_type("pong");
  socket.reset();
  EXPECT_TRUE(comes_true([&] { return farm_.withdrawn() == 2; }));
}

TEST_F(web_socket_questions, NeedThePermissionToAsk) {
  start();
  auto socket = connect(user("vera", "viewer"));
  socket->send(ask("q1", "echo"));
  EXPECT_EQ(socket->receive_type("llm_failed").json()["data"]["code"], "FORBIDDEN");
  EXPECT_TRUE(farm_.questions().empty());
}
