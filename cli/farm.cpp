#include "cli/farm.hpp"

#include "actors/fleet/http_transport.hpp"
#include "actors/runs/admission.hpp"
#include "actors/runs/store_run_worker.hpp"
#include "actors/supervision/root_supervisor.hpp"
#include "actors/supervision/store_writer.hpp"
#include "config/models.hpp"
#include "io/runtime.hpp"
#include "protocol/errors.hpp"
#include "protocol/system.hpp"
#include "storage/snapshot.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <mutex>
#include <random>
#include <thread>

namespace assay::cli {

namespace {

constexpr seconds request_timeout{5};
constexpr milliseconds destructor_grace{500};
constexpr size_t worker_threads = 2;
constexpr size_t worker_capacity = 4'096;

size_t actor_threads(const config::farm_settings& settings) {
  if (settings.worker_threads > 0)
    return settings.worker_threads;
  return std::max<size_t>(1, std::thread::hardware_concurrency() / 2);
}

/// CAF's own options, from the farm's settings.
class system_config : public protocol_config {
public:
  explicit system_config(const config::farm_settings& settings) {
    set("scheduler.policy", settings.scheduler == config::scheduler_policy::sharing ? caf::atom("sharing")
                                                                                    : caf::atom("stealing"));
    set("scheduler.max-throughput", static_cast<size_t>(settings.max_throughput));
    set("scheduler.max-threads", actor_threads(settings));
    set("logger.console", caf::atom("none"));
    set("logger.verbosity", caf::atom("quiet"));
  }
};

/// Many thousand sockets need more than the usual soft limit of open files.
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
    return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    spdlog::warn("farm could not raise the limit of open files soft={}", limit.rlim_cur);
}

storage::store_options store_options_from(const config::storage_settings& settings) {
  storage::store_options out;
  out.folder = settings.data_dir;
  out.map_size = settings.map_size;
  out.durable = settings.durable == config::durability::commit;
  return out;
}

control::retry_rules retry_rules_from(const config::retry_settings& settings) {
  control::retry_rules out;
  out.possibly_billed_tries = static_cast<uint16_t>(settings.possibly_billed_attempts + 1);
  for (unsigned number = 1; number <= static_cast<unsigned>(errc::internal); ++number) {
    const auto code = static_cast<errc>(number);
    if (retry_class_of(code) != retry_class::transient)
      continue;
    auto usual = out.rule_for(code);
    usual.attempts = static_cast<uint16_t>(settings.max_attempts);
    // Codes that are not about a provider take no rule, and no call ends with them.
    static_cast<void>(out.set(code, usual));
  }
  for (const auto& rule : settings.rules) {
    control::retry_rule converted;
    converted.strategy = rule.strategy == config::retry_strategy::linear ? control::retry_strategy::linear
                         : rule.strategy == config::retry_strategy::immediate
                             ? control::retry_strategy::immediate
                             : control::retry_strategy::exponential;
    converted.base = rule.base;
    converted.cap = rule.cap;
    converted.attempts = static_cast<uint16_t>(rule.max_attempts);
    if (!rule.jitter)
      converted.jitter = 0.0;
    for (unsigned number = 1; number <= static_cast<unsigned>(errc::internal); ++number) {
      const auto code = static_cast<errc>(number);
      const bool named = rule.error == to_string(code);
      const bool by_class = rule.error == to_string(retry_class_of(code));
      const bool by_default = rule.error == "default" && retry_class_of(code) == retry_class::transient;
      if (!named && !by_class && !by_default)
        continue;
      if (auto set = out.set(code, converted); !set && named)
        spdlog::warn("farm ignores a retry rule error={} reason=\"{}\"", rule.error, set.error().message);
    }
  }
  return out;
}

model_lookup lookup_in(std::shared_ptr<const config::settings> settings) {
  return [settings = std::move(settings)](const model_id& id) -> result<model_profile> {
    if (const auto* known = config::find_model(*settings, id))
      return *known;
    auto resolved = config::resolve_model(*settings, id.value);
    if (!resolved)
      return resolved.error();
    return std::move(resolved->model);
  };
}

/// What providers remembered in an earlier process. Losing it costs caution, not correctness.
std::map<provider_id, std::string> read_memories(const std::shared_ptr<storage::store>& store) {
  std::map<provider_id, std::string> out;
  auto view = storage::snapshot::open(store);
  if (!view)
    return out;
  auto page = view->page_documents(storage::table::provider_state, {{}, {}, {}, storage::max_page_rows});
  if (!page)
    return out;
  for (auto& [key, document] : page->documents)
    out.emplace(provider_id{key}, std::move(document.bytes));
  return out;
}

} // namespace

struct farm::parts {
  explicit parts(const config::farm_settings& settings) : actor_config(settings) {}

  // In the order in which they must outlive each other: what comes later may use what comes before.
  std::shared_ptr<storage::store> store;
  std::shared_ptr<store_writer> writer;
  std::unique_ptr<io::io_runtime> network;
  std::shared_ptr<worker_pool> workers;
  system_config actor_config;
  std::unique_ptr<caf::actor_system> system;
  root_supervisor_actor root;

  mutable std::mutex mutex;
  std::optional<fault> failure;
  bool stopped = false;

  template <class Answer, class Handle, class Message>
  result<Answer> ask(const Handle& target, Message&& message,
                     std::chrono::milliseconds timeout = request_timeout) {
    caf::scoped_actor self{*system};
    std::optional<result<Answer>> out;
    self->request(target, timeout, std::forward<Message>(message))
        .receive([&](Answer& answer) { out.emplace(std::move(answer)); },
                 [&](const caf::error& reason) { out.emplace(to_fault(reason)); });
    return std::move(*out);
  }
};

namespace {

root_supervisor_config configure(const farm_options& options, const std::shared_ptr<storage::store>& store,
                                 const std::shared_ptr<store_writer>& writer, io::io_runtime& network,
                                 const std::shared_ptr<worker_pool>& workers) {
  const auto& settings = *options.settings;
  const auto find_model = lookup_in(options.settings);
  root_supervisor_config out;
  out.seed = std::random_device{}();
  out.journal.writer = writer;

  auto& providers = out.providers;
  providers.providers = settings.providers;
  providers.seed = out.seed + 1;
  providers.recall = [store] { return read_memories(store); };
  auto& child = providers.child;
  child.find_model = find_model;
  child.open_transport = make_http_transports(
      network, {settings.network.extra_ca_file, settings.network.http_proxy, settings.network.https_proxy,
                settings.network.no_proxy, settings.network.connect_timeout, settings.farm.in_flight_cap});
  child.retries = retry_rules_from(settings.retry);
  child.retry_budget = control::retry_budget{settings.retry.budget_ratio, settings.retry.budget_per_second};
  child.in_flight.cap = settings.farm.in_flight_cap;
  child.in_flight.initial = settings.farm.in_flight_start;
  child.in_flight.fixed = settings.farm.in_flight == in_flight_rule::fixed;

  auto& runs = out.runs;
  runs.seed = out.seed + 2;
  // Each model's own timeout is shorter, and decides.
  runs.child.call_timeout = std::chrono::hours{24};
  runs.workers = workers;
  runs.max_running = settings.farm.max_running_runs;
  runs.max_queued = settings.farm.max_queued_runs;
  runs.retention.keep = std::chrono::days{settings.storage.retention.runs_days};
  runs.read = make_run_reader(store);
  if (options.goes_on)
    runs.read.open_runs = [all = std::move(runs.read.open_runs),
                           wanted = options.goes_on]() -> result<std::vector<run_record>> {
      auto found = all();
      if (found)
        std::erase_if(*found, [&](const run_record& run) { return !wanted(run); });
      return found;
    };
  runs.admit =
      make_admission({options.settings, options.tasks, options.allow_custom_endpoint, 50'000'000, {}});
  runs.child.make_worker = [store] { return std::make_shared<store_run_worker>(store); };
  runs.child.cancel_grace = settings.farm.cancel_grace;
  return out;
}

} // namespace

farm::farm(std::unique_ptr<parts> made) : parts_(std::move(made)) {}

result<std::unique_ptr<farm>> farm::start(const farm_options& options) {
  raise_file_limit();
  const auto& settings = *options.settings;
  auto made = std::make_unique<parts>(settings.farm);
  auto store = storage::store::open(store_options_from(settings.storage));
  if (!store)
    return store.error();
  made->store = std::move(*store);
  storage::writer_options writing;
  writing.window = settings.storage.commit_window;
  auto writer = store_writer::start(made->store, writing);
  if (!writer)
    return writer.error();
  made->writer = std::move(*writer);
  made->network = std::make_unique<io::io_runtime>("assay-providers");
  made->network->start();
  made->workers = std::make_shared<worker_pool>(worker_threads, worker_capacity);
  made->system = std::make_unique<caf::actor_system>(made->actor_config);
  auto config = configure(options, made->store, made->writer, *made->network, made->workers);
  config.on_escalation = [raw = made.get()](const fault& reason) {
    spdlog::critical("farm gives up reason=\"{}\"", to_string(reason));
    const std::lock_guard guard{raw->mutex};
    raw->failure = reason;
  };
  made->root = made->system->spawn(root_supervisor, std::move(config));
  struct constructible : farm {
    explicit constructible(std::unique_ptr<parts> given) : farm(std::move(given)) {}
  };
  return std::make_unique<constructible>(std::move(made));
}

farm::~farm() { stop(destructor_grace); }

caf::actor_system& farm::system() { return *parts_->system; }

const root_supervisor_actor& farm::root() const { return parts_->root; }

const std::shared_ptr<storage::store>& farm::store() const { return parts_->store; }

result<farm_handles> farm::handles() { return parts_->ask<farm_handles>(parts_->root, find_farm{}); }

result<run_submitted> farm::submit(submit_run wish) {
  auto now = handles();
  if (!now)
    return now.error();
  // Pinning reads every dataset whole, which may take longer than other requests.
  return parts_->ask<run_submitted>(now->runs, std::move(wish), std::chrono::minutes{5});
}

result<run_record> farm::command(run_id run, run_verb verb) {
  auto now = handles();
  if (!now)
    return now.error();
  return parts_->ask<run_record>(now->runs, command_run{run, verb});
}

result<run_record> farm::find(run_id run) {
  auto now = handles();
  if (!now)
    return now.error();
  return parts_->ask<run_record>(now->runs, find_run{run});
}

result<run_counts> farm::counts() {
  auto now = handles();
  if (!now)
    return now.error();
  return parts_->ask<run_counts>(now->runs, count_runs{});
}

result<statistics> farm::read_statistics() {
  auto now = handles();
  if (!now)
    return now.error();
  return parts_->ask<statistics>(now->monitor, assay::read_statistics{});
}

std::optional<fault> farm::failure() const {
  const std::lock_guard guard{parts_->mutex};
  return parts_->failure;
}

void farm::stop(milliseconds grace) {
  auto& parts = *parts_;
  if (std::exchange(parts.stopped, true))
    return;
  if (auto stopped = parts.ask<farm_stopped>(parts.root, stop_farm{grace}, grace + request_timeout); !stopped)
    spdlog::warn("farm did not come to rest in order reason=\"{}\"", stopped.error().message);
  caf::anon_send_exit(parts.root, caf::exit_reason::kill);
  parts.root = root_supervisor_actor{};
  parts.workers->stop();
  parts.network->stop();
  parts.network->join();
  parts.writer->stop();
  // The actor system goes with its owner, on the owner's thread: CAF keeps a reference to the system's logger
  // in every thread that has spawned or asked, and ~actor_system waits for ever for the one of a thread that
  // lives on.
}

} // namespace assay::cli
