#include "config/environment.hpp"
#include "tests/config/support.hpp"

namespace assay::config {
namespace {

class environment : public test::config_test {
protected:
  secret key_of(const settings& values, const std::string& provider) {
    const auto* found = find_provider(values, provider_id(provider));
    return found == nullptr ? secret{} : found->key;
  }
};

TEST_F(environment, PlainNamesAreHonoured) {
  request.environment = {{"PORT", "9000"},         {"LOG_LEVEL", "DEBUG"},
                         {"DATA_DIR", "/d"},       {"CACHE_DIR", "/c"},
                         {"RESULTS_DIR", "/r"},    {"FASTAPI_ENV", "production"},
                         {"NO_PROXY", "a,.b.com"}, {"HTTPS_PROXY", "http://p:1"}};
  const auto values = loaded();
  EXPECT_EQ(values.server.port, 9000);
  EXPECT_EQ(values.logging.level, "debug");
  EXPECT_EQ(values.storage.data_dir, "/d");
  EXPECT_TRUE(warns(values, "cache_dir is ignored"));
  EXPECT_TRUE(warns(values, "storage.cache")) << "what to use";
  EXPECT_EQ(values.results_dir, "/r");
  EXPECT_EQ(values.environment, "production");
  EXPECT_EQ(values.network.https_proxy.reveal(), "http://p:1");
  EXPECT_EQ(values.network.no_proxy, (std::vector<std::string>{"a", ".b.com"}));
}

TEST_F(environment, KeysOfAllProvidersAreFound) {
  file("local.yaml", "providers: {my-llm: {base_url: 'http://h/v1'}}\n");
  request.environment = {{"OPENAI_API_KEY", "1"},      {"ANTHROPIC_API_KEY", "2"},
                         {"GEMINI_API_KEY", "3"},      {"DEEPSEEK_API_KEY", "4"},
                         {"DASHSCOPE_API_KEY", "5"},   {"OPENROUTER_API_KEY", "6"},
                         {"HOSTED_VLLM_API_KEY", "7"}, {"HOSTED_LLM_API_URL", "http://10.0.0.5:8000"},
                         {"MY_LLM_API_KEY", "8"}};
  const auto values = loaded();
  int expected = 1;
  for (const auto* id :
       {"openai", "anthropic", "gemini", "deepseek", "dashscope", "openrouter", "hosted", "my-llm"})
    EXPECT_EQ(key_of(values, id).reveal(), std::to_string(expected++)) << id;
  EXPECT_EQ(find_provider(values, provider_id("hosted"))->base_url, "http://10.0.0.5:8000/v1");
  EXPECT_FALSE(warns(values, "no key is set"));
}

TEST_F(environment, VariablesThatAreReadElsewhereAreNoUnknownSettings) {
  request.environment = {
      {"ASSAY_TOKEN", "t"}, {"ASSAY_PASSWORD", "p"}, {"ASSAY_NEW_PASSWORD", "n"}, {"ASSAY_TOCKEN", "t"}};
  const auto values = loaded();
  EXPECT_TRUE(warns(values, "ASSAY_TOCKEN names no setting"));
  for (const auto* name : {"ASSAY_TOKEN", "ASSAY_PASSWORD", "ASSAY_NEW_PASSWORD"})
    EXPECT_FALSE(warns(values, std::string(name) + " names no setting")) << name;
}

TEST_F(environment, MissingKeysAreNamedOnce) {
  const auto values = loaded();
  int lines = 0;
  for (const auto& warning : values.warnings)
    lines += has(warning, "no key is set") ? 1 : 0;
  EXPECT_EQ(lines, 1);
  EXPECT_TRUE(warns(values, "openai (OPENAI_API_KEY), anthropic (ANTHROPIC_API_KEY)"));
}

TEST_F(environment, OwnNamesReachNestedKeysWithTypes) {
  request.environment = {{"ASSAY_DEBUG", "Y"},
                         {"ASSAY_STORAGE__DURABILITY", "NONE"},
                         {"ASSAY_SERVER__TLS__CERT", "c.pem"},
                         {"ASSAY_SERVER__TLS__KEY", "k.pem"},
                         {"ASSAY_CORS__ALLOW_ORIGINS", "http://a, http://b"},
                         {"ASSAY_RETRY__BUDGET_RATIO", "0.5"},
                         {"ASSAY_FARM__MAX_RUNNING_RUNS", "3"},
                         {"ASSAY_RETRY__RULES", "[{error: default, jitter: false}]"},
                         {"ASSAY_LOGGING__JSON", "1"},
                         {"ASSAY_MODELS__GPT_3_5_TURBO__TEMPERATURE", "0.125"}};
  file("local.yaml", "models: {gpt-3.5-turbo: {model_type: openai_gpt}}\n");
  const auto values = loaded();
  EXPECT_TRUE(values.debug);
  EXPECT_EQ(values.storage.durable, durability::none);
  EXPECT_EQ(values.server.tls.cert_file, folder.path() + "/c.pem");
  EXPECT_EQ(values.cors.allow_origins.size(), 2U);
  EXPECT_EQ(values.retry.budget_ratio, 0.5);
  EXPECT_EQ(values.farm.max_running_runs, 3U);
  ASSERT_EQ(values.retry.rules.size(), 1U);
  EXPECT_FALSE(values.retry.rules[0].jitter);
  EXPECT_TRUE(values.logging.json);
  EXPECT_EQ(find_model(values, model_id("gpt-3.5-turbo"))->defaults.temperature, 0.125);
}

TEST_F(environment, TruthHasManyWords) {
  for (const auto* yes : {"true", "1", "yes", "y", "on", "TRUE", "On"}) {
    request.environment["ASSAY_DEBUG"] = yes;
    EXPECT_TRUE(loaded().debug) << yes;
  }
  for (const auto* no : {"false", "0", "no", "n", "off"}) {
    request.environment["ASSAY_DEBUG"] = no;
    EXPECT_FALSE(loaded().debug) << no;
  }
  request.environment["ASSAY_DEBUG"] = "perhaps";
  EXPECT_EQ(refused().where, "environment variable ASSAY_DEBUG debug");
}

TEST_F(environment, AWrongOrUnknownVariableIsNamed) {
  request.environment = {{"PORT", "http"}};
  EXPECT_EQ(refused().where, "environment variable PORT server.port");
  request.environment = {{"ASSAY_SERVER__PROT", "1"}};
  EXPECT_TRUE(has(refused().where, "ASSAY_SERVER__PROT"));
  EXPECT_TRUE(has(refused().hint, "`port`"));
  request.environment = {{"ASSAY_RESULT_DIR", "x"}};
  EXPECT_TRUE(warns(loaded(), "did you mean `results_dir`?"));
}

TEST_F(environment, DebugTurnsTheLevelToDebugUnlessSomebodyChoseOne) {
  request.environment["DEBUG"] = "true";
  EXPECT_EQ(loaded().logging.level, "debug");
  file("default.yaml", "logging: {level: info}\n");
  EXPECT_EQ(loaded().logging.level, "debug") << "the file of defaults is no choice";
  request.environment["LOG_LEVEL"] = "warn";
  EXPECT_EQ(loaded().logging.level, "warn");
  request.environment.erase("LOG_LEVEL");
  file("local.yaml", "logging: {level: error}\n");
  EXPECT_EQ(loaded().logging.level, "error");
}

TEST_F(environment, SomebodyElsesDebugIsNoError) {
  request.environment["DEBUG"] = "express:*";
  const auto values = loaded();
  EXPECT_FALSE(values.debug);
  EXPECT_TRUE(warns(values, "environment variable DEBUG is ignored"));
}

TEST_F(environment, DbUrlIsRefusedWithTheReason) {
  request.environment["DB_URL"] = "sqlite:///./x.db";
  const auto wrong = refused();
  EXPECT_EQ(wrong.code, errc::malformed_input);
  EXPECT_TRUE(has(wrong.message, "a store of its own"));
  EXPECT_TRUE(has(wrong.hint, "DATA_DIR"));
}

TEST_F(environment, VariablesAreSubstitutedInMapsAndLists) {
  file("local.yaml", "models:\n  m:\n    model_type: deepseek\n    api_key: \"${MY_KEY}\"\n"
                     "    temperature: \"${TEMP}\"\n    supported_tasks: [\"${A}\", \"x-${A}-${B}\", "
                     "\"${UNSET}\", \"$A ${ }\"]\n");
  request.environment = {{"MY_KEY", "k"}, {"TEMP", "0.5"}, {"A", "one"}, {"B", "${A}"}};
  const auto values = loaded();
  const auto* model = find_model(values, model_id("m"));
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->defaults.temperature, 0.5);
  EXPECT_EQ(model->supported_tasks, (std::vector<std::string>{"one", "x-one-${A}", "${UNSET}", "$A ${ }"}));
  EXPECT_EQ(key_of(values, "deepseek").reveal(), "k");
}

TEST_F(environment, AKeyThatIsStillAPlaceholderIsNoKey) {
  file("local.yaml", "models: {m: {model_type: deepseek, api_key: \"${DEEPSEEK_API_KEY}\"}}\n"
                     "providers: {openai: {api_key: \"${NOT_SET}\"}}\n");
  auto values = loaded();
  EXPECT_TRUE(key_of(values, "deepseek").empty());
  EXPECT_TRUE(key_of(values, "openai").empty());
  EXPECT_TRUE(warns(values, "deepseek (DEEPSEEK_API_KEY)"));
  const auto& deepseek = *find_provider(values, provider_id("deepseek"));
  const auto unusable = check_usable(deepseek).error();
  EXPECT_EQ(unusable.code, errc::invalid_argument) << "no provider has refused anything";
  EXPECT_EQ(unusable.where, "model_id");
  EXPECT_EQ(unusable.hint,
            "set DEEPSEEK_API_KEY or providers.deepseek.api_key, or store one: assay keys add");
  EXPECT_TRUE(lacks_key(deepseek));
}

TEST_F(environment, AnEmptyVariableCountsAsUnset) {
  request.environment = {{"OPENAI_API_KEY", ""}, {"PORT", ""}, {"DB_URL", ""}};
  const auto values = loaded();
  EXPECT_TRUE(key_of(values, "openai").empty());
  EXPECT_EQ(values.server.port, 8000);
}

TEST_F(environment, TheFirstDotenvIsReadAndTheRealEnvironmentWins) {
  folder.write("home/.datapresso/.env", "OPENAI_API_KEY=from-home\n");
  EXPECT_EQ(key_of(loaded(), "openai").reveal(), "from-home");
  folder.write("work/inner/x", "");
  folder.write("work/.env", "OPENAI_API_KEY=from-above\nPORT=1234\n");
  request.working_dir = folder.path() + "/work/inner";
  EXPECT_EQ(key_of(loaded(), "openai").reveal(), "from-above");
  folder.write("work/inner/.env", "OPENAI_API_KEY=from-here\n");
  auto values = loaded();
  EXPECT_EQ(key_of(values, "openai").reveal(), "from-here");
  EXPECT_EQ(values.server.port, 8000) << "only the first file counts";
  request.environment["OPENAI_API_KEY"] = "real";
  EXPECT_EQ(key_of(loaded(), "openai").reveal(), "real");
  request.environment.clear();
  request.read_dotenv = false;
  EXPECT_TRUE(key_of(loaded(), "openai").empty());
}

TEST_F(environment, AWrongValueInDotenvIsNamedWithTheFile) {
  folder.write(".env", "PORT=x\n");
  EXPECT_TRUE(has(refused().where, "PORT in " + folder.path() + "/.env"));
}

TEST(dotenv, ReadsTheUsualForms) {
  std::vector<int> skipped;
  const auto values =
      parse_dotenv("# comment\r\n\nA=1\n export B = two words \nC=\"q # x\" # y\nD='s'\nE=x # note\nF=\n"
                   "G=a=b\nnot a line\n=x\nH=#x",
                   skipped);
  const environment_map expected{{"A", "1"}, {"B", "two words"}, {"C", "q # x"}, {"D", "s"},
                                 {"E", "x"}, {"F", ""},          {"G", "a=b"},   {"H", "#x"}};
  EXPECT_EQ(values, expected);
  EXPECT_EQ(skipped, (std::vector<int>{10, 11}));
}

} // namespace
} // namespace assay::config
