#include "mock/json_instance.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace assay::mock {

namespace {

using nlohmann::json;

/// Schemas may refer to themselves; below this an empty value has to do.
constexpr int deepest = 24;
constexpr int most_values = 10'000;

class instance_maker {
public:
  instance_maker(const json& root, std::string_view answer) : root_(root), answer_(answer) {}

  json make(const json& schema, int depth = 0) {
    if (!schema.is_object() || depth > deepest || ++made_ > most_values)
      return json::object();
    if (const auto ref = schema.find("$ref"); ref != schema.end() && ref->is_string())
      return make(resolve(ref->get<std::string>()), depth + 1);
    for (const auto* name : {"const", "default"})
      if (const auto found = schema.find(name); found != schema.end())
        return *found;
    if (const auto found = schema.find("enum"); found != schema.end() && found->is_array() && !found->empty())
      return found->front();
    if (const auto found = schema.find("allOf"); found != schema.end() && found->is_array())
      return make(merged(schema, *found), depth + 1);
    for (const auto* name : {"anyOf", "oneOf"})
      if (const auto found = schema.find(name);
          found != schema.end() && found->is_array() && !found->empty() && !schema.contains("properties"))
        return make(found->front(), depth + 1);
    return of_type(type_of(schema), schema, depth);
  }

private:
  const json& resolve(const std::string& ref) const {
    static const json nothing = json::object();
    if (!ref.starts_with('#'))
      return nothing;
    const auto* at = &root_;
    for (size_t i = 1; i < ref.size();) {
      const auto end = std::min(ref.find('/', i + 1), ref.size());
      const auto name = ref.substr(i + 1, end - i - 1);
      if (!at->is_object() || !at->contains(name))
        return nothing;
      at = &at->at(name);
      i = end;
    }
    return *at;
  }

  json merged(const json& schema, const json& parts) const {
    auto out = schema;
    out.erase("allOf");
    for (const auto& part : parts) {
      const auto& whole = part.is_object() && part.contains("$ref") && part["$ref"].is_string()
                              ? resolve(part["$ref"].get<std::string>())
                              : part;
      if (!whole.is_object())
        continue;
      for (const auto& [name, value] : whole.items()) {
        if (name == "properties" && out.contains(name) && out[name].is_object())
          out[name].update(value);
        else if (name == "required" && out.contains(name) && out[name].is_array() && value.is_array())
          out[name].insert(out[name].end(), value.begin(), value.end());
        else
          out[name] = value;
      }
    }
    return out;
  }

  static std::string type_of(const json& schema) {
    auto type = schema.value("type", json());
    if (type.is_array())
      type = type.empty() ? json() : type.front();
    if (type.is_string()) {
      auto name = type.get<std::string>();
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      return name;
    }
    return schema.contains("properties") ? "object" : schema.contains("items") ? "array" : "";
  }

  json of_type(const std::string& type, const json& schema, int depth) {
    if (type == "object" || type.empty())
      return object_of(schema, depth);
    if (type == "array")
      return array_of(schema, depth);
    if (type == "string")
      return text_of(schema);
    if (type == "integer" || type == "number")
      return number_of(schema, type == "integer");
    if (type == "boolean")
      return false;
    return nullptr;
  }

  json object_of(const json& schema, int depth) {
    auto out = json::object();
    const auto properties = schema.value("properties", json::object());
    const auto required = schema.value("required", json::array());
    if (required.is_array())
      for (const auto& name : required)
        if (name.is_string())
          out[name.get<std::string>()] =
              member(name.get<std::string>(), properties.is_object() ? properties : json::object(), depth);
    // An answer that is only optional is still the point of the whole.
    if (out.empty() && properties.is_object() && properties.contains("answer"))
      out["answer"] = member("answer", properties, depth);
    return out;
  }

  json member(const std::string& name, const json& properties, int depth) {
    const auto schema = properties.value(name, json{{"type", "string"}});
    if (name == "answer" && depth == 0 && type_of(schema) == "string" && !schema.contains("enum")
        && !schema.contains("const") && !schema.contains("pattern") && !schema.contains("format")
        && !answer_.empty() && answer_.size() >= count_in(schema, "minLength")
        && (!schema.contains("maxLength") || answer_.size() <= count_in(schema, "maxLength")))
      return answer_;
    return make(schema, depth + 1);
  }

  json array_of(const json& schema, int depth) {
    auto out = json::array();
    if (const auto first = schema.find("prefixItems"); first != schema.end() && first->is_array())
      for (const auto& item : *first)
        out.push_back(make(item, depth + 1));
    const auto least = std::min<size_t>(count_in(schema, "minItems"), 1000);
    while (out.size() < least)
      out.push_back(make(schema.value("items", json{{"type", "string"}}), depth + 1));
    return out;
  }

  static size_t count_in(const json& schema, const char* name) {
    // Gemini writes 64-bit numbers as texts.
    const auto found = schema.value(name, json());
    if (found.is_number_unsigned())
      return found.get<size_t>();
    return found.is_string() ? std::strtoull(found.get_ref<const std::string&>().c_str(), nullptr, 10) : 0;
  }

  static json text_of(const json& schema) {
    const auto format = schema.value("format", json(""));
    for (const auto& [name, text] :
         {std::pair{"date-time", "2000-01-01T00:00:00Z"}, std::pair{"date", "2000-01-01"},
          std::pair{"time", "00:00:00Z"}, std::pair{"email", "simulated@example.com"},
          std::pair{"uri", "https://example.com/"}, std::pair{"hostname", "example.com"},
          std::pair{"ipv4", "192.0.2.1"}, std::pair{"ipv6", "2001:db8::1"}, std::pair{"duration", "PT1S"},
          std::pair{"uuid", "00000000-0000-4000-8000-000000000000"}})
      if (format == name)
        return text;
    std::string text = "simulated";
    const auto least = std::min<size_t>(count_in(schema, "minLength"), 100'000);
    while (text.size() < least)
      text += '.';
    if (schema.contains("maxLength"))
      text.resize(std::min(text.size(), std::max(least, count_in(schema, "maxLength"))));
    return text;
  }

  static json number_of(const json& schema, bool whole) {
    const auto bound = [&](const char* name) -> std::optional<double> {
      const auto found = schema.find(name);
      return found != schema.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
    };
    const auto step = std::max(bound("multipleOf").value_or(whole ? 1.0 : 0.0), 0.0);
    double value = 0;
    if (const auto least = bound("minimum"))
      value = *least;
    else if (const auto above = bound("exclusiveMinimum"))
      value = *above + (step > 0 ? step / 2 : 0.5);
    else if (const auto most = bound("maximum"); most && *most < 0)
      value = step > 0 ? std::floor(*most / step) * step : *most;
    else if (const auto below = bound("exclusiveMaximum"); below && *below <= 0)
      value = step > 0 ? std::ceil(*below / step - 1) * step : *below - 1;
    if (step > 0)
      value = std::ceil(value / step) * step;
    if (whole && std::abs(value) < 9e15)
      return static_cast<int64_t>(value);
    return value;
  }

  const json& root_;
  const std::string answer_;
  int made_ = 0;
};

} // namespace

std::string minimal_instance(std::string_view schema, std::string_view answer) {
  const auto root = json::parse(schema, nullptr, false);
  if (root.is_discarded())
    return "{}";
  return instance_maker(root, answer).make(root).dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace assay::mock
