#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <string>

namespace assay::scoring {

/// A JSON Schema (drafts 7 and 2020-12), compiled once. Immutable and usable from many threads. Patterns are
/// RE2's, so that no answer makes one slow. `format` and other annotations are not checked; keywords that
/// change the meaning and are not known (unevaluatedProperties, $dynamicRef, references to other documents)
/// are refused.
class json_schema {
public:
  /// Fails with errc::invalid_argument naming the place in the schema.
  static result<json_schema> compile(const nlohmann::json& schema);

  json_schema(json_schema&&) noexcept;
  json_schema& operator=(json_schema&&) noexcept;
  ~json_schema();

  /// @returns what is wrong with @p value, with its place; nothing when it follows the schema. After two
  /// million steps it does not.
  std::optional<std::string> check(const nlohmann::json& value) const;

  /// One schema with what it says, compiled.
  struct node;

private:
  struct compiled;
  explicit json_schema(std::unique_ptr<compiled> value);
  std::unique_ptr<compiled> compiled_;
};

} // namespace assay::scoring
