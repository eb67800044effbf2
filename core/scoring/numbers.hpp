#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace assay::scoring {

/// A number as people and models write it.
struct found_number {
  double value = 0;
  bool percent = false; ///< Written with a percent sign; value is the number before it.
  /// Sign and digits when it was written as a plain integer, to compare beyond the precision of a double.
  std::string integer;
  bool in_word = false; ///< Directly after a Latin letter, as in `x2` or `Qwen3`.
  size_t begin = 0;     ///< Bytes in the searched text.
  size_t end = 0;
};

/// @param text Folded by fold_width().
/// @returns the first number at or after @p position. Understands signs, currency signs before the number,
/// thousands separators (1,234,567; 1,00,000; narrow spaces; LaTeX's {,}), decimals, powers of ten
/// (1.5e3, 1.5 x 10^3), fractions (1/2, 1 1/2, \frac{1}{2}) and percent. A dash after a letter or digit is no
/// sign. Numbers too large for a double, and fractions over zero, are no numbers.
std::optional<found_number> next_number(std::string_view text, size_t position);

/// @returns the last number of @p text that is not part of a word, or else the last one at all.
std::optional<found_number> last_number(std::string_view text);

/// @returns whether @p answer equals @p target within the larger of both tolerances, and always within
/// 1e-12 of the target, which rounding needs; plain integers without tolerance must be the same to the last
/// digit. `50%` equals 50% and, when only one side has the sign, both 50 and 0.5.
bool same_number(const found_number& answer, const found_number& target, double tolerance,
                 double relative_tolerance) noexcept;

} // namespace assay::scoring
