#include "core/codecs/token_estimate.hpp"

#include <gtest/gtest.h>

namespace assay::codecs {
namespace {

using family = tokenizer_family;

const token_rates& of(family which) { return rates_of(which); }

std::string repeated(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i)
    out += text;
  return out;
}

TEST(text_profile, TellsCharactersApart) {
  const auto mixed = profile_of("Two words, 42!");
  EXPECT_EQ(mixed, (text_profile{8, 2, 0, 2, 0, 0})) << "single blanks belong to the words after them";
  EXPECT_EQ(profile_of("\u4f60\u597d\u3002"), (text_profile{0, 0, 3, 0, 0, 0}));
  EXPECT_EQ(profile_of("\u304b\u306a\uff01 \ud55c\uae00"), (text_profile{0, 0, 5, 0, 0, 0}));
  EXPECT_EQ(profile_of("\u00e4\u00f6\u00fc\u00df\u1ea1"), (text_profile{5, 0, 0, 0, 0, 0}));
  EXPECT_EQ(profile_of("\u043c\u0438\u0440"), (text_profile{0, 0, 0, 0, 0, 3}));
  EXPECT_EQ(profile_of("\u201ca\u201d \u2192"), (text_profile{1, 0, 0, 3, 0, 0}));
  EXPECT_EQ(profile_of("\U0001F600"), (text_profile{0, 0, 0, 0, 0, 4}));
  EXPECT_EQ(profile_of("a\n\n    b"), (text_profile{2, 0, 0, 0, 6, 0}));
}

TEST(text_profile, TakesBytesThatAreNoTextForMarks) {
  EXPECT_EQ(profile_of("\xFF\xFE"), (text_profile{0, 0, 0, 2, 0, 0}));
  EXPECT_EQ(profile_of("\xE4\xBD"), (text_profile{0, 0, 0, 2, 0, 0})) << "cut in the middle";
  EXPECT_EQ(profile_of("\xC3(a"), (text_profile{1, 0, 0, 2, 0, 0}));
  EXPECT_EQ(profile_of(""), text_profile{});
}

TEST(text_profile, OfAVeryLongTextIsThatOfItsSlices) {
  const auto chinese = repeated("\u4f60\u597d\u4e16\u754c", 100'000);
  EXPECT_NEAR(static_cast<double>(profile_of(chinese).ideographs), 400'000, 400);
  EXPECT_EQ(profile_of(chinese).marks, 0u) << "no slice begins inside a character";
  const auto english = repeated("word ", 100'000);
  EXPECT_NEAR(static_cast<double>(profile_of(english).letters), 400'000, 4'000);
}

TEST(token_estimate, OfEnglishIsWhatTheVendorsSay) {
  const std::string text =
      "The quick brown fox jumps over the lazy dog. It was a bright cold day in April, and the clocks were "
      "striking thirteen. Nobody had expected the harbour to freeze so early in the year.";
  const auto characters = static_cast<double>(text.size());
  EXPECT_NEAR(characters / estimate_tokens(text, of(family::openai)), 4.6, 0.5);
  EXPECT_NEAR(characters / estimate_tokens(text, of(family::anthropic)), 3.8, 0.4);
  EXPECT_NEAR(estimate_tokens(text, of(family::deepseek)) / characters, 0.25, 0.06);
  EXPECT_NEAR(characters / estimate_tokens(text, of(family::unknown)), 4.4, 0.5);
}

TEST(token_estimate, OfChineseIsByTheCharacter) {
  const auto text =
      repeated("\u4eca\u5929\u5929\u6c14\u5f88\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u3002", 10);
  constexpr double characters = 130;
  EXPECT_NEAR(estimate_tokens(text, of(family::deepseek)) / characters, 0.6, 0.02);
  EXPECT_NEAR(estimate_tokens(text, of(family::qwen)) / characters, 1 / 1.65, 0.05);
  EXPECT_GT(estimate_tokens(text, of(family::openai_old)), estimate_tokens(text, of(family::openai)))
      << "the newer tokenizer is better at it";
  EXPECT_GT(estimate_tokens(text, of(family::unknown)), text.size() / 4)
      << "four bytes a token would be too few";
}

TEST(token_estimate, CountsEachDigitWhereTheTokenizerDoes) {
  EXPECT_EQ(estimate_tokens("123456", of(family::qwen)), 6u);
  EXPECT_LE(estimate_tokens("123456", of(family::openai)), 3u);
}

TEST(token_estimate, OfNothingIsNothing) {
  EXPECT_EQ(estimate_tokens("", of(family::unknown)), 0u);
  EXPECT_EQ(estimate_tokens("a", of(family::unknown)), 1u);
}

TEST(token_estimate, OfAPromptAddsWhatStandsAroundTheTexts) {
  const auto& rates = of(family::openai);
  const std::vector<chat_message> one{{chat_role::user, shared_text{"hello"}}};
  const std::vector<chat_message> two{{chat_role::system, shared_text{"hello"}},
                                      {chat_role::user, shared_text{"hello"}}};
  EXPECT_EQ(estimate_prompt(one, nullptr, rates), 8u)
      << "three for the message, three for the answer's start";
  EXPECT_GT(estimate_prompt(two, nullptr, rates), estimate_prompt(one, nullptr, rates) + 3);
  answer_options options;
  EXPECT_EQ(estimate_prompt(one, &options, rates), 8u);
  options.tools.push_back({"get_weather", "Tells the weather of a city.", R"({"type":"object"})", {}});
  EXPECT_GT(estimate_prompt(one, &options, rates), 30u);
  EXPECT_GT(estimate_prompt(one, &options, of(family::anthropic)), 346u);
}

TEST(token_estimate, OfAPromptCountsPicturesAndToolCalls) {
  const auto& rates = of(family::openai);
  message_extras seen;
  seen.images.resize(2);
  seen.images[1].detail = "low";
  message_extras called;
  called.tool_calls.push_back({"id", "get_weather", R"({"city":"Paris"})"});
  const std::vector<chat_message> pictures{
      {chat_role::user, shared_text{"x"}, std::make_shared<const message_extras>(seen)}};
  const std::vector<chat_message> calls{
      {chat_role::assistant, shared_text{"x"}, std::make_shared<const message_extras>(called)}};
  const std::vector<chat_message> plain{{chat_role::user, shared_text{"x"}}};
  const auto base = estimate_prompt(plain, nullptr, rates);
  EXPECT_EQ(estimate_prompt(pictures, nullptr, rates), base + 765 + 85);
  EXPECT_GT(estimate_prompt(calls, nullptr, rates), base + 10);
}

TEST(token_estimate, OfInputsIsTheirSum) {
  const auto& rates = of(family::openai_old);
  const std::vector<std::string> texts{"hello", "hello", ""};
  EXPECT_EQ(estimate_inputs(texts, rates), 2 * estimate_tokens("hello", rates));
}

TEST(tokenizer_family, IsReadFromTheModelsName) {
  const auto named = [](std::string_view name) { return family_of(wire_protocol::openai_chat, name); };
  for (const auto* name :
       {"gpt-4o", "gpt-4o-mini-2024-07-18", "gpt-4.1", "gpt-5", "o3-mini", "openai/o1", "chatgpt-4o-latest"})
    EXPECT_EQ(named(name), family::openai) << name;
  for (const auto* name : {"gpt-4", "gpt-4-turbo", "gpt-3.5-turbo", "text-embedding-3-small"})
    EXPECT_EQ(named(name), family::openai_old) << name;
  EXPECT_EQ(named("anthropic/claude-3.5-sonnet"), family::anthropic);
  EXPECT_EQ(named("gemini-2.5-flash"), family::gemini);
  EXPECT_EQ(named("deepseek-chat"), family::deepseek);
  EXPECT_EQ(named("Qwen/Qwen2.5-7B-Instruct"), family::qwen);
  EXPECT_EQ(named("meta-llama/Llama-3.1-8B"), family::llama);
  EXPECT_EQ(named("DeepSeek-R1-Distill-Llama-70B"), family::llama) << "it keeps what it was made from";
  EXPECT_EQ(named("mistral-large"), family::unknown);
  EXPECT_EQ(named("olmo-2"), family::unknown);
}

TEST(tokenizer_family, FollowsTheProtocolWhereTheNameSaysNothing) {
  EXPECT_EQ(family_of(wire_protocol::azure_openai, "my-deployment"), family::openai);
  EXPECT_EQ(family_of(wire_protocol::anthropic, "x"), family::anthropic);
  EXPECT_EQ(family_of(wire_protocol::gemini, "x"), family::gemini);
  EXPECT_EQ(family_of(wire_protocol::anthropic, "deepseek-chat"), family::deepseek);
}

} // namespace
} // namespace assay::codecs
