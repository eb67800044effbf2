#include "io/process.hpp"

#include "io/detail/spawn.hpp"
#include "io/runtime.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace assay::io {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using steady = std::chrono::steady_clock;

constexpr size_t piece_bytes = size_t{64} << 10;
constexpr milliseconds poll_interval{10}; // where the kernel has no pidfd
constexpr milliseconds last_wait{1'000};  // for a killed program while the runtime stops

milliseconds from_timeval(const timeval& time) {
  return milliseconds{time.tv_sec * 1000 + time.tv_usec / 1000};
}

} // namespace

shared_file::shared_file(int descriptor) : owned_(std::make_shared<detail::owned_descriptor>(descriptor)) {}

int shared_file::descriptor() const noexcept { return owned_ ? owned_->get() : -1; }

result<shared_file> shared_file::in_memory(std::string_view content) {
  const int descriptor = ::memfd_create("assay", MFD_CLOEXEC);
  if (descriptor < 0)
    return fault{errc::internal, std::string("no file in memory: ") + std::strerror(errno), {}, {}};
  shared_file out(descriptor);
  size_t done = 0;
  while (done < content.size()) {
    const auto count = ::write(descriptor, content.data() + done, content.size() - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return fault{
          errc::internal, std::string("a file in memory was not written: ") + std::strerror(errno), {}, {}};
    done += static_cast<size_t>(count);
  }
  ::lseek(descriptor, 0, SEEK_SET);
  return out;
}

/// One program, on the runtime's thread but for the atomics.
struct process::state : std::enable_shared_from_this<process::state> {
  using handler = std::function<void(std::string_view)>;

  /// One of the pipes that it writes to.
  struct reader {
    explicit reader(asio::io_context& context) : pipe(context) {}
    asio::posix::stream_descriptor pipe;
    std::array<char, piece_bytes> buffer{};
    const handler* deliver = nullptr;
    size_t ungranted = 0;
    size_t window = 0;
    bool reading = false;
  };

  state(io_runtime& r, process_options o, process_handlers h)
      : runtime(r), options(std::move(o)), handlers(std::move(h)), input(r.context()),
        exit_watch(r.context()), timer(r.context()), output(r.context()), error(r.context()),
        report(r.context()), lifeline(r.lifeline()) {}

  io_runtime& runtime;
  process_options options;
  process_handlers handlers;

  asio::posix::stream_descriptor input;
  asio::posix::stream_descriptor exit_watch;
  asio::steady_timer timer;
  reader output;
  reader error;
  reader report;
  std::shared_ptr<void> lifeline; // the descriptors unregister at the loop

  pid_t pid = -1; // -1 once it was waited for
  steady::time_point started_at{};
  uint64_t stop_hook = 0;
  std::deque<shared_text> unwritten;
  size_t written_of_first = 0;
  bool writing = false;
  bool input_ends = false;
  bool exited = false;
  bool told = false;
  process_end end;

  std::atomic<size_t> waiting_bytes{0};
  std::atomic<bool> kill_wanted{false};

  void start() {
    if (told)
      return;
    if (kill_wanted)
      return fail({errc::cancelled, "the program was killed before it started", {}, {}});
    auto self = shared_from_this();
    stop_hook = runtime.at_stop([self] { self->on_stop(); });
    if (stop_hook == 0)
      return fail({errc::shutting_down, "no program is started any more", {}, {}});
    auto spawned = detail::spawn(options);
    if (!spawned)
      return fail(spawned.error());
    started_at = steady::now();
    pid = spawned->pid;
    options.attachment = {};
    input.assign(spawned->input.release());
    begin_reading(output, spawned->output.release(), handlers.on_output, options.window);
    begin_reading(error, spawned->error.release(), handlers.on_error, 0);
    if (spawned->report.get() >= 0)
      begin_reading(report, spawned->report.release(), handlers.on_report, 0);
    if (spawned->exit_watch.get() >= 0)
      exit_watch.assign(spawned->exit_watch.release());
    await_exit();
    if (!options.input.empty()) {
      waiting_bytes += options.input.size();
      unwritten.push_front(std::exchange(options.input, {}));
    }
    input_ends = input_ends || !options.keep_input_open;
    write_on();
  }

  // -- its ways out

  void begin_reading(reader& from, int descriptor, const handler& deliver, size_t window) {
    from.pipe.assign(descriptor);
    from.deliver = &deliver;
    from.window = window;
    read_on(from);
  }

  void read_on(reader& from) {
    if (from.reading || !from.pipe.is_open() || (from.window > 0 && from.ungranted >= from.window))
      return;
    from.reading = true;
    const auto most = from.window > 0 ? std::min(piece_bytes, from.window - from.ungranted) : piece_bytes;
    from.pipe.async_read_some(asio::buffer(from.buffer.data(), most),
                              [self = shared_from_this(), &from](const error_code& failed, size_t count) {
                                self->on_read(from, failed, count);
                              });
  }

  void on_read(reader& from, const error_code& failed, size_t count) {
    from.reading = false;
    if (told)
      return;
    if (failed) {
      close(from.pipe);
      return finish_if_done();
    }
    if (from.window > 0)
      from.ungranted += count;
    if (*from.deliver)
      (*from.deliver)({from.buffer.data(), count});
    else if (from.window > 0)
      from.ungranted = 0;
    read_on(from);
  }

  // -- its way in

  void write_on() {
    if (writing || !input.is_open())
      return;
    while (!unwritten.empty() && unwritten.front().size() == written_of_first) {
      unwritten.pop_front();
      written_of_first = 0;
    }
    if (unwritten.empty()) {
      if (input_ends)
        close(input);
      return;
    }
    writing = true;
    const auto text = unwritten.front().view().substr(written_of_first);
    input.async_write_some(asio::buffer(text.data(), text.size()),
                           [self = shared_from_this()](const error_code& failed, size_t count) {
                             self->on_written(failed, count);
                           });
  }

  void on_written(const error_code& failed, size_t count) {
    writing = false;
    written_of_first += count;
    waiting_bytes -= count;
    // A program need not read its input; its end tells more than a broken pipe.
    if (failed)
      return drop_input();
    write_on();
  }

  void drop_input() {
    close(input);
    for (const auto& text : unwritten)
      waiting_bytes -= text.size();
    waiting_bytes += written_of_first;
    unwritten.clear();
    written_of_first = 0;
  }

  void take(shared_text text) {
    if (told || input_ends || (pid < 0 && exited)) {
      waiting_bytes -= text.size();
      return;
    }
    unwritten.push_back(std::move(text));
    write_on();
  }

  // -- its end

  void await_exit() {
    auto self = shared_from_this();
    if (exit_watch.is_open())
      return exit_watch.async_wait(asio::posix::stream_descriptor::wait_read,
                                   [self](const error_code& failed) {
                                     if (!failed && !self->reap())
                                       self->await_exit();
                                   });
    timer.expires_after(poll_interval);
    timer.async_wait([self](const error_code& failed) {
      if (!failed && !self->reap())
        self->await_exit();
    });
  }

  /// @returns whether it has ended.
  bool reap() {
    if (pid < 0)
      return true;
    siginfo_t news{};
    const int looked = ::waitid(P_PID, static_cast<id_t>(pid), &news, WEXITED | WNOHANG | WNOWAIT);
    if (looked == 0 && news.si_pid == 0)
      return false;
    // What it left behind in its group must not outlive it. Until it is waited for, its number is its own.
    ::kill(-pid, SIGKILL);
    int status = 0;
    rusage used{};
    const auto waited = ::wait4(pid, &status, WNOHANG, &used);
    end.wall = std::chrono::duration_cast<milliseconds>(steady::now() - started_at);
    if (waited < 0) {
      end.error = fault{errc::internal, std::string("a program was lost: ") + std::strerror(errno), {}, {}};
    } else {
      end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
      end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
      end.cpu = from_timeval(used.ru_utime) + from_timeval(used.ru_stime);
      end.peak_memory_bytes = static_cast<uint64_t>(used.ru_maxrss) << 10;
    }
    on_exit();
    return true;
  }

  void on_exit() {
    pid = -1;
    exited = true;
    close(exit_watch);
    drop_input();
    timer.expires_after(options.linger);
    timer.async_wait([self = shared_from_this()](const error_code& failed) {
      if (!failed)
        self->tell();
    });
    finish_if_done();
  }

  void finish_if_done() {
    if (exited && !output.pipe.is_open() && !error.pipe.is_open() && !report.pipe.is_open())
      tell();
  }

  void kill() {
    if (pid > 0)
      ::kill(-pid, SIGKILL);
  }

  void on_stop() {
    stop_hook = 0;
    if (told)
      return;
    kill();
    if (pid > 0 && exit_watch.is_open()) {
      pollfd ended{exit_watch.native_handle(), POLLIN, 0};
      ::poll(&ended, 1, static_cast<int>(last_wait.count()));
    }
    reap();
    tell();
  }

  void fail(fault reason) {
    end.error = std::move(reason);
    tell();
  }

  void tell() {
    if (std::exchange(told, true))
      return;
    if (stop_hook != 0)
      runtime.forget(std::exchange(stop_hook, 0));
    timer.cancel();
    close(exit_watch);
    drop_input();
    for (auto* each : {&output, &error, &report})
      close(each->pipe);
    // The handlers may hold whoever holds this.
    const auto last = std::exchange(handlers, {});
    if (last.on_end)
      last.on_end(end);
  }

  static void close(asio::posix::stream_descriptor& descriptor) {
    error_code ignored;
    if (descriptor.is_open())
      descriptor.close(ignored);
  }
};

process::process(std::shared_ptr<state> made) : state_(std::move(made)) {}

process::~process() { kill(); }

std::shared_ptr<process> process::start(io_runtime& runtime, process_options options,
                                        process_handlers handlers) {
  auto made = std::make_shared<state>(runtime, std::move(options), std::move(handlers));
  std::shared_ptr<process> out(new process(made)); // allowed(raw-new): the constructor is private
  runtime.post([made] { made->start(); });
  return out;
}

bool process::write(shared_text text) {
  const auto bytes = text.size();
  if (bytes == 0)
    return true;
  if (state_->waiting_bytes.fetch_add(bytes) + bytes > state_->options.max_unwritten) {
    state_->waiting_bytes -= bytes;
    return false;
  }
  state_->runtime.post([s = state_, text = std::move(text)]() mutable { s->take(std::move(text)); });
  return true;
}

void process::close_input() {
  state_->runtime.post([s = state_] {
    s->input_ends = true;
    s->write_on();
  });
}

void process::grant(size_t bytes) {
  state_->runtime.post([s = state_, bytes] {
    s->output.ungranted -= std::min(bytes, s->output.ungranted);
    s->read_on(s->output);
  });
}

void process::kill() {
  if (!state_->kill_wanted.exchange(true))
    state_->runtime.post([s = state_] { s->kill(); });
}

} // namespace assay::io
