#include "core/monitoring/thresholds.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>

namespace assay::monitoring {

namespace {

using json = nlohmann::json;

constexpr double most_seconds = 86'400;
constexpr double most_dollars = 1e9;

/// Reads members one after the other and keeps the first thing that is wrong.
class reader {
public:
  reader(const json& from, std::string prefix) : from_(from), prefix_(std::move(prefix)) {
    if (!from.is_object())
      refuse("", "must be an object");
  }

  void number(const char* key, double lowest, double highest, double& out) {
    const auto* value = take(key);
    if (value == nullptr)
      return;
    if (!value->is_number() || !(value->get<double>() >= lowest && value->get<double>() <= highest))
      return refuse(key, "must be a number from " + json(lowest).dump() + " to " + json(highest).dump());
    out = value->get<double>();
  }

  void count(const char* key, uint32_t lowest, uint32_t highest, uint32_t& out) {
    double read = out;
    number(key, lowest, highest, read);
    if (read != std::floor(read))
      return refuse(key, "must be a whole number");
    out = static_cast<uint32_t>(read);
  }

  void flag(const char* key, bool& out) {
    const auto* value = take(key);
    if (value == nullptr)
      return;
    if (!value->is_boolean())
      return refuse(key, "must be true or false");
    out = value->get<bool>();
  }

  void dollars(const char* key, std::optional<money>& out) {
    const auto* value = take(key);
    if (value == nullptr)
      return;
    if (value->is_null())
      return out.reset();
    double read = 0;
    number(key, 0, most_dollars, read);
    --taken_;
    out = from_dollars(read);
  }

  const json* member(const char* key) { return take(key); }

  std::optional<fault> finish() {
    if (!wrong_ && from_.size() > taken_)
      refuse("", "has a member that is no threshold");
    return wrong_;
  }

private:
  const json* take(const char* key) {
    if (!from_.is_object())
      return nullptr;
    const auto found = from_.find(key);
    if (found == from_.end())
      return nullptr;
    ++taken_;
    return &*found;
  }

  void refuse(const std::string& key, std::string message) {
    if (!wrong_)
      wrong_ = fault{errc::invalid_argument, std::move(message), prefix_ + key,
                     "GET /monitor/thresholds shows what there is"};
  }

  const json& from_;
  std::string prefix_;
  size_t taken_ = 0;
  std::optional<fault> wrong_;
};

} // namespace

void to_json(json& out, const thresholds& value) {
  out =
      json{{"monitoring_enabled", value.monitoring_enabled},
           {"response_time_threshold", value.response_time_threshold},
           {"error_rate_threshold", value.error_rate_threshold},
           {"cost_threshold_per_hour",
            value.cost_threshold_per_hour ? json(to_dollars(*value.cost_threshold_per_hour)) : json(nullptr)},
           {"minimum_samples", value.minimum_samples},
           {"scaling_thresholds",
            {{"response_time_high", value.scaling.response_time_high},
             {"error_rate_high", value.scaling.error_rate_high},
             {"success_rate_low", value.scaling.success_rate_low}}},
           {"auto_scaling_enabled", value.auto_scaling_enabled},
           {"apply_retry_advice", value.apply_retry_advice}};
}

result<thresholds> changed(thresholds base, const json& change) {
  reader all(change, "");
  all.flag("monitoring_enabled", base.monitoring_enabled);
  all.number("response_time_threshold", 0, most_seconds, base.response_time_threshold);
  all.number("error_rate_threshold", 0, 1, base.error_rate_threshold);
  all.dollars("cost_threshold_per_hour", base.cost_threshold_per_hour);
  all.count("minimum_samples", 1, 1'000'000, base.minimum_samples);
  all.flag("auto_scaling_enabled", base.auto_scaling_enabled);
  all.flag("apply_retry_advice", base.apply_retry_advice);
  const auto* scaling = all.member("scaling_thresholds");
  if (auto wrong = all.finish())
    return *wrong;
  if (scaling != nullptr) {
    reader some(*scaling, "scaling_thresholds.");
    some.number("response_time_high", 0, most_seconds, base.scaling.response_time_high);
    some.number("error_rate_high", 0, 1, base.scaling.error_rate_high);
    some.number("success_rate_low", 0, 1, base.scaling.success_rate_low);
    if (auto wrong = some.finish())
      return *wrong;
  }
  return base;
}

result<thresholds> changed(thresholds base, std::string_view change) {
  const auto parsed = json::parse(change, nullptr, false);
  if (parsed.is_discarded())
    return fault{errc::malformed_input, "the thresholds are not JSON", {}, {}};
  return changed(std::move(base), parsed);
}

} // namespace assay::monitoring
