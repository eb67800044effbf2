#include "actors/runs/run_counts.hpp"
#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/interrupted.hpp"
#include "cli/load_settings.hpp"
#include "cli/logging.hpp"
#include "cli/progress.hpp"
#include "cli/run_end.hpp"
#include "cli/run_session.hpp"
#include "cli/server_address.hpp"
#include "cli/server_runs.hpp"
#include "cli/stored_keys.hpp"
#include "cli/stored_models.hpp"
#include "config/models.hpp"
#include "storage/snapshot.hpp"
#include "storage/writer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;
/// What the API lists on one page at most.
constexpr size_t longest_page = 1000;

struct list_flags {
  api_flags api;
  std::string state;
  std::string model;
  size_t limit = 20;
};

struct verb_flags {
  api_flags api;
  std::string run;
  std::optional<double> max_cost; ///< Dollars; of retry only.
};

// -- the list ----------------------------------------------------------------------------------------------

bool fits(const json& run, const list_flags& flags) {
  return flags.model.empty() || run.value("model_id", "") == flags.model;
}

/// @param out The runs in the API's form, newest first. @returns why there are none.
std::optional<fault> list_of_server(const config::settings& settings, const list_flags& flags, json& out) {
  const auto api = api_client::connect(settings, flags.api);
  if (!api)
    return api.error();
  // With a filter of its own, the command has to look at more than it shows.
  const auto page_size = flags.model.empty() ? std::min(flags.limit, longest_page) : longest_page;
  for (size_t page = 1; out.size() < flags.limit; ++page) {
    json answer;
    auto path = "/evaluations?limit=" + std::to_string(page_size) + "&page=" + std::to_string(page);
    if (!flags.state.empty())
      path += "&status=" + flags.state;
    if (auto refused = api->ask("GET", path, nullptr, answer))
      return refused;
    const auto items = answer.value("items", json::array());
    for (const auto& run : items)
      if (out.size() < flags.limit && fits(run, flags))
        out.push_back(run);
    if (items.size() < page_size)
      break;
  }
  return std::nullopt;
}

std::optional<fault> list_of_folder(const config::settings& settings, const list_flags& flags, json& out) {
  const auto store = open_store_read_only(settings);
  if (!store)
    return store.error();
  const bool idle = nothing_runs(settings);
  storage::run_query query;
  if (!flags.state.empty())
    query.state = run_state_from_string(flags.state);
  query.limit = storage::max_page_rows;
  do {
    auto view = storage::snapshot::open(*store);
    if (!view)
      return view.error();
    auto page = view->list_runs(query);
    if (!page)
      return page.error();
    for (auto& record : page->runs) {
      if (out.size() >= flags.limit || (!flags.model.empty() && record.spec.model.value != flags.model))
        continue;
      refresh_counts(*store, record);
      out.push_back(run_status_json(record));
      out.back()["interrupted"] = idle && is_interrupted(record.state);
    }
    query.before = page->next;
  } while (query.before && out.size() < flags.limit);
  return std::nullopt;
}

std::string number_or(const json& run, const char* key, int digits, const char* otherwise) {
  const auto found = run.find(key);
  return found != run.end() && found->is_number() ? show_number(found->get<double>(), digits) : otherwise;
}

std::string count_of(const json& run, const char* key) {
  const auto samples = run.find("samples");
  return samples == run.end() || !samples->is_object() ? "?" : show_count(samples->value(key, uint64_t{0}));
}

std::string names_in(const json& run, const char* key) {
  std::string out;
  if (const auto found = run.find(key); found != run.end() && found->is_array())
    for (const auto& name : *found)
      if (name.is_string())
        out += (out.empty() ? "" : ", ") + name.get<std::string>();
  return out;
}

std::string time_in(const json& run, const char* key) {
  const auto time = from_rfc3339(run.value(key, ""));
  return time ? show_time(*time) : "?";
}

exit_code list_runs(command_context& context, const list_flags& flags) {
  if (!flags.state.empty() && !run_state_from_string(flags.state))
    return report(context, {errc::invalid_argument, "'" + flags.state + "' is no state", "--state",
                            "queued, preparing, running, paused, completed, failed or cancelled"});
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  auto runs = json::array();
  // Whoever names a folder means it, also while a server has it: reading works beside one.
  const bool names_folder = !context.flags.data_dir.empty() && flags.api.url.empty();
  const bool has_server = !flags.api.url.empty() || find_address(settings->storage.data_dir);
  const bool at_server = !names_folder && has_server;
  const auto wrong =
      at_server ? list_of_server(*settings, flags, runs) : list_of_folder(*settings, flags, runs);
  if (wrong)
    return report(context, *wrong);
  if (context.flags.json) {
    print(json{{"evaluations", std::move(runs)}}.dump(2, ' ', false, replace) + "\n");
    return exit_code::ok;
  }
  table rows({{"run", align::left, squeeze::whole},
              {"created (UTC)", align::left, squeeze::spare},
              {"state", align::left, squeeze::whole},
              {"model"},
              {"samples", align::right},
              {"failed", align::right, squeeze::spare},
              {"score", align::right},
              {"cost", align::right, squeeze::spare},
              {"tasks"}});
  size_t interrupted = 0;
  for (const auto& run : runs) {
    const auto cost = run.find("cost");
    const bool is_left = run.value("interrupted", false);
    interrupted += is_left ? 1 : 0;
    rows.add(
        {run.value("evaluation_id", "?"), time_in(run, "created_at"),
         is_left ? std::string(interrupted_word) : run.value("state", "?"),
         model_label(record_from(run).spec), count_of(run, "done") + "/" + count_of(run, "total"),
         count_of(run, "failed"), number_or(run, "score", 3, "-"),
         cost != run.end() && cost->is_number() ? to_string(from_dollars(cost->get<double>())) : "unknown",
         names_in(run, "task_ids")});
  }
  print(rows.render(context.out, context.out.columns));
  if (runs.empty())
    remark(context, "no run fits");
  remark_on_interrupted(context, interrupted);
  return exit_code::ok;
}

// -- verbs -------------------------------------------------------------------------------------------------

std::string path_of(run_id run, run_verb verb) {
  if (verb == run_verb::purge)
    return "/evaluations/" + to_string(run) + "?purge=true";
  if (verb == run_verb::redact)
    return "/results/" + to_string(run) + "/redact";
  return "/evaluations/" + to_string(run) + "/" + std::string(to_string(verb));
}

void show_changed(const command_context& context, const json& run) {
  if (context.flags.json)
    print(run.dump(2, ' ', false, replace) + "\n");
  else
    print(run.value("evaluation_id", "") + " is " + run.value("state", "") + "\n");
}

bool has_nothing_to_ask(const run_record& run) {
  return run.state == run_state::completed && run.progress.failed == 0
         && run.progress.done >= run.progress.total;
}

/// A retry that finds nothing to do must not look like one that went wrong in silence.
void remark_on_nothing_to_ask(const command_context& context) {
  remark(context, "no sample of this run failed or is missing: nothing is asked again");
}

void show_removed(const command_context& context, const run_record& run, run_verb verb) {
  if (context.flags.json) {
    auto shown = run_status_json(run);
    shown["purged"] = verb == run_verb::purge;
    print(shown.dump(2, ' ', false, replace) + "\n");
    return;
  }
  print(to_string(run.spec.id)
        + (verb == run_verb::purge ? " is removed\n" : " has no texts any more; its scores are kept\n"));
  if (verb == run_verb::redact)
    remark(context, "result files that were written, and answers in the response cache, are not touched: "
                    "`assay store cache` clears the latter");
}

/// Writes to the folder that no farm has, and finishes what that leaves to be done.
result<void> write_in_store(const config::settings& settings, storage::write_batch batch) {
  auto store = storage::store::open(store_options_of(settings));
  if (!store)
    return store.error();
  std::optional<fault> failed;
  auto writer = storage::writer::start(*store, {}, [&](storage::commit_report&& done) {
    for (const auto& ticket : done.tickets)
      if (ticket.error && !failed)
        failed = ticket.error;
  });
  if (!writer)
    return writer.error();
  if (auto taken = (*writer)->submit(std::move(batch)); !taken)
    return taken.error();
  (*writer)->stop(true);
  if (failed)
    return *failed;
  return {};
}

exit_code tell_server(const command_context& context, const config::settings& settings,
                      const verb_flags& flags, run_verb verb) {
  if (auto good = check_run_name(flags.run); !good)
    return report(context, good.error());
  const auto api = api_client::connect(settings, flags.api);
  if (!api)
    return report(context, api.error());
  const auto id = find_run_at(*api, flags.run);
  if (!id)
    return report(context, id.error());
  json changed;
  const auto path = path_of(*id, verb);
  auto body = json::object();
  if (flags.max_cost)
    body["max_cost"] = *flags.max_cost;
  const auto* method = verb == run_verb::purge ? "DELETE" : "POST";
  if (auto refused = api->ask(method, path, verb == run_verb::purge ? json(nullptr) : body, changed))
    return report(context, *refused);
  if (verb == run_verb::purge || verb == run_verb::redact) {
    if (context.flags.json)
      show_changed(context, changed);
    else
      show_removed(context, record_from(changed), verb);
    return exit_code::ok;
  }
  show_changed(context, changed);
  if (verb == run_verb::retry && has_nothing_to_ask(record_from(changed)))
    remark_on_nothing_to_ask(context);
  else if (verb == run_verb::resume || verb == run_verb::retry)
    remark(context, "`assay watch " + to_string(*id) + "` follows it");
  return exit_code::ok;
}

result<run_record> find_in_folder(const config::settings& settings, const std::string& name) {
  const auto store = open_store_read_only(settings);
  if (!store)
    return store.error();
  const auto id = find_run_named(*store, name);
  if (!id)
    return id.error();
  auto view = storage::snapshot::open(*store);
  if (!view)
    return view.error();
  auto found = view->find_run(*id);
  if (!found)
    return found.error();
  if (!*found)
    return fault{errc::not_found, "there is no run " + to_string(*id), {}, {}};
  return std::move(**found);
}

/// No server has the folder, so the run goes on here, as `assay run` would.
exit_code go_on_here(const command_context& context, config::settings&& loaded, const run_record& run,
                     run_verb verb, std::optional<money> max_cost) {
  if (auto joined = join_stored_keys(loaded); !joined)
    return report(context, joined.error());
  join_stored_models(loaded);
  show_warnings(context, loaded);
  const auto settings = std::make_shared<const config::settings>(std::move(loaded));
  const auto resolved = config::resolve_model(*settings, run.spec.model.value);
  if (resolved && resolved->model.simulated)
    if (auto there = check_mock_at(resolved->provider.base_url); !there)
      return report(context, there.error());
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  if (auto logging = start_logging(context, *settings, "warn"); !logging)
    return report(context, logging.error());
  if (verb == run_verb::retry && has_nothing_to_ask(run))
    remark_on_nothing_to_ask(context);
  auto session = run_session::go_on(settings, load_tasks(context, *settings), run, verb, max_cost);
  if (!session)
    return report(context, session.error());
  return follow_to_end(context, run_flags{}, **session, **caught);
}

exit_code cancel_here(const command_context& context, const config::settings& settings, run_record run) {
  if (is_final(run.state) && run.state != run_state::cancelled)
    return report(context, {errc::invalid_transition,
                            "the run is " + std::string(to_string(run.state)) + " and cannot be cancelled",
                            to_string(run.spec.id),
                            {}});
  if (run.state != run_state::cancelled)
    if (auto done = cancel_in_store(settings, {run}); !done)
      return report(context, done.error());
  run.state = run_state::cancelled;
  show_changed(context, run_status_json(run));
  return exit_code::ok;
}

/// Whoever may write into the data folder may do this, and is named by it.
exit_code remove_here(const command_context& context, const config::settings& settings, run_record run,
                      run_verb verb) {
  if (!is_final(run.state))
    return report(context,
                  {errc::invalid_transition, "the run is " + std::string(to_string(run.state)),
                   to_string(run.spec.id), "cancel it first: assay cancel " + to_string(run.spec.id)});
  if (verb == run_verb::redact && run.redacted_at) {
    show_removed(context, run, verb);
    return exit_code::ok;
  }
  const auto now = wall_now();
  storage::write_batch batch;
  if (verb == run_verb::purge) {
    batch.erased_runs.push_back(run.spec.id);
  } else {
    run.redacted_at = now;
    batch.runs.push_back(run);
    batch.redacted_runs.push_back(run.spec.id);
  }
  batch.put_document(storage::table::audit,
                     "0" + std::to_string(now.time_since_epoch().count()) + "/" + to_string(run.spec.id) + "/"
                         + std::string(to_string(verb)),
                     json{{"at", to_rfc3339(now)},
                          {"user", nullptr},
                          {"evaluation_id", to_string(run.spec.id)},
                          {"action", to_string(verb)}}
                         .dump());
  if (auto written = write_in_store(settings, std::move(batch)); !written)
    return report(context, written.error());
  show_removed(context, run, verb);
  return exit_code::ok;
}

exit_code command(command_context& context, const verb_flags& flags, run_verb verb) {
  auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  if (means_server(*settings, flags.api))
    return tell_server(context, *settings, flags, verb);
  const auto run = find_in_folder(*settings, flags.run);
  if (!run)
    return report(context, run.error());
  switch (verb) {
  case run_verb::pause:
    return report(context, {errc::invalid_transition, "no server has this data folder, so nothing runs",
                            to_string(run->spec.id), "--url names a server elsewhere"});
  case run_verb::cancel:
    return cancel_here(context, *settings, *run);
  case run_verb::purge:
  case run_verb::redact:
    return remove_here(context, *settings, *run, verb);
  case run_verb::resume:
  case run_verb::retry:
    return go_on_here(context, std::move(*settings), *run, verb,
                      flags.max_cost ? std::optional{from_dollars(*flags.max_cost)} : std::nullopt);
  }
  return exit_code::internal;
}

void declare(CLI::App& app, command_context& context, run_verb verb, const char* text, const char* lines) {
  const auto flags = std::make_shared<verb_flags>();
  auto* sub = app.add_subcommand(verb == run_verb::purge ? "delete" : std::string(to_string(verb)), text);
  sub->add_option("ID", flags->run, "The run, or `last`")->required();
  if (verb == run_verb::retry)
    sub->add_option_function<double>(
           "--max-cost,--max_cost", [flags](double dollars) { flags->max_cost = dollars; },
           "Dollars; what the run may cost from now on, in all")
        ->check(CLI::Range(0.0, 1e9));
  add_api_flags(*sub, flags->api);
  examples(*sub, lines);
  sub->callback([&context, flags, verb] {
    context.action = [flags, verb](command_context& c) { return command(c, *flags, verb); };
  });
}

} // namespace

void add_runs_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<list_flags>();
  auto* sub =
      app.add_subcommand("runs", "List runs with their states: of a running server, or of the data folder");
  sub->add_option("--state", flags->state,
                  "queued, preparing, running, paused, completed, failed or cancelled");
  sub->add_option("-m,--model", flags->model, "Only runs of this model");
  sub->add_option("-n,--limit", flags->limit, "Runs at most, newest first")
      ->check(number_of_rows())
      ->capture_default_str();
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay runs\n  assay runs --state running\n"
                 "  assay runs --url https://farm.example.org --user alice --json\n");
  sub->require_subcommand(0, 1);
  sub->callback([&context, flags] {
    if (!context.action)
      context.action = [flags](command_context& c) { return list_runs(c, *flags); };
  });
  declare(*sub, context, run_verb::purge, "Remove a run that has ended, with all its answers, for good",
          "  assay runs delete eval_1700000000_0000002a\n");
  declare(*sub, context, run_verb::redact,
          "Remove prompts and answers of a run that has ended; its scores, costs and times stay",
          "  assay runs redact eval_1700000000_0000002a\n");
}

void add_verb_commands(CLI::App& app, command_context& context) {
  declare(app, context, run_verb::pause, "Pause a run of a server: no new calls, those on their way are kept",
          "  assay pause last\n  assay pause eval_1700000000_0000002a --url https://farm.example.org\n");
  declare(app, context, run_verb::resume,
          "Go on with a run that was paused or interrupted: at its server, or here when none runs",
          "  assay resume eval_1700000000_0000002a\n  assay resume last\n");
  declare(app, context, run_verb::cancel, "Cancel a run for good; its answers are kept",
          "  assay cancel eval_1700000000_0000002a\n  assay cancel last\n");
  declare(app, context, run_verb::retry,
          "Ask the failed samples of a run again: at its server, or here when none runs",
          "  assay retry eval_1700000000_0000002a\n  assay retry last\n"
          "  assay retry last --max-cost 5\n");
}

} // namespace assay::cli
