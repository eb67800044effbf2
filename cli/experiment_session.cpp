#include "cli/earlier_runs.hpp"
#include "cli/experiment_backend.hpp"
#include "cli/farm.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "cli/logging.hpp"
#include "cli/run_end.hpp"
#include "cli/signals.hpp"
#include "config/models.hpp"
#include "config/results_folder.hpp"
#include "storage/experiment_reader.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <csignal>
#include <filesystem>
#include <random>
#include <thread>
#include <utility>

// Experiments in a farm of this process.
namespace assay::cli {

namespace {

using nlohmann::json;
using settings_ptr = std::shared_ptr<const config::settings>;

constexpr milliseconds nap{500};
constexpr milliseconds drain_grace{30'000};
constexpr int most_misses = 60;
constexpr int longest_cancel = 120; ///< Naps.

bool belongs_to(const run_record& run, const std::string& id) {
  const auto metadata = json::parse(run.spec.metadata, nullptr, false);
  return metadata.is_object() && metadata.value("experiment_id", json()) == id;
}

/// The same plan, whatever seed was drawn for it.
json without_seed(json plan) {
  if (plan.is_object() && plan.contains("configuration") && plan["configuration"].is_object())
    plan["configuration"].erase("random_seed");
  plan.erase("experiment_id");
  return plan;
}

/// The unfinished experiment that the same command began; empty when there is none.
std::string earlier_of(const config::settings& settings, const json& plan, const std::string& id) {
  json all;
  if (list_experiments(settings, all))
    return {};
  for (const auto& one : all) {
    const auto state = one.value("state", "");
    if (state != "running" && state != "paused")
      continue;
    const auto name = one.value("experiment_id", "");
    if (!id.empty() && name == id)
      return name;
    const auto stored = stored_experiment(settings, name);
    if (id.empty() && stored
        && without_seed(json::parse(stored->head.plan, nullptr, false)) == without_seed(plan))
      return name;
  }
  return {};
}

result<std::unique_ptr<farm>> start_farm(const command_context& context, const settings_ptr& settings,
                                         const std::string& id) {
  farm_options options;
  options.settings = settings;
  options.tasks = load_tasks(context, *settings);
  options.goes_on = [id](const run_record& run) { return belongs_to(run, id); };
  options.experiment_goes_on = [id](const std::string& one) { return one == id; };
  auto out = farm::start(options);
  if (!out && out.error().code == errc::store_locked) {
    auto reason = out.error();
    reason.hint = "name that farm's server with --url, stop it, or name another folder with --data-dir";
    return reason;
  }
  return out;
}

ask_experiment question(experiment_verb verb, const std::string& id) {
  ask_experiment out;
  out.verb = verb;
  out.experiment = id;
  out.who = command_line_user();
  // Whoever may write into the data folder may do this.
  out.sees_all = true;
  out.changes_all = true;
  return out;
}

/// The farm reads the experiments at its start; it answers a moment later.
result<experiment_answer> ask_patiently(farm& where, const ask_experiment& wish) {
  result<experiment_answer> out = fault{errc::busy, "the farm does not answer", {}, {}};
  for (int i = 0; i < 50; ++i) {
    out = where.ask_experiments(wish);
    if (out || out.error().code != errc::busy)
      return out;
    std::this_thread::sleep_for(milliseconds{100});
  }
  return out;
}

std::optional<fault> look(farm& where, const std::string& id, json& out) {
  auto view = storage::snapshot::open(where.store());
  if (!view)
    return view.error();
  const auto found = storage::find_experiment(*view, id);
  if (!found)
    return found.error();
  if (!*found)
    return fault{errc::not_found, "the experiment is gone", id, {}};
  out = to_json(**found);
  return std::nullopt;
}

struct ending {
  json last = json::object();
  bool interrupted = false;
  int signal = 0;
  std::optional<fault> broken;
};

ending follow(const command_context& context, farm& where, const std::string& id, signals& caught) {
  ending out;
  int misses = 0;
  uint64_t told = 0;
  while (true) {
    misses = look(where, id, out.last) ? misses + 1 : 0;
    const auto state = out.last.value("state", "");
    const auto ended = out.last.value("ended_children", uint64_t{0});
    if (context.err->kind().is_terminal)
      context.err->status({progress_text(out.last)});
    else if (ended != std::exchange(told, ended))
      remark(context, progress_text(out.last));
    if (state == "completed" || state == "failed" || state == "cancelled")
      break;
    if (!out.broken)
      out.broken = where.store()->write_fault();
    if (!out.broken)
      out.broken = where.failure();
    if (!out.broken && misses > most_misses)
      out.broken = fault{errc::actor_lost, "the farm does not answer any more", {}, "see the log"};
    if (out.broken)
      break;
    if (const auto signal = caught.wait(nap)) {
      out.interrupted = true;
      out.signal = *signal;
      break;
    }
  }
  context.err->clear_status();
  return out;
}

/// The result of every child's run, in a folder of its own.
std::optional<fault> write_results(farm& where, const experiments::experiment& what,
                                   const std::string& folder) {
  for (size_t i = 0; i < what.children.size(); ++i) {
    if (what.children[i].run.empty())
      continue;
    auto view = storage::snapshot::open(where.store());
    if (!view)
      return view.error();
    const auto document = view->find_result(what.children[i].run);
    if (!document)
      return document.error();
    if (!*document)
      continue;
    const auto path = std::filesystem::path(folder) / what.requests[i].key / "results.json";
    if (auto done = write_file_atomically(path, **document); !done)
      return done.error();
  }
  return std::nullopt;
}

exit_code conclude(const command_context& context, const experiment_flags& flags,
                   const config::settings& settings, farm& where, const std::string& id, const json& last) {
  auto view = storage::snapshot::open(where.store());
  if (!view)
    return report(context, view.error());
  auto found = storage::find_experiment(*view, id);
  if (!found || !*found)
    return report(context, found ? fault{errc::not_found, "the experiment is gone", id, {}} : found.error());
  const auto& what = **found;
  json made;
  if (auto wrong = storage::read_experiment_report(where.store(), what, wall_now(), made))
    return report(context, *wrong);
  if (context.flags.json)
    print(reports::render_report(made, reports::report_form::json));
  else
    show_summary(context, made);
  if (!flags.no_files) {
    auto folder = settings.results_dir;
    if (!flags.output_path.empty()) {
      std::error_code ignored;
      folder =
          config::output_place(settings, flags.output_path, std::filesystem::current_path(ignored).string());
    } else if (const auto base = json::parse(what.plan.settings).value("output_base_path", json());
               base.is_string()) {
      const auto place = config::results_path(settings, base.get<std::string>());
      if (!place)
        return report(context, place.error());
      folder = *place;
    }
    if (auto wrong = write_results(where, what, folder))
      return report(context, *wrong);
    if (auto wrong = write_report_files(context, made, folder, wall_now()))
      return report(context, *wrong);
  }
  return exit_code_of_experiment(last);
}

exit_code follow_to_end(const command_context& context, const experiment_flags& flags,
                        const config::settings& settings, farm& where, const std::string& id,
                        signals& caught) {
  auto seen = follow(context, where, id, caught);
  if (seen.broken)
    return report(context, *seen.broken);
  if (!seen.interrupted)
    return conclude(context, flags, settings, where, id, seen.last);
  remark(context, "stopping: calls on the wire may finish");
  where.stop(drain_grace);
  remark(context, id + " is unfinished; the same command, `assay experiment resume " + id
                      + "` or `assay serve` goes on with it");
  return seen.signal == SIGINT ? exit_code::interrupted : exit_code::ended_early;
}

std::optional<experiment_verb> verb_named(const std::string& name) {
  if (name == "pause")
    return experiment_verb::pause;
  if (name == "resume")
    return experiment_verb::resume;
  if (name == "cancel")
    return experiment_verb::cancel;
  if (name == "retry")
    return experiment_verb::retry;
  return std::nullopt;
}

/// Simulated models need the mock provider, and would be tried for minutes without it.
std::optional<fault> check_mocks(const config::settings& settings, const json& plan) {
  const auto read = experiments::plan_from_json(plan);
  if (!read)
    return read.error();
  for (const auto& one : read->models) {
    const auto found = config::resolve_model(settings, one.model);
    if (!one.model_args.empty() || !found || !found->model.simulated)
      continue;
    if (auto there = check_mock_at(found->provider.base_url); !there)
      return there.error();
  }
  return std::nullopt;
}

/// Drawn here, since the farm has to know at its start whose runs go on.
std::string fresh_id() {
  std::random_device chance;
  return experiments::experiment_id(wall_now(), chance());
}

/// Creates it, or goes on with what the same command began.
std::optional<fault> begin(const command_context& context, farm& where, json plan, const std::string& id,
                           bool earlier) {
  if (earlier) {
    remark(context, "going on with " + id);
    // One that was paused was so by somebody, who now starts it again.
    const auto resumed = ask_patiently(where, question(experiment_verb::resume, id));
    return resumed ? std::nullopt : std::optional<fault>{resumed.error()};
  }
  plan["experiment_id"] = id;
  auto wish = question(experiment_verb::create, {});
  wish.body = plan.dump(-1, ' ', false, json::error_handler_t::replace);
  const auto made = ask_patiently(where, wish);
  if (!made)
    return made.error();
  remark(context, "experiment " + id);
  return std::nullopt;
}

} // namespace

exit_code run_experiment_here(command_context& context, const experiment_flags& flags, settings_ptr settings,
                              const json& plan, const std::string& verb) {
  std::string earlier;
  if (plan.is_object()) {
    if (auto wrong = check_mocks(*settings, plan))
      return report(context, *wrong);
    earlier = earlier_of(*settings, plan, flags.id);
    if (flags.fresh && !earlier.empty())
      remark(context,
             "note: " + std::exchange(earlier, {}) + " stays unfinished; `assay experiment cancel` ends it");
  }
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  if (auto logging = start_logging(context, *settings, "warn"); !logging)
    return report(context, logging.error());
  const auto id = !earlier.empty() ? earlier : !flags.id.empty() ? flags.id : fresh_id();
  auto started = start_farm(context, settings, id);
  if (!started)
    return report(context, started.error());
  if (plan.is_object()) {
    if (auto wrong = begin(context, **started, plan, id, !earlier.empty()))
      return report(context, *wrong);
    return follow_to_end(context, flags, *settings, **started, id, **caught);
  }
  const auto changed = ask_patiently(**started, question(*verb_named(verb), id));
  if (!changed)
    return report(context, changed.error());
  return follow_to_end(context, flags, *settings, **started, id, **caught);
}

exit_code change_experiment_here(command_context& context, const experiment_flags& flags,
                                 settings_ptr settings, const std::string& verb) {
  if (auto logging = start_logging(context, *settings, "warn"); !logging)
    return report(context, logging.error());
  auto started = start_farm(context, settings, flags.id);
  if (!started)
    return report(context, started.error());
  auto& where = **started;
  const auto changed = ask_patiently(where, question(*verb_named(verb), flags.id));
  if (!changed)
    return report(context, changed.error());
  auto last = json::parse(changed->text);
  for (int i = 0; i < longest_cancel && last.value("state", "") == "cancelling"; ++i) {
    std::this_thread::sleep_for(nap);
    // What cannot be read now is looked at again.
    static_cast<void>(look(where, flags.id, last));
  }
  if (context.flags.json)
    print(last.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  else
    print(flags.id + " is " + last.value("state", "") + "\n");
  return exit_code::ok;
}

} // namespace assay::cli
