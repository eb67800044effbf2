#include "client.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>

namespace assay::mock {

namespace {

std::shared_ptr<const answer_book> sums() {
  auto book = std::make_shared<indexed_answer_book>();
  book->add("2+2?", "The answer is 4.", "The answer is 5.");
  book->add("你好?", "四 \"quoted\"\n\ttab", "五");
  book->seal();
  return book;
}

/// The JSON of each data frame; "[DONE]" as a text.
std::vector<nlohmann::json> frames_of(const std::string& body) {
  std::vector<nlohmann::json> frames;
  for (size_t at = 0; at < body.size();) {
    const auto end = body.find("\n\n", at);
    EXPECT_EQ(body.substr(at, 6), "data: ");
    const auto text = body.substr(at + 6, end - at - 6);
    frames.push_back(text == "[DONE]" ? nlohmann::json(text) : nlohmann::json::parse(text));
    at = end + 2;
  }
  return frames;
}

std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen(command.c_str(), "r");
  char buffer[4096];
  while (pipe != nullptr && std::fgets(buffer, sizeof buffer, pipe) != nullptr)
    out += buffer;
  if (pipe != nullptr)
    ::pclose(pipe);
  return out;
}

} // namespace

TEST(mock_server, AnswersAChatLikeTheProvider) {
  const auto server = started({}, sums());
  const auto answer = ask(*server, chat("sim-p100", "2+2?"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "application/json");
  EXPECT_EQ(answer.header("x-assay-simulated"), "true");
  const auto body = answer.json();
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_EQ(body["model"], "sim-p100");
  EXPECT_EQ(body["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "The answer is 4.");
  EXPECT_TRUE(body["choices"][0]["message"]["refusal"].is_null());
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["usage"]["prompt_tokens"], 1 + 3 + 3);
  EXPECT_EQ(body["usage"]["completion_tokens"], 4);
  EXPECT_EQ(body["usage"]["total_tokens"], 11);
  EXPECT_EQ(body["system_fingerprint"], "fp_simulated");
  EXPECT_EQ(body["simulated"], true);
  EXPECT_EQ(ask(*server, chat("sim-p0", "2+2?")).json()["choices"][0]["message"]["content"],
            "The answer is 5.");
}

TEST(mock_server, StreamsTheSameAnswerInFrames) {
  const auto server = started({}, sums());
  for (const auto* prompt : {"2+2?", "你好?"}) {
    const auto plain = ask(*server, chat("sim-p100", prompt)).json();
    const auto answer = ask(*server, chat("sim-p100", prompt, {{"stream", true}}));
    EXPECT_TRUE(answer.whole);
    EXPECT_EQ(answer.header("content-type"), "text/event-stream; charset=utf-8");
    const auto frames = frames_of(answer.body);
    ASSERT_GE(frames.size(), 4);
    EXPECT_EQ(frames.back(), "[DONE]");
    EXPECT_EQ(frames.front()["choices"][0]["delta"]["role"], "assistant");
    EXPECT_EQ(frames[frames.size() - 2]["choices"][0]["finish_reason"], "stop");
    std::string text;
    for (size_t i = 0; i + 1 < frames.size(); ++i) {
      EXPECT_EQ(frames[i]["object"], "chat.completion.chunk");
      EXPECT_FALSE(frames[i].contains("usage"));
      text += frames[i]["choices"][0]["delta"].value("content", "");
    }
    EXPECT_EQ(text, plain["choices"][0]["message"]["content"]);
  }
}

TEST(mock_server, StreamsUsageOnlyWhenAsked) {
  const auto server = started({}, sums());
  const auto frames =
      frames_of(ask(*server, chat("sim-p100", "2+2?",
                                  {{"stream", true}, {"stream_options", {{"include_usage", true}}}}))
                    .body);
  const auto& usage = frames[frames.size() - 2];
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["total_tokens"], 11);
  for (size_t i = 0; i + 2 < frames.size(); ++i)
    EXPECT_TRUE(frames[i].at("usage").is_null());
}

TEST(mock_server, GivesSeveralChoicesAndPacedStreams) {
  options value;
  value.models.push_back({.name = "paced", .accuracy = 1, .tokens_per_second = 2000});
  const auto server = started(std::move(value), sums());
  const auto body = ask(*server, chat("sim-p100", "2+2?", {{"n", 3}})).json();
  EXPECT_EQ(body["choices"].size(), 3);
  EXPECT_EQ(body["choices"][2]["index"], 2);
  EXPECT_EQ(body["usage"]["completion_tokens"], 12);
  const auto paced = ask(*server, chat("paced", "2+2?", {{"stream", true}}));
  EXPECT_TRUE(paced.whole);
  EXPECT_EQ(frames_of(paced.body).size(), 1 + 4 + 1 + 1);
}

TEST(mock_server, ListsItsModels) {
  const auto server = started();
  const auto list = ask(*server, get("/v1/models")).json();
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 4);
  EXPECT_EQ(list["data"][0]["id"], "sim-strong");
  EXPECT_EQ(list["data"][0]["owned_by"], "assay-simulated");
  EXPECT_EQ(ask(*server, get("/v1/models/sim-p33")).json()["id"], "sim-p33");
  EXPECT_EQ(ask(*server, get("/v1/models/gpt-4o")).json()["error"]["code"], "model_not_found");
  EXPECT_EQ(ask(*server, get("/health")).json()["status"], "ok");
}

TEST(mock_server, RefusesWithTheRightStatus) {
  options value;
  value.max_body = 2000;
  const auto server = started(std::move(value));
  EXPECT_EQ(ask(*server, chat("gpt-4o", "x")).status, 404);
  EXPECT_EQ(ask(*server, post("/v1/chat/completions", "{")).status, 400);
  EXPECT_EQ(ask(*server, get("/v1/chat/completions")).json()["error"]["code"], "method_not_supported");
  EXPECT_EQ(ask(*server, get("/v1/nothing")).status, 404);
  EXPECT_EQ(ask(*server, get("/mock/nothing")).status, 404);
  EXPECT_EQ(ask(*server, chat("sim-strong", std::string(5000, 'x'))).status, 413);
  EXPECT_EQ(ask(*server, "GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n").status, 431);
  EXPECT_EQ(ask(*server, "NONSENSE\r\n\r\n").status, 400);
}

TEST(mock_server, KeepsConnectionsAndTakesPipelinedAndSplitRequests) {
  const auto server = started({}, sums());
  raw_client client(server->port());
  client.send(chat("sim-p100", "2+2?") + chat("sim-p0", "2+2?") + get("/health"));
  EXPECT_EQ(client.receive().json()["choices"][0]["message"]["content"], "The answer is 4.");
  EXPECT_EQ(client.receive().json()["choices"][0]["message"]["content"], "The answer is 5.");
  EXPECT_EQ(client.receive().json()["status"], "ok");
  for (const char c : chat("sim-p100", "2+2?"))
    client.send({&c, 1});
  EXPECT_EQ(client.receive().status, 200);
  client.send("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.receive().header("connection"), "close");
  EXPECT_TRUE(client.ended_by_server());
}

TEST(mock_server, SpeaksToOldClients) {
  const auto server = started({}, sums());
  auto request = chat("sim-p100", "2+2?", {{"stream", true}});
  request.replace(request.find("HTTP/1.1"), 8, "HTTP/1.0");
  const auto answer = ask(*server, request);
  EXPECT_EQ(answer.header("transfer-encoding"), "");
  EXPECT_EQ(frames_of(answer.body).back(), "[DONE]");
}

TEST(mock_server, SurvivesGarbage) {
  const auto server = started();
  std::mt19937_64 random(42);
  const auto valid = chat("sim-strong", "hello");
  for (int i = 0; i < 300; ++i) {
    auto bytes = valid;
    if (i % 3 == 0)
      for (auto& c : bytes)
        c = static_cast<char>(random());
    else
      for (int k = 0; k < 8; ++k)
        bytes[random() % bytes.size()] = static_cast<char>(random());
    raw_client client(server->port());
    client.send(bytes.substr(0, random() % bytes.size()));
  }
  EXPECT_EQ(ask(*server, valid).status, 200);
}

TEST(mock_server, IsUnderstoodByPythonAndCurl) {
  const auto server = started({}, sums());
  const auto port = std::to_string(server->port());
  const auto python = output_of(
      "python3 -c 'import http.client,json\n"
      "c=http.client.HTTPConnection(\"127.0.0.1\","
      + port
      + ",timeout=20)\n"
        "for stream in (False,True,False):\n"
        "  c.request(\"POST\",\"/v1/chat/completions\",json.dumps({\"model\":\"sim-p100\",\"stream\":stream,"
        "\"messages\":[{\"role\":\"user\",\"content\":\"2+2?\"}]}),{\"Authorization\":\"Bearer x\"})\n"
        "  r=c.getresponse()\n"
        "  b=r.read()\n"
        "  print(r.status, b.endswith(b\"data: [DONE]\\n\\n\") if stream else "
        "json.loads(b)[\"choices\"][0][\"message\"][\"content\"])\n'");
  EXPECT_EQ(python, "200 The answer is 4.\n200 True\n200 The answer is 4.\n");
  // A body this large makes curl wait for "100 Continue" first.
  const auto curl =
      output_of("head -c 2000000 /dev/zero | tr '\\0' 'x' | curl -s -m 20 -o /dev/null -w '%{http_code}' "
                "--data-binary @- http://127.0.0.1:"
                + port + "/v1/chat/completions");
  EXPECT_EQ(curl, "400");
}

TEST(mock_server, StopsWithCallsInFlightAndCanBeStoppedTwice) {
  auto value = with_faults(R"([{"kind":"hang_before_header"}])");
  value.threads = 2;
  const auto server = started(std::move(value));
  raw_client hanging(server->port());
  hanging.send(chat("sim-strong", "x"));
  raw_client idle(server->port());
  while (ask(*server, get("/mock/calls")).json()["in_flight"] != 1) {
  }
  server->stop();
  server->stop();
  server->join();
  EXPECT_TRUE(hanging.ended_by_server());
  EXPECT_TRUE(idle.ended_by_server());
  EXPECT_EQ(server->connections(), 0);
}

TEST(mock_server, TellsWhyItCannotStart) {
  const auto first = started();
  options value;
  value.port = first->port();
  const auto second = server::start(std::move(value));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::conflict);
  value = {};
  value.host = "not an address";
  EXPECT_EQ(server::start(value).error().where, "host");
  value = {};
  value.threads = 0;
  EXPECT_EQ(server::start(value).error().where, "threads");
}

} // namespace assay::mock
