#include "core/monitoring/call_windows.hpp"

#include <algorithm>

namespace assay::monitoring {

namespace {

template <class Bucket, class Action>
void with(Bucket* bucket, Action action) {
  if (bucket == nullptr)
    return;
  action(bucket->tally);
  bucket->unsaved = true;
}

call_timing mean_of(const call_timing& sum, uint64_t count) {
  const auto part = [&](microseconds value) {
    return count == 0 ? microseconds{0} : value / static_cast<int64_t>(count);
  };
  return {part(sum.queued),     part(sum.limiter),  part(sum.connect),
          part(sum.first_byte), part(sum.transfer), part(sum.local_lag)};
}

} // namespace

std::string_view to_string(window_span span) noexcept {
  switch (span) {
  case window_span::minute:
    return "1m";
  case window_span::five_minutes:
    return "5m";
  case window_span::hour:
    return "1h";
  case window_span::day:
    return "24h";
  }
  return "unknown";
}

std::optional<window_span> span_from_string(std::string_view name) noexcept {
  for (const auto span : all_spans)
    if (to_string(span) == name)
      return span;
  return std::nullopt;
}

seconds length_of(window_span span) noexcept {
  switch (span) {
  case window_span::minute:
    return seconds{60};
  case window_span::five_minutes:
    return seconds{300};
  case window_span::hour:
    return seconds{3600};
  case window_span::day:
    return seconds{86400};
  }
  return seconds{0};
}

std::optional<double> window_summary::success_rate() const noexcept {
  if (samples == 0)
    return std::nullopt;
  return 1.0 - static_cast<double>(failures) / static_cast<double>(samples);
}

std::optional<double> window_summary::error_rate() const noexcept {
  if (samples == 0)
    return std::nullopt;
  return static_cast<double>(failures) / static_cast<double>(samples);
}

double window_summary::dollars_per_hour() const noexcept {
  return length.count() == 0 ? 0.0 : to_dollars(cost) * 3600.0 / static_cast<double>(length.count());
}

window_summary summarise(const call_tally& tally, seconds length) {
  window_summary out;
  out.length = length;
  out.samples = tally.calls;
  out.failures = tally.failures;
  out.retries = tally.retries;
  out.external = tally.external;
  for (const auto& [error, count] : tally.errors)
    out.errors.emplace(to_string(error), count);
  out.prompt_tokens = tally.prompt_tokens;
  out.completion_tokens = tally.completion_tokens;
  out.cost = tally.cost;
  out.unpriced = tally.unpriced;
  out.measured = tally.latency.count();
  out.mean = tally.latency.mean();
  out.p50 = tally.latency.percentile(0.50);
  out.p95 = tally.latency.percentile(0.95);
  out.p99 = tally.latency.percentile(0.99);
  out.timed = tally.timed;
  out.phases = mean_of(tally.time_spent, tally.timed);
  out.judged = tally.judged;
  if (tally.judged > 0)
    out.quality = tally.quality_sum / static_cast<double>(tally.judged);
  if (tally.judged_cost.nanodollars > 0)
    out.cost_efficiency = tally.priced_quality_sum * 100.0 / to_dollars(tally.judged_cost);
  return out;
}

// -- one width ---------------------------------------------------------------------------------------------

int64_t bucket_line::index_of(wall_time at) const noexcept {
  return std::chrono::floor<seconds>(at.time_since_epoch()).count() / width_.count();
}

wall_time bucket_line::start_of(int64_t index) const noexcept { return wall_time{width_ * index}; }

bucket_line::bucket* bucket_line::touch(int64_t index) {
  const auto most = static_cast<int64_t>(most_);
  if (!buckets_.empty() && index <= buckets_.rbegin()->first - most)
    return nullptr;
  auto& out = buckets_[index];
  while (buckets_.begin()->first <= buckets_.rbegin()->first - most)
    buckets_.erase(buckets_.begin());
  return &out;
}

const bucket_line::bucket* bucket_line::find(int64_t index) const noexcept {
  const auto found = buckets_.find(index);
  return found == buckets_.end() ? nullptr : &found->second;
}

bucket_line::bucket* bucket_line::find(int64_t index) noexcept {
  const auto found = buckets_.find(index);
  return found == buckets_.end() ? nullptr : &found->second;
}

call_tally bucket_line::sum(wall_time now, size_t count) const {
  call_tally out;
  const auto last = index_of(now);
  const auto end = buckets_.upper_bound(last);
  for (auto it = buckets_.upper_bound(last - static_cast<int64_t>(count)); it != end; ++it)
    out.merge(it->second.tally);
  return out;
}

// -- all widths --------------------------------------------------------------------------------------------

void call_windows::add(wall_time at, const counted_call& call) {
  for (auto* line : {&fine_, &minutes_, &quarters_})
    with(line->touch(line->index_of(at)), [&](call_tally& tally) { tally.add(call); });
}

void call_windows::add_quality(wall_time at, double quality, std::optional<money> call_cost) {
  for (auto* line : {&fine_, &minutes_, &quarters_})
    with(line->touch(line->index_of(at)), [&](call_tally& tally) { tally.add_quality(quality, call_cost); });
}

call_tally call_windows::tally(window_span span, wall_time now) const {
  const auto& line = span == window_span::day ? quarters_ : span == window_span::hour ? minutes_ : fine_;
  return line.sum(now, static_cast<size_t>(length_of(span) / line.width()));
}

window_summary call_windows::summary(window_span span, wall_time now) const {
  return summarise(tally(span, now), length_of(span));
}

std::vector<bucket_name> call_windows::take_unsaved(wall_time now) {
  std::vector<bucket_name> out;
  const auto take = [&](const bucket_line& line, bool quarter, int64_t before) {
    for (const auto& [index, bucket] : line.buckets())
      if (bucket.unsaved && index < before)
        out.push_back({quarter, index});
  };
  take(minutes_, false, minutes_.index_of(now) + 1);
  take(quarters_, true, quarters_.index_of(now));
  for (const auto& name : out)
    (name.quarter ? quarters_ : minutes_).find(name.index)->unsaved = false;
  return out;
}

void call_windows::mark_unsaved(const std::vector<bucket_name>& names) {
  for (const auto& name : names)
    if (auto* bucket = (name.quarter ? quarters_ : minutes_).find(name.index))
      bucket->unsaved = true;
}

const call_tally* call_windows::find(bucket_name name) const noexcept {
  const auto* bucket = (name.quarter ? quarters_ : minutes_).find(name.index);
  return bucket == nullptr ? nullptr : &bucket->tally;
}

void call_windows::restore(bucket_name name, const call_tally& tally) {
  const auto put = [&](bucket_line& line, int64_t index) {
    auto* bucket = line.touch(index);
    if (bucket != nullptr)
      bucket->tally.merge(tally);
    return bucket;
  };
  if (name.quarter) {
    put(quarters_, name.index);
    stored_quarters_.insert(name.index);
    return;
  }
  put(minutes_, name.index);
  const auto at = minutes_.start_of(name.index);
  put(fine_, fine_.index_of(at));
  const auto quarter = quarters_.index_of(at);
  if (stored_quarters_.contains(quarter))
    return;
  if (auto* bucket = put(quarters_, quarter))
    bucket->unsaved = true;
}

void call_windows::drop_after(wall_time now) {
  for (auto* line : {&fine_, &minutes_, &quarters_})
    line->drop_after(line->index_of(now) + 1);
}

} // namespace assay::monitoring
