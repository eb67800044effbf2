#pragma once

#include "protocol/inspect.hpp"

#include <string>
#include <utility>
#include <vector>

namespace assay {

/// A write to a table of documents. An absent value erases.
struct document_change {
  std::string table;
  std::string key;
  std::optional<std::string> value;
  bool only_if_absent = false;
  std::optional<std::string> only_if_equals; ///< The present value must be this one.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, document_change& x) {
  auto value = field(x.value);
  auto equals = field(x.only_if_equals);
  return f(caf::meta::type_name("document_change"), x.table, x.key, value, x.only_if_absent, equals);
}

/// Rows to be made durable together, in one transaction.
struct append_batch {
  uint64_t watermark = 0; ///< The owner's own count; comes back in `committed`. Rises.
  std::vector<response_record> responses;
  std::vector<sample_record> samples;
  std::vector<run_record> runs;
  std::vector<event> events; ///< Lifecycle events; the journal numbers them.
  std::vector<std::pair<run_id, std::string>> results;
  std::vector<document_change> documents;
  /// Final runs to be removed with all that belongs to them.
  std::vector<run_id> erased_runs;
  /// Final runs whose texts are to be removed; their scores stay.
  std::vector<run_id> redacted_runs = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, append_batch& x) {
  return f(caf::meta::type_name("append_batch"), x.watermark, x.responses, x.samples, x.runs, x.events,
           x.results, x.documents, x.erased_runs, x.redacted_runs);
}

/// Everything the owner appended up to this watermark is durable. Or nothing more will be, with the reason.
struct committed {
  uint64_t watermark = 0;
  uint64_t last_seq = 0;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, committed& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("committed"), x.watermark, x.last_seq, error);
}

/// The same as append_batch, asked and answered: for rare writes that somebody waits for.
struct append_and_wait {
  append_batch batch;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, append_and_wait& x) {
  return f(caf::meta::type_name("append_and_wait"), x.batch);
}

/// INTERNAL: one ticket of the writer thread is done.
struct ticket_done {
  uint64_t ticket = 0;
  uint64_t last_seq = 0;
  std::vector<event> events; ///< Numbered now.
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ticket_done& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("ticket_done"), x.ticket, x.last_seq, x.events, error);
}

/// INTERNAL: what the writer thread has committed since the last time.
struct writer_reported {
  std::vector<ticket_done> tickets;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, writer_reported& x) {
  return f(caf::meta::type_name("writer_reported"), x.tickets);
}

/// Writes out what has gathered and answers when it is durable: the last request before a stop.
struct flush_journal {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, flush_journal&) {
  return f(caf::meta::type_name("flush_journal"));
}

} // namespace assay
