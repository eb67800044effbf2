#pragma once

#include "config/defaults.hpp"
#include "core/values/ids.hpp"
#include "core/values/model.hpp"
#include "core/values/money.hpp"
#include "core/values/sandbox.hpp"
#include "core/values/secret.hpp"
#include "core/values/tenant_rules.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What the farm is told before it starts. Plain values: no file format shows through here.
namespace assay::config {

struct tls_settings {
  std::string cert_file; ///< PEM chain; empty means plain HTTP.
  std::string key_file;  ///< PEM.

  bool enabled() const noexcept { return !cert_file.empty(); }
};

struct cors_settings {
  /// Exact origins, or `*`. Empty means the same origin only.
  std::vector<std::string> allow_origins;
};

struct server_settings {
  std::string host{defaults::host};
  uint16_t port = defaults::port; ///< 0 takes any free port.
  tls_settings tls;
  std::vector<std::string> allowed_origins; ///< Origins that may open a WebSocket besides the server's own.
  uint64_t max_body = defaults::max_body;
  uint32_t max_connections = defaults::max_connections;
  uint32_t max_connections_per_address = defaults::max_connections_per_address;
  milliseconds header_timeout = defaults::header_timeout;
  milliseconds body_timeout = defaults::body_timeout;
  milliseconds keep_alive = defaults::keep_alive;
  uint64_t max_ws_message = defaults::max_ws_message;
  uint64_t max_ws_backlog = defaults::max_ws_backlog; ///< A subscriber with more waiting is closed.
  bool metrics_from_loopback = false;                 ///< GET /metrics without a token from this machine.
};

/// The role of callers without a token, by API family; `none` refuses them.
struct anonymous_settings {
  std::string engine{defaults::anonymous_role};
  std::string jobs{defaults::anonymous_role};
  std::string datalab{defaults::anonymous_role};
};

struct auth_settings {
  seconds access_ttl = defaults::access_ttl;
  seconds refresh_ttl = defaults::refresh_ttl;
  anonymous_settings anonymous;
  secret admin_password; ///< Of the first `admin`; empty lets the farm make one up and print it once.
  uint32_t login_attempts_per_minute = defaults::login_attempts_per_minute; ///< Per address and name.
  uint32_t concurrent_password_checks = defaults::concurrent_password_checks;
};

enum class durability : uint8_t {
  commit = 1, ///< An answer is on the disk before it counts.
  none = 2,   ///< A crash of the machine may lose the last seconds. For experiments.
};

struct retention_settings {
  uint32_t runs_days = 0; ///< Finished runs older than this are deleted; 0 keeps them.
  uint32_t statistics_days = defaults::statistics_days;
};

/// Of the answers that runs with a cache share.
struct cache_settings {
  uint64_t max_bytes = defaults::cache_max_bytes; ///< The least recently used go beyond it.
  seconds max_age = defaults::cache_max_age;      ///< Older answers are asked for again; 0 keeps them.
};

struct storage_settings {
  std::string data_dir; ///< Absolute.
  durability durable = durability::commit;
  milliseconds commit_window = defaults::commit_window;
  uint64_t map_size = defaults::map_size; ///< Bytes of address space reserved; disk is used as needed.
  retention_settings retention;
  cache_settings cache;
};

enum class scheduler_policy : uint8_t { stealing = 1, sharing = 2 };

struct farm_settings {
  uint32_t max_running_runs = defaults::max_running_runs;
  uint32_t max_queued_runs = defaults::max_queued_runs;
  bool preempt = false; ///< A run pauses its owner's run of lower priority when there is no place.
  in_flight_rule in_flight = in_flight_rule::adaptive;
  uint32_t in_flight_start = defaults::in_flight_start; ///< Where the adaptive limit starts, below the cap.
  uint32_t in_flight_cap = defaults::in_flight_cap;     ///< Per key and model without a limit of its own.
  /// Of the actors; 0 means half as many as cores, at least one: sockets, store and readers have their own.
  uint32_t worker_threads = 0;
  /// Stealing polls for work every 50 us while idle; sharing sleeps, and measured faster throughout.
  scheduler_policy scheduler = scheduler_policy::sharing;
  uint32_t max_throughput = defaults::max_throughput; ///< Messages an actor handles before it yields.
  seconds cancel_grace = defaults::cancel_grace;      ///< For calls already written.
  /// Providers without traffic for so long are asked for their list of models; 0 asks none.
  seconds health_check_interval = defaults::health_check_interval;
};

/// What no plan of an experiment may exceed.
struct experiment_settings {
  uint32_t max_children = defaults::experiment_max_children; ///< Runs of one experiment.
  uint32_t max_samples = defaults::experiment_max_samples;   ///< Of all of them together.
  std::optional<money> max_cost;                             ///< By the estimate before the start.
};

/// Of single questions, which people and programs wait for.
struct gateway_settings {
  uint32_t max_open = defaults::gateway_max_open;                   ///< In all; more are answered 429.
  uint32_t max_open_per_user = defaults::gateway_max_open_per_user; ///< The same, of one user.
  milliseconds timeout = defaults::gateway_timeout; ///< Of a question that names none, waiting included.
};

/// Where tasks find their data, beside the folders of tasks.
struct task_settings {
  std::vector<std::string>
      roots; ///< Absolute; data of the tasks that API users run lies there or with the tasks.
  /// JSON object text: where datasets of a hub lie, by `name` or `name:config`. Paths are absolute.
  std::string datasets_json = "{}";
};

/// Of the processes that run the Python of tasks.
struct python_settings {
  std::string interpreter{defaults::python_interpreter}; ///< Absolute.
  uint32_t workers = defaults::python_workers;           ///< Processes at a time.
  uint64_t memory = defaults::python_memory;             ///< Bytes of address space of each.
  milliseconds deadline = defaults::python_deadline;     ///< No job has more.
  /// Where there is no sandbox, run the Python of tasks in `roots` without one.
  bool allow_unsandboxed_python = false;
  std::vector<std::string> roots; ///< Absolute folders.
  /// Absolute; holds the package assay_worker, which is shipped with the program. Empty: it was not found.
  std::string package_dir;
};

enum class retry_strategy : uint8_t {
  exponential = 1, ///< base * 2^n up to cap.
  linear = 2,      ///< base * n up to cap.
  immediate = 3,   ///< At once the first time, then linear.
};

/// How calls that failed in one way are tried again.
struct retry_rule {
  std::string error; ///< A code (`provider_timeout`), a class (`transient`), or `default`.
  retry_strategy strategy = retry_strategy::exponential;
  milliseconds base = defaults::retry_base;
  milliseconds cap = defaults::retry_cap;
  uint32_t max_attempts = defaults::max_attempts; ///< The first one included.
  bool jitter = true;                             ///< Draw the wait between zero and its full length.
};

struct retry_settings {
  uint32_t max_attempts = defaults::max_attempts; ///< Where no rule says otherwise.
  double budget_ratio = defaults::retry_budget_ratio;
  double budget_per_second = defaults::retry_budget_per_second;
  uint32_t possibly_billed_attempts =
      defaults::possibly_billed_attempts; ///< More tries after such a failure.
  std::vector<retry_rule> rules;          ///< In order; the first match holds.
};

/// How calls go through the providers' batch APIs.
struct batch_settings {
  uint32_t max_calls = defaults::batch_max_calls; ///< Of one batch.
  milliseconds gather = defaults::batch_gather;
  milliseconds poll_first = defaults::batch_poll_first;
  milliseconds poll_last = defaults::batch_poll_last;
};

/// Where programs that models have written run.
struct sandbox_settings {
  bool enabled = true;
  uint32_t workers = 0; ///< Programs at once; 0 means as many as cores.
  uint32_t max_waiting = defaults::sandbox_max_waiting;
  std::string bwrap{defaults::sandbox_bwrap}; ///< Absolute.
  std::string launcher;                       ///< Absolute; empty means beside this program.
  /// As root, programs run as this user and those that follow, one for each worker.
  uint32_t first_user = defaults::sandbox_first_user;
  sandbox_limits limits; ///< Of programs for which nothing else is said.
};

struct logging_settings {
  std::string level{defaults::log_level}; ///< trace, debug, info, warn, error, critical or off.
  std::string file;                       ///< Absolute; empty means standard error only.
  bool json = false;                      ///< One JSON object a line.
  uint64_t rotate_size = defaults::log_rotate_size;
  uint32_t rotate_count = defaults::log_rotate_count;
};

struct network_settings {
  std::string extra_ca_file; ///< PEM of authorities trusted besides the system's.
  secret https_proxy;        ///< `http://user:password@host:port`; may hold a password.
  secret http_proxy;
  std::vector<std::string> no_proxy; ///< Hosts, `.domains` or `*`.
  /// Where URLs of API users may point besides the public internet: ranges, addresses, hosts, or `*`.
  std::vector<std::string> allow_private_addresses;
  milliseconds connect_timeout = defaults::connect_timeout;
};

/// When a model should get fewer calls at a time.
struct scaling_settings {
  double response_time_high = defaults::scaling_response_time_high; ///< Seconds, mean.
  double error_rate_high = defaults::scaling_error_rate_high;       ///< 0..1
  double success_rate_low = defaults::scaling_success_rate_low;     ///< 0..1
};

struct monitoring_settings {
  bool enabled = true;
  seconds response_time_threshold = defaults::alert_response_time;
  double error_rate_threshold = defaults::alert_error_rate; ///< 0..1
  std::optional<money> cost_threshold_per_hour;
  uint32_t minimum_samples = defaults::alert_minimum_samples; ///< Fewer calls in a window say nothing.
  scaling_settings scaling_thresholds;
  bool auto_scaling_enabled = false;
  bool apply_retry_advice = false;
  std::vector<std::string> webhooks; ///< Where alerts are posted.
};

/// Hard limits in dollars. Unset means none.
struct budget_settings {
  std::optional<money> per_request;
  std::optional<money> per_run;
  std::optional<money> per_day;             ///< Of the whole farm, UTC.
  std::optional<money> per_tenant;          ///< Of one user a day, UTC.
  double alert_at = defaults::budget_alert; ///< Share of a budget, 0..1.
  /// How far providers' counts of tokens are believed; see control::usage_belief.
  uint32_t uncounted_tokens = defaults::uncounted_tokens;
  uint32_t longest_answer = defaults::longest_answer;
};

/// How one user stands towards the others; `default` is whoever has no entry.
struct tenant_settings {
  std::string id;
  tenant_rules rules;
};

/// An evaluation that can be started by its name.
struct named_evaluation {
  std::string id;
  std::string description;
  std::vector<std::string> models;
  std::vector<std::string> tasks;
  std::string configuration_json = "{}"; ///< JSON object text: limit, num_fewshot, temperature, ...
};

/// Which keys of a provider serve which prompt types.
enum class key_strategy : uint8_t {
  automatic = 1, ///< The key with the most slack of two random ones, of those that may serve the call.
  wide,          ///< All prompt types over all keys.
  by_prompt_type ///< Each prompt type on a key of its own.
};

/// How a provider's keys are shared out. The keys themselves are in its profile.
struct key_pool {
  provider_id provider;
  key_strategy strategy = key_strategy::automatic;
  std::vector<std::string> prompt_types; ///< For by_prompt_type: in the order of the keys.
  uint32_t workers = 0;                  ///< Of one key and model, from a preset; 0: no such limit.
  std::vector<std::string> bound;        ///< Names of the keys to which the strategy gave their types.
};

/// All settings of one process, from all layers, checked.
struct settings {
  std::string environment{defaults::environment}; ///< development, testing or production.
  bool debug = false;
  server_settings server;
  cors_settings cors;
  auth_settings auth;
  storage_settings storage;
  farm_settings farm;
  gateway_settings gateway;
  experiment_settings experiments;
  python_settings python;
  retry_settings retry;
  batch_settings batches;
  sandbox_settings sandbox;
  logging_settings logging;
  network_settings network;
  monitoring_settings monitoring;
  budget_settings budgets;
  std::vector<tenant_settings> tenants;
  std::string results_dir;             ///< Absolute.
  std::vector<std::string> tasks_dirs; ///< Absolute; later folders win on equal task ids.
  task_settings tasks;

  std::vector<provider_profile>
      providers;                     ///< Built-in, configured, and those that single models brought along.
  std::vector<key_pool> key_pools;   ///< One for each provider that single models did not bring along.
  std::vector<model_profile> models; ///< Configured and simulated; see find_model for those of the catalogue.
  std::vector<named_evaluation> evaluations;
  std::string ab_tests_json = "{}"; ///< JSON object text by name, checked in shape.

  std::vector<std::string> warnings; ///< For the log, each once.
  std::vector<std::string> sources;  ///< Files read, in order.
};

/// @returns the rules of @p tenant: by name, else those of `default`, else equal shares without bounds.
tenant_rules tenant_rules_of(const settings& from, std::string_view tenant);

} // namespace assay::config
