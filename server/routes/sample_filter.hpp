#pragma once

#include "core/values/run.hpp"
#include "core/values/sample.hpp"
#include "server/request_context.hpp"

#include <optional>
#include <string>

/// Which samples of an evaluation a caller wants to see.
namespace assay::server {

/// Which samples of a run are wanted.
struct sample_filter {
  std::string status;
  std::optional<double> lowest;
  std::optional<double> highest;
  std::string scorer; ///< Whose score the range is about; empty: the first one's.
  std::string error;  ///< A code, `any` or `none`; empty: whatever.
  std::optional<uint16_t> task;
  std::optional<uint16_t> variant;

  bool is_empty() const {
    return status.empty() && !lowest && !highest && scorer.empty() && error.empty() && !task && !variant;
  }
};

/// @returns the filter that the query parameters describe; invalid_argument naming the one that is wrong.
result<sample_filter> filter_in(const request_context& context, const run_record& run);

bool fits(const run_record& run, const sample_record& sample, const sample_filter& filter);

/// The place behind which the samples of the wanted task begin, unless the caller is further already.
std::optional<sample_address> begin_of(const sample_filter& filter, std::optional<sample_address> after);

/// @returns whether no wanted sample comes at or behind @p at.
bool is_past(const sample_filter& filter, const sample_address& at);

} // namespace assay::server
