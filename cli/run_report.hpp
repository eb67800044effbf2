#pragma once

#include "cli/output.hpp"
#include "core/values/run.hpp"
#include "storage/result_files.hpp"
#include "storage/store.hpp"

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::cli {

/// A run and its result document.
struct run_outcome {
  run_record record;
  std::string document; ///< JSON text; empty when there is none.
  /// It has not ended, and nobody goes on with it at present.
  bool interrupted = false;
};

/// Reads a run and its result; computes the result of what there is when the run has not stored one.
result<run_outcome> read_outcome(const std::shared_ptr<storage::store>& from, run_id run);

/// @returns why the run failed, with the name of its provider and what to do when the provider is to blame.
fault explained(const run_record& record);

/// The document as JSON, or the run's status when there is none. `interrupted` is true in it when the run is.
nlohmann::json outcome_json(const run_outcome& outcome);

/// Tasks and prompt types as rows, runs as columns: score ± standard error [95 % interval], count and errors;
/// below them cost, tokens and time. Side by side where that fits into the terminal, else one table a run.
std::string render_outcomes(const terminal& where, const std::vector<run_outcome>& outcomes);

/// How far judges agree, a line a pair; empty where no run has judges.
std::string render_agreements(const std::vector<run_outcome>& outcomes);

/// Finds out, before anything is paid, whether write_outcomes() can write to @p path: makes the missing
/// folders, and in the last one a file that it takes away again.
/// @returns errc::store_unreadable or errc::store_full with the path.
result<void> check_output_path(const std::filesystem::path& path);

/// Writes result files, each atomically. A @p path that ends in .json is the file of a single run, or the
/// pattern of several (`x.json` -> `x_<model>.json`); any other is a folder: `<model>/results_<run>.json`.
/// @param with_samples Also every sample with its prompt and answer, one JSON line each, a file a task.
/// @returns the files, in order.
result<std::vector<std::filesystem::path>> write_outcomes(const std::shared_ptr<storage::store>& from,
                                                          const std::vector<run_outcome>& outcomes,
                                                          const std::filesystem::path& path,
                                                          bool with_samples);

} // namespace assay::cli
