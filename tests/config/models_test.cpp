#include "tests/config/support.hpp"

#include <algorithm>

namespace assay::config {
namespace {

class models : public test::config_test {
protected:
  model_profile model(const settings& values, const std::string& id) {
    const auto* found = find_model(values, model_id(id));
    if (found == nullptr) {
      ADD_FAILURE() << "no model " << id;
      return {};
    }
    return *found;
  }
  provider_profile provider(const settings& values, const provider_id& id) {
    const auto* found = find_provider(values, id);
    if (found == nullptr) {
      ADD_FAILURE() << "no provider " << id.value;
      return {};
    }
    return *found;
  }
};

TEST_F(models, TheCatalogueFillsInWhatIsNotSaid) {
  file("local.yaml", "models: {claude-3-haiku: {model_type: anthropic_claude}}\n");
  const auto haiku = model(loaded(), "claude-3-haiku");
  EXPECT_EQ(haiku.wire_model, "claude-3-haiku-20240307");
  EXPECT_EQ(haiku.name, "Claude 3 Haiku");
  EXPECT_EQ(haiku.provider.value, "anthropic");
  EXPECT_EQ(haiku.prices, (token_prices{0.25, 1.25, {}}));
  EXPECT_EQ(haiku.context_window, 200000U);
}

TEST_F(models, WhatIsSaidWins) {
  file("local.yaml",
       "models:\n  gpt-4o:\n    name: Mine\n    prices: {input_per_mtok: 5}\n    timeout: 30.0\n"
       "    max_retries: 2\n    num_concurrent: 4\n    workers: 6\n    qps: 3\n    context_window: 10\n"
       "    cost_management: {max_cost_per_request: 0.5, daily_budget: 50, monthly_budget: 500}\n"
       "    performance_targets: {target_response_time: 5.0, target_success_rate: 0.95}\n");
  const auto gpt = model(loaded(), "gpt-4o");
  EXPECT_EQ(gpt.provider.value, "openai") << "from the catalogue";
  EXPECT_EQ(gpt.name, "Mine");
  EXPECT_EQ(gpt.prices, (token_prices{5, 10, {}}));
  EXPECT_EQ(gpt.call_timeout, seconds{30});
  EXPECT_EQ(gpt.max_retries, 2U);
  EXPECT_EQ(gpt.limits.concurrent_requests, 6U);
  EXPECT_EQ(gpt.limits.requests_per_second, 3U);
  EXPECT_EQ(gpt.context_window, 10U);
  EXPECT_EQ(gpt.max_cost_per_request, from_dollars(0.5));
  EXPECT_EQ(gpt.daily_budget, from_dollars(50));
  EXPECT_EQ(gpt.monthly_budget, from_dollars(500));
  EXPECT_EQ(gpt.target_response_time, seconds{5});
  EXPECT_EQ(gpt.target_success_rate, 0.95);
}

TEST_F(models, BudgetsOfAModelNeedItsPrices) {
  const auto warns = [](const settings& values) {
    return std::any_of(values.warnings.begin(), values.warnings.end(), [](const std::string& one) {
      return one.find("mine: cost_management needs prices") != std::string::npos;
    });
  };
  file("local.yaml", "models: {mine: {provider: openai, cost_management: {daily_budget: 5}}}\n");
  EXPECT_TRUE(warns(loaded()));
  file("local.yaml", "models: {mine: {provider: openai, cost_management: {daily_budget: 5}, "
                     "prices: {input_per_mtok: 1, output_per_mtok: 2}}}\n");
  EXPECT_FALSE(warns(loaded()));
}

TEST_F(models, AModelMayHaveAFixedNumberOfCallsInFlight) {
  file("local.yaml", "farm: {in_flight: fixed}\n"
                     "models:\n  gpt-4o: {in_flight: adaptive}\n"
                     "  claude-3-haiku: {in_flight: fixed, workers: 7}\n  gpt-4o-mini: {}\n");
  const auto values = loaded();
  EXPECT_EQ(values.farm.in_flight, in_flight_rule::fixed);
  EXPECT_EQ(model(values, "gpt-4o").in_flight, in_flight_rule::adaptive);
  EXPECT_EQ(model(values, "claude-3-haiku").in_flight, in_flight_rule::fixed);
  EXPECT_EQ(model(values, "claude-3-haiku").limits.concurrent_requests, 7U);
  EXPECT_FALSE(model(values, "gpt-4o-mini").in_flight.has_value()) << "as the farm says";
  EXPECT_EQ(settings{}.farm.in_flight, in_flight_rule::adaptive);
}

TEST_F(models, LessThanOneRequestASecondBecomesALimitPerMinute) {
  file("local.yaml", "models: {gpt-4o: {qps: 0.5}}\n");
  EXPECT_EQ(model(loaded(), "gpt-4o").limits.requests_per_minute, 30U);
}

TEST_F(models, AModelNobodyKnowsHasNoPriceAndAWarning) {
  file("local.yaml", "models: {mine: {model_type: openai_gpt, model: ft-x}}\n");
  const auto values = loaded();
  EXPECT_FALSE(model(values, "mine").prices);
  EXPECT_EQ(model(values, "mine").wire_model, "ft-x");
  EXPECT_TRUE(warns(values, "model mine: no price is known"));
}

TEST_F(models, PricesPerTokenAreConvertedAndDoubtedWhenHuge) {
  file("local.yaml", "models: {mine: {model_type: deepseek, cost_per_token: 0.000001}}\n");
  auto values = loaded();
  EXPECT_DOUBLE_EQ(model(values, "mine").prices->input_per_mtok, 1);
  file("local.yaml", "models: {mine: {model_type: deepseek, cost_per_token: 1e-7}}\n");
  EXPECT_EQ(model(loaded(), "mine").prices->input_per_mtok, 0.1) << "and not 0.09999999999999999";
  EXPECT_FALSE(warns(values, "per 1,000"));
  file("local.yaml", "models: {mine: {model_type: deepseek, cost_per_token: 0.00025}}\n");
  values = loaded();
  EXPECT_DOUBLE_EQ(model(values, "mine").prices->input_per_mtok, 250);
  EXPECT_TRUE(warns(values, "per 1,000 tokens"));
}

TEST_F(models, EveryWordForAProviderIsUnderstood) {
  const std::vector<std::pair<std::string, std::string>> words{{"anthropic_claude", "anthropic"},
                                                               {"openai_gpt", "openai"},
                                                               {"deepseek", "deepseek"},
                                                               {"google_gemini", "gemini"},
                                                               {"google", "gemini"},
                                                               {"qwen", "dashscope"},
                                                               {"azure_openai", "azure_openai"},
                                                               {"openai_compatible", "hosted"},
                                                               {"local", "hosted"},
                                                               {"mock", "mock"},
                                                               {"OpenAI-GPT", "openai"}};
  for (const auto& [word, expected] : words) {
    file("local.yaml", "models: {m: {model_type: " + word + "}}\n");
    EXPECT_EQ(model(loaded(), "m").provider.value, expected) << word;
  }
}

TEST_F(models, AnUnknownOrContradictoryProviderIsAnError) {
  auto wrong = refused("models:\n  m:\n    model_type: antropic\n");
  EXPECT_EQ(wrong.where, "config/local.yaml:3 models.m.model_type");
  EXPECT_TRUE(has(wrong.hint, "anthropic"));
  wrong = refused("models: {m: {model_type: deepseek, provider: openai}}\n");
  EXPECT_TRUE(has(wrong.message, "contradict"));
  wrong = refused("models: {nobody-knows: {temperature: 1}}\n");
  EXPECT_TRUE(has(wrong.message, "nothing says which provider"));
  wrong = refused("models: {m: {model_type: deepseek, base_url: 'ftp://x'}}\n");
  EXPECT_TRUE(has(wrong.where, "models.m.base_url"));
  wrong = refused("models: {m: {model_type: deepseek, protocol: smoke}}\n");
  EXPECT_TRUE(has(wrong.hint, "openai_chat"));
}

TEST_F(models, AnOtherAddressIsAnotherProviderAndGetsNoKeyOfTheFirst) {
  request.environment = {{"OPENAI_API_KEY", "sk-openai"}};
  file("local.yaml",
       "models:\n  a: {model_type: openai_gpt, model: x, base_url: 'http://10.0.0.9:8000/v1/'}\n"
       "  b: {model_type: openai_gpt, model: y, base_url: 'http://10.0.0.9:8000/v1/chat/completions'}\n"
       "  c: {model_type: openai_gpt, model: z, base_url: 'http://10.0.0.9:8000/v1', api_key: own}\n");
  const auto values = loaded();
  const auto a = provider(values, model(values, "a").provider);
  EXPECT_EQ(a.id.value, "openai@10.0.0.9:8000");
  EXPECT_EQ(a.base_url, "http://10.0.0.9:8000/v1");
  EXPECT_EQ(model(values, "b").provider, a.id) << "one address, one provider";
  EXPECT_EQ(a.key.reveal(), "own") << "the first own key at that address";
  EXPECT_FALSE(a.key_required);
  EXPECT_TRUE(warns(values, "whose key is not sent there"));
  EXPECT_EQ(provider(values, provider_id("openai")).key.reveal(), "sk-openai");
}

TEST_F(models, AnotherKeyAtTheSameAddressIsAnotherProvider) {
  file("local.yaml",
       "models:\n  a: {model_type: deepseek, api_key: k1}\n  b: {model_type: deepseek, api_key: k2}\n"
       "  c: {model_type: deepseek, api_key: k1}\n  d: {model_type: deepseek, api_key: k3}\n");
  const auto values = loaded();
  EXPECT_EQ(model(values, "a").provider.value, "deepseek");
  EXPECT_EQ(model(values, "b").provider.value, "deepseek@api.deepseek.com");
  EXPECT_EQ(model(values, "c").provider.value, "deepseek");
  EXPECT_EQ(model(values, "d").provider.value, "deepseek@api.deepseek.com#2");
  EXPECT_EQ(provider(values, model(values, "d").provider).key.reveal(), "k3");
}

TEST_F(models, TwoProvidersAtOneAddressKeepTheirKeys) {
  file("local.yaml", "providers:\n  k1: {base_url: 'http://h/v1', api_key: one}\n"
                     "  k2: {base_url: 'http://h/v1', api_key: two}\nmodels: {m: {provider: k2}}\n");
  const auto values = loaded();
  EXPECT_EQ(model(values, "m").provider.value, "k2");
}

TEST_F(models, TheApiManagersFormLoads) {
  request.environment = {{"OPENROUTER_API_KEY", "or"}, {"GEMINI_API_KEY", "g"}};
  file("local.json", R"({"models": {"gemini-2.5-flash": {"name": "Gemini 2.5 Flash", "provider": "google",
    "endpoint": "https://openrouter.ai/api/v1/chat/completions", "supported_tasks": ["grading", "analysis"],
    "max_tokens": 8192, "cost_per_token": 0.000001}},
    "monitoring": {"response_time_threshold": 30.0, "error_rate_threshold": 0.1, "cost_threshold_per_hour": 10.0}})");
  const auto values = loaded();
  const auto flash = model(values, "gemini-2.5-flash");
  const auto served = provider(values, flash.provider);
  EXPECT_EQ(served.base_url, "https://openrouter.ai/api/v1");
  EXPECT_EQ(served.protocol, wire_protocol::openai_chat);
  EXPECT_EQ(served.key.reveal(), "or") << "the key of that address, not Google's";
  EXPECT_EQ(flash.defaults.max_tokens, 8192U);
  EXPECT_EQ(flash.supported_tasks, (std::vector<std::string>{"grading", "analysis"}));
  EXPECT_EQ(values.monitoring.response_time_threshold, seconds{30});
  EXPECT_EQ(values.monitoring.cost_threshold_per_hour, from_dollars(10));
}

TEST_F(models, ThePathOfAnEndpointTellsTheProtocol) {
  file("local.yaml", "models: {m: {provider: openai, endpoint: 'https://proxy.example/v1/messages'}}\n");
  const auto values = loaded();
  const auto served = provider(values, model(values, "m").provider);
  EXPECT_EQ(served.protocol, wire_protocol::anthropic);
  EXPECT_EQ(served.base_url, "https://proxy.example/v1");
  EXPECT_TRUE(check_usable(served));
}

TEST_F(models, AreAskedInTheirProvidersOwnProtocolUnlessToldOtherwise) {
  request.environment = {{"ANTHROPIC_API_KEY", "a"}, {"GEMINI_API_KEY", "g"}};
  file("local.yaml",
       "models:\n"
       "  own: {model_type: anthropic_claude}\n"
       "  told: {model_type: anthropic_claude, protocol: openai_chat}\n"
       "  moved: {model_type: anthropic_claude, base_url: 'http://gateway/v1'}\n"
       "  routed: {model_type: anthropic_claude, base_url: 'http://gateway/v1/chat/completions'}\n"
       "  flash: {model_type: google_gemini}\n"
       "  flash-compatible: {provider: google, model_type: openai_compatible}\n"
       "  flash-elsewhere: {provider: google, base_url: 'https://openrouter.ai/api/v1'}\n");
  const auto values = loaded();
  const auto served = [&](const char* id) { return provider(values, model(values, id).provider); };
  EXPECT_EQ(served("own").protocol, wire_protocol::anthropic);
  EXPECT_EQ(served("own").id.value, "anthropic");
  EXPECT_EQ(served("told").protocol, wire_protocol::openai_chat);
  EXPECT_EQ(served("told").base_url, "https://api.anthropic.com/v1");
  EXPECT_EQ(served("told").key.reveal(), "a") << "the address is the same";
  EXPECT_EQ(served("moved").protocol, wire_protocol::anthropic);
  EXPECT_EQ(served("routed").protocol, wire_protocol::openai_chat);
  EXPECT_EQ(served("flash").protocol, wire_protocol::gemini);
  EXPECT_EQ(served("flash").base_url, "https://generativelanguage.googleapis.com/v1beta");
  EXPECT_EQ(served("flash-compatible").protocol, wire_protocol::openai_chat);
  EXPECT_EQ(served("flash-compatible").base_url, "https://generativelanguage.googleapis.com/v1beta/openai");
  EXPECT_EQ(served("flash-elsewhere").protocol, wire_protocol::openai_chat);
}

TEST_F(models, SimulatedModelsAreAlwaysThere) {
  request.environment["ASSAY_MOCK_URL"] = "http://127.0.0.1:4567";
  const auto values = loaded();
  for (const auto* id : {"sim-strong", "sim-weak", "sim-flaky", "sim-fast"}) {
    const auto one = model(values, id);
    EXPECT_TRUE(one.simulated);
    EXPECT_TRUE(one.prices);
    EXPECT_EQ(one.provider.value, "mock");
  }
  EXPECT_EQ(provider(values, provider_id("mock")).base_url, "http://127.0.0.1:4567/v1");
  EXPECT_TRUE(check_usable(provider(values, provider_id("mock"))));
}

TEST_F(models, AvailableModelsNeedAKey) {
  const auto count = [&](std::string_view id) {
    size_t found = 0;
    for (const auto& one : available_models(loaded()))
      found += one.id.value == id ? 1 : 0;
    return found;
  };
  EXPECT_EQ(count("gpt-4o"), 0U);
  request.environment["OPENAI_API_KEY"] = "k";
  EXPECT_EQ(count("gpt-4o"), 1U);
  EXPECT_EQ(count("text-embedding-3-small"), 0U);
  EXPECT_EQ(count("sim-strong"), 1U);
  request.environment["DEEPSEEK_API_KEY"] = "k";
  EXPECT_EQ(count("deepseek-coder"), 0U) << "retired";
  file("local.yaml", "models: {mine: {model_type: openai_gpt, model: gpt-4o}}\n");
  EXPECT_EQ(count("gpt-4o"), 0U) << "configured under another name";
  EXPECT_EQ(count("mine"), 1U);
}

} // namespace
} // namespace assay::config
