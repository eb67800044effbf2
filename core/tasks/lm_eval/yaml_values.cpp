#include "core/tasks/lm_eval/yaml_values.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace assay::tasks::lm_eval {
namespace {

using nlohmann::json;

constexpr int deepest = 64;
constexpr size_t most_parts = 200'000;

template <size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

constexpr std::array<std::string_view, 5> nulls{"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 9> truths{"yes",  "Yes", "YES", "true", "True",
                                                 "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 9> lies{"no",    "No",  "NO",  "false", "False",
                                               "FALSE", "off", "Off", "OFF"};

std::string without(std::string_view text, char unwanted) {
  std::string out(text);
  std::erase(out, unwanted);
  return out;
}

bool all_of(std::string_view text, std::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

std::optional<json> whole_number(bool negative, std::string_view digits, int base) {
  const std::string plain = without(digits, '_');
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value, base);
  if (error != std::errc{} || end != plain.data() + plain.size() || plain.empty())
    return std::nullopt;
  if (!negative)
    return json(value);
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    return std::nullopt;
  return json(-static_cast<int64_t>(value));
}

/// The integers of YAML 1.1: binary, octal with a leading zero, decimal, hexadecimal. Sexagesimal ones are
/// left as texts, since nobody means them.
std::optional<json> as_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+'))
    text.remove_prefix(1);
  if (text.starts_with("0b") && all_of(text.substr(2), "01_"))
    return whole_number(negative, text.substr(2), 2);
  if (text.starts_with("0x") && all_of(text.substr(2), "0123456789abcdefABCDEF_"))
    return whole_number(negative, text.substr(2), 16);
  if (text == "0")
    return json(0);
  if (text.starts_with('0'))
    return all_of(text, "01234567_") ? whole_number(negative, text, 8) : std::nullopt;
  return all_of(text, "0123456789_") && text.front() != '_' ? whole_number(negative, text, 10) : std::nullopt;
}

/// YAML 1.1 wants a point, and a sign in the exponent: `1e5` is a text.
bool is_float(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+'))
    text.remove_prefix(1);
  const size_t point = text.find('.');
  if (point == std::string_view::npos)
    return false;
  const std::string_view whole = text.substr(0, point);
  std::string_view rest = text.substr(point + 1);
  if (!whole.empty() && (!all_of(whole, "0123456789_") || whole.front() == '_'))
    return false;
  const size_t digits = std::min(rest.find_first_not_of("0123456789_"), rest.size());
  if (whole.empty() && digits == 0)
    return false;
  rest.remove_prefix(digits);
  if (rest.empty())
    return true;
  return rest.size() > 2 && (rest.front() == 'e' || rest.front() == 'E') && (rest[1] == '-' || rest[1] == '+')
         && all_of(rest.substr(2), "0123456789");
}

std::optional<json> as_float(std::string_view text) {
  if (!is_float(text))
    return std::nullopt;
  std::string plain = without(text, '_');
  std::string_view digits = plain;
  if (digits.starts_with('+'))
    digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || !std::isfinite(value))
    return std::nullopt;
  return json(value);
}

json scalar(const YAML::Node& node, const std::string& folder) {
  const std::string& text = node.Scalar();
  if (is_function(node))
    return json{{function_key, text}, {"folder", folder}};
  // Quoted and block texts carry the tag `!`, plain ones `?`.
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str")
    return text;
  if (is_one_of(text, nulls))
    return nullptr;
  if (is_one_of(text, truths))
    return true;
  if (is_one_of(text, lies))
    return false;
  if (auto number = as_integer(text))
    return *number;
  if (auto number = as_float(text))
    return *number;
  return text;
}

class converter {
public:
  explicit converter(const std::string& folder) : folder_(folder) {}

  std::optional<json> convert(const YAML::Node& node, int depth) {
    if (++parts_ > most_parts || depth > deepest)
      return std::nullopt;
    if (!node.IsDefined() || node.IsNull())
      return json(nullptr);
    if (node.IsScalar())
      return scalar(node, folder_);
    return node.IsSequence() ? list(node, depth) : mapping(node, depth);
  }

private:
  std::optional<json> list(const YAML::Node& node, int depth) {
    json out = json::array();
    for (const auto& item : node) {
      auto one = convert(item, depth + 1);
      if (!one)
        return std::nullopt;
      out.push_back(std::move(*one));
    }
    return out;
  }

  std::optional<json> mapping(const YAML::Node& node, int depth) {
    json out = json::object();
    for (const auto& item : node) {
      auto one = convert(item.second, depth + 1);
      if (!one)
        return std::nullopt;
      out[item.first.IsScalar() ? item.first.Scalar() : YAML::Dump(item.first)] = std::move(*one);
    }
    return out;
  }

  const std::string& folder_;
  size_t parts_ = 0;
};

void collect(const json& value, std::vector<std::string>& out) {
  if (value.is_object() && value.contains(function_key)) {
    if (const auto& name = value.at(function_key); name.is_string())
      out.push_back(name.get<std::string>());
    return;
  }
  if (value.is_structured())
    for (const auto& item : value)
      collect(item, out);
}

} // namespace

bool is_function(const YAML::Node& node) {
  return node.IsDefined() && node.IsScalar() && node.Tag() == function_key;
}

std::optional<json> to_json(const YAML::Node& node, const std::string& folder) {
  return converter{folder}.convert(node, 0);
}

std::vector<std::string> functions_in(const json& value) {
  std::vector<std::string> out;
  collect(value, out);
  return out;
}

} // namespace assay::tasks::lm_eval
