#include "io/sandbox.hpp"

#include "io/launcher/job_archive.hpp"
#include "io/runtime.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include <unistd.h>

namespace assay::io {

namespace {

constexpr size_t most_report_bytes = 4096;
constexpr size_t most_trouble_bytes = 500;
constexpr int launcher_trouble = 125;
constexpr int exceeded_file_size = 128 + 25; // a shell's word for a program that SIGXFSZ has ended

bool stays_inside(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.back() == '/' || name.find('\0') != std::string::npos)
    return false;
  for (size_t begin = 0; begin <= name.size();) {
    const auto end = std::min(name.find('/', begin), name.size());
    const auto part = std::string_view(name).substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..")
      return false;
    begin = end + 1;
  }
  return true;
}

result<shared_file> archive_of(const std::vector<sandbox_file>& files) {
  std::string out;
  for (const auto& file : files) {
    if (!stays_inside(file.name))
      return fault{errc::invalid_argument, "\"" + file.name + "\" is no name of a file in a job's folder",
                   "files", "names are relative, without `..`"};
    launcher::add_to_archive(out, file.name, file.content.view());
  }
  return shared_file::in_memory(out);
}

void add_limits(std::vector<std::string>& words, const sandbox_limits& limits) {
  const auto add = [&words](const char* word, uint64_t value) {
    words.emplace_back(word);
    words.push_back(std::to_string(value));
  };
  add("--cpu-ms", static_cast<uint64_t>(limits.cpu.count()));
  add("--wall-ms", static_cast<uint64_t>(limits.wall.count()));
  add("--memory", limits.memory_bytes);
  add("--processes", limits.processes);
  add("--file-bytes", limits.file_bytes);
  add("--disk-bytes", limits.disk_bytes);
}

std::vector<std::string> launcher_words(const sandbox_options& options, const sandbox_limits& limits,
                                        uint32_t slot) {
  std::vector<std::string> out{options.launcher, "--bwrap", options.bwrap};
  if (::geteuid() == 0) {
    out.emplace_back("--uid");
    out.push_back(std::to_string(options.first_user + slot));
  }
  add_limits(out, limits);
  return out;
}

/// What to do about the words with which bubblewrap fails.
std::string hint_for(std::string_view trouble) {
  const auto says = [&](std::string_view text) { return trouble.find(text) != std::string_view::npos; };
  if (says("bwrap: No such file") || says("bwrap: No permission") || says("bwrap: Permission denied"))
    return "install bubblewrap (`apt-get install bubblewrap`), or name it as sandbox.bwrap";
  if (says("proc"))
    return "in a container, /proc must not be masked: run it with a security option such as "
           "systempaths=unconfined";
  if (says("amespace") || says("uid map") || says("Operation not permitted") || says("RTM_NEWADDR"))
    return "this system keeps users from making namespaces: see the sysctls "
           "kernel.unprivileged_userns_clone, "
           "user.max_user_namespaces and kernel.apparmor_restrict_unprivileged_userns; in a container, its "
           "seccomp profile must allow them";
  return "run `assay doctor`";
}

std::optional<sandbox_end> end_from(std::string_view word) {
  for (const auto end : {sandbox_end::exited, sandbox_end::signalled, sandbox_end::cpu_limit,
                         sandbox_end::wall_limit, sandbox_end::memory_limit, sandbox_end::file_limit})
    if (to_string(end) == word)
      return end;
  return std::nullopt;
}

/// What the launcher says; see io/launcher/inside.hpp.
class launcher_report {
public:
  void add(std::string_view piece) {
    text_.append(piece);
    for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
      read(text_.substr(0, end));
      text_.erase(0, end + 1);
    }
    if (text_.size() > most_report_bytes)
      text_.clear(); // not the launcher's words
  }

  bool ended() const { return ended_; }
  const std::string& error() const { return error_; }

  void fill(sandbox_result& out) const {
    out.end = end_;
    out.exit_code = exit_code_;
    out.signal = signal_;
    out.cpu = milliseconds{cpu_us_ / 1000};
    out.peak_memory_bytes = peak_;
    if (wall_us_ > 0)
      out.wall = milliseconds{wall_us_ / 1000};
  }

private:
  void read(const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "at") {
      words >> cpu_us_ >> peak_;
    } else if (kind == "end") {
      std::string word;
      words >> word >> exit_code_ >> signal_ >> cpu_us_ >> wall_us_ >> peak_;
      const auto end = end_from(word);
      ended_ = end && !words.fail();
      end_ = end.value_or(sandbox_end::exited);
      if (end_ == sandbox_end::exited && exit_code_ == exceeded_file_size)
        end_ = sandbox_end::file_limit;
    } else if (kind == "error") {
      error_ = line.substr(std::min(line.size(), kind.size() + 1));
    }
  }

  std::string text_;
  std::string error_;
  bool ended_ = false;
  sandbox_end end_ = sandbox_end::exited;
  int exit_code_ = 0;
  int signal_ = 0;
  int64_t cpu_us_ = 0;
  int64_t wall_us_ = 0;
  uint64_t peak_ = 0;
};

/// A job's state, on the runtime's thread.
struct job_state {
  std::function<void(sandbox_result)> done;
  sandbox_result result;
  uint64_t most_output = 0;
  std::string out;
  std::string err;
  launcher_report report;
  bool overflowed = false;
  std::atomic<bool> withdrawn{false};
  std::weak_ptr<process> running;

  void take(std::string& into, std::string_view piece) {
    const auto room = static_cast<size_t>(most_output - std::min<uint64_t>(most_output, into.size()));
    into.append(piece.substr(0, room));
    if (piece.size() <= room || overflowed)
      return;
    overflowed = true;
    if (const auto program = running.lock())
      program->kill();
  }

  void finish(const process_end& ended) {
    result.wall = ended.wall;
    report.fill(result);
    if (!report.ended())
      explain(ended);
    result.out = shared_text(out);
    result.err = shared_text(err);
    const auto tell = std::exchange(done, {});
    tell(std::move(result));
  }

  void explain(const process_end& ended) {
    result.exit_code = 0;
    result.signal = 0;
    if (overflowed)
      result.end = sandbox_end::output_limit;
    else if (withdrawn)
      result.end = sandbox_end::withdrawn;
    else if (ended.error)
      result.error = fault{ended.error->code == errc::not_found ? errc::unsupported : ended.error->code,
                           "no sandbox: " + ended.error->message,
                           {},
                           ended.error->code == errc::not_found
                               ? "install assay-launch beside assay, or name it as sandbox.launcher"
                               : ended.error->hint};
    else if (!report.error().empty())
      result.error = fault{errc::invalid_argument, report.error(), {}, {}};
    else
      result.error = no_sandbox(ended);
  }

  fault no_sandbox(const process_end& ended) {
    auto trouble = std::exchange(err, {});
    while (!trouble.empty() && trouble.back() == '\n')
      trouble.pop_back();
    if (trouble.size() > most_trouble_bytes)
      trouble.resize(most_trouble_bytes);
    if (trouble.empty())
      trouble = ended.signal != 0 ? "its launcher was ended by signal " + std::to_string(ended.signal)
                                  : "its launcher ended without a word";
    const bool its_own = ended.exit_code == launcher_trouble || trouble.starts_with("bwrap: ");
    return {its_own ? errc::unsupported : errc::internal, "no sandbox: " + trouble, {}, hint_for(trouble)};
  }
};

class running_job final : public sandbox_run {
public:
  running_job(std::shared_ptr<job_state> state, std::shared_ptr<process> program)
      : state_(std::move(state)), program_(std::move(program)) {}
  ~running_job() override { withdraw(); }
  running_job(const running_job&) = delete;
  running_job& operator=(const running_job&) = delete;

  void withdraw() override {
    state_->withdrawn = true;
    program_->kill();
  }

private:
  std::shared_ptr<job_state> state_;
  std::shared_ptr<process> program_;
};

class refused_job final : public sandbox_run {
public:
  void withdraw() override {}
};

// What the program that looks around prints, and what holds when it does. Lines of /proc/self/status say what
// the kernel thinks of it, the rest is tried.
constexpr std::string_view look_around_script = R"sh(
grep -E '^(Uid|NoNewPrivs|Seccomp|CapEff|CapBnd):' /proc/self/status
echo "processes: $(grep 'Max processes' /proc/self/limits | tr -s ' ' | cut -d' ' -f3)"
echo "network: $(grep -c ':' /proc/net/dev)"
echo "first: $(cat /proc/1/comm)"
if (: > /probe) 2> /dev/null; then echo "system: writable"; else echo "system: read-only"; fi
if [ -e /root ] || [ -e /home ] || [ -e /etc/passwd ]; then echo "files: seen"; else echo "files: hidden"; fi
)sh";

} // namespace

std::string launcher_beside_this_program() {
  std::array<char, 4096> path{};
  const auto length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0 || static_cast<size_t>(length) == path.size())
    return "/usr/bin/assay-launch";
  const std::string_view own(path.data(), static_cast<size_t>(length));
  return std::string(own.substr(0, own.rfind('/') + 1)) + "assay-launch";
}

result<process_options> options_for(const sandbox_options& options, const sandbox_worker& worker,
                                    uint32_t slot) {
  auto files = archive_of(worker.files);
  if (!files)
    return files.error();
  process_options out;
  out.command = launcher_words(options, worker.limits, slot);
  for (const auto& [source, seen] : worker.read)
    out.command.insert(out.command.end(), {"--read", source, seen});
  for (const auto& variable : worker.environment)
    out.command.insert(out.command.end(), {"--env", variable});
  out.command.emplace_back("--");
  out.command.insert(out.command.end(), worker.command.begin(), worker.command.end());
  out.keep_input_open = true;
  out.with_report = true;
  out.attachment = *files;
  return out;
}

std::shared_ptr<sandbox_run> run_in_sandbox(io_runtime& runtime, const sandbox_options& options,
                                            const sandbox_job& job, uint32_t slot,
                                            std::function<void(sandbox_result)> done) {
  auto state = std::make_shared<job_state>();
  state->done = std::move(done);
  state->result.id = job.id;
  state->most_output = job.limits.output_bytes;
  sandbox_worker worker;
  worker.command = job.command;
  worker.files = job.files;
  worker.limits = job.limits;
  auto program =
      job.command.empty()
          ? result<process_options>(fault{errc::invalid_argument, "a job names no program", "command", {}})
          : options_for(options, worker, slot);
  if (!program) {
    state->result.error = program.error();
    runtime.post([state] { std::exchange(state->done, {})(std::move(state->result)); });
    return std::make_shared<refused_job>();
  }
  program->input = job.input;
  program->keep_input_open = false;

  process_handlers handlers;
  handlers.on_output = [state](std::string_view piece) { state->take(state->out, piece); };
  handlers.on_error = [state](std::string_view piece) { state->take(state->err, piece); };
  handlers.on_report = [state](std::string_view piece) { state->report.add(piece); };
  handlers.on_end = [state](const process_end& ended) { state->finish(ended); };
  auto running = process::start(runtime, std::move(*program), std::move(handlers));
  // The handlers look at it on the runtime's thread only.
  runtime.post([state, weak = std::weak_ptr<process>(running)] {
    state->running = weak;
    if (const auto held = weak.lock(); held && state->overflowed)
      held->kill();
  });
  return std::make_shared<running_job>(std::move(state), std::move(running));
}

sandbox_job look_around() {
  sandbox_job out;
  out.command = {"sh", "-c", std::string(look_around_script)};
  return out;
}

sandbox_findings findings_from(const sandbox_result& looked_around) {
  sandbox_findings out;
  if (looked_around.error) {
    out.reason = *looked_around.error;
    return out;
  }
  std::map<std::string, std::string> seen;
  std::istringstream lines(looked_around.out.str());
  for (std::string line; std::getline(lines, line);)
    if (const auto colon = line.find(':'); colon != std::string::npos) {
      const auto value = line.find_first_not_of(" \t", colon + 1);
      seen[line.substr(0, colon)] = value == std::string::npos ? "" : line.substr(value);
    }
  const auto is = [&seen](const char* name, std::string_view wanted) {
    const auto found = seen.find(name);
    return found != seen.end() && found->second == wanted;
  };
  const auto not_held = [&out](std::string what) {
    out.reason = {errc::unsupported,
                  "the sandbox does not hold what runs in it: " + std::move(what),
                  {},
                  "programs of models are not run here; see docs/sandbox.md"};
    return out;
  };
  const sandbox_limits usual;
  if (looked_around.end != sandbox_end::exited || looked_around.exit_code != 0)
    return not_held("a small program ended with " + std::string(to_string(looked_around.end)));
  if (!seen.contains("Uid") || seen["Uid"].starts_with("0\t"))
    return not_held("it runs as root");
  if (!is("NoNewPrivs", "1") || !is("CapEff", "0000000000000000") || !is("CapBnd", "0000000000000000"))
    return not_held("it has rights");
  if (!is("Seccomp", "2"))
    return not_held("no filter of system calls");
  if (!is("processes", std::to_string(usual.processes + 1)))
    return not_held("no limit of processes");
  if (!is("network", "1"))
    return not_held("it sees the network");
  if (!is("first", "assay-launch"))
    return not_held("it sees other processes");
  if (!is("system", "read-only") || !is("files", "hidden"))
    return not_held("it sees this machine's files");
  out.available = true;
  out.limits = {"cpu: the launcher's watch over all processes, RLIMIT_CPU for each",
                "wall: the launcher's watch, and the farm's",
                "memory: the launcher's watch over all processes, every 10 ms; no cgroup",
                "processes: RLIMIT_NPROC of a user of its own in a user namespace of its own",
                "files: RLIMIT_FSIZE for each, the size of its tmpfs for all",
                "output: the farm",
                "network: none, a namespace of its own",
                "system calls: seccomp, no new privileges, no capabilities"};
  return out;
}

} // namespace assay::io
