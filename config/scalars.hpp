#pragma once

#include "config/tree.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string_view>

namespace assay::config {

/// @returns the number a value stands for, or nothing. A quoted text is no number.
std::optional<double> to_number(const node& value);
std::optional<int64_t> to_integer(const node& value);

/// YAML's words for truth; variables and flags may also say 1, y, 0 or n.
std::optional<bool> to_bool(const node& value);

/// A number of seconds, or a text with a unit: "250ms", "1.5s", "10m", "2h", "7d".
std::optional<milliseconds> to_duration(const node& value);

/// A number of bytes, or a text with a unit: "64KiB", "8MB", "1 GiB".
std::optional<uint64_t> to_bytes(const node& value);

/// The whole value with YAML's types, for parts that are the user's own.
nlohmann::json to_json_value(const node& value);

/// "the text `hot`", "a list", "a group of keys": for errors.
std::string describe_value(const node& value);

} // namespace assay::config
