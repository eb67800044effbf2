#include "core/gate/verdict.hpp"

#include <nlohmann/json.hpp>

namespace assay::gate {

using nlohmann::json;

json to_json(const gate_report& report) {
  json rules = json::array();
  for (const auto& rule : report.rules)
    rules.push_back({{"name", rule.name},
                     {"verdict", to_string(rule.outcome)},
                     {"message", rule.message},
                     {"value", rule.value ? json(*rule.value) : json(nullptr)},
                     {"low", rule.bounds ? json(rule.bounds->low) : json(nullptr)},
                     {"high", rule.bounds ? json(rule.bounds->high) : json(nullptr)},
                     {"samples", rule.samples}});
  return {{"policy", report.policy},
          {"evaluation_id", report.run},
          {"baseline_id", report.baseline.empty() ? json(nullptr) : json(report.baseline)},
          {"verdict", to_string(report.outcome())},
          {"rules", std::move(rules)}};
}

} // namespace assay::gate
