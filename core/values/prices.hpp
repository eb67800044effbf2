#pragma once

#include <nlohmann/json_fwd.hpp>

#include <optional>

namespace assay {

/// Dollars per million tokens. A model without prices costs an unknown amount, never zero.
struct token_prices {
  double input_per_mtok = 0;
  double output_per_mtok = 0;
  /// Cached input; unset means that it costs as much as other input.
  std::optional<double> cached_input_per_mtok;

  bool operator==(const token_prices&) const = default;
};

void to_json(nlohmann::json& out, const token_prices& value);
void from_json(const nlohmann::json& in, token_prices& out);

} // namespace assay
