#include "core/tasks/name_hint.hpp"

#include "core/values/closest_word.hpp"

#include <algorithm>
#include <vector>

namespace assay::tasks {
namespace {

// No slip of the hand is longer than a name, and the search is quadratic in it.
constexpr size_t longest_name = 128;
constexpr size_t names_shown = 12;

} // namespace

std::string name_hint(std::string_view name, std::span<const std::string> known) {
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  if (std::string hint = did_you_mean(name.substr(0, longest_name), candidates); !hint.empty())
    return hint;
  std::string hint;
  for (size_t i = 0; i < std::min(known.size(), names_shown); ++i)
    hint.append(i == 0 ? "known: " : ", ").append(known[i]);
  if (known.size() > names_shown)
    hint.append(", ...");
  return hint;
}

} // namespace assay::tasks
