#pragma once

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

// JSON in answers, for the scorers that look for it; nobody else includes this.
namespace assay::scoring {

/// @returns the value; null when @p text is no JSON or nests deeper than 200 levels.
std::unique_ptr<nlohmann::json> parse_json(std::string_view text);

/// JSON found in an answer, and where.
struct found_json {
  std::unique_ptr<nlohmann::json> value; ///< Null when there is none.
  std::string text;

  explicit operator bool() const noexcept { return value != nullptr; }
};

/// @param fits Chooses among what stands in the answer's text; a whole answer that is JSON is taken anyway.
/// @returns the answer itself, or the last fenced block that fits, or the last bracketed text that does.
found_json find_json(std::string_view answer, const std::function<bool(const nlohmann::json&)>& fits);

} // namespace assay::scoring
