#pragma once

#include "core/values/metrics.hpp"
#include "protocol/inspect.hpp"
#include "protocol/messages/tuning.hpp"

#include <map>
#include <string>
#include <vector>

namespace assay {

/// One ended call, as the monitor counts it.
struct call_observation {
  model_id model;
  provider_id provider;
  std::optional<errc> error;
  milliseconds duration{0};
  token_usage usage;
  std::optional<money> cost;
  uint16_t tries = 1;
  std::optional<call_timing> timing; ///< Nothing for calls that were made elsewhere.
  std::optional<double> quality;     ///< 0..1; nothing when nobody has judged the answer.
  std::optional<wall_time> at;       ///< When it ended; nothing means now.
  bool external = false;             ///< Made elsewhere and reported.
  std::vector<monitoring::failed_try_seen> failed_tries = {}; ///< At this provider, in order.
  /// Answered by a batch: counted as any other, but nothing is learned of times and retries from it.
  bool batched = false;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_observation& x) {
  auto error = field(x.error);
  auto cost = field(x.cost);
  auto timing = field(x.timing);
  auto quality = field(x.quality);
  auto at = field(x.at);
  return f(caf::meta::type_name("call_observation"), x.model, x.provider, error, x.duration, x.usage, cost,
           x.tries, timing, quality, at, x.external, x.failed_tries, x.batched);
}

struct observe_calls {
  std::vector<call_observation> calls;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, observe_calls& x) {
  return f(caf::meta::type_name("observe_calls"), x.calls);
}

/// Totals of one model since the farm started.
struct model_statistics {
  model_id model;
  provider_id provider;
  uint64_t calls = 0;
  uint64_t failures = 0;
  uint64_t retries = 0;
  std::map<std::string, uint64_t> errors; ///< By errc name.
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  money cost;
  bool cost_known = true;
  double latency_mean_ms = 0;
  double latency_p50_ms = 0;
  double latency_p95_ms = 0;
  double latency_p99_ms = 0;
  uint64_t batched = 0; ///< Of the calls; the latencies are those of the others.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, model_statistics& x) {
  return f(caf::meta::type_name("model_statistics"), x.model, x.provider, x.calls, x.failures, x.retries,
           x.errors, x.prompt_tokens, x.completion_tokens, x.cost, x.cost_known, x.latency_mean_ms,
           x.latency_p50_ms, x.latency_p95_ms, x.latency_p99_ms, x.batched);
}

struct read_statistics {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_statistics&) {
  return f(caf::meta::type_name("read_statistics"));
}

struct statistics {
  std::vector<model_statistics> models;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, statistics& x) {
  return f(caf::meta::type_name("statistics"), x.models);
}

/// A number that some actor has to show.
struct gauge {
  metric family = metric::up;
  std::vector<std::string> labels; ///< Values, in the order of the family's label names.
  double value = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, gauge& x) {
  return f(caf::meta::type_name("gauge"), x.family, x.labels, x.value);
}

/// Every long-lived actor answers this.
struct read_gauges {
  /// Whoever asks waits this long; an actor that asks others gives them less.
  milliseconds patience{1'000};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_gauges& x) {
  return f(caf::meta::type_name("read_gauges"), x.patience);
}

struct gauges {
  std::vector<gauge> values;
  /// Kinds of actors that did not answer in time, and how many of each.
  std::map<std::string, uint32_t> silent;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, gauges& x) {
  return f(caf::meta::type_name("gauges"), x.values, x.silent);
}

} // namespace assay
