#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "cli/run_report.hpp"
#include "cli/server_runs.hpp"
#include "storage/run_export.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace assay::cli {

namespace {

namespace fs = std::filesystem;
using reports::export_format;

struct export_flags {
  api_flags api;
  std::string run;
  std::string format = "json";
  std::string output;
  std::string task;
  std::string prompt_type;
  double pass_score = 1;
};

fault unknown_format(const std::string& name) {
  return {errc::invalid_argument, "'" + name + "' is no format", "--format",
          "json, jsonl, csv, lm-eval, evallog, junit, promptfoo or html"};
}

/// @returns the task and prompt type that the flags name; nothing when they name none.
result<std::optional<reports::export_unit>> unit_in(const run_record& run, const export_flags& flags) {
  if (flags.task.empty() && flags.prompt_type.empty())
    return std::optional<reports::export_unit>{};
  std::string known;
  for (const auto& unit : reports::units_of(run)) {
    const auto& spec = run.spec;
    const auto& task = spec.tasks[unit.task].id.value;
    const auto type =
        unit.variant < spec.prompt_types.size() ? spec.prompt_types[unit.variant] : std::string{};
    if ((flags.task.empty() || flags.task == task)
        && (flags.prompt_type.empty() || flags.prompt_type == type))
      return std::optional{unit};
    known += (known.empty() ? "" : ", ") + task + (type.empty() ? "" : " with " + type);
  }
  return fault{errc::not_found, "the run has no such task and prompt type", "--task", "it has " + known};
}

bool has_many_files(const run_record& run, const reports::export_options& options) {
  return !options.unit && reports::export_files(run, options).size() > 1;
}

exit_code write_folder(const command_context& context, const std::shared_ptr<storage::store>& store,
                       const reports::report_facts& facts, const reports::export_options& options,
                       const std::string& output) {
  const fs::path path = output.empty() ? "." : output;
  const auto folder = storage::output_folder::open(path);
  if (!folder)
    return report(context, folder.error());
  const auto files = storage::write_export(store, facts, options, *folder);
  if (!files)
    return report(context, files.error());
  for (const auto& file : *files)
    remark(context, "wrote " + (path / file).string());
  return exit_code::ok;
}

exit_code write_one(const command_context& context, const std::shared_ptr<storage::store>& store,
                    const reports::report_facts& facts, const reports::export_options& options,
                    const std::string& output) {
  if (output.empty() || output == "-") {
    const auto done = storage::export_run(store, facts, options, [](std::string_view text) { print(text); });
    return done ? exit_code::ok : report(context, done.error());
  }
  const auto done = write_file_atomically(
      output, [&](const text_sink& sink) { return storage::export_run(store, facts, options, sink); });
  if (!done)
    return report(context, done.error());
  remark(context, "wrote " + output);
  return exit_code::ok;
}

exit_code export_here(const command_context& context, const config::settings& settings,
                      const export_flags& flags, export_format format) {
  const auto store = open_store_read_only(settings);
  if (!store)
    return report(context, store.error());
  const auto id = find_run_named(*store, flags.run);
  if (!id)
    return report(context, id.error());
  auto outcome = read_outcome(*store, *id);
  if (!outcome)
    return report(context, outcome.error());
  reports::export_options options;
  options.format = format;
  options.pass_score = flags.pass_score;
  const auto unit = unit_in(outcome->record, flags);
  if (!unit)
    return report(context, unit.error());
  options.unit = *unit;
  const reports::report_facts facts{std::move(outcome->record), std::move(outcome->document), ASSAY_VERSION};
  if (has_many_files(facts.run, options))
    return write_folder(context, *store, facts, options, flags.output);
  // One task of this format is its samples: the results are about all of them.
  options.samples_part = format == export_format::lm_eval && options.unit;
  return write_one(context, *store, facts, options, flags.output);
}

exit_code export_there(const command_context& context, const config::settings& settings,
                       const export_flags& flags, export_format format) {
  if (auto good = check_run_name(flags.run); !good)
    return report(context, good.error());
  const auto api = api_client::connect(settings, flags.api);
  if (!api)
    return report(context, api.error());
  const auto id = find_run_at(*api, flags.run);
  if (!id)
    return report(context, id.error());
  auto path = "/results/" + to_string(*id) + "/export?format=" + std::string(to_string(format));
  if (!flags.task.empty())
    path += "&task=" + flags.task + (format == export_format::lm_eval ? "&part=samples" : "");
  if (!flags.prompt_type.empty())
    path += "&prompt_type=" + flags.prompt_type;
  std::string text;
  if (auto refused = api->download(path, text))
    return report(context, *refused);
  if (flags.output.empty() || flags.output == "-") {
    print(text);
    return exit_code::ok;
  }
  if (auto done = write_file_atomically(flags.output, text); !done)
    return report(context, done.error());
  remark(context, "wrote " + flags.output);
  return exit_code::ok;
}

exit_code export_command(command_context& context, const export_flags& flags) {
  const auto format = reports::export_format_from_string(flags.format);
  if (!format)
    return report(context, unknown_format(flags.format));
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  // Reading works beside a running server: only one elsewhere is asked.
  return flags.api.url.empty() ? export_here(context, *settings, flags, *format)
                               : export_there(context, *settings, flags, *format);
}

exit_code report_command(command_context& context, export_flags flags) {
  flags.format = "html";
  if (flags.output.empty())
    flags.output = "report_" + storage::as_file_name(flags.run) + ".html";
  return export_command(context, flags);
}

} // namespace

void add_export_commands(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<export_flags>();
  auto* sub = app.add_subcommand("export", "Write a run in a form that other tools open");
  sub->add_option("RUN", flags->run, "An id, the beginning or end of one, or `last`")->required();
  sub->add_option("-f,--format", flags->format,
                  "json, jsonl, csv, lm-eval, evallog, junit, promptfoo or html")
      ->capture_default_str();
  sub->add_option(
      "-o,--output", flags->output,
      "A file, - for standard output; for lm-eval and evallog a folder (default: the present one)");
  sub->add_option("-t,--task", flags->task, "Only this task");
  sub->add_option("--prompt-type,--prompt_type", flags->prompt_type, "Only this prompt type");
  sub->add_option("--pass-score,--pass_score", flags->pass_score,
                  "With junit and promptfoo: a sample with less has failed")
      ->capture_default_str();
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay export last --format csv --output samples.csv\n"
                 "  assay export last --format lm-eval --output results/\n"
                 "  assay export last --format junit --pass-score 0.5 > junit.xml\n");
  sub->callback([&context, flags] {
    context.action = [flags](command_context& c) { return export_command(c, *flags); };
  });

  const auto shown = std::make_shared<export_flags>();
  auto* page = app.add_subcommand("report", "Write a report of a run that opens in any browser, offline");
  page->add_option("RUN", shown->run, "An id, the beginning or end of one, or `last`")->required();
  page->add_option("-o,--output", shown->output,
                   "The file; report_RUN.html when not given, - for standard output");
  add_api_flags(*page, shown->api);
  examples(*page, "  assay report last\n  assay report last -o report.html\n");
  page->callback([&context, shown] {
    context.action = [shown](command_context& c) { return report_command(c, *shown); };
  });
}

} // namespace assay::cli
