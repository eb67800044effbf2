#include "actors/hosts/python_host.hpp"

#include "actors/hosts/python_host_detail.hpp"
#include "actors/hosts/python_wire.hpp"

#include <algorithm>

namespace assay {

using namespace python_host_detail;

namespace {

// -- who waits ---------------------------------------------------------------------------------------------

void watch(self_pointer self, const python_sink_actor& sink) {
  if (self->state.watched_sinks[sink.address()]++ == 0)
    self->monitor(sink);
}

void unwatch(self_pointer self, const python_sink_actor& sink) {
  const auto found = self->state.watched_sinks.find(sink.address());
  if (found == self->state.watched_sinks.end() || --found->second > 0)
    return;
  self->demonitor(found->first);
  self->state.watched_sinks.erase(found);
}

void forget(self_pointer self, std::map<uint64_t, open_job>::iterator which) {
  auto& state = self->state;
  if (which->second.worker == 0) {
    state.waiting_bytes -= which->second.job.arguments.size();
    std::erase(state.line, which->first);
  }
  unwatch(self, which->second.sink);
}

// -- new jobs ----------------------------------------------------------------------------------------------

bool is_word(const std::string& text) {
  return !text.empty()
         && std::ranges::all_of(text, [](char one) { return one == '_' || (one >= 'a' && one <= 'z'); });
}

std::optional<fault> refusal(const python_host_state& state, const python_host_config& config,
                             const python_job& job, std::chrono::steady_clock::time_point now) {
  if (!config.start_worker)
    return fault{errc::unsupported, "no Python runs here", "python", "`assay doctor` says more"};
  if (!is_word(job.operation))
    return fault{errc::invalid_argument, "`" + job.operation + "` is no operation", "operation", {}};
  if (job.arguments.size() > most_python_message / 2)
    return fault{errc::too_large, std::to_string(job.arguments.size()) + " bytes are too many for one job",
                 "arguments", "send the rows in smaller pages"};
  const auto trouble = state.troubles.find(purpose_of(job));
  if (trouble != state.troubles.end() && trouble->second.resting_until
      && *trouble->second.resting_until > now)
    return fault{errc::busy, "Python workers crash again and again, the last one: " + trouble->second.how,
                 "python", "correct the task's code and try again in a minute"};
  const bool full =
      state.line.size() >= config.most_waiting
      || (!state.line.empty() && state.waiting_bytes + job.arguments.size() > config.most_waiting_bytes);
  if (full)
    return fault{errc::busy, std::to_string(state.line.size()) + " jobs wait for a Python worker", "python",
                 "try again later, or raise python.workers"};
  return std::nullopt;
}

void on_jobs(self_pointer self, const config_ptr& config, run_python& wish) {
  auto& state = self->state;
  replies out;
  for (auto& job : wish.jobs) {
    ++state.taken;
    if (auto reason = refusal(state, *config, job, self->clock().now())) {
      ++state.failed;
      out.add(wish.sink, python_result{job.id, {}, std::move(*reason)});
      continue;
    }
    const auto number = ++state.last_number;
    state.waiting_bytes += job.arguments.size();
    open_job open;
    open.job = std::move(job);
    open.sink = wish.sink;
    open.since = self->clock().now();
    state.jobs.emplace(number, std::move(open));
    state.line.push_back(number);
    watch(self, wish.sink);
  }
  pump(self, config, out);
  out.send(self);
}

// -- withdrawals -------------------------------------------------------------------------------------------

template <class Predicate>
void withdraw_if(self_pointer self, const config_ptr& config, Predicate unwanted) {
  for (auto it = self->state.jobs.begin(); it != self->state.jobs.end();)
    it = unwanted(it->second) ? withdraw(self, it) : std::next(it);
  replies out;
  pump(self, config, out);
  out.send(self);
}

void on_withdrawal(self_pointer self, const config_ptr& config, const withdraw_python_jobs& wish) {
  const auto sender = caf::actor_cast<caf::actor_addr>(self->current_sender());
  withdraw_if(self, config, [&](const open_job& open) {
    return std::ranges::find(wish.ids, open.job.id) != wish.ids.end()
           && (!sender || open.sink.address() == sender);
  });
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  if (!self->state.watched_sinks.contains(down.source))
    return;
  withdraw_if(self, config, [&](const open_job& open) { return open.sink.address() == down.source; });
}

// -- news of workers ---------------------------------------------------------------------------------------

void on_news(self_pointer self, const config_ptr& config, const io_completed& completed) {
  replies out;
  for (const auto& one : completed.outcomes)
    if (one.status == 0)
      on_end(self, config, one, out);
    else
      on_reply(self, config, one, out);
  pump(self, config, out);
  out.send(self);
}

void on_tick(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  state.ticking = false;
  replies out;
  check_workers(self, config, out);
  pump(self, config, out);
  out.send(self);
  if (!state.workers.empty() || !state.line.empty() || !state.troubles.empty())
    start_ticking(self, config);
}

// -- what it says of itself --------------------------------------------------------------------------------

uint32_t busy_workers(const python_host_state& state) {
  return static_cast<uint32_t>(
      std::ranges::count(state.workers, phase::working, [](const auto& one) { return one.second.now; }));
}

host_state machine_of(const python_host_config& config) {
  host_state out;
  if (config.machine)
    out = config.machine();
  if (!config.start_worker) {
    out.available = false;
    if (out.reason.empty())
      out.reason = "no Python runs here";
  }
  return out;
}

host_state state_now(const python_host_state& state, const python_host_config& config) {
  auto out = machine_of(config);
  if (out.available && !state.last_failure.empty()) {
    out.available = false;
    out.reason = state.last_failure;
  }
  out.workers = static_cast<uint32_t>(config.workers);
  out.busy = busy_workers(state);
  out.waiting = static_cast<uint32_t>(state.line.size());
  return out;
}

gauges own_gauges(const python_host_state& state) {
  const auto number = [](metric family, uint64_t value) {
    return gauge{family, {}, static_cast<double>(value)};
  };
  return {{number(metric::python_workers, state.workers.size()),
           number(metric::python_busy_workers, busy_workers(state)),
           number(metric::python_waiting_jobs, state.line.size()),
           number(metric::python_jobs_total, state.taken),
           number(metric::python_jobs_failed_total, state.failed),
           number(metric::python_crashes_total, state.crashes)},
          {}};
}

} // namespace

namespace python_host_detail {

void start_ticking(self_pointer self, const config_ptr& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config->tick_interval, tick{});
}

void finish(self_pointer self, std::map<uint64_t, open_job>::iterator which, python_result&& outcome,
            replies& out) {
  outcome.id = which->second.job.id;
  if (outcome.error)
    ++self->state.failed;
  out.add(which->second.sink, std::move(outcome));
  forget(self, which);
  self->state.jobs.erase(which);
}

void fail(self_pointer self, std::map<uint64_t, open_job>::iterator which, fault reason, replies& out) {
  python_result outcome;
  outcome.error = std::move(reason);
  finish(self, which, std::move(outcome), out);
}

std::map<uint64_t, open_job>::iterator withdraw(self_pointer self,
                                                std::map<uint64_t, open_job>::iterator which) {
  auto& state = self->state;
  if (const auto busy = state.workers.find(which->second.worker); busy != state.workers.end()) {
    // What a task's code does cannot be stopped otherwise.
    busy->second.job = 0;
    busy->second.now = phase::ending;
    busy->second.process->kill();
  }
  forget(self, which);
  return state.jobs.erase(which);
}

} // namespace python_host_detail

python_host_actor::behavior_type python_host(self_pointer self, python_host_config given) {
  const auto config = std::make_shared<const python_host_config>(std::move(given));
  self->state.chance = dice{config->seed};
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  return {
      [self, config](run_python& wish) { on_jobs(self, config, wish); },
      [self, config](const withdraw_python_jobs& wish) { on_withdrawal(self, config, wish); },
      [self, config](const read_host_state&) { return state_now(self->state, *config); },
      [self](const read_gauges&) { return own_gauges(self->state); },
      [self, config](const io_completed& completed) { on_news(self, config, completed); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
