#pragma once

#include "core/values/run.hpp"

#include <string_view>

/// What runs and their supervisor say about verbs.
namespace assay {

/// @returns `paused` for pause, and so on.
constexpr std::string_view participle(run_verb verb) noexcept {
  switch (verb) {
  case run_verb::pause:
    return "paused";
  case run_verb::resume:
    return "resumed";
  case run_verb::cancel:
    return "cancelled";
  case run_verb::retry:
    return "retried";
  case run_verb::purge:
    return "removed";
  case run_verb::redact:
    return "redacted";
  }
  return "changed";
}

/// @returns whether the run has only ended because its time was up; whoever resumes it means to retry it.
inline bool ran_out_of_time(const run_record& run) {
  return run.state == run_state::failed && run.error && run.error->code == errc::time_limit_reached;
}

} // namespace assay
