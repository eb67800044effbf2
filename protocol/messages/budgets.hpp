#pragma once

#include "protocol/inspect.hpp"

#include <string>
#include <vector>

namespace assay {

/// A lane wants money for its calls. At most one such wish of a run is open at a time.
struct lease_wish {
  run_id run;
  model_id model;
  user_id tenant;
  std::optional<money> max_cost; ///< Of the run, as it asked for.
  money least;                   ///< With less, nothing can be sent.
  money wanted;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_wish& x) {
  auto max_cost = field(x.max_cost);
  return f(caf::meta::type_name("lease_wish"), x.run, x.model, x.tenant, max_cost, x.least, x.wanted);
}

/// Money that is booked, durably, for the calls of a lane.
struct lease_granted {
  run_id run;
  uint64_t lease = 0;
  money amount;
  bool unlimited = false; ///< No budget is about this lane; nothing was booked.
  std::optional<money> per_request;
  std::string per_request_setting; ///< Where that limit is set.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_granted& x) {
  auto per_request = field(x.per_request);
  return f(caf::meta::type_name("lease_granted"), x.run, x.lease, x.amount, x.unlimited, per_request,
           x.per_request_setting);
}

struct lease_refused {
  run_id run;
  fault reason;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_refused& x) {
  return f(caf::meta::type_name("lease_refused"), x.run, x.reason);
}

/// Others wait for money, or the day is over: what is not reserved goes back to the keeper now, and what
/// becomes free as it does.
struct lease_recalled {
  run_id run;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_recalled& x) {
  return f(caf::meta::type_name("lease_recalled"), x.run);
}

/// What became of a part of a lease.
struct lease_settlement {
  run_id run;
  uint64_t lease = 0;
  money spent;
  money returned;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lease_settlement& x) {
  return f(caf::meta::type_name("lease_settlement"), x.run, x.lease, x.spent, x.returned);
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
  money cost;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_cost_found& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("run_cost_found"), x.run, x.cost, error);
}

} // namespace assay
