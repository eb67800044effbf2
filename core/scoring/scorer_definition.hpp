#pragma once

#include "core/scoring/filter_definition.hpp"

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
  f1 = 7,              ///< Words shared with the target; or of classes, see `average`.
  bleu = 8,            ///< Word n-grams shared with the target; corpus BLEU over a run.
  chrf = 9,            ///< Character n-grams shared with the target; corpus chrF over a run.
  ter = 10,            ///< One less the edits that make the target of the answer, for each of its words.
  rouge = 11,          ///< ROUGE-1, ROUGE-2 or ROUGE-L.
  accuracy = 12,       ///< The answer's label is the target's.
  mcc = 13,            ///< As accuracy; Matthews' correlation over a run.
  levenshtein = 14,    ///< Characters to change.
  starts_with = 15,    ///< The answer begins with a target.
  is_json = 16,        ///< The whole answer is JSON; with a schema, JSON that follows it.
  contains_json = 17,  ///< Some part of the answer is.
  json_schema = 18,    ///< The JSON in the answer follows a schema.
  code = 19,           ///< Every hidden test passes.
  completeness = 20,   ///< The share of hidden tests that pass.
  code_quality = 21,   ///< Static measures of the code.
  similarity = 22,     ///< Cosine of the embeddings of answer and target.
  judge = 23,          ///< Another model's verdict by a rubric.
  pairwise = 24,       ///< Another model's choice between answer and target.
  python = 25,         ///< A function of the task's own.
  assertions = 26,     ///< The target is a list of assertions: core/scoring/assertions.hpp.
};

inline constexpr uint8_t scorer_type_count = 26;

/// What has to run before a scorer has its verdict.
enum class scorer_need : uint8_t {
  nothing = 0,    ///< score() gives it.
  sandbox = 1,    ///< A program: core/scoring/code_scorer.hpp.
  python = 2,     ///< The Python host.
  judge = 3,      ///< Calls of other models: core/scoring/judge.hpp.
  embeddings = 4, ///< Vectors: core/scoring/similarity.hpp.
};

std::string_view to_string(scorer_need need) noexcept;

std::string_view to_string(scorer_type type) noexcept;
std::optional<scorer_type> scorer_type_from_string(std::string_view name) noexcept;

/// Which of several matches of a pattern counts.
enum class match_choice : uint8_t { first = 1, last = 2 };

/// How the values of a run's samples become one.
enum class aggregation : uint8_t {
  automatic =
      0, ///< What the type says: corpus for bleu, chrf and ter, mcc for mcc, f1 of classes, else mean.
  mean = 1,
  median = 2,
  corpus = 3,   ///< From counts summed over the samples.
  class_f1 = 4, ///< From the pairs of labels.
  mcc = 5,      ///< From the pairs of labels.
};

std::string_view to_string(aggregation how) noexcept;
std::optional<aggregation> aggregation_from_string(std::string_view name) noexcept;

/// What an F1 is made of.
enum class f1_average : uint8_t {
  token = 1,    ///< Words of answer and target, per sample (SQuAD).
  macro = 2,    ///< Mean of the classes' F1, over the run.
  binary = 3,   ///< F1 of the class `positive`, over the run.
  micro = 4,    ///< Of all decisions together, over the run.
  weighted = 5, ///< Mean of the classes' F1 by how often each is the target, over the run.
};

/// How judges, or a judge's repeated verdicts, become one.
enum class verdict_combination : uint8_t { mean = 1, median = 2, majority = 3 };

/// How a judge answers.
enum class judge_scale : uint8_t { ten = 1, yes_no = 2, five = 3 };

/// How a task's own function is called.
enum class python_call : uint8_t {
  scorer = 1,          ///< With answer, target and row; gives a number.
  metric = 2,          ///< As lm-evaluation-harness calls a metric: references and predictions.
  process_results = 3, ///< With the row and a list of the answer; gives numbers by metrics' names.
};

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
  bool ascii_only = false;          ///< The two above are about ASCII alone, as in lm-evaluation-harness.
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

  /// Steps between the answer and the scorer, in order.
  std::vector<filter_definition> filters;
  aggregation aggregate = aggregation::automatic;
  /// exact_match: RE2 patterns whose matches are taken out of answer and target before anything else.
  std::vector<std::string> regexes_to_ignore;

  // f1, accuracy, mcc
  f1_average average = f1_average::token;
  std::string positive;            ///< f1 binary: the class that counts.
  std::vector<std::string> labels; ///< The possible labels; an answer that names one of them has it.

  // bleu, chrf, ter, rouge
  bool lowercase = false;     ///< bleu, chrf, ter: compare in lower case. rouge always does.
  uint32_t max_order = 4;     ///< bleu: longest n-gram, 1..4.
  uint32_t char_order = 6;    ///< chrf: longest character n-gram, 1..6.
  uint32_t word_order = 0;    ///< chrf: longest word n-gram, 0..2; 2 is chrF++.
  std::optional<double> beta; ///< chrf (2), rouge (1): weight of recall.
  std::string
      variant; ///< rouge: rouge1, rouge2, rougeL. levenshtein: similarity, distance. assertions: score, pass.
  std::optional<double> threshold; ///< At or above is 1, else 0; levenshtein distance: at or below.

  // is_json, contains_json, json_schema
  std::string schema; ///< JSON Schema as JSON; empty takes the sample's target.

  // code, completeness, code_quality
  std::string language = "python"; ///< Of the fenced block: python, javascript, cpp, shell, sql, text.
  uint32_t cpu_ms = 20'000;        ///< For all tests of one answer.
  uint32_t wall_ms = 40'000;
  uint32_t memory_mb = 512;

  // judge, pairwise, similarity
  std::vector<std::string> models; ///< Who judges, or embeds; the run says when empty.
  std::string rubric;              ///< What a judge looks for.
  std::string prompt;              ///< judge, pairwise: in place of the built-in one.
  judge_scale scale = judge_scale::ten;
  verdict_combination combine = verdict_combination::mean;
  bool swap = true; ///< pairwise: ask twice, with places changed.

  // python
  std::string function; ///< `module.function`, in a file beside the task.
  python_call call = python_call::scorer;

  bool operator==(const scorer_definition&) const = default;
};

/// @returns what @p definition needs before there is a verdict; python also when a filter does.
scorer_need need_of(const scorer_definition& definition) noexcept;

/// @returns whether the scorer compares with a target of the sample or of its own.
bool needs_target(const scorer_definition& definition) noexcept;

/// @returns the aggregation that `automatic` stands for.
aggregation aggregation_of(const scorer_definition& definition) noexcept;

/// @returns the definition's name, or its type's when it has none.
std::string name_of(const scorer_definition& definition);

} // namespace assay::scoring
