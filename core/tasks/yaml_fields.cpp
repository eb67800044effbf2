#include "core/tasks/yaml_fields.hpp"

#include "core/tasks/name_hint.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

namespace assay::tasks {
namespace {

std::string range_text(double low, double high) {
  const auto shown = [](double value) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, value);
    return std::string(digits, end.ptr);
  };
  return high >= 1e15 ? shown(low) + " or more" : shown(low) + " to " + shown(high);
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  if (text.starts_with('+'))
    text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty())
    return std::nullopt;
  return value;
}

} // namespace

std::string describe(const YAML::Node& node) {
  if (!node.IsDefined() || node.IsNull())
    return "nothing";
  if (node.IsSequence())
    return "a list";
  if (node.IsMap())
    return "a mapping";
  const std::string& text = node.Scalar();
  return text.size() > 40 ? "a long text" : "`" + text + "`";
}

void yaml_faults::add(const YAML::Mark& mark, std::string_view path, std::string message, std::string hint) {
  constexpr size_t most = 100;
  if (all_.size() >= most)
    return;
  std::string where = file_;
  if (mark.line >= 0)
    where.append(":").append(std::to_string(mark.line + 1));
  if (!path.empty())
    where.append(": ").append(path);
  // What is wrong with one value is said once.
  if (std::any_of(all_.begin(), all_.end(), [&](const fault& other) { return other.where == where; }))
    return;
  all_.push_back({errc::invalid_argument, std::move(message), std::move(where), std::move(hint)});
}

yaml_fields::yaml_fields(YAML::Node node, std::string path, yaml_faults& faults,
                         std::initializer_list<std::string_view> known)
    : node_(std::move(node)), path_(std::move(path)), faults_(&faults) {
  if (!node_.IsMap()) {
    faults_->add(node_.Mark(), path_, "expected a mapping, found " + describe(node_),
                 "write `key: value` lines");
    return;
  }
  const std::vector<std::string> names(known.begin(), known.end());
  std::set<std::string> seen;
  for (const auto& item : node_) {
    if (!item.first.IsScalar()) {
      faults_->add(item.first.Mark(), path_, "expected a name as the key, found " + describe(item.first));
      continue;
    }
    const std::string& key = item.first.Scalar();
    if (!seen.insert(key).second)
      faults_->add(item.first.Mark(), path_of(key), "the key stands here a second time",
                   "remove one of them");
    if (!names.empty() && std::find(names.begin(), names.end(), key) == names.end())
      faults_->add(item.first.Mark(), path_of(key), "unknown key", name_hint(key, names));
  }
}

YAML::Node yaml_fields::get(std::string_view key) const {
  if (!node_.IsMap())
    return YAML::Node(YAML::NodeType::Undefined);
  for (const auto& item : node_)
    if (item.first.IsScalar() && item.first.Scalar() == key)
      return item.second;
  return YAML::Node(YAML::NodeType::Undefined);
}

std::string yaml_fields::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void yaml_fields::wrong(std::string_view key, std::string message, std::string hint) const {
  const YAML::Node value = get(key);
  faults_->add(value.IsDefined() ? value.Mark() : node_.Mark(), path_of(key), std::move(message),
               std::move(hint));
}

std::optional<std::string> yaml_fields::scalar(std::string_view key, std::string_view expected) const {
  const YAML::Node value = get(key);
  if (!value.IsDefined())
    return std::nullopt;
  if (!value.IsScalar()) {
    wrong(key, "expected " + std::string(expected) + ", found " + describe(value));
    return std::nullopt;
  }
  return value.Scalar();
}

std::string yaml_fields::text(std::string_view key, std::string fallback) const {
  return scalar(key, "a text").value_or(std::move(fallback));
}

bool yaml_fields::flag(std::string_view key, bool fallback) const {
  const auto value = scalar(key, "true or false");
  if (!value)
    return fallback;
  const YAML::Node node = get(key);
  bool read = false;
  if (YAML::convert<bool>::decode(node, read))
    return read;
  wrong(key, "expected true or false, found " + describe(node));
  return fallback;
}

std::optional<double> yaml_fields::number(std::string_view key, double low, double high) const {
  const auto value = scalar(key, "a number");
  if (!value)
    return std::nullopt;
  const auto read = parse_number<double>(*value);
  if (!read || !std::isfinite(*read) || *read < low || *read > high) {
    wrong(key, "expected a number, " + range_text(low, high) + ", found " + describe(get(key)));
    return std::nullopt;
  }
  return read;
}

std::optional<int64_t> yaml_fields::integer(std::string_view key, int64_t low, int64_t high) const {
  const auto value = scalar(key, "a whole number");
  if (!value)
    return std::nullopt;
  const auto read = parse_number<int64_t>(*value);
  if (!read || *read < low || *read > high) {
    wrong(key, "expected a whole number, " + range_text(static_cast<double>(low), static_cast<double>(high))
                   + ", found " + describe(get(key)));
    return std::nullopt;
  }
  return read;
}

std::vector<std::string> yaml_fields::texts(std::string_view key) const {
  const YAML::Node value = get(key);
  if (!value.IsDefined())
    return {};
  if (value.IsScalar())
    return {value.Scalar()};
  std::vector<std::string> out;
  if (!value.IsSequence()) {
    wrong(key, "expected a list of texts, found " + describe(value));
    return out;
  }
  for (const auto& item : value) {
    if (item.IsScalar())
      out.push_back(item.Scalar());
    else
      faults_->add(item.Mark(), path_of(key) + "[" + std::to_string(out.size()) + "]",
                   "expected a text, found " + describe(item));
  }
  return out;
}

} // namespace assay::tasks
