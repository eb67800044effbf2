#include "tests/server/edge_fixture.hpp"
#include "tests/server/web_socket_client.hpp"

#include "server/auth/api_keys.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

#include <atomic>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

namespace {

constexpr const char* unknown_key_id = "0123456789ab";

class edge_keys_test : public edge_test {
protected:
  /// @returns the answer to POST /auth/keys; its "key" is kept in `key`.
  json make(const std::string& token, json fields = json::object()) {
    if (!fields.contains("name"))
      fields["name"] = "laptop";
    const auto reply = post("/auth/keys", fields.dump(), token);
    EXPECT_EQ(reply.status, 201) << reply.body;
    auto made = reply.json();
    key = made.value("key", "");
    EXPECT_EQ(reply.header("location"), "/auth/keys/" + made.value("id", ""));
    return made;
  }

  http_reply patch(const json& made, const std::string& body, const std::string& token) {
    return http(port(), "PATCH", "/auth/keys/" + made.value("id", ""), body, token);
  }
  http_reply erase(const json& made, const std::string& token) {
    return http(port(), "DELETE", "/auth/keys/" + made.value("id", ""), {}, token);
  }

  std::string key;
};

} // namespace

TEST_F(edge_keys_test, ShowsAKeyOnceAndTakesItWhereverATokenIs) {
  start();
  const auto made = make(user("ada", "evaluator"), {{"name", "nightly"}, {"budget_per_day", 2.5}});
  EXPECT_TRUE(key.starts_with("sk-assay-" + made["id"].get<std::string>() + "-")) << key;
  EXPECT_EQ(made["name"], "nightly");
  EXPECT_EQ(made["user"], "ada");
  EXPECT_EQ(made["budget_per_day"], 2.5);
  EXPECT_TRUE(made["last_used_at"].is_null());

  EXPECT_EQ(get("/tasks", key).status, 200);
  EXPECT_EQ(get("/tasks", {}, "x-api-key: " + key + "\r\n").status, 200);
  EXPECT_EQ(get("/tasks", {}, "api-key: " + key + "\r\n").status, 200);
  EXPECT_EQ(get("/tasks", {}, "X-API-Key: " + admin() + "\r\n").status, 200) << "a token is one there too";
  EXPECT_EQ(get("/tasks", {}, "Authorization: Basic x\r\nx-api-key: " + key + "\r\n").status, 401)
      << "Authorization speaks first";
  const auto me = get("/auth/me", key).json();
  EXPECT_EQ(me["user_id"], "ada");
  EXPECT_EQ(me["api_key"], made["id"]);
  EXPECT_FALSE(get("/auth/me", admin()).json().contains("api_key"));

  for (const auto& reply : {get("/auth/keys", key), get("/auth/keys/" + made["id"].get<std::string>(), key),
                            patch(made, R"({"name":"weekly"})", login("ada", "long enough"))}) {
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_THAT(reply.body, Not(HasSubstr(key)));
    EXPECT_THAT(reply.body, Not(HasSubstr("digest")));
  }
  const auto listed = get("/auth/keys", key).json();
  EXPECT_EQ(listed["total"], 1);
  EXPECT_EQ(listed["items"][0]["name"], "weekly");
  EXPECT_TRUE(listed["items"][0]["last_used_at"].is_string());
}

TEST_F(edge_keys_test, RefusesEveryOtherKeyAndEchoesNone) {
  options.anonymous[family::engine] = role::evaluator;
  start();
  const auto token = user("ada", "evaluator");
  const auto made = make(token);
  auto mistyped = key;
  std::swap(mistyped[40], mistyped[41]);
  mistyped[45] = mistyped[45] == 'x' ? 'y' : 'x';
  for (const auto& sent : {mistyped, key.substr(0, 60), make_api_key(unknown_key_id).reveal(),
                           make_api_key(made["id"].get<std::string>()).reveal()}) {
    for (const auto& reply :
         {get("/tasks", sent), get("/tasks", {}, "x-api-key: " + sent + "\r\n"), get("/api/v1/config", sent),
          get("/ws", sent,
              "Connection: Upgrade\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")}) {
      EXPECT_NE(reply.status, 200) << "a wrong key is not no key";
      EXPECT_THAT(reply.body, Not(HasSubstr(sent.substr(22))));
    }
    const auto reply = get("/tasks", sent);
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply.header("www-authenticate"), "Bearer");
    EXPECT_THAT(reply.json()["message"].get<std::string>(), HasSubstr("API key"));
  }
  EXPECT_EQ(get("/health", mistyped).status, 200) << "public stays public";
  EXPECT_EQ(patch(made, R"({"disabled":true})", token).status, 200);
  EXPECT_THAT(get("/tasks", key).body, HasSubstr("disabled"));
  EXPECT_EQ(patch(made, R"({"disabled":false})", token).status, 200);
  EXPECT_EQ(get("/tasks", key).status, 200);
  EXPECT_EQ(erase(made, token).status, 200);
  EXPECT_EQ(get("/tasks", key).status, 401);
  EXPECT_EQ(erase(made, token).status, 404);
}

TEST_F(edge_keys_test, NeverReachTheLogOrAnError) {
  start();
  const auto made = make(admin());
  const auto secret_part = key.substr(22);
  std::vector<http_reply> replies;
  replies.push_back(get("/tasks", key, "X-Request-Id: " + key + "\r\n"));
  replies.push_back(get("/nowhere/" + key, key));
  replies.push_back(get("/api/v1/" + key, key));
  replies.push_back(get("/llm_api/" + key, key));
  replies.push_back(get("/tasks?category=" + key, key));
  replies.push_back(get("/tasks?" + key + "=1", key));
  replies.push_back(get("/auth/keys/" + key, key));
  replies.push_back(http(port(), "DELETE", "/auth/keys/" + key, {}, admin()));
  replies.push_back(post("/auth/keys", json{{"name", key.substr(0, 60)}}.dump(), admin()));
  replies.push_back(post("/auth/keys", json{{"name", "x"}, {key, 1}}.dump(), admin()));
  replies.push_back(post("/auth/keys", json{{"name", "x"}, {"permissions", key}}.dump(), admin()));
  replies.push_back(post("/auth/login", json{{"username", key}, {"password", key}}.dump()));
  web_socket_client socket{port(), "/ws?token=" + key};
  EXPECT_EQ(socket.handshake.status, 101);
  replies.push_back(get("/users", key.substr(0, 60)));
  for (const auto& reply : replies) {
    EXPECT_THAT(reply.body, Not(HasSubstr(secret_part.substr(0, 20))));
    for (const auto& [name, value] : reply.headers)
      EXPECT_THAT(value, Not(HasSubstr(secret_part.substr(0, 20)))) << name;
  }
  stop();
  EXPECT_THAT(logged(), HasSubstr("/nowhere/sk-assay-" + made["id"].get<std::string>() + "-***"));
  EXPECT_THAT(logged(), Not(HasSubstr(secret_part.substr(0, 20))));

  auto view = storage::snapshot::open(farm_.store());
  ASSERT_TRUE(view);
  const auto stored = view->page_documents(storage::table::api_keys, {});
  ASSERT_TRUE(stored);
  ASSERT_EQ(stored->documents.size(), 1U);
  EXPECT_THAT(stored->documents[0].second.bytes, Not(HasSubstr(secret_part.substr(0, 20))));
}

TEST_F(edge_keys_test, MayDoLessThanItsUser) {
  start();
  make(user("ada", "evaluator"), {{"permissions", {"tasks:read"}}});
  EXPECT_EQ(get("/tasks", key).status, 200);
  const auto refused = post("/evaluations", R"({"model_id":"m","task_ids":["t"]})", key);
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.json()["message"].get<std::string>(), HasSubstr("evaluation:create"));
  EXPECT_EQ(get("/auth/me", key).json()["permissions"], json::array({"tasks:read"}));

  const auto ada = login("ada", "long enough");
  const auto greedy = post("/auth/keys", R"({"name":"x","permissions":["users:manage"]})", ada);
  EXPECT_EQ(greedy.status, 422);
  EXPECT_EQ(greedy.json()["error"]["field"], "permissions");
  EXPECT_EQ(post("/auth/keys", R"({"name":"x","permissions":["fly"]})", ada).json()["error"]["field"],
            "permissions[0]");
  EXPECT_EQ(post("/auth/keys", R"({})", ada).status, 422);
  EXPECT_EQ(post("/auth/keys", R"({"name":"x","expires_at":"2020-01-01T00:00:00Z"})", ada).status, 422);
  EXPECT_EQ(post("/auth/keys", R"({"name":"x","requests_per_minute":0})", ada).status, 422);
}

TEST_F(edge_keys_test, MakesNoOtherKeyAndLiftsNoLimit) {
  start();
  const auto made = make(admin(), {{"requests_per_minute", 100}});
  EXPECT_EQ(post("/auth/keys", R"({"name":"another"})", key).status, 403);
  EXPECT_EQ(patch(made, R"({"requests_per_minute":null})", key).status, 403);
  EXPECT_EQ(post("/auth/logout", "{}", key).status, 403);
  const auto used = key;
  const auto other = make(admin());
  EXPECT_EQ(erase(other, used).status, 403);
  EXPECT_EQ(erase(made, used).status, 200) << "but a key may end itself";
  EXPECT_EQ(get("/tasks", used).status, 401);
  EXPECT_EQ(get("/auth/me", admin()).status, 200) << "the user's session goes on";
}

TEST_F(edge_keys_test, BelongsToItsUserAndToAdministrators) {
  start();
  const auto ada = user("ada", "evaluator");
  const auto bob = user("bob", "viewer");
  const auto made = make(ada);
  make(bob);
  EXPECT_EQ(patch(made, R"({"name":"mine"})", bob).status, 404);
  EXPECT_EQ(erase(made, bob).status, 404);
  EXPECT_EQ(get("/auth/keys/" + made["id"].get<std::string>(), bob).status, 404);
  EXPECT_EQ(get("/auth/keys", bob).json()["total"], 1);
  EXPECT_EQ(get("/auth/keys?user=bob", bob).json()["total"], 1);
  EXPECT_EQ(get("/auth/keys?user=ada", bob).status, 403);
  EXPECT_EQ(get("/auth/keys?user=*", bob).status, 403);
  EXPECT_EQ(post("/auth/keys", R"({"name":"x","user":"ada"})", bob).status, 403);

  EXPECT_EQ(get("/auth/keys", admin()).json()["total"], 0) << "one's own unless asked otherwise";
  EXPECT_EQ(get("/auth/keys?user=*", admin()).json()["total"], 2);
  EXPECT_EQ(get("/auth/keys?user=", admin()).json()["total"], 2);
  EXPECT_EQ(get("/auth/keys?user=ada", admin()).json()["items"][0]["id"], made["id"]);
  EXPECT_EQ(make(admin(), {{"user", "ada"}})["user"], "ada");
  EXPECT_EQ(get("/auth/me", key).json()["user_id"], "ada");
  EXPECT_EQ(post("/auth/keys", R"({"name":"x","user":"nobody"})", admin()).status, 404);
  EXPECT_EQ(patch(made, R"({"requests_per_minute":5,"tokens_per_minute":6})", admin()).status, 200);
  EXPECT_EQ(patch(made, "{}", admin()).status, 422);
  EXPECT_EQ(erase(made, admin()).status, 200);
}

TEST_F(edge_keys_test, GoesWithItsUser) {
  start();
  const auto made = make(user("ada", "evaluator"));
  EXPECT_EQ(http(port(), "PATCH", "/users/ada", R"({"disabled":true})", admin()).status, 200);
  EXPECT_EQ(get("/tasks", key).status, 401);
  EXPECT_EQ(http(port(), "PATCH", "/users/ada", R"({"disabled":false})", admin()).status, 200);
  EXPECT_EQ(get("/tasks", key).status, 200);
  EXPECT_EQ(http(port(), "DELETE", "/users/ada", {}, admin()).status, 200);
  EXPECT_EQ(get("/tasks", key).status, 401);
  EXPECT_EQ(get("/auth/keys?user=*", admin()).json()["total"], 0);
  user("ada", "admin");
  EXPECT_EQ(get("/tasks", key).status, 401) << "a namesake does not inherit keys";
}

TEST_F(edge_keys_test, IsTold429WhenItSendsMoreThanItMay) {
  auto now = std::make_shared<std::atomic<int64_t>>(0);
  options.time.steady = [now] {
    return std::chrono::steady_clock::time_point{std::chrono::hours{1} + seconds{now->load()}};
  };
  start();
  make(user("ada", "evaluator"), {{"requests_per_minute", 2}});
  EXPECT_EQ(get("/tasks", key).status, 200);
  EXPECT_EQ(get("/auth/me", key).status, 200);
  const auto refused = get("/tasks", key);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.header("retry-after"), "30");
  EXPECT_EQ(refused.json()["error"]["code"], "RATE_LIMITED");
  EXPECT_EQ(refused.json()["error"]["details"]["retry_after"], 30);
  EXPECT_EQ(get("/health", key).status, 200);
  EXPECT_EQ((web_socket_client{port(), "/ws?token=" + key}).handshake.status, 429);
  EXPECT_EQ(get("/tasks", admin()).status, 200) << "others are not held up";
  *now += 30;
  EXPECT_EQ(get("/tasks", key).status, 200);
  EXPECT_EQ(get("/tasks", key).status, 429);
}

TEST_F(edge_keys_test, LimitsGuesses) {
  options.logins_per_address = {3, seconds{3600}, 100};
  start();
  const auto wrong = make_api_key(unknown_key_id).reveal();
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(get("/tasks", wrong).status, 401);
  const auto refused = get("/tasks", wrong);
  EXPECT_EQ(refused.status, 429);
  EXPECT_FALSE(refused.header("retry-after").empty());
  EXPECT_EQ((web_socket_client{port(), "/ws?token=" + wrong}).handshake.status, 429);
  EXPECT_EQ(get("/tasks", admin()).status, 200);
}

TEST_F(edge_keys_test, OpensWebSocketsUntilItEnds) {
  start();
  const auto ada = user("ada", "evaluator");
  const auto made = make(ada);
  const auto ticket = http(port(), "POST", "/auth/ws-ticket", {}, key).json()["ticket"].get<std::string>();
  web_socket_client by_query{port(), "/ws?token=" + key};
  web_socket_client by_header{port(), "/ws", "x-api-key: " + key + "\r\n"};
  web_socket_client by_ticket{port(), "/ws?ticket=" + ticket};
  web_socket_client by_message{port(), "/ws"};
  by_message.send(json{{"type", "auth"}, {"token", key}}.dump());
  EXPECT_EQ(by_message.receive().json()["data"]["user_id"], "ada");
  const auto run = farm_.put_run("ada").spec.id;
  for (auto* socket : {&by_query, &by_header, &by_ticket, &by_message}) {
    ASSERT_EQ(socket->handshake.status, 101);
    socket->send(json{{"type", "subscribe_evaluation"}, {"evaluation_id", to_string(run)}}.dump());
    EXPECT_EQ(socket->receive().json()["type"], "subscribed");
  }
  const auto other = make(ada);
  web_socket_client stays{port(), "/ws?token=" + key};
  EXPECT_EQ(erase(made, ada).status, 200);
  for (auto* socket : {&by_query, &by_header, &by_ticket, &by_message}) {
    const auto last = socket->receive();
    EXPECT_TRUE(last.is_close);
    EXPECT_EQ(last.close_code, 3000);
  }
  stays.send(R"({"type":"ping"})");
  EXPECT_EQ(stays.receive().json()["type"], "pong");
  EXPECT_EQ(patch(other, R"({"disabled":true})", ada).status, 200);
  EXPECT_TRUE(stays.receive().is_close);
}

TEST_F(edge_keys_test, StaysAcrossARestartWithItsLastUse) {
  start();
  const auto made = make(user("ada", "evaluator"), {{"requests_per_minute", 100}, {"tokens_per_minute", 7}});
  EXPECT_EQ(get("/tasks", key).status, 200);
  stop();
  start();
  const auto kept = get("/auth/keys/" + made["id"].get<std::string>(), login("ada", "long enough")).json();
  EXPECT_TRUE(kept["last_used_at"].is_string()) << "written when the server stopped";
  EXPECT_EQ(kept["requests_per_minute"], 100);
  EXPECT_EQ(kept["tokens_per_minute"], 7);
  EXPECT_EQ(get("/tasks", key).status, 200);
}

TEST_F(edge_keys_test, AreNotForAnonymousCallers) {
  options.anonymous[family::engine] = role::evaluator;
  start();
  EXPECT_EQ(post("/auth/keys", R"({"name":"x"})").status, 403);
  EXPECT_EQ(get("/auth/keys").status, 403);
}

TEST_F(edge_keys_test, MayBeSentByPagesThatAreLetIn) {
  options.allow_origins = {"https://dash.example"};
  start();
  const auto preflight = http(port(), "OPTIONS", "/tasks", {}, {},
                              "Origin: https://dash.example\r\nAccess-Control-Request-Method: GET\r\n");
  EXPECT_THAT(preflight.header("access-control-allow-headers"), HasSubstr("X-Api-Key, Api-Key"));
}

TEST_F(edge_keys_test, AKeyWithALimitOfTokensStartsNothingThatIsNotCountedByIt) {
  start();
  make(admin(), {{"tokens_per_minute", 1'000}});
  const std::string wish = R"({"model_id":"m","task_ids":["a"]})";
  const auto refused = post("/evaluations", wish, key);
  EXPECT_EQ(refused.status, 403) << refused.body;
  EXPECT_THAT(refused.body, HasSubstr("1000 tokens a minute"));
  EXPECT_THAT(refused.body, HasSubstr("budget_per_day"));
  const std::string batch = R"({"items":[{"n":1}],"prompt_template":"{n}?","model":"m"})";
  EXPECT_EQ(post("/llm_api/batch", batch, key).status, 403);
  EXPECT_TRUE(farm_.submitted().empty());
  make(admin(), {{"requests_per_minute", 1'000}});
  EXPECT_EQ(post("/evaluations", wish, key).status, 201) << "requests are counted, whatever they start";
}

TEST_F(edge_keys_test, ARunRemembersTheKeyThatStartedIt) {
  start();
  const auto made = make(admin(), {{"budget_per_day", 2.5}});
  const std::string wish = R"({"model_id":"m","task_ids":["a"]})";
  ASSERT_EQ(post("/evaluations", wish, key).status, 201);
  ASSERT_EQ(post("/evaluations", wish, admin()).status, 201);
  const auto submitted = farm_.submitted();
  ASSERT_EQ(submitted.size(), 2u);
  EXPECT_EQ(submitted[0].api_key, made["id"]);
  EXPECT_EQ(submitted[0].key_budget, from_dollars(2.5));
  EXPECT_TRUE(submitted[1].api_key.empty());
}
