#include "actors/hosts/python_process.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/farm.hpp"
#include "cli/load_settings.hpp"
#include "cli/reachable.hpp"
#include "cli/stored_keys.hpp"
#include "config/models.hpp"
#include "config/providers.hpp"
#include "io/runtime.hpp"
#include "io/sandbox.hpp"
#include "storage/folder_lock.hpp"

#include <nlohmann/json.hpp>

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <set>

namespace assay::cli {

namespace {

namespace fs = std::filesystem;

constexpr milliseconds probe_timeout{500};
constexpr seconds sandbox_timeout{20};
constexpr seconds python_timeout{20};
constexpr uint64_t little_disk = uint64_t{1} << 30;
constexpr uint64_t no_disk = uint64_t{64} << 20;
constexpr uint64_t few_files = 4096;

enum class health : uint8_t { ok, warn, fail };

/// One line of the doctor's report.
struct finding {
  std::string what;
  health state = health::ok;
  std::string text;
  std::string mend; ///< What to do; empty when all is well.
};

finding good(std::string what, std::string text) {
  return {std::move(what), health::ok, std::move(text), {}};
}

finding bad(health state, std::string what, const fault& reason, std::string mend = {}) {
  return {std::move(what), state, to_string(fault{reason.code, reason.message, reason.where, {}}),
          mend.empty() ? reason.hint : std::move(mend)};
}

fs::path nearest_existing(fs::path path) {
  std::error_code ignored;
  while (!path.empty() && !fs::exists(path, ignored) && path.has_relative_path())
    path = path.parent_path();
  return path;
}

void check_data_folder(const config::settings& settings, std::vector<finding>& out) {
  const fs::path folder(settings.storage.data_dir);
  const auto there = nearest_existing(folder);
  if (::access(there.c_str(), W_OK | X_OK) != 0) {
    out.push_back({"data folder", health::fail, folder.string() + " cannot be written",
                   "choose another with --data-dir"});
    return;
  }
  std::error_code ignored;
  if (!fs::exists(folder / "data.mdb", ignored)) {
    out.push_back(good("data folder", folder.string() + " will be made"));
  } else if (const auto lock = storage::lock_folder(folder); !lock) {
    // Commands that read work beside a farm; only a second farm does not.
    out.push_back(bad(health::warn, "data folder", lock.error(),
                      "stop that farm before `assay run` on the same folder"));
  } else {
    out.push_back(good("data folder", folder.string() + " can be written, no farm uses it"));
  }
  if (const auto store = open_store_read_only(settings); !store && store.error().code != errc::not_found)
    out.push_back(bad(health::fail, "store", store.error()));
}

void check_disk(const config::settings& settings, std::vector<finding>& out) {
  struct statvfs info {};
  if (::statvfs(nearest_existing(settings.storage.data_dir).c_str(), &info) != 0)
    return;
  const uint64_t free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  const auto state = free < no_disk ? health::fail : free < little_disk ? health::warn : health::ok;
  out.push_back({"disk", state, show_bytes(free) + " free", state == health::ok ? "" : "free some space"});
}

void check_open_files(std::vector<finding>& out) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  const bool enough = limit.rlim_max >= few_files;
  out.push_back(
      {"open files", enough ? health::ok : health::warn,
       "at most "
           + (limit.rlim_max == RLIM_INFINITY ? std::string("any number") : show_count(limit.rlim_max)),
       enough ? "" : "raise it with `ulimit -Hn 20000` for many calls at once"});
}

void check_providers(const config::settings& settings, std::vector<finding>& out) {
  std::set<std::string> with_models;
  for (const auto& model : settings.models)
    with_models.insert(model.provider.value);
  size_t ready = 0;
  std::string without;
  for (const auto& provider : settings.providers) {
    const auto usable = config::check_usable(provider);
    const bool simulated = provider.id.value == "mock";
    if (usable) {
      ready += simulated ? 0 : 1;
      out.push_back(good("provider " + provider.id.value,
                         provider.base_url + (provider.key_required ? ", key set" : ", needs no key")));
    } else if (with_models.contains(provider.id.value)) {
      out.push_back(bad(health::warn, "provider " + provider.id.value, usable.error()));
    } else if (config::lacks_key(provider)) {
      without += (without.empty() ? "" : ", ") + config::key_variable(provider.id.value);
    }
  }
  if (!without.empty())
    out.push_back(
        {"keys", ready > 0 ? health::ok : health::warn, "not set: " + without,
         ready > 0 ? "" : "set the key of a provider to ask its models; simulated models need none"});
}

void check_mock(const config::settings& settings, std::vector<finding>& out) {
  const auto* mock = config::find_provider(settings, provider_id{"mock"});
  if (mock == nullptr)
    return;
  if (const auto there = check_listening(mock->base_url, probe_timeout); there)
    out.push_back(good("mock provider", "answers at " + mock->base_url));
  else
    out.push_back(
        {"mock provider", health::ok,
         "not running at " + mock->base_url + "; `assay mock-provider` starts it for simulated models", ""});
}

void check_certificates(const config::settings& settings, std::vector<finding>& out) {
  constexpr std::array<const char*, 3> places{"/etc/ssl/certs/ca-certificates.crt",
                                              "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
  std::error_code ignored;
  std::string found;
  if (const char* file = std::getenv("SSL_CERT_FILE"); file != nullptr && fs::exists(file, ignored))
    found = file;
  for (const auto* place : places)
    if (found.empty() && fs::exists(place, ignored))
      found = place;
  if (found.empty())
    out.push_back({"certificates", health::warn, "no list of certificate authorities was found",
                   "install the package ca-certificates; without it no HTTPS provider is trusted"});
  else
    out.push_back(good("certificates", found));
  const auto& extra = settings.network.extra_ca_file;
  if (!extra.empty() && ::access(extra.c_str(), R_OK) != 0)
    out.push_back(
        {"extra certificates", health::fail, extra + " cannot be read", "correct network.extra_ca_file"});
}

void check_tasks(const command_context& context, const config::settings& settings,
                 std::vector<finding>& out) {
  std::vector<fault> faults;
  const auto catalogue = load_tasks(context, settings, {}, &faults);
  for (const auto& one : faults)
    out.push_back(bad(health::warn, "task", one, "`assay tasks validate` says more"));
  const bool none = catalogue->size() == 0;
  out.push_back({"tasks", none ? health::warn : health::ok, show_count(catalogue->size()) + " tasks",
                 none ? "name a folder of tasks under tasks_dirs" : ""});
}

void check_port(const config::settings& settings, std::vector<finding>& out) {
  const auto& server = settings.server;
  const auto where = server.host + ":" + std::to_string(server.port);
  if (const auto free = check_port_free(server.host, server.port); !free)
    out.push_back(bad(health::warn, "port", free.error(), "`assay serve --port 0` takes any free one"));
  else
    out.push_back(good("port", where + " is free for `assay serve`"));
}

/// Starts a worker as it would serve templates, and asks what it has.
void check_python(const config::settings& settings, std::vector<finding>& out) {
  auto options = python_options_from(settings);
  const bool allowed = options.allow_unsandboxed;
  options.sandbox.reset(); // the next check is about that
  options.allow_unsandboxed = true;
  io::io_runtime runtime("assay-doctor");
  runtime.start();
  const python_processes processes(runtime, std::move(options));
  const std::string mend = "install python3 and python3-jinja2, or correct python.interpreter";
  if (const auto machine = processes.machine(); !machine.available) {
    out.push_back({"python host", health::warn, machine.reason, mend});
    return;
  }
  struct answers {
    std::promise<std::string> first;
    std::atomic<bool> given{false};
  };
  const auto said = std::make_shared<answers>();
  const auto say = [said](std::string text) {
    if (!said->given.exchange(true))
      said->first.set_value(std::move(text));
  };
  python_worker_handlers handlers;
  handlers.on_reply = [say](python_reply&& reply) {
    say(reply.error ? to_string(*reply.error) : reply.value.str());
  };
  handlers.on_end = [say](const std::string& how) { say("it does not start: " + how); };
  auto text = said->first.get_future();
  const auto worker = processes({}, std::move(handlers));
  if (!worker) {
    out.push_back(bad(health::warn, "python host", worker.error()));
    return;
  }
  (*worker)->send(0, "hello", shared_text("{}"));
  if (text.wait_for(python_timeout) != std::future_status::ready) {
    out.push_back({"python host", health::warn, "a worker does not answer", mend});
    return;
  }
  const auto answer = text.get();
  const auto value = nlohmann::json::parse(answer, nullptr, false);
  if (!value.is_object()) {
    out.push_back({"python host", health::warn, answer, mend});
  } else if (!value.contains("jinja2") || !value["jinja2"].is_string()) {
    out.push_back({"python host", health::warn, "jinja2 is missing", mend});
  } else {
    out.push_back(good("python host", "Python " + value.value("python", "") + ", jinja2 "
                                          + value.value("jinja2", "") + "; runs in the sandbox"
                                          + (allowed ? ", without one only tasks in python.roots" : "")));
  }
}

/// Runs a small program in it.
void check_sandbox(const config::sandbox_settings& settings, std::vector<finding>& out) {
  if (!settings.enabled) {
    out.push_back(good("sandbox", "off by sandbox.enabled; programs that models write are not run"));
    return;
  }
  io::io_runtime runtime("assay-doctor");
  runtime.start();
  const auto over = std::make_shared<std::promise<sandbox_result>>();
  auto looked = over->get_future();
  const auto job = io::run_in_sandbox(runtime, sandbox_options_from(settings), io::look_around(), 0,
                                      [over](sandbox_result result) { over->set_value(std::move(result)); });
  if (looked.wait_for(sandbox_timeout) != std::future_status::ready) {
    out.push_back({"sandbox", health::warn, "a small program does not end", "see docs/sandbox.md"});
    return;
  }
  const auto found = io::findings_from(looked.get());
  if (!found.available) {
    out.push_back(bad(health::warn, "sandbox", found.reason));
    return;
  }
  out.push_back(good("sandbox", "holds what runs in it"));
  for (const auto& limit : found.limits)
    out.push_back(good("sandbox limit", limit));
}

std::vector<finding> examine(const command_context& context) {
  std::vector<finding> out;
  auto settings = load_settings(context);
  if (!settings) {
    out.push_back(bad(health::fail, "configuration", settings.error()));
    check_open_files(out);
    return out;
  }
  std::string sources;
  for (const auto& source : settings->sources)
    sources += (sources.empty() ? "" : ", ") + source;
  out.push_back(
      good("configuration", settings->environment + "; " + (sources.empty() ? "defaults only" : sources)));
  if (auto joined = join_stored_keys(*settings); !joined)
    out.push_back(bad(health::fail, "stored keys", joined.error()));
  for (const auto& warning : settings->warnings)
    if (!is_about_missing_keys(warning))
      out.push_back({"configuration", health::warn, warning, ""});
  check_data_folder(*settings, out);
  check_disk(*settings, out);
  check_open_files(out);
  check_tasks(context, *settings, out);
  check_certificates(*settings, out);
  check_providers(*settings, out);
  check_mock(*settings, out);
  check_port(*settings, out);
  check_python(*settings, out);
  check_sandbox(settings->sandbox, out);
  return out;
}

const char* word(health state) noexcept {
  return state == health::ok ? "ok" : state == health::warn ? "warn" : "fail";
}

exit_code show_findings(const command_context& context, const std::vector<finding>& findings) {
  bool broken = false;
  nlohmann::json list = nlohmann::json::array();
  for (const auto& one : findings) {
    broken = broken || one.state == health::fail;
    list.push_back(
        {{"check", one.what}, {"state", word(one.state)}, {"message", one.text}, {"mend", one.mend}});
    if (context.flags.json)
      continue;
    const auto tint = one.state == health::ok     ? colour::green
                      : one.state == health::warn ? colour::yellow
                                                  : colour::red;
    const std::string state = word(one.state);
    print(paint(context.out, tint, state) + std::string(6 - state.size(), ' ') + one.what + ": " + one.text
          + "\n");
    if (!one.mend.empty())
      print("      " + paint(context.out, colour::dim, "-> " + one.mend) + "\n");
  }
  if (context.flags.json)
    print(nlohmann::json{{"healthy", !broken}, {"checks", std::move(list)}}.dump(
              2, ' ', false, nlohmann::json::error_handler_t::replace)
          + "\n");
  return broken ? exit_code::failed : exit_code::ok;
}

} // namespace

void add_doctor_command(CLI::App& app, command_context& context) {
  auto* sub =
      app.add_subcommand("doctor", "Check that everything is in place, and say how to mend what is not");
  examples(*sub, "  assay doctor\n  assay doctor --config farm.yaml --json\n");
  sub->callback(
      [&context] { context.action = [](command_context& c) { return show_findings(c, examine(c)); }; });
}

} // namespace assay::cli
