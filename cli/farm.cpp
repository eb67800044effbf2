#include "cli/farm.hpp"

#include "actors/experiments/ab_test_reader.hpp"
#include "actors/fleet/http_transport.hpp"
#include "actors/hosts/python_process.hpp"
#include "actors/monitoring/statistics_store.hpp"
#include "actors/runs/admission.hpp"
#include "actors/runs/store_run_worker.hpp"
#include "actors/supervision/root_supervisor.hpp"
#include "actors/supervision/store_writer.hpp"
#include "cli/farm_experiments.hpp"
#include "cli/farm_settings.hpp"
#include "cli/files.hpp"
#include "cli/present.hpp"
#include "cli/stop_watchdog.hpp"
#include "cli/stored_models.hpp"
#include "config/models.hpp"
#include "config/task_places.hpp"
#include "io/runtime.hpp"
#include "protocol/errors.hpp"
#include "protocol/system.hpp"
#include "storage/snapshot.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
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

/// Otherwise every call would find it out.
result<void> check_certificates(const std::string& file) {
  if (file.empty() || read_file(file))
    return {};
  return fault{errc::malformed_input, file + " cannot be read", "network.extra_ca_file",
               "name a readable file of PEM certificates"};
}

bool same_keys(const provider_profile& a, const provider_profile& b) {
  return a.key == b.key
         && std::ranges::equal(a.keys, b.keys, [](const provider_key& one, const provider_key& other) {
              return one.name == other.name && one.value == other.value
                     && one.fingerprint == other.fingerprint && one.weight == other.weight
                     && one.limits == other.limits && one.prompt_types == other.prompt_types;
            });
}

} // namespace

struct farm::parts {
  explicit parts(const std::shared_ptr<const config::settings>& settings)
      : now(std::make_shared<present<config::settings>>(settings)), actor_config(settings->farm) {}

  std::shared_ptr<present<config::settings>> now;

  /// What actors say of themselves, for threads that must not wait for them.
  struct said {
    std::mutex mutex;
    std::map<std::string, host_state> hosts;
  };
  std::shared_ptr<said> heard = std::make_shared<said>();
  stop_watchdog watchdog; ///< Armed by stop(); goes last, since the actor system's end is what may hang.

  // In the order in which they must outlive each other: what comes later may use what comes before.
  std::shared_ptr<storage::store> store;
  std::shared_ptr<const stored_models> stored;
  std::shared_ptr<store_writer> writer;
  std::unique_ptr<io::io_runtime> network;
  /// Of the Python workers: their answers are large, and calls must not wait while one is read.
  std::unique_ptr<io::io_runtime> python_pipes;
  std::optional<python_processes> python;
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

/// Who owns the machine may name any file; users of the API, what the operator has put in place.
std::optional<std::vector<std::string>> data_roots_of(const farm_options& options) {
  if (!options.guard)
    return std::nullopt;
  const auto& settings = *options.settings;
  auto out = settings.tasks_dirs;
  out.insert(out.end(), settings.tasks.roots.begin(), settings.tasks.roots.end());
  for (const auto& file : config::dataset_files(settings))
    out.push_back(file);
  return out;
}

root_supervisor_config configure(const farm_options& options,
                                 const std::shared_ptr<present<config::settings>>& current,
                                 const std::shared_ptr<storage::store>& store,
                                 const std::shared_ptr<store_writer>& writer, io::io_runtime& network,
                                 const std::shared_ptr<worker_pool>& workers,
                                 const std::shared_ptr<const stored_models>& stored) {
  const auto& settings = *options.settings;
  const auto find_model = lookup_in(options.settings, stored);
  root_supervisor_config out;
  out.seed = std::random_device{}();
  out.journal.writer = writer;

  auto& watching = out.monitor;
  watching.limits = thresholds_from(settings.monitoring);
  watching.find_model = find_model;
  watching.workers = workers;
  watching.read = make_statistics_reader(store);
  watching.keep = std::chrono::days{settings.storage.retention.statistics_days};
  watching.webhooks.urls = settings.monitoring.webhooks;

  auto& providers = out.providers;
  providers.providers = settings.providers;
  providers.seed = out.seed + 1;
  providers.recall = [store] { return read_memories(store); };
  auto& child = providers.child;
  child.find_model = find_model;
  child.find_profile = [current](const provider_id& id) -> std::optional<provider_profile> {
    const auto now = current->get();
    const auto* found = config::find_provider(*now, id);
    return found == nullptr ? std::nullopt : std::optional{*found};
  };
  child.open_transport = make_http_transports(
      network, {settings.network.extra_ca_file, settings.network.http_proxy, settings.network.https_proxy,
                settings.network.no_proxy, settings.network.connect_timeout, settings.farm.in_flight_cap});
  watching.webhooks.open_transport = child.open_transport;
  child.retries = retry_rules_from(settings.retry);
  watching.retries = child.retries;
  child.belief = {settings.budgets.uncounted_tokens, settings.budgets.longest_answer};
  child.health_check_interval = settings.farm.health_check_interval;
  child.retry_budget = control::retry_budget{settings.retry.budget_ratio, settings.retry.budget_per_second};
  child.in_flight.cap = settings.farm.in_flight_cap;
  child.in_flight.initial = settings.farm.in_flight_start;
  child.in_flight.fixed = settings.farm.in_flight == in_flight_rule::fixed;

  auto& budgets = out.budgets;
  budgets.per_request = settings.budgets.per_request;
  budgets.per_run = settings.budgets.per_run;
  budgets.per_day = settings.budgets.per_day;
  budgets.per_tenant = settings.budgets.per_tenant;
  budgets.alert_at = {std::min(settings.budgets.alert_at, 1.0), 1.0};
  budgets.workers = workers;
  budgets.recall = [store] { return read_budgets(store); };
  budgets.journaled_cost = [store](run_id run) { return storage::cost_of_answers(store, run); };
  budgets.charged_tries = settings.retry.possibly_billed_attempts + 1;
  budgets.lost_tries = [store](run_id run) { return storage::lost_tries_of(store, run); };
  budgets.find_model = [find_model](const model_id& id) {
    const auto model = find_model(id);
    return model ? model_budgets{model->max_cost_per_request, model->daily_budget, model->monthly_budget}
                 : model_budgets{};
  };

  auto& cache = out.cache;
  cache.workers = workers;
  cache.read = make_cache_reader(store);
  cache.find_provider = [settings =
                             options.settings](const provider_id& id) -> std::optional<provider_identity> {
    const auto found = std::ranges::find(settings->providers, id, &provider_profile::id);
    if (found == settings->providers.end())
      return std::nullopt;
    return provider_identity{found->protocol, found->base_url};
  };
  cache.max_bytes = settings.storage.cache.max_bytes;
  cache.max_age = settings.storage.cache.max_age;

  auto& gateway = out.gateway;
  gateway.seed = out.seed + 4;
  gateway.max_open = settings.gateway.max_open;
  gateway.max_open_per_tenant = settings.gateway.max_open_per_user;
  gateway.tenant_weight = [current](const user_id& who) {
    return config::tenant_rules_of(*current->get(), who.value).weight;
  };
  gateway.find_model = [current, stored](const std::string& name) -> result<model_profile> {
    auto found = resolve_with_stored(*current->get(), *stored, name, false);
    if (!found)
      return found.error();
    if (auto usable = config::check_usable(found->provider); !usable) {
      auto reason = usable.error();
      reason.where = "model";
      return reason;
    }
    return std::move(found->model);
  };
  out.sandbox = sandbox_from(settings.sandbox, network);
  auto& batches = out.batches;
  batches.workers = workers;
  batches.open_transport = child.open_transport;
  batches.providers = settings.providers;
  batches.find_profile = child.find_profile;
  batches.recall = make_batch_recall(store);
  batches.max_calls = settings.batches.max_calls;
  batches.gather = settings.batches.gather;
  batches.poll_first = settings.batches.poll_first;
  batches.poll_last = std::max(settings.batches.poll_first, settings.batches.poll_last);

  auto& runs = out.runs;
  out.router.seed = out.seed + 3;
  out.router.charged_tries = settings.retry.possibly_billed_attempts + 1;
  out.router.longest_answer = [find_model](const model_id& id) {
    const auto model = find_model(id);
    return model ? model->max_output_tokens : 0;
  };
  batches.longest_answer = out.router.longest_answer;
  batches.belief = child.belief;
  out.router.routes = routes_of(settings);
  out.router.recall_changes = [store] { return read_route_changes(store); };
  runs.seed = out.seed + 2;
  // Each model's own timeout is shorter, and decides.
  runs.child.call_timeout = std::chrono::hours{24};
  runs.workers = workers;
  runs.max_running = settings.farm.max_running_runs;
  runs.max_queued = settings.farm.max_queued_runs;
  runs.preempt = settings.farm.preempt;
  runs.tenant = [current](const user_id& who) { return config::tenant_rules_of(*current->get(), who.value); };
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
  const admission_config admitting{
      options.settings,
      options.tasks,
      endpoint_check(options.guard),
      50'000'000,
      {},
      false,
      [read = runs.read.find_run](run_id id) { return read(id); },
      data_roots_of(options),
      [stored](const std::string& name) { return stored->settings_with(name, false); }};
  // A model whose provider has got its first key since can be evaluated now.
  runs.admit = [admitting, current](const run_request& request) {
    auto now = admitting;
    now.settings = current->get();
    return make_admission(std::move(now))(request);
  };
  runs.find_unprepared = make_preparation_finder(admitting);
  runs.child.make_worker = [store] { return std::make_shared<store_run_worker>(store); };
  runs.child.cancel_grace = settings.farm.cancel_grace;
  out.ab_tests.seed = out.seed + 6;
  out.ab_tests.workers = workers;
  out.ab_tests.read = make_ab_test_reader(store);
  out.experiments = experiments_from(options, store, workers, out.seed + 7);
  // A farm of one command has its own runs in mind, and no others.
  if (!options.goes_on) {
    out.schedules.workers = workers;
    out.schedules.recall = make_schedule_recall(store);
  }
  return out;
}

} // namespace

farm::farm(std::unique_ptr<parts> made) : parts_(std::move(made)) {}

result<std::unique_ptr<farm>> farm::start(const farm_options& options) {
  raise_file_limit();
  const auto& settings = *options.settings;
  if (auto good = check_certificates(settings.network.extra_ca_file); !good)
    return good.error();
  spdlog::debug("farm starts data=\"{}\" tasks={} in_flight_cap={} worker_threads={} commit_window={}ms",
                settings.storage.data_dir, options.tasks->size(), settings.farm.in_flight_cap,
                actor_threads(settings.farm), settings.storage.commit_window.count());
  auto made = std::make_unique<parts>(options.settings);
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
  made->python_pipes = std::make_unique<io::io_runtime>("assay-python");
  made->python_pipes->start();
  made->python.emplace(*made->python_pipes, python_options_from(settings));
  made->workers = std::make_shared<worker_pool>(worker_threads, worker_capacity);
  made->system = std::make_unique<caf::actor_system>(made->actor_config);
  made->stored = std::make_shared<const stored_models>(made->now, made->store);
  auto config =
      configure(options, made->now, made->store, made->writer, *made->network, made->workers, made->stored);
  config.python = python_host_from(settings.python, *made->python);
  config.python.seed = config.seed + 5;
  config.sandbox.on_state = [heard = made->heard](const host_state& now) {
    const std::lock_guard guard{heard->mutex};
    heard->hosts["sandbox"] = now;
  };
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

std::map<std::string, host_state> farm::host_states() const {
  std::map<std::string, host_state> out;
  {
    const std::lock_guard guard{parts_->heard->mutex};
    out = parts_->heard->hosts;
  }
  out["python_host"] = parts_->python->machine();
  return out;
}

namespace {

/// After all graces: an orderly end takes a moment.
constexpr milliseconds patience_for_the_end{30'000};

/// @returns what names those of these actors that are still there when it is called. Keeps none of them.
std::function<std::string()> names_of_the_living(const farm_handles& all) {
  std::vector<std::pair<const char*, caf::weak_actor_ptr>> known;
  const auto add = [&](const char* name, const auto& handle) {
    if (handle)
      known.emplace_back(name, caf::actor_cast<caf::weak_actor_ptr>(handle));
  };
  add("journal", all.journal);
  add("event hub", all.event_hub);
  add("monitor", all.monitor);
  add("budget keeper", all.budgets);
  add("provider supervisor", all.providers);
  add("model router", all.router);
  add("batch desk", all.batches);
  add("response cache", all.cache);
  add("sandbox", all.sandbox);
  add("python host", all.python);
  add("run supervisor", all.runs);
  add("experiment supervisor", all.experiments);
  add("gateway", all.gateway);
  return [known = std::move(known)] {
    std::string out;
    for (const auto& [name, actor] : known)
      if (caf::actor_cast<caf::strong_actor_ptr>(actor))
        out.append(out.empty() ? "" : ", ").append(name);
    return out.empty() ? std::string{"a child of one that has ended"} : out;
  };
}

} // namespace

farm::~farm() { stop(destructor_grace); }

caf::actor_system& farm::system() { return *parts_->system; }

const root_supervisor_actor& farm::root() const { return parts_->root; }

const std::shared_ptr<storage::store>& farm::store() const { return parts_->store; }

result<farm_handles> farm::handles() { return parts_->ask<farm_handles>(parts_->root, find_farm{}); }

const std::shared_ptr<const stored_models>& farm::stored() const { return parts_->stored; }

result<std::vector<std::string>> farm::take_up_keys(std::shared_ptr<const config::settings> next) {
  const auto before = parts_->now->exchange(next);
  std::vector<std::string> changed;
  for (const auto& provider : next->providers)
    if (const auto* old = config::find_provider(*before, provider.id);
        old != nullptr && !same_keys(*old, provider))
      changed.push_back("providers." + provider.id.value + ".keys");
  // Told even so: whoever was being started again meanwhile may have seen the old ones.
  const auto now = handles();
  if (!now)
    return now.error();
  caf::anon_send(now->providers, keys_changed{});
  caf::anon_send(now->batches, keys_changed{});
  return changed;
}

result<run_submitted> farm::submit(submit_run wish) {
  auto now = handles();
  if (!now)
    return now.error();
  // Pinning reads every dataset whole, which may take longer than other requests.
  return parts_->ask<run_submitted>(now->runs, std::move(wish), std::chrono::minutes{5});
}

result<run_record> farm::command(run_id run, run_verb verb, std::optional<money> max_cost) {
  auto now = handles();
  if (!now)
    return now.error();
  return parts_->ask<run_record>(now->runs, command_run{run, verb, max_cost});
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

result<experiment_answer> farm::ask_experiments(ask_experiment wish) {
  auto now = handles();
  if (!now)
    return now.error();
  const bool prices = wish.verb == experiment_verb::create || wish.verb == experiment_verb::plan;
  return parts_->ask<experiment_answer>(now->experiments, std::move(wish),
                                        prices ? std::chrono::minutes{5} : milliseconds{request_timeout});
}

std::optional<fault> farm::failure() const {
  const std::lock_guard guard{parts_->mutex};
  return parts_->failure;
}

void farm::stop(milliseconds grace) {
  auto& parts = *parts_;
  if (std::exchange(parts.stopped, true))
    return;
  if (const auto now = handles())
    parts.watchdog.arm(grace + request_timeout + patience_for_the_end, names_of_the_living(*now), abort_with);
  if (auto stopped = parts.ask<farm_stopped>(parts.root, stop_farm{grace}, grace + request_timeout); !stopped)
    spdlog::warn("farm did not come to rest in order reason=\"{}\"", stopped.error().message);
  caf::anon_send_exit(parts.root, caf::exit_reason::kill);
  parts.root = root_supervisor_actor{};
  parts.workers->stop();
  parts.python_pipes->stop();
  parts.python_pipes->join();
  parts.network->stop();
  parts.network->join();
  parts.writer->stop();
  // The actor system goes with its owner, on the owner's thread: CAF keeps a reference to the system's logger
  // in every thread that has spawned or asked, and ~actor_system waits for ever for the one of a thread that
  // lives on.
}

} // namespace assay::cli
