#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace assay::cli {

/// What others read and one replaces, whole, while they do. Any thread may call it.
template <class T>
class present {
public:
  explicit present(std::shared_ptr<const T> first) : now_(std::move(first)) {}

  std::shared_ptr<const T> get() const {
    const std::lock_guard guard{mutex_};
    return now_;
  }

  /// @returns what it was.
  std::shared_ptr<const T> exchange(std::shared_ptr<const T> next) {
    const std::lock_guard guard{mutex_};
    return std::exchange(now_, std::move(next));
  }

private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> now_;
};

} // namespace assay::cli
