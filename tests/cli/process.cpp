#include "process.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>

namespace assay::cli::test {

namespace {

constexpr std::chrono::seconds patience{60};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

/// Gives other processes a moment; every use is bounded by a deadline on an event.
void breathe() { ::poll(nullptr, 0, 5); }

} // namespace

process::process(const std::vector<std::string>& arguments, const std::string& folder,
                 const std::map<std::string, std::string>& environment) {
  static std::atomic<int> number = 0;
  const auto stem = folder + "/process-" + std::to_string(++number);
  out_file_ = stem + ".out";
  err_file_ = stem + ".err";
  std::vector<std::string> words{"/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", folder};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables{"HOME=" + folder, "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
                                     "ASAN_OPTIONS=detect_leaks=1"};
  for (const auto& [name, value] : environment)
    variables.push_back(name + "=" + value);
  std::vector<char*> envp;
  for (auto& variable : variables)
    envp.push_back(variable.data());
  envp.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0600);
  const int failed = ::posix_spawn(&pid_, "/bin/sh", &files, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&files);
  if (failed != 0)
    ADD_FAILURE() << "cannot start " << arguments.front();
}

process::~process() {
  if (!running())
    return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
}

bool process::running() const {
  if (!ended_ && pid_ > 0)
    ended_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
  return !ended_ && pid_ > 0;
}

void process::signal(int number) const {
  if (running())
    ::kill(pid_, number);
}

finished process::wait() {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (running() && std::chrono::steady_clock::now() < until)
    breathe();
  if (running()) {
    ADD_FAILURE() << "the process did not end\n" << content(out_file_) << content(err_file_);
    return {};
  }
  return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_), content(out_file_),
          content(err_file_)};
}

finished run_assay(const std::vector<std::string>& arguments, const std::string& folder,
                   const std::map<std::string, std::string>& environment) {
  std::vector<std::string> all{ASSAY_BINARY};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return process(all, folder, environment).wait();
}

bool wait_for_text(const std::string& path, const std::string& text, const process& writer) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    const bool running = writer.running();
    if (content(path).find(text) != std::string::npos)
      return true;
    if (!running)
      return false;
    breathe();
  }
  return false;
}

std::string wait_for_file(const std::string& path, const process& writer) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    if (auto text = content(path); !text.empty())
      return text;
    if (!writer.running())
      return {};
    breathe();
  }
  return {};
}

} // namespace assay::cli::test
