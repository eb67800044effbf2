#include "core/stats/latency_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace assay::stats {
namespace {

// Every doubling above 2 * steps is cut into this many buckets.
constexpr uint64_t steps = 64;
constexpr uint64_t largest = (uint64_t{1} << 36U) - 1;

size_t bucket_of(uint64_t value) noexcept {
  if (value < 2 * steps)
    return value;
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - 7U;
  return shift * steps + (value >> shift);
}

/// The largest value of the bucket.
uint64_t upper_end(size_t bucket) noexcept {
  if (bucket < 2 * steps)
    return bucket;
  const uint64_t shift = bucket / steps - 1;
  const uint64_t top = bucket - shift * steps;
  return ((top + 1) << shift) - 1;
}

} // namespace

void latency_histogram::record(microseconds duration, uint64_t times) {
  if (times == 0)
    return;
  const auto value =
      static_cast<uint64_t>(std::clamp<int64_t>(duration.count(), 0, static_cast<int64_t>(largest)));
  const microseconds kept{static_cast<int64_t>(value)};
  const size_t bucket = bucket_of(value);
  if (bucket >= buckets_.size())
    buckets_.resize(bucket + 1);
  buckets_[bucket] += times;
  minimum_ = count_ == 0 ? kept : std::min(minimum_, kept);
  maximum_ = count_ == 0 ? kept : std::max(maximum_, kept);
  count_ += times;
  sum_ += static_cast<double>(value) * static_cast<double>(times);
}

void latency_histogram::merge(const latency_histogram& other) {
  if (other.count_ == 0)
    return;
  if (buckets_.size() < other.buckets_.size())
    buckets_.resize(other.buckets_.size());
  for (size_t i = 0; i < other.buckets_.size(); ++i)
    buckets_[i] += other.buckets_[i];
  minimum_ = count_ == 0 ? other.minimum_ : std::min(minimum_, other.minimum_);
  maximum_ = count_ == 0 ? other.maximum_ : std::max(maximum_, other.maximum_);
  count_ += other.count_;
  sum_ += other.sum_;
}

microseconds latency_histogram::mean() const noexcept {
  return microseconds{count_ == 0 ? 0 : std::llround(sum_ / static_cast<double>(count_))};
}

microseconds latency_histogram::percentile(double share) const noexcept {
  if (count_ == 0)
    return microseconds{0};
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank)
      return std::min(maximum_, microseconds{static_cast<int64_t>(upper_end(i))});
  }
  return maximum_;
}

} // namespace assay::stats
