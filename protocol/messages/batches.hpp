#pragma once

#include "protocol/messages/calls.hpp"

#include <string>
#include <utility>
#include <vector>

namespace assay {

/// A call that cannot stand in a batch, or in any request to its provider.
struct batch_refusal {
  uint32_t row = 0;
  fault reason;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, batch_refusal& x) {
  return f(caf::meta::type_name("batch_refusal"), x.row, x.reason);
}

/// INTERNAL to the batch desk: the calls of one batch as they go to the provider, written by a worker.
struct batch_encoded {
  std::string chunk;
  shared_text lines; ///< Empty when every call was refused.
  std::vector<batch_refusal> refused;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, batch_encoded& x) {
  return f(caf::meta::type_name("batch_encoded"), x.chunk, x.lines, x.refused);
}

/// What became of one call of a batch.
struct batch_result {
  uint32_t row = 0;
  bool tried = true; ///< False: the provider did not come to it.
  call_outcome outcome;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, batch_result& x) {
  return f(caf::meta::type_name("batch_result"), x.row, x.tried, x.outcome);
}

/// INTERNAL to the batch desk: one body of results, read by a worker.
struct batch_results_read {
  std::string chunk;
  std::vector<batch_result> results;
  uint64_t foreign = 0; ///< Rows of other batches.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, batch_results_read& x) {
  return f(caf::meta::type_name("batch_results_read"), x.chunk, x.results, x.foreign);
}

/// INTERNAL to the batch desk: the batches that an earlier desk left, by the keys of their rows.
struct batches_recalled {
  std::vector<std::pair<std::string, std::string>> rows;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, batches_recalled& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("batches_recalled"), x.rows, error);
}

} // namespace assay
