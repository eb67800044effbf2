#pragma once

#include "protocol/inspect.hpp"

#include <string>
#include <vector>

namespace assay {

/// A lane wants money for its calls. At most one such wish of a run and target is open at a time.
struct lease_wish {
  run_id run;
  uint32_t target = 0; ///< Which of the run's models, in the order of its route.
  model_id model;
  user_id tenant;
  std::optional<money> max_cost; ///< Of the run, as it asked for.
  money least;                   ///< With less, nothing can be sent.
  money wanted;
  money one_try;                   ///< The most that one try of a call may cost.
  bool interactive = false;        ///< The run is no evaluation: it has no budget, and nothing in the store.
  std::string api_key;             ///< That asks; empty for none.
  std::optional<money> key_budget; ///< Of that key, per day.
  run_id account;                  ///< Whose budget pays, when it is not the lane's own; empty: `run`.
  /// Its calls are in no hurry: it waits as long as others hold what it needs.
  bool patient = false;
  /// For a batch, which goes on whatever falls: the lease waits for whoever takes it over.
  bool of_batch = false;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_wish& x) {
  auto max_cost = field(x.max_cost);
  auto key_budget = field(x.key_budget);
  return f(caf::meta::type_name("lease_wish"), x.run, x.target, x.model, x.tenant, max_cost, x.least,
           x.wanted, x.one_try, x.interactive, x.api_key, key_budget, x.account, x.patient, x.of_batch);
}

/// Money that is booked, durably, for the calls of a lane.
struct lease_granted {
  run_id run;
  uint32_t target = 0; ///< As the wish.
  uint64_t lease = 0;
  money amount;
  bool unlimited = false; ///< No budget is about this lane; nothing was booked.
  std::optional<money> per_request;
  std::string per_request_setting; ///< Where that limit is set.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_granted& x) {
  auto per_request = field(x.per_request);
  return f(caf::meta::type_name("lease_granted"), x.run, x.target, x.lease, x.amount, x.unlimited,
           per_request, x.per_request_setting);
}

struct lease_refused {
  run_id run;
  uint32_t target = 0; ///< As the wish.
  fault reason;
  bool of_model = false; ///< By the model's own budget: another model of the run may have money.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_refused& x) {
  return f(caf::meta::type_name("lease_refused"), x.run, x.target, x.reason, x.of_model);
}

/// Others wait for money, or the day is over: what is not reserved goes back to the keeper now, and what
/// becomes free as it does.
struct lease_recalled {
  run_id run;
  uint32_t target = 0; ///< As the wish.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_recalled& x) {
  return f(caf::meta::type_name("lease_recalled"), x.run, x.target);
}

/// What became of a part of a lease.
struct lease_settlement {
  run_id run;
  uint32_t target = 0; ///< As the wish.
  uint64_t lease = 0;
  money spent;
  money returned;
  bool of_batch = false; ///< All of the lease at once; one that is not there any more was settled before.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_settlement& x) {
  return f(caf::meta::type_name("lease_settlement"), x.run, x.target, x.lease, x.spent, x.returned,
           x.of_batch);
}

struct leases_settled {
  std::vector<lease_settlement> parts;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, leases_settled& x) {
  return f(caf::meta::type_name("leases_settled"), x.parts);
}

/// INTERNAL: what the journal says that a run has cost, found by a worker.
struct run_cost_found {
  run_id run;
  money cost;              ///< Of its answers.
  uint64_t lost_tries = 0; ///< That may have been billed without an answer.
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_cost_found& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("run_cost_found"), x.run, x.cost, x.lost_tries, error);
}

/// One budget of the present day or month.
struct budget_state {
  std::string scope; ///< `day`, `tenant`, `model_day`, `model_month` or `api_key`.
  std::string name;  ///< Of the user, model or key; empty for the farm.
  money limit;
  money spent;
  money leased; ///< Held for calls that are out, or about to go.
  wall_time resets_at{};
  money alert_above; ///< An alert is raised when more than this is spent.

  bool operator==(const budget_state&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, budget_state& x) {
  return f(caf::meta::type_name("budget_state"), x.scope, x.name, x.limit, x.spent, x.leased, x.resets_at,
           x.alert_above);
}

/// For the MONITOR: the budgets of now, whenever they have changed, at most once a second.
struct observe_budgets {
  std::vector<budget_state> budgets;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, observe_budgets& x) {
  return f(caf::meta::type_name("observe_budgets"), x.budgets);
}

/// Asks for all budgets that have been used in the present day and month, but those of runs.
struct read_budgets {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_budgets&) {
  return f(caf::meta::type_name("read_budgets"));
}

struct budget_states {
  wall_time at{};
  std::vector<budget_state> budgets;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, budget_states& x) {
  return f(caf::meta::type_name("budget_states"), x.at, x.budgets);
}

} // namespace assay
