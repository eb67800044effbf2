#include "actors/hosts/sandbox.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay {

namespace {

using self_pointer = sandbox_actor::stateful_pointer<sandbox_state>;
using knowledge = sandbox_state::knowledge;

constexpr std::chrono::milliseconds tick_interval{500};

sandbox_runner_sink sink_to(const sandbox_actor& host) {
  return [weak = caf::actor_cast<caf::actor_addr>(host)](sandbox_result result) {
    if (const auto strong = caf::actor_cast<sandbox_actor>(weak)) {
      sandbox_results message;
      message.results.push_back(std::move(result));
      caf::anon_send(strong, std::move(message));
    }
  };
}

host_state describe(const sandbox_state& state, const sandbox_config& config) {
  host_state out;
  out.available = state.known == knowledge::available;
  if (state.known == knowledge::unavailable)
    out.reason = to_string(state.reason);
  else if (!out.available)
    out.reason = "it is being looked into; ask again in a moment";
  out.limits = state.limits;
  out.workers = config.workers;
  out.busy = static_cast<uint32_t>(state.running.size());
  out.waiting = static_cast<uint32_t>(state.waiting);
  return out;
}

void tell_state(self_pointer self, const sandbox_config& config) {
  if (config.on_state)
    config.on_state(describe(self->state, config));
}

void keep_ticking(self_pointer self) {
  if (std::exchange(self->state.ticking, true))
    return;
  self->delayed_send(self, tick_interval, tick{});
}

// -- answers ------------------------------------------------------------------------------------------------

void answer(self_pointer self, const caf::actor_addr& owner, sandbox_result result) {
  const auto found = self->state.owners.find(owner);
  if (found == self->state.owners.end())
    return;
  sandbox_results message;
  message.results.push_back(std::move(result));
  self->send(found->second, std::move(message));
}

void refuse(self_pointer self, const caf::actor_addr& owner, uint64_t id, fault reason) {
  sandbox_result result;
  result.id = id;
  result.error = std::move(reason);
  answer(self, owner, std::move(result));
}

fault unavailable(const sandbox_state& state) {
  return {errc::unsupported, state.reason.message, {}, state.reason.hint};
}

void count(sandbox_state& state, const sandbox_result& result) {
  if (result.error)
    ++state.failed;
  else
    ++state.ended.at(static_cast<size_t>(result.end));
}

// -- the line -----------------------------------------------------------------------------------------------

void start(self_pointer self, const sandbox_config& config, const caf::actor_addr& owner, sandbox_job job) {
  auto& state = self->state;
  const auto ticket = ++state.last_ticket;
  if (owner && job.limits == sandbox_limits{})
    job.limits = config.limits;
  sandbox_state::running_job entry;
  entry.owner = owner;
  entry.id = std::exchange(job.id, ticket);
  entry.slot = state.free_slots.back();
  entry.give_up_at = self->clock().now() + job.limits.wall + config.grace;
  state.free_slots.pop_back();
  const auto slot = entry.slot;
  state.running.emplace(ticket, std::move(entry));
  keep_ticking(self);
  state.runner->start(job, slot);
}

void start_waiting(self_pointer self, const sandbox_config& config) {
  auto& state = self->state;
  while (state.known == knowledge::available && !state.lines.empty() && !state.free_slots.empty()) {
    auto next = std::move(state.lines.front());
    state.lines.pop_front();
    auto job = std::move(next.jobs.front());
    next.jobs.pop_front();
    --state.waiting;
    const auto owner = next.owner;
    if (!next.jobs.empty())
      state.lines.push_back(std::move(next));
    start(self, config, owner, std::move(job));
  }
}

void refuse_waiting(self_pointer self) {
  auto& state = self->state;
  state.waiting = 0;
  for (auto& line : std::exchange(state.lines, {}))
    for (const auto& job : line.jobs) {
      ++state.failed;
      refuse(self, line.owner, job.id, unavailable(state));
    }
}

void enqueue(self_pointer self, const caf::actor_addr& owner, sandbox_job job) {
  auto& state = self->state;
  auto found = std::ranges::find(state.lines, owner, &sandbox_state::line::owner);
  if (found == state.lines.end())
    found = state.lines.insert(state.lines.end(), sandbox_state::line{owner, {}});
  found->jobs.push_back(std::move(job));
  ++state.waiting;
}

void take(self_pointer self, const sandbox_config& config, const run_in_sandbox& wish) {
  auto& state = self->state;
  const auto owner = wish.sink.address();
  if (state.owners.emplace(owner, wish.sink).second)
    self->monitor(wish.sink);
  for (const auto& job : wish.jobs) {
    if (state.known == knowledge::unavailable) {
      ++state.failed;
      refuse(self, owner, job.id, unavailable(state));
    } else if (state.waiting >= config.most_waiting) {
      ++state.refused;
      refuse(self, owner, job.id,
             {errc::busy, "too many programs wait for the sandbox", {}, "try again later"});
    } else {
      enqueue(self, owner, job);
    }
  }
  start_waiting(self, config);
}

// -- the end of jobs ----------------------------------------------------------------------------------------

/// Nobody waits for it from now on; its program is ended, and keeps its slot until then.
void let_go(sandbox_state& state, uint64_t ticket, sandbox_state::running_job& job) {
  job.owner = {};
  state.runner->kill(ticket);
}

template <class Wanted>
void withdraw(self_pointer self, const caf::actor_addr& owner, Wanted wanted) {
  auto& state = self->state;
  for (auto& line : state.lines)
    if (line.owner == owner)
      state.waiting -= std::erase_if(line.jobs, [&](const sandbox_job& job) { return wanted(job.id); });
  std::erase_if(state.lines, [](const sandbox_state::line& line) { return line.jobs.empty(); });
  for (auto& [ticket, job] : state.running)
    if (job.owner && job.owner == owner && wanted(job.id))
      let_go(state, ticket, job);
}

void withdraw_some(self_pointer self, const withdraw_sandbox_jobs& wish) {
  const auto sender = caf::actor_cast<caf::actor_addr>(self->current_sender());
  if (!sender)
    return;
  withdraw(self, sender, [&](uint64_t id) { return std::ranges::find(wish.ids, id) != wish.ids.end(); });
}

void on_down(self_pointer self, const caf::down_msg& down) {
  if (self->state.owners.erase(down.source) > 0)
    withdraw(self, down.source, [](uint64_t) { return true; });
}

// -- what can be done here ----------------------------------------------------------------------------------

void examine(self_pointer self, const sandbox_config& config) {
  auto& state = self->state;
  if (state.free_slots.empty())
    return; // until the next tick
  state.known = knowledge::examining;
  auto job = state.runner->examination();
  start(self, config, {}, std::move(job));
  state.examination = state.last_ticket;
}

void on_examined(self_pointer self, const sandbox_config& config, const sandbox_result& result) {
  auto& state = self->state;
  auto found = state.runner->read_examination(result);
  state.known = found.available ? knowledge::available : knowledge::unavailable;
  state.reason = std::move(found.reason);
  state.limits = std::move(found.limits);
  state.examine_at = self->clock().now() + config.examine_again;
  if (found.available) {
    spdlog::info("sandbox is ready workers={}", config.workers);
  } else {
    // Most commands never need it; those that do are answered with the reason.
    spdlog::info("no sandbox, programs of models are not run reason=\"{}\"", to_string(state.reason));
    refuse_waiting(self);
    keep_ticking(self);
  }
  tell_state(self, config);
}

void on_results(self_pointer self, const sandbox_config& config, sandbox_results& news) {
  auto& state = self->state;
  for (auto& result : news.results) {
    const auto found = state.running.find(result.id);
    if (found == state.running.end())
      continue;
    const auto ticket = found->first;
    auto job = std::move(found->second);
    state.running.erase(found);
    state.free_slots.push_back(job.slot);
    if (ticket == state.examination) {
      state.examination = 0;
      on_examined(self, config, result);
      continue;
    }
    count(state, result);
    result.id = job.id;
    if (job.owner)
      answer(self, job.owner, std::move(result));
  }
  start_waiting(self, config);
}

// -- time ---------------------------------------------------------------------------------------------------

void give_up_late_ones(self_pointer self, const sandbox_config& config) {
  auto& state = self->state;
  const auto now = self->clock().now();
  for (auto& [ticket, job] : state.running) {
    if (now < job.give_up_at)
      continue;
    const auto owner = job.owner;
    spdlog::warn("a program in the sandbox did not end in time and is killed slot={}", job.slot);
    let_go(state, ticket, job);
    job.give_up_at = now + config.grace;
    if (!owner)
      continue;
    sandbox_result late;
    late.id = job.id;
    late.end = sandbox_end::wall_limit;
    answer(self, owner, std::move(late));
  }
}

void on_tick(self_pointer self, const sandbox_config& config) {
  auto& state = self->state;
  state.ticking = false;
  if (!state.runner)
    return;
  give_up_late_ones(self, config);
  if (state.known == knowledge::unavailable && self->clock().now() >= state.examine_at)
    examine(self, config);
  if (!state.running.empty() || state.known == knowledge::unavailable)
    keep_ticking(self);
}

gauges own_gauges(const sandbox_state& state, const sandbox_config& config) {
  gauges out;
  const auto add = [&out](metric family, double value, std::vector<std::string> labels = {}) {
    out.values.push_back({family, std::move(labels), value});
  };
  add(metric::sandbox_available, state.known == knowledge::available ? 1 : 0);
  add(metric::sandbox_workers, config.workers);
  add(metric::sandbox_running_jobs, static_cast<double>(state.running.size()));
  add(metric::sandbox_waiting_jobs, static_cast<double>(state.waiting));
  for (size_t end = 1; end < state.ended.size(); ++end)
    add(metric::sandbox_jobs_total, static_cast<double>(state.ended[end]),
        {std::string(to_string(static_cast<sandbox_end>(end)))});
  add(metric::sandbox_jobs_total, static_cast<double>(state.failed), {"not_run"});
  add(metric::sandbox_refused_total, static_cast<double>(state.refused));
  return out;
}

void begin(self_pointer self, const sandbox_config& config) {
  auto& state = self->state;
  state.on_state = config.on_state;
  if (!config.open_runner) {
    state.known = knowledge::unavailable;
    state.reason = {errc::unsupported, config.off_because, {}, {}};
    return tell_state(self, config);
  }
  for (uint32_t slot = config.workers; slot-- > 0;)
    state.free_slots.push_back(slot);
  state.runner = config.open_runner(sink_to(sandbox_actor{self}));
  examine(self, config);
}

} // namespace

sandbox_state::~sandbox_state() {
  if (!on_state)
    return;
  host_state last;
  last.reason = "it is being started again";
  on_state(last);
}

sandbox_actor::behavior_type sandbox(self_pointer self, sandbox_config config) {
  config.workers = std::max<uint32_t>(1, config.workers);
  self->set_down_handler([self](const caf::down_msg& down) { on_down(self, down); });
  begin(self, config);
  return {
      [self, config](const run_in_sandbox& wish) { take(self, config, wish); },
      [self](const withdraw_sandbox_jobs& wish) { withdraw_some(self, wish); },
      [self, config](const read_host_state&) { return describe(self->state, config); },
      [self, config](const read_gauges&) { return own_gauges(self->state, config); },
      [self, config](sandbox_results& news) { on_results(self, config, news); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
