#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>
#include <yaml-cpp/yaml.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// For the files of this folder only.
namespace assay::tasks::promptfoo {

using ordered = nlohmann::ordered_json;

/// @returns the value with the types of YAML 1.2's core schema, `<<` merged. Nothing for a value that nests
/// over 64 deep or grows, by its aliases, over 500,000 parts.
std::optional<ordered> to_json(const YAML::Node& node);

/// A text with `{{ variable }}` places; `{{ a.b }}` and `{{ list[0] }}` reach into values. Filters, other
/// expressions and `{% %}` are not understood.
class variable_text {
public:
  /// Fails with errc::unsupported.
  static result<variable_text> compile(std::string_view source);

  /// Fails with errc::template_failed naming a variable that is not there.
  result<std::string> render(const ordered& variables) const;

private:
  struct part {
    std::string before;
    std::vector<std::string> path; ///< Members, and indices as numbers.
  };
  std::vector<part> parts_;
  std::string tail_;
};

/// Renders every text inside @p value, in its place. Fails as the class above does.
std::optional<fault> render_all(ordered& value, const ordered& variables);

/// Reads what a CSV file's `__expected` says: `contains: Paris`, `levenshtein(3): Pari`; a text without a
/// type is to be equal. @returns the assertion.
ordered assertion_of(std::string_view expected);

} // namespace assay::tasks::promptfoo
