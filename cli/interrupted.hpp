#pragma once

#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "core/values/run.hpp"

#include <string_view>

/// Runs that no farm goes on with: their records still have the state in which their process ended.
namespace assay::cli {

/// Stands for the state of such a run wherever people read it.
inline constexpr std::string_view interrupted_word = "interrupted";

/// @returns whether no process has the data folder for writing, so that no run of it can be under way.
bool nothing_runs(const config::settings& settings);

/// @returns whether a run of a folder in which nothing runs was interrupted: it is neither final nor paused.
bool is_interrupted(run_state state) noexcept;

/// Says how to go on with @p count interrupted runs; nothing for none.
void remark_on_interrupted(const command_context& context, size_t count);

} // namespace assay::cli
