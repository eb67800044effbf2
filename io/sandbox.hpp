#pragma once

#include "core/values/sandbox.hpp"
#include "io/process.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace assay::io {

class io_runtime;

/// Where the sandbox's own programs are, and who its programs run as.
struct sandbox_options {
  std::string launcher; ///< Absolute path of assay-launch.
  std::string bwrap{"/usr/bin/bwrap"};
  /// As root, what runs in slot n becomes this user plus n, who owns nothing. Not used otherwise.
  uint32_t first_user = 65'600;
};

/// @returns the path of the launcher that was installed, or built, beside this program.
std::string launcher_beside_this_program();

/// A program that lives in a sandbox for longer than one job, and speaks over its stdin and stdout.
struct sandbox_worker {
  std::vector<std::string> command;     ///< Looked for in /usr/bin and /bin.
  std::vector<std::string> environment; ///< `NAME=value`, beside PATH, HOME, TMPDIR and LANG.
  /// Files and folders of this machine that it may read, and where it sees them. As root, the user of its
  /// slot must be able to read them.
  std::vector<std::pair<std::string, std::string>> read;
  std::vector<sandbox_file> files; ///< In its working folder.
  sandbox_limits limits;           ///< A zero is no limit; output_bytes does not count here.
};

/// What to start for @p worker: process_options whose input stays open. What the launcher says comes on
/// on_report: a line `error ...` when it could not be run; a line `end ...` names what ended it.
/// @returns errc::invalid_argument for a file's name that leaves its folder, or errc::internal.
result<process_options> options_for(const sandbox_options& options, const sandbox_worker& worker,
                                    uint32_t slot);

/// One job on its way. Whoever lets go of it withdraws it.
class sandbox_run {
public:
  virtual ~sandbox_run() = default;
  /// Ends it early; its result says sandbox_end::withdrawn, unless it had ended.
  virtual void withdraw() = 0;
};

/// Runs @p job in a sandbox of its own: bubblewrap's namespaces, a filter of system calls, a read-only system
/// and one writable folder of bounded size. All its limits are enforced, and everything that it started is
/// ended with it. Nothing is run when the sandbox cannot be made.
///
/// @param slot Jobs that run at the same time have different ones, from 0.
/// @param done Called once, on the runtime's thread.
std::shared_ptr<sandbox_run> run_in_sandbox(io_runtime& runtime, const sandbox_options& options,
                                            const sandbox_job& job, uint32_t slot,
                                            std::function<void(sandbox_result)> done);

/// What a sandbox does here.
struct sandbox_findings {
  bool available = false;
  fault reason;                    ///< Why not, with a way to mend it.
  std::vector<std::string> limits; ///< Which limits hold, and by what.
};

/// A job that looks around in its sandbox; findings_from() reads its result.
sandbox_job look_around();

/// @returns unavailable also for a sandbox that runs programs but does not hold them.
sandbox_findings findings_from(const sandbox_result& looked_around);

} // namespace assay::io
