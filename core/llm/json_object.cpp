#include "core/llm/json_object.hpp"

#include <nlohmann/json.hpp>

#include <limits>

namespace assay::llm {

namespace {

using nlohmann::json;

const json& nothing() {
  static const json empty = json::object();
  return empty;
}

std::string shown(double value) { return json(value).dump(); }

} // namespace

json_object::json_object(const json& in, std::string path, std::optional<fault>& wrong)
    : in_(in.is_object() ? in : nothing()), path_(std::move(path)), wrong_(wrong) {
  if (!in.is_object())
    refuse({}, "must be an object");
}

const json* json_object::find(const char* name) {
  seen_.insert(name);
  const auto it = in_.find(name);
  return it == in_.end() || it->is_null() ? nullptr : &*it;
}

void json_object::number(const char* name, std::optional<double>& out, double least, double most) {
  const auto* value = find(name);
  if (value == nullptr)
    return;
  if (!value->is_number())
    return refuse(name, "must be a number");
  const auto number = value->get<double>();
  if (!(number >= least && number <= most))
    return refuse(name, "must be from " + shown(least) + " to " + shown(most));
  out = number;
}

void json_object::count(const char* name, std::optional<uint32_t>& out, uint32_t least, uint32_t most) {
  const auto* value = find(name);
  if (value == nullptr)
    return;
  if (!value->is_number_integer() || *value < json(least) || *value > json(most))
    return refuse(name,
                  "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  out = value->get<uint32_t>();
}

void json_object::integer(const char* name, std::optional<int64_t>& out) {
  const auto* value = find(name);
  if (value == nullptr)
    return;
  const bool fits =
      value->is_number_integer()
      && (!value->is_number_unsigned()
          || value->get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  if (!fits)
    return refuse(name, "must be a whole number");
  out = value->get<int64_t>();
}

void json_object::flag(const char* name, std::optional<bool>& out) {
  const auto* value = find(name);
  if (value == nullptr)
    return;
  if (!value->is_boolean())
    return refuse(name, "must be true or false");
  out = value->get<bool>();
}

void json_object::flag(const char* name, bool& out) {
  std::optional<bool> value;
  flag(name, value);
  out = value.value_or(out);
}

void json_object::text(const char* name, std::string& out) {
  const auto* value = find(name);
  if (value == nullptr)
    return;
  if (!value->is_string())
    return refuse(name, "must be a text");
  out = value->get_ref<const std::string&>();
}

void json_object::needed_text(const char* name, std::string& out) {
  const auto* value = find(name);
  if (value == nullptr)
    return refuse(name, "is missing");
  if (!value->is_string() || value->get_ref<const std::string&>().empty())
    return refuse(name, "must be a text that is not empty");
  out = value->get_ref<const std::string&>();
}

void json_object::texts(const char* name, std::vector<std::string>& out, size_t most) {
  const auto* value = find(name);
  if (value == nullptr)
    return;
  if (value->is_string()) {
    out = {value->get<std::string>()};
    return;
  }
  if (!value->is_array())
    return refuse(name, "must be a text or a list of texts");
  if (value->size() > most)
    return refuse(name, "must have at most " + std::to_string(most) + " entries");
  out.clear();
  for (size_t i = 0; i < value->size(); ++i) {
    const auto& one = (*value)[i];
    if (!one.is_string())
      return refuse(std::string(name) + "[" + std::to_string(i) + "]", "must be a text");
    out.push_back(one.get<std::string>());
  }
}

std::string json_object::rest() const {
  auto out = json::object();
  for (const auto& [name, value] : in_.items())
    if (!seen_.contains(name) && !value.is_null())
      out[name] = value;
  return out.empty() ? std::string{} : out.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string json_object::path_of(std::string_view name) const {
  auto out = path_;
  if (!name.empty() && !out.empty())
    out += '.';
  return out.append(name);
}

void json_object::refuse(std::string_view name, std::string message, std::string hint, errc code) {
  if (!wrong_)
    wrong_ = fault{code, std::move(message), path_of(name), std::move(hint)};
}

} // namespace assay::llm
