#include "io/runtime.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <csignal>
#include <map>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <utility>

namespace assay::io {

struct io_runtime::state {
  explicit state(std::string thread_name)
      : name(std::move(thread_name)), context(1), guard(boost::asio::make_work_guard(context)) {}

  std::string name;
  boost::asio::io_context context;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard;
  std::atomic<bool> joined{false};
  std::atomic<std::thread::id> loop_thread{};

  std::mutex mutex; // guards what follows
  bool started = false;
  bool stopping = false;
  std::thread thread;
  uint64_t last_hook = 0;
  std::map<uint64_t, std::function<void()>> hooks;

  void run_hooks() {
    std::map<uint64_t, std::function<void()>> taken;
    {
      std::lock_guard lock(mutex);
      taken.swap(hooks);
    }
    for (auto& [number, hook] : taken)
      hook();
  }
};

io_runtime::io_runtime(std::string name) : state_(std::make_shared<state>(std::move(name))) {}

io_runtime::~io_runtime() {
  stop();
  join();
}

void io_runtime::start() {
  std::lock_guard lock(state_->mutex);
  if (state_->started || state_->stopping)
    return;
  state_->started = true;
  state_->thread = std::thread([s = state_.get()] {
    pthread_setname_np(pthread_self(), s->name.substr(0, 15).c_str());
    // OpenSSL writes with write(2), which raises SIGPIPE on a closed socket; the error code is enough.
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, nullptr);
    s->loop_thread = std::this_thread::get_id();
    s->context.run();
  });
}

void io_runtime::stop() {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopping)
      return;
    state_->stopping = true;
  }
  boost::asio::post(state_->context, [s = state_.get()] {
    s->run_hooks();
    s->context.stop();
  });
}

void io_runtime::join() {
  std::thread thread;
  {
    std::lock_guard lock(state_->mutex);
    thread = std::move(state_->thread);
    if (state_->joined)
      return;
  }
  if (thread.joinable())
    thread.join();
  else if (state_->started)
    return; // somebody else is joining
  // Late submissions still get their answer ("closing") instead of silence.
  state_->guard.reset();
  state_->context.restart();
  state_->context.poll();
  state_->context.stop();
  state_->joined = true;
}

void io_runtime::post(std::function<void()> work) {
  if (!state_->joined)
    boost::asio::post(state_->context, std::move(work));
}

bool io_runtime::on_thread() const noexcept {
  return state_->loop_thread.load() == std::this_thread::get_id();
}

bool io_runtime::joined() const noexcept { return state_->joined; }

uint64_t io_runtime::at_stop(std::function<void()> hook) {
  std::lock_guard lock(state_->mutex);
  if (state_->stopping)
    return 0;
  state_->hooks.emplace(++state_->last_hook, std::move(hook));
  return state_->last_hook;
}

void io_runtime::forget(uint64_t hook) {
  std::lock_guard lock(state_->mutex);
  state_->hooks.erase(hook);
}

boost::asio::io_context& io_runtime::context() noexcept { return state_->context; }

std::shared_ptr<void> io_runtime::lifeline() const noexcept { return state_; }

} // namespace assay::io
