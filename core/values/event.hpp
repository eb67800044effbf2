#pragma once

#include "core/values/ids.hpp"
#include "core/values/shared_text.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace assay {

enum class event_type : uint8_t {
  evaluation_created = 1,
  evaluation_started = 2,
  evaluation_progress = 3, ///< Never stored; latest wins.
  evaluation_paused = 4,
  evaluation_resumed = 5,
  evaluation_completed = 6,
  evaluation_failed = 7,
  evaluation_cancelled = 8,
  evaluation_retried = 9,
  sample_completed = 10, ///< Read from the samples by sequence; sent only to who asks for samples.
  log = 11,
  alert = 12,               ///< Of the monitor: about no run, and kept with the alerts.
  ab_test_analysis = 13,    ///< Of an A/B test: about no run, never stored; the latest says everything.
  experiment_progress = 14, ///< The same of an experiment.
};

std::string_view to_string(event_type type) noexcept;

/// Whether nothing follows in this generation of the run.
constexpr bool ends_run(event_type type) noexcept {
  return type == event_type::evaluation_completed || type == event_type::evaluation_failed
         || type == event_type::evaluation_cancelled;
}

/// One thing that happened to a run, numbered in order of commit within the run.
struct event {
  run_id run;
  uint64_t seq = 0;
  event_type type = event_type::log;
  wall_time at{};
  shared_text data; ///< JSON object text.
};

/// Under this id the event hub keeps those who follow the alerts; no run has it.
inline constexpr run_id alert_channel{0};

/// Under this id the event hub keeps those who follow an A/B test; no run has it. Two tests may share one, so
/// the frames name their test.
run_id ab_test_channel(std::string_view test) noexcept;

/// Whether @p id is that of some A/B test's channel.
constexpr bool is_ab_test_channel(run_id id) noexcept { return id.value != 0 && id.value >> 32U == 0; }

/// The same of an experiment.
run_id experiment_channel(std::string_view experiment) noexcept;

/// Whether @p id is that of some experiment's channel; no run was created in the first second of 1970.
constexpr bool is_experiment_channel(run_id id) noexcept { return id.value >> 32U == 1; }

/// The frame that subscribers get: {type, data, seq, timestamp}. Serialised once per event.
shared_text to_frame(const event& value);

} // namespace assay
