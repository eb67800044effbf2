#pragma once

#include "cli/api_client.hpp"
#include "core/values/run.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

/// Runs as a server's API shows them.
namespace assay::cli {

/// The record as far as the API's form of a run tells it.
run_record record_from(const nlohmann::json& status);

/// @returns errc::invalid_argument unless @p name is an id or `last`: what a server's commands take.
result<void> check_run_name(const std::string& name);

/// Finds the run that a user means: an id, or `last` for the newest.
/// @returns errc::invalid_argument for anything else, errc::not_found when the server has no run.
result<run_id> find_run_at(const api_client& api, const std::string& name);

} // namespace assay::cli
