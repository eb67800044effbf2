#include "config/document.hpp"
#include "config/load.hpp"

#include <nlohmann/json.hpp>

namespace assay::config {

namespace {

using nlohmann::json;

json limits_json(const rate_limits& limits) {
  auto out = json::object();
  if (limits.requests_per_minute != 0)
    out["requests_per_minute"] = limits.requests_per_minute;
  if (limits.tokens_per_minute != 0)
    out["tokens_per_minute"] = limits.tokens_per_minute;
  if (limits.requests_per_second != 0)
    out["requests_per_second"] = limits.requests_per_second;
  if (limits.concurrent_requests != 0)
    out["concurrent_requests"] = limits.concurrent_requests;
  return out;
}

/// Fingerprints only: a changed key shows, and no key can be read off.
json key_json(const provider_key& key) {
  return {{"name", key.name},
          {"fingerprint", key.fingerprint},
          {"weight", key.weight},
          {"rate_limits", limits_json(key.limits)},
          {"prompt_types", key.prompt_types}};
}

json provider_json(const provider_profile& provider) {
  auto keys = json::array();
  for (const auto& key : provider.keys)
    keys.push_back(key_json(key));
  return {{"protocol", to_string(provider.protocol)},
          {"dialect", to_string(provider.dialect)},
          {"api_version", provider.api_version},
          {"base_url", provider.base_url},
          {"api_key", provider.key.empty() ? json(nullptr) : json("***")},
          {"keys", std::move(keys)},
          {"workers_per_prompt_type", provider.workers_per_prompt_type},
          {"key_required", provider.key_required},
          {"quota_429_is_throttle", provider.quota_429_is_throttle},
          {"max_connections", provider.max_connections},
          {"rate_limits", limits_json(provider.limits)},
          {"batch",
           {{"available", provider.batches.available},
            {"price_factor", provider.batches.price_factor},
            {"window", provider.batches.window.count()}}}};
}

json model_json(const model_profile& model) {
  json out = model;
  out["model"] = model.wire_model;
  out["timeout"] = static_cast<double>(model.call_timeout.count()) / 1000.0;
  out["parameters"] = model.defaults;
  for (const auto& [task, parameters] : model.task_optimizations)
    out["task_optimizations"][task] = parameters;
  if (model.in_flight)
    out["in_flight"] = to_string(*model.in_flight);
  if (model.max_retries)
    out["max_retries"] = *model.max_retries;
  if (model.max_cost_per_request)
    out["max_cost_per_request"] = to_dollars(*model.max_cost_per_request);
  if (model.daily_budget)
    out["daily_budget"] = to_dollars(*model.daily_budget);
  if (model.monthly_budget)
    out["monthly_budget"] = to_dollars(*model.monthly_budget);
  if (model.target_response_time)
    out["target_response_time"] = model.target_response_time->count();
  if (model.target_success_rate)
    out["target_success_rate"] = *model.target_success_rate;
  return out;
}

} // namespace

nlohmann::json dump(const settings& values) {
  json out = json::object();
  document shown;
  shown.values = values;
  field_dumper dumper(out);
  fields_of(dumper, shown);
  out["environment"] = values.environment;
  out["sources"] = values.sources;
  out["warnings"] = values.warnings;
  for (const auto& provider : values.providers)
    out["providers"][provider.id.value] = provider_json(provider);
  for (const auto& model : values.models)
    out["models"][model.id.value] = model_json(model);
  for (const auto& one : values.evaluations)
    out["evaluations"][one.id] = {{"description", one.description},
                                  {"models", one.models},
                                  {"tasks", one.tasks},
                                  {"configuration", json::parse(one.configuration_json, nullptr, false)}};
  out["tasks"] = {{"roots", values.tasks.roots},
                  {"datasets", json::parse(values.tasks.datasets_json, nullptr, false)}};
  out["ab_tests"] = json::parse(values.ab_tests_json, nullptr, false);
  return out;
}

} // namespace assay::config
