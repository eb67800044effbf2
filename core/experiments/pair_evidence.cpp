#include "core/experiments/pair_evidence.hpp"

#include <algorithm>
#include <cmath>

namespace assay::experiments {

namespace {

constexpr uint32_t largest_block = 50;

uint32_t block_size(double mine, double other) noexcept {
  return static_cast<uint32_t>(std::clamp(std::round(mine / other), 1.0, double{largest_block}));
}

} // namespace

void betting_difference::add(double difference) noexcept {
  const double d = std::clamp(difference, -1.0, 1.0);
  const auto weight = static_cast<double>(count_) + 1;
  const double mean = sum_ / weight;
  const double variance = std::max((0.25 + squares_) / weight - mean * mean, 1e-6);
  const double bet = std::clamp(mean / (variance + mean * mean), -0.5, 0.5);
  capital_ += std::log1p(bet * d);
  p_ = std::min(p_, std::exp(-capital_));
  ++count_;
  sum_ += d;
  squares_ += d * d;
}

void asymptotic_difference::add(double difference) noexcept {
  differences_.add(difference);
  if (differences_.count() < least)
    return;
  // Narrowest near 500 differences at 95 %: (-2 ln a + ln(-2 ln a) + 1) / 500 with a = 0.05.
  constexpr double r2 = 0.017563;
  const auto n = static_cast<double>(differences_.count());
  const double mean = differences_.mean();
  const double variance = std::max(differences_.variance() * (n - 1) / n, 1e-12 * mean * mean);
  if (variance <= 0)
    return;
  const double spread = n * r2 + 1;
  p_ = std::min(p_, std::exp(0.5 * std::log(spread) - n * n * r2 * mean * mean / (2 * variance * spread)));
}

pair_evidence::pair_evidence(values kind, double first_share, double second_share) noexcept : kind_(kind) {
  first_.block = block_size(first_share, second_share);
  second_.block = block_size(second_share, first_share);
}

void pair_evidence::take(double first, double second) {
  differences_.add(first - second);
  if (kind_ == values::unbounded)
    return limits_.add(first - second);
  const bool single = first_.block == 1 && second_.block == 1;
  if (kind_ == values::binary && paired_)
    return pairs_.add(first > 0.5, second > 0.5);
  if (kind_ == values::binary && single) {
    shares_.add_first(first > 0.5);
    return shares_.add_second(second > 0.5);
  }
  bets_.add(first - second);
}

void pair_evidence::add_pair(double first, double second) {
  paired_ = true;
  take(first, second);
}

void pair_evidence::add(side& mine, side& other, bool is_first, double value) {
  if (mine.waiting.size() >= most_waiting) {
    // By the number alone, whatever the value: leaving it out says nothing.
    ++set_aside_;
    return;
  }
  mine.sum += value;
  if (++mine.gathered < mine.block)
    return;
  const double whole = mine.sum / mine.block;
  mine.sum = 0;
  mine.gathered = 0;
  if (other.waiting.empty())
    return mine.waiting.push_back(whole);
  const double theirs = other.waiting.front();
  other.waiting.pop_front();
  if (is_first)
    take(whole, theirs);
  else
    take(theirs, whole);
}

double pair_evidence::p() const noexcept {
  return std::min({bets_.p(), limits_.p(), pairs_.p(), shares_.p()});
}

} // namespace assay::experiments
