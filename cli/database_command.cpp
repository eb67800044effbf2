#include "cli/database_command.hpp"

#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "cli/parse.hpp"
#include "core/reports/test_database.hpp"
#include "storage/test_counts.hpp"
#include "storage/writer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>

namespace assay::cli {

namespace {

using nlohmann::json;

/// Where the document's programs look for it.
constexpr const char* usual_file = "pilot_bench_cumulative_results/master_database.json";
constexpr size_t most_imported = size_t{256} << 20;

struct database_flags {
  reports::test_query query;
  std::string file;
  std::string name;
  api_flags api;
};

void print_json(const json& value) {
  print(value.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

/// Lists with commas become lists.
reports::test_query query_of(const database_flags& flags) {
  auto out = flags.query;
  for (auto* words : {&out.models, &out.providers, &out.tasks, &out.task_types, &out.prompt_types,
                      &out.difficulties, &out.by})
    *words = split_lists(*words);
  return out;
}

std::string percent_encoded(const std::string& text) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.') {
      out += c;
      continue;
    }
    out += '%';
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

/// The same query for the server.
std::string path_of(const char* path, const reports::test_query& query) {
  std::string out = path;
  const auto add = [&](const char* name, const std::vector<std::string>& words) {
    if (words.empty())
      return;
    std::string list;
    for (const auto& word : words)
      list += (list.empty() ? "" : ",") + word;
    out += (out.find('?') == std::string::npos ? "?" : "&") + std::string(name) + "=" + percent_encoded(list);
  };
  add("model", query.models);
  add("provider", query.providers);
  add("task", query.tasks);
  add("task_type", query.task_types);
  add("prompt_type", query.prompt_types);
  add("difficulty", query.difficulties);
  add("by", query.by);
  return out;
}

result<reports::test_database> read_database(const command_context& context,
                                             const config::settings& settings) {
  const auto store = open_store_read_only(settings);
  if (!store)
    return store.error();
  auto sources = storage::read_counts(*store);
  if (!sources)
    return sources.error();
  const auto missing = storage::uncounted_runs(*store);
  if (!missing)
    return missing.error();
  if (!missing->empty())
    remark(context, "note: " + show_count(missing->size())
                        + " runs that have ended are not counted; `assay database rebuild` counts them");
  reports::test_database out;
  for (auto& source : *sources)
    out.add(std::move(source));
  return out;
}

enum class view : uint8_t { statistics, rows, file };

/// @param out What was asked for, from the server or from the data folder.
std::optional<fault> read_view(const command_context& context, const database_flags& flags, view wanted,
                               json& out) {
  const auto query = query_of(flags);
  if (auto good = reports::check_query(query); !good) {
    auto reason = good.error();
    reason.where = "--by";
    return reason;
  }
  const auto settings = load_settings(context);
  if (!settings)
    return settings.error();
  if (!flags.api.url.empty()) {
    const auto api = api_client::connect(*settings, flags.api);
    if (!api)
      return api.error();
    const char* path = wanted == view::statistics ? "/database/stats"
                       : wanted == view::rows     ? "/database/query"
                                                  : "/database/export";
    if (auto refused = api->ask("GET", path_of(path, query), nullptr, out))
      return refused;
    if (wanted == view::rows)
      out = json(out["items"]);
    return std::nullopt;
  }
  const auto database = read_database(context, *settings);
  if (!database)
    return database.error();
  out = wanted == view::statistics ? database->statistics(query)
        : wanted == view::rows     ? database->rows(query)
                                   : database->master_database(wall_now(), query);
  return std::nullopt;
}

std::string percent(const json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_number() ? show_number(found->get<double>() * 100, 1) + " %" : "-";
}

std::optional<double> number(const json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_number() ? std::optional{found->get<double>()} : std::nullopt;
}

/// {name: figures} as rows with the name in a column.
json as_rows(const json& by_name, const std::string& column) {
  auto out = json::array();
  for (const auto& [name, one] : by_name.items()) {
    auto row = one;
    row[column] = name;
    out.push_back(std::move(row));
  }
  return out;
}

exit_code show_statistics(command_context& context, const database_flags& flags) {
  json shown;
  if (auto refused = read_view(context, flags, view::statistics, shown))
    return report(context, *refused);
  if (context.flags.json) {
    print_json(shown);
    return exit_code::ok;
  }
  const auto& summary = shown["summary"];
  print(show_count(summary["total_tests"].get<uint64_t>()) + " tests of "
        + show_count(summary["runs"].get<uint64_t>()) + " runs and "
        + show_count(summary["imports"].get<uint64_t>()) + " imports\n");
  print("full success " + show_count(summary["total_success"].get<uint64_t>()) + ", partial success "
        + show_count(summary["total_partial"].get<uint64_t>()) + ", failure "
        + show_count(summary["total_failure"].get<uint64_t>()) + "\n");
  for (const std::string column : {"model", "task_type", "prompt_type", "difficulty"})
    if (const auto& by = shown["by_" + column]; !by.empty())
      print("\n" + render_tests(context.out, as_rows(by, column), {column}));
  return exit_code::ok;
}

exit_code show_query(command_context& context, const database_flags& flags) {
  json shown;
  if (auto refused = read_view(context, flags, view::rows, shown))
    return report(context, *refused);
  if (context.flags.json)
    print_json(shown);
  else
    print(render_tests(context.out, shown, query_of(flags).by));
  return exit_code::ok;
}

exit_code export_file(command_context& context, const database_flags& flags) {
  json shown;
  if (auto refused = read_view(context, flags, view::file, shown))
    return report(context, *refused);
  const auto text = shown.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  if (flags.file == "-") {
    print(text);
    return exit_code::ok;
  }
  const std::string path = flags.file.empty() ? usual_file : flags.file;
  if (auto written = write_file_atomically(path, text); !written)
    return report(context, written.error());
  const auto total = shown["summary"]["total_tests"];
  if (context.flags.json)
    print_json({{"file", path}, {"total_tests", total}});
  else
    print("wrote " + path + ": " + show_count(total.get<uint64_t>()) + " tests\n");
  return exit_code::ok;
}

// -- changes ------------------------------------------------------------------------------------------------

/// Opens the folder for a small write, whether a farm has it or not.
result<std::shared_ptr<storage::store>> open_for_write(const config::settings& settings) {
  if (auto there = open_store_read_only(settings); !there)
    return there.error();
  return storage::store::open_beside(settings.storage.data_dir);
}

/// Two imports of the same runs would count them twice.
result<void> check_import(const std::vector<reports::counted_source>& known,
                          const reports::counted_source& next) {
  const std::set<std::string> runs(next.runs.begin(), next.runs.end());
  for (const auto& source : known) {
    if (source.imported && source.name == next.name)
      continue;
    const auto held = source.imported ? source.runs : std::vector{source.name};
    const auto twice =
        std::find_if(held.begin(), held.end(), [&](const auto& run) { return runs.contains(run); });
    if (twice != held.end())
      return fault{errc::conflict, "the file holds the run " + *twice + ", which is counted already", "FILE",
                   source.imported
                       ? "the import " + source.name + " holds it; --name " + source.name + " replaces that"
                       : "it was exported from this database"};
  }
  return {};
}

exit_code import_file(command_context& context, const database_flags& flags) {
  const auto text = read_file(flags.file, most_imported);
  if (!text)
    return report(context, text.error());
  const auto name = flags.name.empty() ? std::filesystem::path(flags.file).stem().string() : flags.name;
  if (!is_caller_id(name))
    return report(context, {errc::invalid_argument, "'" + name + "' cannot be the name of an import",
                            "--name", "1 to 128 of letters, digits, . _ -"});
  auto source = reports::read_master_database(*text, name);
  if (!source)
    return report(context, source.error());
  source->owner = command_line_user();
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto store = open_for_write(*settings);
  if (!store)
    return report(context, store.error());
  const auto known = storage::read_counts(*store);
  if (!known)
    return report(context, known.error());
  if (auto good = check_import(*known, *source); !good)
    return report(context, good.error());
  storage::write_batch batch;
  storage::put_counts(batch, *source);
  if (auto written = storage::write_once(*store, std::move(batch)); !written)
    return report(context, written.error());
  if (context.flags.json)
    print_json({{"name", name}, {"total_tests", source->total()}});
  else
    print("imported " + name + ": " + show_count(source->total()) + " tests\n");
  return exit_code::ok;
}

exit_code rebuild(command_context& context) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto store = open_for_write(*settings);
  if (!store)
    return report(context, store.error());
  const auto missing = storage::uncounted_runs(*store);
  if (!missing)
    return report(context, missing.error());
  uint64_t tests = 0;
  uint64_t runs = 0;
  for (const auto id : *missing) {
    auto view = storage::snapshot::open(*store);
    if (!view)
      return report(context, view.error());
    const auto run = view->find_run(id);
    if (!run)
      return report(context, run.error());
    if (!*run || !reports::is_counted(**run))
      continue;
    const auto counted = storage::count_tests(*store, **run);
    if (!counted)
      return report(context, counted.error());
    storage::write_batch batch;
    storage::put_counts(batch, *counted);
    if (auto written = storage::write_once(*store, std::move(batch)); !written)
      return report(context, written.error());
    tests += counted->total();
    ++runs;
  }
  if (context.flags.json)
    print_json({{"runs", runs}, {"total_tests", tests}});
  else
    print("counted " + show_count(runs) + " runs with " + show_count(tests) + " tests\n");
  return exit_code::ok;
}

exit_code forget(command_context& context, const database_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto store = open_for_write(*settings);
  if (!store)
    return report(context, store.error());
  const auto known = storage::read_counts(*store);
  if (!known)
    return report(context, known.error());
  const auto found = std::find_if(known->begin(), known->end(),
                                  [&](const auto& source) { return source.name == flags.name; });
  if (found == known->end())
    return report(context, {errc::not_found, "the database has no run and no import '" + flags.name + "'",
                            "NAME", "`assay runs` lists the runs"});
  storage::write_batch batch;
  batch.erase_document(storage::table::test_counts, storage::counts_key(*found));
  if (auto written = storage::write_once(*store, std::move(batch)); !written)
    return report(context, written.error());
  if (context.flags.json)
    print_json({{"name", flags.name}, {"total_tests", found->total()}});
  else
    print("forgot " + flags.name + " with " + show_count(found->total()) + " tests\n");
  return exit_code::ok;
}

void add_filters(CLI::App& sub, database_flags& flags) {
  auto& query = flags.query;
  repeatable(sub, "-m,--model", query.models, "Only these models");
  repeatable(sub, "--provider", query.providers, "Only these providers");
  repeatable(sub, "--task", query.tasks, "Only these tasks");
  repeatable(sub, "-t,--task-type,--task_type", query.task_types, "Only these task types");
  repeatable(sub, "-p,--prompt-type,--prompt_type", query.prompt_types, "Only these prompt types");
  repeatable(sub, "-d,--difficulty", query.difficulties, "Only these difficulties");
  add_api_flags(sub, flags.api);
}

void act(CLI::App& sub, command_context& context, const std::shared_ptr<database_flags>& flags,
         exit_code (*verb)(command_context&, const database_flags&)) {
  sub.callback([&context, flags, verb] {
    context.action = [flags, verb](command_context& c) { return verb(c, *flags); };
  });
}

} // namespace

std::string render_tests(const terminal& where, const json& rows, const std::vector<std::string>& by) {
  std::vector<table::column> columns;
  for (const auto& column : by)
    columns.push_back({column, align::left, squeeze::cut});
  for (const char* title : {"tests", "full", "partial", "failure", "success", "score"})
    columns.push_back({title, align::right, squeeze::cut});
  columns.push_back({"time", align::right, squeeze::spare});
  columns.push_back({"cost", align::right, squeeze::spare});
  table out(std::move(columns));
  for (const auto& row : rows) {
    std::vector<std::string> cells;
    for (const auto& column : by)
      cells.push_back(on_one_line(row.value(column, "")));
    cells.push_back(show_count(row.value("total", uint64_t{0})));
    cells.push_back(show_count(row.value("full_success", uint64_t{0})));
    cells.push_back(show_count(row.value("partial_success", uint64_t{0})));
    cells.push_back(show_count(row.value("failure", uint64_t{0})));
    cells.push_back(percent(row, "success_rate"));
    cells.push_back(show_number(number(row, "mean_score"), 3));
    const auto time = number(row, "avg_execution_time");
    cells.push_back(time ? show_number(time, 2) + " s" : "-");
    const auto cost = number(row, "cost");
    cells.push_back(cost ? to_string(from_dollars(*cost)) : "-");
    out.add(std::move(cells));
  }
  return out.empty() ? "no tests\n" : out.render(where, where.columns);
}

void add_database_verbs(CLI::App& under, command_context& context) {
  const auto flags = std::make_shared<database_flags>();
  auto* stats = under.add_subcommand("stats", "Totals, success levels, by model, task type, prompt type and "
                                              "difficulty");
  add_filters(*stats, *flags);
  examples(*stats, "  assay database stats\n  assay database stats -m sim-strong --json\n");
  act(*stats, context, flags, &show_statistics);

  auto* query = under.add_subcommand("query", "Rows of tests, grouped as wanted");
  repeatable(*query, "--by", flags->query.by,
             "model, provider, task, task_type, prompt_type, difficulty; a list with commas");
  add_filters(*query, *flags);
  examples(*query, "  assay database query --by model,prompt_type\n"
                   "  assay database query --by task --difficulty hard -m sim-weak\n");
  act(*query, context, flags, &show_query);

  auto* out = under.add_subcommand("export", "Write the database in the form of master_database.json");
  out->add_option("FILE", flags->file, std::string("Default: ") + usual_file + "; - is standard output");
  add_filters(*out, *flags);
  examples(*out, "  assay database export\n  assay database export - -m sim-strong\n");
  act(*out, context, flags, &export_file);

  auto* in = under.add_subcommand("import", "Take a master_database.json in; the same name replaces it");
  in->add_option("FILE", flags->file, "A master_database.json")->required();
  in->add_option("--name", flags->name, "What the import is called; default: the file's name");
  examples(*in, "  assay database import old/master_database.json --name old-machine\n");
  act(*in, context, flags, &import_file);

  auto* anew = under.add_subcommand("rebuild", "Count the runs that have ended and are not counted");
  examples(*anew, "  assay database rebuild\n");
  act(*anew, context, flags, [](command_context& c, const database_flags&) { return rebuild(c); });

  auto* away = under.add_subcommand("forget", "Take a run, or an import, out of the database");
  away->add_option("NAME", flags->name, "The run's id, or the import's name")->required();
  examples(*away, "  assay database forget old-machine\n");
  act(*away, context, flags, &forget);
}

void add_database_command(CLI::App& app, command_context& context) {
  auto* sub = app.add_subcommand("database", "The results of all runs together: totals, queries, "
                                             "master_database.json");
  sub->require_subcommand(1);
  add_database_verbs(*sub, context);
  examples(*sub, "  assay database stats\n"
                 "  assay database query --by model,difficulty\n"
                 "  assay database export\n");
}

} // namespace assay::cli
