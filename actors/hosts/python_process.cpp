#include "actors/hosts/python_process.hpp"

#include "actors/hosts/python_wire.hpp"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <set>
#include <utility>

namespace assay {

namespace {

namespace fs = std::filesystem;

constexpr size_t kept_of_stderr = 2'000;
constexpr const char* package = "assay_worker";
/// Where a worker in the sandbox sees a task's folder.
constexpr const char* task_folder = "/task";
/// Programs of models have the slots, and with them the users, below.
constexpr uint32_t first_slot = 500;
constexpr uint32_t most_slots = 256;

/// What a worker says, on the I/O thread.
struct inbox {
  python_worker_handlers handlers;
  python_frames frames;
  std::string said;   ///< The end of its stderr.
  std::string report; ///< What the launcher of its sandbox says.
  bool over = false;

  void end(std::string how) {
    if (!std::exchange(over, true))
      handlers.on_end(std::move(how));
  }

  void take(std::string_view bytes) {
    if (over)
      return;
    auto messages = frames.feed(bytes);
    if (!messages)
      return end(messages.error().message);
    for (const auto& message : *messages) {
      auto reply = read_python_reply(message);
      if (!reply)
        return end(reply.error().message);
      handlers.on_reply(std::move(*reply));
    }
  }

  static void keep_end(std::string& text, std::string_view bytes) {
    text += bytes;
    if (text.size() > kept_of_stderr)
      text.erase(0, text.size() - kept_of_stderr);
  }
};

std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.pop_back();
  const auto at = text.rfind('\n');
  return at == std::string::npos ? text : text.substr(at + 1);
}

std::string describe(const io::process_end& end, const std::string& said, const std::string& report) {
  if (end.error)
    return end.error->message;
  std::string out = end.signal == 0 ? "it exited with code " + std::to_string(end.exit_code)
                                    : std::string("it was killed by a signal: ") + ::strsignal(end.signal);
  if (const auto line = last_line(said); !line.empty())
    out += "; it said: " + line;
  if (const auto line = last_line(report); !line.empty())
    out += "; its sandbox said: " + line;
  return out;
}

/// The numbers of the sandboxes that run at the same time.
class slot_pool {
public:
  std::optional<uint32_t> take() {
    const std::lock_guard guard{mutex_};
    for (uint32_t slot = first_slot; slot < first_slot + most_slots; ++slot)
      if (taken_.insert(slot).second)
        return slot;
    return std::nullopt;
  }
  void give_back(uint32_t slot) {
    const std::lock_guard guard{mutex_};
    taken_.erase(slot);
  }

private:
  std::mutex mutex_;
  std::set<uint32_t> taken_;
};

class python_process final : public python_worker_process {
public:
  /// @param at_end Called before the handler is.
  python_process(io::io_runtime& runtime, io::process_options program, python_worker_handlers handlers,
                 std::function<void()> at_end) {
    auto box = std::make_shared<inbox>();
    box->handlers = std::move(handlers);
    io::process_handlers heard;
    heard.on_output = [box](std::string_view bytes) { box->take(bytes); };
    heard.on_error = [box](std::string_view bytes) { inbox::keep_end(box->said, bytes); };
    heard.on_report = [box](std::string_view bytes) { inbox::keep_end(box->report, bytes); };
    heard.on_end = [box, at_end = std::move(at_end)](const io::process_end& end) {
      if (at_end)
        at_end();
      box->end(describe(end, box->said, box->report));
    };
    process_ = io::process::start(runtime, std::move(program), std::move(heard));
  }

  void send(uint64_t id, std::string_view operation, const shared_text& arguments) override {
    const auto envelope = python_envelope_for(id, operation, arguments.size());
    // The worker has room for one job at most; when it does not, its end says so.
    if (!process_->write(shared_text(envelope.head)) || !process_->write(arguments)
        || !process_->write(shared_text(envelope.tail)))
      process_->kill();
  }

  void kill() override { process_->kill(); }

private:
  std::shared_ptr<io::process> process_;
};

/// @returns the folder without symbolic links, or as it is when it does not exist.
std::string real_folder(const std::string& folder) {
  std::error_code error;
  const auto real = fs::canonical(folder, error);
  return error ? fs::path(folder).lexically_normal().string() : real.string();
}

bool is_under(const std::string& folder, const std::string& root) {
  const auto relative = fs::path(folder).lexically_relative(root);
  return !relative.empty() && *relative.begin() != "..";
}

fault unsupported(std::string message, std::string hint) {
  return {errc::unsupported, std::move(message), "python", std::move(hint)};
}

/// -P and -s: nothing of the working folder or of a user's own packages; -B: nothing is written.
std::vector<std::string> command_for(const python_process_options& options) {
  return {
      options.interpreter, "-P", "-s", "-B", "-m", package, "--memory", std::to_string(options.memory_bytes)};
}

io::process_options bare_program(const python_process_options& options, const std::string& folder) {
  io::process_options out;
  out.command = command_for(options);
  if (!folder.empty())
    out.command.insert(out.command.end(), {"--folder", folder});
  // A fixed seed, so that sets come in the same order everywhere.
  out.environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONHASHSEED=0",
                     "PYTHONPATH=" + options.package_dir};
  out.keep_input_open = true;
  out.max_unwritten = most_python_message;
  return out;
}

result<io::process_options> confined_program(const python_process_options& options,
                                             const std::vector<sandbox_file>& files,
                                             const std::string& folder, uint32_t slot) {
  io::sandbox_worker worker;
  worker.command = command_for(options);
  worker.command.emplace_back("--sandboxed");
  if (!folder.empty()) {
    worker.command.insert(worker.command.end(), {"--folder", task_folder, "--called", folder});
    worker.read.emplace_back(folder, task_folder);
  }
  worker.environment = {"PYTHONHASHSEED=0", "PYTHONPATH=."};
  // A copy, since the sandbox's user may not be able to read where the program is installed.
  worker.files = files;
  worker.limits.cpu = worker.limits.wall = milliseconds{0}; // deadlines are the host's business
  worker.limits.memory_bytes = options.memory_bytes;
  return io::options_for(*options.sandbox, worker, slot);
}

std::vector<sandbox_file> files_of_package(const std::string& folder) {
  std::vector<sandbox_file> out;
  std::error_code error;
  const auto place = fs::path(folder) / package;
  for (auto entry = fs::directory_iterator(place, error); !error && entry != fs::end(entry);
       entry.increment(error)) {
    if (entry->path().extension() != ".py")
      continue;
    std::ifstream file(entry->path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    out.push_back({std::string(package) + "/" + entry->path().filename().string(), shared_text(text)});
  }
  return out;
}

} // namespace

result<void> check_python_allowed(const python_process_options& options, sandbox_knowledge sandbox,
                                  const python_worker_purpose& purpose) {
  if (!purpose.folder.empty() && !fs::path(purpose.folder).is_absolute())
    return fault{errc::invalid_argument, "`" + purpose.folder + "` is no absolute path", "folder", {}};
  if (sandbox == sandbox_knowledge::holds)
    return {};
  if (sandbox == sandbox_knowledge::being_tried)
    return fault{errc::busy, "the sandbox is being tried", "python", "try again in a moment"};
  if (purpose.uploaded)
    return unsupported("the Python of uploads runs in a sandbox only, and there is none here",
                       "install the package bubblewrap; `assay doctor` says what else is missing");
  if (!options.allow_unsandboxed)
    return unsupported("there is no sandbox for the Python of tasks here",
                       "install the package bubblewrap, or set python.allow_unsandboxed_python and name the "
                       "folders of your own tasks under python.roots");
  // Without a folder no Python of a task is run, templates are only filled.
  if (purpose.folder.empty())
    return {};
  const auto folder = real_folder(purpose.folder);
  for (const auto& root : options.roots)
    if (is_under(folder, real_folder(root)))
      return {};
  return unsupported("Python of " + folder + " may not run without a sandbox",
                     "name the folder under python.roots when its code is yours, or install the package "
                     "bubblewrap");
}

struct python_processes::shared {
  shared(io::io_runtime& r, python_process_options o)
      : runtime(r), options(std::move(o)), files(files_of_package(options.package_dir)),
        knowledge(options.sandbox ? sandbox_knowledge::being_tried : sandbox_knowledge::missing),
        findings_text(options.no_sandbox) {}

  io::io_runtime& runtime;
  const python_process_options options;
  const std::vector<sandbox_file> files;
  slot_pool slots;

  std::mutex mutex;
  bool tried = false;
  sandbox_knowledge knowledge;
  std::string findings_text; ///< Why there is no sandbox.
  std::vector<std::string> limits;
  std::shared_ptr<io::sandbox_run> trial;

  sandbox_knowledge known() {
    const std::lock_guard guard{mutex};
    return knowledge;
  }

  void take(const io::sandbox_findings& found) {
    const std::lock_guard guard{mutex};
    knowledge = found.available ? sandbox_knowledge::holds : sandbox_knowledge::missing;
    findings_text = found.reason.message;
    limits = found.limits;
  }
};

python_processes::python_processes(io::io_runtime& runtime, python_process_options options)
    : shared_(std::make_shared<shared>(runtime, std::move(options))) {}

void python_processes::look() const {
  {
    const std::lock_guard guard{shared_->mutex};
    if (!shared_->options.sandbox || std::exchange(shared_->tried, true))
      return;
  }
  auto trial =
      io::run_in_sandbox(shared_->runtime, *shared_->options.sandbox, io::look_around(), first_slot - 1,
                         [weak = std::weak_ptr(shared_)](const sandbox_result& seen) {
                           if (const auto held = weak.lock())
                             held->take(io::findings_from(seen));
                         });
  const std::lock_guard guard{shared_->mutex};
  shared_->trial = std::move(trial);
}

result<std::unique_ptr<python_worker_process>>
python_processes::operator()(const python_worker_purpose& purpose, python_worker_handlers handlers) const {
  look();
  auto& own = *shared_;
  const auto sandbox = own.known();
  if (auto allowed = check_python_allowed(own.options, sandbox, purpose); !allowed)
    return allowed.error();
  if (own.files.empty())
    return unsupported("the Python package assay_worker was not found",
                       "it is shipped beside the tasks; install assay again");
  if (sandbox != sandbox_knowledge::holds)
    return std::make_unique<python_process>(own.runtime, bare_program(own.options, purpose.folder),
                                            std::move(handlers), std::function<void()>{});
  const auto slot = own.slots.take();
  if (!slot)
    return fault{errc::busy, "all sandboxes of Python workers are taken", "python", "try again in a moment"};
  auto program = confined_program(own.options, own.files, purpose.folder, *slot);
  if (!program) {
    own.slots.give_back(*slot);
    return program.error();
  }
  program->max_unwritten = most_python_message;
  return std::make_unique<python_process>(own.runtime, std::move(*program), std::move(handlers),
                                          [held = shared_, slot = *slot] { held->slots.give_back(slot); });
}

host_state python_processes::machine() const {
  look();
  auto& own = *shared_;
  host_state out;
  const std::lock_guard guard{own.mutex};
  const auto mebibytes = std::to_string(own.options.memory_bytes >> 20);
  if (own.knowledge == sandbox_knowledge::holds)
    out.limits = own.limits;
  out.limits.push_back("address space of a worker: " + mebibytes + " MiB, by rlimit");
  out.limits.push_back("time of a job: " + to_human(own.options.longest_job) + ", by a kill");
  if (::access(own.options.interpreter.c_str(), X_OK) != 0)
    out.reason = own.options.interpreter + " is no program; install python3, or correct python.interpreter";
  else if (own.files.empty())
    out.reason = "the Python package assay_worker was not found; it is shipped beside the tasks";
  else if (own.knowledge == sandbox_knowledge::being_tried)
    out.reason = "the sandbox is being tried";
  else if (own.knowledge == sandbox_knowledge::missing && !own.options.allow_unsandboxed)
    out.reason = "no sandbox: " + (own.findings_text.empty() ? "none was found" : own.findings_text)
                 + "; python.allow_unsandboxed_python lets the Python of tasks in python.roots run without";
  out.available = out.reason.empty();
  return out;
}

} // namespace assay
