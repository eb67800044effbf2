#include "config/fields.hpp"
#include "config/scalars.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace assay::config {

namespace {

/// What reading one value came to: nothing on success, else what was expected.
using complaint = std::optional<std::string>;

std::string shortest(double value) {
  const bool whole = std::floor(value) == value && std::abs(value) < 1e15;
  return whole ? std::to_string(static_cast<int64_t>(value)) : nlohmann::json(value).dump();
}

std::string bounds(const field_spec& spec) {
  if (std::isinf(spec.most))
    return std::isinf(spec.least) ? "" : " of at least " + shortest(spec.least);
  return " from " + shortest(spec.least) + " to " + shortest(spec.most);
}

bool within(const field_spec& spec, double value) { return value >= spec.least && value <= spec.most; }

/// Assigns to one kind of target each.
class assigner {
public:
  assigner(const field_spec& spec, const node& value) : spec_(spec), value_(value) {}

  complaint operator()(bool* out) const { return truth(*out); }
  complaint operator()(std::optional<bool>* out) const { return truth(*out); }
  complaint operator()(uint16_t* out) const { return integer(*out); }
  complaint operator()(uint32_t* out) const { return integer(*out); }
  complaint operator()(std::optional<uint32_t>* out) const { return integer<uint32_t>(*out); }
  complaint operator()(std::optional<int64_t>* out) const { return integer<int64_t>(*out); }
  complaint operator()(double* out) const { return number(*out); }
  complaint operator()(std::optional<double>* out) const { return number(*out); }

  complaint operator()(std::optional<money>* out) const {
    std::optional<double> dollars;
    auto wrong = number(dollars);
    if (!wrong)
      *out = from_dollars(*dollars);
    return wrong;
  }

  complaint operator()(std::string* out) const {
    if (value_.type != node::kind::scalar)
      return "a text";
    *out = value_.text;
    return std::nullopt;
  }

  complaint operator()(secret* out) const {
    if (value_.type != node::kind::scalar)
      return "a text";
    *out = secret(value_.text);
    return std::nullopt;
  }

  complaint operator()(seconds* out) const { return duration(*out); }
  complaint operator()(milliseconds* out) const { return duration(*out); }
  complaint operator()(std::optional<seconds>* out) const { return duration<seconds>(*out); }
  complaint operator()(std::optional<milliseconds>* out) const { return duration<milliseconds>(*out); }

  complaint operator()(byte_size out) const {
    const auto read = to_bytes(value_);
    if (!read || !within(spec_, static_cast<double>(*read)))
      return "a number of bytes such as 65536 or `64KiB`" + bounds(spec_);
    *out.bytes = *read;
    return std::nullopt;
  }

  complaint operator()(std::vector<secret>* out) const {
    std::vector<std::string> read;
    auto wrong = (*this)(&read);
    if (wrong)
      return wrong;
    out->clear();
    for (auto& text : read)
      out->emplace_back(std::move(text));
    return std::nullopt;
  }

  complaint operator()(std::vector<std::string>* out) const {
    std::vector<std::string> read;
    if (value_.type == node::kind::scalar && value_.lenient) {
      read = split(value_.text);
    } else if (value_.type == node::kind::list) {
      for (const auto& item : value_.items) {
        if (item.type != node::kind::scalar)
          return "a list of texts";
        read.push_back(item.text);
      }
    } else {
      return "a list of texts such as [a, b]";
    }
    *out = std::move(read);
    return std::nullopt;
  }

  complaint operator()(exceptions out) const {
    if (const auto all = to_bool(value_)) {
      *out.items = *all ? std::vector<std::string>{"*"} : std::vector<std::string>{};
      return std::nullopt;
    }
    if (auto wrong = (*this)(out.items))
      return "true, false or " + *wrong;
    return std::nullopt;
  }

  complaint operator()(open_json* out) const {
    if (!value_.is_map())
      return "a group of keys";
    out->text = to_json_value(value_).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return std::nullopt;
  }

  complaint operator()(const choice& out) const {
    std::string word = value_.type == node::kind::scalar ? value_.text : "";
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (std::find(out.words.begin(), out.words.end(), word) == out.words.end()) {
      std::string list = "one of";
      for (const auto known : out.words)
        list.append(list.size() == 6 ? " " : ", ").append(known);
      return list;
    }
    out.set(word);
    return std::nullopt;
  }

private:
  template <class T>
  complaint truth(T& out) const {
    const auto read = to_bool(value_);
    if (!read)
      return "true or false";
    out = *read;
    return std::nullopt;
  }

  template <class Integer, class T>
  complaint integer_into(T& out) const {
    const auto read = to_integer(value_);
    if (!read || !std::in_range<Integer>(*read) || !within(spec_, static_cast<double>(*read)))
      return "a whole number"
             + (bounds(spec_).empty() && std::is_unsigned_v<Integer> ? " of at least 0" : bounds(spec_));
    out = static_cast<Integer>(*read);
    return std::nullopt;
  }
  template <class T>
  complaint integer(T& out) const {
    return integer_into<T>(out);
  }
  template <class Integer>
  complaint integer(std::optional<Integer>& out) const {
    return integer_into<Integer>(out);
  }

  template <class T>
  complaint number(T& out) const {
    const auto read = to_number(value_);
    if (!read || !within(spec_, *read))
      return "a number" + bounds(spec_);
    out = *read;
    return std::nullopt;
  }

  template <class Duration, class T>
  complaint duration_into(T& out) const {
    const auto read = to_duration(value_);
    const auto in_seconds = read ? std::chrono::duration<double>(*read).count() : 0;
    if (!read || !within(spec_, in_seconds))
      return "a number of seconds or a time such as `250ms`, `30s` or `2h`"
             + (bounds(spec_).empty() ? "" : bounds(spec_) + " seconds");
    out = std::chrono::ceil<Duration>(*read);
    return std::nullopt;
  }
  template <class T>
  complaint duration(T& out) const {
    return duration_into<T>(out);
  }
  template <class Duration>
  complaint duration(std::optional<Duration>& out) const {
    return duration_into<Duration>(out);
  }

  static std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
      const auto end = std::min(text.find(','), text.size());
      auto part = text.substr(0, end);
      while (part.starts_with(' '))
        part.remove_prefix(1);
      while (part.ends_with(' '))
        part.remove_suffix(1);
      if (!part.empty())
        parts.emplace_back(part);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
  }

  const field_spec& spec_;
  const node& value_;
};

/// Like describe_value(), without repeating what may be a key that was written in the wrong place.
std::string kind_of_value(const node& value) {
  return value.type == node::kind::scalar ? "a single value" : describe_value(value);
}

} // namespace

field_reader::field_reader(const node& root) { levels_.push_back({&root, "", {}}); }

void field_reader::field(const field_spec& spec, field_target target) {
  auto& here = levels_.back();
  here.known.emplace_back(spec.key);
  const auto* value = here.at->find(spec.key);
  if (value == nullptr || value->is_null())
    return;
  const auto expected = std::visit(assigner(spec, *value), target);
  if (!expected)
    return;
  const bool hidden =
      std::holds_alternative<secret*>(target) || std::holds_alternative<std::vector<secret>*>(target);
  wrong(*value, path_of(spec.key),
        "expected " + *expected + ", found " + (hidden ? "something else" : describe_value(*value)),
        value->quoted && !value->lenient ? "leave the quotes out" : "");
}

void field_reader::ignored(std::string_view key, std::string_view reason) {
  auto& here = levels_.back();
  here.known.emplace_back(key);
  if (const auto* value = here.at->find(key))
    warnings.push_back(to_string(value->at) + " " + path_of(key) + " is ignored: " + std::string(reason));
}

std::vector<fault> field_reader::finish() {
  check_unknown(levels_.front());
  return faults_;
}

bool field_reader::enter(std::string_view key) {
  auto& here = levels_.back();
  here.known.emplace_back(key);
  const auto* value = here.at->find(key);
  if (value == nullptr || value->is_null())
    return false;
  auto path = path_of(key);
  if (!value->is_map()) {
    wrong(*value, path, "expected a group of keys, found " + describe_value(*value));
    return false;
  }
  levels_.push_back({value, std::move(path), {}});
  return true;
}

void field_reader::leave() {
  check_unknown(levels_.back());
  levels_.pop_back();
}

std::vector<std::string> field_reader::names(std::vector<std::string>) {
  std::vector<std::string> found;
  for (const auto& [name, value] : levels_.back().at->members)
    found.push_back(name);
  return found;
}

std::optional<size_t> field_reader::enter_list(std::string_view key, size_t) {
  auto& here = levels_.back();
  here.known.emplace_back(key);
  const auto* value = here.at->find(key);
  if (value == nullptr || value->is_null())
    return std::nullopt;
  auto path = path_of(key);
  if (value->type != node::kind::list) {
    wrong(*value, path, "expected a list, found " + kind_of_value(*value));
    return std::nullopt;
  }
  levels_.push_back({value, std::move(path), {}});
  return value->items.size();
}

bool field_reader::enter_item(size_t index) {
  const auto& list = levels_.back();
  const auto& item = list.at->items[index];
  auto path = list.path + "[" + std::to_string(index) + "]";
  if (!item.is_map()) {
    wrong(item, path, "expected a group of keys, found " + kind_of_value(item));
    return false;
  }
  levels_.push_back({&item, std::move(path), {}});
  return true;
}

void field_reader::leave_names() { levels_.pop_back(); }

std::string field_reader::path_of(std::string_view key) const {
  const auto& above = levels_.back().path;
  return above.empty() ? std::string(key) : above + "." + std::string(key);
}

void field_reader::wrong(const node& at, const std::string& path, std::string message, std::string hint) {
  faults_.push_back(
      {errc::invalid_argument, std::move(message), to_string(at.at) + " " + path, std::move(hint)});
}

void field_reader::check_unknown(const level& here) {
  for (const auto& [name, value] : here.at->members) {
    if (std::find(here.known.begin(), here.known.end(), name) != here.known.end())
      continue;
    const auto path = here.path.empty() ? name : here.path + "." + name;
    wrong(value, path, "unknown key `" + name + "`", did_you_mean(name, here.known));
  }
}

} // namespace assay::config
