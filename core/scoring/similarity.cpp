#include "core/scoring/similarity.hpp"

#include "core/scoring/answer_list.hpp"

#include <algorithm>
#include <cmath>

namespace assay::scoring {

std::optional<double> cosine(std::span<const float> a, std::span<const float> b) noexcept {
  if (a.empty() || a.size() != b.size())
    return std::nullopt;
  double product = 0;
  double left = 0;
  double right = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * b[i];
    left += static_cast<double>(a[i]) * a[i];
    right += static_cast<double>(b[i]) * b[i];
  }
  const double length = std::sqrt(left) * std::sqrt(right);
  if (!(length > 0) || !std::isfinite(product / length))
    return std::nullopt;
  return std::clamp(product / length, -1.0, 1.0);
}

std::vector<std::string> texts_to_embed(const scorer_definition& definition, std::string_view answer,
                                        std::string_view target) {
  std::vector<std::string> out{std::string(answer)};
  if (auto texts = right_texts(definition, target))
    for (std::string& text : *texts)
      out.push_back(std::move(text));
  return out;
}

score_outcome similarity_outcome(const scorer_definition& definition,
                                 std::span<const std::vector<float>> vectors) {
  std::optional<double> best;
  for (size_t i = 1; i < vectors.size(); ++i)
    if (const auto here = cosine(vectors[0], vectors[i]); here && (!best || *here > *best))
      best = here;
  if (!best)
    return {0,
            {},
            fault{errc::scorer_failed, "the embeddings cannot be compared", "similarity",
                  "use a model that gives vectors of one length"}};
  const double value = std::max(0.0, *best);
  std::string shown = std::to_string(*best);
  if (!definition.threshold)
    return {value, std::move(shown), std::nullopt};
  return {value >= *definition.threshold ? 1.0 : 0.0, std::move(shown), std::nullopt};
}

} // namespace assay::scoring
