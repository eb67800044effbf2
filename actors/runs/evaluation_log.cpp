#include "actors/runs/evaluation_detail.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <bit>

namespace assay::evaluation_detail {

namespace {

/// A run whose every sample fails must not double what it stores and sends.
constexpr uint32_t most_logged_failures = 20;
/// A provider that asks to wait again and again would fill the log; the record says it all the same.
constexpr uint32_t most_logged_waits = 20;

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

/// That calls may go out is no news before one of them was answered: it may be a single try.
void log_end_of_wait(evaluation_state& state, const context& ctx, append_batch& rows) {
  const bool answered = std::ranges::any_of(
      rows.samples, [](const auto& row) { return row.status != sample_status::failed && !row.cached; });
  if (!answered || !state.wait_is_told || !state.record.waiting_for.empty())
    return;
  state.wait_is_told = false;
  spdlog::info("evaluation calls are answered again run={}", to_string(state.record.spec.id));
  rows.events.push_back(log_event(state, ctx, {{"level", "info"}, {"message", "calls are answered again"}}));
}

} // namespace

void log_failures(evaluation_state& state, const context& ctx, append_batch& rows,
                  const std::vector<std::string>& reasons) {
  log_end_of_wait(state, ctx, rows);
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

void count_open_calls(evaluation_state& state) {
  const auto open = static_cast<uint64_t>(state.open.size());
  // What was told last may be of calls that have ended since.
  auto& progress = state.record.progress;
  progress.in_flight = std::min<uint64_t>(state.on_the_wire, open);
  progress.in_batches = std::min(progress.in_batches, open - progress.in_flight);
  progress.waiting = open - progress.in_flight - progress.in_batches;
}

void start_active_time(self_pointer self, const context& ctx) {
  self->state.active_since = self->clock().now();
  note_rest_is_over(self->state.record, ctx.config.wall());
}

void count_active_time(self_pointer self, const context& ctx) {
  auto& state = self->state;
  if (!state.active_since)
    return;
  const auto now = self->clock().now();
  // Whole milliseconds alone, so that many small parts lose nothing.
  const auto passed = std::chrono::floor<milliseconds>(now - *state.active_since);
  *state.active_since += passed;
  state.record.active_for = state.record.active_for.value_or(milliseconds{0}) + passed;
  state.record.active_until = ctx.config.wall();
}

void keep_record(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  count_active_time(self, *ctx);
  state.kept_at = self->clock().now();
  append_batch rows;
  rows.runs.push_back(wanted_record(state));
  hand_over(self, ctx, std::move(rows));
}

void note_open_calls(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  auto& record = state.record;
  // What is in batches is on record with each batch, and is found again.
  if (record.spec.way == call_way::batch)
    return;
  // How many of the judges' calls are on the wire nobody says: all of them may be.
  uint32_t judged = 0;
  for (const auto& judge : state.outside.judges)
    judged += judge.out;
  const auto open = static_cast<uint32_t>(state.open.size());
  const auto out = open + judged + state.uncommitted_samples;
  const auto sent = std::min(open, state.on_the_wire_at_most) + judged + state.uncommitted_samples;
  const bool more_sent = state.on_the_wire_at_most > 0 && sent > record.sent_calls_at_most;
  if (out <= record.open_calls_at_most && !more_sent)
    return;
  if (out > record.open_calls_at_most)
    record.open_calls_at_most = std::max(state.credit, std::bit_ceil(out));
  // Near the truth, and yet not one write for each answer that waits for its commit.
  if (more_sent)
    record.sent_calls_at_most = std::max(sent, record.sent_calls_at_most + record.sent_calls_at_most / 4);
  keep_record(self, ctx);
}

void report(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  count_open_calls(state);
  self->send(ctx->parent, run_reported{state.record});
  self->send(ctx->config.event_hub, publish_progress{state.record});
}

void tell_waiting(self_pointer self, const context_ptr& ctx, const std::string& why) {
  auto& state = self->state;
  state.record.waiting_for = why;
  // Told once until calls are answered again, however often one is tried in between.
  if (why.empty() || state.wait_is_told || state.logged_waits >= most_logged_waits)
    return;
  ++state.logged_waits;
  state.wait_is_told = true;
  const auto text = "calls wait: " + why;
  spdlog::warn("evaluation {} run={}", text, to_string(state.record.spec.id));
  append_batch rows;
  rows.events.push_back(log_event(state, *ctx, {{"level", "warning"}, {"message", text}}));
  hand_over(self, ctx, std::move(rows));
}

} // namespace assay::evaluation_detail
