#include "io/http_fetch.hpp"
#include "process.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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

  void start() {
    mock = std::make_unique<process>(std::vector<std::string>{ASSAY_BINARY, "mock-provider", "--port", "0",
                                                              "--port-file", "mock.port", "--tasks-dir",
                                                              "tasks", "--latency", "fixed:20ms"},
                                     folder);
    environment["ASSAY_MOCK_URL"] = "http://127.0.0.1:" + port_in("mock.port", *mock) + "/v1";
    environment["ASSAY_ADMIN_PASSWORD"] = "admin123";
    environment["ASSAY_TASKS_DIRS"] = "[tasks]";
    server = std::make_unique<process>(
        std::vector<std::string>{ASSAY_BINARY, "serve", "--port", "0", "--port-file", "server.port"}, folder,
        environment);
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
    token = post("/auth/login", {{"username", "admin"}, {"password", "admin123"}}).value("access_token", "");
    const auto created =
        post("/evaluations",
             {{"model_id", "mock/sim-p100"}, {"task_ids", {"sums"}}, {"configuration", {{"limit", limit}}}});
    EXPECT_TRUE(created.contains("evaluation_id")) << created.dump();
    return created.value("evaluation_id", "");
  }

  finished assay(const std::vector<std::string>& arguments) const {
    return run_assay(arguments, folder, environment);
  }

  std::string folder;
  std::map<std::string, std::string> environment;
  std::unique_ptr<process> mock;
  std::unique_ptr<process> server;
  io::origin where;
  std::string token;
};

TEST_F(served, RunsCanBeWatchedUntilTheirEnd) {
  start();
  const auto id = submit(40);
  const auto watched = assay({"watch", id, "--json"});
  EXPECT_EQ(watched.code, 0) << watched.err;
  const auto result = json::parse(watched.out, nullptr, false);
  ASSERT_TRUE(result.is_object()) << watched.out;
  EXPECT_EQ(result["evaluation_id"], id);
  EXPECT_EQ(result["state"], "completed");
  EXPECT_EQ(assay({"watch", id}).code, 0) << "a run that has ended";
  EXPECT_EQ(assay({"watch", "eval_1000000000_00000001"}).code, 4);
  EXPECT_EQ(assay({"watch", "nonsense"}).code, 2);
}

TEST_F(served, OtherCommandsReadBesideTheServer) {
  start();
  const auto id = submit(3);
  ASSERT_EQ(assay({"watch", id}).code, 0);
  EXPECT_EQ(assay({"results", id}).code, 0);
  EXPECT_EQ(assay({"show", id, "sums:0:1"}).code, 0);
  EXPECT_EQ(assay({"store"}).code, 0);
  const auto second_farm = assay({"run", "-m", "mock/sim-p100", "-t", "sums"});
  EXPECT_EQ(second_farm.code, 6) << second_farm.err;
  EXPECT_NE(second_farm.err.find("--data-dir"), std::string::npos) << second_farm.err;
}

TEST_F(served, UsersAreManagedThroughTheServer) {
  start();
  environment["ASSAY_NEW_PASSWORD"] = "a-long-password";
  EXPECT_EQ(assay({"users", "add", "alice", "--role", "evaluator"}).code, 0);
  const auto listed = assay({"users", "--json"});
  ASSERT_EQ(listed.code, 0) << listed.err;
  EXPECT_EQ(json::parse(listed.out)["users"].size(), 2U);
  environment["ASSAY_ADMIN_PASSWORD"] = "another one";
  EXPECT_EQ(assay({"users"}).code, 5);
}

TEST_F(served, EndsInOrderOnASignalAndGoesOnAtTheNextStart) {
  start();
  const auto id = submit(40);
  server->signal(SIGTERM);
  const auto ended = server->wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_NE(ended.err.find("/docs"), std::string::npos);
  EXPECT_EQ(ended.err.find("admin123"), std::string::npos);
  fs::remove(folder + "/server.port");
  fs::remove(folder + "/mock.port");
  environment.erase("PORT");
  start();
  EXPECT_EQ(assay({"watch", id}).code, 0);
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
