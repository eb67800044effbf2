#include "actors/runs/run_counts.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/interrupted.hpp"
#include "cli/load_settings.hpp"
#include "cli/progress.hpp"
#include "cli/run_report.hpp"
#include "config/results_folder.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;

struct result_flags {
  std::vector<std::string> runs;
  std::string state;
  std::string model;
  size_t limit = 20;
  std::string output_path;
  bool log_samples = false;
  bool details = false;
};

/// Newest first.
result<std::vector<run_record>> list_runs(const std::shared_ptr<storage::store>& from,
                                          const result_flags& flags, std::optional<run_state> state) {
  std::vector<run_record> out;
  storage::run_query query;
  query.state = state;
  query.limit = flags.model.empty() ? flags.limit : storage::max_page_rows;
  while (out.size() < flags.limit) {
    auto view = storage::snapshot::open(from);
    if (!view)
      return view.error();
    auto page = view->list_runs(query);
    if (!page)
      return page.error();
    for (auto& run : page->runs)
      if (out.size() < flags.limit && (flags.model.empty() || run.spec.model.value == flags.model)) {
        refresh_counts(from, run);
        out.push_back(std::move(run));
      }
    if (!page->next)
      break;
    query.before = page->next;
  }
  return out;
}

std::string overall_score(const std::shared_ptr<storage::store>& from, const run_record& run) {
  auto view = storage::snapshot::open(from);
  if (!view)
    return "?";
  const auto document = view->find_result(run.spec.id);
  if (document && *document) {
    const auto parsed = json::parse(**document, nullptr, false);
    if (parsed.is_object() && parsed.contains("summary_metrics")) {
      const auto& score = parsed["summary_metrics"].value("overall_score", json());
      return show_number(score.is_number() ? std::optional{score.get<double>()} : std::nullopt, 3);
    }
  }
  const auto score = run.progress.score();
  return score ? show_number(*score, 3) : "-";
}

std::string task_names(const run_record& run) {
  std::string out;
  for (const auto& task : run.spec.tasks)
    out += (out.empty() ? "" : ", ") + task.id.value;
  return out;
}

exit_code list_results(command_context& context, const result_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  std::optional<run_state> state;
  if (!flags.state.empty()) {
    state = run_state_from_string(flags.state);
    if (!state)
      return report(context, {errc::invalid_argument, "'" + flags.state + "' is no state", "--state",
                              "queued, preparing, running, paused, completed, failed or cancelled"});
  }
  const auto store = open_store_read_only(*settings);
  if (!store)
    return report(context, store.error());
  const bool idle = nothing_runs(*settings);
  const auto runs = list_runs(*store, flags, state);
  if (!runs)
    return report(context, runs.error());
  if (context.flags.json) {
    json out = json::array();
    for (const auto& run : *runs) {
      out.push_back(run_status_json(run));
      out.back()["interrupted"] = idle && is_interrupted(run.state);
    }
    print(json{{"evaluations", std::move(out)}}.dump(2, ' ', false, replace) + "\n");
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
  for (const auto& run : *runs) {
    const auto& done = run.progress;
    const bool is_left = idle && is_interrupted(run.state);
    interrupted += is_left ? 1 : 0;
    rows.add({to_string(run.spec.id), show_time(run.spec.created_at),
              std::string(is_left ? interrupted_word : to_string(run.state)), model_label(run.spec),
              show_count(done.done) + "/" + show_count(done.total), show_count(done.failed),
              overall_score(*store, run), done.cost ? to_string(*done.cost) : "unknown", task_names(run)});
  }
  print(rows.render(context.out, context.out.columns));
  if (runs->empty())
    remark(context, "no run fits");
  remark_on_interrupted(context, interrupted);
  return exit_code::ok;
}

exit_code show_results(command_context& context, const result_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto store = open_store_read_only(*settings);
  if (!store)
    return report(context, store.error());
  const bool idle = nothing_runs(*settings);
  size_t interrupted = 0;
  std::vector<run_outcome> outcomes;
  for (const auto& name : flags.runs) {
    const auto id = find_run_named(*store, name);
    if (!id)
      return report(context, id.error());
    auto outcome = read_outcome(*store, *id);
    if (!outcome)
      return report(context, outcome.error());
    outcome->interrupted = idle && is_interrupted(outcome->record.state);
    interrupted += outcome->interrupted ? 1 : 0;
    outcomes.push_back(std::move(*outcome));
  }
  if (!flags.output_path.empty()) {
    std::error_code ignored;
    const auto place =
        config::output_place(*settings, flags.output_path, std::filesystem::current_path(ignored).string());
    const auto files = write_outcomes(*store, outcomes, place, flags.log_samples);
    if (!files)
      return report(context, files.error());
    for (const auto& file : *files)
      remark(context, "wrote " + file.string());
  }
  if (!context.flags.json) {
    print(render_outcomes(context.out, outcomes));
    if (flags.details)
      print(render_agreements(outcomes));
    remark_on_interrupted(context, interrupted);
    return exit_code::ok;
  }
  if (outcomes.size() == 1) {
    print(outcome_json(outcomes.front()).dump(2, ' ', false, replace) + "\n");
    return exit_code::ok;
  }
  json all = json::array();
  for (const auto& outcome : outcomes)
    all.push_back(outcome_json(outcome));
  print(json{{"evaluations", std::move(all)}}.dump(2, ' ', false, replace) + "\n");
  return exit_code::ok;
}

void add_filters(CLI::App& sub, const std::shared_ptr<result_flags>& flags) {
  sub.add_option("--state", flags->state,
                 "queued, preparing, running, paused, completed, failed or cancelled");
  sub.add_option("-m,--model", flags->model, "Only runs of this model");
  sub.add_option("-n,--limit", flags->limit, "Runs at most, newest first")
      ->check(number_of_rows())
      ->capture_default_str();
}

void add_writing(CLI::App& sub, const std::shared_ptr<result_flags>& flags) {
  sub.add_option("-o,--output-path,--output_path", flags->output_path,
                 "Also write results there: a folder, or a file that ends in .json");
  sub.add_flag("--details", flags->details, "Also show how far judges agree");
  sub.add_flag("-s,--log-samples,--log_samples", flags->log_samples, "Write every sample beside them");
}

} // namespace

void add_results_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<result_flags>();
  auto* sub =
      app.add_subcommand("results", "List runs and show their results; works beside a running server");
  sub->require_subcommand(0, 1);
  sub->add_option("RUN", flags->runs, "Runs to show side by side: ids, beginnings or ends of ids, or `last`");
  add_filters(*sub, flags);
  add_writing(*sub, flags);
  examples(*sub, "  assay results\n  assay results last\n  assay results --state failed --json\n"
                 "  assay results eval_1700000000_0000002a -o results/ --log_samples\n");
  sub->callback([&context, flags] {
    if (!context.action)
      context.action = [flags](command_context& c) {
        return flags->runs.empty() ? list_results(c, *flags) : show_results(c, *flags);
      };
  });
  auto* list = sub->add_subcommand("list", "Runs, newest first");
  add_filters(*list, flags);
  examples(*list, "  assay results list --limit 100 --json\n");
  list->callback([&context, flags] {
    context.action = [flags](command_context& c) { return list_results(c, *flags); };
  });
  auto* show = sub->add_subcommand("show", "The result of one run, or of several side by side");
  show->add_option("RUN", flags->runs, "Ids, beginnings or ends of ids, or `last`")->required();
  add_writing(*show, flags);
  examples(*show, "  assay results show last --details\n  assay results show last --json\n");
  show->callback([&context, flags] {
    context.action = [flags](command_context& c) { return show_results(c, *flags); };
  });
}

} // namespace assay::cli
