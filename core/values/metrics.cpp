#include "core/values/metrics.hpp"

namespace assay {

namespace {

using kind = metric_kind;

constexpr std::array families{
    metric_family{
        metric::build_info, "build_info", kind::gauge, "Always 1; the version is in the label", {"version"}},
    metric_family{metric::uptime_seconds, "uptime_seconds", kind::gauge, "Time since the server started"},
    metric_family{metric::up, "up", kind::gauge, "1 when the farm answers"},
    metric_family{metric::actors_silent,
                  "actors_silent",
                  kind::gauge,
                  "Actors that did not answer this scrape in time; their numbers are missing from it",
                  {"kind"}},

    metric_family{metric::http_requests_total,
                  "http_requests_total",
                  kind::counter,
                  "Requests answered, by class of status",
                  {"class"}},
    metric_family{metric::http_request_duration_seconds, "http_request_duration_seconds", kind::histogram,
                  "Time from the head of a request to its answer"},
    metric_family{metric::http_connections_open, "http_connections_open", kind::gauge, "Open connections"},
    metric_family{metric::http_connections_accepted_total, "http_connections_accepted_total", kind::counter,
                  "Connections accepted"},
    metric_family{metric::http_connections_refused_total, "http_connections_refused_total", kind::counter,
                  "Connections over a limit"},
    metric_family{metric::web_sockets_open, "web_sockets_open", kind::gauge, "Open WebSockets"},
    metric_family{metric::web_sockets_overflowed_total, "web_sockets_overflowed_total", kind::counter,
                  "WebSockets closed because they read too slowly"},
    metric_family{metric::web_socket_frames_total, "web_socket_frames_total", kind::counter,
                  "Frames written to WebSockets"},

    metric_family{metric::store_snapshots_open, "store_snapshots_open", kind::gauge,
                  "Open snapshots of the store"},
    metric_family{metric::store_oldest_snapshot_seconds, "store_oldest_snapshot_seconds", kind::gauge,
                  "Age of the oldest open snapshot"},
    metric_family{metric::store_snapshots_expired_total, "store_snapshots_expired_total", kind::counter,
                  "Snapshots ended because they were too old"},

    metric_family{metric::journal_open_batches, "journal_open_batches", kind::gauge,
                  "Batches that are not committed yet"},
    metric_family{metric::journal_waiting_batches, "journal_waiting_batches", kind::gauge,
                  "Batches that wait for room at the writer"},
    metric_family{metric::journal_batches_total, "journal_batches_total", kind::counter,
                  "Batches given to the journal"},
    metric_family{metric::journal_read_only, "journal_read_only", kind::gauge,
                  "1 when the store takes no more writes"},
    metric_family{metric::event_subscribers, "event_subscribers", kind::gauge,
                  "Subscriptions to evaluations' events"},
    metric_family{metric::event_frames_total, "event_frames_total", kind::counter,
                  "Batches of events sent to subscribers"},

    metric_family{
        metric::evaluations, "evaluations", kind::gauge, "Unfinished evaluations, by state", {"state"}},
    metric_family{metric::router_open_calls, "router_open_calls", kind::gauge,
                  "Calls that evaluations have out"},
    metric_family{metric::router_lanes, "router_lanes", kind::gauge, "Evaluations that may send calls"},

    metric_family{metric::providers_alive, "providers_alive", kind::gauge, "Providers that take calls"},
    metric_family{metric::provider_waiting_calls,
                  "provider_waiting_calls",
                  kind::gauge,
                  "Calls in the waiting line",
                  {"provider", "model"}},
    metric_family{metric::provider_in_flight_calls,
                  "provider_in_flight_calls",
                  kind::gauge,
                  "Calls on the wire",
                  {"provider", "model"}},
    metric_family{metric::provider_window_calls,
                  "provider_window_calls",
                  kind::gauge,
                  "Calls that may be on the wire now",
                  {"provider", "model"}},
    metric_family{metric::provider_breaker_state,
                  "provider_breaker_state",
                  kind::gauge,
                  "1 for the state that the circuit breaker is in",
                  {"provider", "model", "state"}},
    metric_family{metric::provider_calls_answered_total,
                  "provider_calls_answered_total",
                  kind::counter,
                  "Calls that ended with an answer, since the provider's actor started",
                  {"provider", "model"}},
    metric_family{metric::provider_calls_retried_total,
                  "provider_calls_retried_total",
                  kind::counter,
                  "Failed tries that were repeated, since the provider's actor started",
                  {"provider", "model"}},
    metric_family{metric::provider_calls_failed_total,
                  "provider_calls_failed_total",
                  kind::counter,
                  "Calls that failed for good, since the provider's actor started",
                  {"provider", "model"}},
    metric_family{metric::connection_sockets_open,
                  "connection_sockets_open",
                  kind::gauge,
                  "Open sockets to the provider",
                  {"provider"}},
    metric_family{metric::connection_requests_total,
                  "connection_requests_total",
                  kind::counter,
                  "Requests sent, since the connection's actor started",
                  {"provider"}},
    metric_family{metric::connection_answers_total,
                  "connection_answers_total",
                  kind::counter,
                  "Requests that ended, since the connection's actor started",
                  {"provider"}},
    metric_family{metric::limiter_waiting_calls,
                  "limiter_waiting_calls",
                  kind::gauge,
                  "Calls that wait for the rate limit",
                  {"provider", "model"}},
    metric_family{metric::limiter_closed_seconds,
                  "limiter_closed_seconds",
                  kind::gauge,
                  "Time until a key that was told to wait may be used again",
                  {"provider", "model"}},
    metric_family{metric::limiter_limit,
                  "limiter_limit",
                  kind::gauge,
                  "Rate limits in force, configured or learned from the provider",
                  {"provider", "model", "dimension"}},

    metric_family{metric::calls_total,
                  "calls_total",
                  kind::counter,
                  "Calls to the model that ended",
                  {"provider", "model"}},
    metric_family{metric::call_failures_total,
                  "call_failures_total",
                  kind::counter,
                  "Calls that failed after all tries",
                  {"provider", "model"}},
    metric_family{metric::call_retries_total,
                  "call_retries_total",
                  kind::counter,
                  "Tries after the first",
                  {"provider", "model"}},
    metric_family{metric::call_errors_total,
                  "call_errors_total",
                  kind::counter,
                  "Failed calls by error",
                  {"provider", "model", "error"}},
    metric_family{metric::call_duration_seconds,
                  "call_duration_seconds",
                  kind::summary,
                  "Time of a call on the wire",
                  {"provider", "model"}},
    metric_family{metric::tokens_total,
                  "tokens_total",
                  kind::counter,
                  "Tokens, as the provider counted them",
                  {"provider", "model", "kind"}},
    metric_family{metric::cost_dollars_total,
                  "cost_dollars_total",
                  kind::counter,
                  "What the calls cost, as far as prices are known",
                  {"provider", "model"}},
};

constexpr bool in_order() {
  for (size_t i = 0; i < families.size(); ++i)
    if (static_cast<size_t>(families[i].id) != i)
      return false;
  return true;
}

static_assert(in_order(), "the table lists the families in the order of the enumeration");
static_assert(families.size() == static_cast<size_t>(metric::cost_dollars_total) + 1);

} // namespace

std::span<const metric_family> metric_families() noexcept { return families; }

const metric_family& family_of(metric id) noexcept { return families[static_cast<size_t>(id)]; }

} // namespace assay
