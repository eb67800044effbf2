#pragma once

#include "core/monitoring/retry_tally.hpp"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace assay::monitoring {

/// How far rules are changed, and from how much evidence on.
struct retry_bounds {
  uint64_t least_samples = 30; ///< Retries behind every number that is compared.
  milliseconds least_base{50};
  milliseconds most_base{30'000};
  double most_factor = 4;      ///< How far the first wait may be from the configured one, either way.
  uint16_t least_attempts = 2; ///< Retries are never turned off; a rule configured with fewer stays.
};

/// A better rule for one error at one provider.
struct retry_proposal {
  provider_id provider;
  errc error = errc::internal;
  std::string action; ///< `fewer_attempts`, `more_attempts`, `longer_wait`, `shorter_wait`, `faster_growth`.
  std::string reason; ///< One sentence for people.
  control::retry_rule now;
  control::retry_rule proposed;
  uint64_t samples = 0; ///< Retries that it rests on.
  std::vector<std::pair<std::string, double>> evidence;
  /// What it is expected to bring, with a 95 % interval, in `gain_unit`.
  double gain = 0;
  double gain_low = 0;
  double gain_high = 0;
  std::string gain_unit;
};

void to_json(nlohmann::json& out, const retry_proposal& value);

/// The API's form of a rule: `factor` is what the wait grows by from try to try, 2 or nothing (linear).
nlohmann::json rule_json(const control::retry_rule& rule);

/// The rule for an error at a provider.
using rule_lookup = std::function<control::retry_rule(const provider_id&, errc)>;

/// @returns at most one proposal for each error of each provider, so that its effect can be seen. Only for
/// transient errors, and only from what was seen under the strategy in force.
///
/// Shares are compared by Wilson's 95 % intervals:
/// - fewer_attempts: from some retry on, the upper bound of their success is below 5 %; they go.
/// - longer_wait, or faster_growth where the wait grows slowly: retries after the longer half of the waits
///   succeed more often than after the shorter half, and the intervals do not meet.
/// - shorter_wait: with four times the samples, both halves succeed in more than 80 %, and differ by less
/// than
///   5 points.
/// - more_attempts: the lower bound of the last retry's success is above 20 %, and enough calls were given
/// up.
///
/// @param configured, in_force The rule as configured, which bounds what is proposed, and the present one.
std::vector<retry_proposal> retry_proposals(const retry_tally& seen, const rule_lookup& configured,
                                            const rule_lookup& in_force, const retry_bounds& bounds = {});

} // namespace assay::monitoring
