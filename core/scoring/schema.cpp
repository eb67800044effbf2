#include "core/scoring/schema.hpp"

#include "core/scoring/pattern.hpp"
#include "core/scoring/text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace assay::scoring {
namespace {

using nlohmann::json;

constexpr int depth_limit = 300;
constexpr size_t step_budget = 2'000'000;
constexpr size_t node_limit = 20'000;

constexpr std::array refused{"unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"};
/// Keywords whose value is a schema, a list of schemas, or schemas by name.
constexpr std::array one_schema{
    "not", "if", "then", "else", "contains", "additionalProperties", "additionalItems", "propertyNames"};
constexpr std::array list_of_schemas{"allOf", "anyOf", "oneOf", "prefixItems"};
constexpr std::array named_schemas{"properties", "patternProperties", "definitions", "$defs",
                                   "dependentSchemas"};

bool is_type(const json& value, const std::string& name) {
  if (name == "integer")
    return value.is_number_integer()
           || (value.is_number_float() && std::isfinite(value.get<double>())
               && std::floor(value.get<double>()) == value.get<double>());
  if (name == "number")
    return value.is_number();
  if (name == "object")
    return value.is_object();
  if (name == "array")
    return value.is_array();
  if (name == "string")
    return value.is_string();
  if (name == "boolean")
    return value.is_boolean();
  return name == "null" && value.is_null();
}

bool is_type_name(const json& name) {
  static const std::set<std::string> names{"integer", "number",  "object", "array",
                                           "string",  "boolean", "null"};
  return name.is_string() && names.contains(name.get<std::string>());
}

uint64_t characters_of(const std::string& text) {
  uint64_t count = 0;
  for (size_t i = 0; i < text.size(); ++count)
    i += decode(text, i).length;
  return count;
}

} // namespace

struct json_schema::node {
  json source; ///< The keywords that are read when a value is checked.
  std::map<std::string, const node*> one;
  std::map<std::string, std::vector<const node*>> lists;
  std::map<std::string, std::map<std::string, const node*>> named;
  std::vector<std::pair<pattern, const node*>> patterns; ///< patternProperties.
  std::map<std::string, json> needs;                     ///< Names that have to be there when the key is.
  std::optional<pattern> text_pattern;
  const node* reference = nullptr;
  const node* each_item = nullptr; ///< `items` as a schema.
  std::string reference_text;
};

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
    if (depth > depth_limit / 3 || nodes_.size() >= node_limit) {
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

/// Checks one value within a budget of steps.
class schema_check {
public:
  bool follows(const json& value, const node* schema, const std::string& place, int depth) {
    if (++steps_ > step_budget || depth > depth_limit)
      return fail(place, "too much to check");
    if (schema->source.is_boolean())
      return schema->source.get<bool>() || fail(place, "nothing is allowed here");
    if (schema->reference != nullptr && !follows(value, schema->reference, place, depth + 1))
      return false;
    return has_type(value, *schema, place) && is_listed(value, *schema, place)
           && combines(value, *schema, place, depth)
           && (!value.is_number() || number(value.get<double>(), *schema, place))
           && (!value.is_string() || text(value.get_ref<const std::string&>(), *schema, place))
           && (!value.is_array() || array(value, *schema, place, depth))
           && (!value.is_object() || object(value, *schema, place, depth));
  }

  const std::string& problem() const { return problem_; }

private:
  bool fail(const std::string& place, std::string_view what) {
    problem_ = (place.empty() ? "the value" : place) + ": " + std::string(what);
    return false;
  }
  static const json* keyword(const node& schema, const char* name) {
    const auto at = schema.source.find(name);
    return at == schema.source.end() ? nullptr : &*at;
  }
  static const node* child(const node& schema, const char* name) {
    const auto at = schema.one.find(name);
    return at == schema.one.end() ? nullptr : at->second;
  }
  static const std::vector<const node*>& list(const node& schema, const char* name) {
    static const std::vector<const node*> none;
    const auto at = schema.lists.find(name);
    return at == schema.lists.end() ? none : at->second;
  }
  static const std::map<std::string, const node*>& named(const node& schema, const char* name) {
    static const std::map<std::string, const node*> none;
    const auto at = schema.named.find(name);
    return at == schema.named.end() ? none : at->second;
  }
  static std::optional<double> limit(const node& schema, const char* name) {
    const json* value = keyword(schema, name);
    return value != nullptr && value->is_number() ? std::optional(value->get<double>()) : std::nullopt;
  }

  bool has_type(const json& value, const node& schema, const std::string& place) {
    const json* type = keyword(schema, "type");
    if (type == nullptr)
      return true;
    if (type->is_string())
      return is_type(value, type->get_ref<const std::string&>())
             || fail(place, "expected " + type->get_ref<const std::string&>());
    for (const json& name : *type)
      if (is_type(value, name.get_ref<const std::string&>()))
        return true;
    return fail(place, "none of the types that are possible");
  }

  bool is_listed(const json& value, const node& schema, const std::string& place) {
    if (const json* wanted = keyword(schema, "const"); wanted != nullptr && *wanted != value)
      return fail(place, "not the value that is wanted");
    const json* values = keyword(schema, "enum");
    if (values == nullptr)
      return true;
    steps_ += values->size();
    for (const json& one : *values)
      if (one == value)
        return true;
    return fail(place, "none of the values that are possible");
  }

  bool combines(const json& value, const node& schema, const std::string& place, int depth) {
    for (const node* part : list(schema, "allOf"))
      if (!follows(value, part, place, depth + 1))
        return false;
    const auto count = [&](const char* name) {
      size_t fitting = 0;
      for (const node* part : list(schema, name))
        fitting += follows(value, part, place, depth + 1) ? 1 : 0;
      return fitting;
    };
    if (!list(schema, "anyOf").empty() && count("anyOf") == 0)
      return fail(place, "follows none of the possible schemas");
    if (!list(schema, "oneOf").empty() && count("oneOf") != 1)
      return fail(place, "does not follow exactly one of the schemas");
    if (const node* other = child(schema, "not"); other != nullptr && follows(value, other, place, depth + 1))
      return fail(place, "follows a schema that it must not");
    const node* condition = child(schema, "if");
    if (condition == nullptr)
      return true;
    const node* then = child(schema, follows(value, condition, place, depth + 1) ? "then" : "else");
    return then == nullptr || follows(value, then, place, depth + 1);
  }

  bool number(double value, const node& schema, const std::string& place) {
    if (const auto least = limit(schema, "minimum")) {
      const json* open = keyword(schema, "exclusiveMinimum");
      const bool exclusive = open != nullptr && open->is_boolean() && open->get<bool>();
      if (exclusive ? value <= *least : value < *least)
        return fail(place, "too small");
    }
    if (const auto most = limit(schema, "maximum")) {
      const json* open = keyword(schema, "exclusiveMaximum");
      const bool exclusive = open != nullptr && open->is_boolean() && open->get<bool>();
      if (exclusive ? value >= *most : value > *most)
        return fail(place, "too large");
    }
    if (const auto least = limit(schema, "exclusiveMinimum"); least && value <= *least)
      return fail(place, "too small");
    if (const auto most = limit(schema, "exclusiveMaximum"); most && value >= *most)
      return fail(place, "too large");
    if (const auto step = limit(schema, "multipleOf")) {
      const double times = value / *step;
      if (!std::isfinite(times)
          || std::abs(times - std::round(times)) > 1e-9 * std::max(1.0, std::abs(times)))
        return fail(place, "no multiple of what it must be");
    }
    return true;
  }

  bool counted(uint64_t count, const node& schema, const char* least, const char* most,
               const std::string& place) {
    const auto number = static_cast<double>(count);
    if (const auto bound = limit(schema, least); bound && number < *bound)
      return fail(place, "shorter than it may be");
    if (const auto bound = limit(schema, most); bound && number > *bound)
      return fail(place, "longer than it may be");
    return true;
  }

  bool text(const std::string& value, const node& schema, const std::string& place) {
    if (schema.text_pattern && !schema.text_pattern->find(value, 0, match_choice::first))
      return fail(place, "does not match the pattern");
    if (keyword(schema, "minLength") == nullptr && keyword(schema, "maxLength") == nullptr)
      return true;
    return counted(characters_of(value), schema, "minLength", "maxLength", place);
  }

  bool array(const json& value, const node& schema, const std::string& place, int depth) {
    if (!counted(value.size(), schema, "minItems", "maxItems", place))
      return false;
    const auto& first = list(schema, "prefixItems");
    const node* rest = schema.each_item != nullptr ? schema.each_item : child(schema, "additionalItems");
    // Without a list in front, draft 7's additionalItems means nothing.
    if (first.empty() && schema.each_item == nullptr)
      rest = nullptr;
    for (size_t i = 0; i < value.size(); ++i) {
      const node* wanted = i < first.size() ? first[i] : rest;
      if (wanted != nullptr && !follows(value[i], wanted, place + "/" + std::to_string(i), depth + 1))
        return false;
    }
    const json* unique = keyword(schema, "uniqueItems");
    if (unique != nullptr && unique->is_boolean() && unique->get<bool>()) {
      std::set<json> seen;
      for (const json& item : value) {
        ++steps_;
        if (!seen.insert(item).second)
          return fail(place, "an item stands there twice");
      }
    }
    const node* contained = child(schema, "contains");
    if (contained == nullptr)
      return true;
    size_t fitting = 0;
    for (const json& item : value)
      fitting += follows(item, contained, place, depth + 1) ? 1 : 0;
    const double least = limit(schema, "minContains").value_or(1);
    const auto most = limit(schema, "maxContains");
    if (static_cast<double>(fitting) < least || (most && static_cast<double>(fitting) > *most))
      return fail(place, "not as many fitting items as wanted");
    return true;
  }

  bool object(const json& value, const node& schema, const std::string& place, int depth) {
    if (!counted(value.size(), schema, "minProperties", "maxProperties", place))
      return false;
    if (const json* required = keyword(schema, "required"))
      for (const json& name : *required)
        if (!value.contains(name.get_ref<const std::string&>()))
          return fail(place, "`" + name.get_ref<const std::string&>() + "` is missing");
    const auto& properties = named(schema, "properties");
    const node* others = child(schema, "additionalProperties");
    const node* names = child(schema, "propertyNames");
    for (const auto& [key, member] : value.items()) {
      const std::string here = place + "/" + key;
      if (names != nullptr && !follows(json(key), names, here, depth + 1))
        return false;
      bool known = false;
      if (const auto at = properties.find(key); at != properties.end()) {
        known = true;
        if (!follows(member, at->second, here, depth + 1))
          return false;
      }
      for (const auto& [expression, wanted] : schema.patterns) {
        ++steps_;
        if (!expression.find(key, 0, match_choice::first))
          continue;
        known = true;
        if (!follows(member, wanted, here, depth + 1))
          return false;
      }
      if (!known && others != nullptr && !follows(member, others, here, depth + 1))
        return false;
    }
    return depends(value, schema, place, depth);
  }

  bool depends(const json& value, const node& schema, const std::string& place, int depth) {
    for (const auto& [key, wanted] : schema.needs)
      if (value.contains(key))
        for (const json& name : wanted)
          if (name.is_string() && !value.contains(name.get_ref<const std::string&>()))
            return fail(place, "`" + key + "` needs `" + name.get_ref<const std::string&>() + "`");
    for (const auto& [key, wanted] : named(schema, "dependentSchemas"))
      if (value.contains(key) && !follows(value, wanted, place, depth + 1))
        return false;
    return true;
  }

  size_t steps_ = 0;
  std::string problem_;
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
  schema_check check;
  if (check.follows(value, compiled_->root, "", 0))
    return std::nullopt;
  return check.problem();
}

} // namespace assay::scoring
