#include "mock/fault_script.hpp"

#include "mock/hash.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::mock {

namespace {

bool fits_path(std::string_view wanted, const fault_candidate& call) {
  constexpr std::string_view batch = "batch:";
  if (wanted.empty())
    return call.model_call && !call.batch_line;
  if (wanted.starts_with(batch))
    return call.batch_line && call.path.starts_with(wanted.substr(batch.size()));
  return !call.batch_line && call.path.starts_with(wanted);
}

bool fits(const fault_rule& rule, const fault_candidate& call) {
  return fits_path(rule.path, call) && (rule.model.empty() || rule.model == call.model)
         && (rule.key_hash.empty() || rule.key_hash == call.key_hash);
}

bool strikes(const fault_rule& rule, uint64_t candidate, uint64_t draw) {
  if (!rule.calls.empty())
    return std::find(rule.calls.begin(), rule.calls.end(), candidate) != rule.calls.end();
  if (rule.every != 0)
    return (candidate - rule.skip) % rule.every == 0;
  return unit_interval(draw) < rule.probability;
}

} // namespace

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

fault_rule fault_script::pick(const fault_candidate& call) {
  fault_rule none;
  none.kind = fault_kind::none;
  if (empty_.load(std::memory_order_relaxed))
    return none;
  const std::lock_guard guard(mutex_);
  for (size_t i = 0; i < rules_.size(); ++i) {
    auto& [rule, matched, struck] = rules_[i];
    if (!fits(rule, call))
      continue;
    const auto candidate = ++matched;
    if (candidate <= rule.skip || (rule.times != 0 && struck >= rule.times))
      continue;
    if (strikes(rule, candidate, mix(mix(seed_ + i) ^ candidate))) {
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
                       {"key_hash", rule.key_hash},
                       {"calls", rule.calls},
                       {"retry_after", to_string(rule.retry_after)},
                       {"count", rule.count},
                       {"bytes", rule.bytes},
                       {"matched", matched},
                       {"struck", struck}};
    out["ms"] = rule.ms ? nlohmann::json(rule.ms->count()) : nlohmann::json();
    list.push_back(std::move(out));
  }
  return {{"faults", std::move(list)}};
}

} // namespace assay::mock
