#pragma once

#include "actors/clocks.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "core/control/purse.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace assay {

/// What a model's configuration allows.
struct model_budgets {
  std::optional<money> per_request;
  std::optional<money> per_day;
  std::optional<money> per_month;
};

/// A budget of which a good part is gone.
struct budget_alert {
  control::budget_key key;
  money spent;
  money limit;
  double share = 0; ///< The threshold that was reached, 1 for all of it.
};

struct budget_keeper_config {
  std::optional<money> per_request;
  std::optional<money> per_run;
  std::optional<money> per_day;
  std::optional<money> per_tenant; ///< A day.
  std::function<model_budgets(const model_id&)> find_model;
  journal_actor journal;
  monitor_actor monitor = {}; ///< Hears of the budgets. Empty: nobody does.
  std::shared_ptr<executor> workers;
  /// The rows of table budgets that an earlier keeper left. Asked at the start; without them it does not
  /// start, since it would grant what is spent.
  std::function<result<std::map<std::string, std::string>>()> recall;
  /// What the answers of a run in the store have cost. For worker threads.
  std::function<result<money>(run_id)> journaled_cost;
  /// How many tries of a run may have been billed without an answer, by what the store says: they count as
  /// the most that one can cost. For worker threads. Empty: none.
  std::function<result<uint64_t>(run_id)> lost_tries;
  /// For how many tries a call's money is reserved by whoever sends it.
  uint32_t charged_tries = 1;
  /// Shares of a limit, rising, at which somebody is told.
  std::vector<double> alert_at{0.8, 1.0};
  /// Called besides the warning in the log.
  std::function<void(const budget_alert&)> on_alert;
  /// How long a lane waits for money that others hold.
  std::chrono::seconds patience{900};
  /// Accounts of past days, months and runs go after this.
  std::chrono::days remembered{100};
  size_t max_waiting = 10'000;
  std::chrono::milliseconds tick_interval{1'000};
  wall_clock wall = wall_now;
};

/// @relates budget_keeper
struct budget_keeper_state {
  static inline const char* name = "budget-keeper";

  struct open_lease {
    run_id run; ///< Of its lane.
    uint32_t target = 0;
    run_id account; ///< The run whose answers its calls belong to: mostly its lane's.
    std::vector<control::budget_key> keys;
    money left;                ///< Neither spent nor returned.
    lease_holder_actor holder; ///< Invalid when it has fallen: the lease is an orphan.
    money one_try;             ///< The most that one try of its calls may cost.
    bool interactive = false;  ///< Its answers are in no store: as an orphan it counts as spent.
    bool of_batch = false;     ///< As an orphan it waits for the next batch desk.
  };

  struct waiting_wish {
    request_lease message;
    std::chrono::steady_clock::time_point since{};
  };

  struct uncommitted_grant {
    uint64_t watermark = 0;
    lease_granted message;
    lease_holder_actor holder;
  };

  control::budget_ledger ledger;
  std::map<uint64_t, open_lease> leases;
  uint64_t next_lease = 1;
  std::map<control::purse_lane, std::vector<control::budget_key>> keys_of_lane; ///< Of its newest lease.
  std::deque<waiting_wish> waiting;
  std::deque<uncommitted_grant> grants;
  std::set<caf::actor_addr> watched;
  caf::actor_addr desk;                          ///< Who holds the leases of batches.
  std::map<control::budget_key, size_t> alerted; ///< How many thresholds have been told of.
  std::map<control::budget_key, money> limits;   ///< As last used.
  std::vector<budget_state> told;                ///< To the monitor.
  std::set<run_id> orphaned;                     ///< Runs with leases that nobody holds.
  std::set<run_id> looking_up;                   ///< Of those, whose cost is being found.
  std::string today;
  uint64_t next_watermark = 0;
  std::optional<fault> failed; ///< The store takes nothing any more, so nothing is granted.
  bool ticking = false;
};

/// Keeps what may be spent: by run, day, user, model and API key. A lane asks for a lease before its calls
/// and settles what they cost. A lease is granted once it is durable, so that no crash makes money appear:
/// what was leased counts as spent until the holder has settled it or, when it fell, until the journal says
/// what its runs have really cost. Days and months are those of UTC, by the injected clock.
budget_keeper_actor::behavior_type
budget_keeper(budget_keeper_actor::stateful_pointer<budget_keeper_state> self, budget_keeper_config config);

} // namespace assay
