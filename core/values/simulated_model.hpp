#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace assay {

/// @returns NN of `sim-pNN`, the simulated model that is right in NN % of its answers (0 to 100, digits
/// only); nothing for any other name.
inline std::optional<unsigned> simulated_percent(std::string_view model) noexcept {
  constexpr std::string_view prefix = "sim-p";
  if (!model.starts_with(prefix))
    return std::nullopt;
  unsigned percent = 0;
  const auto* end = model.data() + model.size();
  const auto [stop, error] = std::from_chars(model.data() + prefix.size(), end, percent);
  if (error != std::errc{} || stop != end || percent > 100)
    return std::nullopt;
  return percent;
}

} // namespace assay
