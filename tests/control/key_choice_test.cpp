#include "core/control/key_choice.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace assay::control {
namespace {

key_load key(uint32_t limit, uint32_t in_use) { return {true, 1, limit, in_use, false}; }

TEST(key_choice, TakesTheOnlyKeyWithRoom) {
  const std::array keys{key(4, 4), key(4, 3), key(0, 0)};
  for (const double roll : {0.0, 0.5, 0.999})
    EXPECT_EQ(choose_key(keys, roll, roll), 1u);
}

TEST(key_choice, FindsNoneWhenAllAreFullClosedOrMissing) {
  EXPECT_FALSE(choose_key({}, 0.5, 0.5));
  std::array keys{key(2, 2), key(2, 0)};
  keys[1].usable = false;
  EXPECT_FALSE(choose_key(keys, 0.0, 0.9));
}

TEST(key_choice, PrefersTheSlackerOfTwo) {
  const std::array keys{key(10, 9), key(10, 2)};
  EXPECT_EQ(choose_key(keys, 0.0, 0.0), 1u);
  EXPECT_EQ(choose_key(keys, 0.9, 0.0), 1u);
}

TEST(key_choice, AThrottledKeyComesAfterOneThatIsNot) {
  std::array keys{key(10, 0), key(10, 9)};
  keys[0].throttled = true;
  EXPECT_EQ(choose_key(keys, 0.0, 0.0), 1u);
}

TEST(key_choice, SharesWorkByWeight) {
  std::vector<key_load> keys{key(1'000, 0), key(1'000, 0)};
  keys[1].weight = 3;
  std::mt19937_64 source{7};
  std::uniform_real_distribution<double> roll{0, 1};
  for (int i = 0; i < 1'000; ++i)
    ++keys[*choose_key(keys, roll(source), roll(source))].in_use;
  // Slacks are equal where 1 * (1000 - a) = 3 * (1000 - b) with a + b = 1000.
  EXPECT_NEAR(keys[0].in_use, 250, 3);
}

TEST(key_choice, SpreadsEqualKeysEvenly) {
  std::vector<key_load> keys(5, key(100, 0));
  std::mt19937_64 source{11};
  std::uniform_real_distribution<double> roll{0, 1};
  for (int i = 0; i < 250; ++i)
    ++keys[*choose_key(keys, roll(source), roll(source))].in_use;
  for (const auto& one : keys)
    EXPECT_NEAR(one.in_use, 50, 6);
}

} // namespace
} // namespace assay::control
