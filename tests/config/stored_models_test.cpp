#include "config/stored_models.hpp"
#include "tests/config/support.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::config {
namespace {

using nlohmann::json;

/// The documents' example of a model in code.
const char* const in_code = R"({
  "model_type": "anthropic_claude", "temperature": 0.7, "max_tokens": 2048, "top_p": 0.9,
  "frequency_penalty": 0.0, "presence_penalty": 0.0, "stop_sequences": ["```", "\n\n"], "timeout": 30.0,
  "rate_limit_config": {"requests_per_minute": 60, "tokens_per_minute": 100000, "concurrent_requests": 5},
  "max_cost_per_request": 1.0, "daily_budget": 100.0, "target_response_time": 5.0, "target_success_rate": 0.95,
  "task_optimizations": {"bug_fix": {"temperature": 0.1, "max_tokens": 1024, "top_p": 0.8}}})";

/// The documents' model_configs.yaml, shortened.
const char* const in_yaml = "models:\n"
                            "  claude-3-haiku:\n"
                            "    model_type: \"anthropic_claude\"\n"
                            "    api_key: \"${ANTHROPIC_API_KEY}\"\n"
                            "    temperature: 0.7\n"
                            "    rate_limits:\n"
                            "      requests_per_minute: 60\n"
                            "    task_optimizations:\n"
                            "      code_completion:\n"
                            "        temperature: 0.2\n"
                            "        stop_sequences: [\"\\n\\n\", \"```\"]\n"
                            "  deepseek-coder:\n"
                            "    model_type: deepseek\n"
                            "    version: 20240307\n";

class stored_models : public test::config_test {
protected:
  fault refusal_of(const std::string& fields) {
    const auto read = read_model_configuration("haiku", json::parse(fields));
    if (read) {
      ADD_FAILURE() << "taken: " << read->configuration;
      return {};
    }
    return read.error();
  }

  /// Stored, and taken back as a model.
  result<settings> with(const std::string& id, const std::string& fields) {
    const auto read = read_model_configuration(id, json::parse(fields));
    if (!read)
      return read.error();
    return with_stored_model(loaded(), id, read->configuration, 3);
  }
};

TEST_F(stored_models, TheOtherNamesOfTheDocumentsAreUnderstood) {
  const auto read = read_model_configuration("haiku", json::parse(in_code));
  ASSERT_TRUE(read) << to_string(read.error());
  const auto kept = json::parse(read->configuration);
  EXPECT_EQ(kept["rate_limits"]["concurrent_requests"], 5);
  EXPECT_FALSE(kept.contains("rate_limit_config"));
  EXPECT_EQ(kept["cost_management"]["daily_budget"], 100.0);
  EXPECT_EQ(kept["performance_targets"]["target_response_time"], 5.0);
  EXPECT_FALSE(kept.contains("daily_budget"));
  EXPECT_EQ(kept["frequency_penalty"], 0.0);
}

TEST_F(stored_models, WhatIsWrongIsNamedByItsField) {
  EXPECT_EQ(refusal_of(R"({"temperature": 3})").where, "temperature");
  EXPECT_EQ(refusal_of(R"({"temprature": 1})").where, "temprature");
  EXPECT_TRUE(has(refusal_of(R"({"temprature": 1})").hint, "temperature"));
  EXPECT_EQ(refusal_of(R"({"task_optimizations": {"bug_fix": {"top_p": 2}}})").where,
            "task_optimizations.bug_fix.top_p");
  EXPECT_EQ(refusal_of(R"({"rate_limits": 7})").where, "rate_limits");
  EXPECT_EQ(refusal_of(R"({"max_tokens": "many"})").where, "max_tokens");
  EXPECT_EQ(refusal_of(R"({"rate_limits": {"requests_per_minute": 1}, "rate_limit_config": {}})").where,
            "rate_limit_config");
  EXPECT_EQ(refusal_of(R"({"cost_management": {"daily_budget": 1}, "daily_budget": 2})").where,
            "daily_budget");
  const auto both = refusal_of(R"({"temperature": 3, "top_p": 5})");
  EXPECT_EQ(both.where, "temperature");
  EXPECT_TRUE(has(both.hint, "top_p")) << "everything at once";
  EXPECT_EQ(read_model_configuration("haiku", json::array()).error().where, "configuration");
}

TEST_F(stored_models, KeysAreRefusedAndNotRepeated) {
  const auto refused = refusal_of(R"({"api_key": "sk-ant-very-secret"})");
  EXPECT_EQ(refused.where, "api_key");
  EXPECT_TRUE(has(refused.hint, "assay keys"));
  EXPECT_FALSE(has(to_string(refused), "very-secret"));
  EXPECT_EQ(refusal_of(R"({"api_key": "${A}sk-secret"})").where, "api_key");
  EXPECT_EQ(refusal_of(R"({"api_key": ["sk-secret"]})").where, "api_key");
}

TEST_F(stored_models, AReferenceToAVariableIsKeptAsAWord) {
  const auto read = read_model_configuration("haiku", json::parse(R"({"api_key": "${ANTHROPIC_API_KEY}"})"));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(json::parse(read->configuration)["api_key"], "${ANTHROPIC_API_KEY}");
  EXPECT_EQ(read->notes.size(), 1U);
}

TEST_F(stored_models, WhatIsEmptyIsLeftOut) {
  const auto read = read_model_configuration(
      "haiku", json::parse(R"({"temperature": null, "name": "", "rate_limits": {}, "top_p": 0.5})"));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_EQ(json::parse(read->configuration), json::parse(R"({"top_p": 0.5})"));
}

TEST_F(stored_models, ABottomlessBodyIsRefused) {
  json deep = 1;
  for (int i = 0; i < 200; ++i)
    deep = json::array({deep});
  const auto read = read_model_configuration("haiku", {{"supported_tasks", deep}});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, errc::malformed_input);
}

TEST_F(stored_models, AFileOfModelsIsRead) {
  const auto read = read_model_configurations(in_yaml, "model_configs.yaml");
  ASSERT_TRUE(read) << to_string(read.error());
  ASSERT_EQ(read->size(), 2U);
  const auto haiku = json::parse(read->front().configuration);
  EXPECT_EQ(haiku["api_key"], "${ANTHROPIC_API_KEY}");
  EXPECT_EQ(haiku["task_optimizations"]["code_completion"]["stop_sequences"],
            json::parse(R"(["\n\n","```"])"));
  EXPECT_EQ(json::parse((*read)[1].configuration)["version"], "20240307") << "a text, as the table says";
}

TEST_F(stored_models, AFileThatIsWrongIsToldWithItsLine) {
  const auto wrong = [](const std::string& text) {
    return read_model_configurations(text, "m.yaml").error();
  };
  const auto field = wrong("models:\n  a:\n    temperature: 9\n");
  EXPECT_EQ(field.where, "m.yaml:3 models.a.temperature");
  EXPECT_EQ(wrong("models:\n  a:\n    api_key: sk-secret\n").where, "m.yaml:3 models.a.api_key");
  EXPECT_EQ(wrong("models: {a: {}}\nroutes: {}\n").where, "m.yaml:2 routes");
  EXPECT_EQ(wrong("a: {}\n").where, "m.yaml");
  EXPECT_EQ(wrong("models: [a]\n").code, errc::invalid_argument);
  EXPECT_EQ(wrong("models: {a: 7}\n").code, errc::invalid_argument);
  EXPECT_EQ(wrong("models: {a: {}, a: {}}\n").code, errc::malformed_input);
  EXPECT_EQ(wrong("\t{").code, errc::malformed_input);
}

TEST_F(stored_models, WhatIsWrittenOutReadsBackAsTheSame) {
  const auto read = read_model_configurations(in_yaml, "a");
  ASSERT_TRUE(read);
  std::vector<std::pair<std::string, std::string>> models;
  for (const auto& one : *read)
    models.emplace_back(one.id, one.configuration);
  models.emplace_back("no", R"({"name":"yes: no # 1","stop_sequences":["\n\n","true","7","\""]})");
  const auto text = to_model_configs_yaml(models);
  const auto again = read_model_configurations(text, "b");
  ASSERT_TRUE(again) << to_string(again.error()) << text;
  ASSERT_EQ(again->size(), models.size());
  for (size_t i = 0; i < models.size(); ++i) {
    EXPECT_EQ((*again)[i].id, models[i].first);
    EXPECT_EQ(json::parse((*again)[i].configuration), json::parse(models[i].second)) << text;
  }
}

TEST_F(stored_models, BecomeModelsLikeConfiguredOnes) {
  const auto made = with("haiku", R"({"model_type": "anthropic_claude", "model": "claude-3-haiku-20240307",
                                      "temperature": 0.3, "rate_limits": {"requests_per_minute": 60},
                                      "task_optimizations": {"bug_fix": {"temperature": 0.1}}})");
  ASSERT_TRUE(made) << to_string(made.error());
  const auto* model = find_model(*made, model_id{"haiku"});
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->wire_model, "claude-3-haiku-20240307");
  EXPECT_EQ(model->provider.value, "anthropic");
  EXPECT_EQ(model->defaults.temperature, 0.3);
  EXPECT_EQ(model->limits.requests_per_minute, 60U);
  EXPECT_EQ(model->configuration_version, 3U);
  EXPECT_EQ(model->task_optimizations.at("bug_fix").temperature, 0.1);
  EXPECT_TRUE(model->prices) << "from the catalogue";
  EXPECT_TRUE(check_known_provider(loaded(), *made, "haiku"));
  const auto resolved = resolve_model(*made, "haiku", "temperature=0.9");
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->model.configuration_version, 3U);
  EXPECT_EQ(resolved->model.defaults.temperature, 0.9);
}

TEST_F(stored_models, WhatCannotBeAModelIsNamedByItsField) {
  const auto wrong = [&](const char* fields) { return with("haiku", fields).error(); };
  EXPECT_EQ(wrong(R"({"model_type": "no_such_type"})").where, "model_type");
  EXPECT_EQ(wrong(R"({"model_type": "openai_gpt", "provider": "anthropic"})").where, "provider");
  EXPECT_EQ(wrong(R"({"model_type": "openai_gpt", "base_url": "ftp://x"})").where, "base_url");
  EXPECT_EQ(wrong(R"({"model_type": "openai_gpt", "fallbacks": ["none-such"]})").where, "fallbacks");
  EXPECT_FALSE(with("haiku", "{}")) << "nothing says who serves it";
}

TEST_F(stored_models, AnAddressOfItsOwnIsNoneOfTheFarm) {
  const auto made = with("mine", R"({"model_type": "openai_gpt", "base_url": "http://10.0.0.7/v1"})");
  ASSERT_TRUE(made) << to_string(made.error());
  const auto known = check_known_provider(loaded(), *made, "mine");
  ASSERT_FALSE(known);
  EXPECT_EQ(known.error().where, "base_url");
  const auto usual = with("mine", R"({"model_type": "openai_gpt", "base_url": "https://api.openai.com/v1"})");
  ASSERT_TRUE(usual);
  EXPECT_TRUE(check_known_provider(loaded(), *usual, "mine"));
}

TEST_F(stored_models, ConfiguredModelsGoFirst) {
  file("local.yaml", "models: {ours: {model_type: openai_gpt}}\n");
  const auto values = loaded();
  EXPECT_TRUE(is_shadowed(values, "ours"));
  EXPECT_TRUE(is_shadowed(values, "sim-strong"));
  EXPECT_FALSE(is_shadowed(values, "gpt-4o")) << "a stored one goes before the catalogue";
}

TEST_F(stored_models, FallbacksLeadToConfiguredModels) {
  const auto made =
      with("mine", R"({"model_type": "openai_gpt", "model": "gpt-4o", "fallbacks": ["sim-strong"]})");
  ASSERT_TRUE(made) << to_string(made.error());
  const auto* model = find_model(*made, model_id{"mine"});
  ASSERT_EQ(model->route.models.size(), 2U);
  EXPECT_EQ(model->route.models[1].model.value, "sim-strong");
}

} // namespace
} // namespace assay::config
