#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace assay {

/// How the calls of a run go to a provider.
enum class call_way : uint8_t {
  online = 0, ///< One by one, answered at once.
  batch = 1,  ///< Many in one job of the provider's batch API: cheaper, answered within a day.
};

constexpr std::string_view to_string(call_way value) noexcept {
  return value == call_way::batch ? "batch" : "online";
}

/// @returns nothing for any other word.
constexpr std::optional<call_way> call_way_from_string(std::string_view name) noexcept {
  for (const auto value : {call_way::online, call_way::batch})
    if (to_string(value) == name)
      return value;
  return std::nullopt;
}

/// What a request says about it.
enum class execution_wish : uint8_t {
  online = 0,
  batch = 1,     ///< Refused where the provider has no batch API.
  automatic = 2, ///< Batch where that is possible, cheaper, and within the run's time limit.
};

constexpr std::string_view to_string(execution_wish value) noexcept {
  switch (value) {
  case execution_wish::online:
    return "online";
  case execution_wish::batch:
    return "batch";
  case execution_wish::automatic:
    return "auto";
  }
  return "unknown";
}

/// @returns nothing for any other word.
constexpr std::optional<execution_wish> execution_wish_from_string(std::string_view name) noexcept {
  for (const auto value : {execution_wish::online, execution_wish::batch, execution_wish::automatic})
    if (to_string(value) == name)
      return value;
  return std::nullopt;
}

} // namespace assay
