#include "mock/fault_script.hpp"

#include "mock/hash.hpp"

#include <nlohmann/json.hpp>

namespace assay::mock {

fault_script::fault_script(uint64_t seed, std::vector<fault_rule> rules) : seed_(seed) {
  replace(std::move(rules));
}

void fault_script::replace(std::vector<fault_rule> rules) {
  const std::lock_guard guard(mutex_);
  rules_.clear();
  for (auto& rule : rules)
    rules_.push_back({std::move(rule)});
  empty_ = rules_.empty();
}

fault_rule fault_script::pick(std::string_view path, std::string_view model) {
  fault_rule none;
  none.kind = fault_kind::none;
  if (empty_.load(std::memory_order_relaxed))
    return none;
  const std::lock_guard guard(mutex_);
  for (size_t i = 0; i < rules_.size(); ++i) {
    auto& [rule, matched, struck] = rules_[i];
    if (!path.starts_with(rule.path) || (!rule.model.empty() && rule.model != model))
      continue;
    const auto candidate = ++matched;
    if (candidate <= rule.skip || (rule.times != 0 && struck >= rule.times))
      continue;
    const bool strikes = rule.every != 0 ? (candidate - rule.skip) % rule.every == 0
                                         : unit_interval(mix(mix(seed_ + i) ^ candidate)) < rule.probability;
    if (strikes) {
      ++struck;
      return rule;
    }
  }
  return none;
}

nlohmann::json fault_script::to_json() const {
  const std::lock_guard guard(mutex_);
  auto list = nlohmann::json::array();
  for (const auto& [rule, matched, struck] : rules_) {
    nlohmann::json out{{"kind", to_string(rule.kind)},
                       {"status", rule.status},
                       {"probability", rule.probability},
                       {"every", rule.every},
                       {"skip", rule.skip},
                       {"times", rule.times},
                       {"path", rule.path},
                       {"model", rule.model},
                       {"bytes", rule.bytes},
                       {"matched", matched},
                       {"struck", struck}};
    out["ms"] = rule.ms ? nlohmann::json(rule.ms->count()) : nlohmann::json();
    list.push_back(std::move(out));
  }
  return {{"faults", std::move(list)}};
}

} // namespace assay::mock
