#include "core/monitoring/route_view.hpp"

#include <nlohmann/json.hpp>

namespace assay::monitoring {

namespace {

using json = nlohmann::json;

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json text_or_null(const std::string& value) { return value.empty() ? json(nullptr) : json(value); }

} // namespace

void to_json(json& out, const route_target_view& value) {
  out = json{{"provider", value.provider.value},
             {"model_id", value.model.value},
             {"weight", value.weight},
             {"configured_weight", value.configured_weight},
             {"quality", or_null(value.quality)},
             {"response_time", or_null(value.latency)},
             {"success_rate", or_null(value.success_rate)},
             {"cost_per_call", or_null(value.cost_per_call)},
             {"in_use", value.in_use},
             {"available", value.available},
             {"reason", text_or_null(value.why)}};
}

void to_json(json& out, const route_view& value) {
  out = json{{"route", value.route.value},
             {"strategy", to_string(value.strategy)},
             {"configured_strategy", to_string(value.configured)},
             {"changed", value.changed},
             {"changed_by", text_or_null(value.changed_by)},
             {"changed_at", value.changed_at ? json(to_rfc3339(*value.changed_at)) : json(nullptr)},
             {"evaluations", value.lanes},
             {"targets", value.targets}};
}

void to_json(json& out, const routing_view& value) {
  out = json{{"routes", value.routes}, {"targets", value.targets}};
}

} // namespace assay::monitoring
