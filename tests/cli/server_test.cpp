#include "io/http_fetch.hpp"
#include "process.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

namespace assay::cli::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class served : public testing::Test {
protected:
  served() {
    std::string name = (fs::temp_directory_path() / "assay-served-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    fs::create_directories(folder + "/tasks/sums");
    std::ofstream(folder + "/tasks/sums/sums.yaml")
        << "id: sums\nname: Sums\ndescription: Small sums.\nlanguages: [en]\ndataset: sums.jsonl\n"
           "prompt: \"What is {a} plus 1? Only the number.\"\ntarget: \"{b}\"\nscorer: {type: numeric}\n"
           "generation: {temperature: 0, max_tokens: 32}\n";
    std::ofstream data(folder + "/tasks/sums/sums.jsonl");
    for (int i = 0; i < 40; ++i)
      data << json{{"a", i}, {"b", i + 1}}.dump() << "\n";
  }
  ~served() override {
    server.reset();
    mock.reset();
    fs::remove_all(folder);
  }

  void start(const std::vector<std::string>& more = {}) {
    std::vector<std::string> simulated{ASSAY_BINARY, "mock-provider", "--port", "0",         "--port-file",
                                       "mock.port",  "--tasks-dir",   "tasks",  "--latency", latency};
    if (!fault.empty())
      simulated.insert(simulated.end(), {"--fault", fault});
    mock = std::make_unique<process>(simulated, folder);
    environment["ASSAY_MOCK_URL"] = "http://127.0.0.1:" + port_in("mock.port", *mock) + "/v1";
    if (!password.empty())
      environment["ASSAY_ADMIN_PASSWORD"] = password;
    environment["ASSAY_TASKS_DIRS"] = "[tasks]";
    environment["PORT"] = "0";
    std::vector<std::string> serving{ASSAY_BINARY, "serve", "--port-file", "server.port"};
    serving.insert(serving.end(), more.begin(), more.end());
    server = std::make_unique<process>(serving, folder, environment);
    environment["PORT"] = port_in("server.port", *server);
    where = io::parse_base_url("http://127.0.0.1:" + environment["PORT"]).value();
  }

  std::string port_in(const std::string& file, process& writer) const {
    auto port = wait_for_file(folder + "/" + file, writer);
    if (port.empty())
      ADD_FAILURE() << writer.wait().err;
    else
      port.pop_back();
    return port;
  }

  void stop() {
    server->signal(SIGTERM);
    last = server->wait();
    EXPECT_EQ(last.code, 0) << last.err;
    mock.reset();
    fs::remove(folder + "/server.port");
    fs::remove(folder + "/mock.port");
  }

  std::string login(const std::string& with) {
    return post("/auth/login", {{"username", "admin"}, {"password", with}}).value("access_token", "");
  }

  void write_config(const std::string& text) const { std::ofstream(folder + "/farm.yaml") << text; }

  json post(const std::string& path, const json& body) {
    io::fetch_request request;
    request.where = where;
    request.method = "POST";
    request.target = path;
    request.body = body.dump();
    request.headers = {{"Content-Type", "application/json"}};
    if (!token.empty())
      request.headers.emplace_back("Authorization", "Bearer " + token);
    const auto answer = io::fetch(request);
    if (!answer) {
      ADD_FAILURE() << to_string(answer.error());
      return {};
    }
    return json::parse(answer->body);
  }

  std::string submit(uint64_t limit) {
    token = login("admin123");
    const auto created =
        post("/evaluations",
             {{"model_id", "sim-p100"}, {"task_ids", {"sums"}}, {"configuration", {{"limit", limit}}}});
    EXPECT_TRUE(created.contains("evaluation_id")) << created.dump();
    return created.value("evaluation_id", "");
  }

  finished assay(const std::vector<std::string>& arguments) const {
    return run_assay(arguments, folder, environment);
  }

  std::string folder;
  std::string latency = "fixed:20ms";
  std::string fault;                 ///< Of the mock provider.
  std::string password = "admin123"; ///< Of the first admin; empty lets the server draw one.
  std::map<std::string, std::string> environment;
  std::unique_ptr<process> mock;
  std::unique_ptr<process> server;
  io::origin where;
  std::string token;
  finished last; ///< What the server printed, after stop().
};

TEST_F(served, RunsCanBeWatchedUntilTheirEnd) {
  start();
  const auto id = submit(40);
  const auto watched = assay({"watch", id, "--json"});
  EXPECT_EQ(watched.code, 0) << watched.err;
  EXPECT_NE(watched.err.find("sim-p100 (simulated)"), std::string::npos) << watched.err;
  const auto result = json::parse(watched.out, nullptr, false);
  ASSERT_TRUE(result.is_object()) << watched.out;
  EXPECT_EQ(result["evaluation_id"], id);
  EXPECT_EQ(result["state"], "completed");
  EXPECT_EQ(assay({"watch", id}).code, 0) << "a run that has ended";
  EXPECT_EQ(assay({"watch", "eval_1000000000_00000001"}).code, 4);
  EXPECT_EQ(assay({"watch", "nonsense"}).code, 4) << "as `assay results nonsense`";
}

TEST_F(served, TheMonitorShowsCallsTimesAndQuality) {
  start();
  ASSERT_EQ(assay({"watch", submit(20)}).code, 0);
  const auto looked = assay({"monitor", "--once", "--json"});
  EXPECT_EQ(looked.code, 0) << looked.err;
  const auto seen = json::parse(looked.out, nullptr, false);
  ASSERT_TRUE(seen.is_object()) << looked.out;
  const auto& window = seen["overview"]["windows"]["5m"];
  EXPECT_EQ(window["samples"], 20);
  EXPECT_EQ(window["success_rate"], 1.0);
  EXPECT_EQ(window["quality_score"], 1.0);
  EXPECT_EQ(window["quality_samples"], 20);
  EXPECT_GE(window["response_time_p50"].get<double>(), 0.02);
  EXPECT_EQ(window["breakdown"]["samples"], 20);
  EXPECT_EQ(seen["models"]["items"][0]["model_id"], "sim-p100");
  const auto text = assay({"monitor", "--once"});
  EXPECT_NE(text.out.find("sim-p100"), std::string::npos) << text.out;
  EXPECT_EQ(assay({"monitor", "--once", "--range", "2h"}).code, 2);
  const auto chosen = assay({"models", "select", "--priority", "quality", "--content-size", "10", "--json"});
  EXPECT_EQ(chosen.code, 0) << chosen.err;
  const auto choice = json::parse(chosen.out, nullptr, false);
  ASSERT_TRUE(choice.is_object()) << chosen.out;
  EXPECT_FALSE(choice["model"].get<std::string>().empty());
  EXPECT_FALSE(choice["alternatives"].empty());
  EXPECT_EQ(assay({"models", "select", "--priority", "beauty"}).code, 2);
}

TEST_F(served, RunsAreListedPausedResumedAndCancelledThroughTheServer) {
  latency = "fixed:300ms";
  start({"--set", "farm.in_flight_cap=1"});
  const auto id = submit(40);
  const auto state_of = [&] {
    const auto listed = assay({"runs", "--json"});
    EXPECT_EQ(listed.code, 0) << listed.err;
    return json::parse(listed.out)["evaluations"][0].value("state", "");
  };
  const auto paused = assay({"pause", id, "--json"});
  ASSERT_EQ(paused.code, 0) << paused.err;
  EXPECT_EQ(json::parse(paused.out)["state"], "paused");
  EXPECT_EQ(state_of(), "paused");
  EXPECT_EQ(json::parse(assay({"runs", "--state", "paused", "--json"}).out)["evaluations"].size(), 1U);
  EXPECT_EQ(json::parse(assay({"runs", "--state", "failed", "--json"}).out)["evaluations"].size(), 0U);
  EXPECT_EQ(json::parse(assay({"runs", "--model", "gpt-4o", "--json"}).out)["evaluations"].size(), 0U);
  EXPECT_NE(assay({"runs"}).out.find(id), std::string::npos);
  EXPECT_EQ(assay({"resume", "last"}).code, 0);
  EXPECT_NE(state_of(), "paused");
  const auto cancelled = assay({"cancel", id});
  ASSERT_EQ(cancelled.code, 0) << cancelled.err;
  EXPECT_NE(cancelled.out.find(id + " is "), std::string::npos);
  EXPECT_EQ(assay({"watch", id}).code, 7) << "a cancelled run has ended early";
  EXPECT_EQ(assay({"cancel", id}).code, 0) << "it is cancelled already";
  EXPECT_EQ(assay({"resume", id}).code, 2) << "cancelled is final";
  EXPECT_EQ(assay({"pause", "eval_1000000000_00000001"}).code, 4);
  EXPECT_EQ(assay({"pause", "nonsense"}).code, 4);
}

TEST_F(served, FailedSamplesAreAskedAgainThroughTheServer) {
  fault = "status:status=400,times=1";
  start();
  const auto id = submit(5);
  ASSERT_EQ(assay({"watch", id}).code, 0);
  EXPECT_EQ(json::parse(assay({"runs", "--json"}).out)["evaluations"][0]["samples"]["failed"], 1);
  const auto again = assay({"retry", "last"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("assay watch " + id), std::string::npos) << again.err;
  ASSERT_EQ(assay({"watch", "last"}).code, 0);
  EXPECT_EQ(json::parse(assay({"runs", "--json"}).out)["evaluations"][0]["samples"]["failed"], 0);
}

TEST_F(served, NoProxyStandsBeforeAServerOnThisMachine) {
  start();
  const auto id = submit(3);
  // Whoever used it would get no connection.
  environment["http_proxy"] = "http://127.0.0.1:1";
  environment["HTTPS_PROXY"] = "http://127.0.0.1:1";
  EXPECT_EQ(assay({"watch", id}).code, 0);
  EXPECT_EQ(assay({"users"}).code, 0);
  const auto remote = assay({"users", "--url", "http://farm.example.org:8000"});
  EXPECT_EQ(remote.code, 5);
  EXPECT_NE(remote.err.find("the proxy 127.0.0.1:1"), std::string::npos) << remote.err;
}

TEST_F(served, OtherCommandsReadBesideTheServer) {
  start();
  const auto id = submit(3);
  ASSERT_EQ(assay({"watch", id}).code, 0);
  EXPECT_EQ(assay({"results", id}).code, 0);
  EXPECT_EQ(assay({"show", id, "sums:0:1"}).code, 0);
  EXPECT_EQ(assay({"store"}).code, 0);
  const auto second_farm = assay({"run", "-m", "sim-p100", "-t", "sums"});
  EXPECT_EQ(second_farm.code, 6) << second_farm.err;
  EXPECT_NE(second_farm.err.find("--data-dir"), std::string::npos) << second_farm.err;
}

TEST_F(served, CommandsFindTheServerOfTheirDataFolderWhateverItsPort) {
  start();
  const auto id = submit(3);
  environment.erase("PORT"); // Where nobody listens as far as the configuration says.
  EXPECT_EQ(assay({"watch", id}).code, 0);
  EXPECT_EQ(assay({"users"}).code, 0);
  EXPECT_EQ(assay({"runs"}).code, 0);
  // Killed, it leaves its address behind; that of another server counts then, or the folder itself.
  server->signal(SIGKILL);
  server->wait();
  mock.reset();
  fs::remove(folder + "/server.port");
  fs::remove(folder + "/mock.port");
  const auto alone = assay({"runs", "--json"});
  EXPECT_EQ(alone.code, 0) << alone.err;
  EXPECT_EQ(json::parse(alone.out)["evaluations"].size(), 1U);
  start();
  environment.erase("PORT");
  EXPECT_EQ(assay({"users"}).code, 0);
  ASSERT_TRUE(fs::exists(folder + "/data/SERVER"));
  stop();
  EXPECT_FALSE(fs::exists(folder + "/data/SERVER"));
}

TEST_F(served, UsersAreManagedThroughTheServer) {
  start();
  environment["ASSAY_NEW_PASSWORD"] = "a-long-password";
  EXPECT_EQ(assay({"users", "add", "alice", "--role", "evaluator"}).code, 0);
  const auto listed = assay({"users", "--json"});
  ASSERT_EQ(listed.code, 0) << listed.err;
  EXPECT_EQ(json::parse(listed.out)["users"].size(), 2U);
  EXPECT_EQ(assay({"users", "role", "alice", "--role", "viewer,evaluator"}).code, 0);
  EXPECT_EQ(json::parse(assay({"users", "--json"}).out)["users"][1]["roles"], json({"viewer", "evaluator"}));
  environment["ASSAY_ADMIN_PASSWORD"] = "another one";
  EXPECT_EQ(assay({"users"}).code, 5);
}

TEST_F(served, ApiKeysAreMadeThroughTheServerAndSignIn) {
  // Made in the folder before any server has run.
  environment["ASSAY_NEW_PASSWORD"] = "a-long-password";
  ASSERT_EQ(assay({"users", "add", "admin", "--role", "admin"}).code, 0);
  const auto first = assay({"users", "keys", "add", "admin", "--name", "folder"});
  ASSERT_EQ(first.code, 0) << first.err;
  environment["ASSAY_PASSWORD"] = "a-long-password";
  password = "a-long-password";
  start();
  EXPECT_EQ(assay({"users", "add", "alice", "--role", "evaluator"}).code, 0);
  const auto made = assay({"users", "keys", "add", "alice", "--name", "laptop"});
  ASSERT_EQ(made.code, 0) << made.err;
  const auto key = made.out.substr(0, made.out.size() - 1);
  EXPECT_EQ(json::parse(assay({"users", "keys", "--json"}).out)["keys"].size(), 2U);
  EXPECT_EQ(json::parse(assay({"users", "keys", "list", "alice", "--json"}).out)["keys"].size(), 1U);

  environment["ASSAY_TOKEN"] = first.out.substr(0, first.out.size() - 1);
  EXPECT_EQ(assay({"users"}).code, 0) << "the key of an administrator is a token";
  environment["ASSAY_TOKEN"] = key;
  EXPECT_EQ(assay({"runs"}).code, 0);
  EXPECT_NE(assay({"users"}).code, 0) << "an evaluator's key manages no users";
  EXPECT_NE(assay({"users", "keys", "add", "alice", "--name", "more"}).code, 0);
  environment.erase("ASSAY_TOKEN");
  EXPECT_EQ(assay({"users", "keys", "remove", key.substr(9, 12)}).code, 0);
  environment["ASSAY_TOKEN"] = key;
  const auto refused = assay({"runs"});
  EXPECT_EQ(refused.code, 5) << refused.err;
  EXPECT_EQ(refused.err.find(key.substr(22)), std::string::npos) << refused.err;
  stop();
  EXPECT_EQ(last.err.find(key.substr(22)), std::string::npos) << "the log does not have it";
}

TEST_F(served, ModelConfigurationsHoldAtOnce) {
  start();
  ASSERT_EQ(assay({"configs", "set", "cold", "model_type=mock", "model=sim-p100", "temperature=0.1"}).code,
            0);
  token = login("admin123");
  const json wanted{{"model_id", "cold"}, {"task_ids", {"sums"}}, {"configuration", {{"limit", 2}}}};
  const auto first = post("/evaluations", wanted);
  ASSERT_TRUE(first.contains("evaluation_id")) << first.dump();
  EXPECT_EQ(assay({"watch", first.value("evaluation_id", "")}).code, 0);
  ASSERT_EQ(assay({"configs", "set", "cold", "temperature=0.4"}).code, 0);
  const auto stale = assay({"configs", "set", "cold", "temperature=0.5", "--if-version", "1"});
  EXPECT_NE(stale.code, 0);
  EXPECT_NE(stale.err.find("version 2"), std::string::npos) << stale.err;
  const auto second = post("/evaluations", wanted);
  EXPECT_NE(second.dump().find("version 2 of its stored configuration"), std::string::npos) << second.dump();
  EXPECT_EQ(assay({"watch", second.value("evaluation_id", "")}).code, 0);
  EXPECT_EQ(assay({"configs", "delete", "cold"}).code, 0);
  EXPECT_EQ(post("/evaluations", wanted)["error"].value("field", ""), "model_id") << "it is there no more";
}

TEST_F(served, EndsInOrderOnASignalAndGoesOnAtTheNextStart) {
  start();
  const auto id = submit(40);
  stop();
  EXPECT_NE(last.err.find("/docs"), std::string::npos);
  EXPECT_EQ(last.err.find("admin123"), std::string::npos);
  start();
  EXPECT_EQ(assay({"watch", id}).code, 0);
}

TEST_F(served, SaysAtTheStartWhatItLoadedAndWhichKeysAreMissing) {
  write_config("models:\n  mine:\n    model_type: openai_gpt\n    model: gpt-4o-mini\n");
  start({"--config", "farm.yaml"});
  stop();
  EXPECT_NE(last.err.find("Loaded 5 model configurations"), std::string::npos)
      << "four of them are simulated\n"
      << last.err;
  EXPECT_NE(last.err.find("Starting API server on http://127.0.0.1:" + environment["PORT"]),
            std::string::npos);
  EXPECT_NE(last.err.find("API documentation available at http://127.0.0.1:" + environment["PORT"] + "/docs"),
            std::string::npos);
  for (const std::string key :
       {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY", "DASHSCOPE_API_KEY"}) {
    const auto first = last.err.find(key);
    ASSERT_NE(first, std::string::npos) << key << "\n" << last.err;
    EXPECT_EQ(last.err.find(key, first + 1), std::string::npos) << key << " is named once";
  }
}

TEST_F(served, SaysItsAddressOnTheTerminalWhereverTheLogGoes) {
  write_config("logging: {file: farm.log, json: true}\n");
  start({"--config", "farm.yaml"});
  token = login("admin123");
  stop();
  const auto url = "http://127.0.0.1:" + environment["PORT"];
  for (const std::string& part : {"Starting API server on " + url, url + "/docs",
                                  std::string("OPENAI_API_KEY"), std::string("farm.log")})
    EXPECT_NE(last.err.find(part), std::string::npos) << part << "\n" << last.err;
  EXPECT_EQ(last.err.find("method="), std::string::npos) << "requests are in the log only";

  EXPECT_EQ(fs::status(folder + "/farm.log").permissions(), fs::perms::owner_read | fs::perms::owner_write);
  std::ifstream log(folder + "/farm.log");
  bool seen = false;
  for (std::string line; std::getline(log, line);)
    if (const auto entry = json::parse(line); entry.value("path", "") == "/auth/login") {
      seen = true;
      EXPECT_EQ(entry["message"], "request");
      EXPECT_EQ(entry["method"], "POST");
      EXPECT_EQ(entry["status"], 200);
      EXPECT_TRUE(entry.contains("duration")) << line;
    }
  EXPECT_TRUE(seen);
}

TEST_F(served, ALogFileRollsOverAndKeepsSoManyOldOnes) {
  write_config("logging: {file: logs/farm.log, json: true, rotate_size: 2KiB, rotate_count: 3}\n");
  start({"--config", "farm.yaml"});
  for (int i = 0; i < 80; ++i)
    post("/nowhere/" + std::to_string(i), json::object());
  stop();
  std::vector<std::string> files;
  for (const auto& file : fs::directory_iterator(folder + "/logs"))
    files.push_back(file.path().filename().string());
  std::sort(files.begin(), files.end());
  EXPECT_EQ(files, (std::vector<std::string>{"farm.1.log", "farm.2.log", "farm.3.log", "farm.log"}));
  bool newest_is_in_the_last = false;
  for (const auto& file : files) {
    const auto path = folder + "/logs/" + file;
    EXPECT_LE(fs::file_size(path), 2048U) << file;
    EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write) << file;
    std::ifstream log(path);
    for (std::string line; std::getline(log, line);) {
      const auto entry = json::parse(line, nullptr, false);
      ASSERT_TRUE(entry.is_object()) << "one object a line: " << line;
      for (const auto* key : {"time", "level", "message"})
        EXPECT_TRUE(entry.contains(key)) << line;
      newest_is_in_the_last |= file == "farm.log" && entry["message"] == "server has stopped";
    }
  }
  EXPECT_TRUE(newest_is_in_the_last);
}

TEST_F(served, AFolderThatIsNamedGoesBeforeTheServer) {
  start();
  submit(4);
  environment["ASSAY_TOKEN"] = "of another server";
  const auto there = assay({"runs", "--data-dir", "data", "--json"});
  EXPECT_EQ(there.code, 0) << there.err;
  EXPECT_EQ(json::parse(there.out)["evaluations"].size(), 1U);
  EXPECT_NE(assay({"runs"}).code, 0) << "this one asks the server";
  stop();
}

TEST_F(served, DrawsThePasswordOfTheFirstAdminAndPrintsItOnce) {
  password.clear();
  start();
  const auto printed = wait_for_file(server->out_file(), *server);
  const auto at = printed.find("password ");
  ASSERT_NE(at, std::string::npos) << printed;
  const auto drawn = printed.substr(at + 9, printed.find(' ', at + 9) - at - 9);
  EXPECT_GE(drawn.size(), 20U);
  EXPECT_NE(login(drawn), "");
  stop();
  EXPECT_EQ(last.err.find(drawn), std::string::npos) << "the log does not have it";
  start();
  EXPECT_NE(login(drawn), "");
  stop();
  EXPECT_EQ(last.out, "") << "it is shown only once";
}

TEST_F(served, SaysWhatIsWrongWithTheFirstPasswordAndWhenAnotherComesTooLate) {
  environment["ASSAY_ADMIN_PASSWORD"] = "short";
  const auto refused = assay({"serve", "--port", "0"});
  EXPECT_EQ(refused.code, 3) << refused.err;
  EXPECT_NE(refused.err.find("auth.admin_password"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("ASSAY_ADMIN_PASSWORD"), std::string::npos) << refused.err;
  start();
  stop();
  EXPECT_EQ(last.err.find("auth.admin_password"), std::string::npos) << "it is the first one\n" << last.err;
  password = "quite another one";
  start();
  EXPECT_NE(login("admin123"), "");
  stop();
  EXPECT_NE(last.err.find("auth.admin_password is ignored"), std::string::npos) << last.err;
  EXPECT_EQ(last.err.find(password), std::string::npos);
}

TEST_F(served, AStartThatFailsLeavesNothingBehind) {
  start();
  const auto taken = environment["PORT"];
  const auto other = folder + "/elsewhere";
  environment["DATA_DIR"] = other;
  const auto port_in_use = assay({"serve", "--port", taken});
  EXPECT_EQ(port_in_use.code, 2) << port_in_use.err;
  EXPECT_NE(port_in_use.err.find(taken), std::string::npos) << port_in_use.err;
  EXPECT_FALSE(fs::exists(other));
  environment["ASSAY_ADMIN_PASSWORD"] = "not the one of the documents";
  EXPECT_EQ(assay({"serve", "--host", "nowhere", "--port", "0"}).code, 2);
  EXPECT_FALSE(fs::exists(other));
  environment["ASSAY_ADMIN_PASSWORD"] = "short";
  EXPECT_EQ(assay({"serve", "--port", "0"}).code, 3);
  EXPECT_FALSE(fs::exists(other));
  environment.erase("DATA_DIR");
  stop();
}

TEST_F(served, RefusesTheDocumentedPasswordBeyondLoopback) {
  environment["ASSAY_ADMIN_PASSWORD"] = "admin123";
  const auto configured = assay({"serve", "--host", "0.0.0.0", "--port", "0"});
  EXPECT_EQ(configured.code, 3);
  EXPECT_NE(configured.err.find("loopback"), std::string::npos) << configured.err;
  start();
  stop();
  // Nobody says the password now, but the stored administrator still has it.
  environment.erase("ASSAY_ADMIN_PASSWORD");
  environment["PORT"] = "0";
  const auto stored = assay({"serve", "--host", "0.0.0.0"});
  EXPECT_NE(stored.code, 0);
  EXPECT_NE(stored.err.find("admin123"), std::string::npos) << stored.err;
}

TEST_F(served, ReadsItsConfigurationAgainWhenTold) {
  write_config("logging: {level: info}\n");
  start({"--config", "farm.yaml"});
  token = login("admin123");
  auto done = post("/api/v1/config", json::object());
  EXPECT_EQ(done["data"]["applied"], json::array()) << done.dump();
  EXPECT_EQ(done["data"]["needs_restart"], json::array()) << done.dump();

  write_config("logging: {level: warn}\nserver: {keep_alive: 11s}\nproviders: {openai: {api_key: new}}\n");
  done = post("/api/v1/config", json::object());
  EXPECT_EQ(done["data"]["applied"], json({"logging.level"})) << done.dump();
  EXPECT_EQ(done["data"]["needs_restart"], json({"providers.openai.api_key", "server.keep_alive"}));
  done = post("/api/v1/config", json::object());
  EXPECT_EQ(done["data"]["applied"], json::array()) << "that holds already";
  EXPECT_EQ(done["data"]["needs_restart"].size(), 2U) << "these still wait: " << done.dump();

  write_config("logging: {level: loud}\n");
  done = post("/api/v1/config", json::object());
  EXPECT_EQ(done["success"], false);
  EXPECT_NE(done["errors"][0]["field"].get<std::string>().find("farm.yaml:1"), std::string::npos)
      << done.dump();

  write_config("logging: {level: warn}\nfarm: {in_flight_cap: 77}\n");
  server->signal(SIGHUP); // Handled before the signal that ends it: a lower number.
  stop();
  EXPECT_NE(last.err.find("key=farm.in_flight_cap"), std::string::npos) << last.err;
  size_t requests = 0;
  for (auto at = last.err.find("path=/api/v1/config"); at != std::string::npos;
       at = last.err.find("path=/api/v1/config", at + 1))
    ++requests;
  EXPECT_EQ(requests, 1U) << "at level warn the edge logs no requests any more\n" << last.err;
}

TEST(fetch, SaysThatNobodyIsThere) {
  io::fetch_request request;
  request.where = io::parse_base_url("http://127.0.0.1:1").value();
  const auto answer = io::fetch(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, errc::connect_failed);
}

} // namespace
} // namespace assay::cli::test
