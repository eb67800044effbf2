#pragma once

#include "actors/supervision/budget_keeper.hpp"

/// What the parts of the budget keeper share. Private to budget_keeper*.cpp.
namespace assay::budget_keeper_detail {

using self_pointer = budget_keeper_actor::stateful_pointer<budget_keeper_state>;
using config_ptr = std::shared_ptr<const budget_keeper_config>;
using open_lease = budget_keeper_state::open_lease;

// -- budget_keeper_rows.cpp: what is durable

void put_account(const budget_keeper_state& state, append_batch& rows, const control::budget_key& key);
void erase_account(append_batch& rows, const control::budget_key& key);
void put_lease(append_batch& rows, uint64_t id, const open_lease& lease);
void erase_lease(append_batch& rows, uint64_t id);
/// Sends what has gathered to the journal.
void write(self_pointer self, const config_ptr& config, append_batch rows);
/// Takes over what an earlier keeper left. Its leases have no holder.
result<void> recall_rows(budget_keeper_state& state, const config_ptr& config);

} // namespace assay::budget_keeper_detail
