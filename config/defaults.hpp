#pragma once

#include "core/values/time.hpp"

#include <cstdint>
#include <string_view>

/// Every built-in value that configuration can change, with its reason where it is not obvious.
namespace assay::config::defaults {

using std::chrono::hours;

inline constexpr std::string_view environment = "development";

/// Only this machine may connect until someone says otherwise.
inline constexpr std::string_view host = "127.0.0.1";
inline constexpr uint16_t port = 8000;
/// Bytes of one request body. Datasets come as files, not as bodies.
inline constexpr uint64_t max_body = 8ULL << 20;
inline constexpr uint32_t max_connections = 4096;
/// More than a browser or a client library opens, few enough that one address cannot take all.
inline constexpr uint32_t max_connections_per_address = 256;
/// Until the last header byte; absolute, so that slow headers cannot stretch it.
inline constexpr milliseconds header_timeout = seconds{5};
inline constexpr milliseconds body_timeout = seconds{30};
/// An idle connection is closed after this.
inline constexpr milliseconds keep_alive = seconds{30};
/// Bytes of one command over a WebSocket.
inline constexpr uint64_t max_ws_message = 64ULL << 10;
/// Bytes waiting for a slow subscriber before it is closed.
inline constexpr uint64_t max_ws_backlog = 1ULL << 20;

inline constexpr std::string_view anonymous_role = "none";
inline constexpr seconds access_ttl{3600};
inline constexpr seconds refresh_ttl = hours{24 * 7};
inline constexpr uint32_t login_attempts_per_minute = 10;
/// Each check takes about 64 MiB and a core for a tenth of a second.
inline constexpr uint32_t concurrent_password_checks = 2;

inline constexpr std::string_view data_dir = "data";
inline constexpr std::string_view results_dir = "results";
/// How long rows wait for others to be flushed with. The first after a pause do not wait. Each flush costs
/// some 0.2 ms of a core however much it writes; docs/performance.md has the figures.
inline constexpr milliseconds commit_window{4};
/// 64 GiB of address space, not of disk: growing the map later needs a pause.
inline constexpr uint64_t map_size = 64ULL << 30;
inline constexpr uint32_t statistics_days = 90;
/// Some hundred thousand answers of a paragraph each.
inline constexpr uint32_t batch_max_calls = 1'000;
inline constexpr milliseconds batch_gather{5'000};
inline constexpr milliseconds batch_poll_first{5'000};
inline constexpr milliseconds batch_poll_last{300'000};

inline constexpr uint64_t cache_max_bytes = 1ULL << 30;
/// Providers change what stands behind a name.
inline constexpr seconds cache_max_age = hours{24 * 30};

inline constexpr uint32_t max_running_runs = 16;
inline constexpr uint32_t max_queued_runs = 1000;
inline constexpr uint32_t in_flight_start = 20;
inline constexpr uint32_t in_flight_cap = 1000;
/// Keeps one busy actor from holding a thread.
inline constexpr uint32_t max_throughput = 100;
inline constexpr seconds cancel_grace{30};
/// Only providers that have been asked before; a list of models costs nothing.
inline constexpr uint32_t uncounted_tokens = 4'096;
inline constexpr uint32_t longest_answer = 262'144;
inline constexpr seconds health_check_interval{300};

inline constexpr uint32_t sandbox_max_waiting = 4096;
inline constexpr std::string_view sandbox_bwrap = "/usr/bin/bwrap";
/// Between the ranges that Debian gives to users and those for systemd's and containers' own.
inline constexpr uint32_t sandbox_first_user = 65'600;

/// Questions that callers wait for. Each holds a connection of the server, of which there are as many.
inline constexpr std::string_view python_interpreter = "/usr/bin/python3";
inline constexpr uint32_t python_workers = 2;
inline constexpr uint64_t python_memory = uint64_t{1} << 30;
inline constexpr milliseconds python_deadline = seconds{600};

inline constexpr uint32_t experiment_max_children = 5'000;
inline constexpr uint32_t experiment_max_samples = 1'000'000;

inline constexpr uint32_t gateway_max_open = 4096;
inline constexpr uint32_t gateway_max_open_per_user = 512;
inline constexpr milliseconds gateway_timeout = seconds{600};

inline constexpr uint32_t max_attempts = 5;
inline constexpr milliseconds retry_base{500};
inline constexpr milliseconds retry_cap = seconds{20};
/// Retries per call over time, so that an outage is not multiplied.
inline constexpr double retry_budget_ratio = 0.2;
inline constexpr double retry_budget_per_second = 10;
/// A call that may have been charged is repeated once, not four times.
inline constexpr uint32_t possibly_billed_attempts = 1;

inline constexpr std::string_view log_level = "info";
inline constexpr uint64_t log_rotate_size = 50ULL << 20;
inline constexpr uint32_t log_rotate_count = 5;

inline constexpr milliseconds connect_timeout = seconds{5};

inline constexpr seconds alert_response_time{30};
inline constexpr double alert_error_rate = 0.1;
inline constexpr uint32_t alert_minimum_samples = 10;
/// Signals to send a model fewer calls at a time, below what alerts.
inline constexpr double scaling_response_time_high = 8.0;
inline constexpr double scaling_error_rate_high = 0.05;
inline constexpr double scaling_success_rate_low = 0.9;
inline constexpr double budget_alert = 0.8;

/// Where `assay mock` listens unless told otherwise.
inline constexpr std::string_view mock_url = "http://127.0.0.1:8377/v1";

/// Prices above this per single token are most likely meant per thousand tokens: a hundred dollars per
/// million.
inline constexpr double suspicious_cost_per_token = 0.0001;

} // namespace assay::config::defaults
