#pragma once

#include "core/control/retry_rules.hpp"
#include "core/monitoring/retry_tally.hpp"
#include "protocol/inspect.hpp"

#include <string>
#include <utility>
#include <vector>

namespace assay::control {

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, retry_rule& x) {
  auto jitter = field(x.jitter);
  return f(caf::meta::type_name("retry_rule"), x.strategy, x.base, x.cap, x.attempts, jitter);
}

} // namespace assay::control

namespace assay::monitoring {

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, failed_try_seen& x) {
  return f(caf::meta::type_name("failed_try_seen"), x.error, x.strategy, x.waited, x.half);
}

} // namespace assay::monitoring

namespace assay {

/// How a provider deviates from its configuration. What is not named is as configured.
struct provider_tuning {
  std::vector<std::pair<errc, control::retry_rule>> retries;
  /// By model: the share, above 0 and at most 1, of the configured calls in flight that are allowed.
  std::vector<std::pair<model_id, double>> shares;

  bool operator==(const provider_tuning&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, provider_tuning& x) {
  return f(caf::meta::type_name("provider_tuning"), x.retries, x.shares);
}

/// Replaces what was said before. One that says nothing brings the configuration back.
struct tune_provider {
  provider_tuning tuning;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tune_provider& x) {
  return f(caf::meta::type_name("tune_provider"), x.tuning);
}

/// What a question that costs nothing has brought to light about a provider.
struct provider_checked {
  provider_id provider;
  bool healthy = true;
  std::string reason; ///< Why not.
  milliseconds took{0};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, provider_checked& x) {
  return f(caf::meta::type_name("provider_checked"), x.provider, x.healthy, x.reason, x.took);
}

/// INTERNAL to a provider: time to look whether it is idle.
struct check_health {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, check_health&) {
  return f(caf::meta::type_name("check_health"));
}

/// Asks a connection for its provider's list of models, which costs nothing.
struct probe_connection {
  call_id id; ///< That no call has.
  milliseconds timeout{10'000};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, probe_connection& x) {
  return f(caf::meta::type_name("probe_connection"), x.id, x.timeout);
}

/// What came of it.
struct connection_probed {
  call_id id;
  std::optional<fault> error; ///< errc::unsupported where the provider has no such list.
  milliseconds took{0};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, connection_probed& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("connection_probed"), x.id, error, x.took);
}

/// Asks the monitor for retries: what came of them, and better rules.
struct read_retries {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_retries&) {
  return f(caf::meta::type_name("read_retries"));
}

/// The answer, large and rare: JSON object text, as GET /monitor/retries shows it.
struct retry_report {
  std::string text;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, retry_report& x) {
  return f(caf::meta::type_name("retry_report"), x.text);
}

} // namespace assay
