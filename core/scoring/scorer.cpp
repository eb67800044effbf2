#include "core/scoring/scorer.hpp"

#include "core/scoring/pattern.hpp"
#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"
#include "core/values/text.hpp"

#include <array>
#include <cmath>
#include <utility>

namespace assay::scoring {
namespace {

constexpr size_t extracted_limit = 256;
constexpr std::string_view no_answer = "I do not know.";
constexpr std::array<std::pair<scorer_type, std::string_view>, 6> type_names{{
    {scorer_type::exact_match, "exact_match"},
    {scorer_type::contains, "contains"},
    {scorer_type::regex, "regex"},
    {scorer_type::numeric, "numeric"},
    {scorer_type::multiple_choice, "multiple_choice"},
    {scorer_type::json_equal, "json_equal"},
}};

std::string_view after_reasoning(std::string_view answer) {
  constexpr std::string_view end_mark = "</think>";
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
  const auto wanted = find_target(target);
  if (!wanted)
    return unusable_target("the sample's target does not match target_pattern",
                           "correct target_pattern or the dataset");
  score_outcome outcome = judge(after_reasoning(answer), *wanted);
  // Answers are arbitrary bytes; what is kept of them must be text.
  outcome.extracted = cut(valid_utf8(cut(outcome.extracted, extracted_limit)), extracted_limit);
  return outcome;
}

std::string scorer::right_answer(std::string_view target) const {
  const std::string wanted = find_target(target).value_or(std::string(target));
  for (std::string& candidate : right_candidates(wanted))
    if (score(candidate, target).value >= 1)
      return std::move(candidate);
  return std::string(target);
}

std::string scorer::wrong_answer(std::string_view target, std::string_view other_target,
                                 uint64_t seed) const {
  const std::string wanted = find_target(target).value_or(std::string(target));
  std::vector<std::string> candidates{right_answer(other_target)};
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
  auto made = make_judge(definition);
  if (made.has_error() || definition.target_pattern.empty())
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
