#pragma once

#include "core/scoring/pattern.hpp"
#include "core/scoring/schema.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// For schema.cpp and schema_check.cpp only.
namespace assay::scoring {

inline constexpr int schema_depth_limit = 300;

struct json_schema::node {
  nlohmann::json source; ///< The keywords that are read when a value is checked.
  std::map<std::string, const node*> one;
  std::map<std::string, std::vector<const node*>> lists;
  std::map<std::string, std::map<std::string, const node*>> named;
  std::vector<std::pair<pattern, const node*>> patterns; ///< patternProperties.
  std::map<std::string, nlohmann::json> needs;           ///< Names that have to be there when the key is.
  std::optional<pattern> text_pattern;
  const node* reference = nullptr;
  const node* each_item = nullptr; ///< `items` as a schema.
  std::string reference_text;
};

/// As json_schema::check().
std::optional<std::string> check_schema(const nlohmann::json& value, const json_schema::node& schema);

} // namespace assay::scoring
