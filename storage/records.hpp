#pragma once

#include "core/values/event.hpp"
#include "core/values/run.hpp"
#include "core/values/sample.hpp"
#include "storage/encoding.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::storage {

/// What lists and clean-up need to know of a run without reading its record.
struct run_summary {
  run_id run;
  run_state state = run_state::queued;
  user_id owner;
  model_id model;
  wall_time created_at{};
  std::optional<wall_time> finished_at;
  /// llm_batch is told apart; every other kind counts as an evaluation.
  run_kind kind = run_kind::evaluation;

  bool operator==(const run_summary&) const = default;
};

run_summary summary_of(const run_record& run);

/// A document: bytes that only their owner understands, and a version that rises by one with each write. An
/// erased document starts again at 1.
struct document {
  uint64_t version = 0;
  std::string bytes;

  bool operator==(const document&) const = default;
};

/// One row of the events table: a lifecycle event, or the samples that were finished one after another, the
/// first of which has the row's own sequence number.
struct event_row {
  std::optional<event> lifecycle;
  std::vector<sample_address> samples;

  /// How many sequence numbers the row takes.
  uint64_t count() const noexcept { return lifecycle ? 1 : samples.size(); }
};

/// The largest number of samples in one event row.
inline constexpr size_t max_samples_per_event_row = 1024;

/// When an answer came, and how long its last try took.
struct answer_times {
  call_timing timing;
  wall_time finished_at{};
};

/// Turns records into stored values. What the key says (run, address, attempt, sequence) is not repeated in
/// the value. Buffers are reused: each answer is valid until the next call. Not shared between threads.
class record_encoder {
public:
  std::string_view response(const response_record& record);
  std::string_view sample(const sample_record& record);
  std::string_view run(const run_record& record);
  std::string_view summary(const run_summary& record);
  std::string_view lifecycle(const event& record);
  std::string_view sample_events(std::span<const sample_address> samples);
  std::string_view text(std::string_view bytes);
  std::string_view versioned_document(uint64_t version, std::string_view bytes);

private:
  value_sealer sealer_;
};

/// Undoes record_encoder. Damaged bytes are errc::store_unreadable, versions from the future
/// errc::store_incompatible; no bytes whatsoever do worse. Not shared between threads.
class record_decoder {
public:
  result<response_record> response(run_id run, const sample_address& address, uint16_t attempt,
                                   std::string_view stored);
  /// The times of an answer alone, without its texts.
  result<answer_times> times(std::string_view stored);
  result<sample_record> sample(run_id run, const sample_address& address, std::string_view stored);
  /// The status alone, without the cost of the rest.
  result<sample_status> status(std::string_view stored);
  result<run_record> run(std::string_view stored);
  result<run_summary> summary(run_id run, std::string_view stored);
  result<event_row> events(run_id run, uint64_t seq, std::string_view stored);
  /// How many sequence numbers an event row takes.
  result<uint64_t> event_count(std::string_view stored);
  /// @returns whether the row is one event of a run's life, not a group of samples.
  result<bool> is_lifecycle(std::string_view stored);
  result<std::string> text(std::string_view stored);
  result<document> versioned_document(std::string_view stored);

private:
  /// @returns the payload of a value whose version is known. All are at version 1 so far.
  /// @param newest version of such rows that this reader knows.
  result<std::string_view> open(std::string_view stored, const char* what, uint8_t newest = 1);

  value_opener opener_;
};

} // namespace assay::storage
