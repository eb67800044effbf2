#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace assay {

/// What a run does with answers that were paid for before.
enum class cache_use : uint8_t {
  off = 0,     ///< Every question goes to the provider, and no answer is kept for others.
  use = 1,     ///< Stored answers are taken, new ones are stored.
  rewrite = 2, ///< Every question goes to the provider; its answer replaces a stored one.
  remove = 3,  ///< Every question goes to the provider, and a stored answer to it is removed.
};

constexpr std::string_view to_string(cache_use value) noexcept {
  switch (value) {
  case cache_use::off:
    return "off";
  case cache_use::use:
    return "use";
  case cache_use::rewrite:
    return "rewrite";
  case cache_use::remove:
    return "remove";
  }
  return "unknown";
}

/// @returns nothing for any other word.
constexpr std::optional<cache_use> cache_use_from_string(std::string_view name) noexcept {
  for (const auto value : {cache_use::off, cache_use::use, cache_use::rewrite, cache_use::remove})
    if (to_string(value) == name)
      return value;
  return std::nullopt;
}

} // namespace assay
