#include "storage/tables.hpp"

namespace assay::storage {

namespace {

constexpr std::array<std::string_view, table_count> names = {
    "meta",
    "runs",
    "run_index",
    "samples",
    "responses",
    "scores",
    "events",
    "results",
    "response_cache",
    "users",
    "tokens",
    "api_keys",
    "provider_keys",
    "provider_state",
    "models",
    "ab_tests",
    "ab_observations",
    "call_stats",
    "alerts",
    "budgets",
    "audit",
    "idempotency",
    "settings",
    "batches",
    "test_counts",
    "experiments",
    "experiment_children",
};

constexpr std::array<table, table_count> tables = [] {
  std::array<table, table_count> all{};
  for (size_t i = 0; i < table_count; ++i)
    all[i] = static_cast<table>(i);
  return all;
}();

} // namespace

std::string_view to_string(table value) noexcept {
  const auto index = static_cast<size_t>(value);
  return index < names.size() ? names[index] : "unknown";
}

std::optional<table> table_from_string(std::string_view name) noexcept {
  for (const auto one : tables)
    if (to_string(one) == name)
      return one;
  return std::nullopt;
}

bool holds_documents(table value) noexcept {
  switch (value) {
  case table::meta:
  case table::runs:
  case table::run_index:
  case table::samples:
  case table::responses:
  case table::events:
  case table::results:
    return false;
  default:
    return static_cast<size_t>(value) < table_count;
  }
}

const std::array<table, table_count>& all_tables() noexcept { return tables; }

} // namespace assay::storage
