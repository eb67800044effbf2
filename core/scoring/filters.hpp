#pragma once

#include "core/scoring/filter_definition.hpp"
#include "core/values/errors.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::scoring {

/// Steps between answers and a scorer, compiled once. Immutable and usable from many threads; never throws on
/// any bytes; linear in the answer up to the patterns' budget.
class filter_pipeline {
public:
  filter_pipeline() noexcept;
  ~filter_pipeline();
  filter_pipeline(filter_pipeline&&) noexcept;
  filter_pipeline& operator=(filter_pipeline&&) noexcept;

  /// Fails with errc::invalid_argument: a pattern that RE2 cannot do, which names the construct, an index out
  /// of range. `where` is `filters[i].option`. Steps that need Python compile and are not run here.
  static result<filter_pipeline> compile(std::span<const filter_definition> steps);

  bool empty() const noexcept;
  /// @returns whether one of the steps runs in the Python host; apply() must not be called then.
  bool needs_python() const noexcept;

  /// @param choices The texts of A, B, C, ... for multi_choice_regex; may be empty.
  std::string apply(std::string_view answer, std::span<const std::string> choices = {}) const;

  /// The same without a copy where nothing changes. @param held Keeps the bytes of the returned view, where
  /// they are not the answer's.
  std::string_view apply(std::string_view answer, std::span<const std::string> choices,
                         std::string& held) const;

  /// All answers to one question, in order; take_first, take_first_k and majority_vote shorten the list.
  std::vector<std::string> apply_all(std::vector<std::string> answers,
                                     std::span<const std::string> choices = {}) const;

private:
  struct step;
  std::vector<std::unique_ptr<const step>> steps_;
};

/// @returns the commonest text; of equals the one that comes first. Empty for no texts.
std::string majority_of(std::span<const std::string> texts);

/// @returns what Python's `re` has and RE2 has not in @p pattern: `look-ahead (?=`, `back-reference \\1`,
/// ...; empty when there is nothing of it.
std::string beyond_re2(std::string_view pattern);

} // namespace assay::scoring
