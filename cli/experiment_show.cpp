#include "cli/experiment_backend.hpp"
#include "cli/files.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <utility>

namespace assay::cli {

namespace {

using nlohmann::json;

std::optional<double> number_in(const json& from, const char* key) {
  const auto found = from.find(key);
  return found != from.end() && found->is_number() ? std::optional<double>{found->get<double>()}
                                                   : std::nullopt;
}

std::string text_in(const json& from, const char* key) {
  const auto found = from.find(key);
  return found != from.end() && found->is_string() ? on_one_line(found->get<std::string>()) : "";
}

uint64_t count_in(const json& from, const char* key) {
  const auto found = from.find(key);
  return found != from.end() && found->is_number() ? found->get<uint64_t>() : 0;
}

std::string cost_in(const json& from, const char* key) {
  const auto cost = number_in(from, key);
  return cost ? to_string(from_dollars(*cost)) : "unknown";
}

std::string time_in_name(wall_time now) {
  const auto seconds_now = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  gmtime_r(&seconds_now, &parts);
  char out[32];
  std::strftime(out, sizeof out, "%Y%m%d_%H%M%S", &parts);
  return out;
}

} // namespace

void show_expansion(const command_context& context, const json& plan) {
  table out({{"EVALUATION", align::left, squeeze::whole},
             {"MODEL"},
             {"GROUP", align::left, squeeze::spare},
             {"CONFIGURATION", align::left, squeeze::spare},
             {"PROMPT", align::left, squeeze::spare},
             {"SAMPLES", align::right},
             {"LIKELY COST", align::right}});
  for (const auto& one : plan.value("children", json::array()))
    out.add({text_in(one, "key"), text_in(one, "model"), text_in(one, "task_group"),
             text_in(one, "configuration"), text_in(one, "prompt_type"), show_count(count_in(one, "samples")),
             cost_in(one, "estimated_cost")});
  out.add_rule();
  out.add({"total", "", "", "", "", show_count(count_in(plan, "total_samples")),
           cost_in(plan, "estimated_cost")});
  print(out.render(context.out, context.out.columns));
  print(show_count(count_in(plan, "total_children")) + " evaluations. Nothing was sent.\n");
  for (const auto& note : plan.value("notes", json::array()))
    if (note.is_string())
      remark(context, "note: " + on_one_line(note.get<std::string>()));
}

void show_experiments(const command_context& context, const json& list) {
  table out({{"EXPERIMENT", align::left, squeeze::whole},
             {"STATE"},
             {"NAME"},
             {"DONE", align::right},
             {"FAILED", align::right},
             {"SAMPLES", align::right},
             {"CREATED", align::left, squeeze::spare}});
  for (const auto& one : list)
    out.add({text_in(one, "experiment_id"), text_in(one, "state"), text_in(one, "experiment_name"),
             show_count(count_in(one, "ended_children")) + "/" + show_count(count_in(one, "total_children")),
             show_count(count_in(one, "failed_children")), show_count(count_in(one, "total_samples")),
             text_in(one, "created_at")});
  print(out.empty() ? "no experiments\n" : out.render(context.out, context.out.columns));
}

std::string progress_text(const json& experiment) {
  return text_in(experiment, "experiment_name") + ": " + text_in(experiment, "state") + ", "
         + show_count(count_in(experiment, "ended_children")) + " of "
         + show_count(count_in(experiment, "total_children")) + " evaluations, "
         + show_count(count_in(experiment, "done_samples")) + " of "
         + show_count(count_in(experiment, "total_samples")) + " samples, cost "
         + cost_in(experiment, "cost");
}

void show_experiment(const command_context& context, const json& experiment) {
  print(text_in(experiment, "experiment_id") + "  " + progress_text(experiment) + "\n");
  table out({{"MODEL", align::left, squeeze::whole},
             {"GROUP"},
             {"ENDED", align::right},
             {"FAILED", align::right},
             {"SAMPLES", align::right},
             {"COST", align::right}});
  const auto row = [&](const std::string& first, const std::string& second, const json& one) {
    out.add({first, second, show_count(count_in(one, "ended")) + "/" + show_count(count_in(one, "children")),
             show_count(count_in(one, "failed")),
             show_count(count_in(one, "done")) + "/" + show_count(count_in(one, "samples")),
             cost_in(one, "cost")});
  };
  for (const auto& model : experiment.value("models", json::array())) {
    row(text_in(model, "name"), "", model);
    for (const auto& group : model.value("task_groups", json::array()))
      row("", text_in(group, "name"), group);
  }
  print(out.render(context.out, context.out.columns));
  for (const auto& model : experiment.value("models", json::array()))
    for (const auto& group : model.value("task_groups", json::array()))
      for (const auto& one : group.value("runs", json::array()))
        if (const auto error = text_in(one, "error"); !error.empty())
          remark(context, text_in(one, "key") + " " + text_in(one, "state") + ": " + error);
}

void show_summary(const command_context& context, const json& report) {
  const auto& info = report.at("experiment_info");
  print(text_in(info, "name") + ": " + text_in(info, "state") + ", "
        + show_count(count_in(info, "completed_evaluations")) + " of "
        + show_count(count_in(info, "total_evaluations")) + " evaluations, cost "
        + cost_in(report.at("cost"), "total") + "\n");
  std::vector<std::pair<double, std::string>> ranking;
  for (const auto& [name, one] : report.at("model_performance").items())
    ranking.emplace_back(-number_in(one, "average_score").value_or(-1), name);
  std::ranges::sort(ranking);
  table out({{"", align::right},
             {"MODEL", align::left, squeeze::whole},
             {"AVERAGE", align::right},
             {"BEST", align::right},
             {"WORST", align::right},
             {"CONSISTENCY", align::right},
             {"EVALUATIONS", align::right},
             {"COST", align::right}});
  size_t place = 0;
  for (const auto& [unused, name] : ranking) {
    const auto& one = report.at("model_performance").at(name);
    out.add({std::to_string(++place), name, show_number(number_in(one, "average_score"), 3),
             show_number(number_in(one, "best_score"), 3), show_number(number_in(one, "worst_score"), 3),
             show_number(number_in(one, "consistency"), 3), show_count(count_in(one, "total_evaluations")),
             cost_in(one, "cost")});
  }
  print(out.render(context.out, context.out.columns));
  for (const auto& one : report.at("recommendations"))
    if (one.is_string())
      print("- " + on_one_line(one.get<std::string>()) + "\n");
}

exit_code exit_code_of_experiment(const json& experiment) {
  const auto state = text_in(experiment, "state");
  if (state == "completed")
    return count_in(experiment, "failed_children") == 0 ? exit_code::ok : exit_code::failed;
  return state == "failed" ? exit_code::failed : exit_code::ended_early;
}

std::optional<fault> write_report_files(const command_context& context, const json& report,
                                        const std::string& folder, wall_time now) {
  const auto base = std::filesystem::path(folder) / ("comprehensive_report_" + time_in_name(now));
  const std::pair<reports::report_form, const char*> forms[] = {{reports::report_form::json, ".json"},
                                                                {reports::report_form::markdown, ".md"},
                                                                {reports::report_form::html, ".html"},
                                                                {reports::report_form::csv, ".csv"}};
  for (const auto& [form, ending] : forms)
    if (auto done = write_file_atomically(base.string() + ending, reports::render_report(report, form));
        !done)
      return done.error();
  remark(context, "report: " + base.string() + ".html (and .json, .md, .csv)");
  return std::nullopt;
}

} // namespace assay::cli
