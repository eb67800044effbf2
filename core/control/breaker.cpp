#include "core/control/breaker.hpp"

#include <algorithm>

namespace assay::control {

namespace {

int64_t second_of(steady_time now) noexcept {
  return std::chrono::floor<seconds>(now.time_since_epoch()).count();
}

} // namespace

std::string_view to_string(breaker_state state) noexcept {
  switch (state) {
  case breaker_state::closed:
    return "closed";
  case breaker_state::open:
    return "open";
  case breaker_state::half_open:
    return "half_open";
  }
  return "unknown";
}

breaker_outcome breaker_outcome_of(errc code) noexcept {
  switch (code) {
  case errc::connect_failed:
    return breaker_outcome::unreachable;
  case errc::provider_timeout:
  case errc::provider_unavailable:
  case errc::truncated_answer:
  case errc::malformed_answer:
    return breaker_outcome::failure;
  case errc::provider_rejected:
  case errc::content_filtered:
    return breaker_outcome::success;
  default:
    return breaker_outcome::neutral;
  }
}

breaker::breaker(const breaker_options& options) noexcept : options_(options) {
  options_.window = std::clamp(options_.window, seconds{1}, seconds{most_slices});
}

breaker::breaker(const breaker_options& options, const breaker_record& record, steady_time now,
                 nanoseconds elapsed) noexcept
    : breaker(options) {
  if (!record.open)
    return;
  state_ = breaker_state::open;
  open_for_ = std::clamp(record.open_for, options_.first_open, options_.longest_open);
  open_until_ = now + std::max(record.left - elapsed, nanoseconds{0});
}

std::optional<breaker_permit> breaker::try_acquire(steady_time now) noexcept {
  if (state_ == breaker_state::closed)
    return breaker_permit{phase_};
  if (state_ == breaker_state::open) {
    if (now < open_until_)
      return std::nullopt;
    state_ = breaker_state::half_open;
    begin_stage(0, now);
  }
  if (probes_out_ != 0 && now - last_probe_ >= options_.probe_deadline) {
    open(std::min(open_for_ * 2, options_.longest_open), now, 0);
    return std::nullopt;
  }
  if (probes_out_ + probes_passed_ >= stages[stage_])
    return std::nullopt;
  ++probes_out_;
  last_probe_ = now;
  return breaker_permit{phase_};
}

void breaker::record(breaker_permit permit, breaker_outcome outcome, steady_time now,
                     double random01) noexcept {
  if (permit.phase != phase_)
    return;
  if (state_ == breaker_state::closed) {
    if (outcome == breaker_outcome::neutral)
      return;
    unreachable_ = outcome == breaker_outcome::unreachable ? unreachable_ + 1 : 0;
    const bool failed = outcome != breaker_outcome::success;
    count(failed, now);
    if (failed && (unreachable_ >= options_.unreachable_in_a_row || should_trip(now)))
      open(options_.first_open, now, random01);
    return;
  }
  if (probes_out_ != 0)
    --probes_out_;
  // A neutral probe proved nothing: its place is free for another.
  if (outcome == breaker_outcome::neutral)
    return;
  if (outcome != breaker_outcome::success)
    return open(std::min(open_for_ * 2, options_.longest_open), now, random01);
  if (++probes_passed_ < stages[stage_])
    return;
  if (stage_ + 1 < stages.size())
    begin_stage(stage_ + 1, now);
  else
    close();
}

nanoseconds breaker::retry_in(steady_time now) const noexcept {
  return state_ == breaker_state::open && now < open_until_ ? nanoseconds{open_until_ - now} : nanoseconds{0};
}

breaker_record breaker::export_state(steady_time now) const noexcept {
  return {state_ != breaker_state::closed, state_ == breaker_state::closed ? nanoseconds{0} : open_for_,
          retry_in(now)};
}

void breaker::count(bool failed, steady_time now) noexcept {
  const auto second = second_of(now);
  auto& slice = slices_[static_cast<size_t>(second) % most_slices];
  if (slice.second != second)
    slice = {second, 0, 0};
  ++slice.calls;
  slice.failures += failed ? 1 : 0;
}

bool breaker::should_trip(steady_time now) const noexcept {
  const auto newest = second_of(now);
  uint64_t calls = 0;
  uint64_t failures = 0;
  for (const auto& slice : slices_) {
    if (slice.second < 0 || slice.second > newest || newest - slice.second >= options_.window.count())
      continue;
    calls += slice.calls;
    failures += slice.failures;
  }
  return calls >= std::max<uint32_t>(options_.minimum_calls, 1)
         && static_cast<double>(failures) >= options_.failure_share * static_cast<double>(calls);
}

void breaker::open(nanoseconds length, steady_time now, double random01) noexcept {
  state_ = breaker_state::open;
  ++phase_;
  unreachable_ = 0;
  open_for_ = length;
  const double jitter = static_cast<double>(length.count()) * options_.jitter * random01;
  open_until_ = now + length + nanoseconds{static_cast<int64_t>(jitter)};
}

void breaker::begin_stage(size_t stage, steady_time now) noexcept {
  ++phase_;
  stage_ = stage;
  probes_out_ = 0;
  probes_passed_ = 0;
  last_probe_ = now;
}

void breaker::close() noexcept {
  state_ = breaker_state::closed;
  ++phase_;
  slices_.fill({});
}

} // namespace assay::control
