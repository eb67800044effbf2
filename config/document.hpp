#pragma once

#include "config/fields.hpp"
#include "config/settings.hpp"

#include <optional>
#include <string>
#include <vector>

namespace assay::config {

/// Sampling parameters of one type of task.
struct task_parameters {
  std::string id; ///< The task type.
  sampling parameters;
};

struct written_prices {
  std::optional<double> input_per_mtok;
  std::optional<double> output_per_mtok;
  std::optional<double> cached_input_per_mtok;
};

/// One entry of `models:` as written, before defaults, catalogue and provider are known.
struct written_model {
  std::string id;
  std::string model_type;
  std::string provider;
  std::string protocol;
  std::string name;
  std::string wire_model;
  std::string version;
  std::string endpoint;
  std::string base_url;
  secret api_key;
  sampling parameters;
  std::optional<milliseconds> timeout;
  std::optional<uint32_t> max_retries;
  std::optional<uint32_t> num_concurrent;
  std::string in_flight;
  std::optional<double> qps;
  std::optional<uint32_t> workers;
  rate_limits limits;
  std::optional<money> max_cost_per_request;
  std::optional<money> daily_budget;
  std::optional<money> monthly_budget;
  std::optional<seconds> target_response_time;
  std::optional<double> target_success_rate;
  std::vector<task_parameters> task_optimizations;
  written_prices prices;
  std::optional<double> cost_per_token;
  std::vector<std::string> supported_tasks;
  std::vector<std::string> capabilities;
  std::vector<std::string> fallbacks;
  std::optional<double> quality;
  std::optional<uint32_t> weight;
  std::optional<uint32_t> context_window;
  std::optional<uint32_t> max_output_tokens;
};

/// One entry of `providers.<id>.keys` as written.
struct written_key {
  std::string name;
  secret api_key;
  uint32_t weight = 1;
  rate_limits limits;
  std::optional<double> qps;
  std::optional<uint32_t> workers;
  std::vector<std::string> prompt_types;
};

/// What a provider says about its keys beside `api_key`.
struct written_pool {
  std::vector<secret> api_keys;
  std::vector<written_key> keys;
  std::string preset;
  std::string strategy;
  std::vector<std::string> prompt_types;
  std::optional<uint32_t> workers_per_prompt_type;
  std::optional<double> qps;
  std::optional<uint32_t> workers;
};

/// What a provider's entry says of its batch API.
struct written_batch_terms {
  std::optional<bool> available;
  std::optional<double> price_factor;
  std::optional<seconds> window;
};

/// One entry of `providers:` as written.
struct written_provider {
  std::string id;
  std::string protocol;
  std::string dialect;
  std::string api_version;
  std::string base_url;
  secret api_key;
  written_pool pool;
  std::optional<bool> key_required;
  std::optional<bool> quota_429_is_throttle;
  std::optional<uint32_t> max_connections;
  rate_limits limits;
  written_batch_terms batch;
};

/// One entry of `routes:` as written.
struct written_route {
  std::string id;
  std::string name;
  std::string strategy = "in_order";
  std::vector<std::string> models;
};

/// One entry of `ab_tests:` as written.
struct written_ab_test {
  std::string id;
  std::string description;
  std::string base_model;
  open_json variants;
  open_json traffic_split;
  std::string success_metric = "quality_score";
  std::optional<uint32_t> minimum_samples;
  std::optional<double> confidence_level;
  std::optional<double> max_duration_hours;
};

/// `tasks:` as written.
struct written_tasks {
  std::vector<std::string> roots;
  open_json datasets;
};

/// Everything that configuration can say, in the shape in which it is written.
struct document {
  settings values;
  std::vector<written_provider> providers;
  std::vector<written_model> models;
  std::vector<written_route> routes;
  struct written_evaluation {
    std::string id;
    std::string description;
    std::vector<std::string> models;
    std::vector<std::string> tasks;
    open_json configuration;
  };
  std::vector<written_evaluation> evaluations;
  std::vector<written_ab_test> ab_tests;
  written_tasks tasks;
};

/// The table of the whole document: every key there is.
void fields_of(field_visitor& visit, document& target);

/// The table of `models` alone.
void fields_of(field_visitor& visit, std::vector<written_model>& target);

/// @returns every key that configuration knows, in the order of the tables.
std::vector<known_key> known_keys();

} // namespace assay::config
