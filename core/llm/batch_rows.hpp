#pragma once

#include "core/values/errors.hpp"
#include "core/values/run.hpp"
#include "core/values/sample.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <string>
#include <string_view>

/// A batch of POST /llm_api/batch as a run: a task, a row for each item, and what became of them.
namespace assay::llm {

/// @returns the YAML text of the task that asks each row's `prompt`. @param system_prompt Sent as it is;
/// empty for none.
std::string batch_task(std::string_view system_prompt);

/// @returns one row as JSON text without a line's end: {index, item, prompt}, or {index, item, error} when
/// the template does not fit the item.
std::string batch_row(size_t index, const nlohmann::json& item, std::string_view prompt_template);

/// What is told of an item that was answered: {index, item, response, usage, finish_reason, cached}.
nlohmann::json answered_item(const nlohmann::json& row, const response_record& answer);

/// What is told of an item that was not: {index, item, error, error_code}. A row that could not be asked says
/// why itself; @p reason is for the others.
nlohmann::json failed_item(const nlohmann::json& row, const fault& reason);

/// @returns {total_requests, completed_requests, failed_requests, total_tokens, total_cost, start_time,
/// end_time}. Once the run has ended, items that were never asked count as failed; money is in dollars.
nlohmann::json batch_statistics(const run_record& run);

/// @returns `{provider}_{YYYYMMDD_HHMMSS}_{batch}`, the time in UTC: what the files of a batch are called.
std::string batch_file_name(const run_record& run);

} // namespace assay::llm
