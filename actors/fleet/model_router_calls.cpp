#include "actors/fleet/model_router_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::router_detail {

namespace {

constexpr double newest_share = 0.05;
/// The first time a call may have been paid for it may be asked again, the second time not: another answer is
/// no worth for paying thrice.
constexpr auto most_billed_tries = 1;

uint64_t bit_of(size_t target) noexcept { return target < 64 ? uint64_t{1} << target : 0; }

void average(std::optional<double>& mean, double value) noexcept {
  mean = mean ? *mean + newest_share * (value - *mean) : value;
}

std::string name_of(const route_model& model) { return model.provider.value + "/" + model.model.value; }

uint64_t spent_targets(const lane_state& lane) noexcept {
  uint64_t out = 0;
  for (size_t i = 0; i < lane.targets.size(); ++i)
    out |= lane.targets[i].spent_until ? bit_of(i) : 0;
  return out;
}

/// @returns where the call goes: a target that has not failed it and can take it, else one that has not
/// failed it and will take it once it can. @returns nothing when all have failed it, or have spent their
/// budgets.
std::optional<size_t> choose(self_pointer self, lane_state& lane, uint64_t failed_at) {
  if (lane.targets.size() == 1)
    return failed_at == 0 ? std::optional<size_t>{0} : std::nullopt;
  const auto passed_over = failed_at | spent_targets(lane);
  auto& candidates = self->state.candidates;
  candidates.clear();
  for (size_t i = 0; i < lane.targets.size(); ++i) {
    const auto& target = lane.targets[i];
    control::route_target one;
    one.available = target.available && (passed_over & bit_of(i)) == 0;
    one.weight = target.model.weight;
    one.in_use = target.seen->in_use;
    one.limit = target.credit / 2;
    one.latency = target.seen->latency;
    one.success_rate = target.seen->success_rate;
    one.quality = target.model.quality;
    one.cost_per_call = target.seen->cost_per_call;
    candidates.push_back(one);
  }
  const auto order =
      control::order_targets(lane.strategy, candidates, lane.turn++, self->state.chance.roll());
  const auto found = std::ranges::find_if(order, [&](size_t i) { return (passed_over & bit_of(i)) == 0; });
  return found == order.end() ? std::nullopt : std::optional{*found};
}

bool has_another(const lane_state& lane, size_t chosen, uint64_t failed_at) {
  const auto passed_over = failed_at | spent_targets(lane);
  for (size_t i = 0; i < lane.targets.size(); ++i)
    if (i != chosen && lane.targets[i].available && (passed_over & bit_of(i)) == 0)
      return true;
  return false;
}

/// Puts the call on its way; it is in the table already.
void direct(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
            size_t target, outgoing& out) {
  open.target = target;
  // Who waits for an answer is told that there is none, rather than kept until the target may be well again.
  open.request.movable =
      lane.where.interactive || (!open.streaming && has_another(lane, target, open.failed_at));
  ++lane.targets[target].seen->in_use;
  pay(self, config, lane, open, out);
}

void learn(model_router_state::target_record& seen, const call_outcome& outcome) {
  if (outcome.error) {
    const auto how = retry_class_of(outcome.error->code);
    // What the caller did wrong says nothing about the target.
    if (outcome.error->code != errc::cancelled && how != retry_class::never)
      average(seen.success_rate, 0);
    return;
  }
  average(seen.success_rate, 1);
  const auto& t = outcome.timing;
  average(seen.latency, std::chrono::duration<double>(t.connect + t.first_byte + t.transfer).count());
  if (outcome.cost)
    average(seen.cost_per_call, to_dollars(*outcome.cost));
}

bool may_be_asked_again(const open_call& open, const std::vector<attempt_record>& failures) {
  return !open.withdrawn && !open.streaming
         && std::ranges::count_if(failures, &attempt_record::possibly_billed) <= most_billed_tries;
}

bool may_move(self_pointer self, const open_call& open, const call_outcome& outcome) {
  if (!outcome.error || is_too_late(self, open.request, nanoseconds{0}))
    return false;
  const auto how = retry_class_of(outcome.error->code);
  if (outcome.error->code == errc::cancelled || how == retry_class::never)
    return false;
  return may_be_asked_again(open, outcome.failures);
}

void name_target(std::vector<attempt_record>& failures, const std::string& target) {
  for (auto& failure : failures)
    if (failure.target.empty())
      failure.target = target;
}

/// Says on the sample whom the tries went to, and why the call went on.
void note_target(const lane_state& lane, const open_call& open, call_outcome& outcome) {
  if (lane.targets.size() == 1)
    return;
  outcome.served_by = name_of(lane.targets[open.target].model);
  name_target(outcome.failures, outcome.served_by);
}

void note_move(self_pointer self, const lane_target& from, const lane_target& to, errc reason) {
  ++self->state.moved;
  spdlog::debug("router moves a call from={} to={} reason={}", name_of(from.model), name_of(to.model),
                to_string(reason));
}

/// Budgets of models last a day or a month.
void mark_spent(self_pointer self, const model_router_config& config, lane_state& lane, lane_target& target,
                const fault& reason) {
  if (target.spent_until)
    return;
  target.spent_until = control::next_period(control::budget_scope::model_day, config.wall());
  target.spent_why = reason.message;
  spdlog::warn("router passes over a model without money run={} target={} reason=\"{}\"",
               to_string(lane.where.run), name_of(target.model), reason.message);
  tell_credit(self, lane);
}

/// With a new day there may be money again.
void forget_spent(self_pointer self, const model_router_config& config, lane_state& lane) {
  bool some = false;
  for (auto& target : lane.targets) {
    if (!target.spent_until || config.wall() < *target.spent_until)
      continue;
    target.spent_until.reset();
    target.spent_why.clear();
    some = true;
  }
  if (!some)
    return;
  tell_credit(self, lane);
  recall_parked(self, lane);
}

/// @returns whether the call went on to another target.
bool move_on(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
             call_outcome& outcome, outgoing& out) {
  if (lane.targets.size() == 1 || !may_move(self, open, outcome))
    return false;
  auto& from = lane.targets[open.target];
  const bool was_not_tried = outcome.error->code == errc::breaker_open;
  if (was_not_tried)
    from.available = false; // Its own word may come later than the call.
  // A call that must not wait tries each target once.
  if (!was_not_tried || lane.where.interactive)
    open.failed_at |= bit_of(open.target);
  const auto next = choose(self, lane, open.failed_at);
  if (!next)
    return false;
  open.request.failures = std::move(outcome.failures);
  if (was_not_tried && *next != open.target)
    open.request.failures.push_back(
        {errc::breaker_open, 0, milliseconds{0}, false, outcome.error->message, {}, name_of(from.model)});
  if (*next != open.target)
    note_move(self, from, lane.targets[*next], outcome.error->code);
  direct(self, config, lane, open, *next, out);
  return true;
}

} // namespace

bool go_elsewhere(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
                  const refused_call& refused, outgoing& out) {
  if (lane.targets.size() == 1 || !refused.of_target)
    return false;
  auto& from = lane.targets[open.target];
  // One that is too expensive alone says nothing about the next.
  if (refused.reason.code == errc::budget_exhausted)
    mark_spent(self, config, lane, from, refused.reason);
  else
    open.failed_at |= bit_of(open.target);
  auto& failures = open.request.failures;
  if (!may_be_asked_again(open, failures))
    return false;
  const auto next = choose(self, lane, open.failed_at);
  if (!next)
    return false;
  const auto name = name_of(from.model);
  name_target(failures, name);
  failures.push_back({refused.reason.code, 0, milliseconds{0}, false, refused.reason.message, {}, name});
  note_move(self, from, lane.targets[*next], refused.reason.code);
  --from.seen->in_use;
  // The purse has let go of it.
  if (std::exchange(open.held, false))
    --lane.held;
  direct(self, config, lane, open, *next, out);
  start_ticking(self, config);
  return true;
}

void send_out(self_pointer self, const model_router_config& config, outgoing& out) {
  // Some of these go on to other targets.
  answer_refused(self, config, out);
  for (auto& [where, calls] : out.calls) {
    const auto& lane = self->state.lanes.at(where.first);
    const auto& target = lane.targets[where.second];
    const auto provider = self->state.providers.find(target.model.provider);
    // Calls for a provider that is down go out when it is back.
    if (provider != self->state.providers.end() && provider->second.target)
      self->send(provider->second.target,
                 call_batch{lane_at(lane, target), std::move(calls), own_sink(self)});
  }
  tell_keeper(self, config);
}

call_outcome end_call(self_pointer self, const model_router_config& config, lane_state& lane, open_call& open,
                      const fault& reason) {
  --lane.open;
  --lane.targets[open.target].seen->in_use;
  auto outcome = failed_outcome(std::move(open.request), reason, config.wall());
  settle(self, lane, open, outcome);
  return outcome;
}

void refuse(self_pointer self, const model_router_config& config, call_batch&& batch, const fault& reason) {
  call_outcome_batch answer{batch.where.run, {}};
  for (auto& request : batch.calls)
    answer.outcomes.push_back(failed_outcome(std::move(request), reason, config.wall()));
  self->send(batch.sink, std::move(answer));
}

void forward(self_pointer self, const model_router_config& config, call_batch& batch) {
  const auto found = self->state.lanes.find(batch.where.run);
  if (found == self->state.lanes.end())
    return refuse(
        self, config, std::move(batch),
        {errc::internal, "calls came for a lane that was never opened", to_string(batch.where.run), {}});
  auto& lane = found->second;
  const auto is_known = [&](const lane_target& target) {
    return self->state.providers.contains(target.model.provider);
  };
  if (std::ranges::none_of(lane.targets, is_known))
    return refuse(self, config, std::move(batch),
                  {errc::not_found, "no provider is configured for model '" + batch.where.model.value + "'",
                   "providers." + lane.where.provider.value,
                   "configure the provider or choose another model"});
  forget_spent(self, config, lane);
  outgoing out;
  for (auto& request : batch.calls) {
    const auto id = request.id;
    auto& open = self->state.calls[id];
    open = open_call{batch.where.run, std::move(request)};
    direct(self, config, lane, open, choose(self, lane, 0).value_or(0), out);
  }
  lane.open += static_cast<uint32_t>(batch.calls.size());
  send_out(self, config, out);
  start_ticking(self, config);
}

void pass_back(self_pointer self, const model_router_config& config, call_outcome_batch& batch) {
  const auto found = self->state.lanes.find(batch.run);
  outgoing out;
  // An answer may come twice when a provider fell after sending it; the first one counts.
  std::erase_if(batch.outcomes, [&](call_outcome& outcome) {
    const auto entry = self->state.calls.find(outcome.id);
    if (entry == self->state.calls.end() || found == self->state.lanes.end())
      return true;
    auto& lane = found->second;
    auto& open = entry->second;
    auto& seen = *lane.targets[open.target].seen;
    --seen.in_use;
    // A count says nothing about how long an answer takes, nor whether there would be one.
    if (open.request.kind != call_kind::count_tokens)
      learn(seen, outcome);
    note_target(lane, open, outcome);
    settle(self, lane, open, outcome);
    if (move_on(self, config, lane, open, outcome, out))
      return true;
    --lane.open;
    self->state.calls.erase(entry);
    return false;
  });
  const bool some_moved = !out.calls.empty();
  send_out(self, config, out);
  if (some_moved)
    start_ticking(self, config);
  if (found != self->state.lanes.end() && !batch.outcomes.empty())
    self->send(found->second.sink, std::move(batch));
}

void resend_calls(self_pointer self, const model_router_config& config, const provider_id& provider) {
  outgoing out;
  for (const auto& [id, open] : self->state.calls) {
    const auto lane = self->state.lanes.find(open.run);
    if (lane != self->state.lanes.end() && !open.held && is_at(open, lane->second, provider))
      out.calls[{open.run, open.target}].push_back(open.request);
  }
  send_out(self, config, out);
}

void abandon(self_pointer self, const model_router_config& config, const provider_id& provider) {
  const fault reason{errc::actor_lost, "the provider actor did not come back", "providers." + provider.value,
                     "see the log"};
  outgoing out;
  for (auto& [id, open] : self->state.calls) {
    const auto lane = self->state.lanes.find(open.run);
    if (lane == self->state.lanes.end() || !is_at(open, lane->second, provider))
      continue;
    auto outcome = failed_outcome(call{open.request}, reason, config.wall());
    note_target(lane->second, open, outcome);
    settle(self, lane->second, open, outcome);
    const auto before = open.target;
    if (move_on(self, config, lane->second, open, outcome, out))
      --lane->second.targets[before].seen->in_use;
  }
  send_out(self, config, out);
  end_calls(self, config, reason,
            [&](const open_call& open, const lane_state& lane) { return is_at(open, lane, provider); });
}

void recall_parked(self_pointer self, const lane_state& lane) {
  std::vector<provider_id> asked;
  for (const auto& target : lane.targets) {
    const auto& id = target.model.provider;
    const auto provider = self->state.providers.find(id);
    if (target.available || provider == self->state.providers.end() || !provider->second.target
        || std::ranges::find(asked, id) != asked.end())
      continue;
    asked.push_back(id);
    self->send(provider->second.target, recall_calls{lane.where.run});
  }
}

} // namespace assay::router_detail
