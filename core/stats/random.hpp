#pragma once

#include <cstdint>

namespace assay::stats {

/// A stream of random numbers that is the same on every platform and with every compiler: xoshiro256** of
/// Blackman and Vigna (2018), seeded by their splitmix64. Not for secrets.
class random_stream {
public:
  explicit constexpr random_stream(uint64_t seed) noexcept {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15U;
      uint64_t z = seed;
      z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
      z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
      word = z ^ (z >> 31U);
    }
  }

  constexpr uint64_t next() noexcept {
    const uint64_t out = rotate(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return out;
  }

  /// In [0, 1), multiples of 2^-53.
  constexpr double uniform() noexcept { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

  /// In [0, @p bound), every number equally likely. @param bound > 0, below 2^32.
  constexpr uint32_t below(uint32_t bound) noexcept {
    // Lemire, "Fast random integer generation in an interval" (2019).
    uint64_t product = (next() >> 32U) * bound;
    if (static_cast<uint32_t>(product) < bound) {
      const uint32_t rejected = (0U - bound) % bound;
      while (static_cast<uint32_t>(product) < rejected)
        product = (next() >> 32U) * bound;
    }
    return static_cast<uint32_t>(product >> 32U);
  }

private:
  static constexpr uint64_t rotate(uint64_t value, unsigned by) noexcept {
    return (value << by) | (value >> (64U - by));
  }

  uint64_t state_[4] = {};
};

} // namespace assay::stats
