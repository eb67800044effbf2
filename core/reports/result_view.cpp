#include "core/reports/result_view.hpp"

#include <algorithm>

namespace assay::reports::detail {

using nlohmann::json;

result_view::result_view(const report_facts& facts) : document_(json::parse(facts.result, nullptr, false)) {
  if (!document_.is_object())
    document_ = run_status_json(facts.run);
}

const json& result_view::of_task(uint16_t task) const {
  const auto found = document_.find("task_results");
  if (found == document_.end() || !found->is_array() || task >= found->size() || !(*found)[task].is_object())
    return nothing_;
  return (*found)[task];
}

const json& result_view::of(const run_record& run, const export_unit& unit) const {
  const auto& task = of_task(unit.task);
  if (run.spec.prompt_types.size() < 2)
    return task;
  const auto variants = task.find("prompt_types");
  if (variants == task.end() || !variants->is_array() || unit.variant >= variants->size()
      || !(*variants)[unit.variant].is_object())
    return nothing_;
  return (*variants)[unit.variant];
}

const json* member(const json& object, std::string_view key) {
  if (!object.is_object())
    return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<double> number_at(const json& object, std::string_view key) {
  const auto* found = member(object, key);
  return found && found->is_number() ? std::optional{found->get<double>()} : std::nullopt;
}

uint64_t count_at(const json& object, std::string_view key) {
  const auto* found = member(object, key);
  return found && found->is_number_integer() && found->get<int64_t>() > 0
             ? static_cast<uint64_t>(found->get<int64_t>())
             : 0;
}

metric_name metric_of(std::string_view scorer) {
  const auto comma = scorer.rfind(',');
  if (comma == std::string_view::npos || comma == 0 || comma + 1 == scorer.size())
    return {std::string(scorer), "none"};
  return {std::string(scorer.substr(0, comma)), std::string(scorer.substr(comma + 1))};
}

std::vector<filter_group> filters_of(const std::vector<std::string>& scorers) {
  std::vector<filter_group> out;
  for (size_t i = 0; i < scorers.size(); ++i) {
    auto name = metric_of(scorers[i]);
    const auto same =
        std::find_if(out.begin(), out.end(), [&](const auto& one) { return one.filter == name.filter; });
    auto& group = same == out.end() ? out.emplace_back(filter_group{name.filter, {}}) : *same;
    group.metrics.emplace_back(i, std::move(name.metric));
  }
  return out;
}

} // namespace assay::reports::detail
