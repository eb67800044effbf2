#include "actors/runs/evaluation_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

// Runs that may end before all their samples are asked.
namespace assay::evaluation_detail {

void stop_when_enough(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  if (state.enough || state.ends_as || !state.watch || !state.watch->decision().stop())
    return;
  state.enough = true;
  spdlog::info("evaluation knows enough run={} reason={} samples={}", to_string(state.record.spec.id),
               stats::to_string(state.watch->decision().reason), state.watch->decision().samples);
  withdraw(self, ctx, std::nullopt);
  settle(self, ctx);
}

std::optional<early_stop> early_end(const evaluation_state& state) {
  if (!state.enough || state.ends_as != run_state::completed)
    return std::nullopt;
  const auto& decision = state.watch->decision();
  const auto& progress = state.record.progress;
  early_stop out;
  out.reason = stats::to_string(decision.reason);
  out.samples = decision.samples;
  out.samples_saved = progress.total - std::min(progress.done, progress.total);
  if (progress.cost && progress.done > 0)
    out.cost_saved = from_dollars(to_dollars(*progress.cost) / static_cast<double>(progress.done)
                                  * static_cast<double>(out.samples_saved));
  out.mean = decision.mean;
  out.low = decision.confidence.low;
  out.high = decision.confidence.high;
  return out;
}

} // namespace assay::evaluation_detail
