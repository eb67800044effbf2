#include "server/reader_pool.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace assay::server {

struct reader_pool::implementation {
  std::string name;
  size_t longest_line;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> line;
  bool stopping = false;
  std::vector<std::thread> threads;

  void work() {
    for (;;) {
      std::function<void()> next;
      {
        std::unique_lock lock{mutex};
        changed.wait(lock, [&] { return stopping || !line.empty(); });
        if (line.empty())
          return;
        next = std::move(line.front());
        line.pop_front();
      }
      next();
    }
  }
};

reader_pool::reader_pool(std::string name, unsigned threads, size_t longest_line)
    : implementation_(std::make_unique<implementation>()) {
  implementation_->name = std::move(name);
  implementation_->longest_line = longest_line;
  for (unsigned i = 0; i < threads; ++i)
    implementation_->threads.emplace_back([state = implementation_.get()] { state->work(); });
}

reader_pool::~reader_pool() {
  {
    const std::lock_guard lock{implementation_->mutex};
    implementation_->stopping = true;
  }
  implementation_->changed.notify_all();
  for (auto& thread : implementation_->threads)
    thread.join();
}

bool reader_pool::submit(std::function<void()> work) {
  {
    const std::lock_guard lock{implementation_->mutex};
    if (implementation_->stopping || implementation_->line.size() >= implementation_->longest_line)
      return false;
    implementation_->line.push_back(std::move(work));
  }
  implementation_->changed.notify_one();
  return true;
}

fault reader_pool::full() const {
  return {errc::busy, "too many requests wait for the " + implementation_->name, {}, "try again in a second"};
}

} // namespace assay::server
