#include "config/scalars.hpp"

#include "config/fields.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cmath>

namespace assay::config {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos)
    return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

template <class T>
std::optional<T> whole(std::string_view text) {
  if (text.starts_with('+'))
    text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

bool may_be_number(const node& value) {
  return value.type == node::kind::scalar && (!value.quoted || value.lenient);
}

struct unit {
  std::string_view name;
  double factor;
};

/// Splits "1.5 s" into number and factor. A bare number has the factor @p bare.
template <size_t N>
std::optional<double> with_unit(const node& value, const std::array<unit, N>& units, double bare) {
  if (value.type != node::kind::scalar)
    return std::nullopt;
  const auto text = trimmed(value.text);
  const auto end = text.find_first_not_of("0123456789.");
  const auto number = whole<double>(text.substr(0, end));
  if (!number || !std::isfinite(*number))
    return std::nullopt;
  if (end == std::string_view::npos)
    return *number * bare;
  const auto name = lower(trimmed(text.substr(end)));
  for (const auto& known : units)
    if (known.name == name)
      return *number * known.factor;
  return std::nullopt;
}

} // namespace

std::optional<double> to_number(const node& value) {
  if (!may_be_number(value))
    return std::nullopt;
  const auto number = whole<double>(trimmed(value.text));
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::optional<int64_t> to_integer(const node& value) {
  if (!may_be_number(value))
    return std::nullopt;
  if (const auto number = whole<int64_t>(trimmed(value.text)))
    return number;
  // 1e3 and 60.0 are whole numbers too.
  const auto number = to_number(value);
  if (!number || std::floor(*number) != *number || std::abs(*number) > 9e15)
    return std::nullopt;
  return static_cast<int64_t>(*number);
}

std::optional<bool> parse_lenient_bool(std::string_view text) {
  const auto word = lower(trimmed(text));
  for (const auto* yes : {"true", "1", "yes", "y", "on"})
    if (word == yes)
      return true;
  for (const auto* no : {"false", "0", "no", "n", "off"})
    if (word == no)
      return false;
  return std::nullopt;
}

std::optional<bool> to_bool(const node& value) {
  if (value.type != node::kind::scalar || (value.quoted && !value.lenient))
    return std::nullopt;
  if (!value.lenient && (value.text == "1" || value.text == "0"))
    return std::nullopt;
  return parse_lenient_bool(value.text);
}

std::optional<milliseconds> to_duration(const node& value) {
  static constexpr std::array<unit, 5> units{{{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 36e5}, {"d", 864e5}}};
  const auto ms = with_unit(value, units, 1e3);
  if (!ms || *ms > 1e14)
    return std::nullopt;
  return milliseconds{static_cast<milliseconds::rep>(std::llround(*ms))};
}

std::optional<uint64_t> to_bytes(const node& value) {
  static constexpr double k = 1024;
  static constexpr std::array<unit, 9> units{{{"b", 1},
                                              {"kib", k},
                                              {"mib", k * k},
                                              {"gib", k * k * k},
                                              {"tib", k * k * k * k},
                                              {"kb", 1e3},
                                              {"mb", 1e6},
                                              {"gb", 1e9},
                                              {"tb", 1e12}}};
  const auto bytes = with_unit(value, units, 1);
  if (!bytes || *bytes > 1e18)
    return std::nullopt;
  return static_cast<uint64_t>(*bytes);
}

nlohmann::json to_json_value(const node& value) {
  switch (value.type) {
  case node::kind::null:
    return nullptr;
  case node::kind::list: {
    auto list = nlohmann::json::array();
    for (const auto& item : value.items)
      list.push_back(to_json_value(item));
    return list;
  }
  case node::kind::map: {
    auto map = nlohmann::json::object();
    for (const auto& [name, member] : value.members)
      map[name] = to_json_value(member);
    return map;
  }
  case node::kind::scalar:
    break;
  }
  if (!value.quoted) {
    if (const auto number = whole<int64_t>(value.text))
      return *number;
    if (const auto number = to_number(value))
      return *number;
    const auto word = lower(value.text);
    if (word == "true" || word == "false")
      return word == "true";
  }
  return value.text;
}

std::string describe_value(const node& value) {
  switch (value.type) {
  case node::kind::null:
    return "nothing";
  case node::kind::list:
    return "a list";
  case node::kind::map:
    return "a group of keys";
  case node::kind::scalar:
    break;
  }
  constexpr size_t shown = 60;
  const auto text = value.text.size() > shown ? value.text.substr(0, shown) + "..." : value.text;
  return (value.quoted ? "the quoted text `" : "`") + text + "`";
}

} // namespace assay::config
