#include "actors/supervision/root_supervisor.hpp"

#include "protocol/errors.hpp"

#include <algorithm>
#include <utility>

namespace assay {

namespace {

using self_pointer = root_supervisor_actor::stateful_pointer<root_supervisor_state>;
using phase = root_supervisor_state::phase;

constexpr std::chrono::seconds flush_timeout{5};
/// Between the end of the calls and the end of who booked them.
constexpr milliseconds time_to_book{1'000};

template <class Handle>
void adopt(self_pointer self, farm_part part, Handle& slot, Handle child) {
  slot = std::move(child);
  self->state.addresses[static_cast<size_t>(part)] = slot.address();
  self->state.family.adopt(self, slot);
}

void start_part(self_pointer self, const root_supervisor_config& config, farm_part part) {
  auto& handles = self->state.handles;
  switch (part) {
  case farm_part::event_hub:
    return adopt(self, part, handles.event_hub, self->spawn(event_hub, config.event_hub));
  case farm_part::journal: {
    auto child = config.journal;
    child.event_hub = handles.event_hub;
    return adopt(self, part, handles.journal, self->spawn(journal, std::move(child)));
  }
  case farm_part::monitor: {
    auto child = config.monitor;
    child.journal = handles.journal;
    child.event_hub = handles.event_hub;
    return adopt(self, part, handles.monitor, self->spawn(monitor, std::move(child)));
  }
  case farm_part::budgets: {
    auto child = config.budgets;
    child.journal = handles.journal;
    child.monitor = handles.monitor;
    return adopt(self, part, handles.budgets, self->spawn(budget_keeper, std::move(child)));
  }
  case farm_part::providers: {
    auto child = config.providers;
    child.journal = handles.journal;
    child.child.monitor = handles.monitor;
    child.child.restarted = self->state.restarted;
    return adopt(self, part, handles.providers, self->spawn(provider_supervisor, std::move(child)));
  }
  case farm_part::router: {
    auto child = config.router;
    child.providers = handles.providers;
    child.budgets = handles.budgets;
    child.journal = handles.journal;
    return adopt(self, part, handles.router, self->spawn(model_router, std::move(child)));
  }
  case farm_part::batches: {
    auto child = config.batches;
    child.journal = handles.journal;
    child.monitor = handles.monitor;
    child.budgets = handles.budgets;
    child.router = caf::actor_cast<call_target_actor>(handles.router);
    return adopt(self, part, handles.batches, self->spawn(batch_desk, std::move(child)));
  }
  case farm_part::cache: {
    auto child = config.cache;
    child.batches = caf::actor_cast<call_target_actor>(handles.batches);
    child.journal = handles.journal;
    child.router = caf::actor_cast<call_target_actor>(handles.router);
    return adopt(self, part, handles.cache, self->spawn(response_cache, std::move(child)));
  }
  case farm_part::sandbox:
    return adopt(self, part, handles.sandbox, self->spawn(sandbox, config.sandbox));
  case farm_part::python:
    return adopt(self, part, handles.python, self->spawn(python_host, config.python));
  case farm_part::runs: {
    auto child = config.runs;
    // Runs must not get the names that earlier ones drew.
    if (self->state.restarted)
      child.seed += static_cast<uint64_t>(self->state.chance.roll() * 4294967296.0);
    child.journal = handles.journal;
    child.event_hub = handles.event_hub;
    child.router = handles.router;
    child.child.monitor = handles.monitor;
    child.python = handles.python;
    child.cache = caf::actor_cast<call_target_actor>(handles.cache);
    child.batches = caf::actor_cast<call_target_actor>(handles.batches);
    child.sandbox = handles.sandbox;
    return adopt(self, part, handles.runs, self->spawn(run_supervisor, std::move(child)));
  }
  case farm_part::ab_tests: {
    auto child = config.ab_tests;
    child.journal = handles.journal;
    child.runs = handles.runs;
    child.event_hub = handles.event_hub;
    return adopt(self, part, handles.ab_tests, self->spawn(ab_test_supervisor, std::move(child)));
  }
  case farm_part::experiments: {
    auto child = config.experiments;
    child.journal = handles.journal;
    child.event_hub = handles.event_hub;
    child.runs = handles.runs;
    return adopt(self, part, handles.experiments, self->spawn(experiment_supervisor, std::move(child)));
  }
  case farm_part::schedules: {
    auto child = config.schedules;
    child.journal = handles.journal;
    child.runs = handles.runs;
    return adopt(self, part, handles.schedules, self->spawn(schedule_supervisor, std::move(child)));
  }
  case farm_part::gateway: {
    auto child = config.gateway;
    child.router = caf::actor_cast<call_target_actor>(handles.router);
    child.cache = caf::actor_cast<call_target_actor>(handles.cache);
    return adopt(self, part, handles.gateway, self->spawn(gateway, std::move(child)));
  }
  }
}

void start_from(self_pointer self, const root_supervisor_config& config, size_t first) {
  for (size_t i = first; i < farm_part_count; ++i)
    start_part(self, config, static_cast<farm_part>(i));
}

void send_exit_to(self_pointer self, farm_part part, caf::exit_reason reason) {
  const auto& address = self->state.addresses[static_cast<size_t>(part)];
  if (self->state.family.contains(address))
    self->send_exit(address, reason);
}

// -- falling and rising ------------------------------------------------------------------------------------

void start_again_if_ready(self_pointer self, const root_supervisor_config& config) {
  auto& state = self->state;
  if (state.now != phase::restarting || !state.restart_due || state.still_ending > 0)
    return;
  state.now = phase::up;
  state.restart_due = false;
  start_from(self, config, std::exchange(state.restart_from, farm_part_count));
}

void begin_restart(self_pointer self, const root_supervisor_config& config, size_t fallen,
                   const caf::error& reason) {
  auto& state = self->state;
  const auto wait = state.policy.on_fall(self->clock().now(), state.chance.roll());
  if (!wait) {
    const fault last{errc::actor_lost,
                     "a part of the farm fell too often, the last time by: " + to_fault(reason).message,
                     "root-supervisor", "see the log; the runs go on when the farm is started again"};
    if (config.on_escalation)
      config.on_escalation(last);
    return self->quit(to_caf_error(last));
  }
  const size_t first = std::min(fallen, state.restart_from);
  for (size_t i = first + 1; i < std::min(state.restart_from, farm_part_count); ++i) {
    if (i == fallen || !state.family.contains(state.addresses[i]))
      continue;
    ++state.still_ending;
    self->send_exit(state.addresses[i], caf::exit_reason::kill);
  }
  state.now = phase::restarting;
  state.restarted = true;
  state.restart_from = first;
  self->delayed_send(self, *wait, tick{});
}

// -- stopping ----------------------------------------------------------------------------------------------

/// The children that are left end with it.
void end(self_pointer self) {
  self->state.now = phase::ending;
  if (self->state.stopped.pending())
    self->state.stopped.deliver(farm_stopped{});
  self->quit(caf::exit_reason::user_shutdown);
}

void flush(self_pointer self) {
  self->state.now = phase::flushing;
  self->request(self->state.handles.journal, flush_timeout, flush_journal{})
      .then([self](const committed&) { end(self); }, [self](const caf::error&) { end(self); });
}

/// Batch desk and cache end with the router.
void close_fleet(self_pointer self) {
  self->state.now = phase::closing_fleet;
  send_exit_to(self, farm_part::router, caf::exit_reason::user_shutdown);
  send_exit_to(self, farm_part::providers, caf::exit_reason::user_shutdown);
}

bool ended(self_pointer self, farm_part part) {
  return !self->state.family.contains(self->state.addresses[static_cast<size_t>(part)]);
}

/// Nobody of these appends anything once the journal is asked to flush.
bool fleet_is_closed(self_pointer self) {
  return ended(self, farm_part::providers) && ended(self, farm_part::router)
         && ended(self, farm_part::batches) && ended(self, farm_part::cache);
}

void go_on_stopping(self_pointer self) {
  if (self->state.now == phase::draining_runs && ended(self, farm_part::runs))
    close_fleet(self);
  if (self->state.now == phase::closing_fleet && fleet_is_closed(self))
    flush(self);
}

caf::result<farm_stopped> stop(self_pointer self, const stop_farm& wish) {
  auto& state = self->state;
  if (state.stopped.pending())
    return to_caf_error({errc::shutting_down, "the farm is stopping already", {}, {}});
  state.stopped = self->make_response_promise<farm_stopped>();
  state.give_up_at = self->clock().now() + wish.grace;
  state.now = phase::draining_runs;
  if (!ended(self, farm_part::runs))
    self->send(state.handles.runs, drain{wish.grace - std::min(time_to_book, wish.grace / 2)});
  self->delayed_send(self, wish.grace, tick{});
  auto promise = state.stopped;
  go_on_stopping(self);
  return promise;
}

/// Runs that do not come to rest within the grace are ended; what they had in flight is repeated at the next
/// start. The fleet needs no such pressure, since it ends at the first word.
void press_on(self_pointer self) {
  if (self->clock().now() >= self->state.give_up_at)
    send_exit_to(self, farm_part::runs, caf::exit_reason::kill);
}

void on_down(self_pointer self, const root_supervisor_config& config, const caf::down_msg& down) {
  auto& state = self->state;
  if (!state.family.release(down.source))
    return;
  if (state.now != phase::up && state.now != phase::restarting)
    return go_on_stopping(self);
  size_t part = 0;
  while (part < farm_part_count && state.addresses[part] != down.source)
    ++part;
  if (part == farm_part_count)
    return;
  if (state.now == phase::restarting && part > state.restart_from) {
    --state.still_ending;
    return start_again_if_ready(self, config);
  }
  begin_restart(self, config, part, down.reason);
}

void on_tick(self_pointer self, const root_supervisor_config& config) {
  if (self->state.now == phase::restarting) {
    self->state.restart_due = true;
    return start_again_if_ready(self, config);
  }
  if (self->state.now == phase::draining_runs)
    press_on(self);
}

} // namespace

root_supervisor_actor::behavior_type root_supervisor(self_pointer self, root_supervisor_config config) {
  self->state.policy = restart_policy{config.limits};
  self->state.chance = dice{config.seed};
  self->state.family.shield(self);
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  start_from(self, config, 0);
  return {
      [self](const find_farm&) -> caf::result<farm_handles> {
        if (self->state.now != phase::up)
          return to_caf_error(
              {errc::busy, "the farm is restarting a part or stopping", {}, "try again in a moment"});
        return self->state.handles;
      },
      [self](const stop_farm& wish) { return stop(self, wish); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
