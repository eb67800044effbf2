#include "core/scoring/answer_json.hpp"
#include "core/scoring/schema.hpp"
#include "core/scoring/scorer_types.hpp"
#include "core/scoring/text.hpp"

#include <nlohmann/json.hpp>

namespace assay::scoring {
namespace {

using nlohmann::json;

/// is_json: the answer is JSON; contains_json and json_schema: it stands somewhere in it. With a schema it
/// has to follow it.
class schema_scorer final : public scorer {
public:
  schema_scorer(const scorer_definition& d, std::optional<json_schema> schema)
      : scorer(d), schema_(std::move(schema)) {}

protected:
  score_outcome judge(std::string_view answer, std::string_view target) const override {
    if (schema_ || definition().type != scorer_type::json_schema)
      return judge_by(answer, schema_ ? &*schema_ : nullptr);
    // The schema is the sample's own.
    const auto text = parse_json(target);
    if (!text)
      return unusable_target("the sample's target is no JSON Schema",
                             "correct the dataset, or give a schema");
    const auto own = json_schema::compile(*text);
    if (own.has_error())
      return unusable_target(own.error().message, own.error().hint);
    return judge_by(answer, &*own);
  }

  std::vector<std::string> right_candidates(std::string_view target) const override {
    std::vector<std::string> out{example(target)};
    for (const char* text : {"{}", "[]", "0", "\"text\"", "true", "null"})
      out.emplace_back(text);
    out.emplace_back(target);
    return out;
  }
  std::vector<std::string> wrong_candidates(std::string_view) const override {
    return {"{\"unfinished\": ", "{}", "[]", "null"};
  }

private:
  score_outcome judge_by(std::string_view answer, const json_schema* schema) const {
    if (definition().type == scorer_type::is_json) {
      const auto value = parse_json(answer);
      if (!value)
        return {};
      return verdict(*value, schema, std::string(scoring::strip(answer)));
    }
    const auto fits = [&](const json& value) { return schema == nullptr || !schema->check(value); };
    auto found = find_json(answer, fits);
    // When nothing fits, what stands there tells the reader why.
    if (!found)
      found = find_json(answer, [](const json&) { return true; });
    return found ? verdict(*found.value, schema, std::move(found.text)) : score_outcome{};
  }

  static score_outcome verdict(const json& value, const json_schema* schema, std::string text) {
    if (schema != nullptr)
      if (auto problem = schema->check(value))
        return {0, *std::move(problem), std::nullopt};
    return {1, std::move(text), std::nullopt};
  }

  /// A value that simple schemas allow: the required members with an example of their type.
  std::string example(std::string_view target) const {
    const auto schema = parse_json(definition().schema.empty() ? target : definition().schema);
    if (!schema || !schema->is_object())
      return "{\"answer\": 1}";
    return example_of(*schema, 0).dump(-1, ' ', true, json::error_handler_t::replace);
  }

  static json example_of(const json& schema, int depth) {
    if (!schema.is_object() || depth > 8)
      return nullptr;
    if (const auto at = schema.find("const"); at != schema.end())
      return *at;
    if (const auto at = schema.find("enum"); at != schema.end() && at->is_array() && !at->empty())
      return (*at)[0];
    const auto type = schema.find("type");
    const std::string name = type != schema.end() && type->is_string() ? type->get<std::string>() : "object";
    if (name == "string")
      return "text";
    if (name == "integer" || name == "number") {
      const auto least = schema.find("minimum");
      return least != schema.end() && least->is_number() ? *least : json(1);
    }
    if (name == "boolean")
      return true;
    if (name == "null")
      return nullptr;
    if (name == "array") {
      json out = json::array();
      const auto items = schema.find("items");
      const auto least = schema.find("minItems");
      const double count = least != schema.end() && least->is_number() ? least->get<double>() : 0;
      for (int i = 0; i < 16 && i < count; ++i)
        out.push_back(items == schema.end() ? json(i) : example_of(*items, depth + 1));
      return out;
    }
    json out = json::object();
    const auto members = schema.find("properties");
    if (members != schema.end() && members->is_object())
      for (const auto& [key, value] : members->items())
        out[key] = example_of(value, depth + 1);
    return out;
  }

  std::optional<json_schema> schema_;
};

} // namespace

result<std::unique_ptr<scorer>> make_json_schema(const scorer_definition& definition) {
  std::optional<json_schema> schema;
  if (!definition.schema.empty()) {
    const auto text = parse_json(definition.schema);
    if (!text)
      return fault{errc::invalid_argument, "the schema is no JSON", "schema", {}};
    auto compiled = json_schema::compile(*text);
    if (compiled.has_error())
      return compiled.error();
    schema.emplace(std::move(*compiled));
  }
  return std::unique_ptr<scorer>(std::make_unique<schema_scorer>(definition, std::move(schema)));
}

} // namespace assay::scoring
