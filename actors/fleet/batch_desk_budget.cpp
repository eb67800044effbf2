#include "actors/fleet/batch_desk_detail.hpp"
#include "core/control/budget.hpp"

#include <nlohmann/json.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace assay::batch_desk_detail {

namespace {

using nlohmann::json;

/// Far from the models of a route, whose money the router holds.
constexpr uint32_t target_of_batches = 0x8000'0000;

uint32_t longest_answer_of(const batch_desk_config& config, const model_id& model) {
  const auto known = config.longest_answer ? config.longest_answer(model) : 0;
  return known > 0 ? known : config.assumed_answer;
}

void settle_lease(self_pointer self, const config_ptr& config, const lease_settlement& part) {
  if (config->budgets)
    self->send(config->budgets, leases_settled{{part}});
}

/// @returns why no budget lets the call go, whatever is left.
std::optional<fault> never_goes(const lane_state& lane, const batch_desk_state::row& row) {
  if (!lane.where.prices)
    return control::unpriced_under_budget(lane.where.model.value);
  if (lane.per_request && row.worst > *lane.per_request)
    return control::over_request_budget(row.worst, *lane.per_request, lane.per_request_setting);
  return std::nullopt;
}

/// Ends the calls that alone are too expensive. Those that nobody asks for at the moment go as well: nothing
/// is made of them yet, so they are asked anew.
/// @returns whether there were any.
bool refuse_expensive(lane_state& lane, chunk& which, answers& out) {
  const auto before = which.rows.size();
  std::vector<batch_desk_state::row> kept;
  for (auto& row : which.rows) {
    if (!row.asked)
      continue;
    if (auto reason = never_goes(lane, row))
      out.refuse(which.run, std::move(*row.asked), std::move(*reason), false);
    else
      kept.push_back(std::move(row));
  }
  std::erase_if(lane.unclaimed, [&](const auto& entry) { return entry.second.first == which.label.chunk; });
  which.rows = std::move(kept);
  return which.rows.size() < before;
}

/// Leaves what the lease pays for; the rest waits for the next batch.
void cut_to_lease(self_pointer self, lane_state& lane, chunk& which) {
  money sum;
  size_t fits = 0;
  while (fits < which.rows.size() && sum + which.rows[fits].worst <= which.leased)
    sum += which.rows[fits++].worst;
  std::vector<std::pair<call, std::string>> rest;
  for (size_t i = fits; i < which.rows.size(); ++i)
    rest.emplace_back(std::move(*which.rows[i].asked), std::move(which.rows[i].question));
  which.rows.resize(fits);
  gather_again(self, lane, std::move(rest));
}

} // namespace

std::optional<money> worst_of(const batch_desk_config& config, const lane_state& lane, const account& from,
                              const call& request) {
  const auto size = control::size_of(request.messages, request.parameters, request.options.get(),
                                     longest_answer_of(config, lane.where.model));
  const auto online = control::worst_case(size, lane.where.prices);
  if (!online)
    return std::nullopt;
  const auto share = static_cast<double>(online->nanodollars) * from.profile.batches.price_factor;
  return money{static_cast<int64_t>(std::ceil(share))};
}

void bound_usage(const batch_desk_config& config, const lane_state& lane, const batch_desk_state::row& row,
                 call_outcome& outcome) {
  control::call_size size;
  size.prompt_bytes = config.belief.longest_answer;
  if (row.asked)
    size = control::size_of(row.asked->messages, row.asked->parameters, row.asked->options.get(), 0);
  const auto known = config.longest_answer ? config.longest_answer(lane.where.model) : 0;
  const auto told = outcome.usage;
  if (control::keep_possible(outcome.usage,
                             control::possible_usage(size, known, outcome.answer.size(), config.belief)))
    return;
  outcome.usage_estimated = true;
  spdlog::warn("batch desk is told more tokens than is possible provider={} model={} prompt_tokens={} "
               "completion_tokens={} kept_prompt_tokens={} kept_completion_tokens={}",
               lane.where.provider.value, lane.where.model.value, told.prompt_tokens, told.completion_tokens,
               outcome.usage.prompt_tokens, outcome.usage.completion_tokens);
}

money charge_of(const lane_state& lane, const account& from, const batch_desk_state::row& row,
                const call_outcome& outcome) {
  if (outcome.error)
    return outcome.possibly_billed ? row.worst : money{};
  const auto online = price_of(outcome.usage, lane.where.prices);
  return online ? from_dollars(to_dollars(*online) * from.profile.batches.price_factor) : row.worst;
}

money worst_of(const chunk& which) noexcept {
  auto sum = which.spent;
  for (const auto& row : which.rows)
    sum += row.charged ? money{} : row.worst;
  return sum;
}

chunk* paying_of(batch_desk_state& state, const lane_state& lane) {
  for (const auto& id : lane.chunks)
    if (auto& which = state.chunks.at(id); which.now == phase::paying)
      return &which;
  return nullptr;
}

bool waits_for_budget(self_pointer self, const batch_desk_config& config, const lane_state& lane) {
  const auto* which = paying_of(self->state, lane);
  return which != nullptr && self->clock().now() - which->paying_since >= config.untold_wait;
}

void pay(self_pointer self, const config_ptr& config, lane_state& lane, chunk& which) {
  which.now = phase::paying;
  which.due.reset();
  which.paying_since = self->clock().now();
  lease_wish wish;
  wish.run = which.run;
  wish.target = target_of_batches;
  wish.model = lane.where.model;
  wish.tenant = lane.where.tenant;
  wish.max_cost = lane.where.max_cost;
  for (const auto& row : which.rows) {
    wish.wanted += row.worst;
    wish.one_try = std::max(wish.one_try, row.worst);
  }
  if (!which.rows.empty())
    wish.least = which.rows.front().worst;
  wish.interactive = lane.where.interactive;
  wish.api_key = lane.where.api_key;
  wish.key_budget = lane.where.key_budget;
  wish.account = lane.where.account;
  wish.patient = true;
  wish.of_batch = true;
  self->send(config->budgets, request_lease{std::move(wish), caf::actor_cast<lease_holder_actor>(self)});
}

void settle_money(self_pointer self, const config_ptr& config, chunk& which, money spent) {
  const auto lease = std::exchange(which.lease, 0);
  if (lease == 0)
    return;
  const auto rest = which.leased - std::min(spent, which.leased);
  settle_lease(self, config, {which.run, target_of_batches, lease, spent, rest, true});
}

void on_lease(self_pointer self, const config_ptr& config, const lease_granted& news, answers& out) {
  auto& state = self->state;
  const auto found = state.lanes.find(news.run);
  auto* which = found == state.lanes.end() ? nullptr : paying_of(state, found->second);
  if (which == nullptr) {
    // Its calls were taken back while the keeper decided.
    if (!news.unlimited && news.amount > money{})
      settle_lease(self, config, {news.run, target_of_batches, news.lease, money{}, news.amount, true});
    return;
  }
  auto& lane = found->second;
  lane.unlimited = news.unlimited;
  lane.per_request = news.per_request;
  lane.per_request_setting = news.per_request_setting;
  if (!news.unlimited) {
    which->lease = news.amount > money{} ? news.lease : 0;
    which->leased = news.amount;
    const bool fewer = refuse_expensive(lane, *which, out);
    if (which->rows.empty())
      return drop(self, config, which->label.chunk);
    if (fewer) {
      // The lease would hold money for what never goes.
      settle_money(self, config, *which, money{});
      return pay(self, config, lane, *which);
    }
    cut_to_lease(self, lane, *which);
    if (which->rows.empty())
      return drop(self, config, which->label.chunk);
  }
  which->now = phase::encoding;
  step(self, config, *which, out);
}

void on_lease(self_pointer self, const config_ptr& config, const lease_refused& news, answers& out) {
  auto& state = self->state;
  const auto found = state.lanes.find(news.run);
  auto* which = found == state.lanes.end() ? nullptr : paying_of(state, found->second);
  if (which == nullptr)
    return;
  // Another model of the run may have money.
  if (news.of_model && found->second.where.route.models.size() > 1)
    return ask_online(self, config, *which, news.reason, false, out);
  for (auto& [request, question] : take_calls(found->second, *which))
    out.refuse(which->run, std::move(request), news.reason, false);
  drop(self, config, which->label.chunk);
}

void spend_lost_row(self_pointer self, const config_ptr& config, const std::string& text) {
  const auto row = json::parse(text, nullptr, false);
  if (!row.is_object() || !row.contains("run") || !row["run"].is_string())
    return;
  const auto run = run_id_from_string(row["run"].get_ref<const std::string&>());
  const auto lease = row.find("lease");
  const auto leased = row.find("leased");
  if (!run || lease == row.end() || !lease->is_number_unsigned() || leased == row.end()
      || !leased->is_number_integer())
    return;
  const money all{leased->get<int64_t>()};
  settle_lease(self, config, {*run, target_of_batches, lease->get<uint64_t>(), all, money{}, true});
}

void take_over(self_pointer self, const config_ptr& config) {
  if (!config->budgets)
    return;
  take_over_leases wish{{}, caf::actor_cast<lease_holder_actor>(self)};
  for (const auto& [id, which] : self->state.chunks)
    if (which.lease != 0)
      wish.leases.push_back(which.lease);
  self->send(config->budgets, std::move(wish));
}

} // namespace assay::batch_desk_detail
