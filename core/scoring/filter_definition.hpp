#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::scoring {

/// One step between an answer and its scorer; names and meaning as in lm-evaluation-harness.
enum class filter_type : uint8_t {
  regex = 1,              ///< What a pattern finds.
  multi_choice_regex = 2, ///< As regex; else the choice that the answer names.
  regex_pos = 3,          ///< The tags of `('word', 'TAG')` pairs.
  remove_whitespace = 4,  ///< White space in front.
  take_first = 5,         ///< Of several answers to one question, the first.
  take_first_k = 6,       ///< The first k.
  majority_vote = 7,      ///< The commonest; the earlier one of equals.
  lowercase = 8,
  uppercase = 9,
  map = 10,         ///< One text for another.
  format_span = 11, ///< Named entities as `label: name`.
  custom = 12,      ///< A function of the task's own.
};

inline constexpr uint8_t filter_type_count = 12;

std::string_view to_string(filter_type type) noexcept;
std::optional<filter_type> filter_type_from_string(std::string_view name) noexcept;

/// Everything that decides one step.
struct filter_definition {
  filter_type type = filter_type::take_first;
  /// regex, multi_choice_regex: the pattern, in RE2's part of Python's syntax.
  std::string pattern;
  int32_t group_select = 0; ///< Which of all matches; negative counts from the end.
  std::string fallback = "[invalid]";
  bool ignore_case = false;                                 ///< multi_choice_regex, for choices' texts.
  bool ignore_punctuation = false;                          ///< The same.
  std::vector<std::string> regexes_to_ignore;               ///< The same.
  uint32_t k = 1;                                           ///< take_first_k.
  std::vector<std::pair<std::string, std::string>> mapping; ///< map.
  std::optional<std::string> default_value; ///< map, for other texts; nothing leaves them as they are.
  std::string function;                     ///< custom: `module.function`, run by the Python host.
  /// Run by the Python host although its type is not custom: the pattern is beyond RE2.
  bool in_python = false;

  bool operator==(const filter_definition&) const = default;
};

} // namespace assay::scoring
