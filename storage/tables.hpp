#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace assay::storage {

/// The tables of the store. Their names are stored; the numbers are not.
enum class table : uint8_t {
  meta,           ///< Schema version, marks of unfinished work.
  runs,           ///< One record a run.
  run_index,      ///< State, owner and times of each run, for lists that must not read whole records.
  samples,        ///< The compact outcome of each sample.
  responses,      ///< Every answer, with its prompt and attempts.
  scores,         ///< Earlier scores, kept when a run is scored again.
  events,         ///< Lifecycle events and the order of the samples, by sequence number.
  results,        ///< The result of a completed run, JSON text.
  response_cache, ///< Answers by hash of the request.
  users,
  tokens,         ///< Refresh tokens.
  api_keys,       ///< Keys of users for the API, without their secrets.
  provider_keys,  ///< Encrypted by their writer.
  provider_state, ///< Breakers, key states, quotas: what must survive a restart.
  models,
  ab_tests,
  ab_observations,
  call_stats, ///< Call statistics by time bucket.
  alerts,
  budgets,
  audit,
  idempotency, ///< From a caller's key to the run it created.
  settings,    ///< What was changed at run time: routing, thresholds.
  batches,     ///< Batches at providers, from before they are made until their answers are safe.
  test_counts, ///< The result database: what each run that has ended brought, and imports.
  experiments, ///< Plans that run, without their children.
  experiment_children,
};

inline constexpr size_t table_count = static_cast<size_t>(table::experiment_children) + 1;

/// The longest key of a document, in bytes; LMDB takes no longer one.
inline constexpr size_t max_document_key = 511;

/// @returns the stored name.
std::string_view to_string(table value) noexcept;
std::optional<table> table_from_string(std::string_view name) noexcept;

/// @returns whether rows of this table are documents: versioned bytes that only their writer understands.
bool holds_documents(table value) noexcept;

/// Every table, in the order of the enumeration.
const std::array<table, table_count>& all_tables() noexcept;

} // namespace assay::storage
