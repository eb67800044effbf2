#include "core/values/run_request_fields.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>

namespace assay::run_request_detail {

using json = nlohmann::json;

namespace {

constexpr size_t most_stop_texts = 16;

} // namespace

std::string shown(const json& value) {
  auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60)
    text = text.substr(0, 57) + "...";
  return text;
}

// -- finding values -------------------------------------------------------------------------------------

void fields::look_in(const json& object, const std::string& prefix, std::string_view key) {
  const auto it = object.find(key);
  if (it != object.end() && !it->is_null())
    found_.push_back({prefix + std::string(key), &*it});
}

void fields::collect(std::initializer_list<std::string_view> aliases) {
  found_.clear();
  for (const auto alias : aliases) {
    look_in(body_, "", alias);
    if (configuration_)
      look_in(*configuration_, "configuration.", alias);
    if (contains(generation_keys, alias))
      for (const auto& [prefix, object] : generation_objects_)
        look_in(*object, prefix + ".", alias);
  }
}

const json* fields::object_at(const json& parent, const std::string& where, std::string_view key) {
  const auto it = parent.find(key);
  if (it == parent.end() || it->is_null())
    return nullptr;
  if (!it->is_object()) {
    fail(where, "must be an object, not " + shown(*it));
    return nullptr;
  }
  return &*it;
}

// -- converting -----------------------------------------------------------------------------------------

std::optional<int64_t> fields::whole(const given& at, int64_t lowest, int64_t highest) {
  const auto& value = *at.value;
  std::optional<int64_t> number;
  if (value.is_number_unsigned()) {
    if (value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      number = static_cast<int64_t>(value.get<uint64_t>());
  } else if (value.is_number_integer()) {
    number = value.get<int64_t>();
  } else if (value.is_number_float()) {
    const auto real = value.get<double>();
    if (std::abs(real) < 9e15 && real == std::floor(real))
      number = static_cast<int64_t>(real);
  }
  if (number && *number >= lowest && *number <= highest)
    return number;
  fail(at.where, "must be a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest)
                     + ", not " + shown(value));
  return std::nullopt;
}

std::optional<double> fields::number(const given& at, double lowest, double highest) {
  const auto& value = *at.value;
  if (value.is_number()) {
    const auto real = value.get<double>();
    if (real >= lowest && real <= highest)
      return real;
  }
  fail(at.where, "must be a number from " + shown(json(lowest)) + " to " + shown(json(highest)) + ", not "
                     + shown(value));
  return std::nullopt;
}

std::optional<bool> fields::flag(const given& at) {
  if (at.value->is_boolean())
    return at.value->get<bool>();
  fail(at.where, "must be true or false, not " + shown(*at.value));
  return std::nullopt;
}

std::optional<std::string> fields::text(const given& at, size_t longest) {
  if (!at.value->is_string()) {
    fail(at.where, "must be a text, not " + shown(*at.value));
    return std::nullopt;
  }
  const auto& value = at.value->get_ref<const std::string&>();
  if (value.size() > longest)
    fail(at.where,
         "must have at most " + std::to_string(longest) + " bytes, not " + std::to_string(value.size()));
  else if (value.find('\0') != std::string::npos)
    fail(at.where, "must not hold a null character");
  else
    return value;
  return std::nullopt;
}

std::optional<std::vector<std::string>> fields::names(const given& at, size_t most) {
  if (!at.value->is_array()) {
    fail(at.where, "must be a list of names, not " + shown(*at.value));
    return std::nullopt;
  }
  if (at.value->size() > most) {
    fail(at.where, "has " + std::to_string(at.value->size()) + " entries; at most " + std::to_string(most)
                       + " are allowed");
    return std::nullopt;
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < at.value->size(); ++i) {
    const given element{at.where + "[" + std::to_string(i) + "]", &(*at.value)[i]};
    auto name = text(element, longest_name);
    if (!name)
      return std::nullopt;
    if (name->empty()) {
      fail(element.where, "must not be empty");
      return std::nullopt;
    }
    if (std::find(out.begin(), out.end(), *name) != out.end())
      note(element.where + ": '" + *name + "' is listed twice and taken once");
    else
      out.push_back(std::move(*name));
  }
  return out;
}

std::optional<std::vector<std::string>> fields::stop_texts(const given& at) {
  std::vector<std::string> out;
  if (at.value->is_string()) {
    out.push_back(at.value->get<std::string>());
  } else if (at.value->is_array() && at.value->size() <= most_stop_texts) {
    for (size_t i = 0; i < at.value->size(); ++i) {
      auto one = text({at.where + "[" + std::to_string(i) + "]", &(*at.value)[i]}, longest_name);
      if (!one)
        return std::nullopt;
      out.push_back(std::move(*one));
    }
  } else {
    fail(at.where, "must be a text or a list of at most " + std::to_string(most_stop_texts) + " texts, not "
                       + shown(*at.value));
    return std::nullopt;
  }
  for (const auto& one : out)
    if (one.empty()) {
      fail(at.where, "must not hold an empty text");
      return std::nullopt;
    }
  return out;
}

std::optional<int64_t> fields::whole_setting(std::initializer_list<std::string_view> aliases, int64_t lowest,
                                             int64_t highest) {
  return agreed<int64_t>(aliases, [&](const given& at) { return whole(at, lowest, highest); });
}

std::optional<double> fields::number_setting(std::string_view name, double lowest, double highest) {
  return agreed<double>({name}, [&](const given& at) { return number(at, lowest, highest); });
}

std::optional<bool> fields::flag_setting(std::string_view name) {
  return agreed<bool>({name}, [&](const given& at) { return flag(at); });
}

std::optional<std::string> fields::text_setting(std::string_view name, size_t longest) {
  return agreed<std::string>({name}, [&](const given& at) { return text(at, longest); });
}

} // namespace assay::run_request_detail
