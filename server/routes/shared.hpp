#pragma once

#include "core/values/errors.hpp"
#include "core/values/run.hpp"
#include "server/request_context.hpp"
#include "server/route.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>

/// What several families of routes use.
namespace assay::server {

/// `page` and `limit` of a list.
std::vector<query_parameter> paging_parameters(int64_t usual_limit = 50);

/// @returns the id in the path; not_found for a text of another form, since no such evaluation can exist.
result<run_id> run_id_in_path(const request_context& context);

/// @returns the run if the caller may see it; a run of somebody else is not_found like one that does not
/// exist.
result<run_record> readable_run(const request_context& context, run_id run);

/// Adds `output` to what is shown of @p run, when it has asked for files: where they are, or why not.
void add_output(const request_context& context, const run_record& run, nlohmann::json& shown);

/// @returns why the caller may not have the farm ask by itself: its key has a limit of tokens a minute, which
/// calls that the edge does not see would pass by.
std::optional<fault> refuse_uncounted_calls(const request_context& context);

/// @returns the run if the caller may pause, resume, cancel and retry it; forbidden when it may only be seen.
result<run_record> changeable_run(const request_context& context, run_id run);

} // namespace assay::server
