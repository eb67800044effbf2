#pragma once

#include "storage/records.hpp"
#include "storage/store.hpp"
#include "storage/tables.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace assay::storage {

namespace detail {
class read_transaction;
} // namespace detail

/// No page has more rows. Larger limits count as this one.
inline constexpr size_t max_page_rows = 1000;

/// Which generations of a sample count. The verb retry writes a new one and keeps the old.
enum class generation_rule : uint8_t {
  latest, ///< Only the newest one of each sample.
  all,
};

/// What a list of runs is narrowed to.
struct run_query {
  std::optional<run_state> state;
  std::optional<user_id> owner;
  std::optional<run_id> before; ///< Continue below this run.
  size_t limit = 100;
  /// Runs of the kind llm_batch are passed over unless they are asked for.
  bool with_batches = false;
};

struct run_page {
  std::vector<run_record> runs;
  /// Where the next page continues; nothing when this is the last one. A page may be short or empty and still
  /// have a next one: the number of rows looked at is limited too.
  std::optional<run_id> next;
};

struct summary_page {
  std::vector<run_summary> runs;
  std::optional<run_id> next;
};

struct sample_page {
  std::vector<sample_record> samples; ///< By address.
  std::optional<sample_address> next; ///< `after` of the next page; nothing when this is the last one.
};

/// Address and status only.
struct sample_mark {
  sample_address address;
  sample_status status = sample_status::answered;
};

struct mark_page {
  std::vector<sample_mark> marks;
  std::optional<sample_address> next;
};

/// Where an answer stands among a run's answers.
struct response_place {
  sample_address address;
  uint16_t attempt = 0;
};

struct response_page {
  std::vector<response_record> responses;
  std::optional<response_place> next;
};

/// An answer's place and times only.
struct times_page {
  std::vector<std::pair<response_place, answer_times>> times;
  std::optional<response_place> next;
};

/// One event as it was numbered: of the run's life, or the end of a sample, with the sample's present record.
struct stored_event {
  uint64_t seq = 0;
  std::variant<event, sample_record> what;
};

struct event_page {
  std::vector<stored_event> events; ///< seq rises by one from each to the next in page_events().
  uint64_t last_seq = 0;            ///< `after_seq` of the next page.
  bool more = false;
};

struct document_query {
  std::string prefix; ///< Only keys that start with it.
  std::optional<std::string> after;
  std::optional<std::string> before; ///< Only keys below it.
  size_t limit = 100;
};

struct document_page {
  std::vector<std::pair<std::string, document>> documents; ///< By key.
  std::optional<std::string> next;                         ///< `after` of the next page.
};

struct document_key_page {
  std::vector<std::string> keys;   ///< In order.
  std::optional<std::string> next; ///< `after` of the next page.
};

/// A consistent view of the store, the only way to read it. Short-lived: above store_options::snapshot_limit
/// every call answers errc::deadline_exceeded, and the view is ended even when nobody calls, because an old
/// view makes the file grow. So: one snapshot a page, closed before anything slow. Not shared between threads
/// without a lock of one's own; may be moved between them. Calls block on the disk: point reads suit any
/// thread, pages belong on a reader thread. Damaged rows are errc::store_unreadable.
class snapshot {
public:
  /// @returns errc::busy while the map is exchanged or when all reader slots are taken.
  static result<snapshot> open(const std::shared_ptr<store>& from);

  ~snapshot();
  snapshot(snapshot&&) noexcept;
  snapshot& operator=(snapshot&&) noexcept;

  result<std::optional<run_record>> find_run(run_id run);
  /// Newest first.
  result<run_page> list_runs(const run_query& query);
  /// The same without reading the records.
  result<summary_page> list_summaries(const run_query& query);
  /// Runs that are not final, oldest first. @param after Continue above this run.
  result<run_page> open_runs(std::optional<run_id> after = std::nullopt, size_t limit = max_page_rows);

  result<std::optional<sample_record>> find_sample(run_id run, const sample_address& address);
  result<sample_page> page_samples(run_id run, std::optional<sample_address> after, size_t limit,
                                   generation_rule rule = generation_rule::latest);
  /// The same without decoding the records.
  result<mark_page> page_marks(run_id run, std::optional<sample_address> after, size_t limit,
                               generation_rule rule = generation_rule::latest);

  /// The answer of the last attempt at this address.
  result<std::optional<response_record>> find_response(run_id run, const sample_address& address);
  /// Of all attempts, first one first.
  result<std::vector<response_record>> find_responses(run_id run, const sample_address& address);
  /// Every answer of the run by address and attempt. A page ends at 8 MiB too.
  result<response_page> page_responses(run_id run, std::optional<response_place> after, size_t limit);

  /// The same without the answers' texts.
  result<times_page> page_times(run_id run, std::optional<response_place> after, size_t limit);

  /// Everything that happened after @p after_seq, in order and without gaps.
  result<event_page> page_events(run_id run, uint64_t after_seq, size_t limit);
  /// The same without the ends of samples, which are passed over unread: last_seq counts them, so seq has
  /// gaps there. A page ends after 1,000 rows passed, too, and may be empty then.
  result<event_page> page_lifecycle(run_id run, uint64_t after_seq, size_t limit);
  /// @returns the number of the run's newest event, 0 when it has none.
  result<uint64_t> last_seq(run_id run);

  /// JSON text.
  result<std::optional<std::string>> find_result(run_id run);

  result<std::optional<document>> find_document(table where, std::string_view key);
  result<document_page> page_documents(table where, const document_query& query);
  /// The same without reading the documents, so damaged ones are listed too.
  result<document_key_page> page_document_keys(table where, const document_query& query);

private:
  snapshot(std::shared_ptr<store> from, std::unique_ptr<detail::read_transaction> transaction);

  /// Declared first: outlives the transaction.
  std::shared_ptr<store> store_;
  std::unique_ptr<detail::read_transaction> transaction_;
  record_decoder decoder_;
};

/// Walks the marks of all samples of a run in pages, each in a snapshot of its own: how a run that goes on
/// learns what is done. Rows written meanwhile may or may not be met.
result<void> scan_done(const std::shared_ptr<store>& from, run_id run, generation_rule rule,
                       const std::function<void(const sample_address&, sample_status)>& each);

/// Adds up what the answers of a run have cost, of all tries and generations and whether they have a score or
/// not, in pages as scan_done(). Unknown costs count as nothing. For worker threads.
result<money> cost_of_answers(const std::shared_ptr<store>& from, run_id run);

/// @returns how many tries of the run may have been billed without an answer: those on record with its
/// answers, its lost calls, and the calls that are out at most. May open several snapshots.
result<uint64_t> lost_tries_of(const std::shared_ptr<store>& from, run_id run);

} // namespace assay::storage
