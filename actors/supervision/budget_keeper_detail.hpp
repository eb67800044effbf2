#pragma once

#include "actors/supervision/budget_keeper.hpp"

/// What the parts of the budget keeper share. Private to budget_keeper*.cpp.
namespace assay::budget_keeper_detail {

using self_pointer = budget_keeper_actor::stateful_pointer<budget_keeper_state>;
using config_ptr = std::shared_ptr<const budget_keeper_config>;
using open_lease = budget_keeper_state::open_lease;

// -- budget_keeper_claims.cpp: which budgets are about a lane

/// All accounts that a lane's money comes from.
/// @returns the run whose budget pays for the lane's calls.
inline run_id account_of(const lease_wish& wish) noexcept {
  return wish.account.empty() ? wish.run : wish.account;
}

std::vector<control::budget_claim> claims_of(const config_ptr& config, const lease_wish& wish,
                                             const model_budgets& model);
/// The limit of one call, and which setting says so.
void add_request_limit(const config_ptr& config, const lease_wish& wish, const model_budgets& model,
                       lease_granted& out);

// -- budget_keeper.cpp: what was granted

void start_ticking(self_pointer self, const config_ptr& config);
/// Books a part of a lease.
void settle(self_pointer self, const config_ptr& config, append_batch& rows, const lease_settlement& part);
/// Money has come back: whoever waits is looked at again, in order. A large wish does not stop a small one
/// from another account.
void serve_waiting(self_pointer self, const config_ptr& config);

// -- budget_keeper_orphans.cpp: leases that nobody holds

/// Leases whose run has an answer in the store: what that has cost is looked up.
void reconcile(self_pointer self, const config_ptr& config);
void on_cost_found(self_pointer self, const config_ptr& config, const run_cost_found& news);
/// Nothing in the store tells what these have cost: they count as spent.
void spend_unrecorded(self_pointer self, const config_ptr& config);
void on_take_over(self_pointer self, const config_ptr& config, const take_over_leases& wish);
void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down);

// -- budget_keeper_rows.cpp: what is durable

void put_account(const budget_keeper_state& state, append_batch& rows, const control::budget_key& key);
void erase_account(append_batch& rows, const control::budget_key& key);
void put_lease(append_batch& rows, uint64_t id, const open_lease& lease);
void erase_lease(append_batch& rows, uint64_t id);
/// Sends what has gathered to the journal.
void write(self_pointer self, const config_ptr& config, append_batch rows);
/// Takes over what an earlier keeper left. Its leases have no holder.
result<void> recall_rows(budget_keeper_state& state, const config_ptr& config);

// -- budget_keeper_views.cpp: what others are shown

/// What has been used in the present day and month. Runs come and go; their budgets are in their own records.
budget_states present(const budget_keeper_state& state, const config_ptr& config);
/// Tells the monitor when something has changed.
void tell_monitor(self_pointer self, const config_ptr& config);
gauges read_all(const budget_keeper_state& state, const config_ptr& config);

} // namespace assay::budget_keeper_detail
