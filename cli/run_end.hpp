#pragma once

#include "cli/run_plan.hpp"
#include "cli/run_session.hpp"

/// What `assay run` and its relatives do around a session: before it starts and after its runs end.
namespace assay::cli {

/// @returns whether standard output is for JSON, and what people read goes to standard error.
bool wants_json(const command_context& context, const run_flags& flags);

/// Simulated models need the mock provider; without it every call would be tried for minutes.
/// @returns nothing wrong when someone listens at @p base_url.
result<void> check_mock_at(const std::string& base_url);

/// Follows the runs of @p session to their end, or until a signal; then shows, and writes, what came of them.
exit_code follow_to_end(const command_context& context, const run_flags& flags, run_session& session,
                        signals& caught);

} // namespace assay::cli
