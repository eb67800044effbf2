#include "actors/fleet/model_router_detail.hpp"

#include <algorithm>
#include <utility>

namespace assay::router_detail {

namespace {

using control::purse_lane;

purse_lane place_of(const open_call& open) { return {open.run, static_cast<uint32_t>(open.target)}; }

uint32_t billed_tries(const std::vector<attempt_record>& failures) {
  return static_cast<uint32_t>(std::ranges::count_if(failures, &attempt_record::possibly_billed));
}

uint32_t longest_answer_of(const model_router_config& config, const model_id& model) {
  const auto known = config.longest_answer ? config.longest_answer(model) : 0;
  return known > 0 ? known : config.assumed_answer;
}

/// What the call may send and get at most.
control::call_size size_of_call(const lane_target& target, const call& request) {
  control::call_size out;
  switch (request.kind) {
  case call_kind::chat:
    return control::size_of(request.messages, request.parameters, request.options.get(),
                            target.longest_answer);
  case call_kind::embed:
    if (request.inputs)
      for (const auto& text : request.inputs->texts) {
        out.prompt_bytes += text.size();
        ++out.messages;
      }
    break;
  case call_kind::count_tokens:
    break; // Costs nothing anywhere.
  }
  return out;
}

void open_at(self_pointer self, const model_router_config& config, lane_state& lane, size_t which) {
  auto& target = lane.targets[which];
  if (std::exchange(target.pays, true))
    return;
  target.longest_answer = longest_answer_of(config, target.model.model);
  self->state.purse->open({lane.where.run, static_cast<uint32_t>(which)}, target.model.model.value,
                          target.model.prices);
}

/// @returns whether the call can go now.
bool reserve(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
             outgoing& out) {
  open.charged = billed_tries(open.request.failures);
  auto& purse = self->state.purse;
  if (!purse)
    return true;
  open_at(self, config, lane, open.target);
  const auto where = place_of(open);
  if (purse->is_unlimited(where))
    return true;
  auto decision =
      purse->reserve(where, open.request.id, size_of_call(lane.targets[open.target], open.request));
  switch (decision.what) {
  case control::purse::verdict::go:
    return true;
  case control::purse::verdict::hold:
    open.held = true;
    if (lane.held++ == 0)
      lane.held_since = self->clock().now();
    start_ticking(self, config);
    return false;
  case control::purse::verdict::refuse: {
    // What the purse itself refuses is about this target's prices.
    const bool of_target = decision.reason->code != errc::internal;
    out.refused.push_back({open.request.id, std::move(*decision.reason), of_target});
    return false;
  }
  }
  return false;
}

/// What is over is told at once.
void look_at_wait(self_pointer self, lane_state& lane) {
  if (lane.held > 0)
    return;
  lane.held_since.reset();
  if (std::exchange(lane.waits_for_budget, false))
    tell_credit(self, lane);
}

lease_wish wish_of(const lane_state& lane, const control::purse::wish& wish) {
  lease_wish out;
  out.run = wish.lane.run;
  out.target = wish.lane.target;
  out.model = lane.targets[wish.lane.target].model.model;
  out.tenant = lane.where.tenant;
  out.max_cost = lane.where.max_cost;
  out.least = wish.least;
  out.wanted = wish.wanted;
  out.one_try = wish.one_try;
  out.interactive = lane.where.interactive;
  out.api_key = lane.where.api_key;
  out.key_budget = lane.where.key_budget;
  out.account = lane.where.account;
  out.patient = lane.where.way == call_way::batch;
  return out;
}

/// The calls that a lease lets go, or that alone are too expensive.
/// @param of_target What is refused may go at another target.
void release(self_pointer self, const model_router_config& config, const purse_lane& where,
             control::purse::released&& released, bool of_target) {
  outgoing out;
  const auto lane = self->state.lanes.find(where.run);
  for (const auto id : released.go) {
    const auto entry = self->state.calls.find(id);
    if (lane == self->state.lanes.end() || entry == self->state.calls.end() || !entry->second.held) {
      self->state.purse->forget(where, id);
      continue;
    }
    entry->second.held = false;
    --lane->second.held;
    out.calls[{where.run, where.target}].push_back(entry->second.request);
  }
  for (auto& one : released.refused)
    out.refused.push_back({one.call, std::move(one.reason), of_target});
  send_out(self, config, out);
  if (lane != self->state.lanes.end())
    look_at_wait(self, lane->second);
}

/// As long as some target has money, a call that others have failed ends with what they said: a spent budget
/// ends the run.
fault reason_of_end(const lane_state& lane, const open_call& open, const refused_call& refused) {
  if (!refused.of_target || lane.targets.size() == 1
      || std::ranges::all_of(lane.targets, [](const auto& one) { return one.spent_until.has_value(); }))
    return refused.reason;
  const auto& failures = open.request.failures;
  const auto last = std::find_if(failures.rbegin(), failures.rend(), [](const attempt_record& one) {
    return one.error != errc::budget_exhausted && one.error != errc::breaker_open;
  });
  return last == failures.rend() ? refused.reason : fault{last->error, last->message, {}, {}};
}

} // namespace

void open_purse(self_pointer self, const model_router_config& config, lane_state& lane) {
  if (!self->state.purse)
    return;
  // Of several models most may never be asked, and what goes in batches comes here when a batch has failed
  // it: they hold no money until then.
  if (lane.targets.size() == 1 && lane.where.way != call_way::batch)
    open_at(self, config, lane, 0);
  tell_keeper(self, config);
}

void pay(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
         outgoing& out) {
  if (reserve(self, config, lane, open, out))
    out.calls[{open.run, open.target}].push_back(open.request);
}

void settle(self_pointer self, lane_state& lane, open_call& open, const call_outcome& outcome) {
  auto& purse = self->state.purse;
  if (!purse)
    return;
  const auto where = place_of(open);
  if (std::exchange(open.held, false)) {
    --lane.held;
    purse->forget(where, outcome.id);
    return look_at_wait(self, lane);
  }
  const auto billed = billed_tries(outcome.failures);
  // A stream that was dropped has a cost and no answer.
  const bool has_cost = !outcome.error || outcome.cost.has_value();
  purse->settle(outcome.id, purse->charge_of(outcome.id, outcome.cost, has_cost,
                                             billed - std::min(billed, open.charged)));
  open.charged = billed;
}

void pay_again(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
               outgoing& out) {
  auto& purse = self->state.purse;
  const auto billed = billed_tries(open.request.failures);
  const auto fresh = billed - std::min(billed, open.charged);
  if (!purse || fresh < config.charged_tries)
    return;
  const auto id = open.request.id;
  purse->settle(id, purse->charge_of(id, std::nullopt, false, fresh));
  // Those that can go are sent when the provider is back.
  reserve(self, config, lane, open, out);
}

void close_purse(self_pointer self, const lane_state& lane) {
  auto& purse = self->state.purse;
  if (!purse)
    return;
  const auto run = lane.where.run;
  if (lane.open > 0)
    for (const auto& [id, open] : self->state.calls)
      if (open.run == run && !open.held) {
        // Nobody waits for its end, so it counts as one more try that may have been billed.
        const auto billed = billed_tries(open.request.failures) + 1;
        purse->settle(id, purse->charge_of(id, std::nullopt, false, billed - std::min(billed, open.charged)));
      }
  for (size_t i = 0; i < lane.targets.size(); ++i)
    if (lane.targets[i].pays)
      purse->close({run, static_cast<uint32_t>(i)});
}

void give_up_held(self_pointer self, const lane_state& lane) {
  if (!self->state.purse || lane.held == 0)
    return;
  // When only some of them end, each is taken out by itself.
  for (const auto& [id, open] : self->state.calls)
    if (open.run == lane.where.run && open.held && !open.withdrawn)
      return;
  for (size_t i = 0; i < lane.targets.size(); ++i)
    self->state.purse->take_held({lane.where.run, static_cast<uint32_t>(i)});
}

void return_all(self_pointer self, const model_router_config& config) {
  auto& purse = self->state.purse;
  if (!purse)
    return;
  for (const auto& [run, lane] : self->state.lanes)
    for (size_t i = 0; i < lane.targets.size(); ++i)
      if (lane.targets[i].pays)
        purse->close({run, static_cast<uint32_t>(i)});
  tell_keeper(self, config, true);
}

void answer_refused(self_pointer self, const model_router_config& config, outgoing& out) {
  std::unordered_map<run_id, call_outcome_batch> answers;
  // One that goes on may be refused there as well: at most once by each target.
  while (!out.refused.empty())
    for (const auto& refused : std::exchange(out.refused, {})) {
      const auto entry = self->state.calls.find(refused.id);
      if (entry == self->state.calls.end())
        continue;
      const auto lane = self->state.lanes.find(entry->second.run);
      if (lane == self->state.lanes.end()
          || go_elsewhere(self, config, lane->second, entry->second, refused, out))
        continue;
      auto& answer = answers[lane->first];
      answer.run = lane->first;
      const auto reason = reason_of_end(lane->second, entry->second, refused);
      answer.outcomes.push_back(end_call(self, config, lane->second, entry->second, reason));
      self->state.calls.erase(entry);
    }
  for (auto& [run, answer] : answers)
    self->send(self->state.lanes.at(run).sink, std::move(answer));
}

void tell_keeper(self_pointer self, const model_router_config& config, bool also_small_news) {
  auto& purse = self->state.purse;
  if (!purse || !purse->has_news())
    return;
  if (!also_small_news && !purse->is_urgent())
    return start_ticking(self, config);
  leases_settled settled;
  for (const auto& one : purse->take_settlements())
    settled.parts.push_back({one.lane.run, one.lane.target, one.lease, one.spent, one.returned});
  // What comes back may be what the wishes need.
  if (!settled.parts.empty())
    self->send(config.budgets, std::move(settled));
  for (const auto& wish : purse->take_wishes())
    if (const auto lane = self->state.lanes.find(wish.lane.run); lane != self->state.lanes.end())
      self->send(config.budgets,
                 request_lease{wish_of(lane->second, wish), caf::actor_cast<lease_holder_actor>(self)});
}

bool look_at_held(self_pointer self, const model_router_config& config) {
  const auto now = self->clock().now();
  bool some = false;
  if (std::ranges::any_of(self->state.lanes, [](const auto& entry) {
        return entry.second.held > 0 && entry.second.where.interactive;
      }))
    end_calls(
        self, config,
        {errc::rate_limited,
         "the question waited for its budget, of which other calls hold what is left, until its time was "
         "up",
         {},
         "ask again when they are through, or give it more time"},
        [&](const open_call& open, const lane_state&) {
          return open.held && is_too_late(self, open.request, config.tick_interval);
        });
  for (auto& [run, lane] : self->state.lanes) {
    if (lane.held == 0)
      continue;
    some = true;
    if (!lane.waits_for_budget && lane.held_since && now - *lane.held_since >= config.untold_wait) {
      lane.waits_for_budget = true;
      tell_credit(self, lane);
    }
  }
  return some;
}

void on_lease(self_pointer self, const model_router_config& config, const lease_granted& news) {
  if (!self->state.purse)
    return;
  const purse_lane where{news.run, news.target};
  control::budget_lease lease;
  lease.id = news.lease;
  lease.amount = news.amount;
  lease.unlimited = news.unlimited;
  lease.per_request = news.per_request;
  lease.per_request_setting = news.per_request_setting;
  release(self, config, where, self->state.purse->grant(where, lease), true);
}

void on_lease(self_pointer self, const model_router_config& config, const lease_refused& news) {
  if (!self->state.purse)
    return;
  const purse_lane where{news.run, news.target};
  control::purse::released refused;
  refused.refused = self->state.purse->refuse(where, news.reason);
  release(self, config, where, std::move(refused), news.of_model);
}

void on_lease(self_pointer self, const model_router_config& config, const lease_recalled& news) {
  if (!self->state.purse)
    return;
  self->state.purse->recall({news.run, news.target});
  tell_keeper(self, config, true);
}

} // namespace assay::router_detail
