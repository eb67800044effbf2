#pragma once

#include "core/values/errors.hpp"
#include "core/values/run.hpp"

#include <string_view>
#include <vector>

namespace assay::cli {

/// What the process's end tells scripts. The numbers are documented in `assay --help`; never renumber one.
enum class exit_code : int {
  ok = 0,
  failed = 1,        ///< A run failed, samples failed under --strict, or a check found something broken.
  usage = 2,         ///< The command line makes no sense.
  configuration = 3, ///< A configuration file, variable or task file is wrong.
  not_found = 4,     ///< The named run, task, model or sample does not exist.
  provider = 5,      ///< No provider could be reached or gave an answer, or its key is missing or refused.
  store = 6,         ///< The data folder cannot be used, or output cannot be written.
  ended_early = 7,   ///< The run was cancelled or paused, or the process was told to end (SIGTERM).
  internal = 8,      ///< A defect of assay.
  inconclusive = 9,  ///< A gate could neither pass nor fail: too little is known.
  interrupted = 130, ///< Ctrl-C; the same command goes on where this one stopped.
};

/// @returns how a process that ends for this reason should exit.
exit_code exit_code_of(errc code) noexcept;

/// @returns how a process whose runs stand like this should exit. Failed runs give the code of their reason
/// where that is a provider, the configuration or the store, and all of them agree; else failed.
/// @param strict Failed samples count as a failed run.
exit_code exit_code_of(const std::vector<const run_record*>& runs, bool strict = false);

/// The codes as a table for --help.
std::string_view exit_code_help() noexcept;

} // namespace assay::cli
