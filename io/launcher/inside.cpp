#include "io/launcher/inside.hpp"

#include "io/launcher/job_archive.hpp"
#include "io/launcher/usage.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace assay::launcher {

namespace {

using steady = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds look_interval{10};
constexpr milliseconds tell_interval{50};
constexpr rlim_t most_open_files = 256;
constexpr int program_nice = 5; // the watching goes on however many there are
constexpr mode_t file_mode = 0644;
constexpr mode_t folder_mode = 0755;
constexpr size_t piece_bytes = size_t{64} << 10;

void report(const std::string& line) {
  // When nobody reads it, nobody waits for the program either.
  static_cast<void>(!::write(report_descriptor, line.data(), line.size()));
}

[[noreturn]] void refuse(const std::string& why) {
  report("error " + why + "\n");
  std::_Exit(0);
}

// -- the job's files
// -----------------------------------------------------------------------------------------

bool read_all(char* into, size_t bytes) {
  while (bytes > 0) {
    const auto count = ::read(files_descriptor, into, bytes);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    into += count;
    bytes -= static_cast<size_t>(count);
  }
  return true;
}

void make_folders_of(const std::string& path) {
  for (size_t at = path.find('/'); at != std::string::npos; at = path.find('/', at + 1))
    if (at > 0 && ::mkdir(path.substr(0, at).c_str(), folder_mode) != 0 && errno != EEXIST)
      refuse("the folders of " + path + " were not made: " + std::strerror(errno));
}

void write_file(const std::string& name, uint64_t bytes) {
  make_folders_of(name);
  const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, file_mode);
  if (file < 0)
    refuse(name + " was not made: " + std::strerror(errno));
  std::array<char, piece_bytes> piece{};
  while (bytes > 0) {
    const auto part = static_cast<size_t>(std::min<uint64_t>(bytes, piece.size()));
    if (!read_all(piece.data(), part))
      refuse("the job's files are incomplete");
    for (size_t done = 0; done < part;) {
      const auto count = ::write(file, piece.data() + done, part - done);
      if (count <= 0)
        refuse("the job's files do not fit into its folder: " + std::string(std::strerror(errno)));
      done += static_cast<size_t>(count);
    }
    bytes -= part;
  }
  ::close(file);
}

void lay_out_files() {
  std::array<char, archive_head::size> head{};
  while (true) {
    const auto first = ::read(files_descriptor, head.data(), 1);
    if (first < 0 && errno == EBADF)
      return; // it has none
    if (first <= 0)
      break;
    if (!read_all(head.data() + 1, head.size() - 1))
      refuse("the job's files are incomplete");
    const auto about = read_archive_head(head.data());
    std::string name(about.name_bytes, 0);
    if (!read_all(name.data(), name.size()))
      refuse("the job's files are incomplete");
    write_file(name, about.content_bytes);
  }
  ::close(files_descriptor);
}

// -- the program
// ---------------------------------------------------------------------------------------------

void limit(decltype(RLIMIT_CPU) what, rlim_t value) {
  const rlimit both{value, value};
  if (::setrlimit(what, &both) != 0)
    std::_Exit(errno);
}

[[noreturn]] void become_program(const launch_options& options, int trouble) {
  const auto tell = [trouble](int code) {
    static_cast<void>(!::write(trouble, &code, sizeof code));
    std::_Exit(127);
  };
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::setsid() < 0)
    tell(errno);
  // Relative: whoever is nicer already may not become less so. At the end of the scale nothing changes.
  static_cast<void>(!::nice(program_nice));
  // The kernel's own choice, should the machine run out of memory. Nothing depends on it.
  if (const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); file >= 0) {
    static_cast<void>(!::write(file, "1000", 4));
    ::close(file);
  }
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, most_open_files);
  limit(RLIMIT_MEMLOCK, 0);
  limit(RLIMIT_MSGQUEUE, 0);
  if (options.file_bytes > 0)
    limit(RLIMIT_FSIZE, options.file_bytes);
  if (options.cpu_ms > 0)
    limit(RLIMIT_CPU, options.cpu_ms / 1000 + 2); // should the watching fail
  if (options.processes > 0)
    limit(RLIMIT_NPROC, options.processes + 1); // with the first process
  std::vector<char*> words;
  for (const auto& word : options.command)
    words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  tell(errno);
  std::_Exit(127);
}

pid_t start_program(const launch_options& options) {
  std::array<int, 2> trouble{};
  if (::pipe2(trouble.data(), O_CLOEXEC) != 0)
    refuse(std::string("no pipe: ") + std::strerror(errno));
  const pid_t pid = ::fork();
  if (pid < 0)
    refuse(std::string("no process: ") + std::strerror(errno));
  if (pid == 0)
    become_program(options, trouble[1]);
  ::close(trouble[1]);
  int code = 0;
  ssize_t count = 0;
  do
    count = ::read(trouble[0], &code, sizeof code);
  while (count < 0 && errno == EINTR);
  ::close(trouble[0]);
  if (count == sizeof code)
    refuse(options.command[0] + " does not start: " + std::strerror(code));
  return pid;
}

// -- the watch
// -----------------------------------------------------------------------------------------------

class watch {
public:
  watch(const launch_options& options, pid_t program) : options_(options), program_(program) {}

  [[noreturn]] void stand() {
    const char* word = nullptr;
    while (word == nullptr) {
      wait_for_news();
      reap();
      word = over_ ? how_it_ended() : what_is_exceeded();
      tell_now_and_then();
    }
    const auto wall = std::chrono::duration_cast<microseconds>(steady::now() - started_);
    ::kill(-1, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
    notice(usage{});
    std::array<char, 200> line{};
    std::snprintf(line.data(), line.size(), "end %s %d %d %lld %lld %llu\n", word, over_ ? exit_code_ : 0,
                  over_ ? signal_ : 0, static_cast<long long>(cpu_.count()),
                  static_cast<long long>(wall.count()), static_cast<unsigned long long>(peak_));
    report(line.data());
    std::_Exit(0);
  }

private:
  void wait_for_news() {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    const auto nap = std::max(look_interval, std::chrono::duration_cast<milliseconds>(5 * look_cost_));
    const timespec most{nap.count() / 1000, nap.count() % 1000 * 1'000'000};
    ::sigtimedwait(&child, nullptr, &most);
  }

  void reap() {
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended != program_)
        continue;
      over_ = true;
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
      signal_ = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
  }

  const char* how_it_ended() {
    // What it used up to its end counts, however late it is noticed.
    notice(measure(peak_));
    if (signal_ == SIGXFSZ)
      return "file_limit";
    if (signal_ == SIGXCPU || cpu_exceeded())
      return "cpu_limit";
    if (options_.memory_bytes > 0 && peak_ > options_.memory_bytes)
      return "memory_limit";
    return signal_ != 0 ? "signalled" : "exited";
  }

  const char* what_is_exceeded() {
    const auto begun = steady::now();
    const auto now = measure(peak_);
    notice(now);
    look_cost_ = steady::now() - begun;
    if (options_.memory_bytes > 0 && now.memory_bytes > options_.memory_bytes)
      return "memory_limit";
    if (cpu_exceeded())
      return "cpu_limit";
    if (options_.wall_ms > 0 && begun - started_ >= milliseconds{options_.wall_ms})
      return "wall_limit";
    return nullptr;
  }

  bool cpu_exceeded() const { return options_.cpu_ms > 0 && cpu_ > milliseconds{options_.cpu_ms}; }

  void notice(const usage& now) {
    rusage ended{};
    ::getrusage(RUSAGE_CHILDREN, &ended);
    const auto of_ended = microseconds{(ended.ru_utime.tv_sec + ended.ru_stime.tv_sec) * 1'000'000
                                       + ended.ru_utime.tv_usec + ended.ru_stime.tv_usec};
    cpu_ = std::max(cpu_, now.cpu + of_ended);
    peak_ = std::max({peak_, now.memory_bytes, static_cast<uint64_t>(ended.ru_maxrss) << 10});
  }

  void tell_now_and_then() {
    const auto now = steady::now();
    if (now - told_ < tell_interval)
      return;
    told_ = now;
    std::array<char, 100> line{};
    std::snprintf(line.data(), line.size(), "at %lld %llu\n", static_cast<long long>(cpu_.count()),
                  static_cast<unsigned long long>(peak_));
    report(line.data());
  }

  const launch_options& options_;
  pid_t program_;
  steady::time_point started_ = steady::now();
  steady::time_point told_ = started_;
  steady::duration look_cost_{0};
  bool over_ = false;
  int exit_code_ = 0;
  int signal_ = 0;
  microseconds cpu_{0};
  uint64_t peak_ = 0;
};

} // namespace

void run_inside(const launch_options& options) {
  // Nobody of the same user may look into this process or borrow its files.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::fcntl(report_descriptor, F_SETFD, FD_CLOEXEC);
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  ::umask(022);
  if (::chdir(work_folder) != 0)
    refuse(std::string(work_folder) + ": " + std::strerror(errno));
  lay_out_files();
  const pid_t program = start_program(options);
  // The program's ends of its pipes are not held open beyond it.
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    ::close(descriptor);
  watch(options, program).stand();
}

} // namespace assay::launcher
