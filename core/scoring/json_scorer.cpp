#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"

#include <nlohmann/json.hpp>

#include <cmath>

namespace assay::scoring {
namespace {

using nlohmann::json;

constexpr int depth_limit = 200;
constexpr size_t parse_attempts = 64;
constexpr size_t comparison_budget = 2'000'000;

/// @returns the end of the bracketed text that begins at @p begin, or npos when it does not close or nests
/// too deeply. Knows strings, and leaves the rest to the parser.
size_t closing(std::string_view text, size_t begin) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > depth_limit)
        return std::string_view::npos;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

std::optional<json> parse(std::string_view text) {
  text = strip(text);
  if (text.empty())
    return std::nullopt;
  // The parser has no limit on depth, and what it builds is compared by recursion.
  if ((text.front() == '{' || text.front() == '[') && closing(text, 0) == std::string_view::npos)
    return std::nullopt;
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded())
    return std::nullopt;
  return value;
}

/// JSON found in an answer, and where.
struct found_json {
  json value;
  std::string text;
};

/// @returns the last fenced block that is JSON of the kind of @p wanted.
std::optional<found_json> fenced(std::string_view answer, const json& wanted) {
  std::optional<found_json> found;
  size_t attempts = 0;
  for (size_t open = answer.find("```"); open != std::string_view::npos && attempts < parse_attempts;
       ++attempts) {
    const size_t line_end = answer.find('\n', open);
    const size_t close = answer.find("```", open + 3);
    if (close == std::string_view::npos)
      break;
    // The language stands on the opening line, which in a block of one line holds the JSON.
    size_t begin = line_end < close ? line_end + 1 : open + 3;
    if (line_end >= close && answer.substr(begin, 4) == "json")
      begin += 4;
    if (auto value = parse(answer.substr(begin, close - begin)); value && value->type() == wanted.type())
      found = found_json{*std::move(value), std::string(strip(answer.substr(begin, close - begin)))};
    open = answer.find("```", close + 3);
  }
  return found;
}

/// @returns the last bracketed text that is JSON of the kind of @p wanted.
std::optional<found_json> embedded(std::string_view answer, const json& wanted) {
  if (!wanted.is_structured())
    return std::nullopt;
  const char bracket = wanted.is_object() ? '{' : '[';
  std::optional<found_json> found;
  size_t attempts = 0;
  for (size_t open = answer.find(bracket); open != std::string_view::npos && attempts < parse_attempts;
       ++attempts) {
    const size_t end = closing(answer, open);
    std::optional<json> value;
    if (end != std::string_view::npos)
      value = parse(answer.substr(open, end - open));
    if (value && value->type() == wanted.type()) {
      found = found_json{*std::move(value), std::string(answer.substr(open, end - open))};
      open = answer.find(bracket, end);
    } else {
      open = answer.find(bracket, open + 1);
    }
  }
  return found;
}

std::optional<found_json> find_json(std::string_view answer, const json& wanted) {
  if (auto value = parse(answer))
    return found_json{*std::move(value), std::string(strip(answer))};
  if (auto found = fenced(answer, wanted))
    return found;
  return embedded(answer, wanted);
}

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
    const auto wanted = parse(target);
    if (!wanted)
      return unusable_target("the sample's target is not JSON", "correct target_pattern or the dataset");
    auto found = find_json(answer, *wanted);
    if (!found)
      return {};
    const bool right = comparison(definition()).outermost(found->value, *wanted);
    return {right ? 1.0 : 0.0, std::move(found->text), std::nullopt};
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
