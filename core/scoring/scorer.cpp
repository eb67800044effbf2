#include "core/scoring/scorer.hpp"

#include "core/scoring/pattern.hpp"
#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"
#include "core/values/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace assay::scoring {
namespace {

constexpr size_t extracted_limit = 256;
constexpr std::string_view no_answer = "I do not know.";
constexpr std::array<std::pair<scorer_type, std::string_view>, scorer_type_count> type_names{{
    {scorer_type::exact_match, "exact_match"},
    {scorer_type::contains, "contains"},
    {scorer_type::regex, "regex"},
    {scorer_type::numeric, "numeric"},
    {scorer_type::multiple_choice, "multiple_choice"},
    {scorer_type::json_equal, "json_equal"},
    {scorer_type::f1, "f1"},
    {scorer_type::bleu, "bleu"},
    {scorer_type::chrf, "chrf"},
    {scorer_type::ter, "ter"},
    {scorer_type::rouge, "rouge"},
    {scorer_type::accuracy, "accuracy"},
    {scorer_type::mcc, "mcc"},
    {scorer_type::levenshtein, "levenshtein"},
    {scorer_type::starts_with, "starts_with"},
    {scorer_type::is_json, "is_json"},
    {scorer_type::contains_json, "contains_json"},
    {scorer_type::json_schema, "json_schema"},
    {scorer_type::code, "code"},
    {scorer_type::completeness, "completeness"},
    {scorer_type::code_quality, "code_quality"},
    {scorer_type::similarity, "similarity"},
    {scorer_type::judge, "judge"},
    {scorer_type::pairwise, "pairwise"},
    {scorer_type::python, "python"},
    {scorer_type::assertions, "assertions"},
}};
constexpr std::array<std::pair<aggregation, std::string_view>, 6> aggregation_names{{
    {aggregation::automatic, "automatic"},
    {aggregation::mean, "mean"},
    {aggregation::median, "median"},
    {aggregation::corpus, "corpus"},
    {aggregation::class_f1, "f1"},
    {aggregation::mcc, "mcc"},
}};

std::string_view after_reasoning(std::string_view answer) {
  constexpr std::string_view end_mark = "</think>";
  // Nearly no answer has the mark, and looking for one character is much faster.
  if (answer.find('<') == std::string_view::npos)
    return answer;
  const size_t end = answer.rfind(end_mark);
  return end == std::string_view::npos ? answer : answer.substr(end + end_mark.size());
}

bool is_share(double value) { return std::isfinite(value) && value >= 0; }

std::optional<fault> check_options(const scorer_definition& d) {
  if (!is_share(d.weight))
    return fault{errc::invalid_argument, "expected a weight of 0 or more", "weight", {}};
  if (!is_share(d.tolerance))
    return fault{errc::invalid_argument, "expected a tolerance of 0 or more", "tolerance", {}};
  if (!is_share(d.relative_tolerance))
    return fault{errc::invalid_argument, "expected a tolerance of 0 or more", "relative_tolerance", {}};
  if (d.letters < 2 || d.letters > 10)
    return fault{errc::invalid_argument, "expected 2 to 10 letters", "letters", "A to J are possible"};
  const aggregation how = aggregation_of(d);
  const bool counted =
      d.type == scorer_type::bleu || d.type == scorer_type::chrf || d.type == scorer_type::ter;
  const bool labelled = d.type == scorer_type::accuracy || d.type == scorer_type::mcc
                        || (d.type == scorer_type::f1 && d.average != f1_average::token);
  if ((how == aggregation::corpus && !counted)
      || ((how == aggregation::class_f1 || how == aggregation::mcc) && !labelled))
    return fault{errc::invalid_argument,
                 "the scorer " + std::string(to_string(d.type)) + " has no aggregation "
                     + std::string(to_string(how)),
                 "aggregation", "mean and median suit every scorer"};
  return std::nullopt;
}

result<std::unique_ptr<scorer>> make_judge(const scorer_definition& definition) {
  switch (definition.type) {
  case scorer_type::exact_match:
    return make_exact_match(definition);
  case scorer_type::contains:
    return make_contains(definition);
  case scorer_type::regex:
    return make_regex(definition);
  case scorer_type::numeric:
    return make_numeric(definition);
  case scorer_type::multiple_choice:
    return make_multiple_choice(definition);
  case scorer_type::json_equal:
    return make_json_equal(definition);
  case scorer_type::f1:
    return definition.average == f1_average::token ? make_token_f1(definition) : make_label(definition);
  case scorer_type::accuracy:
  case scorer_type::mcc:
    return make_label(definition);
  case scorer_type::bleu:
    return make_bleu(definition);
  case scorer_type::chrf:
    return make_chrf(definition);
  case scorer_type::ter:
    return make_ter(definition);
  case scorer_type::rouge:
    return make_rouge(definition);
  case scorer_type::levenshtein:
    return make_levenshtein(definition);
  case scorer_type::starts_with:
    return make_starts_with(definition);
  case scorer_type::is_json:
  case scorer_type::contains_json:
  case scorer_type::json_schema:
    return make_json_schema(definition);
  case scorer_type::code_quality:
    return make_code_quality(definition);
  case scorer_type::assertions:
    return make_assertions(definition);
  case scorer_type::code:
  case scorer_type::completeness:
  case scorer_type::similarity:
  case scorer_type::judge:
  case scorer_type::pairwise:
  case scorer_type::python:
    return make_outside(definition);
  }
  return fault{errc::invalid_argument, "unknown scorer type", "type", {}};
}

} // namespace

std::string_view to_string(scorer_type type) noexcept {
  for (const auto& [value, name] : type_names)
    if (value == type)
      return name;
  return "unknown";
}

std::optional<scorer_type> scorer_type_from_string(std::string_view name) noexcept {
  for (const auto& [value, known] : type_names)
    if (known == name)
      return value;
  return std::nullopt;
}

std::string_view to_string(scorer_need need) noexcept {
  switch (need) {
  case scorer_need::nothing:
    return "nothing";
  case scorer_need::sandbox:
    return "sandbox";
  case scorer_need::python:
    return "python";
  case scorer_need::judge:
    return "judge";
  case scorer_need::embeddings:
    return "embeddings";
  }
  return "unknown";
}

std::string_view to_string(aggregation how) noexcept {
  for (const auto& [value, name] : aggregation_names)
    if (value == how)
      return name;
  return "unknown";
}

std::optional<aggregation> aggregation_from_string(std::string_view name) noexcept {
  for (const auto& [value, known] : aggregation_names)
    if (known == name)
      return value;
  return std::nullopt;
}

scorer_need need_of(const scorer_definition& d) noexcept {
  switch (d.type) {
  case scorer_type::code:
  case scorer_type::completeness:
    return scorer_need::sandbox;
  case scorer_type::similarity:
    return scorer_need::embeddings;
  case scorer_type::judge:
  case scorer_type::pairwise:
    return scorer_need::judge;
  case scorer_type::python:
    return scorer_need::python;
  default:
    break;
  }
  const bool outside = std::any_of(d.filters.begin(), d.filters.end(), [](const filter_definition& filter) {
    return filter.in_python || filter.type == filter_type::custom;
  });
  return outside ? scorer_need::python : scorer_need::nothing;
}

bool needs_target(const scorer_definition& d) noexcept {
  switch (d.type) {
  case scorer_type::is_json:
  case scorer_type::contains_json:
  case scorer_type::code_quality:
  case scorer_type::judge:
  case scorer_type::python:
    return false;
  case scorer_type::json_schema:
    return d.schema.empty();
  case scorer_type::regex:
    return d.targets.empty() && (d.group || d.pattern.find('(') != std::string::npos);
  default:
    return d.targets.empty();
  }
}

aggregation aggregation_of(const scorer_definition& d) noexcept {
  if (d.aggregate != aggregation::automatic)
    return d.aggregate;
  switch (d.type) {
  case scorer_type::bleu:
  case scorer_type::chrf:
  case scorer_type::ter:
    return d.threshold ? aggregation::mean : aggregation::corpus;
  case scorer_type::mcc:
    return aggregation::mcc;
  case scorer_type::f1:
    return d.average == f1_average::token ? aggregation::mean : aggregation::class_f1;
  default:
    return aggregation::mean;
  }
}

std::string name_of(const scorer_definition& definition) {
  return definition.name.empty() ? std::string(to_string(definition.type)) : definition.name;
}

score_outcome unusable_target(std::string message, std::string hint) {
  return {0, {}, fault{errc::scorer_failed, std::move(message), "target", std::move(hint)}};
}

class scorer::target_finder {
public:
  explicit target_finder(pattern value) : pattern_(std::move(value)) {}

  std::optional<std::string> find(std::string_view reference) const {
    const uint32_t group = pattern_.groups() > 0 ? 1 : 0;
    const auto match = pattern_.find(reference, group, match_choice::last);
    if (!match || !match->group)
      return std::nullopt;
    return std::string(*match->group);
  }

private:
  pattern pattern_;
};

scorer::scorer(scorer_definition definition) : definition_(std::move(definition)) {}
scorer::~scorer() = default;

std::optional<std::string> scorer::find_target(std::string_view reference) const {
  return target_finder_ ? target_finder_->find(reference) : std::string(reference);
}

score_outcome scorer::score(std::string_view answer, std::string_view target) const {
  if (filters_.empty())
    return score_filtered(after_reasoning(answer), target);
  if (filters_.needs_python())
    return {
        0, {}, fault{errc::scorer_failed, "a filter of the scorer runs in the Python host", "filters", {}}};
  std::string held;
  return score_filtered(filters_.apply(after_reasoning(answer), definition_.choices, held), target);
}

score_outcome scorer::score_filtered(std::string_view answer, std::string_view target) const {
  score_outcome outcome;
  if (!target_finder_) {
    outcome = judge(answer, target);
  } else {
    const auto wanted = target_finder_->find(target);
    if (!wanted)
      return unusable_target("the sample's target does not match target_pattern",
                             "correct target_pattern or the dataset");
    outcome = judge(answer, *wanted);
  }
  // Answers are arbitrary bytes; what is kept of them must be text.
  if (outcome.extracted.size() > extracted_limit || !is_ascii(outcome.extracted))
    outcome.extracted = cut(valid_utf8(cut(outcome.extracted, extracted_limit)), extracted_limit);
  return outcome;
}

std::string scorer::right_answer(std::string_view target) const {
  const std::string wanted = find_target(target).value_or(std::string(target));
  for (std::string& candidate : right_candidates(wanted))
    if (needs() != scorer_need::nothing || score(candidate, target).value >= 1)
      return std::move(candidate);
  return std::string(target);
}

std::string scorer::wrong_answer(std::string_view target, std::string_view other_target,
                                 uint64_t seed) const {
  const std::string wanted = find_target(target).value_or(std::string(target));
  std::vector<std::string> candidates;
  // A code task's target is its tests: another sample's are no answer.
  if (needs() != scorer_need::sandbox && definition_.type != scorer_type::code_quality)
    candidates.push_back(right_answer(other_target));
  for (std::string& candidate : wrong_candidates(wanted))
    candidates.push_back(std::move(candidate));
  candidates.emplace_back(no_answer);
  for (size_t i = 0; i < candidates.size(); ++i) {
    std::string& candidate = candidates[(i + seed % candidates.size()) % candidates.size()];
    if (score(candidate, target).value < 1)
      return std::move(candidate);
  }
  return {};
}

result<std::unique_ptr<scorer>> make_scorer(const scorer_definition& definition) {
  if (auto problem = check_options(definition))
    return *std::move(problem);
  auto filters = filter_pipeline::compile(definition.filters);
  if (filters.has_error())
    return filters.error();
  auto made = make_judge(definition);
  if (made.has_error())
    return made;
  (*made)->filters_ = std::move(*filters);
  if (definition.target_pattern.empty())
    return made;
  auto finder = pattern::compile(definition.target_pattern, "target_pattern");
  if (finder.has_error())
    return finder.error();
  (*made)->target_finder_ = std::make_unique<scorer::target_finder>(std::move(*finder));
  return made;
}

std::string right_answer(const scorer_definition& definition, std::string_view target) {
  const auto made = make_scorer(definition);
  return made.has_value() ? (*made)->right_answer(target) : std::string(target);
}

std::string wrong_answer(const scorer_definition& definition, std::string_view target,
                         std::string_view other_target, uint64_t seed) {
  const auto made = make_scorer(definition);
  return made.has_value() ? (*made)->wrong_answer(target, other_target, seed) : std::string(no_answer);
}

} // namespace assay::scoring
