#include "core/scoring/schema.hpp"

#include "core/scoring/schema_parts.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace assay::scoring {
namespace {

using nlohmann::json;

constexpr size_t node_limit = 20'000;

constexpr std::array refused{"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"};
/// Keywords whose value is a schema, a list of schemas, or schemas by name.
constexpr std::array one_schema{
    "not", "if", "then", "else", "contains", "additionalProperties", "additionalItems", "propertyNames"};
constexpr std::array list_of_schemas{"allOf", "anyOf", "oneOf", "prefixItems"};
constexpr std::array named_schemas{"properties", "patternProperties", "definitions", "$defs",
                                   "dependentSchemas"};

bool is_type_name(const json& name) {
  static const std::set<std::string> names{"integer", "number",  "object", "array",
                                           "string",  "boolean", "null"};
  return name.is_string() && names.contains(name.get<std::string>());
}

} // namespace

struct json_schema::compiled {
  std::vector<std::unique_ptr<node>> nodes;
  std::map<std::string, node*> places; ///< By JSON pointer.
  const node* root = nullptr;
};

namespace {

using node = json_schema::node;

fault wrong(const std::string& place, std::string message, std::string hint = {}) {
  return {errc::invalid_argument,
          "the schema at " + (place.empty() ? "its root" : place) + ": " + std::move(message), "schema",
          std::move(hint)};
}

std::string escaped(const std::string& key) {
  std::string out;
  for (const char c : key)
    out.append(c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c));
  return out;
}

/// Reads a schema into nodes; the first fault ends it.
class schema_reader {
public:
  schema_reader(std::vector<std::unique_ptr<node>>& nodes, std::map<std::string, node*>& places)
      : nodes_(nodes), places_(places) {}

  const node* read(const json& schema, const std::string& place, int depth) {
    if (problem_)
      return nullptr;
    if (depth > schema_depth_limit / 3 || nodes_.size() >= node_limit) {
      problem_ = wrong(place, "it is too large or nests too deeply");
      return nullptr;
    }
    if (!schema.is_boolean() && !schema.is_object()) {
      problem_ = wrong(place, "expected an object, true or false");
      return nullptr;
    }
    nodes_.push_back(std::make_unique<node>());
    node& made = *nodes_.back();
    places_[place] = &made;
    if (schema.is_boolean()) {
      made.source = schema;
      return &made;
    }
    read_object(schema, place, depth, made);
    return &made;
  }

  std::optional<fault> link() {
    for (const auto& made : nodes_) {
      if (problem_)
        break;
      if (made->reference_text.empty())
        continue;
      const auto found = places_.find(made->reference_text.substr(1));
      if (made->reference_text[0] != '#' || found == places_.end())
        problem_ = wrong("", "no schema here is called `" + made->reference_text.substr(0, 80) + "`",
                         "references within the same schema are known, such as #/$defs/name");
      else
        made->reference = found->second;
    }
    return problem_;
  }

private:
  void read_object(const json& schema, const std::string& place, int depth, node& made) {
    for (const char* keyword : refused)
      if (schema.contains(keyword))
        problem_ = wrong(place, std::string(keyword) + " is not known here");
    for (const char* keyword : one_schema)
      if (const auto at = schema.find(keyword); at != schema.end())
        made.one[keyword] = read(*at, place + "/" + keyword, depth + 1);
    for (const char* keyword : list_of_schemas)
      if (const auto at = schema.find(keyword); at != schema.end())
        read_list(*at, place + "/" + keyword, depth, made.lists[keyword]);
    if (const auto at = schema.find("items"); at != schema.end()) {
      if (at->is_array())
        read_list(*at, place + "/items", depth, made.lists["prefixItems"]);
      else
        made.each_item = read(*at, place + "/items", depth + 1);
    }
    for (const char* keyword : named_schemas)
      if (const auto at = schema.find(keyword); at != schema.end())
        read_named(*at, place + "/" + keyword, depth, made.named[keyword]);
    read_dependencies(schema, place, depth, made);
    read_patterns(schema, place, made);
    if (const auto at = schema.find("$ref"); at != schema.end()) {
      if (at->is_string() && !at->get_ref<const std::string&>().empty())
        made.reference_text = at->get<std::string>();
      else
        problem_ = wrong(place, "$ref is no text");
    }
    check_values(schema, place);
    for (const auto& [key, value] : schema.items())
      if (!value.is_object() && key != "$ref" && key != "allOf" && key != "anyOf" && key != "oneOf")
        made.source[key] = value;
    for (const char* keyword : {"const", "enum"})
      if (const auto at = schema.find(keyword); at != schema.end())
        made.source[keyword] = *at;
  }

  void read_list(const json& list, const std::string& place, int depth, std::vector<const node*>& out) {
    if (!list.is_array()) {
      problem_ = wrong(place, "expected a list of schemas");
      return;
    }
    for (size_t i = 0; i < list.size(); ++i)
      out.push_back(read(list[i], place + "/" + std::to_string(i), depth + 1));
  }

  void read_named(const json& members, const std::string& place, int depth,
                  std::map<std::string, const node*>& out) {
    if (!members.is_object()) {
      problem_ = wrong(place, "expected an object of schemas");
      return;
    }
    for (const auto& [key, value] : members.items())
      out[key] = read(value, place + "/" + escaped(key), depth + 1);
  }

  /// Draft 7's `dependencies` is dependentRequired and dependentSchemas in one.
  void read_dependencies(const json& schema, const std::string& place, int depth, node& made) {
    for (const char* keyword : {"dependencies", "dependentRequired"}) {
      const auto at = schema.find(keyword);
      if (at == schema.end())
        continue;
      if (!at->is_object()) {
        problem_ = wrong(place, std::string(keyword) + " is no object");
        return;
      }
      for (const auto& [key, value] : at->items()) {
        if (value.is_array())
          made.needs[key] = value;
        else
          made.named["dependentSchemas"][key] =
              read(value, place + "/" + keyword + "/" + escaped(key), depth + 1);
      }
    }
  }

  std::optional<pattern> compile(const json& text, const std::string& place) {
    if (!text.is_string()) {
      problem_ = wrong(place, "the pattern is no text");
      return std::nullopt;
    }
    auto compiled = pattern::compile(text.get_ref<const std::string&>(), "schema");
    if (compiled.has_error()) {
      problem_ = wrong(place, compiled.error().message, compiled.error().hint);
      return std::nullopt;
    }
    return std::move(*compiled);
  }

  void read_patterns(const json& schema, const std::string& place, node& made) {
    if (const auto at = schema.find("pattern"); at != schema.end())
      made.text_pattern = compile(*at, place);
    for (const auto& [text, value] : made.named["patternProperties"])
      if (auto compiled = compile(json(text), place))
        made.patterns.emplace_back(std::move(*compiled), value);
  }

  void check_values(const json& schema, const std::string& place) {
    for (const char* keyword : {"minLength", "maxLength", "minItems", "maxItems", "minProperties",
                                "maxProperties", "minContains", "maxContains"})
      if (const auto at = schema.find(keyword);
          at != schema.end() && !(at->is_number() && at->get<double>() >= 0))
        problem_ = wrong(place, std::string(keyword) + " is no number of 0 or more");
    for (const char* keyword : {"minimum", "maximum", "multipleOf"})
      if (const auto at = schema.find(keyword); at != schema.end() && !at->is_number())
        problem_ = wrong(place, std::string(keyword) + " is no number");
    if (const auto at = schema.find("multipleOf");
        at != schema.end() && at->is_number() && !(at->get<double>() > 0))
      problem_ = wrong(place, "multipleOf is not over 0");
    if (const auto at = schema.find("enum"); at != schema.end() && !at->is_array())
      problem_ = wrong(place, "enum is no list");
    if (const auto at = schema.find("required"); at != schema.end()) {
      bool texts = at->is_array();
      for (const json& item : texts ? *at : json::array())
        texts = texts && item.is_string();
      if (!texts)
        problem_ = wrong(place, "required is no list of names");
    }
    const auto at = schema.find("type");
    if (at == schema.end())
      return;
    bool known = at->is_array() ? !at->empty() : is_type_name(*at);
    for (const json& name : at->is_array() ? *at : json::array())
      known = known && is_type_name(name);
    if (!known)
      problem_ = wrong(
          place, "no type is called " + at->dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 60),
          "known: object, array, string, number, integer, boolean, null");
  }

  std::vector<std::unique_ptr<node>>& nodes_;
  std::map<std::string, node*>& places_;
  std::optional<fault> problem_;
};

} // namespace

json_schema::json_schema(std::unique_ptr<compiled> value) : compiled_(std::move(value)) {}
json_schema::json_schema(json_schema&&) noexcept = default;
json_schema& json_schema::operator=(json_schema&&) noexcept = default;
json_schema::~json_schema() = default;

result<json_schema> json_schema::compile(const json& schema) {
  auto value = std::make_unique<compiled>();
  schema_reader reader(value->nodes, value->places);
  value->root = reader.read(schema, "", 0);
  if (auto problem = reader.link())
    return *std::move(problem);
  return json_schema(std::move(value));
}

std::optional<std::string> json_schema::check(const json& value) const {
  return check_schema(value, *compiled_->root);
}

} // namespace assay::scoring
