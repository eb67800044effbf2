#pragma once

#include "core/values/run.hpp"
#include "storage/output_folder.hpp"
#include "storage/store.hpp"

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

/// The result of a run as files: one JSON document, and every sample with its prompt and answer as JSON
/// lines, a file a task.
namespace assay::storage {

/// The files of one run, relative to the folder that they go to.
struct result_file_names {
  std::filesystem::path result;
  std::vector<std::filesystem::path> samples; ///< By task; empty when no samples are wanted.
};

/// @returns `<model>/results_<run>.json` and `<model>/samples_<task>_<run>.jsonl`, so that runs of one folder
/// never meet.
result_file_names result_files_of(const run_record& record, bool with_samples);

/// Writes the files of a run, each atomically. @param document JSON text; the run's status stands in for an
/// empty one. @param stop ends the writing between two pages of samples.
/// @returns the files in order, or what output_folder says; errc::shutting_down after a stop.
result<std::vector<std::filesystem::path>>
write_result_files(const std::shared_ptr<store>& from, const run_record& record, const std::string& document,
                   const output_folder& to, const result_file_names& names, const std::stop_token& stop = {});

/// Calls @p each with every sample of the run, newest generation only, as the API shows it, with the names of
/// its task and prompt type, until it answers false. Pages through the store. @param only_task An index, or
/// nothing for all.
result<void> for_each_sample(const std::shared_ptr<store>& from, const run_record& record,
                             std::optional<uint16_t> only_task,
                             const std::function<bool(const nlohmann::json&)>& each);

/// Keys in table::settings about the files of a run that a server is to write: it waits for the run's end,
/// and what became of it. They go with the run.
inline constexpr std::string_view waiting_files_prefix = "result_files/waiting/";
std::string waiting_files_key(run_id run);
std::string written_files_key(run_id run);

/// @returns the document of a run as JSON; the run's status when there is none.
nlohmann::json result_or_status(const run_record& record, const std::string& document);

} // namespace assay::storage
