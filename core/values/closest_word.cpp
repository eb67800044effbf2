#include "core/values/closest_word.hpp"

#include <algorithm>
#include <vector>

namespace assay {

namespace {

constexpr size_t longest_compared = 64;
constexpr size_t most_edits = 3;

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

} // namespace

std::string_view closest_word(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  size_t best_distance = most_edits + 1;
  if (word.size() > longest_compared)
    return best;
  for (const auto candidate : candidates) {
    if (candidate.size() > longest_compared)
      continue;
    const auto edits = distance(word, candidate);
    if (edits < best_distance && edits * 3 <= std::max(word.size(), candidate.size())) {
      best = candidate;
      best_distance = edits;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto near = closest_word(word, candidates);
  if (near.empty())
    return {};
  return "did you mean '" + std::string(near) + "'?";
}

} // namespace assay
