#pragma once

#include "config/load.hpp"
#include "config/tree.hpp"
#include "core/values/errors.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::config {

/// Where the master password of the key store comes from: the process's own environment only, never a file
/// beside the data.
inline constexpr std::string_view master_password_variable = "ASSAY_MASTER_PASSWORD";
inline constexpr std::string_view master_password_file_variable = "ASSAY_MASTER_PASSWORD_FILE";

/// Where a variable was set, beside its value.
struct variable {
  std::string value;
  std::string source; ///< "environment variable PORT" or "PORT in .env".
};

/// The variables that count: the real environment over the first `.env` found. Empty values count as unset.
class variables {
public:
  explicit variables(const load_request& request);

  std::optional<variable> find(std::string_view name) const;
  std::string value(std::string_view name) const;
  /// @returns all names in order.
  std::vector<std::string> names() const;

  std::vector<std::string> warnings;
  std::string dotenv_file; ///< Empty when there was none.

private:
  std::map<std::string, variable, std::less<>> by_name_;
};

/// Reads KEY=VALUE lines: comments, blank lines, `export`, single and double quotes. @param skipped gets the
/// numbers of lines that are none of these.
environment_map parse_dotenv(std::string_view text, std::vector<int>& skipped);

/// Replaces ${NAME} in every text of a tree, keys excepted. An unset variable leaves the literal.
void substitute(node& tree, const variables& from);

/// @returns whether a text still holds an unset `${NAME}`.
bool has_placeholder(std::string_view text) noexcept;

/// Lays the variables over @p tree: first the plain names (PORT, OPENAI_API_KEY, ...), then
/// ASSAY_SECTION__KEY.
/// @returns a fault for what must not be set (DB_URL).
result<void> apply_environment(node& tree, const variables& from, std::vector<std::string>& warnings);

} // namespace assay::config
