#include "config/document.hpp"
#include "config/fields.hpp"
#include "config/scalars.hpp"
#include "tests/config/support.hpp"

#include <nlohmann/json.hpp>

namespace assay::config {
namespace {

class fields : public test::config_test {};

TEST_F(fields, AnUnknownKeyIsNamedWithFileLineAndASuggestion) {
  const auto wrong = refused("server:\n  host: a\n  prot: 80\n");
  EXPECT_EQ(wrong.code, errc::invalid_argument);
  EXPECT_EQ(wrong.where, "config/local.yaml:3 server.prot");
  EXPECT_EQ(wrong.message, "unknown key `prot`");
  EXPECT_EQ(wrong.hint, "did you mean `port`?");
}

TEST_F(fields, UnknownKeysAreFoundAtEveryDepth) {
  EXPECT_TRUE(has(refused("servr: {}\n").hint, "`server`"));
  EXPECT_EQ(
      refused("models:\n  m:\n    model_type: deepseek\n    rate_limits:\n      requests_per_minut: 1\n")
          .where,
      "config/local.yaml:5 models.m.rate_limits.requests_per_minut");
  EXPECT_EQ(
      refused("models:\n  m:\n    model_type: deepseek\n    task_optimizations:\n      bug_fix: {temp: 1}\n")
          .where,
      "config/local.yaml:5 models.m.task_optimizations.bug_fix.temp");
  EXPECT_EQ(refused("retry:\n  rules:\n    - error: transient\n      bas: 1\n").where,
            "config/local.yaml:4 retry.rules[0].bas");
}

TEST_F(fields, OpenMapsStayOpen) {
  file("local.yaml", "evaluations:\n  e:\n    models: [sim-strong]\n    tasks: [t]\n"
                     "    configuration: {limit: 3, anything: {deep: [1, two, 3.5, true, \"4\"]}}\n");
  const auto values = loaded();
  ASSERT_EQ(values.evaluations.size(), 1U);
  EXPECT_EQ(nlohmann::json::parse(values.evaluations[0].configuration_json),
            nlohmann::json::parse(R"({"limit":3,"anything":{"deep":[1,"two",3.5,true,"4"]}})"));
}

TEST_F(fields, TheGatewayHasBoundsAndATime) {
  file("local.yaml", "gateway: {max_open: 10, max_open_per_user: 2, timeout: 1500ms}\n");
  const auto values = loaded();
  EXPECT_EQ(values.gateway.max_open, 10U);
  EXPECT_EQ(values.gateway.max_open_per_user, 2U);
  EXPECT_EQ(values.gateway.timeout, milliseconds{1500});
  EXPECT_TRUE(has(refused("gateway: {max_open: 0}\n").where, "gateway.max_open"));
}

struct wrong_value {
  std::string_view yaml;
  std::string_view where;
  std::string_view message;
};

TEST_F(fields, WrongTypesAndBoundsAreNamed) {
  const std::vector<wrong_value> cases{
      {"server:\n  port: eighty\n", "local.yaml:2 server.port",
       "a whole number from 0 to 65535, found `eighty`"},
      {"server: {port: 65536}\n", "server.port", "from 0 to 65535"},
      {"server: {port: -1}\n", "server.port", "from 0 to 65535"},
      {"server: {port: 80.5}\n", "server.port", "a whole number"},
      {"server: {port: \"8000\"}\n", "server.port", "found the quoted text `8000`"},
      {"server: {port: [1]}\n", "server.port", "found a list"},
      {"server: 8000\n", "server", "expected a group of keys, found `8000`"},
      {"server: {host: {a: b}}\n", "server.host", "expected a text, found a group of keys"},
      {"debug: 1\n", "debug", "true or false"},
      {"debug: maybe\n", "debug", "true or false"},
      {"tasks_dirs: one\n", "tasks_dirs", "a list of texts"},
      {"tasks_dirs: [[a]]\n", "tasks_dirs", "a list of texts"},
      {"server: {max_body: 8 parsecs}\n", "server.max_body", "a number of bytes"},
      {"auth: {access_ttl: soon}\n", "auth.access_ttl", "a number of seconds"},
      {"storage: {durability: maybe}\n", "storage.durability", "one of commit, none"},
      {"farm: {in_flight: 20}\n", "farm.in_flight", "one of adaptive, fixed"},
      {"models: {m: {model_type: deepseek, in_flight: always}}\n", "models.m.in_flight",
       "one of adaptive, fixed"},
      {"logging: {level: loud}\n", "logging.level", "one of trace, debug"},
      {"retry: {rules: {error: x}}\n", "retry.rules", "expected a list"},
      {"retry: {rules: [x]}\n", "retry.rules[0]", "expected a group of keys"},
      {"models: {m: {model_type: deepseek, temperature: 3}}\n", "models.m.temperature", "from 0 to 2"},
      {"models: {m: {model_type: deepseek, temperature: .nan}}\n", "models.m.temperature", "a number"},
      {"models: {m: {model_type: deepseek, max_tokens: -5}}\n", "models.m.max_tokens", "from 1 to"},
      {"models: {m: {model_type: deepseek, rate_limits: {tokens_per_minute: -5}}}\n", "tokens_per_minute",
       "of at least 0"},
      {"models: {m: {model_type: deepseek, cost_management: {daily_budget: lots}}}\n", "daily_budget",
       "of at least 0"},
      {"models: [a]\n", "models", "expected a group of keys"},
      {"models: {m: 3}\n", "models.m", "expected a group of keys"},
      {"evaluations: {e: {configuration: [1]}}\n", "evaluations.e.configuration", "expected a group of keys"},
  };
  for (const auto& one : cases) {
    const auto wrong = refused(one.yaml);
    EXPECT_TRUE(has(wrong.where, one.where)) << one.yaml << wrong.where;
    EXPECT_TRUE(has(wrong.message, one.message)) << one.yaml << wrong.message;
  }
}

TEST_F(fields, SeveralMistakesAreNamedAtOnce) {
  const auto wrong = refused("server: {port: x, hots: y}\nauth: {access_ttl: 1}\n");
  EXPECT_TRUE(has(wrong.message, "whole number"));
  EXPECT_TRUE(has(wrong.hint, "server.hots"));
  EXPECT_TRUE(has(wrong.hint, "auth.access_ttl"));
}

TEST_F(fields, AWrongSecretIsNotRepeated) {
  const auto wrong = refused("providers: {openai: {api_key: [sk-very-secret]}}\n");
  EXPECT_FALSE(has(to_string(wrong), "sk-very-secret"));
}

TEST_F(fields, DurationsAndSizesTakeUnits) {
  file("local.yaml", "server: {header_timeout: 250ms, body_timeout: 1.5, keep_alive: 2m, max_body: 64KiB}\n"
                     "auth: {refresh_ttl: 2d}\nstorage: {map_size: 1 GiB}\nlogging: {rotate_size: 8MB}\n");
  const auto values = loaded();
  EXPECT_EQ(values.server.header_timeout, milliseconds{250});
  EXPECT_EQ(values.server.body_timeout, milliseconds{1500});
  EXPECT_EQ(values.server.keep_alive, seconds{120});
  EXPECT_EQ(values.server.max_body, 65536U);
  EXPECT_EQ(values.auth.refresh_ttl, std::chrono::hours{48});
  EXPECT_EQ(values.storage.map_size, 1ULL << 30);
  EXPECT_EQ(values.logging.rotate_size, 8'000'000U);
}

TEST_F(fields, BrokenFilesAreNamedWithTheirLine) {
  auto wrong = refused("server:\n  port: [1\nlogging: {\n");
  EXPECT_EQ(wrong.code, errc::malformed_input);
  EXPECT_TRUE(has(wrong.where, "config/local.yaml:"));
  wrong = refused("a: 1\na: 2\n");
  EXPECT_EQ(wrong.where, "config/local.yaml:2");
  EXPECT_TRUE(has(wrong.message, "twice"));
  EXPECT_EQ(refused("- a\n- b\n").message, "expected a group of keys, found a list");
  file("local.yaml", "");
  loaded();
  file("local.json", "{\n \"server\": {\"port\": 1,}\n}");
  wrong = refused();
  EXPECT_EQ(wrong.where, "config/local.json:2");
}

TEST_F(fields, AnchorsAndMergeKeysWorkWithinReason) {
  file("local.yaml", "models:\n  a: &base {model_type: deepseek, temperature: 0.5, max_tokens: 7}\n"
                     "  b: {<<: *base, temperature: 0.9}\n");
  const auto values = loaded();
  EXPECT_EQ(find_model(values, model_id("b"))->defaults.temperature, 0.9);
  EXPECT_EQ(find_model(values, model_id("b"))->defaults.max_tokens, 7U);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const auto below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 9; ++k)
      bomb += below + ", ";
    bomb += below + "]\n";
  }
  EXPECT_TRUE(has(refused(bomb).message, "too many values"));
}

TEST_F(fields, RedisIsAcceptedAndIgnoredWithAWarning) {
  file("local.yaml", "redis: {url: redis://localhost:6379/0, max_connections: 10}\n");
  EXPECT_TRUE(warns(loaded(), "redis is ignored"));
}

TEST_F(fields, JsonFilesAreReadWithTheirLines) {
  file("default.json", "{\n\t\"server\": {\n\t\t\"port\": \"x\"\n\t}\n}\n");
  EXPECT_EQ(refused().where.substr(0, 22), "config/default.json:3 ") << refused().where;
}

TEST_F(fields, TheDumpShowsEverythingButSecrets) {
  request.environment = {{"OPENAI_API_KEY", "sk-very-secret"},
                         {"ASSAY_ADMIN_PASSWORD", "pass-very-secret"},
                         {"HTTPS_PROXY", "http://u:proxy-very-secret@p:1"}};
  file("local.yaml", "models: {m: {model_type: deepseek, api_key: ds-very-secret}}\n");
  const auto shown = dump(loaded());
  EXPECT_EQ(shown["server"]["port"], 8000);
  EXPECT_EQ(shown["storage"]["durability"], "commit");
  EXPECT_EQ(shown["storage"]["commit_window"], 0.004);
  EXPECT_EQ(shown["auth"]["admin_password"], "***");
  EXPECT_EQ(shown["providers"]["openai"]["api_key"], "***");
  EXPECT_EQ(shown["providers"]["anthropic"]["api_key"], nullptr);
  EXPECT_EQ(shown["models"]["m"]["model"], "m");
  EXPECT_FALSE(has(shown.dump(), "very-secret"));
}

TEST_F(fields, KnownKeysListsNestedOnes) {
  std::vector<std::string> paths;
  for (const auto& key : known_keys()) {
    paths.push_back(key.path);
    EXPECT_FALSE(key.about.empty()) << key.path;
  }
  for (const auto* path :
       {"debug", "server.tls.cert", "retry.rules[].error", "models.<name>.rate_limits.tokens_per_minute",
        "models.<name>.task_optimizations.<name>.temperature", "evaluations.<name>.configuration"})
    EXPECT_NE(std::find(paths.begin(), paths.end(), path), paths.end()) << path;
}

TEST(near_names, FindsTyposSwapsAndParts) {
  const std::vector<std::string> names{"temperature", "top_p", "max_tokens", "model"};
  EXPECT_EQ(near_names("temprature", names), std::vector<std::string>{"temperature"});
  EXPECT_EQ(near_names("max-tokens", names), std::vector<std::string>{"max_tokens"});
  EXPECT_EQ(near_names("mdoel", names), std::vector<std::string>{"model"});
  EXPECT_TRUE(near_names("zebra", names).empty());
  EXPECT_EQ(did_you_mean("zebra", names), "");
}

} // namespace
} // namespace assay::config
