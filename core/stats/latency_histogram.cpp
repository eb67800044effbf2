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

uint64_t& latency_histogram::at(size_t bucket) {
  if (buckets_.empty())
    first_ = bucket;
  if (bucket < first_) {
    buckets_.insert(buckets_.begin(), first_ - bucket, 0);
    first_ = bucket;
  }
  if (bucket >= first_ + buckets_.size())
    buckets_.resize(bucket - first_ + 1);
  return buckets_[bucket - first_];
}

void latency_histogram::record(microseconds duration, uint64_t times) {
  if (times == 0)
    return;
  const auto value =
      static_cast<uint64_t>(std::clamp<int64_t>(duration.count(), 0, static_cast<int64_t>(largest)));
  const microseconds kept{static_cast<int64_t>(value)};
  at(bucket_of(value)) += times;
  minimum_ = count_ == 0 ? kept : std::min(minimum_, kept);
  maximum_ = count_ == 0 ? kept : std::max(maximum_, kept);
  count_ += times;
  sum_ += static_cast<double>(value) * static_cast<double>(times);
}

void latency_histogram::merge(const latency_histogram& other) {
  if (other.count_ == 0)
    return;
  // The ends first, so that the room is made once.
  at(other.first_ + other.buckets_.size() - 1);
  at(other.first_);
  for (size_t i = 0; i < other.buckets_.size(); ++i)
    buckets_[other.first_ + i - first_] += other.buckets_[i];
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
      return std::min(maximum_, microseconds{static_cast<int64_t>(upper_end(first_ + i))});
  }
  return maximum_;
}

latency_histogram::parts latency_histogram::take_apart() const {
  parts out{{}, sum_, minimum_, maximum_};
  for (size_t i = 0; i < buckets_.size(); ++i)
    if (buckets_[i] > 0)
      out.buckets.emplace_back(static_cast<uint32_t>(first_ + i), buckets_[i]);
  return out;
}

std::optional<latency_histogram> latency_histogram::put_together(const parts& from) {
  latency_histogram out;
  const auto last = bucket_of(largest);
  if (!std::isfinite(from.sum_microseconds) || from.sum_microseconds < 0 || from.minimum.count() < 0
      || from.minimum > from.maximum)
    return std::nullopt;
  for (const auto& [bucket, count] : from.buckets) {
    if (bucket > last || count == 0)
      return std::nullopt;
    out.at(bucket) += count;
    out.count_ += count;
  }
  if (out.count_ == 0)
    return out;
  out.sum_ = from.sum_microseconds;
  out.minimum_ = from.minimum;
  out.maximum_ = from.maximum;
  return out;
}

} // namespace assay::stats
