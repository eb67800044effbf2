#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::experiments {

/// What an A/B test may take up, so that no caller can fill the farm.
inline constexpr size_t most_variants = 10;
inline constexpr uint64_t most_observations = 200'000;
inline constexpr size_t longest_unit = 256; ///< Bytes.
/// Seconds; of a variant that names none itself, and neither does its test.
inline constexpr double usual_target_response_time = 5.0;
inline constexpr double usual_duration_hours = 168;

/// What is measured of every observation.
enum class metric_kind : uint8_t {
  quality_score,     ///< 0..1; a failure counts as 0.
  success_rate,      ///< 0 or 1.
  latency,           ///< Seconds of the successes; less is better.
  cost,              ///< Dollars; less is better.
  performance_score, ///< min(1, target / response time); a failure counts as 0.
  scorer,            ///< 0..1 of a scorer by name; a failure counts as 0.
};

struct success_metric {
  metric_kind kind = metric_kind::quality_score;
  std::string scorer{}; ///< Only of a scorer.

  bool less_is_better() const noexcept { return kind == metric_kind::latency || kind == metric_kind::cost; }
  bool is_bounded() const noexcept { return !less_is_better(); }
  bool operator==(const success_metric&) const = default;
};

/// As written: `quality_score`, `score.exact_match`.
std::string to_string(const success_metric& metric);
/// Also takes response_time, success and any spelling above. @returns nothing for another word.
std::optional<success_metric> metric_from_string(std::string_view word);

struct variant {
  std::string name;
  std::string configuration; ///< JSON object text, with what base_model gives it.
  double share = 0;          ///< Of the traffic; all shares sum to 1.
  double target_response_time = usual_target_response_time;

  bool operator==(const variant&) const = default;
};

/// What somebody wants to find out. Never changes once the test exists.
struct ab_test {
  std::string id;
  std::string description;
  std::vector<variant> variants; ///< By name.
  success_metric metric;
  uint64_t minimum_samples = 100; ///< Of each variant, before there is a winner.
  double confidence_level = 0.95;
  double max_duration_hours = usual_duration_hours;
  bool paired = false; ///< Every variant sees the same units.
  bool stop_when_decided = false;
  std::optional<double> minimum_effect; ///< The difference that matters, for the power.

  std::optional<size_t> find(std::string_view name) const noexcept;
  bool operator==(const ab_test&) const = default;
};

/// Reads a test as callers write it (POST /ab-tests, `ab_tests` of a configuration file). @param id Used when
/// the object has no test_id. @returns the first thing that is wrong, with its field in `where`: a split that
/// does not sum to 1, an unknown metric, variants that differ in nothing, members nobody knows.
result<ab_test> ab_test_from_json(const nlohmann::json& from, std::string_view id = {});

/// Reads back by ab_test_from_json() as the same test.
nlohmann::json to_json(const ab_test& test);

/// The variant that @p unit gets, always the same: by a hash of the test's and the unit's ids (FNV-1a with
/// the finaliser of splitmix64, so that neighbours do not go together), along the split.
size_t variant_of_unit(const ab_test& test, std::string_view unit) noexcept;

/// The variant of the @p number -th draw of this test, by the split. The same again after a restart.
size_t variant_of_draw(const ab_test& test, uint64_t number) noexcept;

} // namespace assay::experiments
