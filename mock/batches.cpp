#include "mock/batches.hpp"

#include "mock/call_record.hpp"
#include "mock/hash.hpp"

#include <algorithm>
#include <numeric>

namespace assay::mock {

namespace {

constexpr size_t most_jobs = 10'000;

/// A batch is validated in the first twentieth of its time and written in the last one.
constexpr nanoseconds edge_of(nanoseconds time) noexcept { return time / 20; }

/// How long it takes to end a batch on request.
nanoseconds cancel_time(nanoseconds time) { return std::min<nanoseconds>(edge_of(time), milliseconds(500)); }

} // namespace

batch_store::batch_store(batch_schedule schedule, uint64_t most_bytes, uint64_t seed, run_line run,
                         close_job close)
    : schedule_(schedule), most_bytes_(most_bytes), seed_(seed), run_(std::move(run)),
      close_(std::move(close)) {}

batch_view batch_store::view_of(const batch_job& job, nanoseconds now) const {
  const auto time = schedule_.time;
  const auto edge = edge_of(time);
  batch_view out{.job = job};
  out.running_at = job.created + edge;
  out.finalizing_at = job.created + time - edge;
  out.over_at = job.created + time;
  out.expires_at = job.created + schedule_.window;
  const bool expires = job.protocol != wire::azure && time > schedule_.window;
  if (!job.problems.empty()) {
    out.over_at = out.running_at;
    out.phase = now < out.running_at ? batch_phase::validating : batch_phase::failed;
    return out;
  }
  if (expires)
    out.finalizing_at = out.over_at = out.expires_at;
  if (job.cancelled) {
    out.over_at = std::min(*job.cancelled + cancel_time(time), out.over_at);
    out.phase = now < out.over_at ? batch_phase::cancelling : batch_phase::cancelled;
  } else if (now < out.running_at && now < out.over_at) {
    out.phase = batch_phase::validating;
  } else if (now < out.finalizing_at) {
    out.phase = batch_phase::running;
  } else if (now < out.over_at) {
    out.phase = batch_phase::finalizing;
  } else {
    out.phase = expires ? batch_phase::expired : batch_phase::completed;
  }
  return out;
}

void batch_store::proceed(entry& e, nanoseconds now, const look& show) {
  auto& job = e.job;
  auto view = view_of(job, now);
  if (view.phase != batch_phase::failed && job.problems.empty()) {
    // What is due is what a steady worker would have done between validating and finalizing; a batch that was
    // cancelled or has expired stopped there.
    const auto until = job.cancelled ? std::min(*job.cancelled, now) : std::min(now, view.over_at);
    const auto worked = std::max<int64_t>((until - view.running_at).count(), 0);
    const auto whole = std::max<int64_t>((schedule_.time - 2 * edge_of(schedule_.time)).count(), 1);
    const auto share = std::min(1.0, static_cast<double>(worked) / static_cast<double>(whole));
    const auto all = view.phase == batch_phase::completed || view.phase == batch_phase::finalizing;
    const auto due =
        all ? job.lines.size() : static_cast<size_t>(share * static_cast<double>(job.lines.size()));
    for (; job.run < due; ++job.run)
      job.outcomes[job.run] = run_(job, job.lines[job.run]);
  }
  for (size_t i = 0; i < job.run; ++i)
    ++(job.outcomes[i].status < 400 ? view.answered : view.errored);
  if (is_over(view.phase) && !job.closed) {
    close_(job, view.phase);
    job.closed = true;
  }
  show(view);
}

bool batch_store::add(batch_job job, std::string_view prefix, nanoseconds now, const look& show) {
  auto e = std::make_shared<entry>();
  for (const auto& line : job.lines)
    e->bytes += line.body.size() + line.custom_id.size() + line.metadata.size() + 256;
  job.created = now;
  job.outcomes.resize(job.lines.size());
  {
    const std::lock_guard guard(mutex_);
    if (e->bytes > most_bytes_ - std::min(bytes_, most_bytes_) || jobs_.size() >= most_jobs)
      return false;
    e->number = ++n_;
    job.id = std::string(prefix) + to_hex(mix(seed_ ^ (n_ << 24))) + to_hex(mix(~seed_ ^ n_)).substr(8);
    e->job = std::move(job);
    bytes_ += e->bytes;
    jobs_.emplace(e->job.id, e);
  }
  const std::lock_guard guard(e->mutex);
  auto view = view_of(e->job, now);
  view.phase = batch_phase::validating;
  show(view);
  return true;
}

batch_store::shared_entry batch_store::entry_of(std::string_view owner, wire protocol,
                                                std::string_view id) const {
  const std::lock_guard guard(mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second->job.owner != owner || found->second->job.protocol != protocol)
    return nullptr;
  return found->second;
}

bool batch_store::find(std::string_view owner, wire protocol, std::string_view id, nanoseconds now,
                       const look& show) {
  const auto e = entry_of(owner, protocol, id);
  if (!e)
    return false;
  const std::lock_guard guard(e->mutex);
  proceed(*e, now, show);
  return true;
}

void batch_store::list(std::string_view owner, wire protocol, nanoseconds now, const look& show) {
  std::vector<shared_entry> found;
  {
    const std::lock_guard guard(mutex_);
    for (const auto& [id, e] : jobs_)
      if (e->job.owner == owner && e->job.protocol == protocol)
        found.push_back(e);
  }
  std::sort(found.begin(), found.end(),
            [](const shared_entry& a, const shared_entry& b) { return a->number > b->number; });
  for (const auto& e : found) {
    const std::lock_guard guard(e->mutex);
    proceed(*e, now, show);
  }
}

bool batch_store::cancel(std::string_view owner, wire protocol, std::string_view id, nanoseconds now,
                         const look& show) {
  const auto e = entry_of(owner, protocol, id);
  if (!e)
    return false;
  const std::lock_guard guard(e->mutex);
  if (!is_over(view_of(e->job, now).phase) && !e->job.cancelled)
    e->job.cancelled = now;
  proceed(*e, now, show);
  return true;
}

void batch_store::remove(std::string_view id) {
  const std::lock_guard guard(mutex_);
  if (const auto found = jobs_.find(id); found != jobs_.end()) {
    bytes_ -= found->second->bytes;
    jobs_.erase(found);
  }
}

void batch_store::clear() {
  const std::lock_guard guard(mutex_);
  jobs_.clear();
  bytes_ = 0;
}

std::vector<size_t> shuffled(size_t count, std::string_view id) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto seed = hash_text(id);
  std::sort(order.begin(), order.end(), [seed](size_t a, size_t b) {
    const auto x = mix(seed ^ a);
    const auto y = mix(seed ^ b);
    return x != y ? x < y : a < b;
  });
  return order;
}

} // namespace assay::mock
