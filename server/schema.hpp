#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace assay::server {

/// The named JSON Schemas of the API: what bodies are checked against and what /openapi.json shows.
///
/// Understood of JSON Schema 2020-12: type (one or several), enum, const, properties, required,
/// additionalProperties, items, minItems, maxItems, minLength, maxLength (in bytes), minimum, maximum,
/// exclusiveMinimum, exclusiveMaximum, anyOf, and $ref to `#/components/schemas/NAME`. Annotations (title,
/// description, default, examples, format) are shown and not checked.
class schema_set {
public:
  schema_set();
  ~schema_set();
  schema_set(const schema_set&) = delete;
  schema_set& operator=(const schema_set&) = delete;

  /// @param text A JSON object. @throws std::logic_error when it is none, when the name is taken, or when the
  /// schema uses a word that is not understood: a mistake in the program, found by the first test.
  void add(std::string name, std::string_view text);

  bool has(std::string_view name) const noexcept;

  /// @returns the first thing in @p value that the schema @p name does not allow: invalid_argument, with the
  /// path of the field (`task_ids[2]`) in `where`.
  result<void> check(std::string_view name, const nlohmann::json& value) const;

  /// Every schema by name, as it stands in `components.schemas`.
  const nlohmann::json& all() const noexcept;

private:
  std::unique_ptr<nlohmann::json> schemas_;
};

} // namespace assay::server
