#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/money.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace assay {

/// When a run may end before all its samples are asked: its score is known well enough, or it is known which
/// of two runs is better. Looking again and again does not make a wrong decision likelier.
struct early_stopping {
  /// Enough when the score is known to within this, on either side, with 95 %.
  std::optional<double> interval;
  run_id against;               ///< Enough when it is decided which is better, this run or that; or empty.
  double alpha = 0.05;          ///< How likely a wrong decision may be.
  std::optional<double> margin; ///< Enough also when both are known to differ by less than this.
  uint64_t min_samples = 50;    ///< Not before so many.

  bool operator==(const early_stopping&) const = default;
};

/// How a run ended early.
struct early_stop {
  std::string reason;              ///< narrow_enough, better, worse or equivalent.
  uint64_t samples = 0;            ///< That the decision was made of.
  uint64_t samples_saved = 0;      ///< That were not asked.
  std::optional<money> cost_saved; ///< What they would have cost at the mean of the others; an estimate.
  double mean = 0;                 ///< Of the scores, or of their differences to the other run.
  double low = 0;                  ///< Of the interval that holds at all times at once.
  double high = 0;

  bool operator==(const early_stop&) const = default;
};

/// Reads what a request asks for. Faults name @p where and the key.
result<early_stopping> early_stopping_from_request(const nlohmann::json& in, const std::string& where);

void to_json(nlohmann::json& out, const early_stopping& wish);
void from_json(const nlohmann::json& in, early_stopping& out);
/// The storage form. The API's has cost_saved in dollars and the interval as one object.
void to_json(nlohmann::json& out, const early_stop& stop);
void from_json(const nlohmann::json& in, early_stop& out);
nlohmann::json early_stop_json(const early_stop& stop);

} // namespace assay
