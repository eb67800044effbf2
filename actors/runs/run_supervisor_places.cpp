#include "actors/runs/run_supervisor_detail.hpp"

#include "protocol/errors.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

// Who gets the places of runs that make calls, and who may wait for one.
namespace assay::run_supervisor_detail {

namespace {

/// What a tenant has, and what of it waits for a place.
struct tenant_line {
  tenant_rules rules;
  uint32_t active = 0;
  uint32_t queued = 0;     ///< Those that have yielded are not among them.
  std::vector<run_id> ids; ///< The next one last.
  std::vector<run_id> active_ids;
  bool blocked = false;
};

struct places {
  std::map<user_id, tenant_line> lines;
  uint32_t active = 0;
  uint32_t queued = 0;
};

bool holds_place(const entry& run) { return is_active(run) || run.resuming; }

bool waits_for_place(const entry& run) {
  if (run.changing || run.resuming || run.yielding)
    return false;
  const auto state = run.record.state;
  return (state == run_state::queued && !run.child) || (state == run_state::paused && run.record.yielded);
}

places count_places(const run_supervisor_state& state, const run_supervisor_config& config) {
  places out;
  for (const auto& [id, run] : state.runs) {
    const auto& owner = run.record.spec.owner;
    auto [line, fresh] = out.lines.try_emplace(owner);
    auto& mine = line->second;
    if (fresh && config.tenant)
      mine.rules = config.tenant(owner);
    if (holds_place(run)) {
      ++out.active;
      ++mine.active;
      mine.active_ids.push_back(id);
    } else if (run.record.state == run_state::queued) {
      ++out.queued;
      ++mine.queued;
    }
    if (waits_for_place(run))
      mine.ids.push_back(id);
  }
  // Higher priority first, then the older one.
  for (auto& [owner, line] : out.lines)
    std::ranges::sort(line.ids, [&](run_id a, run_id b) {
      const auto first = state.runs.at(a).record.spec.priority;
      const auto second = state.runs.at(b).record.spec.priority;
      return first != second ? first < second : b < a;
    });
  return out;
}

/// The tenant with the fewest places for its weight; of equal ones, whose next run is older.
tenant_line* next_line(places& now) {
  tenant_line* best = nullptr;
  const auto share = [](const tenant_line& one) {
    return static_cast<double>(one.active) / std::max<uint32_t>(one.rules.weight, 1);
  };
  for (auto& [owner, line] : now.lines) {
    if (line.blocked || line.ids.empty())
      continue;
    if (!best || share(line) < share(*best)
        || (share(line) == share(*best) && line.ids.back() < best->ids.back()))
      best = &line;
  }
  return best;
}

/// A tenant that has no place gets one beyond max_running: nobody waits for the end of another's runs.
bool has_room(const places& now, const tenant_line& mine, const run_supervisor_config& config) {
  if (mine.rules.max_running_runs && mine.active >= *mine.rules.max_running_runs)
    return false;
  return now.active < config.max_running
         || (mine.active == 0 && now.active < 2 * uint64_t{config.max_running});
}

/// Says which run a queued run waits for, whether or not it could start without that one.
void tell_wait(self_pointer self, const config_ptr& config, entry& run) {
  const auto& needed = run.record.spec.depends_on;
  const auto open = std::ranges::find_if(needed, [&](run_id id) { return self->state.runs.contains(id); });
  const auto why =
      open == needed.end() ? std::string{} : "the end of " + to_string(*open) + ", which it depends on";
  if (why == run.record.waiting_for)
    return;
  run.record.waiting_for = why;
  self->send(config->event_hub, publish_progress{run.record});
}

enum class readiness : uint8_t { ready, waits, hopeless };

readiness dependencies(self_pointer self, const config_ptr& config, const run_record& record) {
  auto verdict = readiness::ready;
  for (const auto id : record.spec.depends_on) {
    if (self->state.runs.contains(id)) {
      verdict = readiness::waits;
      continue;
    }
    const auto found = config->read.find_run(id);
    if (!found)
      return readiness::waits;
    if (!*found || (*found)->state != run_state::completed)
      return readiness::hopeless;
  }
  return verdict;
}

/// Pauses the tenant's running run of the lowest priority, of those the newest, when it is below @p priority.
void make_room(self_pointer self, const config_ptr& config, const tenant_line& mine, int32_t priority) {
  auto& runs = self->state.runs;
  std::optional<run_id> victim;
  for (const auto id : mine.active_ids) {
    const auto& one = runs.at(id);
    // One that yields already makes the room that is needed.
    if (one.yielding)
      return;
    if (one.child && one.record.state == run_state::running && !one.changing && !one.resuming
        && one.record.spec.priority < priority
        && (!victim || one.record.spec.priority <= runs.at(*victim).record.spec.priority))
      victim = id;
  }
  if (!victim)
    return;
  runs.at(*victim).yielding = true;
  const auto done = [self, config, id = *victim](const caf::error* reason) {
    if (const auto found = self->state.runs.find(id); found != self->state.runs.end())
      found->second.yielding = false;
    if (reason)
      spdlog::warn("a run did not make room run={} reason=\"{}\"", to_string(id), to_fault(*reason).message);
    else
      schedule(self, config);
  };
  self->request(runs.at(*victim).child, child_timeout, command_run{*victim, run_verb::pause, {}, true})
      .then(
          [self, done, id = *victim](run_record& record) {
            if (const auto found = self->state.runs.find(id); found != self->state.runs.end())
              found->second.record = std::move(record);
            done(nullptr);
          },
          [done](const caf::error& reason) { done(&reason); });
}

/// Has a run that has yielded go on where it is.
void go_on(self_pointer self, const config_ptr& config, run_id id) {
  auto& run = self->state.runs.at(id);
  run.resuming = true;
  self->request(run.child, child_timeout, command_run{id, run_verb::resume})
      .then(
          [self, id](run_record& record) {
            const auto found = self->state.runs.find(id);
            if (found == self->state.runs.end())
              return;
            found->second.resuming = false;
            found->second.record = std::move(record);
          },
          [self, config, id](const caf::error& reason) {
            if (const auto found = self->state.runs.find(id); found != self->state.runs.end())
              found->second.resuming = false;
            spdlog::warn("a run that had yielded does not go on yet run={} reason=\"{}\"", to_string(id),
                         to_fault(reason).message);
          });
}

void give_place(self_pointer self, const config_ptr& config, run_id id) {
  auto& run = self->state.runs.at(id);
  if (run.record.state == run_state::paused && run.child)
    return go_on(self, config, id);
  run.record.state = run_state::queued;
  run.record.yielded = false;
  start_child(self, config, run);
}

} // namespace

void schedule(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (state.draining || !state.recovered)
    return;
  for (auto& [id, run] : state.runs)
    if (waits_for_place(run))
      tell_wait(self, config, run);
  auto now = count_places(state, *config);
  while (auto* line = next_line(now)) {
    const auto id = line->ids.back();
    line->ids.pop_back();
    auto& run = state.runs.at(id);
    const bool fits = has_room(now, *line, *config);
    if (!fits && !config->preempt) {
      line->blocked = true;
      continue;
    }
    switch (dependencies(self, config, run.record)) {
    case readiness::waits:
      continue;
    case readiness::hopeless:
      fail_run(self, config, run,
               {errc::conflict, "a run that it depends on did not complete", "depends_on",
                "retry that run, then submit this one again"});
      continue;
    case readiness::ready:
      break;
    }
    if (!fits) {
      make_room(self, config, *line, run.record.spec.priority);
      line->blocked = true;
      continue;
    }
    give_place(self, config, id);
    ++line->active;
    ++now.active;
  }
}

std::optional<fault> no_place_for(const run_supervisor_state& state, const run_supervisor_config& config,
                                  const user_id& owner) {
  auto now = count_places(state, config);
  auto [line, fresh] = now.lines.try_emplace(owner);
  auto& mine = line->second;
  if (fresh && config.tenant)
    mine.rules = config.tenant(owner);
  for (const auto& [ticket, pending] : state.submissions) {
    ++now.queued;
    if (pending.wish.owner == owner)
      ++mine.queued;
  }
  // A run that finds a free place at once does not wait, so it takes no place in the queue.
  const bool is_newcomer = mine.active == 0 && mine.queued == 0;
  if (is_newcomer && has_room(now, mine, config))
    return std::nullopt;
  const auto free = config.max_running - std::min(config.max_running, now.active);
  if (now.queued >= uint64_t{config.max_queued} + free)
    return fault{errc::rate_limited, "as many runs wait as farm.max_queued_runs allows",
                 "farm.max_queued_runs", "try again when some have ended"};
  const auto own_free =
      mine.rules.max_running_runs
          ? *mine.rules.max_running_runs - std::min(*mine.rules.max_running_runs, mine.active)
          : free;
  if (mine.rules.max_queued_runs
      && mine.queued >= uint64_t{*mine.rules.max_queued_runs} + std::min(free, own_free))
    return fault{errc::rate_limited, "as many of your runs wait as tenants.max_queued_runs allows",
                 "tenants.max_queued_runs", "try again when some have ended"};
  return std::nullopt;
}

} // namespace assay::run_supervisor_detail
