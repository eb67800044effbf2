#pragma once

#include "core/experiments/observation.hpp"
#include "core/values/money.hpp"
#include "core/values/run_request.hpp"
#include "core/values/sample.hpp"

#include <span>

namespace assay::experiments {

/// One variant's part in a test that runs by itself.
struct ab_arm {
  run_id run;            ///< Empty until it is submitted.
  uint64_t planned = 0;  ///< Samples.
  uint64_t observed = 0; ///< Samples that are among the test's observations.
  uint64_t last_seq = 0; ///< Of the run's events that have been looked at.
  bool done = false;     ///< The run has ended and all of it has been looked at.
  double cost = 0;       ///< Dollars of the samples whose cost is known.
  uint64_t costed = 0;   ///< How many those are.
};

/// How a test runs by itself: one evaluation for each variant, over the same samples.
struct ab_run {
  std::string wish;         ///< JSON object text: tasks, limit and what else is the same for all variants.
  std::vector<ab_arm> arms; ///< By variant.
  std::string api_key;      ///< Id of the key that its runs are charged to; empty for none.
  std::optional<money> key_budget; ///< Of that key a day, as it was then.

  bool is_done() const noexcept;
};

/// The evaluation of @p variant: what all have in common, with the variant's configuration over it.
/// @returns the first mistake, with its field; unpaired tests, and wishes that a test's runs cannot have, are
/// errc::invalid_argument.
result<run_request> request_of_variant(const ab_test& test, size_t variant, const nlohmann::json& wish);

/// What a finished sample says of a variant, in the form that observation_from_json() reads. Its unit names
/// task, prompt, row and repeat. @param quality The sample's score.
nlohmann::json observation_of_sample(const variant& of, const std::string& task, const sample_record& sample,
                                     std::span<const std::string> scorers, std::optional<double> quality);

/// {runs, planned, observed, samples_saved, cost_saved}. The cost is an estimate, at the mean of the samples
/// that were asked; nothing where none is known.
nlohmann::json run_json(const ab_test& test, const ab_run& run, bool ended);

void to_json(nlohmann::json& out, const ab_run& run);
/// Throws nlohmann::json::exception on another form.
void from_json(const nlohmann::json& in, ab_run& out);

} // namespace assay::experiments
