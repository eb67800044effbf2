#include "core/scoring/answer_json.hpp"
#include "core/scoring/scorer_types.hpp"

#include <nlohmann/json.hpp>

#include <cmath>

namespace assay::scoring {
namespace {

using nlohmann::json;

constexpr size_t comparison_budget = 2'000'000;

/// Compares within a budget, because arrays without order are quadratic and nest.
class comparison {
public:
  explicit comparison(const scorer_definition& definition) : definition_(definition) {}

  bool outermost(const json& answer, const json& target) {
    if (definition_.required_keys.empty())
      return equal(answer, target);
    if (!answer.is_object() || !target.is_object())
      return false;
    for (const std::string& key : definition_.required_keys) {
      const auto mine = answer.find(key);
      const auto wanted = target.find(key);
      if (mine == answer.end() || wanted == target.end() || !equal(*mine, *wanted))
        return false;
    }
    return true;
  }

private:
  bool equal(const json& a, const json& b) {
    if (++compared_ > comparison_budget)
      return false;
    if (a.is_number() && b.is_number())
      return equal_numbers(a, b);
    if (a.is_object() && b.is_object())
      return equal_objects(a, b);
    if (a.is_array() && b.is_array())
      return a.size() == b.size() && (definition_.ignore_order ? equal_bags(a, b) : equal_lists(a, b));
    return a == b;
  }

  bool equal_numbers(const json& a, const json& b) const {
    if (a == b)
      return true;
    const double x = a.get<double>();
    const double y = b.get<double>();
    return std::abs(x - y) <= std::max(definition_.tolerance, definition_.relative_tolerance * std::abs(y));
  }

  bool equal_objects(const json& a, const json& b) {
    if (definition_.subset ? a.size() < b.size() : a.size() != b.size())
      return false;
    for (auto wanted = b.begin(); wanted != b.end(); ++wanted) {
      const auto mine = a.find(wanted.key());
      if (mine == a.end() || !equal(*mine, *wanted))
        return false;
    }
    return true;
  }

  bool equal_lists(const json& a, const json& b) {
    for (size_t i = 0; i < a.size(); ++i)
      if (!equal(a[i], b[i]))
        return false;
    return true;
  }

  bool equal_bags(const json& a, const json& b) {
    std::vector<bool> used(b.size(), false);
    for (const json& item : a) {
      size_t i = 0;
      for (; i < b.size(); ++i) {
        if (++compared_ > comparison_budget)
          return false;
        if (!used[i] && equal(item, b[i]))
          break;
      }
      if (i == b.size())
        return false;
      used[i] = true;
    }
    return true;
  }

  const scorer_definition& definition_;
  size_t compared_ = 0;
};

class json_equal final : public scorer {
public:
  using scorer::scorer;

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    const auto wanted = parse_json(target);
    if (!wanted)
      return unusable_target("the sample's target is not JSON", "correct target_pattern or the dataset");
    // JSON of the target's kind is looked for in the text around; a whole answer that is JSON counts as it
    // is.
    auto found = find_json(answer, [&](const json& value) { return value.type() == wanted->type(); });
    if (!found)
      return {};
    const bool right = comparison(definition()).outermost(*found.value, *wanted);
    return {right ? 1.0 : 0.0, std::move(found.text), std::nullopt};
  }

  std::vector<std::string> right_candidates(std::string_view target) const override {
    return {"```json\n" + std::string(target) + "\n```", std::string(target)};
  }

  std::vector<std::string> wrong_candidates(std::string_view) const override {
    return {"```json\n{\"result\": null}\n```", "[]", "{}"};
  }
};

} // namespace

result<std::unique_ptr<scorer>> make_json_equal(const scorer_definition& definition) {
  return std::unique_ptr<scorer>(std::make_unique<json_equal>(definition));
}

} // namespace assay::scoring
