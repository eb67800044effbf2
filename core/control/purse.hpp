#pragma once

#include "core/control/budget.hpp"
#include "core/values/ids.hpp"

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace assay::control {

/// A run's calls to one of its models. Models of a route have prices and budgets of their own, so each has a
/// lease of its own.
struct purse_lane {
  run_id run;
  uint32_t target = 0; ///< Which of the run's models, in the order of its route.

  purse_lane() = default;
  purse_lane(run_id of, uint32_t which = 0) : run(of), target(which) {} // NOLINT: a run has one, usually

  auto operator<=>(const purse_lane&) const = default;
};

/// What the keeper of the budgets grants to one lane.
struct budget_lease {
  uint64_t id = 0;
  money amount;
  bool unlimited = false; ///< No budget is about this lane: nothing is reserved or reported any more.
  std::optional<money> per_request;
  std::string per_request_setting; ///< Where that limit is set.
};

/// The money that whoever sends calls holds: calls reserve their worst case from a lane's lease before they
/// go, and settle what they cost. Pure; the owner carries the messages.
///
/// How the model router uses it, with BUDGET KEEPER messages in brackets:
///
///     open_lane      purse.open(lane, model, prices); for each further model of a route when it is used
///     call_batch     for each call: reserve(lane, id, size_of(call ...)). go: send it. hold: keep it, the
///     purse will name
///                    it. refuse: answer with the fault.
///     call_outcome   settle(id, charge_of(...)); when the call failed over to another model, settle and
///                    reserve again at that model's lane
///     withdraw       take_held(lane): those calls end as cancelled without having been sent
///     close_lane     close(lane)
///     [lease_granted]   grant(lane, lease): send the calls that it returns
///     [lease_refused]   refuse(lane, fault): answer the calls that it returns, or move them on
///     [lease_recalled]  recall(lane)
///     after each of these, in this order: take_settlements() -> [leases_settled],
///     take_wishes() -> [request_lease]
///     the keeper fell: the root restarts the router, too
///
/// A lane that no budget is about costs one look into a table for each call.
class purse {
public:
  /// @param tries How often one call may be charged: its tries that may have been billed without an answer,
  /// and the last one. The worst case is reserved for all of them.
  /// @param block What is asked for at once, when calls are cheaper than that.
  explicit purse(uint32_t tries = 2, money block = money{100'000'000}) : tries_(tries), block_(block) {}

  enum class verdict : uint8_t { go, hold, refuse };

  struct decision {
    verdict what = verdict::go;
    std::optional<fault> reason; ///< With `refuse`.
  };

  /// Asks the keeper for the first lease. Idempotent.
  void open(const purse_lane& where, const std::string& model, const std::optional<token_prices>& prices);

  decision reserve(const purse_lane& where, call_id call, const call_size& size);

  /// A call ended. @param charge What it cost, or may have. Unknown calls are ignored.
  void settle(call_id call, money charge);

  /// @returns what to charge for a call whose worst case was reserved.
  /// @param cost Of the answer, when there is one. Unknown counts as the worst case.
  /// @param answered There is an answer.
  /// @param billed_tries How many tries may have been billed without an answer.
  money charge_of(call_id call, std::optional<money> cost, bool answered, uint32_t billed_tries) const;

  struct wish {
    purse_lane lane;
    money least;
    money wanted;
    money one_try; ///< The most that one try of any call of the lane has cost so far, as reserved.
  };

  struct settlement {
    purse_lane lane;
    uint64_t lease = 0;
    money spent;
    money returned;
  };

  struct refused_call {
    call_id call;
    fault reason;
  };

  struct released {
    std::vector<call_id> go;
    std::vector<refused_call> refused;
  };

  /// @returns the held calls that go now, and those that alone are too expensive.
  released grant(const purse_lane& where, const budget_lease& lease);
  /// @returns the held calls, which will not go. Later calls ask the keeper again.
  std::vector<refused_call> refuse(const purse_lane& where, const fault& reason);
  /// Others need money: gives back what is not reserved.
  void recall(const purse_lane& where);
  /// @returns the held calls of the lane, which are held no more.
  std::vector<call_id> take_held(const purse_lane& where);
  /// A held call ended without having been sent, or one that was to go did not. Unknown calls are ignored.
  void forget(const purse_lane& where, call_id call);
  /// Gives back what is not reserved; calls in flight are settled as they end.
  void close(const purse_lane& where);

  /// Leases to ask for, at most one a lane at a time.
  std::vector<wish> take_wishes();
  /// What was spent and what comes back since the last time.
  std::vector<settlement> take_settlements();

  /// @returns whether no budget is about the lane, so that nothing need be known of its calls.
  bool is_unlimited(const purse_lane& where) const;
  /// @returns whether the keeper should hear at once: somebody waits, or may wait for what comes back. What
  /// was spent may wait, since until then it counts as leased.
  bool is_urgent() const;
  /// @returns whether there are settlements or wishes to take.
  bool has_news() const noexcept { return !wishes_.empty() || !settlements_.empty(); }

  /// Reserved for calls in flight.
  money reserved() const noexcept { return reserved_; }
  size_t open_calls() const noexcept { return calls_.size(); }

private:
  struct held_call {
    call_id id;
    money worst;
  };

  struct lane_money {
    std::string model;
    std::optional<token_prices> prices;
    bool known = false; ///< The keeper has answered.
    bool unlimited = false;
    bool asking = false;
    bool recalled = false; ///< Gives everything back that becomes free.
    uint64_t lease = 0;    ///< 0: none.
    money left;            ///< Of the lease, not reserved.
    money one_try;         ///< The largest worst case so far.
    std::optional<money> per_request;
    std::string per_request_setting;
    std::deque<held_call> held;
  };

  struct reservation {
    purse_lane lane;
    uint64_t lease = 0;
    money amount;
    money worst; ///< Of one try.
  };

  void ask(const purse_lane& where, lane_money& lane);
  void give_back(const purse_lane& where, lane_money& lane);
  std::optional<fault> too_expensive(const lane_money& lane, money worst) const;
  bool take(const purse_lane& where, lane_money& lane, const held_call& one);
  void report(const purse_lane& where, uint64_t lease, money spent, money returned);
  money needed(money worst) const noexcept { return money{worst.nanodollars * tries_}; }

  uint32_t tries_;
  money block_;
  std::map<purse_lane, lane_money> lanes_;
  std::unordered_map<call_id, reservation> calls_;
  std::vector<wish> wishes_;
  std::vector<settlement> settlements_;
  money reserved_;
};

} // namespace assay::control
