#include "core/monitoring/retry_view.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::monitoring {

namespace {

using json = nlohmann::json;

double in_seconds(milliseconds time) { return std::chrono::duration<double>(time).count(); }

json share(uint64_t part, uint64_t whole) {
  return whole > 0 ? json(static_cast<double>(part) / static_cast<double>(whole)) : json(nullptr);
}

json outcomes_json(const retry_outcomes& seen) {
  return {{"retries", seen.made},
          {"succeeded", seen.succeeded},
          {"success_rate", share(seen.succeeded, seen.made)}};
}

json counts_json(const retry_subject& subject, const retry_counts& seen) {
  json by_number = json::array();
  for (size_t i = 0; i < seen.by_number.size(); ++i) {
    if (seen.by_number[i].made == 0)
      continue;
    auto one = outcomes_json(seen.by_number[i]);
    one["retry_number"] = i + 1;
    by_number.push_back(std::move(one));
  }
  auto out = outcomes_json(seen.retries);
  out.update({{"provider", subject.provider.value},
              {"error", to_string(subject.error)},
              {"strategy", control::to_string(subject.strategy)},
              {"failed_tries", seen.failed},
              {"given_up", seen.given_up},
              {"waited", in_seconds(seen.waited)},
              {"by_retry", std::move(by_number)}});
  return out;
}

json calls_json(const provider_id& provider, const retried_calls& seen) {
  return {{"provider", provider.value},
          {"calls", seen.calls},
          {"answered_at_once", seen.at_once},
          {"answered_after_retry", seen.recovered},
          {"given_up", seen.given_up},
          {"recovery_rate", share(seen.recovered, seen.recovered + seen.given_up)}};
}

json rules_json(const std::vector<changed_rule>& rules) {
  json out = json::array();
  for (const auto& one : rules)
    out.push_back({{"provider", one.provider.value},
                   {"error", to_string(one.error)},
                   {"rule", rule_json(one.rule)},
                   {"configured", rule_json(one.configured)},
                   {"reason", one.reason},
                   {"changed_at", to_rfc3339(one.changed_at)}});
  return out;
}

json recent_json(const std::deque<recent_retry>& recent) {
  json out = json::array();
  for (auto it = recent.rbegin(); it != recent.rend(); ++it)
    out.push_back({{"timestamp", to_rfc3339(it->at)},
                   {"provider", it->provider.value},
                   {"model_id", it->model.value},
                   {"attempt", it->attempt},
                   {"error", to_string(it->failed.error)},
                   {"class", to_string(retry_class_of(it->failed.error))},
                   {"strategy", control::to_string(it->failed.strategy)},
                   {"waited", in_seconds(it->failed.waited)},
                   {"then", it->then}});
  return out;
}

} // namespace

json retries_json(const retry_view& view) {
  json providers = json::array();
  for (const auto& [provider, seen] : view.tally.providers())
    providers.push_back(calls_json(provider, seen));
  json retries = json::array();
  for (const auto& [subject, seen] : view.tally.subjects())
    retries.push_back(counts_json(subject, seen));
  return {{"timestamp", to_rfc3339(view.at)},
          {"since", to_rfc3339(view.since)},
          {"apply_retry_advice", view.applies},
          {"providers", std::move(providers)},
          {"retries", std::move(retries)},
          {"rules", rules_json(view.rules)},
          {"advice", view.advice},
          {"recent", recent_json(view.recent)}};
}

} // namespace assay::monitoring
