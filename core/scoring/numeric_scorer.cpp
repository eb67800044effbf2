#include "core/scoring/numbers.hpp"
#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"

#include <charconv>

namespace assay::scoring {
namespace {

/// @returns what stands in the last \boxed{...} of the text, or nothing.
std::optional<std::string_view> boxed(std::string_view text) {
  constexpr std::string_view mark = "\\boxed{";
  const size_t at = text.rfind(mark);
  if (at == std::string_view::npos)
    return std::nullopt;
  const size_t begin = at + mark.size();
  int depth = 1;
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '{')
      ++depth;
    else if (text[i] == '}' && --depth == 0)
      return text.substr(begin, i - begin);
  }
  return text.substr(begin);
}

class numeric final : public scorer {
public:
  numeric(const scorer_definition& d, std::optional<pattern> expression)
      : scorer(d), expression_(std::move(expression)) {}

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const std::string folded_target = fold_width(target);
    const auto wanted = final_number(folded_target);
    if (!wanted)
      return unusable_target("there is no number in the sample's target",
                             "correct target_pattern or the dataset");
    const std::string text = fold_width(answer);
    const auto found = answered_number(text);
    if (!found)
      return {};
    const bool right = same_number(*found, *wanted, definition().tolerance, definition().relative_tolerance);
    return {right ? 1.0 : 0.0, text.substr(found->begin, found->end - found->begin), std::nullopt};
  }

  std::vector<std::string> right_candidates(std::string_view target) const override {
    const std::string stripped(scoring::strip(target));
    std::vector<std::string> candidates;
    if (expression_) {
      const std::string& text = definition().pattern;
      candidates.push_back(example_of(text, expression_->groups() > 0 ? 1 : 0, stripped));
      candidates.push_back(example_of(text, 0, {}) + " " + stripped);
    }
    candidates.push_back("The answer is " + stripped + ".");
    candidates.push_back(stripped);
    return candidates;
  }

  std::vector<std::string> wrong_candidates(std::string_view target) const override {
    const std::string folded = fold_width(target);
    const auto number = final_number(folded);
    if (!number)
      return {};
    std::vector<std::string> candidates;
    for (const double wrong :
         {number->value + 1 + definition().tolerance, number->value * 10 + 3, -number->value - 2}) {
      char digits[64];
      const auto end = std::to_chars(digits, digits + sizeof digits, wrong);
      for (std::string& candidate :
           right_candidates(std::string_view(digits, static_cast<size_t>(end.ptr - digits))))
        candidates.push_back(std::move(candidate));
    }
    return candidates;
  }

private:
  /// Marks that models and datasets put in front of their final answer come before the last number.
  static std::optional<found_number> final_number(const std::string& text) {
    if (const auto box = boxed(text))
      if (auto number = inside(text, *box))
        return number;
    if (const size_t mark = text.rfind("####"); mark != std::string::npos)
      if (auto number = next_number(text, mark + 4))
        return number;
    return last_number(text);
  }

  /// @returns the last number of @p part with its place in @p text.
  static std::optional<found_number> inside(const std::string& text, std::string_view part) {
    auto number = last_number(part);
    if (number) {
      const auto offset = static_cast<size_t>(part.data() - text.data());
      number->begin += offset;
      number->end += offset;
    }
    return number;
  }

  std::optional<found_number> answered_number(const std::string& text) const {
    if (!expression_)
      return final_number(text);
    const uint32_t group = expression_->groups() > 0 ? 1 : 0;
    if (const auto match = expression_->find(text, group, definition().match); match && match->group) {
      const auto end = static_cast<size_t>(match->whole.data() + match->whole.size() - text.data());
      auto number = group > 0 ? inside(text, *match->group) : next_number(text, end);
      if (number)
        return number;
    }
    return definition().strict ? std::nullopt : final_number(text);
  }

  std::optional<pattern> expression_;
};

} // namespace

result<std::unique_ptr<scorer>> make_numeric(const scorer_definition& definition) {
  std::optional<pattern> expression;
  if (!definition.pattern.empty()) {
    auto compiled = pattern::compile(definition.pattern, "pattern", definition.ignore_case);
    if (compiled.has_error())
      return compiled.error();
    expression.emplace(std::move(*compiled));
  } else if (definition.strict) {
    return fault{errc::invalid_argument, "strict needs a pattern", "strict",
                 "name the pattern or drop strict"};
  }
  return std::unique_ptr<scorer>(std::make_unique<numeric>(definition, std::move(expression)));
}

} // namespace assay::scoring
