#pragma once

#include "core/monitoring/advice.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace assay::monitoring {

/// How recommendations about calls in flight are applied.
struct scaling_rules {
  double least_share = 0.1; ///< Of what is configured; more is the configuration's own.
  /// Between two changes of one model: as long as the window that recommends, so that one bad minute is not
  /// answered twice.
  seconds cooldown{300};
};

/// What is left of the calls in flight that a model is configured with.
struct scaled_model {
  double share = 1;
  wall_time changed_at{};
  std::string reason; ///< Of the last change.

  bool operator==(const scaled_model&) const = default;
};

using scaled_models = std::map<std::pair<provider_id, model_id>, scaled_model>;

/// One change that was made.
struct scaling_step {
  provider_id provider;
  model_id model;
  double before = 1;
  double after = 1;
  std::string reason;
  uint64_t samples = 0;
};

/// Applies what is recommended to the shares, within the rules: down by the smallest factor, and back up, a
/// quarter at a time and never over 1, once nothing asks for fewer calls any more. @param models Their last
/// five minutes say how many calls that rests on; models not among them are left alone when they are whole.
/// @returns the changes.
std::vector<scaling_step> scale(scaled_models& shares, const std::vector<recommendation>& recommended,
                                const std::vector<model_view>& models, const scaling_rules& rules,
                                wall_time now);

} // namespace assay::monitoring
