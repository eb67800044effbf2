#include "core/codecs/catalogue.hpp"

#include <gtest/gtest.h>

#include <set>

namespace assay::codecs {
namespace {

const catalogue_entry& shipped(std::string_view name) {
  static const catalogue_entry none;
  const auto* entry = shipped_catalogue().find(name);
  EXPECT_NE(entry, nullptr) << name;
  return entry == nullptr ? none : *entry;
}

TEST(catalogue, KnowsTheModelsOfTheDocumentsUnderTheNamesUsedThere) {
  EXPECT_EQ(shipped("claude-3-haiku").id, "claude-3-haiku-20240307");
  EXPECT_EQ(shipped("claude-3-haiku").name, "Claude 3 Haiku");
  EXPECT_EQ(shipped("claude-3-haiku").version, "20240307");
  EXPECT_EQ(shipped("claude-3-5-sonnet").id, "claude-3-5-sonnet-20241022");
  EXPECT_EQ(shipped("gpt-3.5-turbo").provider.value, "openai");
  EXPECT_EQ(shipped("deepseek-coder").provider.value, "deepseek");
  EXPECT_EQ(shipped("gemini-2.5-flash").provider.value, "gemini");
}

TEST(catalogue, HasThePricesPerMillionTokens) {
  EXPECT_EQ(shipped("claude-3-haiku").prices, (token_prices{0.25, 1.25, {}}));
  EXPECT_EQ(shipped("gpt-4o").prices, (token_prices{2.5, 10, {}}));
  EXPECT_EQ(shipped("gpt-4o-mini").prices, (token_prices{0.15, 0.6, {}}));
  EXPECT_FALSE(shipped("qwen2.5-3b-instruct").prices) << "unknown is not zero";
}

TEST(catalogue, HasNoPriceOfOneProviderForAnother) {
  const auto at = [](std::string_view provider, std::string_view model) {
    return prices_at(shipped_catalogue(), provider, model);
  };
  const token_prices gpt{2.5, 10, {}};
  for (const auto* provider : {"openai", "azure_openai", "user_azure", "mock"})
    EXPECT_EQ(at(provider, "gpt-4o"), gpt) << provider;
  EXPECT_EQ(at("openai", "gpt-4o-2024-08-06"), gpt);
  EXPECT_EQ(at("openrouter", "openai/gpt-4o"), gpt);
  EXPECT_TRUE(at("openrouter", "google/gemini-2.5-pro"));
  EXPECT_TRUE(at("deepseek", "deepseek-chat"));
  for (const auto* provider : {"hosted", "ideallab", "anthropic", "openrouter", "somebody", ""})
    EXPECT_FALSE(at(provider, "gpt-4o")) << provider;
  EXPECT_FALSE(at("openrouter", "deepseek/deepseek-chat")) << "many serve it there, at other prices";
  EXPECT_FALSE(at("openrouter", "somebody/gpt-4o"));
  EXPECT_FALSE(at("azure_openai", "deepseek-chat"));
  EXPECT_FALSE(at("gemini", "tunedModels/gemini-2.5-pro"));
}

TEST(catalogue, FindsTheNamesThatProvidersServe) {
  for (const auto* name : {"gpt-4o-2024-08-06", "openai/gpt-4o", "gpt-4o-latest", "openai/gpt-4o-2024-11-20"})
    EXPECT_EQ(shipped(name).id, "gpt-4o") << name;
  EXPECT_EQ(shipped("gpt-3.5-turbo-0125").id, "gpt-3.5-turbo");
  EXPECT_EQ(shipped("models/gemini-2.5-pro").id, "gemini-2.5-pro");
  EXPECT_EQ(shipped("gpt-4o-mini-2024-07-18").id, "gpt-4o-mini") << "not gpt-4o";
}

TEST(catalogue, DoesNotGuess) {
  for (const auto* name :
       {"", "gpt", "gpt-4o-audio", "claude", "gpt-4o-", "20240307", "gpt-4o-2024-08", "-0125"})
    EXPECT_EQ(shipped_catalogue().find(name), nullptr) << name;
}

TEST(catalogue, KeepsRetiredModelsAndSaysSo) {
  for (const auto* name : {"claude-3-sonnet-20240229", "gemini-1.5-flash-001", "gemini-1.5-pro-001",
                           "gemini-1.0-pro", "gemini-1.0-pro-vision", "deepseek-embeddings"})
    EXPECT_TRUE(shipped(name).deprecated) << name;
  EXPECT_FALSE(shipped("gpt-4o").deprecated);
}

TEST(catalogue, PricesModelsThatMakeVectorsByTheirInputAlone) {
  for (const auto& [name, price] :
       {std::pair{"text-embedding-3-small", 0.02}, std::pair{"text-embedding-3-large", 0.13},
        std::pair{"text-embedding-ada-002", 0.10}, std::pair{"gemini-embedding-001", 0.15}}) {
    const auto& entry = shipped(name);
    EXPECT_FALSE(entry.answers_with_text()) << name;
    ASSERT_TRUE(entry.prices) << name;
    EXPECT_DOUBLE_EQ(entry.prices->input_per_mtok, price) << name;
    EXPECT_DOUBLE_EQ(entry.prices->output_per_mtok, 0) << name;
    EXPECT_GT(entry.context_window, 0U) << name;
  }
  EXPECT_TRUE(shipped("gpt-4o").answers_with_text());
}

TEST(catalogue, UsesOnlyTheDocumentsWordsForCapabilities) {
  const std::set<std::string> words{"text_generation", "code_completion",  "text",
                                    "vision",          "function_calling", "code",
                                    "thinking",        "embeddings"};
  for (const auto& entry : shipped_catalogue().entries()) {
    EXPECT_FALSE(entry.capabilities.empty()) << entry.id;
    for (const auto& word : entry.capabilities)
      EXPECT_TRUE(words.contains(word)) << entry.id << ": " << word;
    EXPECT_EQ(entry.as_of.size(), 10U) << entry.id;
  }
}

TEST(catalogue, NamesTheRowThatIsWrong) {
  EXPECT_FALSE(catalogue::parse("not JSON"));
  EXPECT_FALSE(catalogue::parse("{}"));
  const auto missing = catalogue::parse(R"({"models":[{"id":"a","provider":"p"},{"id":"b"}]})");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().where, "models[1]");
  const auto twice = catalogue::parse(R"({"models":[{"id":"a","provider":"p"},{"id":"b","provider":"p",
    "aliases":["a"]}]})");
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("taken"), std::string::npos);
}

TEST(catalogue, ReadsCachedPricesWhenGiven) {
  const auto loaded = catalogue::parse(R"({"models":[{"id":"a","provider":"p","input_per_mtok":1,
    "output_per_mtok":2,"cached_input_per_mtok":0.1}]})");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->find("a")->prices->cached_input_per_mtok, 0.1);
}

} // namespace
} // namespace assay::codecs
