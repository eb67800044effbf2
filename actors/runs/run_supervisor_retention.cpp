#include "actors/runs/run_supervisor_detail.hpp"

#include "protocol/errors.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::run_supervisor_detail {

namespace {

void clean_after(self_pointer self, std::chrono::milliseconds wait) {
  self->state.clean_at = self->clock().now() + wait;
  self->delayed_send(self, wait, tick{});
}

/// A run that begins again is not old any more, and what waits for a run must still find it.
bool is_needed(const run_supervisor_state& state, run_id id) {
  return state.runs.contains(id) || std::ranges::any_of(state.runs, [&](const auto& one) {
           return std::ranges::count(one.second.record.spec.depends_on, id) != 0;
         });
}

void erase(self_pointer self, const config_ptr& config, std::vector<run_id> runs) {
  const auto count = runs.size();
  const bool more = count >= config->retention.most_at_once;
  append_batch batch;
  batch.erased_runs = std::move(runs);
  store(
      self, config, std::move(batch),
      [self, config, count, more] {
        spdlog::info("run supervisor removed old runs count={} older_than_days={}", count,
                     config->retention.keep.count());
        if (more)
          return clean_after(self, std::chrono::milliseconds{0});
        clean_after(self, config->retention.interval);
      },
      [self, config](const caf::error& error) {
        spdlog::warn("run supervisor could not remove old runs reason=\"{}\"", to_fault(error).message);
        clean_after(self, config->retention.interval);
      });
}

} // namespace

void begin_cleaning(self_pointer self, const config_ptr& config) {
  if (config->retention.keep.count() > 0)
    clean_after(self, config->retention.first_after);
}

void clean_when_due(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (!state.clean_at || *state.clean_at > self->clock().now() || state.draining)
    return;
  state.clean_at.reset();
  const auto& retention = config->retention;
  const auto job = [find = config->read.find_expired, before = config->wall() - retention.keep,
                    limit = retention.most_at_once, target = run_supervisor_actor{self}] {
    expired_runs_found found;
    if (auto runs = find(before, limit))
      found.runs = std::move(*runs);
    else
      found.error = runs.error();
    caf::anon_send(target, std::move(found));
  };
  if (!config->workers->submit(job))
    clean_after(self, retention.interval);
}

void on_expired(self_pointer self, const config_ptr& config, expired_runs_found& found) {
  if (found.error)
    spdlog::warn("run supervisor could not look for old runs reason=\"{}\"", found.error->message);
  std::erase_if(found.runs, [&](run_id id) { return is_needed(self->state, id); });
  if (found.runs.empty() || self->state.draining)
    return clean_after(self, config->retention.interval);
  erase(self, config, std::move(found.runs));
}

} // namespace assay::run_supervisor_detail
