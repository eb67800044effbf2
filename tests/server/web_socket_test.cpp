#include "tests/server/edge_fixture.hpp"
#include "tests/server/web_socket_client.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

#include <random>
#include <thread>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;

namespace {

class web_socket_test : public edge_test {
protected:
  std::unique_ptr<web_socket_client> connect(const std::string& token, int receive_buffer = 0) {
    auto out = std::make_unique<web_socket_client>(port(), "/ws?token=" + token, "", receive_buffer);
    EXPECT_EQ(out->handshake.status, 101) << out->handshake.body;
    return out;
  }

  static std::string subscribe(run_id run, const json& more = json::object()) {
    json out{{"type", "subscribe_evaluation"}, {"evaluation_id", to_string(run)}};
    out.update(more);
    return out.dump();
  }
};

} // namespace

TEST_F(web_socket_test, TellsThePastAndThenThePresent) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  farm_.happen(run, event_type::evaluation_created);
  farm_.happen(run, event_type::evaluation_started);
  auto socket = connect(admin());
  socket->send(subscribe(run));
  const auto answer = socket->receive().json();
  EXPECT_EQ(answer["type"], "subscribed");
  EXPECT_EQ(answer["data"]["evaluation_id"], to_string(run));
  EXPECT_EQ(answer["data"]["last_seq"], 2);
  EXPECT_EQ(socket->receive().json()["type"], "evaluation_created");
  const auto started = socket->receive().json();
  EXPECT_EQ(started["type"], "evaluation_started");
  EXPECT_EQ(started["seq"], 2);
  EXPECT_EQ(started["data"]["evaluation_id"], to_string(run));
  farm_.publish_progress(run, 2, R"({"type":"evaluation_progress","data":{"progress":0.5}})");
  farm_.happen(run, event_type::evaluation_completed);
  const auto progress = socket->receive().json();
  EXPECT_EQ(progress["data"]["progress"], 0.5);
  const auto completed = socket->receive().json();
  EXPECT_EQ(completed["type"], "evaluation_completed");
  EXPECT_EQ(completed["seq"], 3);
}

TEST_F(web_socket_test, GoesOnWhereAClientStopped) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  for (int i = 0; i < 5; ++i)
    farm_.happen(run, event_type::log);
  auto socket = connect(admin());
  socket->send(subscribe(run, {{"last_seq", 3}}));
  EXPECT_EQ(socket->receive().json()["data"]["last_seq"], 5) << "though nobody listened before";
  EXPECT_EQ(socket->receive().json()["seq"], 4);
  EXPECT_EQ(socket->receive().json()["seq"], 5);
  socket->send(subscribe(run, {{"last_seq", 1'000'000}}));
  socket->receive_type("subscribed");
  farm_.happen(run, event_type::log);
  EXPECT_EQ(socket->receive().json()["seq"], 6) << "a number from the future does not silence the present";
}

TEST_F(web_socket_test, BeginsWithTheNewestGeneration) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  farm_.happen(run, event_type::evaluation_created);
  farm_.finish_samples(run, 0, 3);
  for (uint16_t generation = 1; generation <= 2; ++generation) {
    farm_.happen(run, event_type::evaluation_completed);
    farm_.change_run(run, [&](run_record& record) { record.generation = generation; });
    farm_.happen(run, event_type::evaluation_retried);
  }
  auto socket = connect(admin());
  socket->send(subscribe(run));
  EXPECT_EQ(socket->receive().json()["data"]["last_seq"], 8);
  const auto first = socket->receive().json();
  EXPECT_EQ(first["type"], "evaluation_retried");
  EXPECT_EQ(first["seq"], 8);
  farm_.finish_samples(run, 3, 1);
  EXPECT_EQ(farm_.happen(run, event_type::evaluation_completed), 10U);
  EXPECT_EQ(socket->receive().json()["seq"], 10);

  socket->send(subscribe(run, {{"samples", true}}));
  socket->receive_type("subscribed");
  EXPECT_EQ(socket->receive().json()["type"], "evaluation_retried");
  EXPECT_EQ(socket->receive().json()["type"], "sample_completed");
  EXPECT_EQ(socket->receive().json()["type"], "evaluation_completed");

  socket->send(subscribe(run, {{"last_seq", 0}}));
  socket->receive_type("subscribed");
  EXPECT_EQ(socket->receive().json()["type"], "evaluation_created") << "the whole past, for who asks";
}

TEST_F(web_socket_test, TellsEverythingWhenTheNewestGenerationIsNotFound) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  farm_.happen(run, event_type::evaluation_created);
  farm_.change_run(run, [](run_record& record) { record.generation = 3; });
  auto socket = connect(admin());
  socket->send(subscribe(run));
  socket->receive_type("subscribed");
  EXPECT_EQ(socket->receive().json()["type"], "evaluation_created");
}

TEST_F(web_socket_test, LosesAndRepeatsNothingWhileEventsHappen) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  constexpr uint64_t count = 400;
  std::thread world{[&] {
    for (uint64_t i = 0; i < count; ++i)
      farm_.happen(run, event_type::log);
  }};
  auto socket = connect(admin());
  socket->send(subscribe(run));
  socket->receive_type("subscribed");
  for (uint64_t expected = 1; expected <= count; ++expected) {
    const auto next = socket->receive();
    ASSERT_FALSE(next.is_end || next.is_close);
    ASSERT_EQ(next.json()["seq"], expected);
  }
  world.join();
}

TEST_F(web_socket_test, SendsSamplesToWhoAsks) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  farm_.finish_samples(run, 0, 3);
  farm_.happen(run, event_type::evaluation_started);
  auto with = connect(admin());
  with->send(subscribe(run, {{"samples", true}}));
  with->receive_type("subscribed");
  for (uint64_t seq = 1; seq <= 3; ++seq) {
    const auto sample = with->receive().json();
    EXPECT_EQ(sample["type"], "sample_completed");
    EXPECT_EQ(sample["seq"], seq);
    EXPECT_EQ(sample["data"]["scores"]["exact_match"]["value"], 1.0);
  }
  EXPECT_EQ(with->receive().json()["type"], "evaluation_started");
  auto without = connect(admin());
  without->send(subscribe(run));
  without->receive_type("subscribed");
  EXPECT_EQ(without->receive().json()["type"], "evaluation_started");
  // Samples that end later are announced by the progress and read from the store.
  const auto last = farm_.finish_samples(run, 3, 2);
  farm_.publish_progress(run, last, R"({"type":"evaluation_progress"})");
  EXPECT_EQ(with->receive_type("sample_completed").json()["seq"], 5);
  EXPECT_EQ(with->receive_type("sample_completed").json()["seq"], 6);
  EXPECT_EQ(without->receive().json()["type"], "evaluation_progress");
}

TEST_F(web_socket_test, TakesChannelsAndLetsThemGo) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  auto socket = connect(admin());
  socket->send(R"({"type":"subscribe","channels":["evaluation:)" + to_string(run) + "\"]}");
  socket->receive_type("subscribed");
  EXPECT_EQ(farm_.subscriptions(), 1u);
  socket->send(R"({"type":"unsubscribe","channels":["evaluation:)" + to_string(run) + "\"]}");
  socket->receive_type("unsubscribed");
  farm_.happen(run, event_type::log);
  socket->send(R"({"type":"ping"})");
  EXPECT_EQ(socket->receive().json()["type"], "pong");
  socket->send(R"({"type":"subscribe","channels":["something:else"]})");
  EXPECT_EQ(socket->receive().json()["data"]["field"], "channels[0]");
}

TEST_F(web_socket_test, KnowsCallersByEveryDocumentedWay) {
  start();
  const auto token = admin();
  const auto run = farm_.put_run("admin").spec.id;

  web_socket_client by_header{port(), "/ws", "Authorization: Bearer " + token + "\r\n"};
  by_header.send(subscribe(run));
  EXPECT_EQ(by_header.receive().json()["type"], "subscribed");

  web_socket_client by_message{port(), "/ws"};
  ASSERT_EQ(by_message.handshake.status, 101);
  by_message.send(subscribe(run));
  EXPECT_EQ(by_message.receive().json()["data"]["code"], "UNAUTHORIZED");
  by_message.send(json{{"type", "auth"}, {"token", token}}.dump());
  EXPECT_EQ(by_message.receive().json()["type"], "authenticated");
  by_message.send(subscribe(run));
  EXPECT_EQ(by_message.receive().json()["type"], "subscribed");

  const auto ticket = http(port(), "POST", "/auth/ws-ticket", {}, token).json();
  EXPECT_EQ(ticket["expires_in"], 30);
  const auto target = "/ws?ticket=" + ticket["ticket"].get<std::string>();
  web_socket_client by_ticket{port(), target};
  by_ticket.send(subscribe(run));
  EXPECT_EQ(by_ticket.receive().json()["type"], "subscribed");
  EXPECT_EQ(web_socket_client(port(), target).handshake.status, 401) << "a ticket is good once";
  EXPECT_EQ(web_socket_client(port(), "/ws?token=wrong").handshake.status, 401);
  EXPECT_EQ(web_socket_client(port(), "/ws", "Authorization: Bearer wrong\r\n").handshake.status, 401);
}

TEST_F(web_socket_test, ClosesSocketsThatDoNotSayWhoTheyAre) {
  options.limits.web_socket_login_time = milliseconds{50};
  start();
  web_socket_client silent{port(), "/ws"};
  const auto end = silent.receive();
  EXPECT_TRUE(end.is_close);
  EXPECT_EQ(end.close_code, 3000);
  web_socket_client wrong{port(), "/ws"};
  wrong.send(R"({"type":"auth","token":"wrong"})");
  EXPECT_EQ(wrong.receive().json()["type"], "error");
  EXPECT_EQ(wrong.receive().close_code, 3000);
}

TEST_F(web_socket_test, RefusesPagesOfOtherOrigins) {
  options.allow_origins = {"https://app.example"};
  start();
  const auto target = "/ws?token=" + admin();
  EXPECT_EQ(web_socket_client(port(), target, "Origin: https://evil.example\r\n").handshake.status, 403);
  EXPECT_EQ(web_socket_client(port(), target, "Origin: null\r\n").handshake.status, 403);
  EXPECT_EQ(web_socket_client(port(), target, "Origin: https://app.example\r\n").handshake.status, 101);
  const auto own = "Origin: http://localhost:" + std::to_string(port()) + "\r\n";
  EXPECT_EQ(web_socket_client(port(), target, own).handshake.status, 101);
}

TEST_F(web_socket_test, HidesTheEvaluationsOfOthers) {
  start();
  const auto run = farm_.put_run("eva").spec.id;
  auto socket = connect(user("otto", "evaluator"));
  socket->send(subscribe(run));
  const auto refused = socket->receive().json();
  EXPECT_EQ(refused["type"], "error");
  EXPECT_EQ(refused["data"]["code"], "NOT_FOUND");
  socket->send(subscribe(run_id{1, 1}));
  EXPECT_EQ(socket->receive().json()["data"]["code"], "NOT_FOUND");
  EXPECT_EQ(farm_.subscriptions(), 0u);
}

TEST_F(web_socket_test, EndsWithTheSession) {
  start();
  const auto eva = user("eva", "evaluator");
  auto first = connect(eva);
  auto second = connect(login("eva", "long enough"));
  EXPECT_EQ(http(port(), "POST", "/auth/logout", {}, eva).status, 200);
  const auto end = first->receive();
  EXPECT_EQ(end.close_code, 3000);
  second->send(R"({"type":"ping"})");
  EXPECT_EQ(second->receive().json()["type"], "pong") << "another login";
  EXPECT_EQ(http(port(), "PATCH", "/users/eva", R"({"disabled":true})", admin()).status, 200);
  EXPECT_EQ(second->receive().close_code, 3000);
}

TEST_F(web_socket_test, ClosesSlowReadersWithAReasonAndSparesTheOthers) {
  options.limits.web_socket_backlog_bytes = 256 * 1024;
  start();
  const auto run = farm_.put_run("admin").spec.id;
  auto slow = connect(admin(), 4096);
  auto quick = connect(admin());
  for (auto* socket : {slow.get(), quick.get()}) {
    socket->send(subscribe(run));
    socket->receive_type("subscribed");
  }
  // Level before the flood, so that it is the live frames that pile up.
  farm_.happen(run, event_type::log);
  slow->receive_type("log");
  quick->receive_type("log");
  const std::string text = R"({"type":"log","text":")" + std::string(8000, 'x') + "\"}";
  constexpr uint64_t count = 700;
  for (uint64_t seq = 2; seq < 2 + count; ++seq) {
    farm_.publish_raw(run, seq, text);
    EXPECT_EQ(quick->receive().text.size(), text.size());
  }
  web_socket_client::message end;
  uint64_t heard = 0;
  do {
    end = slow->receive();
    heard += end.is_close || end.is_end ? 0 : 1;
  } while (!end.is_close && !end.is_end);
  EXPECT_LT(heard, count);
  EXPECT_TRUE(end.is_close) << "a reader that wakes up learns why";
  EXPECT_EQ(end.close_code, 3008);
  EXPECT_EQ(end.text, "slow");
}

TEST_F(web_socket_test, NeverClosesASlowReaderForProgressAlone) {
  options.limits.web_socket_backlog_bytes = 64 * 1024;
  start();
  const auto run = farm_.put_run("admin").spec.id;
  auto socket = connect(admin(), 4096);
  socket->send(subscribe(run));
  socket->receive_type("subscribed");
  const std::string padding(4000, 'p');
  for (int i = 0; i < 2000; ++i)
    farm_.publish_progress(run, 0,
                           R"({"type":"evaluation_progress","n":)" + std::to_string(i) + R"(,"padding":")"
                               + padding + "\"}");
  int last = -1;
  while (last < 1999) {
    const auto next = socket->receive();
    ASSERT_FALSE(next.is_close || next.is_end);
    const int n = next.json()["n"];
    ASSERT_GT(n, last) << "never backwards";
    last = n;
  }
}

TEST_F(web_socket_test, FindsTheNextHubWhenOneIsLost) {
  start();
  const auto run = farm_.put_run("admin").spec.id;
  auto socket = connect(admin());
  socket->send(subscribe(run));
  socket->receive_type("subscribed");
  farm_.happen(run, event_type::log);
  EXPECT_EQ(socket->receive().json()["seq"], 1);
  farm_.lose_hub();
  farm_.happen(run, event_type::log);
  farm_.happen(run, event_type::log);
  EXPECT_EQ(socket->receive().json()["seq"], 2) << "what nobody published is read from the store";
  EXPECT_EQ(socket->receive().json()["seq"], 3);
  farm_.happen(run, event_type::log);
  EXPECT_EQ(socket->receive().json()["seq"], 4);
}

TEST_F(web_socket_test, LimitsCommands) {
  options.limits.web_socket_commands_per_minute = 10;
  start();
  auto many = connect(admin());
  for (int i = 0; i < 12; ++i)
    many->send(R"({"type":"ping"})");
  web_socket_client::message end;
  do
    end = many->receive();
  while (!end.is_close && !end.is_end);
  EXPECT_EQ(end.close_code, 1008);

  auto large = connect(admin());
  large->send(std::string(70'000, ' '));
  EXPECT_EQ(large->receive().close_code, 1009);

  auto binary = connect(admin());
  binary->send_frame(0x2, "x");
  EXPECT_EQ(binary->receive().close_code, 1003);
}

TEST_F(web_socket_test, ComplainsAboutWrongCommandsAndGoesOn) {
  options.limits.web_socket_commands_per_minute = 100'000;
  start();
  auto socket = connect(admin());
  const std::pair<const char*, const char*> wrong[] = {
      {"nonsense", "MALFORMED_INPUT"},
      {"[]", "VALIDATION_ERROR"},
      {R"({"type":"dance"})", "VALIDATION_ERROR"},
      {R"({"type":"subscribe_evaluation"})", "VALIDATION_ERROR"},
      {R"({"type":"subscribe_evaluation","evaluation_id":5})", "VALIDATION_ERROR"},
      {R"({"type":"subscribe_evaluation","evaluation_id":"eval_1234567890_abcd1234","last_seq":-1})",
       "VALIDATION_ERROR"},
      {R"({"type":"subscribe_evaluation","evaluation_id":"eval_1234567890_abcd1234","lastseq":1})",
       "VALIDATION_ERROR"},
      {R"({"type":"subscribe","channels":[]})", "VALIDATION_ERROR"},
  };
  for (const auto& [text, code] : wrong) {
    socket->send(text);
    const auto answer = socket->receive().json();
    EXPECT_EQ(answer["type"], "error") << text;
    EXPECT_EQ(answer["data"]["code"], code) << text;
  }
  std::mt19937 random{5};
  const std::string good = subscribe(run_id{1'704'110'400, 77}, {{"last_seq", 3}, {"samples", true}});
  for (int round = 0; round < 300; ++round) {
    auto text = good;
    for (auto count = 1 + random() % 5; count > 0; --count)
      text[random() % text.size()] = static_cast<char>(' ' + random() % 90);
    socket->send(text);
    EXPECT_EQ(socket->receive().json()["type"], "error") << text;
  }
  socket->send(R"({"type":"ping"})");
  EXPECT_EQ(socket->receive().json()["type"], "pong");
}

TEST_F(web_socket_test, IsToldWhenTheServerStops) {
  start();
  auto socket = connect(admin());
  std::thread stopping{[this] { stop(); }};
  EXPECT_EQ(socket->receive().close_code, 1012);
  stopping.join();
}

TEST_F(web_socket_test, MarksItsHandshakeLikeEveryAnswer) {
  start();
  web_socket_client socket{port(), "/ws?token=" + admin(), "X-Request-Id: mine-3\r\n"};
  ASSERT_EQ(socket.handshake.status, 101);
  EXPECT_EQ(socket.handshake.header("x-request-id"), "mine-3");
  EXPECT_NE(socket.handshake.header("x-process-time"), "");
  EXPECT_EQ(socket.handshake.header("server"), "assay/1.2.3");
}

TEST_F(web_socket_test, WantsAnUpgrade) {
  start();
  const auto reply = get("/ws", admin());
  EXPECT_EQ(reply.status, 426);
}
