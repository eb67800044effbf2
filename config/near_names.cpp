#include "config/fields.hpp"

#include <algorithm>
#include <numeric>

namespace assay::config {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '-' ? '_' : c; }

/// Edits that turn one word into the other; swapping neighbours counts as one (optimal string alignment).
size_t edits(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

} // namespace

std::vector<std::string> near_names(std::string_view wanted, const std::vector<std::string>& candidates) {
  constexpr size_t longest_word = 64;
  constexpr size_t most_suggestions = 3;
  const auto word = wanted.substr(0, longest_word);
  std::vector<std::pair<size_t, std::string>> near;
  for (const auto& candidate : candidates) {
    const auto distance = edits(word, std::string_view(candidate).substr(0, longest_word));
    const bool contained = word.size() >= 4 && candidate.find(word) != std::string::npos;
    if (distance <= std::max<size_t>(1, word.size() / 3) || contained)
      near.emplace_back(distance, candidate);
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (size_t i = 0; i < near.size() && i < most_suggestions; ++i)
    names.push_back(near[i].second);
  return names;
}

std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& candidates) {
  const auto near = near_names(wanted, candidates);
  if (near.empty())
    return {};
  std::string text = "did you mean ";
  for (size_t i = 0; i < near.size(); ++i)
    text += (i == 0 ? "`" : i + 1 == near.size() ? " or `" : ", `") + near[i] + "`";
  return text + "?";
}

} // namespace assay::config
