#include "config/document.hpp"

namespace assay::config {

namespace {

constexpr double unlimited = std::numeric_limits<double>::infinity();

void tls_fields(field_visitor& visit, tls_settings& t) {
  visit.field("cert", "PEM file with the certificate chain; unset means plain HTTP", &t.cert_file);
  visit.field("key", "PEM file with the private key", &t.key_file);
}

void server_fields(field_visitor& visit, server_settings& s) {
  visit.field("host", "address to listen on", &s.host);
  visit.field({"port", "port to listen on; 0 takes a free one", 0, 65535}, &s.port);
  visit.group("tls", s.tls, tls_fields);
  visit.field("allowed_origins", "origins that may open a WebSocket besides the server's own",
              &s.allowed_origins);
  visit.field({"max_body", "bytes of one request body", 1024, 1e10}, byte_size{&s.max_body});
  visit.field({"max_connections", "connections at a time", 1, 1e6}, &s.max_connections);
  visit.field({"max_connections_per_address", "connections at a time from one address", 1, 1e6},
              &s.max_connections_per_address);
  visit.field({"header_timeout", "until the last byte of the headers", 0.1, 3600}, &s.header_timeout);
  visit.field({"body_timeout", "until the last byte of the body", 0.1, 86400}, &s.body_timeout);
  visit.field({"keep_alive", "an idle connection is closed after this", 0.1, 86400}, &s.keep_alive);
  visit.field({"max_ws_message", "bytes of one command over a WebSocket", 1024, 1e9},
              byte_size{&s.max_ws_message});
  visit.field({"max_ws_backlog", "bytes waiting for a slow subscriber before it is closed", 1024, 1e9},
              byte_size{&s.max_ws_backlog});
  visit.field("metrics_from_loopback", "serve /metrics without a token to this machine",
              &s.metrics_from_loopback);
}

void cors_fields(field_visitor& visit, cors_settings& c) {
  visit.field("allow_origins", "origins that browsers may call from; * means any", &c.allow_origins);
}

void anonymous_fields(field_visitor& visit, anonymous_settings& a) {
  const std::vector<std::string_view> roles{"none", "viewer", "evaluator", "admin"};
  visit.field("engine", "role of callers without a token at the engine's routes",
              word_choice(a.engine, roles));
  visit.field("jobs", "the same for /api/v1", word_choice(a.jobs, roles));
  visit.field("datalab", "the same for the data laboratory's routes", word_choice(a.datalab, roles));
}

void auth_fields(field_visitor& visit, auth_settings& a) {
  visit.field({"access_ttl", "life of an access token", 10, 86400 * 30}, &a.access_ttl);
  visit.field({"refresh_ttl", "life of a refresh token", 60, 86400 * 365}, &a.refresh_ttl);
  visit.group("anonymous", a.anonymous, anonymous_fields);
  visit.field("admin_password", "password of the first admin; unset lets the farm print one once",
              &a.admin_password);
  visit.field({"login_attempts_per_minute", "per address and name", 1, 10'000}, &a.login_attempts_per_minute);
  visit.field({"concurrent_password_checks", "each takes about 64 MiB", 1, 64},
              &a.concurrent_password_checks);
}

void retention_fields(field_visitor& visit, retention_settings& r) {
  visit.field({"runs_days", "finished runs older than this are deleted; 0 keeps them", 0, 36500},
              &r.runs_days);
  visit.field({"statistics_days", "statistics of calls older than this are deleted; 0 keeps them", 0, 36500},
              &r.statistics_days);
}

void cache_fields(field_visitor& visit, cache_settings& c) {
  visit.field(
      {"max_bytes", "of the response cache; the least recently used answers go beyond it", 1 << 20, 1e13},
      byte_size{&c.max_bytes});
  visit.field({"max_age", "older answers are asked for again; 0 keeps them", 0, 86400.0 * 36500}, &c.max_age);
}

void storage_fields(field_visitor& visit, storage_settings& s) {
  visit.field("data_dir", "folder of the store", &s.data_dir);
  visit.field("durability", "commit flushes every batch to the disk; none may lose the last seconds",
              enum_choice(s.durable, {"commit", "none"}));
  visit.field({"commit_window", "how long rows wait for others to be flushed with", 0, 1}, &s.commit_window);
  visit.field({"map_size", "address space of the store, not disk", 1 << 20, 1e14}, byte_size{&s.map_size});
  visit.group("retention", s.retention, retention_fields);
  visit.group("cache", s.cache, cache_fields);
}

void farm_fields(field_visitor& visit, farm_settings& f) {
  visit.field({"max_running_runs", "runs that make calls at a time; others queue", 1, 10'000},
              &f.max_running_runs);
  visit.field({"max_queued_runs", "runs that may wait; more are refused", 0, 1e6}, &f.max_queued_runs);
  visit.field("preempt", "a run without a place pauses a running one of its owner that has a lower priority",
              &f.preempt);
  visit.field("in_flight", "adaptive finds out how many calls a provider takes at a time; fixed is the cap",
              enum_choice(f.in_flight, {"adaptive", "fixed"}));
  visit.field(
      {"in_flight_start", "calls in flight at the start while adaptive, per key and model", 1, 100'000},
      &f.in_flight_start);
  visit.field(
      {"in_flight_cap", "most calls in flight, per key and model without a limit of its own", 1, 100'000},
      &f.in_flight_cap);
  visit.field({"worker_threads", "threads of the actors; 0 means half as many as cores", 0, 1024},
              &f.worker_threads);
  visit.field("scheduler", "how the threads share the actors",
              enum_choice(f.scheduler, {"stealing", "sharing"}));
  visit.field({"max_throughput", "messages an actor handles before it yields", 1, 100'000},
              &f.max_throughput);
  visit.field({"cancel_grace", "how long a cancelled run waits for calls already sent", 0, 3600},
              &f.cancel_grace);
  visit.field({"health_check_interval",
               "a provider without traffic for so long is asked for its list of models; 0 asks none", 0,
               86400},
              &f.health_check_interval);
}

void batch_fields(field_visitor& visit, batch_settings& b) {
  visit.field({"max_calls", "most calls of one batch", 1, 50'000}, &b.max_calls);
  visit.field({"gather", "how long calls wait for others to share a batch with", 0, 3600}, &b.gather);
  visit.field({"poll_first", "the first wait between two looks at a batch; it grows", 0.1, 3600},
              &b.poll_first);
  visit.field({"poll_last", "the longest wait between two looks", 0.1, 86400}, &b.poll_last);
}

void retry_rule_fields(field_visitor& visit, retry_rule& r) {
  visit.field("error", "an error code, `transient`, or `default`", &r.error);
  visit.field("strategy", "how the wait grows",
              enum_choice(r.strategy, {"exponential", "linear", "immediate"}));
  visit.field({"base", "the first wait", 0, 3600}, &r.base);
  visit.field({"cap", "the longest wait", 0, 86400}, &r.cap);
  visit.field({"max_attempts", "tries, the first included", 1, 100}, &r.max_attempts);
  visit.field("jitter", "draw the wait between zero and its full length", &r.jitter);
}

void retry_fields(field_visitor& visit, retry_settings& r) {
  visit.field({"max_attempts", "tries of one call where no rule says otherwise", 1, 100}, &r.max_attempts);
  visit.field({"budget_ratio", "retries per call over time", 0, 10}, &r.budget_ratio);
  visit.field({"budget_per_second", "retries per second that are always allowed", 0, 1e6},
              &r.budget_per_second);
  visit.field({"possibly_billed_attempts", "more tries after a failure that may have been charged", 0, 100},
              &r.possibly_billed_attempts);
  visit.list("rules", r.rules, retry_rule_fields);
}

void logging_fields(field_visitor& visit, logging_settings& l) {
  visit.field(
      "level", "least important messages to write",
      word_choice(l.level, {"trace", "debug", "info", "warn", "warning", "error", "critical", "off"}));
  visit.field("file", "also write to this file", &l.file);
  visit.field("json", "write one JSON object a line", &l.json);
  visit.field({"rotate_size", "bytes after which a new file begins", 1024, 1e12}, byte_size{&l.rotate_size});
  visit.field({"rotate_count", "old files to keep", 0, 1000}, &l.rotate_count);
}

void network_fields(field_visitor& visit, network_settings& n) {
  visit.field("extra_ca_file", "PEM file of authorities to trust besides the system's", &n.extra_ca_file);
  visit.field("https_proxy", "proxy for https:// providers", &n.https_proxy);
  visit.field("http_proxy", "proxy for http:// providers", &n.http_proxy);
  visit.field("no_proxy", "hosts, .domains or * to reach directly", &n.no_proxy);
  visit.field("allow_private_addresses",
              "where base URLs of API users may point besides the public internet: true, or a list of ranges "
              "and hosts",
              exceptions{&n.allow_private_addresses});
  visit.field({"connect_timeout", "for resolution, TCP and TLS together", 0.1, 600}, &n.connect_timeout);
}

void scaling_fields(field_visitor& visit, scaling_settings& s) {
  visit.field({"response_time_high", "seconds; slower calls on average ask for fewer at a time", 0, 86400},
              &s.response_time_high);
  visit.field({"error_rate_high", "more failures ask for fewer calls at a time", 0, 1}, &s.error_rate_high);
  visit.field({"success_rate_low", "fewer successes ask for fewer calls at a time", 0, 1},
              &s.success_rate_low);
}

void monitoring_fields(field_visitor& visit, monitoring_settings& m) {
  visit.field("enabled", "count calls in windows and raise alerts", &m.enabled);
  visit.field({"response_time_threshold", "alert when calls take longer on average", 0, 86400},
              &m.response_time_threshold);
  visit.field({"error_rate_threshold", "alert when more calls fail", 0, 1}, &m.error_rate_threshold);
  visit.field({"cost_threshold_per_hour", "alert when an hour costs more dollars", 0, unlimited},
              &m.cost_threshold_per_hour);
  visit.field({"minimum_samples", "windows with fewer calls raise no alert", 1, 1e6}, &m.minimum_samples);
  visit.group("scaling_thresholds", m.scaling_thresholds, scaling_fields);
  visit.field("auto_scaling_enabled",
              "apply recommendations about calls in flight, never above what is configured",
              &m.auto_scaling_enabled);
  visit.field("apply_retry_advice", "apply proposals of better retry rules, within bounds",
              &m.apply_retry_advice);
  visit.field("webhooks", "URLs that alerts are posted to as JSON", &m.webhooks);
}

void budget_fields(field_visitor& visit, budget_settings& b) {
  visit.field({"per_request", "dollars that one call may cost at most", 0, unlimited}, &b.per_request);
  visit.field({"per_run", "dollars of one run; a run's own max_cost may be lower", 0, unlimited}, &b.per_run);
  visit.field({"per_day", "dollars of the whole farm per day, UTC", 0, unlimited}, &b.per_day);
  visit.field({"per_tenant", "dollars of one user per day, UTC", 0, unlimited}, &b.per_tenant);
  visit.field({"alert_at", "alert when this share of a budget is spent, and again when all is", 0.01, 1},
              &b.alert_at);
  visit.field({"uncounted_tokens",
               "tokens that a provider may count beyond what was sent, and beyond the answer's limit", 0,
               1e7},
              &b.uncounted_tokens);
  visit.field({"longest_answer", "tokens of an answer whose limit neither call nor model says", 1, 1e8},
              &b.longest_answer);
}

void tenant_fields(field_visitor& visit, tenant_settings& t) {
  visit.field({"weight", "share of what providers take, against other users", 1, 1000}, &t.rules.weight);
  visit.field({"max_running_runs", "of this user at a time; others of them queue", 1, 10'000},
              &t.rules.max_running_runs);
  visit.field({"max_queued_runs", "of this user; more are refused", 0, 1e6}, &t.rules.max_queued_runs);
}

void sampling_fields(field_visitor& visit, sampling& s) {
  visit.field({"temperature", "how freely the answer is drawn", 0, 2}, &s.temperature);
  visit.field({"max_tokens", "longest answer in tokens", 1, 1e8}, &s.max_tokens);
  visit.field({"top_p", "part of the probability that is drawn from", 0, 1}, &s.top_p);
  visit.field({"frequency_penalty", "against repeating words often", -2, 2}, &s.frequency_penalty);
  visit.field({"presence_penalty", "against repeating words at all", -2, 2}, &s.presence_penalty);
  visit.field("stop_sequences", "texts that end the answer", &s.stop);
  visit.field("seed", "for providers that can repeat an answer", &s.seed);
}

void limit_fields(field_visitor& visit, rate_limits& r) {
  visit.field("requests_per_minute", "0 means no known limit", &r.requests_per_minute);
  visit.field("tokens_per_minute", "input and output together", &r.tokens_per_minute);
  visit.field("requests_per_second", "for limits shorter than a minute", &r.requests_per_second);
  visit.field("concurrent_requests", "most calls in flight", &r.concurrent_requests);
}

void key_fields(field_visitor& visit, written_key& k) {
  visit.field("name", "for people and records, never the key itself", &k.name);
  visit.field("api_key", "usually ${NAME_OF_A_VARIABLE}", &k.api_key);
  visit.field({"weight", "share against the provider's other keys", 1, 1000}, &k.weight);
  visit.group("rate_limits", k.limits, limit_fields);
  visit.field({"qps", "requests per second of this key and one model", 0.001, 1e6}, &k.qps);
  visit.field({"workers", "most calls in flight of this key and one model", 1, 100'000}, &k.workers);
  visit.field("prompt_types", "serves only calls of these prompt types; empty means all", &k.prompt_types);
}

void pool_fields(field_visitor& visit, written_pool& p) {
  visit.field("api_keys", "more keys, without limits of their own", &p.api_keys);
  visit.list("keys", p.keys, key_fields);
  visit.field("preset", "azure, ideallab or user_azure: a strategy with its numbers",
              word_choice(p.preset, {"azure", "ideallab", "user_azure"}));
  visit.field("key_strategy", "which keys serve which prompt types",
              word_choice(p.strategy, {"automatic", "wide", "by_prompt_type"}));
  visit.field("prompt_types", "for by_prompt_type: the types, in the order of the keys", &p.prompt_types);
  visit.field({"workers_per_prompt_type",
               "most calls in flight of one model and one prompt type, over all keys; 0 means no such limit",
               0, 100'000},
              &p.workers_per_prompt_type);
  visit.field({"qps", "requests per second of one key and one model", 0.001, 1e6}, &p.qps);
  visit.field({"workers", "most calls in flight of one key and one model", 1, 100'000}, &p.workers);
}

void batch_term_fields(field_visitor& visit, written_batch_terms& b) {
  visit.field("available", "whether it has a batch API; known of the vendors' own addresses", &b.available);
  visit.field({"price_factor", "of the prices of calls one by one", 0, 1}, &b.price_factor);
  visit.field({"window", "within which its batches are answered", 1, 86400 * 30}, &b.window);
}

void provider_fields(field_visitor& visit, written_provider& p) {
  visit.field("protocol", "openai_chat, anthropic, gemini or azure_openai", &p.protocol);
  visit.field("dialect",
              "how it deviates from OpenAI: compatible, openai, azure, deepseek, vllm, ollama, ...",
              &p.dialect);
  visit.field("api_version", "of Azure's classic address, such as 2024-10-21", &p.api_version);
  visit.field("base_url", "where its API begins, such as https://api.openai.com/v1", &p.base_url);
  visit.field("api_key", "usually ${NAME_OF_A_VARIABLE}", &p.api_key);
  pool_fields(visit, p.pool);
  visit.field("key_required", "whether calls without a key make sense", &p.key_required);
  visit.field("quota_429_is_throttle", "whether `insufficient_quota` with 429 only means slower",
              &p.quota_429_is_throttle);
  visit.field({"max_connections", "most sockets; 0 means as many as calls in flight", 0, 100'000},
              &p.max_connections);
  visit.group("rate_limits", p.limits, limit_fields);
  visit.group("batch", p.batch, batch_term_fields);
}

void cost_fields(field_visitor& visit, written_model& m) {
  visit.field({"max_cost_per_request", "dollars", 0, unlimited}, &m.max_cost_per_request);
  visit.field({"daily_budget", "dollars per day, UTC", 0, unlimited}, &m.daily_budget);
  visit.field({"monthly_budget", "dollars per month, UTC", 0, unlimited}, &m.monthly_budget);
}

void target_fields(field_visitor& visit, written_model& m) {
  visit.field({"target_response_time", "wished for; alerts when missed", 0, 86400}, &m.target_response_time);
  visit.field({"target_success_rate", "wished for; alerts when missed", 0, 1}, &m.target_success_rate);
}

void price_fields(field_visitor& visit, written_prices& p) {
  visit.field({"input_per_mtok", "dollars per million tokens of input", 0, unlimited}, &p.input_per_mtok);
  visit.field({"output_per_mtok", "dollars per million tokens of output", 0, unlimited}, &p.output_per_mtok);
  visit.field({"cached_input_per_mtok", "dollars per million tokens of cached input", 0, unlimited},
              &p.cached_input_per_mtok);
}

void task_parameter_fields(field_visitor& visit, task_parameters& t) { sampling_fields(visit, t.parameters); }

void model_fields(field_visitor& visit, written_model& m) {
  visit.field("model_type", "anthropic_claude, openai_gpt, deepseek, google_gemini, qwen, ...",
              &m.model_type);
  visit.field("provider", "another way to say model_type, or one of `providers`", &m.provider);
  visit.field("protocol", "when it differs from the provider's", &m.protocol);
  visit.field("name", "for people", &m.name);
  visit.field("model", "what the provider calls it, when not the key", &m.wire_model);
  visit.field("version", "for people", &m.version);
  visit.field("endpoint", "full URL of the chat route", &m.endpoint);
  visit.field("base_url", "where the API begins, when not at the provider's", &m.base_url);
  visit.field("api_key", "usually ${NAME_OF_A_VARIABLE}", &m.api_key);
  sampling_fields(visit, m.parameters);
  visit.field({"timeout", "deadline of one call", 0.1, 86400}, &m.timeout);
  visit.field({"max_retries", "of one call, after its first try", 0, 100}, &m.max_retries);
  visit.field({"num_concurrent", "another name of rate_limits.concurrent_requests", 1, 100'000},
              &m.num_concurrent);
  visit.field("in_flight", "fixed or adaptive, when not as farm.in_flight says",
              word_choice(m.in_flight, {"adaptive", "fixed"}));
  visit.field({"qps", "requests per second", 0.001, 1e6}, &m.qps);
  visit.field({"workers", "another name of rate_limits.concurrent_requests", 1, 100'000}, &m.workers);
  visit.group("rate_limits", m.limits, limit_fields);
  visit.group("cost_management", m, cost_fields);
  visit.group("performance_targets", m, target_fields);
  visit.named("task_optimizations", m.task_optimizations, task_parameter_fields);
  visit.group("prices", m.prices, price_fields);
  visit.field({"cost_per_token", "dollars per single token, input and output alike", 0, unlimited},
              &m.cost_per_token);
  visit.field("supported_tasks", "groups of tasks it is meant for; empty means all", &m.supported_tasks);
  visit.field("capabilities", "text, vision, function_calling, ...", &m.capabilities);
  visit.field("fallbacks", "models that take over, in this order, while it cannot answer", &m.fallbacks);
  visit.field({"quality", "how good its answers are, for routes that ask for the best", 0, 1}, &m.quality);
  visit.field({"weight", "share of a route's calls under weighted_random", 1, 1e6}, &m.weight);
  visit.field("context_window", "tokens", &m.context_window);
  visit.field("max_output_tokens", "tokens", &m.max_output_tokens);
}

void route_fields(field_visitor& visit, written_route& r) {
  visit.field("name", "for people", &r.name);
  visit.field("strategy", "how a call finds its model",
              word_choice(r.strategy, {"in_order", "round_robin", "weighted_random", "performance_based",
                                       "least_loaded", "cost_optimized", "quality_first"}));
  visit.field("models", "what it chooses among; while one cannot answer, the others take over", &r.models);
}

void evaluation_fields(field_visitor& visit, document::written_evaluation& e) {
  visit.field("description", "for people", &e.description);
  visit.field("models", "which models", &e.models);
  visit.field("tasks", "which tasks or groups", &e.tasks);
  visit.field("configuration", "limit, num_fewshot, temperature, ...: open", &e.configuration);
}

void ab_test_fields(field_visitor& visit, written_ab_test& t) {
  visit.field("description", "for people", &t.description);
  visit.field("base_model", "the model that the variants change", &t.base_model);
  visit.field("variants", "changes by name of variant: open", &t.variants);
  visit.field("traffic_split", "share by name of variant, 1 in sum", &t.traffic_split);
  visit.field("success_metric", "what decides", &t.success_metric);
  visit.field({"minimum_samples", "per variant before anything is decided", 1, 1e9}, &t.minimum_samples);
  visit.field({"confidence_level", "between 0.5 and 1", 0.5, 0.9999}, &t.confidence_level);
  visit.field({"max_duration_hours", "the test ends after this", 0.001, 1e6}, &t.max_duration_hours);
}

void sandbox_limit_fields(field_visitor& visit, sandbox_limits& l) {
  visit.field({"cpu", "processor time of the program and all that it starts", 0.1, 3600}, &l.cpu);
  visit.field({"wall", "time on the clock", 0.1, 3600}, &l.wall);
  visit.field({"memory", "bytes of all its processes", 16 << 20, 1e12}, byte_size{&l.memory_bytes});
  visit.field({"processes", "processes and threads at a time", 1, 10'000}, &l.processes);
  visit.field({"file_size", "bytes of one file that it writes", 1024, 1e12}, byte_size{&l.file_bytes});
  visit.field({"disk", "bytes of all its files; they are kept in memory", 65536, 1e12},
              byte_size{&l.disk_bytes});
  visit.field({"output", "bytes of its stdout, and of its stderr", 1024, 1e9}, byte_size{&l.output_bytes});
}

void sandbox_fields(field_visitor& visit, sandbox_settings& s) {
  visit.field("enabled", "run programs that models have written, where a sandbox is to be had", &s.enabled);
  visit.field({"workers", "programs at a time; 0 means as many as cores", 0, 1024}, &s.workers);
  visit.field({"max_waiting", "programs that wait for a worker; more are refused", 1, 1e6}, &s.max_waiting);
  visit.field("bwrap", "path of bubblewrap", &s.bwrap);
  visit.field("launcher", "path of assay-launch; unset means beside assay itself", &s.launcher);
  visit.field({"first_user", "as root: number of the first of the users that programs run as", 1, 4e9},
              &s.first_user);
  visit.group("limits", s.limits, sandbox_limit_fields);
}

void gateway_fields(field_visitor& visit, gateway_settings& g) {
  visit.field({"max_open", "questions that callers wait for at a time; more are refused", 1, 1e6},
              &g.max_open);
  visit.field({"max_open_per_user", "the same, of one user", 1, 1e6}, &g.max_open_per_user);
  visit.field({"timeout", "of a question that names none, waiting included", 0.1, 86400}, &g.timeout);
}

void experiment_fields(field_visitor& visit, experiment_settings& e) {
  visit.field({"max_children", "runs that one experiment may have", 1, 100'000}, &e.max_children);
  visit.field({"max_samples", "samples of all runs of one experiment", 1, 1e9}, &e.max_samples);
  visit.field({"max_cost", "dollars that a plan may be estimated at; no limit when unset", 0, unlimited},
              &e.max_cost);
}

void python_fields(field_visitor& visit, python_settings& p) {
  visit.field("interpreter", "the program that runs the Python of tasks", &p.interpreter);
  visit.field({"workers", "Python processes at a time", 1, 256}, &p.workers);
  visit.field({"memory", "bytes of address space of one process", 64 << 20, 1e13}, byte_size{&p.memory});
  visit.field({"deadline", "no piece of work has more time", 0.1, 86400}, &p.deadline);
  visit.field("allow_unsandboxed_python", "without a sandbox, run the Python of tasks that lie in the roots",
              &p.allow_unsandboxed_python);
  visit.field("roots", "folders whose Python may run without a sandbox", &p.roots);
}

void tasks_fields(field_visitor& visit, written_tasks& t) {
  visit.field("roots", "folders where data of tasks may lie besides the folders of tasks", &t.roots);
  visit.field("datasets", "files by the name of a dataset on a hub, name or name:config: open", &t.datasets);
}

} // namespace

void fields_of(field_visitor& visit, document& target) {
  auto& s = target.values;
  visit.field("debug", "log more and answer errors with more detail", &s.debug);
  visit.group("server", s.server, server_fields);
  visit.group("cors", s.cors, cors_fields);
  visit.group("auth", s.auth, auth_fields);
  visit.group("storage", s.storage, storage_fields);
  visit.group("farm", s.farm, farm_fields);
  visit.group("gateway", s.gateway, gateway_fields);
  visit.group("experiments", s.experiments, experiment_fields);
  visit.group("python", s.python, python_fields);
  visit.group("retry", s.retry, retry_fields);
  visit.group("batches", s.batches, batch_fields);
  visit.group("sandbox", s.sandbox, sandbox_fields);
  visit.group("logging", s.logging, logging_fields);
  visit.group("network", s.network, network_fields);
  visit.group("monitoring", s.monitoring, monitoring_fields);
  visit.group("budgets", s.budgets, budget_fields);
  visit.named("tenants", s.tenants, tenant_fields);
  visit.field("results_dir", "folder for results and reports", &s.results_dir);
  visit.ignored("cache_dir", "the answers that runs share lie in storage.data_dir, and storage.cache bounds "
                             "them");
  visit.field("tasks_dirs", "folders with task files besides the shipped ones", &s.tasks_dirs);
  visit.group("tasks", target.tasks, tasks_fields);
  visit.named("providers", target.providers, provider_fields);
  fields_of(visit, target.models);
  visit.named("routes", target.routes, route_fields);
  visit.named("evaluations", target.evaluations, evaluation_fields);
  visit.named("ab_tests", target.ab_tests, ab_test_fields);
  visit.ignored("redis", "the queue is part of assay's own store");
}

void fields_of(field_visitor& visit, std::vector<written_model>& target) {
  visit.named("models", target, model_fields);
}

std::vector<known_key> known_keys() {
  document empty;
  field_lister lister;
  fields_of(lister, empty);
  return std::move(lister.keys);
}

} // namespace assay::config
