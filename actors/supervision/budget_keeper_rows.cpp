#include "actors/supervision/budget_keeper_detail.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace assay::budget_keeper_detail {

namespace {

using control::budget_key;
using nlohmann::json;

constexpr const char* table_name = "budgets";
constexpr std::string_view account_prefix = "account|";
constexpr std::string_view lease_prefix = "lease|";

std::string lease_row(uint64_t id) {
  const auto digits = std::to_string(id);
  return std::string(lease_prefix) + std::string(20 - digits.size(), '0') + digits;
}

void erase_row(append_batch& rows, std::string key) {
  rows.documents.push_back({table_name, std::move(key), std::nullopt, false, std::nullopt});
}

/// What is damaged is left out: an account then counts from nothing, which its warning says.
void restore_account(budget_keeper_state& state, const std::string& name, const std::string& text) {
  const auto key = control::budget_key_from_string(name);
  const auto value = json::parse(text, nullptr, false);
  if (!key || !value.is_object() || !value.contains("spent") || !value["spent"].is_number_integer()) {
    spdlog::warn("budget keeper cannot read an account name=\"{}\"", name);
    return;
  }
  state.ledger.restore(*key, {money{value["spent"].get<int64_t>()}, money{}});
  if (const auto told = value.find("alerted"); told != value.end() && told->is_number_unsigned())
    state.alerted[*key] = told->get<size_t>();
  if (const auto limit = value.find("limit"); limit != value.end() && limit->is_number_integer())
    state.limits[*key] = money{limit->get<int64_t>()};
}

void restore_lease(budget_keeper_state& state, const std::string& row, const std::string& text) {
  uint64_t id = 0;
  const auto digits = std::string_view(row).substr(lease_prefix.size());
  const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  const auto value = json::parse(text, nullptr, false);
  if (wrong != std::errc{} || end != digits.data() + digits.size() || !value.is_object()
      || !value.contains("run") || !value["run"].is_string() || !value.contains("left")
      || !value["left"].is_number_integer() || !value.contains("accounts") || !value["accounts"].is_array()) {
    spdlog::warn("budget keeper cannot read a lease row=\"{}\"", row);
    return;
  }
  const auto run = run_id_from_string(value["run"].get_ref<const std::string&>());
  if (!run)
    return;
  open_lease lease;
  lease.run = *run;
  lease.left = money{value["left"].get<int64_t>()};
  for (const auto& name : value["accounts"])
    if (name.is_string())
      if (auto key = control::budget_key_from_string(name.get_ref<const std::string&>()))
        lease.keys.push_back(std::move(*key));
  for (const auto& key : lease.keys) {
    auto account = state.ledger.find(key);
    account.leased += lease.left;
    state.ledger.restore(key, account);
  }
  if (const auto unrecorded = value.find("interactive");
      unrecorded != value.end() && unrecorded->is_boolean())
    lease.interactive = unrecorded->get<bool>();
  if (const auto target = value.find("target"); target != value.end() && target->is_number_unsigned())
    lease.target = target->get<uint32_t>();
  if (const auto one = value.find("one_try"); one != value.end() && one->is_number_integer())
    lease.one_try = money{one->get<int64_t>()};
  lease.account = lease.run;
  if (const auto account = value.find("account"); account != value.end() && account->is_string())
    lease.account = run_id_from_string(account->get_ref<const std::string&>()).value_or(lease.run);
  if (const auto batch = value.find("of_batch"); batch != value.end() && batch->is_boolean())
    lease.of_batch = batch->get<bool>();
  if (!lease.interactive && !lease.of_batch)
    state.orphaned.insert(lease.account);
  state.next_lease = std::max(state.next_lease, id + 1);
  state.leases.emplace(id, std::move(lease));
}

} // namespace

void put_account(const budget_keeper_state& state, append_batch& rows, const budget_key& key) {
  const auto account = state.ledger.find(key);
  json value{{"spent", account.spent.nanodollars}};
  if (const auto told = state.alerted.find(key); told != state.alerted.end())
    value["alerted"] = told->second;
  if (const auto limit = state.limits.find(key); limit != state.limits.end())
    value["limit"] = limit->second.nanodollars;
  rows.documents.push_back(
      {table_name, std::string(account_prefix) + to_string(key), value.dump(), false, {}});
}

void put_lease(append_batch& rows, uint64_t id, const open_lease& lease) {
  json keys = json::array();
  for (const auto& key : lease.keys)
    keys.push_back(to_string(key));
  json value{{"run", to_string(lease.run)},          {"target", lease.target},
             {"left", lease.left.nanodollars},       {"accounts", keys},
             {"one_try", lease.one_try.nanodollars}, {"interactive", lease.interactive}};
  if (lease.of_batch)
    value["of_batch"] = true;
  if (lease.account != lease.run)
    value["account"] = to_string(lease.account);
  rows.documents.push_back({table_name, lease_row(id),
                            value.dump(-1, ' ', false, json::error_handler_t::replace), false, std::nullopt});
}

/// A batch names each key once: the last write counts.
void write(self_pointer self, const config_ptr& config, append_batch rows) {
  if (rows.documents.empty())
    return;
  std::map<std::string, size_t> last;
  for (size_t i = 0; i < rows.documents.size(); ++i)
    last[rows.documents[i].key] = i;
  std::vector<document_change> distinct;
  for (size_t i = 0; i < rows.documents.size(); ++i)
    if (last[rows.documents[i].key] == i)
      distinct.push_back(std::move(rows.documents[i]));
  rows.documents = std::move(distinct);
  rows.watermark = ++self->state.next_watermark;
  self->send(config->journal, append{std::move(rows), caf::actor_cast<commit_sink_actor>(self)});
}

void erase_account(append_batch& rows, const budget_key& key) {
  erase_row(rows, std::string(account_prefix) + to_string(key));
}

void erase_lease(append_batch& rows, uint64_t id) { erase_row(rows, lease_row(id)); }

result<void> recall_rows(budget_keeper_state& state, const config_ptr& config) {
  if (!config->recall)
    return {};
  const auto rows = config->recall();
  if (!rows)
    return rows.error();
  for (const auto& [key, text] : *rows)
    if (key.starts_with(account_prefix))
      restore_account(state, key.substr(account_prefix.size()), text);
  for (const auto& [key, text] : *rows)
    if (key.starts_with(lease_prefix))
      restore_lease(state, key, text);
  return {};
}

} // namespace assay::budget_keeper_detail
