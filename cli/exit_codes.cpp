#include "cli/exit_codes.hpp"

namespace assay::cli {

exit_code exit_code_of(errc code) noexcept {
  switch (code) {
  case errc::invalid_argument:
  case errc::too_large:
  case errc::unsupported:
  case errc::conflict:
  case errc::invalid_transition:
    return exit_code::usage;
  case errc::malformed_input:
  case errc::dataset_changed:
  case errc::dataset_unreadable:
  case errc::template_failed:
    return exit_code::configuration;
  case errc::not_found:
    return exit_code::not_found;
  case errc::unauthenticated:
  case errc::forbidden:
  case errc::rate_limited:
  case errc::quota_exhausted:
  case errc::connect_failed:
  case errc::provider_timeout:
  case errc::provider_unavailable:
  case errc::truncated_answer:
  case errc::malformed_answer:
  case errc::provider_rejected:
  case errc::credentials_rejected:
  case errc::content_filtered:
  case errc::breaker_open:
    return exit_code::provider;
  case errc::cancelled:
  case errc::shutting_down:
    return exit_code::ended_early;
  case errc::store_locked:
  case errc::store_unreadable:
  case errc::store_full:
  case errc::store_failed:
  case errc::store_incompatible:
    return exit_code::store;
  case errc::scorer_failed:
  case errc::time_limit_reached:
  case errc::budget_exhausted:
  case errc::request_over_budget:
  case errc::busy:
    return exit_code::failed;
  case errc::actor_lost:
  case errc::deadline_exceeded:
  case errc::internal:
    return exit_code::internal;
  }
  return exit_code::internal;
}

namespace {

exit_code code_of_failed(const run_record& run) noexcept {
  if (!run.error)
    return exit_code::failed;
  // What is too large in a run is a provider's answer.
  if (run.error->code == errc::too_large)
    return exit_code::provider;
  switch (const auto code = exit_code_of(run.error->code)) {
  case exit_code::configuration:
  case exit_code::provider:
  case exit_code::store:
    return code;
  default:
    return exit_code::failed;
  }
}

} // namespace

exit_code exit_code_of(const std::vector<const run_record*>& runs, bool strict) {
  auto failure = exit_code::ok;
  auto rest = exit_code::ok;
  for (const auto* run : runs) {
    auto code = exit_code::ok;
    if (run->state == run_state::failed)
      code = code_of_failed(*run);
    else if (strict && run->progress.failed > 0)
      code = exit_code::failed;
    else if (run->state != run_state::completed)
      rest = exit_code::ended_early;
    if (code != exit_code::ok)
      failure = failure == exit_code::ok || failure == code ? code : exit_code::failed;
  }
  return failure != exit_code::ok ? failure : rest;
}

std::string_view exit_code_help() noexcept {
  return "Exit codes:\n"
         "  0    everything went well\n"
         "  1    a run failed, samples failed under --strict, a check found something broken, or a gate "
         "failed\n"
         "  2    the command line makes no sense\n"
         "  3    a configuration file, variable or task file is wrong\n"
         "  4    the named run, task, model or sample does not exist\n"
         "  5    no provider could be reached or gave an answer, or its key is missing or refused\n"
         "  6    the data folder cannot be used, or output cannot be written\n"
         "  7    the run was cancelled or paused, or the process was told to end\n"
         "  8    a defect of assay\n"
         "  9    `assay gate` could not tell: too few samples, or the run did not end\n"
         "  130  Ctrl-C; the same command goes on where this one stopped\n";
}

} // namespace assay::cli
