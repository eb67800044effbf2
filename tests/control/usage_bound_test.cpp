#include "core/control/usage_bound.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace assay::control {
namespace {

call_size sized(uint64_t bytes, uint32_t max_tokens) {
  call_size out;
  out.prompt_bytes = bytes;
  out.messages = 1;
  out.max_tokens = max_tokens;
  return out;
}

TEST(usage_bound, APromptHasNoMoreTokensThanBytesAndTheProvidersOwn) {
  const usage_belief belief{100, 1'000};
  EXPECT_EQ(possible_usage(sized(500, 10), 0, 0, belief).prompt, 500u + 64 + 100);
  auto pictures = sized(500, 10);
  pictures.images = 2;
  EXPECT_EQ(possible_usage(pictures, 0, 0, belief).prompt, 500u + 64 + 128'000 + 100);
}

TEST(usage_bound, AnAnswerIsBoundByTheCallThenTheModelThenTheConfiguration) {
  const usage_belief belief{100, 1'000};
  EXPECT_EQ(possible_usage(sized(1, 10), 50, 0, belief).completion, 110u);
  EXPECT_EQ(possible_usage(sized(1, 0), 50, 0, belief).completion, 150u);
  EXPECT_EQ(possible_usage(sized(1, 0), 0, 0, belief).completion, 1'100u);
  auto several = sized(1, 10);
  several.choices = 3;
  EXPECT_EQ(possible_usage(several, 0, 0, belief).completion, 130u);
  EXPECT_EQ(possible_usage(sized(1, 10), 0, 5'000, belief).completion, 5'100u)
      << "a provider that writes more than it was asked for";
}

TEST(usage_bound, HiddenReasoningWithinTheLimitIsBelieved) {
  token_usage told{20, 30'000, 0, 29'990};
  EXPECT_TRUE(keep_possible(told, possible_usage(sized(80, 32'000), 0, 40, {})));
  EXPECT_EQ(told, (token_usage{20, 30'000, 0, 29'990}));
}

TEST(usage_bound, WhatIsImpossibleIsLoweredToWhatIsPossible) {
  constexpr auto most = std::numeric_limits<uint32_t>::max();
  token_usage told{most, most, most, most};
  EXPECT_FALSE(keep_possible(told, possible_usage(sized(80, 256), 0, 40, {})));
  EXPECT_EQ(told, (token_usage{80 + 64 + 4'096, 256 + 4'096, 80 + 64 + 4'096, 256 + 4'096}));
}

TEST(usage_bound, ANamedPriceMayBeTwiceTheBounds) {
  EXPECT_EQ(possible_cost({1'000, 1'000}, token_prices{1.0, 2.0, {}}), money{6'000'000});
  EXPECT_FALSE(possible_cost({1'000, 1'000}, std::nullopt));
}

} // namespace
} // namespace assay::control
