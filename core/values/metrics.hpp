#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace assay {

/// The numbers that GET /metrics shows. Whoever reports one names its family; name, type, help and label
/// names stand in the one table behind metric_families().
enum class metric : uint8_t {
  build_info,
  uptime_seconds,
  up,
  actors_silent,

  http_requests_total,
  http_request_duration_seconds,
  http_connections_open,
  http_connections_accepted_total,
  http_connections_refused_total,
  web_sockets_open,
  web_sockets_overflowed_total,
  web_socket_frames_total,

  store_snapshots_open,
  store_oldest_snapshot_seconds,
  store_snapshots_expired_total,

  journal_open_batches,
  journal_waiting_batches,
  journal_batches_total,
  journal_read_only,
  event_subscribers,
  event_frames_total,

  evaluations,
  router_open_calls,
  router_lanes,
  router_moved_calls_total,
  cache_answers,
  cache_bytes,
  cache_hits_total,
  cache_misses_total,
  cache_joined_total,
  batch_calls,
  batches_open,
  batches_created_total,
  batches_adopted_total,
  batch_answers_total,
  batch_retries_total,
  budget_spent_dollars,
  budget_held_dollars,
  budget_limit_dollars,
  budget_waiting_lanes,
  gateway_open_questions,
  gateway_lanes,
  gateway_questions_total,
  gateway_refused_total,
  gateway_withdrawn_total,
  sandbox_available,
  sandbox_workers,
  sandbox_running_jobs,
  sandbox_waiting_jobs,
  sandbox_jobs_total,
  sandbox_refused_total,

  python_workers,
  python_busy_workers,
  python_waiting_jobs,
  python_jobs_total,
  python_jobs_failed_total,
  python_crashes_total,

  providers_alive,
  provider_keys,
  provider_keys_out,
  provider_waiting_calls,
  provider_in_flight_calls,
  provider_window_calls,
  provider_breaker_state,
  provider_calls_answered_total,
  provider_calls_retried_total,
  provider_calls_failed_total,
  provider_overcounted_total,
  provider_token_estimate_error_ratio,
  provider_token_estimate_factor,
  connection_sockets_open,
  connection_requests_total,
  connection_answers_total,
  limiter_waiting_calls,
  limiter_closed_seconds,
  limiter_limit,

  calls_total,
  call_failures_total,
  call_retries_total,
  call_errors_total,
  call_duration_seconds,
  tokens_total,
  cost_dollars_total,

  window_calls,
  window_failures,
  window_tokens,
  window_cost_dollars,
  window_quality,
  window_duration_seconds,
  retried_tries_total,
  provider_healthy,
  scaled_share,
  ab_tests,
  alerts,
  experiments,
};

enum class metric_kind : uint8_t { gauge, counter, histogram, summary };

/// One family, named by Prometheus's conventions: base units in the name, `_total` for counters.
struct metric_family {
  static constexpr size_t most_labels = 4;

  metric id;
  std::string_view name; ///< Without the prefix `assay_`.
  metric_kind kind;
  std::string_view help;
  std::array<std::string_view, most_labels> labels{}; ///< Names; the unused ones at the end are empty.

  constexpr size_t label_count() const noexcept {
    size_t count = 0;
    while (count < labels.size() && !labels[count].empty())
      ++count;
    return count;
  }
};

/// Every family, in the order of their ids.
std::span<const metric_family> metric_families() noexcept;

const metric_family& family_of(metric id) noexcept;

} // namespace assay
