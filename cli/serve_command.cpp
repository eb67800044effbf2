#include "actors/runs/store_run_worker.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/farm.hpp"
#include "cli/files.hpp"
#include "cli/live_settings.hpp"
#include "cli/load_settings.hpp"
#include "cli/logging.hpp"
#include "cli/present.hpp"
#include "cli/server_address.hpp"
#include "cli/signals.hpp"
#include "cli/stored_keys.hpp"
#include "cli/stored_models.hpp"
#include "config/load.hpp"
#include "config/models.hpp"
#include "config/stored_models.hpp"
#include "core/tasks/dataset.hpp"
#include "core/tasks/preparation.hpp"
#include "server/bridge/actor_farm.hpp"
#include "server/edge.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr milliseconds edge_grace{5'000};
constexpr milliseconds farm_grace{30'000};
constexpr milliseconds usual_nap{1'000};

struct serve_flags {
  std::string host;
  std::optional<uint16_t> port;
  std::string port_file;
};

std::optional<server::unlisted_model_profile> known_model(const config::settings& settings,
                                                          const model_id& id) {
  auto found = config::resolve_model(settings, id.value);
  if (!found)
    return std::nullopt;
  server::unlisted_model_profile out{std::move(found->model), {}};
  if (const auto usable = config::check_usable(found->provider); !usable)
    out.unavailable = usable.error().message;
  return out;
}

/// What depends on the settings. Providers may get their first key, or lose their last, while they run.
void list_models(server::catalogue& out, const std::shared_ptr<const config::settings>& settings,
                 const tasks::task_catalogue& tasks) {
  out.models = config::available_models(*settings);
  const auto add_groups = [tasks](model_profile& model) { model.supported_tasks = tasks.groups_for(model); };
  std::ranges::for_each(out.models, add_groups);
  out.providers.clear();
  for (const auto& provider : settings->providers)
    out.providers.push_back(
        {provider.id, provider.protocol, provider.base_url, config::check_usable(provider).has_value()});
  out.unlisted_model = [settings, add_groups](const model_id& id) {
    auto found = known_model(*settings, id);
    if (found)
      add_groups(found->model);
    return found;
  };
}

std::shared_ptr<const server::catalogue>
make_catalogue(const std::shared_ptr<const config::settings>& settings, const tasks::task_catalogue& tasks) {
  auto out = std::make_shared<server::catalogue>();
  for (const auto& task : tasks.list()) {
    const auto facts = tasks::inspect_data(*task);
    out->tasks.push_back(tasks::to_summary(*task, facts ? facts->rows : 0));
    const json details{{"scorers", task->scorer_names()},
                       {"generation", task->generation},
                       {"dataset_sha256", facts ? json(facts->sha256) : json()},
                       {"groups", task->tags}};
    out->task_details.emplace(task->id, details.dump());
  }
  list_models(*out, settings, tasks);
  return out;
}

/// The same, where a name also means the model whose configuration is stored under it.
std::shared_ptr<const server::catalogue> with_stored(const std::shared_ptr<const server::catalogue>& plain,
                                                     const std::shared_ptr<const config::settings>& settings,
                                                     const std::shared_ptr<const stored_models>& stored) {
  auto out = std::make_shared<server::catalogue>(*plain);
  out->unlisted_model = [plain, settings,
                         stored](const model_id& id) -> std::optional<server::unlisted_model_profile> {
    if (!config::is_shadowed(*settings, id.value))
      if (const auto with = stored->settings_with(id.value, false); with && *with)
        return known_model(**with, id);
    return plain->unlisted_model(id);
  };
  return out;
}

/// Where the URLs of API users may point.
result<std::shared_ptr<const io::address_guard>> guard_from(const config::network_settings& settings) {
  auto made = io::address_guard::make(settings.allow_private_addresses);
  if (!made) {
    auto reason = made.error();
    reason.where.insert(0, "network.allow_private_addresses");
    return reason;
  }
  return std::make_shared<const io::address_guard>(std::move(*made));
}

/// Pictures are fetched by providers, which may stand in the operator's own network. A name that nobody here
/// knows leads nowhere from there either.
std::function<result<void>(const std::string&)>
picture_check(std::shared_ptr<const io::address_guard> guard) {
  return [guard = std::move(guard)](const std::string& url) -> result<void> {
    const auto where = io::parse_base_url(std::string_view(url).substr(0, url.find_first_of("?#")));
    if (!where)
      return fault{errc::invalid_argument, "is no address of a picture", "image_url", {}};
    const auto good = io::check_addresses_of(*guard, *where);
    if (!good && good.error().code != errc::connect_failed)
      return good.error();
    return {};
  };
}

std::map<server::family, server::role> anonymous_roles(const config::anonymous_settings& settings) {
  std::map<server::family, server::role> out;
  const std::pair<server::family, const std::string*> all[] = {{server::family::engine, &settings.engine},
                                                               {server::family::openai, &settings.engine},
                                                               {server::family::jobs, &settings.jobs},
                                                               {server::family::datalab, &settings.datalab}};
  for (const auto& [family, name] : all)
    if (const auto role = server::role_from_string(*name))
      out.emplace(family, *role);
  return out;
}

server::edge_limits limits_from(const config::server_settings& settings) {
  server::edge_limits out;
  out.header_time = settings.header_timeout;
  out.body_bytes = settings.max_body;
  out.body_time = settings.body_timeout;
  out.idle_time = settings.keep_alive;
  out.connections = settings.max_connections;
  out.connections_per_address = settings.max_connections_per_address;
  out.web_socket_command_bytes = settings.max_ws_message;
  out.web_socket_backlog_bytes = settings.max_ws_backlog;
  return out;
}

server::edge_options edge_options_from(const config::settings& settings,
                                       std::shared_ptr<present<server::catalogue>> catalogue) {
  server::edge_options out;
  const auto& http = settings.server;
  out.address = http.host;
  out.port = http.port;
  if (http.tls.enabled())
    out.tls = server::tls_files{http.tls.cert_file, http.tls.key_file};
  out.limits = limits_from(http);
  out.allow_origins = settings.cors.allow_origins;
  out.web_socket_origins = http.allowed_origins;
  out.version = ASSAY_VERSION;
  out.environment = settings.environment;
  out.key_file = std::filesystem::path(settings.storage.data_dir) / "token.key";
  out.admin_password = settings.auth.admin_password;
  out.show_admin_password = [](const secret& password) {
    // To standard output only: the log may be kept and read by others.
    print("The first user is admin, password " + password.reveal()
          + " (shown once; change it with `assay users passwd`)\n");
    std::fflush(stdout);
  };
  out.access_lifetime = settings.auth.access_ttl;
  out.refresh_lifetime = settings.auth.refresh_ttl;
  const auto attempts = std::max<uint32_t>(settings.auth.login_attempts_per_minute, 1);
  out.logins_per_user.burst = attempts;
  out.logins_per_user.refill = std::max(seconds{1}, seconds{60 / attempts});
  out.logins_per_address.burst = attempts * 2;
  out.logins_per_address.refill = std::max(seconds{1}, seconds{60 / attempts});
  out.hashing_threads = settings.auth.concurrent_password_checks;
  out.anonymous = anonymous_roles(settings.auth.anonymous);
  out.metrics_from_loopback = http.metrics_from_loopback;
  out.model_timeout = settings.gateway.timeout;
  out.current_catalogue = [catalogue = std::move(catalogue)] { return catalogue->get(); };
  return out;
}

std::string public_url(const config::settings& settings, uint16_t port) {
  const auto& host = settings.server.host;
  const bool six = host.find(':') != std::string::npos;
  return std::string(settings.server.tls.enabled() ? "https://" : "http://") + (six ? "[" + host + "]" : host)
         + ":" + std::to_string(port);
}

/// The edge first, so that nobody submits to a farm that stops; then the farm, in order.
void stop_in_order(std::unique_ptr<server::edge>& edge, farm& running, signals& caught) {
  spdlog::info("server stops: no new connections, runs come to rest; a second signal stops at once");
  std::atomic<bool> stopped = false;
  std::thread stopper([&] {
    edge->stop_accepting();
    edge->stop(edge_grace);
    edge.reset();
    running.stop(farm_grace);
    stopped = true;
    caught.wake();
  });
  while (!stopped) {
    const auto again = caught.wait(usual_nap);
    if (!again || *again == SIGHUP)
      continue;
    spdlog::warn("server stops at once; runs go on at the next start");
    spdlog::shutdown();
    std::_Exit(static_cast<int>(exit_code::ended_early));
  }
  stopper.join();
}

/// Whoever looks for the rest must know where it goes.
void announce_log_file(const command_context& context, const config::settings& settings) {
  if (!context.flags.quiet)
    context.err->line("The log is in " + settings.logging.file);
}

/// The pools become what they would be if the farm started now with the configuration that it has.
result<std::vector<std::string>> take_up_stored_keys(farm& running, const config::settings& configured,
                                                     const tasks::task_catalogue& tasks,
                                                     present<server::catalogue>& shown) {
  auto joined = configured;
  if (auto done = join_stored_keys(joined, running.store()); !done)
    return done.error();
  for (size_t i = configured.warnings.size(); i < joined.warnings.size(); ++i)
    spdlog::warn("configuration: {}", joined.warnings[i]);
  const auto next = std::make_shared<const config::settings>(std::move(joined));
  auto changed = running.take_up_keys(next);
  if (changed && !changed->empty()) {
    auto catalogue = std::make_shared<server::catalogue>(*shown.get());
    list_models(*catalogue, next, tasks);
    shown.exchange(with_stored(catalogue, next, running.stored()));
  }
  return changed;
}

exit_code serve(command_context& context, const serve_flags& flags) {
  if (auto good = check_port_file(flags.port_file); !good)
    return report(context, good.error());
  if (!flags.host.empty())
    context.overrides.emplace_back("server.host", flags.host);
  if (flags.port)
    context.overrides.emplace_back("server.port", std::to_string(*flags.port));
  auto loaded = load_settings(context, ignored_values::are_logged);
  if (!loaded)
    return report(context, loaded.error());
  // What a reload compares with; the stored keys are no part of it.
  const auto configured = std::make_shared<const config::settings>(*loaded);
  // Before anything is written: a start that fails leaves nothing behind.
  if (auto good = server::edge::check(edge_options_from(*loaded, nullptr)); !good)
    return report(context, good.error());
  if (auto joined = join_stored_keys(*loaded); !joined)
    return report(context, joined.error());
  auto settings = std::make_shared<const config::settings>(std::move(*loaded));
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  if (auto logging = start_logging(context, *settings); !logging)
    return report(context, logging.error());
  for (const auto& warning : settings->warnings)
    announce(context, *settings, announcement::warning, "configuration: " + warning);
  std::vector<fault> task_faults;
  const auto tasks = load_tasks(context, *settings, {}, &task_faults);
  for (const auto& one : task_faults)
    announce(context, *settings, announcement::warning, "task left out: " + to_string(one));
  const auto catalogue = std::make_shared<present<server::catalogue>>(make_catalogue(settings, *tasks));
  spdlog::info("assay " ASSAY_VERSION " starts environment={} data=\"{}\"", settings->environment,
               settings->storage.data_dir);
  spdlog::info("Loaded {} model configurations", settings->models.size());
  spdlog::info("Loaded {} tasks", catalogue->get()->tasks.size());

  auto guard = guard_from(settings->network);
  if (!guard)
    return report(context, guard.error());
  auto started = farm::start({settings, tasks, *guard, {}});
  if (!started)
    return report(context, started.error());
  auto& running = **started;
  live_settings live(context, configured, [&running, configured, tasks, catalogue] {
    return take_up_stored_keys(running, *configured, *tasks, *catalogue);
  });
  catalogue->exchange(with_stored(catalogue->get(), settings, running.stored()));
  auto options = edge_options_from(*settings, catalogue);
  options.check_picture = picture_check(*guard);
  options.check_model_configuration = [settings, may_reach = endpoint_check(*guard)](
                                          const std::string& id, const std::string& configuration) {
    return check_configuration(*settings, id, configuration, may_reach);
  };
  options.results_folder = settings->results_dir;
  options.compute_result = [store = running.store()](const run_record& run) {
    return compute_result(store, run);
  };
  options.host_states = [&running] { return running.host_states(); };
  // What may run here is looked at before anybody asks for it.
  static_cast<void>(running.host_states());
  options.reload = [&live] { return live.reload(); };
  auto edge = server::edge::start(std::move(options),
                                  server::make_actor_farm(running.system(), running.root()), running.store());
  if (!edge) {
    running.stop(edge_grace);
    return report(context, edge.error());
  }
  const auto url = public_url(*settings, (*edge)->port());
  announce(context, *settings, announcement::news, "Starting API server on " + url);
  announce(context, *settings, announcement::news, "API documentation available at " + url + "/docs");
  if (!settings->logging.file.empty())
    announce_log_file(context, *settings);
  const left_address address(settings->storage.data_dir, reachable_url(settings->server, (*edge)->port()));
  if (!flags.port_file.empty())
    if (auto written = write_file_atomically(flags.port_file, std::to_string((*edge)->port()) + "\n");
        !written) {
      stop_in_order(*edge, running, **caught);
      return report(context, written.error());
    }

  while (true) {
    const auto signal = (*caught)->wait(usual_nap);
    // What is wrong or has to wait is in the log.
    if (signal && *signal == SIGHUP)
      static_cast<void>(live.reload());
    else if (signal)
      break;
    if (const auto failure = running.failure()) {
      stop_in_order(*edge, running, **caught);
      return report(context, *failure);
    }
  }
  stop_in_order(*edge, running, **caught);
  spdlog::info("server has stopped");
  spdlog::default_logger()->flush();
  return exit_code::ok;
}

} // namespace

void add_serve_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<serve_flags>();
  auto* sub = app.add_subcommand("serve", "Serve HTTP and WebSocket; unfinished runs go on");
  sub->add_option("--host", flags->host, "Where to listen; default 127.0.0.1, this machine only");
  sub->add_option_function<uint16_t>(
         "-p,--port", [flags](const uint16_t& port) { flags->port = port; },
         "Default 8000; 0 takes any free port")
      ->check(any_of_type<uint16_t>());
  sub->add_option("--port-file,--port_file", flags->port_file, "Gets the port once it listens");
  examples(*sub,
           "  assay serve\n  assay serve --port 9000 --config farm.yaml\n"
           "  ASSAY_ADMIN_PASSWORD=... assay serve --env production\n\n"
           "SIGTERM and Ctrl-C let calls in flight finish and stop; SIGHUP reads the configuration again.\n");
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return serve(c, *flags); }; });
}

} // namespace assay::cli
