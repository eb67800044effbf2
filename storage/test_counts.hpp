#pragma once

#include "core/reports/test_counts.hpp"
#include "storage/snapshot.hpp"
#include "storage/write_batch.hpp"

#include <memory>
#include <string>
#include <vector>

/// The result database in the table `test_counts`: one document for every run that has ended and for every
/// import. A run's document is written in the transaction that ends the run, so each counts once, with its
/// last state, whatever falls in between; runs that are removed from the store stay counted.
namespace assay::storage {

/// @returns the key of a source's document.
std::string counts_key(const reports::counted_source& source);
std::string counts_key(run_id run);

/// @returns all sources; runs by age, then imports by name. Opens a snapshot a page. For reader threads.
result<std::vector<reports::counted_source>> read_counts(const std::shared_ptr<store>& from);

/// @returns the runs that ought to be counted and are not, or were retried since: those that ended before the
/// store had counts, oldest last. For reader threads.
result<std::vector<run_id>> uncounted_runs(const std::shared_ptr<store>& from);

/// Counts the samples of a run as they are stored. For worker threads.
/// @returns errc::invalid_argument for a run whose pinned tasks cannot be read.
result<reports::counted_source> count_tests(const std::shared_ptr<store>& from, const run_record& run);

/// Adds the document of @p source to @p batch; one without tests erases it.
void put_counts(write_batch& batch, const reports::counted_source& source);

} // namespace assay::storage
