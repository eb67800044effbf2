#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/run_scores.hpp"
#include "cli/server_runs.hpp"
#include "core/stats/comparison.hpp"

#include <nlohmann/json.hpp>

#include <memory>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;

struct compare_flags {
  api_flags api;
  std::vector<std::string> runs;
  std::string task;
  std::string scorer;
  double level = 0.95;
  uint64_t seed = 1;
};

/// For a query: every byte but letters, digits and `._-` as %XX.
std::string escaped(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
                       || c == '_' || c == '-';
    if (plain)
      out += c;
    else
      out.append({'%', digits[byte >> 4U], digits[byte & 15U]});
  }
  return out;
}

/// @param out The comparison in the API's form.
std::optional<fault> compare_at_server(const config::settings& settings, const compare_flags& flags,
                                       json& out) {
  const auto api = api_client::connect(settings, flags.api);
  if (!api)
    return api.error();
  std::string path = "/comparisons?confidence=" + std::to_string(flags.level)
                     + "&seed=" + std::to_string(flags.seed) + "&runs=";
  for (size_t i = 0; i < flags.runs.size(); ++i) {
    const auto id = find_run_at(*api, flags.runs[i]);
    if (!id)
      return id.error();
    path += (i > 0 ? "," : "") + to_string(*id);
  }
  if (!flags.task.empty())
    path += "&task=" + escaped(flags.task);
  if (!flags.scorer.empty())
    path += "&scorer=" + escaped(flags.scorer);
  return api->ask("GET", path, nullptr, out);
}

std::optional<fault> compare_in_folder(const config::settings& settings, const compare_flags& flags,
                                       json& out) {
  const auto store = open_store_read_only(settings);
  if (!store)
    return store.error();
  std::vector<run_record> runs;
  for (const auto& name : flags.runs) {
    auto run = read_run_named(*store, name);
    if (!run)
      return run.error();
    runs.push_back(std::move(*run));
  }
  const bool with_contents = storage::have_different_datasets(runs, flags.task);
  std::vector<stats::run_scores> scores;
  for (const auto& run : runs) {
    auto read = storage::read_scores(*store, run, {flags.task, flags.scorer, with_contents});
    if (!read)
      return read.error();
    scores.push_back(std::move(*read));
  }
  stats::comparison_options options;
  options.level = flags.level;
  options.seed = flags.seed;
  out = stats::to_json(stats::compare_runs(scores, options));
  return std::nullopt;
}

// -- the table ---------------------------------------------------------------------------------------------

std::optional<double> number_in(const json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number() ? std::optional{found->get<double>()} : std::nullopt;
}

std::string text_in(const json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_string() ? found->get<std::string>() : std::string();
}

uint64_t count_in(const json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

std::string with_sign(std::optional<double> value) {
  return !value ? "-" : (*value >= 0 ? "+" : "") + show_number(value, 3);
}

std::string difference_cell(const json& row) {
  std::string out = with_sign(number_in(row, "difference"));
  const auto ends = row.find("confidence_interval");
  if (ends != row.end() && ends->is_object())
    out += " [" + with_sign(number_in(*ends, "low")) + ", " + with_sign(number_in(*ends, "high")) + "]";
  return out;
}

std::string p_cell(const json& row) {
  const auto p = number_in(row, "p_adjusted");
  return !p ? "-" : *p < 0.001 ? "<0.001" : show_number(p, 3);
}

std::string finding_cell(const terminal& where, const json& row) {
  const auto found = text_in(row, "finding");
  if (found == "better")
    return paint(where, colour::green, found);
  return found == "worse" ? paint(where, colour::red, found) : found;
}

/// A, B, C, ... for the runs, in their order.
std::string letter_of(const json& comparison, const std::string& run) {
  const auto& runs = comparison["runs"];
  for (size_t i = 0; i < runs.size(); ++i)
    if (text_in(runs[i], "evaluation_id") == run)
      return std::string(1, static_cast<char>('A' + i));
  return "?";
}

std::string pair_cell(const json& comparison, const json& row) {
  return letter_of(comparison, text_in(row, "first")) + " -> "
         + letter_of(comparison, text_in(row, "second"));
}

void add_rows(table& rows, const terminal& where, const json& comparison, const char* key) {
  for (const auto& row : comparison[key]) {
    const auto task = text_in(row, "task_id");
    rows.add({pair_cell(comparison, row), task.empty() ? "overall" : task, text_in(row, "prompt_type"),
              show_count(count_in(row, "pairs")), show_number(number_in(row, "first_score"), 3),
              show_number(number_in(row, "second_score"), 3), difference_cell(row), p_cell(row),
              show_number(number_in(row, "minimum_detectable_effect"), 3), finding_cell(where, row)});
  }
}

std::string render_unmatched(const json& comparison) {
  std::string out;
  for (const auto& row : comparison["comparisons"]) {
    const auto count = count_in(row, "unmatched_first") + count_in(row, "unmatched_second");
    if (count == 0)
      continue;
    std::string names;
    const auto listed = row.value("unmatched_samples", json::array());
    for (const auto& name : listed)
      names += (names.empty() ? "" : ", ") + (name.is_string() ? name.get<std::string>() : "?");
    out += pair_cell(comparison, row) + ": " + show_count(count) + " samples of " + text_in(row, "task_id")
           + " were scored in one run only: " + names + (count > listed.size() ? ", ..." : "") + "\n";
  }
  return out;
}

std::string render(const terminal& where, const json& comparison) {
  std::string out;
  for (const auto& run : comparison["runs"]) {
    const auto id = text_in(run, "evaluation_id");
    out += letter_of(comparison, id) + "  " + id + "  " + on_one_line(text_in(run, "model_id")) + "\n";
  }
  table rows({{"runs", align::left, squeeze::whole},
              {"task"},
              {"prompt"},
              {"pairs", align::right},
              {"first", align::right},
              {"second", align::right},
              {"difference"},
              {"p (Holm)", align::right},
              {"detectable", align::right, squeeze::spare},
              {"finding", align::left, squeeze::whole}});
  add_rows(rows, where, comparison, "comparisons");
  if (!comparison["overall"].empty()) {
    rows.add_rule();
    add_rows(rows, where, comparison, "overall");
  }
  out += "\n" + rows.render(where, where.columns);
  out += render_unmatched(comparison);
  for (const auto& note : comparison.value("notes", json::array()))
    if (note.is_string())
      out += on_one_line(note.get<std::string>()) + "\n";
  return out;
}

exit_code compare(command_context& context, const compare_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  json out;
  const auto wrong = flags.api.url.empty() ? compare_in_folder(*settings, flags, out)
                                           : compare_at_server(*settings, flags, out);
  if (wrong)
    return report(context, *wrong);
  if (context.flags.json) {
    print(out.dump(2, ' ', false, replace) + "\n");
    return exit_code::ok;
  }
  print(render(context.out, out));
  if (out["comparisons"].empty())
    remark(context, "the runs have nothing in common");
  return exit_code::ok;
}

} // namespace

void add_compare_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<compare_flags>();
  auto* sub = app.add_subcommand("compare", "Compare runs on the samples that both of them scored");
  sub->add_option("RUN", flags->runs, "Two to eight runs: ids, beginnings or ends of ids, or `last`")
      ->required()
      ->expected(2, 8);
  sub->add_option("-t,--task", flags->task, "Only this task");
  sub->add_option("--scorer", flags->scorer, "This scorer's values, not the task's score");
  sub->add_option("--confidence", flags->level, "Level of the intervals")
      ->check(CLI::Range(0.5, 0.9999))
      ->capture_default_str();
  sub->add_option("--seed", flags->seed, "Of the bootstrap")->capture_default_str();
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay compare last eval_1700000000_0000002a\n"
                 "  assay compare 2a 3b 4c --task date_reasoning --json\n"
                 "  assay compare eval_1700000000_0000002a last --url http://127.0.0.1:8000\n");
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return compare(c, *flags); }; });
}

} // namespace assay::cli
