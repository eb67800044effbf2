#include "core/control/purse.hpp"

#include <algorithm>
#include <utility>

namespace assay::control {

void purse::open(const purse_lane& where, const std::string& model,
                 const std::optional<token_prices>& prices) {
  auto& lane = lanes_[where];
  lane.model = model;
  lane.prices = prices;
  if (!lane.known)
    ask(where, lane);
}

void purse::ask(const purse_lane& where, lane_money& lane) {
  if (std::exchange(lane.asking, true))
    return;
  // Too little for the first one that waits, and nobody overtakes it: kept here, it could be what the keeper
  // lacks.
  if (!lane.held.empty())
    give_back(where, lane);
  const auto least = lane.held.empty() ? money{} : needed(lane.held.front().worst);
  money wanted = block_;
  // As much as the calls that wait here need.
  money together;
  for (const auto& one : lane.held)
    together += needed(one.worst);
  wanted = std::max(wanted, together);
  wishes_.push_back({where, least, wanted, lane.one_try});
}

void purse::report(const purse_lane& where, uint64_t lease, money spent, money returned) {
  if (spent == money{} && returned == money{})
    return;
  const auto same = std::ranges::find_if(
      settlements_, [&](const settlement& one) { return one.lane == where && one.lease == lease; });
  if (same == settlements_.end()) {
    settlements_.push_back({where, lease, spent, returned});
    return;
  }
  same->spent += spent;
  same->returned += returned;
}

void purse::give_back(const purse_lane& where, lane_money& lane) {
  if (lane.lease != 0)
    report(where, lane.lease, money{}, std::exchange(lane.left, money{}));
  lane.lease = 0;
}

std::optional<fault> purse::too_expensive(const lane_money& lane, money worst) const {
  if (lane.per_request && worst > *lane.per_request)
    return over_request_budget(worst, *lane.per_request, lane.per_request_setting);
  return std::nullopt;
}

bool purse::take(const purse_lane& where, lane_money& lane, const held_call& one) {
  const auto amount = needed(one.worst);
  if (lane.lease == 0 || lane.left < amount)
    return false;
  lane.left -= amount;
  reserved_ += amount;
  calls_.emplace(one.id, reservation{where, lane.lease, amount, one.worst});
  return true;
}

purse::decision purse::reserve(const purse_lane& where, call_id call, const call_size& size) {
  const auto found = lanes_.find(where);
  if (found == lanes_.end())
    return {verdict::refuse,
            fault{errc::internal, "a call came for a lane that was never opened", to_string(where.run), {}}};
  auto& lane = found->second;
  if (lane.unlimited)
    return {};
  const auto worst = worst_case(size, lane.prices);
  // Whether a budget is about it is not known yet.
  const held_call one{call, worst.value_or(money{})};
  lane.one_try = std::max(lane.one_try, one.worst);
  if (!lane.known) {
    lane.held.push_back(one);
    ask(where, lane);
    return {verdict::hold, std::nullopt};
  }
  if (!worst)
    return {verdict::refuse, unpriced_under_budget(lane.model)};
  if (auto reason = too_expensive(lane, *worst))
    return {verdict::refuse, std::move(reason)};
  // Order is kept: while one waits, newcomers wait behind it.
  if (lane.held.empty() && take(where, lane, one))
    return {};
  lane.held.push_back(one);
  ask(where, lane);
  return {verdict::hold, std::nullopt};
}

void purse::settle(call_id call, money charge) {
  const auto found = calls_.find(call);
  if (found == calls_.end())
    return;
  const auto one = found->second;
  calls_.erase(found);
  reserved_ -= one.amount;
  const auto rest = one.amount - std::min(charge, one.amount);
  const auto lane = lanes_.find(one.lane);
  const bool stays = lane != lanes_.end() && lane->second.lease == one.lease && !lane->second.recalled;
  if (stays)
    lane->second.left += rest;
  report(one.lane, one.lease, charge, stays ? money{} : rest);
}

money purse::charge_of(call_id call, std::optional<money> cost, bool answered, uint32_t billed_tries) const {
  const auto found = calls_.find(call);
  if (found == calls_.end())
    return {};
  const auto worst = found->second.worst;
  money charge{worst.nanodollars * billed_tries};
  if (answered)
    charge += cost.value_or(worst);
  return charge;
}

purse::released purse::grant(const purse_lane& where, const budget_lease& lease) {
  released out;
  const auto found = lanes_.find(where);
  if (found == lanes_.end()) {
    // The lane was closed while the keeper decided.
    if (!lease.unlimited)
      report(where, lease.id, money{}, lease.amount);
    return out;
  }
  auto& lane = found->second;
  lane.known = true;
  lane.asking = false;
  lane.recalled = false;
  lane.unlimited = lease.unlimited;
  lane.per_request = lease.per_request;
  lane.per_request_setting = lease.per_request_setting;
  if (lane.unlimited) {
    for (const auto& one : std::exchange(lane.held, {}))
      out.go.push_back(one.id);
    return out;
  }
  give_back(where, lane);
  lane.lease = lease.id;
  lane.left = lease.amount;
  while (!lane.held.empty()) {
    const auto one = lane.held.front();
    auto reason = lane.prices ? too_expensive(lane, one.worst) : unpriced_under_budget(lane.model);
    if (!reason && !take(where, lane, one)) {
      ask(where, lane);
      break;
    }
    lane.held.pop_front();
    if (reason)
      out.refused.push_back({one.id, std::move(*reason)});
    else
      out.go.push_back(one.id);
  }
  return out;
}

std::vector<purse::refused_call> purse::refuse(const purse_lane& where, const fault& reason) {
  std::vector<refused_call> out;
  const auto found = lanes_.find(where);
  if (found == lanes_.end())
    return out;
  auto& lane = found->second;
  lane.asking = false;
  for (const auto& one : std::exchange(lane.held, {}))
    out.push_back({one.id, reason});
  return out;
}

void purse::recall(const purse_lane& where) {
  const auto found = lanes_.find(where);
  if (found == lanes_.end())
    return;
  auto& lane = found->second;
  report(where, lane.lease, money{}, std::exchange(lane.left, money{}));
  lane.recalled = true;
}

std::vector<call_id> purse::take_held(const purse_lane& where) {
  std::vector<call_id> out;
  if (const auto found = lanes_.find(where); found != lanes_.end())
    for (const auto& one : std::exchange(found->second.held, {}))
      out.push_back(one.id);
  return out;
}

void purse::forget(const purse_lane& where, call_id call) {
  settle(call, money{});
  if (const auto found = lanes_.find(where); found != lanes_.end())
    std::erase_if(found->second.held, [&](const held_call& one) { return one.id == call; });
}

void purse::close(const purse_lane& where) {
  const auto found = lanes_.find(where);
  if (found == lanes_.end())
    return;
  give_back(where, found->second);
  lanes_.erase(found);
}

bool purse::is_unlimited(const purse_lane& where) const {
  const auto found = lanes_.find(where);
  return found != lanes_.end() && found->second.unlimited;
}

bool purse::is_urgent() const {
  return !wishes_.empty()
         || std::ranges::any_of(settlements_, [](const settlement& one) { return one.returned > money{}; });
}

std::vector<purse::wish> purse::take_wishes() { return std::exchange(wishes_, {}); }

std::vector<purse::settlement> purse::take_settlements() { return std::exchange(settlements_, {}); }

} // namespace assay::control
