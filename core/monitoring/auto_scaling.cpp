#include "core/monitoring/auto_scaling.hpp"

#include <algorithm>

namespace assay::monitoring {

namespace {

struct wish {
  double factor = highest_factor;
  std::string reason;
};

/// @returns the factor for one model: the smallest that is recommended, or back up when none is.
wish wish_for(const std::pair<provider_id, model_id>& which, const std::vector<recommendation>& all) {
  wish out{highest_factor, "nothing asks for fewer calls any more"};
  for (const auto& one : all)
    if (one.concurrency_factor && one.provider == which.first && one.model == which.second
        && *one.concurrency_factor < out.factor)
      out = {std::max(*one.concurrency_factor, lowest_factor), one.reason};
  return out;
}

bool rests(const scaled_model& one, const scaling_rules& rules, wall_time now) {
  // A clock that was set back ends the rest.
  return one.changed_at != wall_time{} && now >= one.changed_at && now - one.changed_at < rules.cooldown;
}

uint64_t samples_of(const std::pair<provider_id, model_id>& which, const std::vector<model_view>& models) {
  for (const auto& one : models)
    if (one.provider == which.first && one.model == which.second)
      return one.windows.five_minutes.samples;
  return 0;
}

} // namespace

std::vector<scaling_step> scale(scaled_models& shares, const std::vector<recommendation>& recommended,
                                const std::vector<model_view>& models, const scaling_rules& rules,
                                wall_time now) {
  for (const auto& one : recommended)
    if (one.concurrency_factor && *one.concurrency_factor < 1)
      shares.try_emplace({one.provider, one.model});
  std::vector<scaling_step> out;
  for (auto& [which, state] : shares) {
    if (rests(state, rules, now))
      continue;
    const auto asked = wish_for(which, recommended);
    const auto after = std::clamp(state.share * asked.factor, rules.least_share, 1.0);
    if (after == state.share)
      continue;
    out.push_back({which.first, which.second, state.share, after, asked.reason, samples_of(which, models)});
    state = {after, now, asked.reason};
  }
  std::erase_if(
      shares, [&](const auto& entry) { return entry.second.share >= 1 && !rests(entry.second, rules, now); });
  return out;
}

} // namespace assay::monitoring
