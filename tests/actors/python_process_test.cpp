#include "actors/hosts/python_process.hpp"
#include "actors/hosts/python_wire.hpp"
#include "io/runtime.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <unistd.h>

namespace assay {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr seconds patience{60};

// -- the wire ----------------------------------------------------------------------------------------------

std::string framed(const std::string& body) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(body.size() >> shift & 0xff);
  return out + body;
}

TEST(python_frames, AreFoundWhereverTheBytesAreCut) {
  const auto bytes = framed("first") + framed("") + framed(std::string(300, 'x'));
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    python_frames frames;
    std::vector<std::string> all;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      auto found = frames.feed(std::string_view(bytes).substr(at, piece));
      ASSERT_TRUE(found);
      all.insert(all.end(), found->begin(), found->end());
    }
    EXPECT_EQ(all, (std::vector<std::string>{"first", "", std::string(300, 'x')})) << piece;
  }
}

TEST(python_frames, ALengthThatNobodySendsIsRefused) {
  python_frames frames;
  const auto found = frames.feed("not a frame");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, errc::malformed_answer);
}

TEST(python_replies, HaveAValueOrAnError) {
  auto reply = read_python_reply(R"({"id":5,"value":{"a":[1,"é"]}})");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->id, 5u);
  EXPECT_EQ(json::parse(reply->value.view()), json::parse(R"({"a":[1,"é"]})"));
  reply = read_python_reply(
      R"({"id":6,"error":{"kind":"template_failed","message":"m","traceback":"t","hint":"h"}})");
  ASSERT_TRUE(reply && reply->error);
  EXPECT_EQ(*reply->error, (fault{errc::template_failed, "m\nt", "", "h"}));
}

TEST(python_replies, OtherThingsAreRefused) {
  for (const auto* wrong : {"", "{", "[]", "{}", R"({"id":1})", R"({"value":{}})", R"({"id":-1,"value":1})"})
    EXPECT_FALSE(read_python_reply(wrong)) << wrong;
}

TEST(python_envelopes, CountTheArgumentsToo) {
  const std::string arguments = R"({"a":1})";
  const auto envelope = python_envelope_for(7, "score", arguments.size());
  python_frames frames;
  const auto found = frames.feed(envelope.head + arguments + envelope.tail);
  ASSERT_TRUE(found && found->size() == 1);
  EXPECT_EQ(json::parse(found->front()),
            (json{{"id", 7}, {"operation", "score"}, {"arguments", {{"a", 1}}}}));
}

// -- what may run ------------------------------------------------------------------------------------------

class python_permission : public ::testing::Test {
protected:
  python_process_options options;

  python_permission() { options.roots = {"/srv/tasks"}; }

  std::optional<errc> refused(const python_worker_purpose& purpose,
                              sandbox_knowledge sandbox = sandbox_knowledge::missing) {
    const auto allowed = check_python_allowed(options, sandbox, purpose);
    return allowed ? std::nullopt : std::optional(allowed.error().code);
  }
};

TEST_F(python_permission, InTheSandboxEverythingMayRun) {
  EXPECT_FALSE(refused({"/anywhere", true}, sandbox_knowledge::holds));
  EXPECT_FALSE(refused({"", false}, sandbox_knowledge::holds));
  EXPECT_EQ(refused({"relative", false}, sandbox_knowledge::holds), errc::invalid_argument);
}

TEST_F(python_permission, WithoutASandboxNothingRunsUntilTheOperatorSaysSo) {
  EXPECT_EQ(refused({"/srv/tasks", false}), errc::unsupported);
  EXPECT_EQ(refused({"", false}), errc::unsupported);
  const auto said = check_python_allowed(options, sandbox_knowledge::missing, {"/srv/tasks", false});
  EXPECT_NE(said.error().hint.find("allow_unsandboxed_python"), std::string::npos);
}

TEST_F(python_permission, WithoutASandboxOnlyFoldersInTheRootsMayRunAndUploadsNever) {
  options.allow_unsandboxed = true;
  EXPECT_FALSE(refused({"/srv/tasks", false}));
  EXPECT_FALSE(refused({"/srv/tasks/deep/down", false}));
  EXPECT_FALSE(refused({"", false})) << "templates only";
  EXPECT_EQ(refused({"/srv/tasks-not", false}), errc::unsupported);
  EXPECT_EQ(refused({"/srv/tasks/../other", false}), errc::unsupported);
  EXPECT_EQ(refused({"/srv", false}), errc::unsupported);
  EXPECT_EQ(refused({"/srv/tasks", true}), errc::unsupported);
  EXPECT_EQ(refused({"", true}), errc::unsupported);
}

TEST_F(python_permission, ALinkOutOfTheRootsDoesNotHelp) {
  auto pattern = (fs::temp_directory_path() / "assay-python-XXXXXX").string();
  const fs::path folder = ::mkdtemp(pattern.data());
  fs::create_directories(folder / "inside" / "real");
  fs::create_directories(folder / "outside");
  fs::create_directory_symlink(folder / "outside", folder / "inside" / "link");
  options.allow_unsandboxed = true;
  options.roots = {(folder / "inside").string()};
  EXPECT_FALSE(refused({(folder / "inside" / "real").string(), false}));
  EXPECT_EQ(refused({(folder / "inside" / "link").string(), false}), errc::unsupported);
  fs::remove_all(folder);
}

TEST_F(python_permission, WhileTheSandboxIsBeingTriedJobsWait) {
  EXPECT_EQ(refused({"/srv/tasks", true}, sandbox_knowledge::being_tried), errc::busy);
}

// -- real processes ----------------------------------------------------------------------------------------

constexpr const char* task_code = R"(
import os
import socket
import sys
import time

def fine(row):
    return row["n"] + 1

def wrong(row):
    raise ValueError("this row is odd")

def loud(row):
    print("x" * 100000)
    os.write(1, b"y" * 100000)
    return "quiet"

def vanish(row):
    sys.stderr.write("last words\n")
    sys.stderr.flush()
    os._exit(7)

def forever(row):
    while True:
        pass

def eat(row):
    kept = []
    while True:
        kept.append(bytearray(8 << 20))

def look(row):
    out = {"environment": sorted(os.environ), "uid": os.getuid(), "secret": "hidden", "folder": "read-only",
           "network": "none"}
    try:
        out["secret"] = open("/etc/shadow").read()[:4]
    except OSError:
        pass
    try:
        open(os.path.join(os.path.dirname(__file__), "new"), "w").close()
        out["folder"] = "writable"
    except OSError:
        pass
    try:
        socket.create_connection(("127.0.0.1", row["port"]), 1).close()
        out["network"] = "reached"
    except OSError:
        pass
    return out
)";

/// What a worker has said, for the thread of the test.
struct heard {
  std::mutex mutex;
  std::condition_variable news;
  std::deque<python_reply> replies;
  std::optional<std::string> end;

  python_worker_handlers handlers() {
    python_worker_handlers out;
    out.on_reply = [this](python_reply&& reply) {
      const std::lock_guard guard{mutex};
      replies.push_back(std::move(reply));
      news.notify_all();
    };
    out.on_end = [this](std::string how) {
      const std::lock_guard guard{mutex};
      end = std::move(how);
      news.notify_all();
    };
    return out;
  }

  std::optional<python_reply> reply() {
    std::unique_lock lock{mutex};
    news.wait_for(lock, patience, [this] { return !replies.empty() || end; });
    if (replies.empty())
      return std::nullopt;
    auto out = std::move(replies.front());
    replies.pop_front();
    return out;
  }

  std::string ended() {
    std::unique_lock lock{mutex};
    news.wait_for(lock, patience, [this] { return end.has_value(); });
    return end.value_or("it has not ended");
  }
};

class python_worker : public ::testing::Test {
protected:
  io::io_runtime runtime{"python-test"};
  fs::path folder;
  python_process_options options;
  heard said;
  std::unique_ptr<python_worker_process> worker;

  void SetUp() override {
    options.package_dir = fs::absolute("python").string();
    ASSERT_TRUE(fs::exists(options.package_dir)) << "run from the project's folder";
    if (::access(options.interpreter.c_str(), X_OK) != 0)
      GTEST_SKIP() << "no " << options.interpreter;
    auto pattern = (fs::temp_directory_path() / "assay-python-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    // In the sandbox of root another user reads it.
    fs::permissions(folder, fs::perms{0755});
    std::ofstream(folder / "code.py") << task_code;
    options.allow_unsandboxed = true;
    options.roots = {folder.string()};
    options.memory_bytes = uint64_t{512} << 20;
    runtime.start();
  }

  void TearDown() override {
    worker.reset();
    runtime.stop();
    runtime.join();
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }

  void start() {
    python_processes processes(runtime, options);
    start(processes);
  }

  void start(const python_processes& processes) {
    auto made = processes({folder.string(), false}, said.handlers());
    ASSERT_TRUE(made) << to_string(made.error());
    worker = std::move(*made);
  }

  void send(uint64_t id, const std::string& function, const json& row = json::object()) {
    const json arguments{{"function", {{"!function", "code." + function}}}, {"rows", json::array({row})}};
    worker->send(id, "apply", shared_text(arguments.dump()));
  }

  /// The one row of an answer.
  json row() {
    const auto reply = said.reply();
    if (!reply || reply->error) {
      ADD_FAILURE() << (reply ? to_string(*reply->error) : "no answer");
      return {};
    }
    return json::parse(reply->value.view())["rows"][0];
  }
};

TEST_F(python_worker, DoesJobsOneAfterAnother) {
  start();
  worker->send(0, "hello", shared_text("{}"));
  const auto hello = said.reply();
  ASSERT_TRUE(hello);
  EXPECT_EQ(json::parse(hello->value.view())["protocol"], python_protocol);
  for (int n = 0; n < 3; ++n) {
    send(static_cast<uint64_t>(n), "fine", {{"n", n}});
    EXPECT_EQ(row()["value"], n + 1);
  }
}

TEST_F(python_worker, ErrorsOfTheTasksCodeBringTheirTraceback) {
  start();
  send(1, "wrong");
  const auto error = row()["error"];
  EXPECT_EQ(error["message"], "ValueError: this row is odd");
  EXPECT_NE(error["traceback"].get<std::string>().find("code.py"), std::string::npos);
}

TEST_F(python_worker, WhatIsPrintedDoesNotDisturbAnswers) {
  start();
  send(1, "loud");
  EXPECT_EQ(row()["value"], "quiet");
  send(2, "fine", {{"n", 1}});
  EXPECT_EQ(row()["value"], 2);
}

TEST_F(python_worker, ACrashIsToldWithTheLastWords) {
  start();
  send(1, "vanish");
  EXPECT_FALSE(said.reply());
  EXPECT_EQ(said.ended(), "it exited with code 7; it said: last words");
}

TEST_F(python_worker, AnEndlessLoopIsEndedByAKill) {
  start();
  send(0, "fine", {{"n", 1}});
  EXPECT_EQ(row()["value"], 2) << "it runs";
  send(1, "forever");
  worker->kill();
  EXPECT_NE(said.ended().find("signal"), std::string::npos);
}

TEST_F(python_worker, MemoryIsLimited) {
  start();
  send(1, "eat");
  EXPECT_EQ(row()["error"]["message"], "the worker's memory limit is reached");
}

TEST_F(python_worker, SeesNothingOfTheFarmsEnvironment) {
  ::setenv("ASSAY_TEST_SECRET", "secret", 1);
  start();
  send(1, "look", {{"port", 1}});
  const auto names = row()["value"]["environment"].dump();
  ::unsetenv("ASSAY_TEST_SECRET");
  EXPECT_EQ(names.find("SECRET"), std::string::npos) << names;
}

TEST_F(python_worker, AMissingInterpreterIsNamed) {
  options.interpreter = "/usr/bin/python-that-is-not-there";
  python_processes processes(runtime, options);
  EXPECT_FALSE(processes.machine().available);
  start(processes);
  EXPECT_NE(said.ended().find("python-that-is-not-there"), std::string::npos);
}

TEST_F(python_worker, AMissingPackageIsNamed) {
  options.package_dir = (folder / "nothing").string();
  python_processes processes(runtime, options);
  EXPECT_FALSE(processes.machine().available);
  const auto made = processes({folder.string(), false}, said.handlers());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, errc::unsupported);
}

TEST_F(python_worker, InTheSandboxItReachesNothing) {
  fs::copy_file(ASSAY_LAUNCH, folder / "assay-launch");
  options.sandbox.emplace();
  options.sandbox->launcher = (folder / "assay-launch").string();
  options.allow_unsandboxed = false;
  if (const char* other = std::getenv("ASSAY_TEST_BWRAP"))
    options.sandbox->bwrap = other;
  python_processes processes(runtime, options);
  const auto until = std::chrono::steady_clock::now() + patience;
  while (processes.machine().reason == "the sandbox is being tried"
         && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  if (!processes.machine().available)
    GTEST_SKIP() << processes.machine().reason;
  start(processes);
  send(1, "look", {{"port", 22}});
  const auto seen = row()["value"];
  EXPECT_EQ(seen["secret"], "hidden");
  EXPECT_EQ(seen["folder"], "read-only");
  EXPECT_EQ(seen["network"], "none");
  EXPECT_NE(seen["uid"], 0);
  send(2, "fine", {{"n", 1}});
  EXPECT_EQ(row()["value"], 2);
}

} // namespace
} // namespace assay
