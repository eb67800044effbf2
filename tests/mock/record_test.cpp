#include "client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <unistd.h>

namespace assay::mock {

namespace {

class mock_record : public ::testing::Test {
protected:
  void SetUp() override {
    auto pattern = (std::filesystem::temp_directory_path() / "mock_record_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  options recording(options value = {}) const {
    value.record = folder_ / "record.jsonl";
    return value;
  }

  std::vector<nlohmann::json> lines() const {
    std::ifstream file(folder_ / "record.jsonl");
    std::vector<nlohmann::json> out;
    for (std::string line; std::getline(file, line);)
      out.push_back(nlohmann::json::parse(line));
    return out;
  }

  std::filesystem::path folder_;
};

} // namespace

TEST_F(mock_record, SaysWhatWasAskedAndAnswered) {
  auto server = started(recording());
  ask(*server, chat("sim-strong", "hello"));
  ask(*server, chat("no \"such\" model", "hello", {}, "sk-other"));
  ask(*server, get("/v1/models"));
  server.reset();
  const auto all = lines();
  ASSERT_EQ(all.size(), 4);
  EXPECT_EQ(all[0]["n"], 1);
  EXPECT_EQ(all[0]["event"], "received");
  EXPECT_EQ(all[0]["status"], 0);
  EXPECT_EQ(all[1]["event"], "answered");
  EXPECT_EQ(all[1]["status"], 200);
  EXPECT_EQ(all[1]["model"], "sim-strong");
  EXPECT_EQ(all[1]["key_hash"], "f3abf2a6"); // printf sk-test | sha256sum
  EXPECT_EQ(all[1]["prompt_hash"].get<std::string>().size(), 16);
  EXPECT_TRUE(all[1]["request_id"].get<std::string>().starts_with("req_"));
  EXPECT_GT(all[1]["tokens"], all[0]["tokens"]);
  EXPECT_GE(all[1]["t_ms"], all[0]["t_ms"]);
  EXPECT_EQ(all[3]["status"], 404);
  EXPECT_EQ(all[3]["model"], "no \"such\" model");
  EXPECT_EQ(all[3]["prompt_hash"], all[0]["prompt_hash"]);
  EXPECT_NE(all[3]["key_hash"], all[0]["key_hash"]);
}

TEST_F(mock_record, IsCompleteUnderManyClients) {
  options value;
  value.threads = 2;
  auto server = started(recording(std::move(value)));
  constexpr int clients = 8;
  constexpr int calls = 50;
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int c = 0; c < clients; ++c)
    threads.emplace_back([&, c] {
      raw_client client(server->port());
      for (int i = 0; i < calls; ++i) {
        client.send(
            chat("sim-strong", "prompt " + std::to_string(i) + " of " + std::to_string(i % 2 == 0 ? c : -1)));
        good += client.receive().status == 200 ? 1 : 0;
      }
    });
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(good, clients * calls);
  // The last "answered" is written after the client has its answer.
  nlohmann::json summary;
  do
    summary = ask(*server, get("/mock/calls")).json();
  while (summary["in_flight"] != 0);
  EXPECT_EQ(summary["received"], clients * calls);
  EXPECT_EQ(summary["answered"], clients * calls);
  EXPECT_EQ(summary["statuses"]["200"], clients * calls);
  EXPECT_EQ(summary["prompts"]["distinct"], clients * calls / 2 + calls / 2);
  EXPECT_EQ(summary["prompts"]["max_received"], clients);
  EXPECT_EQ(summary["prompts"]["max_answered"], clients);
  EXPECT_EQ(summary["prompts"]["answered_more_than_once"], calls / 2);
  server.reset();
  std::map<uint64_t, std::multiset<std::string>> events;
  for (const auto& line : lines())
    events[line["n"]].insert(line["event"]);
  EXPECT_EQ(events.size(), clients * calls);
  for (const auto& [n, seen] : events)
    EXPECT_EQ(seen, (std::multiset<std::string>{"answered", "received"})) << n;
}

TEST_F(mock_record, CallsNobodyWaitedForAreDropped) {
  auto value = with_faults(R"([{"kind":"hang_mid_body"}])");
  auto server = started(recording(std::move(value)));
  {
    raw_client client(server->port());
    client.send(chat("sim-strong", "hello"));
    client.peek(100);
  }
  while (ask(*server, get("/mock/calls")).json()["dropped"] != 1) {
  }
  raw_client still_waiting(server->port());
  still_waiting.send(chat("sim-strong", "hello"));
  still_waiting.peek(100);
  server.reset();
  const auto all = lines();
  ASSERT_EQ(all.size(), 4);
  EXPECT_EQ(all[1]["event"], "dropped");
  EXPECT_EQ(all[1]["fault"], "hang_mid_body");
  EXPECT_EQ(all[3]["event"], "dropped");
}

TEST_F(mock_record, AClientThatLeavesDuringTheLatencyIsDropped) {
  options value;
  value.latency = parse_latency("30").value();
  auto server = started(recording(std::move(value)));
  {
    raw_client client(server->port());
    client.send(chat("sim-strong", "hello"));
    while (ask(*server, get("/mock/calls")).json()["received"] != 1) {
    }
  }
  nlohmann::json summary;
  do
    summary = ask(*server, get("/mock/calls")).json();
  while (summary["in_flight"] != 0);
  // The client usually leaves within the latency; on a very slow machine the answer may have gone out before.
  EXPECT_EQ(summary["dropped"].get<int>() + summary["answered"].get<int>(), 1);
}

TEST_F(mock_record, CanBeReadOverHttpFromAnyOffset) {
  const auto server = started(recording());
  ask(*server, chat("sim-strong", "hello"));
  while (ask(*server, get("/mock/calls")).json()["in_flight"] != 0) {
  }
  const auto first = ask(*server, get("/mock/record"));
  EXPECT_EQ(first.header("content-type"), "application/x-ndjson");
  EXPECT_EQ(std::count(first.body.begin(), first.body.end(), '\n'), 2);
  const auto next = first.header("x-assay-next-offset");
  EXPECT_EQ(next, std::to_string(first.body.size()));
  const auto rest = ask(*server, get("/mock/record?offset=" + next));
  EXPECT_EQ(rest.body, "");
  EXPECT_EQ(rest.header("x-assay-next-offset"), next);
  EXPECT_EQ(ask(*server, get("/mock/record?offset=minus")).status, 400);
  EXPECT_EQ(ask(*started(), get("/mock/record")).status, 404);
}

TEST_F(mock_record, FailuresCountAsAnsweredButNotAsAnAnswerToThePrompt) {
  const auto server = started(recording(with_faults(R"([{"kind":"status","status":500,"times":1}])")));
  ask(*server, chat("sim-strong", "hello"));
  ask(*server, chat("sim-strong", "hello"));
  nlohmann::json summary;
  do
    summary = ask(*server, get("/mock/calls")).json();
  while (summary["in_flight"] != 0);
  EXPECT_EQ(summary["answered"], 2);
  EXPECT_EQ(summary["faults"]["status"], 1);
  EXPECT_EQ(summary["prompts"]["max_received"], 2);
  EXPECT_EQ(summary["prompts"]["max_answered"], 1);
}

} // namespace assay::mock
