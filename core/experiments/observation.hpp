#pragma once

#include "core/experiments/ab_test.hpp"

#include <map>

namespace assay::experiments {

/// What came of one use of a variant.
struct observation {
  size_t variant = 0;
  std::string unit; ///< Sample or user; may be empty where the test is not paired.
  bool success = true;
  std::optional<double> quality;       ///< 0..1
  std::optional<double> response_time; ///< Seconds.
  std::optional<double> cost;          ///< Dollars.
  std::map<std::string, double> scores;

  bool operator==(const observation&) const = default;
};

/// Reads an observation as callers write it: {variant or unit, success, quality (quality_score),
/// response_time, cost, scores{}}. A unit alone says the variant, in a test that is not paired.
/// @param place What `where` begins with: `observations[3]`.
/// @returns invalid_argument with the field: an unknown variant, a unit that belongs to another variant, a
/// number out of range, or what the test's metric needs and is not there.
result<observation> observation_from_json(const ab_test& test, const nlohmann::json& from,
                                          const std::string& place = {});

/// Reads back by observation_from_json().
nlohmann::json to_json(const ab_test& test, const observation& value);

/// min(1, target / response time), and 0 for a failure. Nothing without a response time.
std::optional<double> performance_of(const variant& of, const observation& value) noexcept;

/// What the test compares. Nothing where an observation says nothing of it: the latency of a failure.
std::optional<double> metric_of(const ab_test& test, const observation& value) noexcept;

} // namespace assay::experiments
