#include "core/control/aimd.hpp"

#include <algorithm>

namespace assay::control {

namespace {

constexpr uint32_t shortest_round = 4;

aimd_options sane(aimd_options options) noexcept {
  options.cap = std::max<uint32_t>(options.cap, 1);
  options.minimum = std::clamp<uint32_t>(options.minimum, 1, options.cap);
  return options;
}

} // namespace

aimd_limit::aimd_limit(const aimd_options& options) noexcept
    : options_(sane(options)), limit_(std::clamp(options_.initial, options_.minimum, options_.cap)) {}

aimd_limit::aimd_limit(const aimd_options& options, const aimd_state& state) noexcept : aimd_limit(options) {
  if (state.limit == 0)
    return;
  limit_ = std::clamp(state.limit, options_.minimum, options_.cap);
  slow_start_ = state.slow_start;
}

void aimd_limit::started() noexcept {
  ++in_flight_;
  round_peak_ = std::max(round_peak_, in_flight_);
}

void aimd_limit::ended() noexcept {
  if (in_flight_ != 0)
    --in_flight_;
}

void aimd_limit::begin_round() noexcept {
  round_successes_ = 0;
  round_peak_ = in_flight_;
}

void aimd_limit::grow() noexcept {
  const uint64_t step =
      slow_start_ ? limit_ : std::max<uint64_t>(1, static_cast<uint64_t>(limit_ * options_.increase));
  limit_ = static_cast<uint32_t>(std::min<uint64_t>(limit_ + step, options_.cap));
}

void aimd_limit::succeeded(bool clean, steady_time now) noexcept {
  ended();
  if (!clean || now < cooldown_until_ || ++round_successes_ < std::max(limit_, shortest_round))
    return;
  // Half-idle rounds prove nothing about a higher limit.
  if (round_peak_ >= options_.saturation * limit_)
    grow();
  begin_round();
}

void aimd_limit::rejected(steady_time now, std::optional<nanoseconds> retry_after) noexcept {
  ended();
  const auto cooldown = std::max(options_.cooldown, retry_after.value_or(nanoseconds{0}));
  slow_start_ = false;
  begin_round();
  // The calls that were in flight together fail together: that is one event, not many.
  if (now < cooldown_until_) {
    if (retry_after)
      cooldown_until_ = std::max(cooldown_until_, now + *retry_after);
    return;
  }
  limit_ = std::max(options_.minimum, static_cast<uint32_t>(limit_ * options_.decrease));
  cooldown_until_ = now + cooldown;
}

void aimd_limit::set_cap(uint32_t cap) noexcept {
  options_.cap = cap;
  options_ = sane(options_);
  limit_ = std::min(limit_, options_.cap);
}

} // namespace assay::control
