#include "actors/runs/evaluation_detail.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace assay::evaluation_detail {

namespace {

/// A run whose every sample fails must not double what it stores and sends.
constexpr uint32_t most_logged_failures = 20;
/// A provider that asks to wait again and again would fill the log; the record says it all the same.
constexpr uint32_t most_logged_waits = 40;

event log_event(const evaluation_state& state, const context& ctx, nlohmann::json data) {
  data["evaluation_id"] = to_string(state.record.spec.id);
  return {state.record.spec.id, 0, event_type::log, ctx.config.wall(),
          shared_text{data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)}};
}

constexpr size_t longest_reason = 300;

/// On one line, and not too long.
std::string shown(const std::string& reason) {
  if (reason.empty())
    return {};
  auto text = reason.substr(0, longest_reason);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return ": " + text;
}

nlohmann::json failure_json(const run_spec& spec, const sample_record& row, const std::string& reason) {
  const auto& task = spec.tasks[row.address.task].id.value;
  const auto error = std::string(to_string(row.error.value_or(errc::internal)));
  nlohmann::json out{{"level", "warning"},
                     {"message", "sample " + std::to_string(row.address.sample) + " of " + task
                                     + " failed: " + error + shown(reason)},
                     {"task_id", task},
                     {"sample", row.address.sample},
                     {"error", error}};
  if (row.address.variant < spec.prompt_types.size())
    out["prompt_type"] = spec.prompt_types[row.address.variant];
  return out;
}

} // namespace

void log_failures(evaluation_state& state, const context& ctx, append_batch& rows,
                  const std::vector<std::string>& reasons) {
  for (size_t i = 0; i < rows.samples.size(); ++i) {
    const auto& row = rows.samples[i];
    if (row.status != sample_status::failed || state.logged_failures > most_logged_failures)
      continue;
    if (state.logged_failures++ == most_logged_failures)
      rows.events.push_back(log_event(
          state, ctx,
          {{"level", "warning"},
           {"message",
            "further failures are not logged; GET /results/{id}/samples?status=failed lists them"}}));
    else
      rows.events.push_back(log_event(state, ctx, failure_json(state.record.spec, row, reasons[i])));
  }
}

void tell_waiting(self_pointer self, const context_ptr& ctx, const std::string& why) {
  auto& state = self->state;
  state.record.waiting_for = why;
  if (state.logged_waits >= most_logged_waits)
    return;
  ++state.logged_waits;
  const auto text = why.empty() ? std::string("calls go out again") : "calls wait: " + why;
  spdlog::warn("evaluation {} run={}", text, to_string(state.record.spec.id));
  append_batch rows;
  rows.events.push_back(
      log_event(state, *ctx, {{"level", why.empty() ? "info" : "warning"}, {"message", text}}));
  hand_over(self, ctx, std::move(rows));
}

} // namespace assay::evaluation_detail
