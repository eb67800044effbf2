#include "server/websocket/frame_queue.hpp"

#include <algorithm>

namespace assay::server {

frame_queue::frame_queue(size_t limit, std::function<void()> wake) : limit_(limit), wake_(std::move(wake)) {}

// -- from the farm --------------------------------------------------------------------------------------

void frame_queue::push_live(const std::vector<frame>& frames) {
  bool news = false;
  {
    const std::lock_guard lock{mutex_};
    for (const auto& one : frames)
      news = hear(one) || news;
  }
  if (news)
    wake();
}

bool frame_queue::hear(const frame& one) {
  const auto it = runs_.find(one.run);
  if (it == runs_.end() || overflowed_)
    return false;
  auto& run = it->second;
  const bool is_progress = one.type == event_type::evaluation_progress;
  if (one.type == event_type::sample_completed && !run.samples)
    return false;
  run.known = std::max(run.known, one.seq);
  if (ends_run(one.type))
    run.newest_progress = {};
  const bool from_store = run.samples || !run.level;
  if (is_progress) {
    if (!run.level)
      run.newest_progress = one.text;
    else
      put_progress(one.run, one.text);
  } else if (!from_store && one.seq > run.sent) {
    put(one.text, std::nullopt);
    run.sent = one.seq;
  }
  // Only samples leave a level run with something to read.
  if (run.samples && run.level && run.known > run.sent) {
    run.level = false;
    behind_.push_back(one.run);
  }
  return true;
}

void frame_queue::put(shared_text text, std::optional<run_id> progress_of) {
  if (overflowed_)
    return;
  bytes_ += text.size();
  waiting_.push_back({std::move(text), progress_of});
  overflowed_ = bytes_ > limit_;
}

void frame_queue::put_progress(run_id run, const shared_text& text) {
  // The first one may be on its way to the socket already: it keeps its place.
  for (size_t i = 1; i < waiting_.size(); ++i)
    if (waiting_[i].progress_of == run) {
      bytes_ -= waiting_[i].text.size();
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
      break;
    }
  put(text, run);
}

void frame_queue::lose_source() {
  {
    const std::lock_guard lock{mutex_};
    source_lost_ = true;
  }
  wake();
}

void frame_queue::wake() {
  const std::lock_guard lock{wake_mutex_};
  if (!wake_ || std::exchange(woken_, true))
    return;
  wake_();
}

// -- from the session -----------------------------------------------------------------------------------

void frame_queue::begin_turn() {
  const std::lock_guard lock{wake_mutex_};
  woken_ = false;
}

void frame_queue::detach() {
  {
    const std::lock_guard lock{wake_mutex_};
    wake_ = nullptr;
  }
  const std::lock_guard lock{mutex_};
  runs_.clear();
  waiting_.clear();
  bytes_ = 0;
}

void frame_queue::push(shared_text text) {
  {
    const std::lock_guard lock{mutex_};
    put(std::move(text), std::nullopt);
  }
  wake();
}

std::optional<shared_text> frame_queue::front() const {
  const std::lock_guard lock{mutex_};
  if (waiting_.empty())
    return std::nullopt;
  return waiting_.front().text;
}

void frame_queue::pop() {
  const std::lock_guard lock{mutex_};
  if (waiting_.empty())
    return;
  bytes_ -= waiting_.front().text.size();
  waiting_.pop_front();
}

void frame_queue::clear_waiting() {
  const std::lock_guard lock{mutex_};
  while (waiting_.size() > 1) {
    bytes_ -= waiting_.back().text.size();
    waiting_.pop_back();
  }
}

size_t frame_queue::waiting_bytes() const {
  const std::lock_guard lock{mutex_};
  return bytes_;
}

bool frame_queue::overflowed() const {
  const std::lock_guard lock{mutex_};
  return overflowed_;
}

bool frame_queue::take_source_loss() {
  const std::lock_guard lock{mutex_};
  return std::exchange(source_lost_, false);
}

void frame_queue::follow(run_id run, uint64_t sent, bool samples) {
  const std::lock_guard lock{mutex_};
  following next;
  next.sent = sent;
  next.samples = samples;
  runs_[run] = std::move(next);
}

void frame_queue::forget(run_id run) {
  const std::lock_guard lock{mutex_};
  runs_.erase(run);
}

bool frame_queue::follows(run_id run) const {
  const std::lock_guard lock{mutex_};
  return runs_.contains(run);
}

size_t frame_queue::followed() const {
  const std::lock_guard lock{mutex_};
  return runs_.size();
}

std::vector<run_id> frame_queue::followed_runs() const {
  const std::lock_guard lock{mutex_};
  std::vector<run_id> out;
  for (const auto& [run, state] : runs_)
    out.push_back(run);
  return out;
}

std::optional<uint64_t> frame_queue::sent(run_id run) const {
  const std::lock_guard lock{mutex_};
  const auto it = runs_.find(run);
  return it == runs_.end() ? std::nullopt : std::optional{it->second.sent};
}

bool frame_queue::advance(run_id run, uint64_t sent) {
  bool level = false;
  {
    const std::lock_guard lock{mutex_};
    const auto it = runs_.find(run);
    if (it == runs_.end())
      return true;
    auto& state = it->second;
    state.sent = std::max(state.sent, sent);
    level = state.known <= state.sent;
    state.level = level;
    if (level && !state.newest_progress.empty())
      put_progress(run, std::exchange(state.newest_progress, {}));
  }
  if (level)
    wake();
  return level;
}

void frame_queue::drop_progress(run_id run) {
  const std::lock_guard lock{mutex_};
  if (const auto it = runs_.find(run); it != runs_.end())
    it->second.newest_progress = {};
}

void frame_queue::expect(run_id run, uint64_t known) {
  {
    const std::lock_guard lock{mutex_};
    const auto it = runs_.find(run);
    if (it == runs_.end())
      return;
    auto& state = it->second;
    state.known = std::max(state.known, known);
    if (!state.level || state.known <= state.sent)
      return;
    state.level = false;
    behind_.push_back(run);
  }
  wake();
}

std::vector<run_id> frame_queue::take_behind() {
  const std::lock_guard lock{mutex_};
  return std::exchange(behind_, {});
}

} // namespace assay::server
