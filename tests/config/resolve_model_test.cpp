#include "tests/config/support.hpp"

namespace assay::config {
namespace {

class resolving : public test::config_test {
protected:
  resolving() {
    request.environment = {{"OPENAI_API_KEY", "sk"}, {"ANTHROPIC_API_KEY", "ak"}};
    file("local.yaml", "models:\n  claude-3-haiku:\n    model_type: anthropic_claude\n    temperature: 0.7\n"
                       "    rate_limits: {requests_per_minute: 60}\n");
    values = loaded();
  }

  resolved_model found(std::string_view model, std::string_view arguments = {}) {
    auto result = resolve_model(values, model, arguments);
    if (!result) {
      ADD_FAILURE() << to_string(result.error());
      return {};
    }
    return *result;
  }

  fault missed(std::string_view model, std::string_view arguments = {}) {
    auto result = resolve_model(values, model, arguments);
    if (result) {
      ADD_FAILURE() << "found " << result->model.id.value;
      return {};
    }
    return result.error();
  }

  settings values;
};

TEST_F(resolving, FindsConfiguredSimulatedAndCatalogueModels) {
  EXPECT_EQ(found("claude-3-haiku").model.limits.requests_per_minute, 60U);
  EXPECT_TRUE(found("sim-weak").model.simulated);
  const auto gpt = found("gpt-4o");
  EXPECT_EQ(gpt.model.provider.value, "openai");
  EXPECT_EQ(gpt.provider.key.reveal(), "sk");
  EXPECT_EQ(gpt.model.prices, (token_prices{2.5, 10, {}}));
  EXPECT_FALSE(gpt.custom_endpoint);
}

TEST_F(resolving, TheWordsOfThePlanNameProviders) {
  EXPECT_EQ(found("openai-completions", "model=gpt-3.5-turbo").model.wire_model, "gpt-3.5-turbo");
  EXPECT_EQ(found("openai-chat-completions", "model=gpt-4o").provider.id.value, "openai");
  EXPECT_EQ(found("deepseek", "model=deepseek-coder").provider.id.value, "deepseek");
  EXPECT_EQ(found("claude-local", "model=claude-3-5-sonnet-20241022").model.id.value,
            "claude-3-5-sonnet-20241022");
  EXPECT_EQ(found("anthropic", "model=claude-3-5-sonnet").model.wire_model, "claude-3-5-sonnet-20241022");
}

TEST_F(resolving, AConfiguredModelKeepsItsLimitsHoweverItIsNamed) {
  for (const auto* arguments : {"model=claude-3-haiku-20240307", "model=claude-3-haiku"}) {
    const auto haiku = found("claude-local", arguments);
    EXPECT_EQ(haiku.model.id.value, "claude-3-haiku") << arguments;
    EXPECT_EQ(haiku.model.limits.requests_per_minute, 60U) << arguments;
  }
  EXPECT_EQ(found("claude-3-haiku-20240307").model.id.value, "claude-3-haiku");
  EXPECT_EQ(found("anthropic/claude-3-haiku").model.id.value, "claude-3-haiku");
}

TEST_F(resolving, ArgumentsChangeTheModel) {
  const auto haiku =
      found("claude-3-haiku", "max_retries=3, num_concurrent=7,temperature=0.1,max_tokens=5,timeout=2.5");
  EXPECT_EQ(haiku.model.max_retries, 3U);
  EXPECT_EQ(haiku.model.limits.concurrent_requests, 7U);
  EXPECT_EQ(haiku.model.defaults.temperature, 0.1);
  EXPECT_EQ(haiku.model.defaults.max_tokens, 5U);
  EXPECT_EQ(haiku.model.call_timeout, milliseconds{2500});
}

TEST_F(resolving, AnotherAddressGetsNoKeyAndIsMarked) {
  const auto local =
      found("openai-chat-completions", "model=llama,base_url=http://127.0.0.1:9/v1/chat/completions");
  EXPECT_TRUE(local.custom_endpoint);
  EXPECT_EQ(local.provider.base_url, "http://127.0.0.1:9/v1");
  EXPECT_TRUE(local.provider.key.empty());
  EXPECT_FALSE(local.provider.key_required);
  EXPECT_EQ(local.model.provider, local.provider.id);
  EXPECT_FALSE(local.model.prices);
  EXPECT_EQ(find_provider(values, local.provider.id), nullptr) << "the settings stay as they were";
  const auto same = found("openai", "model=gpt-4o,base_url=https://api.openai.com/v1");
  EXPECT_FALSE(same.custom_endpoint);
  EXPECT_EQ(same.provider.id.value, "openai");
}

TEST_F(resolving, AnyModelOfAProviderIsReachedByItsPrefix) {
  const auto llama = found("openrouter/meta-llama/llama-3-8b");
  EXPECT_EQ(llama.provider.id.value, "openrouter");
  EXPECT_EQ(llama.model.wire_model, "meta-llama/llama-3-8b");
  EXPECT_EQ(found("gemini/tunedModels/own").model.wire_model, "tunedModels/own");
  EXPECT_EQ(found("google/publishers/google/models/x").model.wire_model, "publishers/google/models/x");
}

TEST_F(resolving, PricesAreThoseOfTheProviderThatIsAsked) {
  const token_prices gpt{2.5, 10, {}};
  EXPECT_EQ(found("openrouter/openai/gpt-4o").model.prices, gpt);
  EXPECT_EQ(found("azure/gpt-4o").model.prices, gpt);
  for (const auto* name : {"hosted/gpt-4o", "ideallab/gpt-4o", "openrouter/meta/gpt-4o"}) {
    const auto other = found(name).model;
    EXPECT_FALSE(other.prices) << name;
    EXPECT_GT(other.context_window, 0U) << "what it can take goes with the model";
  }
}

TEST_F(resolving, SimulatedModelsOfAnyAccuracyNeedNoProvidersName) {
  for (const auto* name : {"sim-p0", "sim-p07", "sim-p70", "sim-p100"}) {
    const auto plain = found(name);
    EXPECT_EQ(plain.provider.id.value, "mock") << name;
    EXPECT_EQ(plain.model.id.value, name);
    EXPECT_EQ(plain.model.wire_model, name);
    EXPECT_TRUE(plain.model.simulated) << name;
    EXPECT_TRUE(plain.model.prices) << name;
    for (const auto& longer :
         {found("mock/" + std::string(name)), found("mock", "model=" + std::string(name))}) {
      EXPECT_EQ(longer.model.id, plain.model.id) << "the same model by a longer name";
      EXPECT_EQ(longer.model.prices, plain.model.prices);
    }
  }
  EXPECT_EQ(found("sim-p70", "temperature=0.5").model.defaults.temperature, 0.5);
  for (const auto* name : {"sim-p", "sim-p101", "sim-p5x", "sim-p-5", "sim-p+5", "sim-p 5", "SIM-P70"})
    EXPECT_EQ(missed(name).code, errc::not_found) << name;
  EXPECT_EQ(missed("sim-p70", "model=gpt-4o").code, errc::not_found);
}

TEST_F(resolving, AConfiguredModelGoesBeforeASimulatedOneOfItsName) {
  file("local.yaml", "models:\n  sim-p70:\n    model_type: openai_gpt\n    model: gpt-4o\n");
  values = loaded();
  EXPECT_EQ(found("sim-p70").model.provider.value, "openai");
}

TEST_F(resolving, WhatIsUnknownComesWithNearNames) {
  const auto wrong = missed("claude-3-hiku");
  EXPECT_EQ(wrong.code, errc::not_found);
  EXPECT_TRUE(has(wrong.hint, "`claude-3-haiku`"));
  EXPECT_TRUE(has(missed("gpt4o").hint, "`gpt-4o`"));
  EXPECT_EQ(missed("zzzzzz").code, errc::not_found);
  EXPECT_EQ(missed("").code, errc::not_found);
  EXPECT_TRUE(has(missed("claude-locl", "model=x").hint, "claude_local"));
}

TEST_F(resolving, ArgumentsThatMakeNoSenseAreErrors) {
  EXPECT_TRUE(has(missed("anthropic").hint, "model=NAME"));
  EXPECT_TRUE(has(missed("gpt-4o", "max_retires=3").hint, "`max_retries`"));
  EXPECT_EQ(missed("gpt-4o", "max_retries=x").where, "model_args.max_retries");
  EXPECT_EQ(missed("gpt-4o", "num_concurrent=0").where, "model_args.num_concurrent");
  EXPECT_EQ(missed("gpt-4o", "temperature=nan").where, "model_args.temperature");
  EXPECT_EQ(missed("gpt-4o", "nonsense").where, "model_args");
  EXPECT_EQ(missed("gpt-4o", "nonsense=1").where, "model_args.nonsense");
  EXPECT_EQ(missed("openai", "model=x,base_url=file:///etc/passwd").where, "model_args.base_url");
  EXPECT_TRUE(has(missed("claude-3-haiku", "model=gpt-4o").message, "configured as"));
}

} // namespace
} // namespace assay::config
