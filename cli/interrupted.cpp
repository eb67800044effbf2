#include "cli/interrupted.hpp"

#include "storage/folder_lock.hpp"

namespace assay::cli {

bool nothing_runs(const config::settings& settings) {
  return !storage::lock_holder(settings.storage.data_dir);
}

bool is_interrupted(run_state state) noexcept { return !is_final(state) && state != run_state::paused; }

void remark_on_interrupted(const command_context& context, size_t count) {
  if (count > 0)
    remark(context, (count == 1 ? std::string("an interrupted run goes on")
                                : show_count(count) + " interrupted runs go on")
                        + " with `assay resume ID`, with the command that began it, or at a start of "
                          "`assay serve`");
}

} // namespace assay::cli
