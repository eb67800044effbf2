#include "core/control/refusal_pace.hpp"

#include <algorithm>
#include <numeric>

namespace assay::control {

namespace {

constexpr uint64_t least_answers = 10;
constexpr double lowest_pace = 0.1;
constexpr double decrease = 0.9;
constexpr double largest_decrease = 0.5;
constexpr double increase = 1.01;
constexpr seconds forgotten_after{300};
constexpr seconds one_second{1};

int64_t second_of(steady_time now) noexcept {
  return std::chrono::floor<seconds>(now.time_since_epoch()).count();
}

} // namespace

refusal_pace::refusal_pace(const refusal_pace_state& state, steady_time now, nanoseconds elapsed) noexcept
    : pace_(std::max(state.per_second, 0.0)), refused_at_(now - state.since_refusal - elapsed),
      quiet_until_(now), grown_at_(now) {}

void refusal_pace::rotate(steady_time now) noexcept {
  const auto second = second_of(now);
  if (second - newest_ >= window) {
    answers_.fill(0);
    newest_ = second;
  }
  while (newest_ < second)
    answers_[static_cast<size_t>(++newest_ % window)] = 0;
}

uint64_t refusal_pace::seen() const noexcept {
  return std::accumulate(answers_.begin(), answers_.end(), uint64_t{0});
}

double refusal_pace::seen_per_second(steady_time now) const noexcept {
  // The newest slice is as long as its second is old, the others are whole.
  const auto whole = now - steady_time{seconds{newest_ - window + 1}};
  const std::chrono::duration<double> span = std::clamp<nanoseconds>(now - first_, one_second, whole);
  return static_cast<double>(seen()) / span.count();
}

void refusal_pace::answered(uint64_t calls, steady_time now) noexcept {
  rotate(now);
  if (calls == 0)
    return;
  if (seen() == 0)
    first_ = now;
  answers_[static_cast<size_t>(newest_ % window)] += calls;
  if (pace_ > 0 && now - grown_at_ >= one_second && now >= quiet_until_) {
    pace_ *= increase;
    grown_at_ = now;
  }
}

void refusal_pace::refused(steady_time now, nanoseconds closed_for) noexcept {
  rotate(now);
  const bool known = per_second(now).has_value();
  const bool same = known && now < quiet_until_;
  if (!known && seen() < least_answers)
    return;
  const auto measured = seen() < least_answers ? pace_ * decrease : decrease * seen_per_second(now);
  if (!known)
    pace_ = std::max(measured, lowest_pace);
  else if (!same)
    pace_ = std::max(std::clamp(measured, pace_ * largest_decrease, pace_ * decrease), lowest_pace);
  const auto quiet = now + std::max<nanoseconds>(closed_for, one_second);
  quiet_until_ = same ? std::max(quiet_until_, now + closed_for) : quiet;
  refused_at_ = now;
  grown_at_ = now;
}

std::optional<double> refusal_pace::per_second(steady_time now) const noexcept {
  if (pace_ <= 0 || now - refused_at_ > forgotten_after)
    return std::nullopt;
  return pace_;
}

std::optional<refusal_pace_state> refusal_pace::export_state(steady_time now) const noexcept {
  if (!per_second(now))
    return std::nullopt;
  return refusal_pace_state{pace_, now - refused_at_};
}

} // namespace assay::control
