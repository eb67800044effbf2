#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace assay::mock {

/// Spreads every input bit over all output bits (the finaliser of splitmix64).
constexpr uint64_t mix(uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// A fast 64-bit hash of @p text that stays the same between builds and runs. Not for adversaries.
inline uint64_t hash_text(std::string_view text, uint64_t seed = 0) noexcept {
  uint64_t h = mix(seed ^ text.size());
  while (text.size() >= 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data(), 8);
    h = (h ^ word) * 0x9FB21C651E98DF25ULL;
    h ^= h >> 32;
    text.remove_prefix(8);
  }
  uint64_t rest = 0;
  if (!text.empty())
    std::memcpy(&rest, text.data(), text.size());
  return mix(h ^ rest);
}

/// Maps a hash evenly onto [0, 1).
constexpr double unit_interval(uint64_t hash) noexcept { return static_cast<double>(hash >> 11) * 0x1.0p-53; }

} // namespace assay::mock
