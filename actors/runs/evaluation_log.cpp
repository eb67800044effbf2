#include "actors/runs/evaluation_detail.hpp"

#include <nlohmann/json.hpp>

namespace assay::evaluation_detail {

namespace {

/// A run whose every sample fails must not double what it stores and sends.
constexpr uint32_t most_logged_failures = 20;

event log_event(const evaluation_state& state, const context& ctx, nlohmann::json data) {
  data["evaluation_id"] = to_string(state.record.spec.id);
  return {state.record.spec.id, 0, event_type::log, ctx.config.wall(), shared_text{data.dump()}};
}

nlohmann::json failure_json(const run_spec& spec, const sample_record& row) {
  const auto& task = spec.tasks[row.address.task].id.value;
  const auto error = std::string(to_string(row.error.value_or(errc::internal)));
  nlohmann::json out{
      {"level", "warning"},
      {"message", "sample " + std::to_string(row.address.sample) + " of " + task + " failed: " + error},
      {"task_id", task},
      {"sample", row.address.sample},
      {"error", error}};
  if (row.address.variant < spec.prompt_types.size())
    out["prompt_type"] = spec.prompt_types[row.address.variant];
  return out;
}

} // namespace

void log_failures(evaluation_state& state, const context& ctx, append_batch& rows) {
  for (const auto& row : rows.samples) {
    if (row.status != sample_status::failed || state.logged_failures > most_logged_failures)
      continue;
    if (state.logged_failures++ == most_logged_failures)
      rows.events.push_back(log_event(
          state, ctx,
          {{"level", "warning"},
           {"message",
            "further failures are not logged; GET /results/{id}/samples?status=failed lists them"}}));
    else
      rows.events.push_back(log_event(state, ctx, failure_json(state.record.spec, row)));
  }
}

} // namespace assay::evaluation_detail
