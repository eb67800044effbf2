#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <thread>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;

/// Clients that others have written.
namespace {

class other_clients_test : public edge_test {
protected:
  /// Runs a shell command. @returns what it printed.
  static std::string run(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::array<char, 4096> chunk{};
    while (const auto count = std::fread(chunk.data(), 1, chunk.size(), pipe))
      out.append(chunk.data(), count);
    ::pclose(pipe);
    return out;
  }

  static bool works(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
  }

  std::string base() const { return "http://localhost:" + std::to_string(port()); }
};

} // namespace

TEST_F(other_clients_test, CurlFollowsTheDocument) {
  if (!works("curl --version"))
    GTEST_SKIP() << "curl is not installed";
  start();
  const auto login = json::parse(run("curl -s -4 -X POST '" + base()
                                     + "/auth/login' -H 'Content-Type: application/json' -d '"
                                       R"({"username": "admin", "password": "admin123"})"
                                       "'"));
  const std::string token = login.at("access_token");
  const auto with_token = " -H 'Authorization: Bearer " + token + "'";
  EXPECT_EQ(json::parse(run("curl -s -4 " + base() + "/health")).at("status"), "healthy");
  const auto tasks = json::parse(
      run("curl -s -4 -X GET " + base() + "/tasks" + with_token + " -G -d limit=10 -d category=single_turn"));
  EXPECT_EQ(tasks.at("page_size"), 10);
  const auto created =
      json::parse(run("curl -s -4 -X POST " + base() + "/evaluations" + with_token
                      + " -H 'Content-Type: application/json' -d '"
                        R"({"model_id":"claude-3-haiku","task_ids":["a"],"configuration":{"limit":5}})"
                        "'"));
  EXPECT_EQ(created.at("status"), "created");
  EXPECT_THAT(run("curl -s -4 -I " + base() + "/health"), HasSubstr("200 OK"));
  const auto large =
      run("head -c 200000 /dev/zero | curl -s -4 -o /dev/null -w '%{http_code}' --data-binary @- " + base()
          + "/auth/login -H 'Content-Type: application/json'");
  EXPECT_EQ(large, "413") << "the answer arrives although the body was never read";
  // Without asking first whether it may: the whole body comes before the client reads.
  const auto unasked = run(
      "head -c 9000000 /dev/zero | curl -s -4 -o /dev/null -w '%{http_code}' -H 'Expect:' --data-binary @- "
      + base() + "/auth/login -H 'Content-Type: application/json'");
  EXPECT_EQ(unasked, "413");
}

TEST_F(other_clients_test, PythonWebsocketsFollowsTheDocument) {
  if (!works("/usr/bin/python3 -c 'import websockets'"))
    GTEST_SKIP() << "python3-websockets is not installed";
  start();
  const auto run_of = farm_.put_run("admin").spec.id;
  farm_.happen(run_of, event_type::evaluation_started);
  const auto script = farm_.folder() + "/client.py";
  std::ofstream{script} << R"py(
import asyncio, json, sys, websockets
async def main(uri, evaluation):
    async with websockets.connect(uri) as websocket:
        await websocket.send(json.dumps({"type": "subscribe_evaluation", "evaluation_id": evaluation}))
        async for message in websocket:
            data = json.loads(message)
            print(data["type"], flush=True)
            if data["type"] == "evaluation_completed":
                print("completed", data["data"]["evaluation_id"])
                break
asyncio.run(main(sys.argv[1], sys.argv[2]))
)py";
  std::string printed;
  std::thread client{[&] {
    printed = run("timeout 60 /usr/bin/python3 " + script + " 'ws://localhost:" + std::to_string(port())
                  + "/ws?token=" + admin() + "' " + to_string(run_of));
  }};
  // Whether this comes before or after the subscription, the client hears of it.
  farm_.happen(run_of, event_type::evaluation_completed);
  client.join();
  EXPECT_THAT(printed, HasSubstr("subscribed"));
  EXPECT_THAT(printed, HasSubstr("evaluation_started"));
  EXPECT_THAT(printed, HasSubstr("completed " + to_string(run_of)));
}

TEST_F(other_clients_test, CurlSpeaksTls) {
  if (!works("curl --version") || !works("openssl version"))
    GTEST_SKIP() << "curl or openssl is not installed";
  const auto folder = farm_.folder();
  ASSERT_TRUE(works(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost "
      "-addext subjectAltName=DNS:localhost -keyout "
      + folder + "/key.pem -out " + folder + "/cert.pem"));
  options.tls = tls_files{folder + "/cert.pem", folder + "/key.pem"};
  start();
  const auto url = "https://localhost:" + std::to_string(port()) + "/health";
  const auto trusted = "curl -s -4 --cacert " + folder + "/cert.pem ";
  EXPECT_EQ(json::parse(run(trusted + url)).at("status"), "healthy");
  EXPECT_THAT(run(trusted + "-I " + url), HasSubstr("Strict-Transport-Security"));
  EXPECT_FALSE(works(trusted + "--tls-max 1.1 " + url));
  EXPECT_FALSE(works("curl -s -4 http://localhost:" + std::to_string(port()) + "/health"))
      << "plain text is not served";
}
