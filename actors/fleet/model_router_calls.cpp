#include "actors/fleet/model_router_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>

namespace assay::router_detail {

namespace {

constexpr double newest_share = 0.05;
/// The first time a call may have been paid for it may be asked again, the second time not: another answer is
/// no worth for paying thrice.
constexpr auto most_billed_tries = 1;

/// Calls on their way to targets, as one message for each.
using outgoing = std::map<std::pair<run_id, size_t>, std::vector<call>>;

uint64_t bit_of(size_t target) noexcept { return target < 64 ? uint64_t{1} << target : 0; }

void average(std::optional<double>& mean, double value) noexcept {
  mean = mean ? *mean + newest_share * (value - *mean) : value;
}

std::string name_of(const route_model& model) { return model.provider.value + "/" + model.model.value; }

/// @returns where the call goes: a target that has not failed it and can take it, else one that has not
/// failed it and will take it once it can. @returns nothing when all have failed it.
std::optional<size_t> choose(self_pointer self, lane_state& lane, uint64_t failed_at) {
  if (lane.targets.size() == 1)
    return failed_at == 0 ? std::optional<size_t>{0} : std::nullopt;
  auto& candidates = self->state.candidates;
  candidates.clear();
  for (size_t i = 0; i < lane.targets.size(); ++i) {
    const auto& target = lane.targets[i];
    control::route_target one;
    one.available = target.available && (failed_at & bit_of(i)) == 0;
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
      control::order_targets(lane.where.route.strategy, candidates, lane.turn++, self->state.chance.roll());
  const auto found = std::ranges::find_if(order, [&](size_t i) { return (failed_at & bit_of(i)) == 0; });
  return found == order.end() ? std::nullopt : std::optional{*found};
}

bool has_another(const lane_state& lane, size_t chosen, uint64_t failed_at) {
  for (size_t i = 0; i < lane.targets.size(); ++i)
    if (i != chosen && lane.targets[i].available && (failed_at & bit_of(i)) == 0)
      return true;
  return false;
}

/// Puts the call on its way; it is in the table already.
void direct(lane_state& lane, open_call& open, size_t target, outgoing& out) {
  open.target = target;
  open.request.movable = !open.streaming && has_another(lane, target, open.failed_at);
  ++lane.targets[target].seen->in_use;
  out[{open.run, target}].push_back(open.request);
}

void send_out(self_pointer self, outgoing& out) {
  for (auto& [where, calls] : out) {
    const auto& lane = self->state.lanes.at(where.first);
    const auto& target = lane.targets[where.second];
    const auto provider = self->state.providers.find(target.model.provider);
    // Calls for a provider that is down go out when it is back.
    if (provider != self->state.providers.end() && provider->second.target)
      self->send(provider->second.target,
                 call_batch{lane_at(lane, target), std::move(calls), own_sink(self)});
  }
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

bool may_move(const open_call& open, const call_outcome& outcome) {
  if (!outcome.error || open.withdrawn || open.streaming)
    return false;
  const auto how = retry_class_of(outcome.error->code);
  if (outcome.error->code == errc::cancelled || how == retry_class::never)
    return false;
  return std::ranges::count_if(outcome.failures, &attempt_record::possibly_billed) <= most_billed_tries;
}

/// Says on the sample whom the tries went to, and why the call went on.
void note_target(const lane_state& lane, const open_call& open, call_outcome& outcome) {
  if (lane.targets.size() == 1)
    return;
  outcome.served_by = name_of(lane.targets[open.target].model);
  for (auto& failure : outcome.failures)
    if (failure.target.empty())
      failure.target = outcome.served_by;
}

/// @returns whether the call went on to another target.
bool move_on(self_pointer self, lane_state& lane, open_call& open, call_outcome& outcome, outgoing& out) {
  if (lane.targets.size() == 1 || !may_move(open, outcome))
    return false;
  auto& from = lane.targets[open.target];
  const bool was_not_tried = outcome.error->code == errc::breaker_open;
  if (was_not_tried)
    from.available = false; // Its own word may come later than the call.
  else
    open.failed_at |= bit_of(open.target);
  const auto next = choose(self, lane, open.failed_at);
  if (!next)
    return false;
  open.request.failures = std::move(outcome.failures);
  if (was_not_tried && *next != open.target)
    open.request.failures.push_back(
        {errc::breaker_open, 0, milliseconds{0}, false, outcome.error->message, {}, name_of(from.model)});
  if (*next != open.target) {
    ++self->state.moved;
    spdlog::debug("router moves a call from={} to={} reason={}", name_of(from.model),
                  name_of(lane.targets[*next].model), to_string(outcome.error->code));
  }
  direct(lane, open, *next, out);
  return true;
}

} // namespace

call_outcome failed_outcome(call&& request, fault reason, wall_time now) {
  call_outcome out;
  out.id = request.id;
  out.failures = std::move(request.failures);
  for (const auto& failure : out.failures)
    out.possibly_billed = out.possibly_billed || failure.possibly_billed;
  out.error = std::move(reason);
  out.finished_at = now;
  return out;
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
  outgoing out;
  for (auto& request : batch.calls) {
    const auto id = request.id;
    auto& open = self->state.calls[id];
    open = open_call{batch.where.run, std::move(request)};
    direct(lane, open, choose(self, lane, 0).value_or(0), out);
  }
  lane.open += static_cast<uint32_t>(batch.calls.size());
  send_out(self, out);
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
    learn(seen, outcome);
    note_target(lane, open, outcome);
    if (move_on(self, lane, open, outcome, out))
      return true;
    --lane.open;
    self->state.calls.erase(entry);
    return false;
  });
  send_out(self, out);
  if (!out.empty())
    start_ticking(self, config);
  if (found != self->state.lanes.end() && !batch.outcomes.empty())
    self->send(found->second.sink, std::move(batch));
}

void resend_calls(self_pointer self, const provider_id& provider) {
  outgoing out;
  for (const auto& [id, open] : self->state.calls) {
    const auto lane = self->state.lanes.find(open.run);
    if (lane != self->state.lanes.end() && is_at(open, lane->second, provider))
      out[{open.run, open.target}].push_back(open.request);
  }
  send_out(self, out);
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
    const auto before = open.target;
    if (move_on(self, lane->second, open, outcome, out))
      --lane->second.targets[before].seen->in_use;
  }
  send_out(self, out);
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
