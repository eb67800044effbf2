#include "core/stats/sequential_tests.hpp"

#include <algorithm>
#include <cmath>

#include <boost/math/special_functions/gamma.hpp>

namespace assay::stats {
namespace {

double log_gamma(double x) noexcept { return boost::math::lgamma(x); }

/// What a stream shows so far, shrunk.
double shrunk_share(const proportion& of) noexcept {
  constexpr double prior = 0.18;
  return (static_cast<double>(of.successes) + prior) / (static_cast<double>(of.trials) + 2 * prior);
}

double log_chance(bool success, double share) noexcept { return std::log(success ? share : 1 - share); }

void lower(double& p, double log_evidence) noexcept { p = std::min(p, std::exp(-log_evidence)); }

} // namespace

void sequential_mcnemar::add(bool first_is_right, bool second_is_right) noexcept {
  if (first_is_right == second_is_right)
    return;
  ++(first_is_right ? only_first_ : only_second_);
  const auto one = static_cast<double>(only_first_);
  const auto two = static_cast<double>(only_second_);
  lower(p_, (one + two) * std::log(2.0) + log_gamma(one + 1) + log_gamma(two + 1) - log_gamma(one + two + 2));
}

void sequential_two_proportions::add_first(bool success) { add(true, success); }
void sequential_two_proportions::add_second(bool success) { add(false, success); }

void sequential_two_proportions::add(bool is_first, bool success) {
  if (early_.empty() || first_is_ahead_ == is_first) {
    first_is_ahead_ = is_first;
    early_.push_back(success);
    return;
  }
  const bool other = early_.front();
  early_.pop_front();
  take(is_first ? success : other, is_first ? other : success);
}

void sequential_two_proportions::take(bool first, bool second) noexcept {
  // The shares of the blocks before: this one must not choose how it is judged.
  const double a = shrunk_share(first_);
  const double b = shrunk_share(second_);
  const double null = (a + b) / 2;
  evidence_ +=
      log_chance(first, a) + log_chance(second, b) - log_chance(first, null) - log_chance(second, null);
  lower(p_, evidence_);
  ++first_.trials;
  ++second_.trials;
  first_.successes += first ? 1 : 0;
  second_.successes += second ? 1 : 0;
}

void mixture_sprt::update(const proportion& first, const proportion& second) noexcept {
  constexpr uint64_t least_of_each_kind = 5;
  const uint64_t right = first.successes + second.successes;
  const uint64_t total = first.trials + second.trials;
  if (first.trials < std::max<uint64_t>(least_, 1) || second.trials < std::max<uint64_t>(least_, 1)
      || right < least_of_each_kind || total - right < least_of_each_kind)
    return;
  const auto variance = [](const proportion& of) {
    return of.share() * (1 - of.share()) / static_cast<double>(of.trials);
  };
  difference_ = first.share() - second.share();
  variance_ = variance(first) + variance(second);
  if (!(variance_ > 0)) {
    // One stream is all right and the other all wrong: what half a success more and less would give.
    const double one = 0.5 / (static_cast<double>(first.trials) + 1);
    const double two = 0.5 / (static_cast<double>(second.trials) + 1);
    variance_ = one * (1 - one) / static_cast<double>(first.trials)
                + two * (1 - two) / static_cast<double>(second.trials);
  }
  const double wide = variance_ + tau_ * tau_;
  lower(p_,
        0.5 * std::log(variance_ / wide) + tau_ * tau_ * difference_ * difference_ / (2 * variance_ * wide));
}

interval mixture_sprt::confidence(double level) const noexcept {
  if (!(variance_ > 0))
    return {-1, 1};
  const double alpha = 1 - std::clamp(level, 0.001, 0.999999);
  const double wide = variance_ + tau_ * tau_;
  const double half =
      std::sqrt(2 * variance_ * wide / (tau_ * tau_) * (0.5 * std::log(wide / variance_) - std::log(alpha)));
  return {std::max(-1.0, difference_ - half), std::min(1.0, difference_ + half)};
}

} // namespace assay::stats
