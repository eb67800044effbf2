#pragma once

#include <nlohmann/json_fwd.hpp>
#include <yaml-cpp/yaml.h>

#include <optional>
#include <string>
#include <vector>

// YAML as lm-evaluation-harness reads it; for the files of this folder only.
namespace assay::tasks::lm_eval {

/// The key under which a Python function stands where a value could: `{"!function": "module.name"}`, with
/// `folder`, absolute, where its module is looked for.
inline constexpr const char* function_key = "!function";

/// @returns whether the value is `!function module.name`.
bool is_function(const YAML::Node& node);

/// @returns the value with the types that YAML 1.1 gives it (`yes` is true, `010` is 8, `1.0` a number).
/// @param folder Of the file, for functions. Nothing for a value that nests over 64 deep or grows, by its
/// aliases, over 200,000 parts.
std::optional<nlohmann::json> to_json(const YAML::Node& node, const std::string& folder);

/// @returns the names of all functions inside @p value, in their order.
std::vector<std::string> functions_in(const nlohmann::json& value);

} // namespace assay::tasks::lm_eval
