#pragma once

#include "core/control/clock.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace assay::control {

/// Many deadlines behind one timer: a hashed timing wheel (Varghese, Lauck 1987, scheme 6).
///
/// schedule() and cancel() are O(1); cancel() destroys the key and returns its memory to the pool at once, so
/// the pool is as large as the largest number of deadlines that were open together, no matter how long they
/// run. A deadline never fires early, and at most one tick late when expire() is called once a tick.
template <class Key>
class deadline_wheel {
public:
  /// Names one scheduled deadline. A default one names none; one that fired or was cancelled names none any
  /// more.
  class handle {
  public:
    handle() = default;
    explicit operator bool() const noexcept { return serial_ != 0; }

  private:
    friend class deadline_wheel;
    handle(uint32_t index, uint64_t serial) noexcept : index_(index), serial_(serial) {}
    uint32_t index_ = 0;
    uint64_t serial_ = 0;
  };

  /// @param start The present time.
  /// @param tick Granularity.
  /// @param slots Deadlines beyond slots*tick are looked at once per turn of the wheel. Rounded up to a
  /// multiple of 64.
  explicit deadline_wheel(steady_time start, nanoseconds tick = milliseconds{10}, size_t slots = 4096)
      : start_(start), tick_(std::max(tick, nanoseconds{1})),
        occupied_(std::max<size_t>((slots + 63) / 64, 1)),
        // The list behind the last slot holds what is being fired.
        heads_(occupied_.size() * 64 + 1, none) {}

  deadline_wheel(deadline_wheel&&) noexcept = default;
  deadline_wheel& operator=(deadline_wheel&&) noexcept = default;

  /// @param due A time already past fires at the next tick.
  handle schedule(Key key, steady_time due) {
    const auto index = allocate();
    auto& node = nodes_[index];
    node.key.emplace(std::move(key));
    node.tick = std::max(ticks_until(due), current_ + 1);
    node.serial = ++serials_;
    link(index, slot_of(node.tick));
    ++size_;
    return {index, node.serial};
  }

  /// @returns whether the deadline was still open.
  bool cancel(handle which) {
    if (which.serial_ == 0 || which.index_ >= nodes_.size() || nodes_[which.index_].serial != which.serial_)
      return false;
    (void)take(which.index_);
    return true;
  }

  /// Calls @p fire(Key) for every deadline that is due. It may schedule and cancel, also deadlines due
  /// together with it: those it cancels do not fire. @returns how many fired.
  template <class Fire>
  size_t expire(steady_time now, Fire&& fire) {
    const int64_t target = now < start_ ? -1 : nanoseconds{now - start_} / tick_;
    if (target > current_) {
      const auto steps = std::min<int64_t>(target - current_, static_cast<int64_t>(slot_count()));
      const int64_t first = current_ + 1;
      current_ = target;
      // Backwards, since gathering puts in front: the earliest deadline fires first.
      for (int64_t step = steps - 1; step >= 0; --step)
        gather(slot_of(first + step), target);
    }
    size_t fired = 0;
    while (heads_[firing()] != none) {
      // Freed before the call: a key that schedules itself again takes the same place.
      Key key = take(heads_[firing()]);
      ++fired;
      fire(std::move(key));
    }
    return fired;
  }

  /// @returns a time not later than the earliest open deadline's tick, or nothing when none is open: sleep
  /// until then, call expire(), ask again.
  std::optional<steady_time> next_due() const noexcept {
    if (size_ == 0)
      return std::nullopt;
    if (heads_[firing()] != none)
      return start_ + current_ * tick_;
    const auto from = slot_of(current_ + 1);
    for (size_t i = 0; i <= occupied_.size(); ++i) {
      const auto word_index = (from / 64 + i) % occupied_.size();
      auto word = occupied_[word_index];
      if (i == 0)
        word &= ~uint64_t{0} << (from % 64);
      if (word == 0)
        continue;
      const auto slot = word_index * 64 + static_cast<size_t>(std::countr_zero(word));
      const auto distance = (slot + slot_count() - from) % slot_count();
      return start_ + (current_ + 1 + static_cast<int64_t>(distance)) * tick_;
    }
    return std::nullopt;
  }

  /// Open deadlines.
  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// Places in the pool, open and free.
  size_t pool_size() const noexcept { return nodes_.size(); }

private:
  static constexpr uint32_t none = std::numeric_limits<uint32_t>::max();

  struct node {
    std::optional<Key> key;
    int64_t tick = 0;
    uint64_t serial = 0; ///< 0 when free.
    uint32_t next = none;
    uint32_t previous = none;
    uint32_t list = 0;
  };

  size_t slot_count() const noexcept { return heads_.size() - 1; }
  uint32_t firing() const noexcept { return static_cast<uint32_t>(slot_count()); }
  uint32_t slot_of(int64_t tick) const noexcept {
    return static_cast<uint32_t>(static_cast<uint64_t>(tick) % slot_count());
  }

  /// Rounded up: the tick at which @p due has surely passed.
  int64_t ticks_until(steady_time due) const noexcept {
    if (due <= start_)
      return 0;
    const nanoseconds distance{due - start_};
    return distance / tick_ + (distance % tick_ != nanoseconds{0} ? 1 : 0);
  }

  uint32_t allocate() {
    if (free_ == none) {
      nodes_.emplace_back();
      return static_cast<uint32_t>(nodes_.size() - 1);
    }
    const auto index = free_;
    free_ = nodes_[index].next;
    return index;
  }

  void link(uint32_t index, uint32_t list) noexcept {
    auto& node = nodes_[index];
    node.list = list;
    node.previous = none;
    node.next = heads_[list];
    if (node.next != none)
      nodes_[node.next].previous = index;
    heads_[list] = index;
    if (list != firing())
      occupied_[list / 64] |= uint64_t{1} << (list % 64);
  }

  void unlink(uint32_t index) noexcept {
    const auto& node = nodes_[index];
    if (node.previous != none)
      nodes_[node.previous].next = node.next;
    else
      heads_[node.list] = node.next;
    if (node.next != none)
      nodes_[node.next].previous = node.previous;
    if (heads_[node.list] == none && node.list != firing())
      occupied_[node.list / 64] &= ~(uint64_t{1} << (node.list % 64));
  }

  Key take(uint32_t index) {
    unlink(index);
    auto& node = nodes_[index];
    Key key = std::move(*node.key);
    node.key.reset();
    node.serial = 0;
    node.next = free_;
    free_ = index;
    --size_;
    return key;
  }

  /// Moves what is due in @p slot to the firing list; deadlines of later turns of the wheel stay.
  void gather(uint32_t slot, int64_t target) noexcept {
    for (auto index = heads_[slot]; index != none;) {
      const auto next = nodes_[index].next;
      if (nodes_[index].tick <= target) {
        unlink(index);
        link(index, firing());
      }
      index = next;
    }
  }

  steady_time start_;
  nanoseconds tick_;
  int64_t current_ = 0;            ///< The last tick whose deadlines have fired.
  std::vector<uint64_t> occupied_; ///< One bit per slot.
  std::vector<uint32_t> heads_;
  std::vector<node> nodes_;
  uint32_t free_ = none;
  size_t size_ = 0;
  uint64_t serials_ = 0;
};

} // namespace assay::control
