#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace assay::scoring {

/// What a disagreement weighs.
enum class agreement_weights : uint8_t { nominal = 1, linear = 2, quadratic = 3 };

/// How far values of Krippendorff's alpha are from each other.
enum class alpha_metric : uint8_t { nominal = 1, ordinal = 2, interval = 3 };

/// @param first, second Ratings of the same items as category numbers 0, 1, 2, ...; equally many.
/// @returns Cohen's kappa (Cohen 1960, weighted 1968); nothing when it is 0/0 or the lengths differ.
std::optional<double> cohens_kappa(std::span<const uint32_t> first, std::span<const uint32_t> second,
                                   agreement_weights weights = agreement_weights::nominal);

/// How often two raters gave a pair of categories.
using rating_pairs = std::map<std::pair<uint32_t, uint32_t>, uint64_t>;

/// The same from counted pairs.
std::optional<double> cohens_kappa(const rating_pairs& pairs,
                                   agreement_weights weights = agreement_weights::nominal);

/// @param counts One row for each item: how many raters chose each category. All rows have the same sum.
/// @returns Fleiss' kappa (Fleiss 1971); nothing when it is 0/0 or the rows do not fit together.
std::optional<double> fleiss_kappa(std::span<const std::vector<uint32_t>> counts);

/// @param ratings One row for each item, one place for each rater; nothing where a rating is missing.
/// @returns Krippendorff's alpha (Krippendorff 2011); nothing when no two ratings meet or all are the same.
std::optional<double> krippendorff_alpha(std::span<const std::vector<std::optional<double>>> ratings,
                                         alpha_metric metric = alpha_metric::nominal);

/// The same, item by item. Memory grows with the different values, not with the items.
class alpha_tally {
public:
  void add(std::span<const std::optional<double>> item);
  std::optional<double> value(alpha_metric metric) const;

private:
  /// How often two values meet in one item; each item weighs as much as it has ratings.
  std::map<std::pair<double, double>, double> meetings_;
  std::map<double, double> totals_;
  double pairable_ = 0;
};

} // namespace assay::scoring
