#include "server/schema.hpp"

#include "core/values/closest_word.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace assay::server {

namespace {

using json = nlohmann::json;

constexpr std::string_view reference_prefix = "#/components/schemas/";

constexpr std::string_view checked_words[] = {
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "anyOf",
    "$ref",
    "title",
    "description",
    "default",
    "examples",
    "format",
};

std::string shown(const json& value) {
  auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60)
    text = text.substr(0, 57) + "...";
  return text;
}

fault refused(const std::string& where, std::string message, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), where, std::move(hint)};
}

std::string member_path(const std::string& parent, const std::string& name) {
  return parent.empty() ? name : parent + "." + name;
}

/// Refuses schemas with words that the checker would silently ignore.
void insist_on_known_words(const std::string& name, const json& schema) {
  if (schema.is_boolean())
    return;
  if (!schema.is_object())
    throw std::logic_error("schema " + name + " is not an object");
  for (const auto& [word, value] : schema.items()) {
    if (std::find(std::begin(checked_words), std::end(checked_words), word) == std::end(checked_words))
      throw std::logic_error("schema " + name + " uses '" + word + "', which is not checked");
    if (word == "properties")
      for (const auto& [member, inner] : value.items())
        insist_on_known_words(name + "." + member, inner);
    if (word == "items" || word == "additionalProperties")
      insist_on_known_words(name + "." + word, value);
    if (word == "anyOf")
      for (const auto& inner : value)
        insist_on_known_words(name + "." + word, inner);
  }
}

bool has_type(const json& value, std::string_view type) {
  if (type == "object")
    return value.is_object();
  if (type == "array")
    return value.is_array();
  if (type == "string")
    return value.is_string();
  if (type == "boolean")
    return value.is_boolean();
  if (type == "null")
    return value.is_null();
  if (type == "number")
    return value.is_number();
  // JSON knows no integers: 5.0 is one.
  if (type == "integer")
    return value.is_number_integer()
           || (value.is_number_float()
               && value.get<double>()
                      == static_cast<double>(
                          static_cast<int64_t>(std::clamp(value.get<double>(), -9e15, 9e15))));
  return false;
}

class checker {
public:
  explicit checker(const json& schemas) : schemas_(schemas) {}

  result<void> check(const json& schema, const json& value, const std::string& where) const {
    if (schema.is_boolean())
      return schema.get<bool>() ? result<void>{} : refused(where, "is not allowed here");
    if (const auto it = schema.find("$ref"); it != schema.end())
      return check(schemas_.at(it->get_ref<const std::string&>().substr(reference_prefix.size())), value,
                   where);
    for (const auto part :
         {&checker::check_type, &checker::check_words, &checker::check_text, &checker::check_number,
          &checker::check_list, &checker::check_object, &checker::check_any})
      if (auto outcome = (this->*part)(schema, value, where); !outcome)
        return outcome;
    return {};
  }

private:
  result<void> check_type(const json& schema, const json& value, const std::string& where) const {
    const auto it = schema.find("type");
    if (it == schema.end())
      return {};
    const auto types = it->is_array() ? *it : json::array({*it});
    std::string wanted;
    for (const auto& type : types) {
      const auto& name = type.get_ref<const std::string&>();
      if (has_type(value, name))
        return {};
      wanted += (wanted.empty() ? "" : " or ") + name;
    }
    return refused(where, "must be of type " + wanted + ", not " + shown(value));
  }

  result<void> check_words(const json& schema, const json& value, const std::string& where) const {
    if (const auto it = schema.find("const"); it != schema.end() && *it != value)
      return refused(where, "must be " + shown(*it) + ", not " + shown(value));
    const auto it = schema.find("enum");
    if (it == schema.end() || std::find(it->begin(), it->end(), value) != it->end())
      return {};
    return refused(where, "must be one of " + it->dump() + ", not " + shown(value));
  }

  result<void> check_text(const json& schema, const json& value, const std::string& where) const {
    if (!value.is_string())
      return {};
    const auto size = value.get_ref<const std::string&>().size();
    if (const auto it = schema.find("minLength"); it != schema.end() && size < it->get<size_t>())
      return refused(where, size == 0 ? "must not be empty" : "must have at least " + it->dump() + " bytes");
    if (const auto it = schema.find("maxLength"); it != schema.end() && size > it->get<size_t>())
      return refused(where, "must have at most " + it->dump() + " bytes");
    return {};
  }

  result<void> check_number(const json& schema, const json& value, const std::string& where) const {
    if (!value.is_number())
      return {};
    if (const auto it = schema.find("minimum"); it != schema.end() && value < *it)
      return refused(where, "must be at least " + it->dump() + ", not " + shown(value));
    if (const auto it = schema.find("maximum"); it != schema.end() && value > *it)
      return refused(where, "must be at most " + it->dump() + ", not " + shown(value));
    if (const auto it = schema.find("exclusiveMinimum"); it != schema.end() && value <= *it)
      return refused(where, "must be more than " + it->dump() + ", not " + shown(value));
    if (const auto it = schema.find("exclusiveMaximum"); it != schema.end() && value >= *it)
      return refused(where, "must be less than " + it->dump() + ", not " + shown(value));
    return {};
  }

  result<void> check_list(const json& schema, const json& value, const std::string& where) const {
    if (!value.is_array())
      return {};
    if (const auto it = schema.find("minItems"); it != schema.end() && value.size() < it->get<size_t>())
      return refused(where,
                     "must have at least " + it->dump() + (it->get<size_t>() == 1 ? " entry" : " entries"));
    if (const auto it = schema.find("maxItems"); it != schema.end() && value.size() > it->get<size_t>())
      return refused(where, "must have at most " + it->dump() + " entries");
    const auto items = schema.find("items");
    for (size_t i = 0; items != schema.end() && i < value.size(); ++i)
      if (auto outcome = check(*items, value[i], where + "[" + std::to_string(i) + "]"); !outcome)
        return outcome;
    return {};
  }

  result<void> check_object(const json& schema, const json& value, const std::string& where) const {
    if (!value.is_object())
      return {};
    const auto properties = schema.find("properties");
    const auto others = schema.find("additionalProperties");
    for (const auto& [name, member] : value.items()) {
      const auto path = member_path(where, name);
      if (properties != schema.end() && properties->contains(name)) {
        if (auto outcome = check((*properties)[name], member, path); !outcome)
          return outcome;
      } else if (others != schema.end()) {
        if (*others == false)
          return refused(path, "unknown field",
                         suggestion(name, properties == schema.end() ? json::object() : *properties));
        if (auto outcome = check(*others, member, path); !outcome)
          return outcome;
      }
    }
    if (const auto it = schema.find("required"); it != schema.end())
      for (const auto& name : *it)
        if (!value.contains(name.get_ref<const std::string&>()))
          return refused(member_path(where, name), "is missing");
    return {};
  }

  result<void> check_any(const json& schema, const json& value, const std::string& where) const {
    const auto it = schema.find("anyOf");
    if (it == schema.end())
      return {};
    result<void> last;
    for (const auto& option : *it) {
      last = check(option, value, where);
      if (last)
        return last;
    }
    return last;
  }

  static std::string suggestion(const std::string& name, const json& properties) {
    std::vector<std::string_view> known;
    for (const auto& [key, inner] : properties.items())
      known.push_back(key);
    return did_you_mean(name, known);
  }

  const json& schemas_;
};

} // namespace

schema_set::schema_set() : schemas_(std::make_unique<json>(json::object())) {}
schema_set::~schema_set() = default;

void schema_set::add(std::string name, std::string_view text) {
  auto schema = json::parse(text);
  insist_on_known_words(name, schema);
  if (schemas_->contains(name))
    throw std::logic_error("schema " + name + " is declared twice");
  (*schemas_)[std::move(name)] = std::move(schema);
}

bool schema_set::has(std::string_view name) const noexcept { return schemas_->contains(name); }

result<void> schema_set::check(std::string_view name, const json& value) const {
  auto outcome = checker{*schemas_}.check(schemas_->at(std::string(name)), value, {});
  if (!outcome && outcome.error().where.empty()) {
    auto whole = outcome.error();
    whole.where = "body";
    return whole;
  }
  return outcome;
}

const json& schema_set::all() const noexcept { return *schemas_; }

} // namespace assay::server
