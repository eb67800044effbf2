#include "core/values/model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay {
namespace {

using nlohmann::json;
using testing::ElementsAre;

model_profile haiku() {
  model_profile model;
  model.id = model_id{"claude-3-haiku"};
  model.name = "Claude 3 Haiku";
  model.provider = provider_id{"anthropic"};
  model.version = "20240307";
  model.capabilities = {"chat", "vision", "tools", "streaming"};
  model.supported_tasks = {"single_turn_scenarios", "multi_turn_scenarios"};
  model.limits = {.requests_per_minute = 60, .tokens_per_minute = 100000};
  model.prices = token_prices{0.25, 1.25, 0.03};
  return model;
}

TEST(model_json, HasTheDocumentedKeys) {
  const json out = haiku();
  EXPECT_EQ(out["model_id"], "claude-3-haiku");
  EXPECT_EQ(out["name"], "Claude 3 Haiku");
  EXPECT_EQ(out["provider"], "anthropic");
  EXPECT_EQ(out["version"], "20240307");
  EXPECT_EQ(out["capabilities"],
            json({"text_generation", "code_completion", "text", "vision", "function_calling"}));
  EXPECT_EQ(out["supported_tasks"], json({"single_turn_scenarios", "multi_turn_scenarios"}));
  EXPECT_EQ(out["rate_limits"], json({{"requests_per_minute", 60}, {"tokens_per_minute", 100000}}));
  EXPECT_DOUBLE_EQ(out["cost_per_token"].get<double>(), 0.25e-6);
  EXPECT_EQ(out["simulated"], false);
}

TEST(model_json, ShowsPricesAsTheShortestDecimals) {
  auto model = haiku();
  for (const auto& [per_mtok, shown] :
       {std::pair{0.1, "1e-07"}, {0.05, "5e-08"}, {2.5, "2.5e-06"}, {0.28, "2.8e-07"}}) {
    model.prices = token_prices{per_mtok, per_mtok, {}};
    EXPECT_EQ(json(model)["cost_per_token"].dump(), shown);
  }
}

TEST(model_json, SaysNullForWhatIsUnknown) {
  auto model = haiku();
  model.prices.reset();
  model.limits = {.concurrent_requests = 5};
  const json out = model;
  EXPECT_TRUE(out["cost_per_token"].is_null());
  EXPECT_TRUE(out["context_window"].is_null());
  EXPECT_TRUE(out["rate_limits"]["requests_per_minute"].is_null());
  EXPECT_EQ(out["rate_limits"]["concurrent_requests"], 5);
}

TEST(capabilities, KeepsTheWordsOfTheApiAndOfTheOperator) {
  EXPECT_THAT(documented_capabilities({"text_generation", "thinking", "reasoning", "own_word"}),
              ElementsAre("text_generation", "thinking", "own_word"));
  EXPECT_THAT(documented_capabilities({"embedding", "batch"}), ElementsAre("embeddings"));
}

TEST(price_of, IsUnknownWithoutPrices) { EXPECT_FALSE(price_of({.prompt_tokens = 10}, std::nullopt)); }

TEST(price_of, TakesCachedTokensAtTheirOwnPrice) {
  const token_usage usage{
      .prompt_tokens = 1000, .completion_tokens = 100, .cached_tokens = 400, .reasoning_tokens = 50};
  EXPECT_EQ(price_of(usage, token_prices{0.25, 1.25, 0.03})->nanodollars, 600 * 250 + 400 * 30 + 100 * 1250);
  EXPECT_EQ(price_of(usage, token_prices{0.25, 1.25, {}})->nanodollars, 1000 * 250 + 100 * 1250);
}

TEST(price_of, NeverCountsMoreCachedTokensThanThereWerePromptTokens) {
  const token_usage usage{
      .prompt_tokens = 10, .completion_tokens = 0, .cached_tokens = 50, .reasoning_tokens = 0};
  EXPECT_EQ(price_of(usage, token_prices{1.0, 1.0, 0.5})->nanodollars, 10 * 500);
}

TEST(sampling, OverlaysOnlyWhatIsSet) {
  sampling base;
  base.temperature = 0.7;
  base.top_p = 0.9;
  base.max_tokens = 100;
  base.stop = {"a"};
  sampling over;
  over.temperature = 0.0;
  over.seed = 7;
  const auto both = overlay(base, over);
  EXPECT_EQ(both.temperature, 0.0);
  EXPECT_EQ(both.top_p, 0.9);
  EXPECT_EQ(both.max_tokens, 100U);
  EXPECT_EQ(both.seed, 7);
  EXPECT_THAT(both.stop, ElementsAre("a"));
  over.stop = {"b", "c"};
  EXPECT_THAT(overlay(base, over).stop, ElementsAre("b", "c"));
}

TEST(sampling, ReadsWhatItWrites) {
  const sampling value{0.7, 0.9, -1.5, 2.0, 4'000'000'000U, -3, {"\n\n", "```"}};
  EXPECT_EQ(json::parse(json(value).dump()).get<sampling>(), value);
  EXPECT_EQ(json(sampling{}).dump(), "{}");
}

TEST(sampling, TreatsNullAsUnsetAndRefusesWrongTypes) {
  EXPECT_EQ(json::parse(R"({"temperature":null,"unknown":1})").get<sampling>(), sampling{});
  EXPECT_THROW((void)json::parse(R"({"temperature":"hot"})").get<sampling>(), json::exception);
  EXPECT_THROW((void)json::parse(R"({"max_tokens":-1})").get<sampling>(), json::exception);
  EXPECT_THROW((void)json::parse(R"({"max_tokens":4294967296})").get<sampling>(), json::exception);
  EXPECT_THROW((void)json::parse(R"({"max_tokens":1.5})").get<sampling>(), json::exception);
}

TEST(wire_protocol, HasNamesThatLeadBack) {
  for (const auto value : {wire_protocol::openai_chat, wire_protocol::anthropic, wire_protocol::gemini,
                           wire_protocol::azure_openai})
    EXPECT_EQ(wire_protocol_from_string(to_string(value)), value);
  EXPECT_FALSE(wire_protocol_from_string("soap"));
}

TEST(secret, ShowsStarsOnly) {
  EXPECT_EQ(to_string(secret{"sk-123"}), "***");
  EXPECT_EQ(to_string(secret{}), "(not set)");
}

} // namespace
} // namespace assay
