#pragma once

#include "core/values/event.hpp"
#include "core/values/run.hpp"
#include "core/values/sample.hpp"
#include "storage/encoding.hpp"
#include "storage/tables.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay::storage {

/// The texts of one row together, in bytes: half of what a value may have, since encodings add names, numbers
/// and escapes.
inline constexpr size_t max_text_bytes = max_value_bytes / 2;

/// What must hold for a batch to be written. Checked inside the write transaction, so that two callers cannot
/// both find it true.
struct document_condition {
  enum class kind : uint8_t {
    none,
    absent,     ///< There is no such document.
    version_is, ///< Its version is this one.
    bytes_are,  ///< Its bytes are these.
  };

  kind what = kind::none;
  uint64_t version = 0;
  std::string bytes;

  static document_condition if_absent() { return {kind::absent, 0, {}}; }
  static document_condition if_version(uint64_t version) { return {kind::version_is, version, {}}; }
  static document_condition if_bytes(std::string bytes) { return {kind::bytes_are, 0, std::move(bytes)}; }
};

/// One write to a table of documents; a batch names each key once.
struct document_write {
  table where = table::settings;
  std::string key;                  ///< 1..max_document_key bytes; lists go by its order.
  std::optional<std::string> bytes; ///< Nothing erases.
  document_condition condition;
};

/// Rows that are committed together or not at all. The conditions of all its documents are checked first:
/// when one does not hold, nothing of the batch is written.
struct write_batch {
  uint64_t ticket = 0; ///< The caller's own; comes back in the report.
  std::vector<response_record> responses;
  /// Those scored or failed get the next sequence numbers of their run, before the events of the same batch.
  std::vector<sample_record> samples;
  std::vector<run_record> runs; ///< last_seq is filled in.
  std::vector<event> events;    ///< Lifecycle events; seq is filled in. evaluation_progress is never stored.
  std::vector<std::pair<run_id, std::string>> results; ///< JSON text; an empty one erases.
  std::vector<document_write> documents;
  /// Final runs to be removed with all their rows: the record at once, the rest in small steps afterwards.
  std::vector<run_id> erased_runs;
  /// Final runs whose texts are to be removed in small steps afterwards; their scores stay.
  std::vector<run_id> redacted_runs;

  void put_document(table where, std::string key, std::string bytes, document_condition condition = {}) {
    documents.push_back({where, std::move(key), std::move(bytes), std::move(condition)});
  }
  void erase_document(table where, std::string key, document_condition condition = {}) {
    documents.push_back({where, std::move(key), std::nullopt, std::move(condition)});
  }
};

/// @returns the number of rows of @p batch.
size_t row_count(const write_batch& batch) noexcept;

/// @returns about how much memory @p batch takes, in bytes.
size_t byte_count(const write_batch& batch) noexcept;

/// @returns errc::invalid_argument or errc::too_large when the store can never take @p batch.
result<void> validate(const write_batch& batch);

/// How far the events of a run have come.
struct run_watermark {
  run_id run;
  uint64_t last_seq = 0; ///< Of its newest event; 0 when it has none.
};

/// What became of one document of a batch.
struct document_outcome {
  bool condition_held = true;
  uint64_t version = 0; ///< The present one, after the batch; 0 when there is no document.
  /// The present bytes, when the condition did not hold and there is a document.
  std::optional<std::string> present;
};

/// What became of one batch.
struct ticket_report {
  uint64_t ticket = 0;
  /// Nothing when the batch is durable. errc::conflict when a condition did not hold or a run to be erased is
  /// not final, errc::not_found when it does not exist: the batch was not written and the writer goes on.
  /// errc::store_full or errc::store_failed: it was not written and the writer takes no more.
  std::optional<fault> error;
  std::vector<run_watermark> runs;         ///< Each run that the batch touched, once.
  std::vector<event> events;               ///< The lifecycle events, numbered.
  std::vector<document_outcome> documents; ///< One for each write, in order.
};

/// What one commit did, or why it failed.
struct commit_report {
  std::vector<ticket_report> tickets; ///< In the order of submission.
  /// Set when the store failed: then in each ticket too, and every later submit answers the same.
  std::optional<fault> error;
};

} // namespace assay::storage
