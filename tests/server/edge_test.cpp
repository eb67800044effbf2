#include "core/values/metrics.hpp"
#include "protocol/messages/hosts.hpp"
#include "server/health.hpp"
#include "tests/server/edge_fixture.hpp"
#include "tests/server/exposition.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using nlohmann::json;
using testing::HasSubstr;
using testing::MatchesRegex;

TEST_F(edge_test, AnswersHealthInBothDocumentedShapes) {
  start();
  const auto reply = get("/health");
  ASSERT_EQ(reply.status, 200);
  const auto body = reply.json();
  EXPECT_EQ(body["status"], "healthy");
  EXPECT_EQ(body["version"], "1.2.3");
  EXPECT_EQ(body["active_evaluations"], 2);
  EXPECT_TRUE(body["timestamp"].get<std::string>().ends_with("Z"));
  EXPECT_TRUE(body["timestamp_unix"].is_number());
  EXPECT_EQ(body["uptime"], "0:00:00");
  EXPECT_EQ(body["success"], true);
  EXPECT_EQ(body["data"]["components"], body["components"]);
  EXPECT_EQ(body["components"]["redis"], body["components"]["journal"]);
  EXPECT_EQ(body["meta"]["api_version"], "v1");
  EXPECT_FALSE(body.contains("open_connections"));
  EXPECT_TRUE(get("/health", admin()).json().contains("open_connections"));
}

TEST(uptime_text, CountsDaysOnlyWhenThereAreAny) {
  using namespace std::chrono_literals;
  EXPECT_EQ(uptime_text(0s), "0:00:00");
  EXPECT_EQ(uptime_text(59min + 59s), "0:59:59");
  EXPECT_EQ(uptime_text(23h + 59min + 59s), "23:59:59");
  EXPECT_EQ(uptime_text(24h), "1 day, 0:00:00");
  EXPECT_EQ(uptime_text(62h + 30min + 25s), "2 days, 14:30:25");
}

TEST_F(edge_test, TellsHealthWithoutATokenInWordsOfItsOwnOnly) {
  options.component_states = [] {
    return std::map<std::string, std::string>{{"python_host", "refused by 10.0.0.7"},
                                              {"sandbox", "healthy"},
                                              {"/srv/assay/keys", "OPENAI_API_KEY"}};
  };
  start();
  const auto body = get("/health").json();
  std::vector<std::string> names;
  for (const auto& [name, value] : body.items())
    names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"active_evaluations", "components", "data", "meta", "status",
                                             "success", "timestamp", "timestamp_unix", "uptime", "version"}));
  names.clear();
  for (const auto& [name, state] : body["components"].items()) {
    names.push_back(name);
    EXPECT_TRUE(state == "healthy" || state == "unavailable") << name << " " << state;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"docker", "journal", "k8s", "local", "python_host", "redis",
                                             "sandbox"}));
  EXPECT_EQ(body["components"]["sandbox"], "healthy");
}

TEST_F(edge_test, TellsWithATokenWhatTheSandboxHolds) {
  options.host_states = [] {
    host_state sandbox;
    sandbox.available = true;
    sandbox.limits = {"memory: watched"};
    sandbox.workers = 2;
    host_state python;
    python.reason = "no python3 at /srv/assay";
    return std::map<std::string, host_state>{{"sandbox", sandbox}, {"python_host", python}};
  };
  start();
  const auto open = get("/health");
  EXPECT_EQ(open.json()["components"]["sandbox"], "healthy");
  EXPECT_EQ(open.json()["components"]["python_host"], "unavailable");
  EXPECT_FALSE(open.json().contains("hosts"));
  const auto hosts = get("/health", admin()).json()["hosts"];
  EXPECT_EQ(hosts["sandbox"]["status"], "healthy");
  EXPECT_EQ(hosts["sandbox"]["limits"][0], "memory: watched");
  EXPECT_EQ(hosts["sandbox"]["workers"], 2);
  EXPECT_EQ(hosts["python_host"]["reason"], "no python3 at /srv/assay");
}

TEST_F(edge_test, ListensWhereverLocalhostLeads) {
  if (!has_ipv6_loopback())
    GTEST_SKIP() << "there is no ::1 here";
  for (const auto* address : {"127.0.0.1", "localhost"}) {
    options.address = address;
    options.anonymous[family::engine] = role::viewer;
    start();
    {
      http_connection six{port(), 0, true};
      six.send(request_text("GET", "/tasks", {}, {}, "Origin: http://localhost\r\n"));
      EXPECT_EQ(six.receive().status, 200) << "a caller from ::1 is at the keyboard too";
      EXPECT_EQ(get("/tasks").status, 200);
    }
    stop();
  }
}

TEST_F(edge_test, IsHealthyAgainAfterAnActorWasReplaced) {
  start();
  ASSERT_EQ(get("/health").status, 200);
  farm_.lose_run_supervisor();
  // The first question may meet the dead one; the next goes to its successor.
  get("/health");
  EXPECT_EQ(get("/health").status, 200);
}

TEST_F(edge_test, ListsTasks) {
  start();
  const auto token = user("vera", "viewer");
  const auto all = get("/tasks?limit=10", token).json();
  EXPECT_EQ(all["total"], 18);
  EXPECT_EQ(all["page"], 1);
  EXPECT_EQ(all["page_size"], 10);
  EXPECT_EQ(all["items"].size(), 10u);
  const auto second = get("/tasks?limit=10&page=2", token).json();
  EXPECT_EQ(second["items"].size(), 8u);
  EXPECT_EQ(second["items"][0]["task_id"], "task_11");
  EXPECT_EQ(get("/tasks?category=multi_turn", token).json()["total"], 6);
  EXPECT_EQ(get("/tasks?difficulty=medium&category=single_turn", token).json()["total"], 6);
  EXPECT_EQ(get("/tasks?difficulty=hardest", token).json()["error"]["field"], "difficulty");
  EXPECT_EQ(get("/tasks?language=rust", token).json()["total"], 0);
  EXPECT_EQ(get("/tasks?offset=2", token).json()["error"]["details"]["hint"],
            "known are page, limit, category, difficulty, language, tag");
  EXPECT_EQ(get("/tasks/task_1", token).json()["prompt"], "What is {question}?");
  EXPECT_EQ(get("/tasks/nothing", token).status, 404);
}

TEST_F(edge_test, ListsModelsAsABareArray) {
  start();
  const auto reply = get("/models", admin());
  ASSERT_TRUE(reply.json().is_array());
  EXPECT_EQ(reply.json()[0]["model_id"], "claude-3-haiku");
  EXPECT_EQ(get("/models/claude-3-haiku", admin()).json()["provider"], "anthropic");
  EXPECT_EQ(get("/models/none", admin()).status, 404);
  EXPECT_EQ(get("/models/keyless", admin()).json()["unavailable"], "provider openai has no key");
  EXPECT_FALSE(get("/models/sim-p70", admin()).json().contains("unavailable"));
  EXPECT_EQ(get("/models/sim-p70", admin()).json()["model_id"], "sim-p70")
      << "what can be evaluated can be looked up";
}

TEST_F(edge_test, TellsProgramsAndBrowsersWhatItIs) {
  start();
  EXPECT_EQ(get("/").json()["docs_url"], "/docs");
  EXPECT_EQ(get("/", {}, "Accept: application/json\r\n").json()["version"], "1.2.3");
  const auto page = get("/", {}, "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n");
  EXPECT_EQ(page.status, 302);
  EXPECT_EQ(page.header("location"), "/docs");
}

TEST_F(edge_test, ServesItsDocumentation) {
  start();
  EXPECT_EQ(get("/openapi.json").status, 401);
  const auto document = get("/openapi.json", admin());
  EXPECT_EQ(document.json()["openapi"], "3.1.0");
  const auto page = get("/docs");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.header("content-type"), HasSubstr("text/html"));
  EXPECT_THAT(page.body, HasSubstr("/evaluations/{id}"));
  EXPECT_THAT(page.body, testing::Not(HasSubstr("fetch("))) << "the page needs nothing that needs a token";
  EXPECT_THAT(page.header("content-security-policy"), HasSubstr("sha256-"));
}

TEST_F(edge_test, MarksEveryAnswer) {
  start();
  for (const auto* path : {"/health", "/nothing", "/tasks"}) {
    const auto reply = get(path);
    EXPECT_THAT(reply.header("x-process-time"), MatchesRegex("[0-9]+\\.[0-9][0-9]ms"));
    EXPECT_THAT(reply.header("x-request-id"), MatchesRegex("req_[0-9a-f]+"));
    EXPECT_EQ(reply.header("server"), "assay/1.2.3");
    EXPECT_EQ(reply.header("x-content-type-options"), "nosniff");
    EXPECT_EQ(reply.header("cache-control"), "no-store");
  }
}

TEST_F(edge_test, EchoesTheCallersRequestId) {
  start();
  EXPECT_EQ(get("/health", {}, "X-Request-Id: mine-1\r\n").header("x-request-id"), "mine-1");
  EXPECT_THAT(get("/health", {}, "X-Request-Id: not good\r\n").header("x-request-id"),
              MatchesRegex("req_.*"));
  const auto refused = post("/evaluations", R"({"request_id":"mine-2"})", admin());
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.header("x-request-id"), "mine-2");
  EXPECT_EQ(refused.json()["request_id"], "mine-2");
}

TEST_F(edge_test, TellsUnknownPathsFromWrongMethods) {
  start();
  const auto unknown = get("/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.json()["error"]["code"], "NOT_FOUND");
  const auto wrong = http(port(), "PUT", "/tasks");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("allow"), "GET, HEAD");
  EXPECT_EQ(wrong.json()["error"]["code"], "METHOD_NOT_ALLOWED");
  EXPECT_EQ(http(port(), "BREW", "/tasks").status, 405);
  const auto jobs = get("/api/v1/nothing").json();
  EXPECT_EQ(jobs["success"], false);
  EXPECT_EQ(jobs["errors"][0]["code"], "RESOURCE_NOT_FOUND");
  EXPECT_EQ(get("/data_filtering/nothing").json()["error_code"], "NOT_FOUND");
}

TEST_F(edge_test, AnswersHeadWithoutABody) {
  start();
  http_connection connection{port()};
  connection.send(request_text("HEAD", "/health"));
  const auto head = connection.receive(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_GT(std::stoi(head.header("content-length")), 100);
  connection.send(request_text("GET", "/health"));
  EXPECT_EQ(connection.receive().status, 200) << "nothing of a body came after the head";
}

TEST_F(edge_test, NamesWhatIsWrongWithABody) {
  start();
  const auto broken = post("/auth/login", "{\"username\":");
  EXPECT_EQ(broken.status, 400);
  EXPECT_THAT(broken.json()["error"]["message"].get<std::string>(), HasSubstr("line 1"));
  EXPECT_TRUE(broken.json()["error"]["field"].is_null()) << "no field of the request has this name";
  const auto wrong = post("/auth/login", R"({"username":"a","password":5})");
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(wrong.json()["error"]["field"], "password");
  EXPECT_EQ(wrong.json()["detail"], wrong.json()["message"]);
  const auto unknown = post("/auth/login", R"({"username":"a","password":"b","usrname":"c"})");
  EXPECT_EQ(unknown.json()["error"]["field"], "usrname");
  EXPECT_EQ(unknown.json()["error"]["details"]["hint"], "did you mean 'username'?");
  EXPECT_EQ(post("/auth/login", "[1]").status, 422);
  EXPECT_EQ(http(port(), "POST", "/auth/login").status, 400);
}

TEST_F(edge_test, RefusesOtherMediaTypes) {
  start();
  http_connection connection{port()};
  const std::string body = R"({"username":"admin","password":"admin123"})";
  const auto with = [&](const std::string& headers) {
    connection.send("POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                    + std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
    return connection.receive().status;
  };
  EXPECT_EQ(with("Content-Type: application/json; charset=utf-8\r\n"), 200);
  EXPECT_EQ(with(""), 200);
  EXPECT_EQ(with("Content-Type: application/x-www-form-urlencoded\r\n"), 415);
}

TEST_F(edge_test, RefusesUnknownAndWrongQueryParameters) {
  start();
  for (const auto* query : {"?limit=0", "?limit=x", "?limit=1&limit=2", "?limits=5", "?limit=%zz"}) {
    const auto reply = get(std::string("/tasks") + query, admin());
    EXPECT_TRUE(reply.status == 422 || reply.status == 400) << query << reply.status;
    EXPECT_FALSE(reply.json()["error"]["field"].is_null()) << query;
  }
}

TEST_F(edge_test, AllowsListedOriginsOnly) {
  options.allow_origins = {"https://app.example"};
  start();
  const auto preflight = http(port(), "OPTIONS", "/evaluations", {}, {},
                              "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("access-control-allow-origin"), "https://app.example");
  EXPECT_THAT(preflight.header("access-control-allow-headers"), HasSubstr("Authorization"));
  EXPECT_EQ(preflight.header("access-control-allow-credentials"), "");
  const auto other = http(port(), "OPTIONS", "/evaluations", {}, {},
                          "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n");
  EXPECT_EQ(other.header("access-control-allow-origin"), "");
  const auto refused = get("/tasks", {}, "Origin: https://app.example\r\n");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.header("access-control-allow-origin"), "https://app.example")
      << "errors have to be readable too";
}

TEST_F(edge_test, EchoesTheOriginWhenAllAreAllowed) {
  options.allow_origins = {"*"};
  start();
  const auto reply = get("/health", {}, "Origin: https://any.example\r\n");
  EXPECT_EQ(reply.header("access-control-allow-origin"), "https://any.example");
  EXPECT_EQ(reply.header("vary"), "Origin");
}

TEST_F(edge_test, AllowsNoOtherOriginUnlessTold) {
  start();
  EXPECT_EQ(get("/health", {}, "Origin: https://any.example\r\n").header("access-control-allow-origin"), "");
}

TEST_F(edge_test, ExportsMetrics) {
  start();
  EXPECT_EQ(get("/metrics").status, 401);
  const auto reply = get("/metrics", user("vera", "viewer"));
  ASSERT_EQ(reply.status, 200);
  EXPECT_THAT(reply.header("content-type"), HasSubstr("version=0.0.4"));
  const auto text = reply.body;
  EXPECT_THAT(text, HasSubstr("\nassay_up 1\n"));
  EXPECT_THAT(text,
              HasSubstr("\n# TYPE assay_journal_batches_total counter\nassay_journal_batches_total 7\n"));
  EXPECT_THAT(text, HasSubstr("\nassay_event_subscribers 1\n"));
  EXPECT_THAT(text, HasSubstr("\nassay_evaluations{state=\"active\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\nassay_call_duration_seconds{provider=\"openai\",model=\"gpt "
                              "\\\"quoted\\\"\\n\",quantile=\"0.5\"} 0.25\n"));
  EXPECT_THAT(text, HasSubstr("\nassay_http_requests_total{class=\"4xx\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nassay_http_request_duration_seconds_bucket{le=\"+Inf\"}"));
}

TEST_F(edge_test, CountsTheActorsThatDidNotAnswerAScrape) {
  start();
  const auto text = get("/metrics", admin()).body;
  EXPECT_THAT(text, HasSubstr("\nassay_actors_silent{kind=\"rate_limiter\"} 2\n"));
  // The fake farm has no such actors.
  EXPECT_THAT(text, HasSubstr("\nassay_actors_silent{kind=\"provider_supervisor\"} 1\n"));
}

TEST_F(edge_test, ExportsMetricsThatAStrictReaderTakes) {
  start();
  const auto text = get("/metrics", admin()).body;
  const auto read = read_exposition(text);
  EXPECT_EQ(read.complaints, std::vector<std::string>{});
  for (const auto& family : metric_families()) {
    const auto found = read.families.find("assay_" + std::string(family.name));
    ASSERT_NE(found, read.families.end()) << family.name;
    EXPECT_EQ(found->second.help, family.help);
  }
  EXPECT_EQ(read.families.size(), metric_families().size());
}

TEST_F(edge_test, ExportsMetricsToLoopbackWhenTold) {
  options.metrics_from_loopback = true;
  start();
  EXPECT_EQ(get("/metrics").status, 200);
  EXPECT_EQ(get("/metrics", {}, "X-Forwarded-For: 203.0.113.1\r\n").status, 401);
}

TEST_F(edge_test, ReadsItsConfigurationAgainAndNamesWhatHasToWait) {
  result<reload_report> outcome = reload_report{{"logging.level"}, {"server.port", "farm.in_flight_cap"}};
  options.reload = [&] { return outcome; };
  start();
  const auto done = post("/api/v1/config", {}, admin());
  ASSERT_EQ(done.status, 200);
  EXPECT_EQ(done.json()["success"], true);
  EXPECT_EQ(done.json()["data"]["applied"], json({"logging.level"}));
  EXPECT_EQ(done.json()["data"]["needs_restart"], json({"server.port", "farm.in_flight_cap"}));
  EXPECT_EQ(done.json()["data"]["restart_required"], true);
  EXPECT_EQ(done.json()["meta"]["request_id"], done.header("x-request-id"));

  outcome = reload_report{};
  EXPECT_EQ(post("/api/v1/config", "{}", admin()).json()["data"]["restart_required"], false);
  outcome = fault{errc::malformed_input, "expected a number", "farm.yaml:3 server.port", {}};
  const auto wrong = post("/api/v1/config", {}, admin());
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(wrong.json()["errors"][0]["field"], "farm.yaml:3 server.port");
}

TEST_F(edge_test, KeepsTheShapeOfAFamilyForEveryRefusal) {
  start();
  const auto code = [](const http_reply& reply) {
    const auto body = reply.json();
    EXPECT_EQ(body["success"], false) << reply.body;
    EXPECT_TRUE(body["data"].is_null()) << reply.body;
    EXPECT_EQ(body["meta"]["request_id"], reply.header("x-request-id"));
    return std::pair{reply.status, body["errors"][0]["code"].get<std::string>()};
  };
  const auto expect = [&](const http_reply& reply, int status, const char* word) {
    EXPECT_EQ(code(reply), (std::pair{status, std::string(word)}));
  };
  const auto token = admin();
  expect(post("/api/v1/config", "{", token), 400, "INVALID_PARAMETER");
  expect(post("/api/v1/config", {}), 401, "UNAUTHORIZED");
  expect(post("/api/v1/config", {}, "nonsense"), 401, "UNAUTHORIZED");
  expect(post("/api/v1/config", {}, user("eve", "evaluator")), 403, "FORBIDDEN");
  expect(get("/api/v1/nothing", token), 404, "RESOURCE_NOT_FOUND");
  const auto method = get("/api/v1/config", token);
  expect(method, 405, "METHOD_NOT_ALLOWED");
  EXPECT_EQ(method.header("allow"), "POST");
  expect(post("/api/v1/config", std::string(9'000'000, ' '), token), 413, "PAYLOAD_TOO_LARGE");
  expect(http(port(), "POST", "/api/v1/config", "a=1", token,
              "Content-Type: application/x-www-form-urlencoded\r\n"),
         415, "UNSUPPORTED_MEDIA_TYPE");
  expect(post("/api/v1/config", R"({"port": 1})", token), 422, "VALIDATION_ERROR");
  expect(post("/api/v1/config", {}, token), 422, "VALIDATION_ERROR"); // This edge was not told how to reload.
}

TEST_F(edge_test, LogsOneLineARequestAndNoSecrets) {
  start();
  const auto token = admin();
  get("/tasks?limit=3", token);
  get("/ws?token=" + token);
  stop();
  const auto text = logged();
  EXPECT_THAT(text, HasSubstr("method=GET path=/tasks?limit=3 status=200 time="));
  EXPECT_THAT(text, HasSubstr("path=/ws?token=*** status=426"));
  EXPECT_EQ(text.find(token), std::string::npos);
  EXPECT_EQ(text.find("admin123"), std::string::npos);
}

TEST_F(edge_test, StopsWithConnectionsOpen) {
  start();
  http_connection idle{port()};
  http_connection used{port()};
  used.send(request_text("GET", "/health"));
  EXPECT_EQ(used.receive().status, 200);
  stop();
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(used.closed());
}

TEST_F(edge_test, AcceptsNothingNewAfterStopAccepting) {
  start();
  http_connection used{port()};
  used.send(request_text("GET", "/health"));
  used.receive();
  edge_->stop_accepting();
  EXPECT_TRUE(used.closed());
  EXPECT_THROW(http(port(), "GET", "/health"), std::runtime_error);
}

TEST_F(edge_test, SaysWhyItCannotStart) {
  start();
  auto second = options;
  second.port = port();
  const auto taken = edge::start(second, farm_.access(), farm_.store());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, errc::conflict);
  const auto known_before = edge::check(second);
  ASSERT_FALSE(known_before);
  EXPECT_EQ(known_before.error().code, errc::conflict);
  second.port = 0;
  EXPECT_TRUE(edge::check(second));
  second.address = "not an address";
  EXPECT_EQ(edge::check(second).error().where, "server.host");
  EXPECT_EQ(edge::start(second, farm_.access(), farm_.store()).error().code, errc::invalid_argument);
  second.address = "127.0.0.1";
  second.tls = tls_files{"/nowhere.pem", "/nowhere.key"};
  EXPECT_THAT(edge::check(second).error().where, HasSubstr("/nowhere.pem"));
  EXPECT_THAT(edge::start(second, farm_.access(), farm_.store()).error().where, HasSubstr("/nowhere.pem"));
}
