#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::scoring {

/// How an answer is judged.
enum class scorer_type : uint8_t {
  exact_match = 1,     ///< The answer is one of the targets.
  contains = 2,        ///< The answer contains one or all of the targets.
  regex = 3,           ///< A pattern matches, or what it captures is one of the targets.
  numeric = 4,         ///< The answer's final number is the target's.
  multiple_choice = 5, ///< The letter, or text, of the choice.
  json_equal = 6,      ///< The JSON in the answer equals the target's.
};

std::string_view to_string(scorer_type type) noexcept;
std::optional<scorer_type> scorer_type_from_string(std::string_view name) noexcept;

/// Which of several matches of a pattern counts.
enum class match_choice : uint8_t { first = 1, last = 2 };

/// Everything that decides how one scorer judges. An option that its type does not use is ignored here and
/// refused by the task's reader.
struct scorer_definition {
  scorer_type type = scorer_type::exact_match;
  std::string name;    ///< Unique within the task; empty means the type's name.
  double weight = 1;   ///< Share among the primary scorers, >= 0.
  bool primary = true; ///< Counts towards the task's score.

  /// All types: RE2 pattern that finds the target inside the reference text; its first group, or the whole
  /// match, of the last match. Empty takes the reference as it is.
  std::string target_pattern;

  // exact_match, contains, regex
  bool strip = true;                ///< White space at both ends does not count.
  bool ignore_case = false;         ///< Upper and lower case are the same.
  bool ignore_punctuation = false;  ///< ASCII and CJK punctuation does not count.
  bool ignore_numbers = false;      ///< Digits do not count.
  std::vector<std::string> targets; ///< More right answers, beside the sample's own.
  /// Splits the sample's target into several right answers. `json`: the target is a JSON array of texts.
  std::string separator;

  // contains
  bool all = false;         ///< Every target must occur, instead of any.
  bool whole_words = false; ///< A target inside a longer word does not count.

  // regex, numeric
  /// RE2 pattern. regex: see scorer_type::regex. numeric: the number is in its first group, or the first one
  /// after its match when it has no group.
  std::string pattern;
  /// regex: the group that is compared with the targets; 0 is the whole match. Unset: 1 when the pattern has
  /// a group, else nothing is compared and a match suffices.
  std::optional<uint32_t> group;
  match_choice match = match_choice::last; ///< Which match counts.

  // numeric
  bool strict = false; ///< An answer that the pattern does not match has no number.

  // numeric, json_equal
  double tolerance = 0;          ///< Largest absolute difference.
  double relative_tolerance = 0; ///< Largest difference as a part of the target.

  // multiple_choice
  std::vector<std::string> choices;   ///< Texts of A, B, C, ... when they are the same for every sample.
  std::optional<uint32_t> index_base; ///< The target is a number; this one means A.
  uint32_t letters = 10;              ///< How many letters are possible answers, 2..10.

  // json_equal
  bool ignore_order = false;              ///< Arrays are compared without regard to order.
  bool subset = false;                    ///< The answer's objects may have more keys than the target's.
  std::vector<std::string> required_keys; ///< Only these keys of the outermost object are compared.

  bool operator==(const scorer_definition&) const = default;
};

/// @returns the definition's name, or its type's when it has none.
std::string name_of(const scorer_definition& definition);

} // namespace assay::scoring
