#pragma once

#include "core/monitoring/retry_advice.hpp"

#include <nlohmann/json_fwd.hpp>

#include <deque>
#include <string>
#include <vector>

namespace assay::monitoring {

/// One decision after a failed try, newest ones are kept.
struct recent_retry {
  wall_time at{}; ///< When the call ended.
  provider_id provider;
  model_id model;
  uint16_t attempt = 1; ///< Number of the failed try.
  failed_try_seen failed;
  std::string then; ///< `succeeded`, `failed_again` or `given_up`.
};

/// A rule that was changed at run time.
struct changed_rule {
  provider_id provider;
  errc error = errc::internal;
  control::retry_rule configured;
  control::retry_rule rule;
  std::string reason;
  wall_time changed_at{};
};

/// Everything that GET /monitor/retries shows.
struct retry_view {
  wall_time at{};
  wall_time since{}; ///< When counting began.
  bool applies = false;
  const retry_tally& tally;
  std::vector<changed_rule> rules;
  std::vector<retry_proposal> advice;
  const std::deque<recent_retry>& recent; ///< Oldest first.
};

/// GET /monitor/retries. Times are seconds, rates 0..1.
nlohmann::json retries_json(const retry_view& view);

} // namespace assay::monitoring
