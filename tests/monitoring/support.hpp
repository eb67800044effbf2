#pragma once

#include "core/monitoring/monitor_view.hpp"

#include <chrono>
#include <string>

namespace assay::monitoring::test {

using namespace std::chrono_literals;

inline constexpr wall_time noon{seconds{1'704'110'400}}; // 2024-01-01T12:00:00Z

inline counted_call answered(microseconds duration, double dollars = 0.01) {
  counted_call out;
  out.duration = duration;
  out.usage.prompt_tokens = 10;
  out.usage.completion_tokens = 5;
  out.cost = from_dollars(dollars);
  return out;
}

inline counted_call failed(errc error, microseconds duration = 1s) {
  counted_call out;
  out.error = error;
  out.duration = duration;
  return out;
}

/// A model whose windows all say the same.
inline model_view model(const std::string& name, const call_tally& tally) {
  model_view out;
  out.provider = provider_id{"p"};
  out.model = model_id{name};
  out.windows = {summarise(tally, 60s), summarise(tally, 300s), summarise(tally, 3600s),
                 summarise(tally, 86400s)};
  return out;
}

inline call_tally tally_of(int answers, microseconds duration, int failures = 0,
                           errc error = errc::provider_unavailable) {
  call_tally out;
  for (int i = 0; i < answers; ++i)
    out.add(answered(duration));
  for (int i = 0; i < failures; ++i)
    out.add(failed(error, duration));
  return out;
}

} // namespace assay::monitoring::test
