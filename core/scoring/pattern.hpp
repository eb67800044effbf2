#pragma once

#include "core/scoring/scorer_definition.hpp"
#include "core/values/errors.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::scoring {

/// Where a pattern matched. The views point into the searched text.
struct pattern_match {
  std::string_view whole;
  /// The group asked for; nothing when it took no part in the match.
  std::optional<std::string_view> group;
};

/// A user-given RE2 pattern: linear time, bounded memory. Immutable and usable from many threads.
class pattern {
public:
  /// @param option Named in the fault's `where`. Fails with errc::invalid_argument over 4 KiB or when the
  /// text is no RE2 pattern (no look-around, no back-references).
  static result<pattern> compile(std::string_view text, std::string_view option, bool ignore_case = false);

  pattern(pattern&&) noexcept;
  pattern& operator=(pattern&&) noexcept;
  ~pattern();

  /// @returns the number of capturing groups.
  uint32_t groups() const noexcept;

  /// @param group Reported in the match; 0 is the whole match. For the last match, at most three
  /// times 64 MiB are scanned, so that no pattern makes a long answer quadratic: after that, only the last 64
  /// KiB, then the last 4 KiB, are searched.
  std::optional<pattern_match> find(std::string_view text, uint32_t group, match_choice which) const;

  /// @returns what Python's re.findall() would: for each match, in order, its only group, or of several
  /// groups the first that is not empty, or the whole match. After 64 MiB of scanning the rest is not
  /// searched.
  std::vector<std::string_view> find_all(std::string_view text) const;

  /// @returns the first element of find_all().
  std::optional<std::string_view> find_first(std::string_view text) const;

  /// @returns @p text without anything that the pattern matches, as Python's re.sub() with an empty text.
  std::string without_matches(std::string_view text) const;

private:
  struct compiled;
  explicit pattern(std::unique_ptr<compiled> value);
  std::unique_ptr<compiled> compiled_;
};

/// @returns a text that the pattern probably matches: its shortest reading, with @p replacement where group
/// @p group stands (0: nowhere). For simulated models; the caller checks that it matches. Empty when the
/// pattern uses more than literals, classes, groups, alternatives and repetition.
std::string example_of(std::string_view pattern_text, uint32_t group, std::string_view replacement);

} // namespace assay::scoring
