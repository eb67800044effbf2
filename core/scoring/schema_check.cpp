#include "core/scoring/schema_parts.hpp"
#include "core/scoring/text.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace assay::scoring {
namespace {

using nlohmann::json;
using node = json_schema::node;

constexpr size_t step_budget = 2'000'000;

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

uint64_t characters_of(const std::string& text) {
  uint64_t count = 0;
  for (size_t i = 0; i < text.size(); ++count)
    i += decode(text, i).length;
  return count;
}

/// Checks one value within a budget of steps.
class schema_check {
public:
  bool follows(const json& value, const node* schema, const std::string& place, int depth) {
    if (++steps_ > step_budget || depth > schema_depth_limit)
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

std::optional<std::string> check_schema(const json& value, const node& schema) {
  schema_check check;
  if (check.follows(value, &schema, "", 0))
    return std::nullopt;
  return check.problem();
}

} // namespace assay::scoring
