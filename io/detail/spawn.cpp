#include "io/detail/spawn.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <vector>

namespace assay::io::detail {

namespace {

constexpr int report_descriptor = 3;
constexpr int attachment_descriptor = 4;
/// Above every number that the program sees, so that none of ours is overwritten before it is copied.
constexpr int first_descriptor = 10;

struct pipe_ends {
  owned_descriptor from;
  owned_descriptor to;
};

fault out_of_room(const char* what) {
  return {errc::busy,
          std::string(what) + ": " + std::strerror(errno),
          {},
          "raise the limit of open files, or lower the number of workers"};
}

result<owned_descriptor> lifted(int descriptor) {
  owned_descriptor low(descriptor);
  owned_descriptor high(::fcntl(descriptor, F_DUPFD_CLOEXEC, first_descriptor));
  if (high.get() < 0)
    return out_of_room("no descriptor for a program");
  return high;
}

result<pipe_ends> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return out_of_room("no pipe for a program");
  pipe_ends out;
  auto from = lifted(ends[0]);
  auto to = lifted(ends[1]);
  if (!from)
    return from.error();
  if (!to)
    return to.error();
  out.from = std::move(*from);
  out.to = std::move(*to);
  return out;
}

class file_actions {
public:
  file_actions() { ::posix_spawn_file_actions_init(&actions_); }
  ~file_actions() { ::posix_spawn_file_actions_destroy(&actions_); }
  file_actions(const file_actions&) = delete;
  file_actions& operator=(const file_actions&) = delete;

  void becomes(int ours, int theirs) { note(::posix_spawn_file_actions_adddup2(&actions_, ours, theirs)); }
  void close_from(int first) { note(::posix_spawn_file_actions_addclosefrom_np(&actions_, first)); }
  void close(int descriptor) { note(::posix_spawn_file_actions_addclose(&actions_, descriptor)); }
  void start_in(const std::string& folder) {
    note(::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str()));
  }

  int failed() const { return failed_; }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
  void note(int code) {
    if (code != 0)
      failed_ = code;
  }

  posix_spawn_file_actions_t actions_{};
  int failed_ = 0;
};

class spawn_attributes {
public:
  spawn_attributes() {
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigset_t set;
    sigemptyset(&set);
    ::posix_spawnattr_setsigmask(&attributes_, &set);
    sigfillset(&set);
    ::posix_spawnattr_setsigdefault(&attributes_, &set);
  }
  ~spawn_attributes() { ::posix_spawnattr_destroy(&attributes_); }
  spawn_attributes(const spawn_attributes&) = delete;
  spawn_attributes& operator=(const spawn_attributes&) = delete;

  const posix_spawnattr_t* get() const { return &attributes_; }

private:
  posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  // posix_spawn takes char* for history's sake and changes nothing.
  for (const auto& text : texts)
    out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

fault not_started(const process_options& options, int code) {
  const bool missing = code == ENOENT || code == ENOTDIR || code == EACCES;
  const bool full = code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE;
  return {missing ? errc::not_found
          : full  ? errc::busy
                  : errc::internal,
          options.command[0] + " does not start: " + std::strerror(code),
          {},
          missing ? "is it installed, and is " + options.folder + " there?" : ""};
}

} // namespace

result<spawned> spawn(const process_options& options) {
  if (options.command.empty() || !options.command[0].starts_with('/') || !options.folder.starts_with('/'))
    return fault{errc::invalid_argument, "a program and its folder need absolute paths", {}, {}};
  auto input = make_pipe();
  auto output = make_pipe();
  auto error = make_pipe();
  for (const auto* each : {&input, &output, &error})
    if (!*each)
      return each->error();
  pipe_ends report;
  if (options.with_report) {
    auto made = make_pipe();
    if (!made)
      return made.error();
    report = std::move(*made);
  }
  owned_descriptor attachment;
  if (options.attachment.descriptor() >= 0)
    attachment.reset(::fcntl(options.attachment.descriptor(), F_DUPFD_CLOEXEC, first_descriptor));

  file_actions actions;
  actions.becomes(input->from.get(), STDIN_FILENO);
  actions.becomes(output->to.get(), STDOUT_FILENO);
  actions.becomes(error->to.get(), STDERR_FILENO);
  if (options.with_report)
    actions.becomes(report.to.get(), report_descriptor);
  else
    actions.close(report_descriptor);
  if (attachment.get() >= 0)
    actions.becomes(attachment.get(), attachment_descriptor);
  else
    actions.close(attachment_descriptor);
  actions.close_from(attachment_descriptor + 1);
  actions.start_in(options.folder);
  if (actions.failed() != 0)
    return not_started(options, actions.failed());

  const spawn_attributes attributes;
  const auto arguments = pointers(options.command);
  const auto environment = pointers(options.environment);
  spawned out;
  if (const int code = ::posix_spawn(&out.pid, options.command[0].c_str(), actions.get(), attributes.get(),
                                     arguments.data(), environment.data());
      code != 0)
    return not_started(options, code);
  // Nobody else waits for it, so its number is still its own.
  out.exit_watch.reset(static_cast<int>(::syscall(SYS_pidfd_open, out.pid, 0)));
  if (out.exit_watch.get() >= 0)
    ::fcntl(out.exit_watch.get(), F_SETFD, FD_CLOEXEC);
  out.input = std::move(input->to);
  out.output = std::move(output->from);
  out.error = std::move(error->from);
  out.report = std::move(report.from);
  return out;
}

} // namespace assay::io::detail
