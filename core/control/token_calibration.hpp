#pragma once

#include <cstdint>
#include <optional>

namespace assay::control {

/// What a calibration must hand to its successor.
struct token_calibration_record {
  double log_factor = 0; ///< Natural logarithm of the factor.
  double error = 0;      ///< See token_calibration::error().
  uint32_t observations = 0;

  bool operator==(const token_calibration_record&) const = default;
};

/// Corrects estimates of prompt tokens by what one provider has counted for one model.
///
/// The factor is the exponentially weighted geometric mean of counted over estimated tokens: the mean of all
/// at first, and later of the last twenty or so. What is far from the mean moves it only as far as a bound,
/// so that one odd count (a cached prefix that is not counted, a tool's hidden text) does no harm.
class token_calibration {
public:
  token_calibration() = default;
  /// @param past as export_state() gave it; anything that cannot be from there counts as nothing.
  explicit token_calibration(const token_calibration_record& past) noexcept;

  /// @param estimated before correction. @param counted by the provider. A zero in either says nothing.
  void observe(uint32_t estimated, uint32_t counted) noexcept;

  /// @returns what an estimate is multiplied by; 1 until something has been counted.
  double factor() const noexcept;

  /// @returns the corrected estimate; at least 1 unless @p estimated is 0.
  uint32_t apply(uint32_t estimated) const noexcept;

  /// Mean absolute percentage error of the corrected estimates over the recent counts, each taken before its
  /// count was known; 0.1 is 10 %. Nothing until something has been counted.
  std::optional<double> error() const noexcept;

  uint32_t observations() const noexcept { return record_.observations; }

  const token_calibration_record& export_state() const noexcept { return record_; }

private:
  token_calibration_record record_;
};

} // namespace assay::control
