#pragma once

#include "core/control/budget.hpp"
#include "core/values/ids.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace assay::control {

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
///     open_lane      purse.open(run, model, prices)
///     call_batch     for each call: reserve(run, id, size_of(call ...)). go: send it. hold: keep it, the
///     purse will name
///                    it. refuse: answer with the fault.
///     call_outcome   settle(id, charge_of(...)); when the call failed over to another model, settle and
///                    reserve again with that model's prices
///     withdraw       take_held(run): those calls end as cancelled without having been sent
///     close_lane     close(run)
///     [lease_granted]   grant(run, lease): send the calls that it returns
///     [lease_refused]   refuse(run, fault): answer the calls that it returns
///     [lease_recalled]  recall(run)
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
  void open(run_id run, const std::string& model, const std::optional<token_prices>& prices);

  decision reserve(run_id run, call_id call, const call_size& size);

  /// A call ended. @param charge What it cost, or may have. Unknown calls are ignored.
  void settle(call_id call, money charge);

  /// @returns what to charge for a call whose worst case was reserved.
  /// @param cost Of the answer, when there is one. Unknown counts as the worst case.
  /// @param answered There is an answer.
  /// @param billed_tries How many tries may have been billed without an answer.
  money charge_of(call_id call, std::optional<money> cost, bool answered, uint32_t billed_tries) const;

  struct wish {
    run_id run;
    money least;
    money wanted;
  };

  struct settlement {
    run_id run;
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
  released grant(run_id run, const budget_lease& lease);
  /// @returns the held calls, which will not go. Later calls ask the keeper again.
  std::vector<refused_call> refuse(run_id run, const fault& reason);
  /// Others need money: gives back what is not reserved.
  void recall(run_id run);
  /// @returns the held calls of the run, which are held no more.
  std::vector<call_id> take_held(run_id run);
  /// Gives back what is not reserved; calls in flight are settled as they end.
  void close(run_id run);

  /// Leases to ask for, at most one a run at a time.
  std::vector<wish> take_wishes();
  /// What was spent and what comes back since the last time.
  std::vector<settlement> take_settlements();

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
    std::optional<money> per_request;
    std::string per_request_setting;
    std::deque<held_call> held;
  };

  struct reservation {
    run_id run;
    uint64_t lease = 0;
    money amount;
    money worst; ///< Of one try.
  };

  void ask(run_id run, lane_money& lane);
  void give_back(run_id run, lane_money& lane);
  std::optional<fault> too_expensive(const lane_money& lane, money worst) const;
  bool take(run_id run, lane_money& lane, const held_call& one);
  void report(run_id run, uint64_t lease, money spent, money returned);
  money needed(money worst) const noexcept { return money{worst.nanodollars * tries_}; }

  uint32_t tries_;
  money block_;
  std::unordered_map<run_id, lane_money> lanes_;
  std::unordered_map<call_id, reservation> calls_;
  std::vector<wish> wishes_;
  std::vector<settlement> settlements_;
  money reserved_;
};

} // namespace assay::control
