#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::Contains;

using edge_auth_test = edge_test;

TEST_F(edge_auth_test, LogsInAsDocumented) {
  start();
  const auto reply = post("/auth/login", R"({"username":"admin","password":"admin123"})");
  ASSERT_EQ(reply.status, 200);
  const auto body = reply.json();
  EXPECT_EQ(body["token_type"], "bearer");
  EXPECT_EQ(body["expires_in"], 3600);
  EXPECT_TRUE(body["refresh_token"].is_string());
  const auto& info = body["user_info"];
  EXPECT_EQ(info["user_id"], "admin");
  EXPECT_EQ(info["username"], "admin");
  EXPECT_EQ(info["roles"], json::array({"admin"}));
  EXPECT_THAT(info["permissions"].get<std::vector<std::string>>(), Contains("evaluation:create"));
  EXPECT_THAT(info["permissions"].get<std::vector<std::string>>(), Contains("users:manage"));
  EXPECT_EQ(get("/auth/me", body["access_token"].get<std::string>()).json()["user_id"], "admin");
}

TEST_F(edge_auth_test, RefusesWrongPasswordsAndThenTheHaste) {
  start();
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(post("/auth/login", R"({"username":"admin","password":"wrong"})").status, 401);
  const auto refused = post("/auth/login", R"({"username":"admin","password":"admin123"})");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.header("retry-after"), "30");
  EXPECT_EQ(refused.json()["error"]["code"], "RATE_LIMITED");
}

TEST_F(edge_auth_test, NeedsATokenAlmostEverywhere) {
  start();
  for (const auto* path :
       {"/tasks", "/models", "/evaluations", "/users", "/auth/me", "/results/eval_1234567890_abcd1234"}) {
    const auto reply = get(path);
    EXPECT_EQ(reply.status, 401) << path;
    EXPECT_EQ(reply.header("www-authenticate"), "Bearer");
    EXPECT_EQ(reply.json()["error"]["code"], "UNAUTHORIZED");
  }
  EXPECT_EQ(get("/tasks", "nonsense").status, 401);
  EXPECT_EQ(get("/tasks", {}, "Authorization: Basic YWRtaW46YWRtaW4xMjM=\r\n").status, 401);
  EXPECT_EQ(get("/health", "nonsense").status, 200) << "public stays public";
}

TEST_F(edge_auth_test, RefreshesAndLogsOut) {
  start();
  const auto first = post("/auth/login", R"({"username":"admin","password":"admin123"})").json();
  const auto refresh = json{{"refresh_token", first["refresh_token"]}}.dump();
  const auto second = post("/auth/refresh", refresh);
  ASSERT_EQ(second.status, 200);
  const std::string token = second.json()["access_token"];
  EXPECT_EQ(get("/tasks", token).status, 200);
  EXPECT_EQ(post("/auth/refresh", refresh).status, 401) << "used before";
  EXPECT_EQ(get("/tasks", token).status, 401) << "so the whole session is over";
  const auto again = login("admin", "admin123");
  EXPECT_EQ(http(port(), "POST", "/auth/logout", {}, again).status, 200);
  EXPECT_EQ(get("/tasks", again).status, 401);
}

TEST_F(edge_auth_test, KeepsPermissionsApart) {
  start();
  const auto viewer = user("vera", "viewer");
  EXPECT_EQ(get("/tasks", viewer).status, 200);
  const auto refused = post("/evaluations", R"({"model_id":"m","task_ids":["t"]})", viewer);
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.json()["message"].get<std::string>(), testing::HasSubstr("evaluation:create"));
  EXPECT_EQ(get("/users", viewer).status, 403);
  EXPECT_EQ(post("/users", R"({"username":"x","password":"long enough","roles":["admin"]})",
                 user("eva", "evaluator"))
                .status,
            403);
}

TEST_F(edge_auth_test, ManagesUsers) {
  start();
  const auto made =
      post("/users", R"({"username":"ada","password":"long enough","roles":["evaluator"]})", admin());
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.header("location"), "/users/ada");
  EXPECT_FALSE(made.json().contains("password_hash"));
  EXPECT_EQ(made.body.find("argon2"), std::string::npos);
  EXPECT_EQ(post("/users", R"({"username":"ada","password":"long enough"})", admin()).status, 409);
  EXPECT_EQ(post("/users", R"({"username":"bob","password":"long enough","roles":["king"]})", admin())
                .json()["error"]["field"],
            "roles[0]");
  EXPECT_EQ(get("/users", admin()).json()["total"], 2);
  EXPECT_EQ(get("/users/ada", admin()).json()["roles"], json::array({"evaluator"}));
  EXPECT_EQ(get("/users/nobody", admin()).status, 404);
  EXPECT_EQ(get("/users/..%2Ftokens", admin()).status, 404);

  const auto ada = login("ada", "long enough");
  EXPECT_EQ(http(port(), "PATCH", "/users/ada", R"({"disabled":true})", admin()).status, 200);
  EXPECT_EQ(get("/tasks", ada).status, 401);
  EXPECT_EQ(post("/auth/login", R"({"username":"ada","password":"long enough"})").status, 401);
  EXPECT_EQ(http(port(), "PATCH", "/users/ada", "{}", admin()).status, 422);
  EXPECT_EQ(http(port(), "DELETE", "/users/ada", {}, admin()).status, 200);
  EXPECT_EQ(http(port(), "DELETE", "/users/ada", {}, admin()).status, 404);
  EXPECT_EQ(http(port(), "DELETE", "/users/admin", {}, admin()).status, 409);
}

TEST_F(edge_auth_test, ChangesPasswords) {
  start();
  auto ada = user("ada", "viewer");
  EXPECT_EQ(post("/users/ada/password", R"({"new_password":"another one"})", ada).json()["error"]["field"],
            "current_password");
  EXPECT_EQ(
      post("/users/ada/password", R"({"current_password":"no","new_password":"another one"})", ada).status,
      403);
  EXPECT_EQ(post("/users/admin/password", R"({"new_password":"another one"})", ada).status, 403);
  EXPECT_EQ(
      post("/users/ada/password", R"({"current_password":"long enough","new_password":"another one"})", ada)
          .status,
      200);
  EXPECT_EQ(get("/tasks", ada).status, 401);
  ada = login("ada", "another one");
  EXPECT_EQ(post("/users/ada/password", R"({"new_password":"by the admin"})", admin()).status, 200);
  EXPECT_EQ(get("/tasks", ada).status, 401);
  login("ada", "by the admin");
}

TEST_F(edge_auth_test, DrawsAnAdminPasswordAndShowsItOnce) {
  options.admin_password = {};
  start();
  ASSERT_GE(drawn_password_.size(), 20u);
  login("admin", drawn_password_);
  const auto first = drawn_password_;
  stop();
  EXPECT_EQ(logged().find(first), std::string::npos);
  drawn_password_.clear();
  start();
  EXPECT_EQ(drawn_password_, "");
  login("admin", first);
}

TEST_F(edge_auth_test, RefusesTheDocumentedPasswordBeyondLoopback) {
  options.address = "0.0.0.0";
  EXPECT_EQ(edge::start(options, farm_.access(), farm_.store()).error().where, "ASSAY_ADMIN_PASSWORD");
  options.address = "127.0.0.1";
  start();
  stop();
  // The password is in the store now, whatever the environment says.
  options.address = "0.0.0.0";
  options.admin_password = secret{"another password"};
  EXPECT_EQ(edge::start(options, farm_.access(), farm_.store()).error().where, "ASSAY_ADMIN_PASSWORD");
}

TEST_F(edge_auth_test, KeepsSessionsAcrossARestart) {
  start();
  const auto token = login("admin", "admin123");
  stop();
  start();
  EXPECT_EQ(get("/tasks", token).status, 200);
}

TEST_F(edge_auth_test, LetsAnonymousCallersInWhenToldAndNoPageOfAnotherSite) {
  options.anonymous[family::engine] = role::evaluator;
  start();
  EXPECT_EQ(get("/tasks").status, 200);
  EXPECT_EQ(get("/auth/me").json()["anonymous"], true);
  EXPECT_EQ(get("/users").status, 403);
  EXPECT_EQ(get("/tasks", {}, "Origin: http://evil.example\r\n").status, 401);
  EXPECT_EQ(get("/tasks", {}, "X-Forwarded-For: 203.0.113.9\r\n").status, 401);
  EXPECT_EQ(get("/tasks", "nonsense").status, 401) << "a wrong token is not no token";
  http_connection rebound{port()};
  rebound.send("GET /tasks HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(rebound.receive().status, 401);
}
