#pragma once

#include <boost/intrusive/list.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace assay::io::detail {

using steady_point = std::chrono::steady_clock::time_point;

/// Something with one deadline. Leaves its wheel by itself when destroyed.
struct wheel_entry
    : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  steady_point deadline{};
};

/// All deadlines of a pool in a ring of buckets: scheduling and withdrawing cost a few instructions, and one
/// timer serves everything. Deadlines are met up to one tick late, never early.
class timer_wheel {
public:
  timer_wheel(std::chrono::milliseconds tick, steady_point start)
      : tick_(tick), start_(start), slots_(slot_count) {}

  /// Sets or moves the deadline of @p entry.
  void schedule(wheel_entry& entry, steady_point deadline) {
    entry.unlink();
    entry.deadline = deadline;
    const int64_t due = std::max(tick_of(deadline) + 1, done_ + 1);
    slots_[static_cast<size_t>(due) % slot_count].push_back(entry);
  }

  static void withdraw(wheel_entry& entry) noexcept { entry.unlink(); }

  /// Calls @p expired(entry) for every entry whose deadline has passed; each has left the wheel by then. The
  /// function may schedule and withdraw any entry.
  template <class F>
  void advance(steady_point now, F&& expired) {
    const int64_t reached = tick_of(now);
    const int64_t first = std::max(done_ + 1, reached - static_cast<int64_t>(slot_count) + 1);
    slot due;
    for (int64_t tick = first; tick <= reached; ++tick) {
      slot& here = slots_[static_cast<size_t>(tick) % slot_count];
      for (auto it = here.begin(); it != here.end();) {
        wheel_entry& entry = *it++;
        if (entry.deadline <= now) {
          entry.unlink();
          due.push_back(entry);
        }
      }
    }
    done_ = std::max(done_, reached);
    while (!due.empty()) {
      wheel_entry& entry = due.front();
      entry.unlink();
      expired(entry);
    }
  }

  /// @returns when advance() has something to look at next, at most one turn of the ring ahead; the epoch
  /// when the wheel is empty.
  steady_point next_wake() const noexcept {
    for (int64_t tick = done_ + 1; tick <= done_ + static_cast<int64_t>(slot_count); ++tick)
      if (!slots_[static_cast<size_t>(tick) % slot_count].empty())
        return start_ + tick_ * tick;
    return {};
  }

private:
  using slot = boost::intrusive::list<wheel_entry, boost::intrusive::constant_time_size<false>>;
  static constexpr size_t slot_count = 1024;

  int64_t tick_of(steady_point when) const noexcept { return std::max<int64_t>(0, (when - start_) / tick_); }

  std::chrono::milliseconds tick_;
  steady_point start_;
  int64_t done_ = -1; ///< The last tick whose slot was looked at.
  std::vector<slot> slots_;
};

} // namespace assay::io::detail
