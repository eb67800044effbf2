#include "core/reports/experiment_report.hpp"
#include "core/reports/markup.hpp"
#include "core/reports/svg.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace assay::reports {

namespace {

using json = nlohmann::json;

constexpr std::string_view page_head = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { --ink: #1c2430; --dim: #5c6773; --rule: #d9dee4; --bar: #3b76c4; --paper: #ffffff; --soft: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --dim: #9aa5b1; --rule: #39424d; --bar: #6fa3e8; --paper: #161b22; --soft: #1f262f; }
}
body { margin: 0 auto; max-width: 980px; padding: 24px; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; border-bottom: 1px solid var(--rule); }
p.note, figcaption { color: var(--dim); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; } th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--rule); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 0; overflow-x: auto; } svg { max-width: 100%; height: auto; }
.label { fill: var(--ink); font-size: 13px; } .small { fill: var(--dim); font-size: 11px; } .point { fill: var(--bar); }
.grid { stroke: var(--rule); stroke-width: 1; } .whisker { stroke: var(--ink); stroke-width: 1.5; }
.none { fill: var(--soft); } .heat { fill: var(--bar); }
.h0 { fill-opacity: 0.06; } .h1 { fill-opacity: 0.16; } .h2 { fill-opacity: 0.28; } .h3 { fill-opacity: 0.4; } .h4 { fill-opacity: 0.52; }
.h5 { fill-opacity: 0.64; } .h6 { fill-opacity: 0.76; } .h7 { fill-opacity: 0.86; } .h8 { fill-opacity: 0.94; } .h9 { fill-opacity: 1; }
</style>
)";

/// "0.873", or a dash for what is no number.
std::string number(const json& value, int decimals = 3) {
  return value.is_number() ? fixed(value.get<double>(), decimals) : "–";
}

std::string text(const json& value) { return value.is_string() ? value.get<std::string>() : std::string{}; }

std::string dollars(const json& value) {
  return value.is_number() ? to_string(from_dollars(value.get<double>())) : "–";
}

std::string latency(const json& one, const char* which) {
  return one.is_object() ? number(one.at(which), 2) + " s" : "–";
}

/// Names in order of their average scores, the best first.
std::vector<std::string> ranked(const json& performance) {
  std::vector<std::string> out;
  for (const auto& [name, one] : performance.items())
    out.push_back(name);
  std::ranges::stable_sort(out, [&](const auto& a, const auto& b) {
    const auto score = [&](const std::string& name) {
      const auto& value = performance.at(name).at("average_score");
      return value.is_number() ? value.get<double>() : -1e9;
    };
    return score(a) > score(b);
  });
  return out;
}

/// A table before it is written as one of the forms.
struct table {
  std::string title;
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
};

table performance_table(const char* title, const char* first, const json& performance) {
  table out{title,
            {first, "Average", "Best", "Worst", "Consistency", "Evaluations", "Cost", "Cost a sample", "p50",
             "p95"},
            {}};
  for (const auto& name : ranked(performance)) {
    const auto& one = performance.at(name);
    out.rows.push_back({name, number(one.at("average_score")), number(one.at("best_score")),
                        number(one.at("worst_score")), number(one.at("consistency")),
                        number(one.at("total_evaluations"), 0), dollars(one.at("cost")),
                        dollars(one.at("cost_per_sample")), latency(one.at("latency"), "p50"),
                        latency(one.at("latency"), "p95")});
  }
  return out;
}

table task_table(const json& report) {
  table out{"Tasks", {"Task", "Average", "Samples", "Errors", "Best model"}, {}};
  const auto models = ranked(report.at("model_performance"));
  out.head.insert(out.head.end(), models.begin(), models.end());
  for (const auto& [task, one] : report.at("task_analysis").items()) {
    std::vector<std::string> row{task, number(one.at("average_score")), number(one.at("samples"), 0),
                                 number(one.at("errors"), 0), text(one.at("best_model"))};
    for (const auto& model : models)
      row.push_back(number(one.at("by_model").at(model)));
    out.rows.push_back(std::move(row));
  }
  return out;
}

table pairs_table(const char* title, const json& comparison) {
  table out{
      title, {"First", "Second", "Second - first", "95 % interval", "p (Holm)", "Samples", "Finding"}, {}};
  for (const auto& one : comparison.at("pairs"))
    out.rows.push_back({text(one.at("first")), text(one.at("second")), number(one.at("difference"), 4),
                        number(one.at("confidence_interval").at("low"), 4) + " to "
                            + number(one.at("confidence_interval").at("high"), 4),
                        number(one.at("p_adjusted"), 4), number(one.at("pairs"), 0),
                        one.at("significant").get<bool>() ? text(one.at("finding")) : "no difference shown"});
  return out;
}

table missing_table(const json& report) {
  table out{"Missing evaluations", {"Evaluation", "State", "Why"}, {}};
  for (const auto& one : report.at("experiment_info").at("missing"))
    out.rows.push_back({text(one.at("key")), text(one.at("state")), text(one.at("error"))});
  return out;
}

std::vector<table> tables_of(const json& report) {
  std::vector<table> out;
  out.push_back(performance_table("Models", "Model", report.at("model_performance")));
  out.push_back(pairs_table("Models against each other", report.at("significance").at("models")));
  out.push_back(task_table(report));
  out.push_back(performance_table("Task groups", "Group", report.at("task_group_analysis")));
  out.push_back(performance_table("Configurations", "Configuration", report.at("configuration_analysis")));
  out.push_back(
      pairs_table("Configurations against each other", report.at("significance").at("configurations")));
  out.push_back(performance_table("Prompt types", "Prompt type", report.at("prompt_type_analysis")));
  out.push_back(missing_table(report));
  std::erase_if(out, [](const table& one) { return one.rows.empty(); });
  return out;
}

std::string summary_line(const json& report) {
  const auto& info = report.at("experiment_info");
  const auto& cost = report.at("cost");
  return text(info.at("state")) + ", " + number(info.at("completed_evaluations"), 0) + " of "
         + number(info.at("total_evaluations"), 0) + " evaluations completed, "
         + number(cost.at("samples"), 0) + " samples, cost " + dollars(cost.at("total")) + " (estimated "
         + dollars(cost.at("estimated")) + "), " + text(info.at("timestamp"));
}

// -- Markdown ----------------------------------------------------------------------------------------------

std::string markdown_cell(std::string_view content) {
  std::string out;
  for (const char c : content) {
    if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '_' || c == '<' || c == '[')
      out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

std::string markdown(const json& report) {
  const auto& info = report.at("experiment_info");
  std::string out = "# " + markdown_cell(text(info.at("name"))) + "\n\n";
  if (const auto about = text(info.at("description")); !about.empty())
    out += markdown_cell(about) + "\n\n";
  out += summary_line(report) + "\n\n## Recommendations\n\n";
  for (const auto& one : report.at("recommendations"))
    out += "- " + markdown_cell(text(one)) + "\n";
  for (const auto& one : tables_of(report)) {
    out += "\n## " + one.title + "\n\n|";
    for (const auto& head : one.head)
      out += " " + markdown_cell(head) + " |";
    out += "\n|";
    for (size_t i = 0; i < one.head.size(); ++i)
      out += " --- |";
    out += "\n";
    for (const auto& row : one.rows) {
      out += "|";
      for (const auto& cell : row)
        out += " " + markdown_cell(cell) + " |";
      out += "\n";
    }
  }
  return out;
}

// -- drawings ----------------------------------------------------------------------------------------------

/// Models by tasks; the darker, the better.
std::string heat_map(const json& report) {
  const auto models = ranked(report.at("model_performance"));
  const auto& tasks = report.at("task_analysis");
  if (models.empty() || tasks.empty())
    return {};
  constexpr double left = 240;
  constexpr double top = 28;
  constexpr double row_height = 26;
  const double width = std::clamp(700.0 / static_cast<double>(models.size()), 56.0, 140.0);
  svg out(left + width * static_cast<double>(models.size()) + 10,
          top + row_height * static_cast<double>(tasks.size()) + 6, "Score of every model at every task");
  for (size_t i = 0; i < models.size(); ++i)
    out.text(left + width * (static_cast<double>(i) + 0.5), 18, shorten(models[i], 18), "middle", "small");
  double y = top;
  for (const auto& [task, one] : tasks.items()) {
    out.text(left - 8, y + 17, shorten(task, 34), "end");
    for (size_t i = 0; i < models.size(); ++i) {
      const auto& score = one.at("by_model").at(models[i]);
      const double x = left + width * static_cast<double>(i);
      const auto tooltip = models[i] + ", " + task + ": " + number(score);
      if (!score.is_number()) {
        out.rect(x + 1, y + 1, width - 2, row_height - 2, "none", tooltip);
        continue;
      }
      const auto shade = static_cast<int>(std::clamp(score.get<double>() * 10, 0.0, 9.0));
      out.rect(x + 1, y + 1, width - 2, row_height - 2, "heat h" + std::to_string(shade), tooltip);
      out.text(x + width / 2, y + 17, number(score, 2), "middle");
    }
    y += row_height;
  }
  return "<figure>" + out.finish()
         + "<figcaption>Mean score of every model at every task; the darker, the "
           "better.</figcaption></figure>\n";
}

/// The differences of all pairs with their intervals.
std::string intervals(const json& comparison) {
  const auto& pairs = comparison.at("pairs");
  if (pairs.empty())
    return {};
  double most = 0.05;
  for (const auto& one : pairs)
    for (const char* end : {"low", "high"})
      most = std::max(most, std::abs(one.at("confidence_interval").at(end).get<double>()));
  constexpr double left = 320;
  constexpr double right = 880;
  constexpr double row_height = 26;
  const double height = row_height * static_cast<double>(pairs.size());
  const auto x_of = [&](double value) { return left + (right - left) * (value / most + 1) / 2; };
  svg out(right + 20, height + 34, "Differences with their 95 % intervals");
  out.line(x_of(0), 4, x_of(0), height + 8, "grid");
  for (const double at : {-most, 0.0, most})
    out.text(x_of(at), height + 26, fixed(at, 2), "middle", "small");
  double y = 4;
  for (const auto& one : pairs) {
    const auto& ends = one.at("confidence_interval");
    out.text(left - 8, y + 17, shorten(text(one.at("second")) + " - " + text(one.at("first")), 46), "end");
    out.line(x_of(ends.at("low").get<double>()), y + 13, x_of(ends.at("high").get<double>()), y + 13,
             "whisker");
    out.circle(x_of(std::clamp(one.at("difference").get<double>(), -most, most)), y + 13, 4.5, "point",
               number(one.at("difference"), 4) + ", p " + number(one.at("p_adjusted"), 4));
    y += row_height;
  }
  return "<figure>" + out.finish()
         + "<figcaption>An interval that leaves zero out shows a difference; the p values are corrected by "
           "Holm.</figcaption></figure>\n";
}

/// Cost of a sample against the average score.
std::string cost_against_quality(const json& performance) {
  struct point {
    std::string name;
    double cost;
    double score;
  };
  std::vector<point> points;
  double most = 0;
  for (const auto& [name, one] : performance.items())
    if (one.at("cost_per_sample").is_number() && one.at("average_score").is_number()) {
      points.push_back(
          {name, one.at("cost_per_sample").get<double>(), one.at("average_score").get<double>()});
      most = std::max(most, points.back().cost);
    }
  if (points.empty() || most <= 0)
    return {};
  constexpr double left = 60;
  constexpr double right = 760;
  constexpr double top = 12;
  constexpr double bottom = 300;
  svg out(right + 160, bottom + 44, "Cost against quality");
  for (int i = 0; i <= 4; ++i) {
    const double y = bottom - (bottom - top) * i / 4;
    const double x = left + (right - left) * i / 4;
    out.line(left, y, right, y, "grid");
    out.text(left - 8, y + 4, fixed(i * 0.25, 2), "end", "small");
    out.text(x, bottom + 18, to_string(from_dollars(most * i / 4)), "middle", "small");
  }
  out.text((left + right) / 2, bottom + 38, "cost of a sample", "middle", "small");
  for (const auto& one : points) {
    const double x = left + (right - left) * one.cost / most;
    const double y = bottom - (bottom - top) * std::clamp(one.score, 0.0, 1.0);
    out.circle(x, y, 5, "point", one.name + ": " + fixed(one.score, 3));
    out.text(x + 9, y + 4, shorten(one.name, 24));
  }
  return "<figure>" + out.finish()
         + "<figcaption>Average score against the cost of a sample: up and to the left is "
           "better.</figcaption></figure>\n";
}

// -- HTML --------------------------------------------------------------------------------------------------

std::string html_table(const table& one) {
  std::string out = "<table><tr>";
  for (size_t i = 0; i < one.head.size(); ++i)
    out += (i == 0 ? "<th>" : "<th class=\"number\">") + escape_markup(one.head[i]) + "</th>";
  out += "</tr>\n";
  for (const auto& row : one.rows) {
    out += "<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      out += (i == 0 ? "<td>" : "<td class=\"number\">") + escape_markup(row[i]) + "</td>";
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

std::string html(const json& report) {
  const auto& info = report.at("experiment_info");
  const auto title = escape_markup(text(info.at("name")));
  std::string out{page_head};
  out += "<title>" + title + "</title>\n</head>\n<body>\n<h1>" + title + "</h1>\n";
  if (const auto about = text(info.at("description")); !about.empty())
    out += "<p>" + escape_markup(about) + "</p>\n";
  out +=
      "<p class=\"note\">" + escape_markup(summary_line(report)) + "</p>\n<h2>Recommendations</h2>\n<ul>\n";
  for (const auto& one : report.at("recommendations"))
    out += "<li>" + escape_markup(text(one)) + "</li>\n";
  out += "</ul>\n";
  for (const auto& one : tables_of(report)) {
    out += "<h2>" + escape_markup(one.title) + "</h2>\n";
    if (one.title == "Models")
      out += cost_against_quality(report.at("model_performance"));
    else if (one.title == "Models against each other")
      out += intervals(report.at("significance").at("models"));
    else if (one.title == "Configurations against each other")
      out += intervals(report.at("significance").at("configurations"));
    else if (one.title == "Tasks")
      out += heat_map(report);
    out += html_table(one);
  }
  return out + "</body>\n</html>\n";
}

// -- CSV ---------------------------------------------------------------------------------------------------

/// A field that a spreadsheet takes as it is: quoted, and never as a formula.
std::string csv_text(const std::string& value) {
  std::string out = "\"";
  if (!value.empty() && std::string_view("=+-@\t\r").find(value.front()) != std::string_view::npos)
    out += '\'';
  for (const char c : value)
    out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string csv_value(const json& value) {
  if (value.is_string())
    return csv_text(value.get_ref<const std::string&>());
  return value.is_number() ? value.dump() : std::string{};
}

std::string csv(const json& report) {
  constexpr std::array columns{
      "key",   "evaluation_id", "model",   "task_group", "configuration", "prompt_type",    "repeat",
      "state", "score",         "samples", "errors",     "cost",          "execution_time", "error"};
  std::string out;
  for (const auto* column : columns)
    out += (out.empty() ? "" : ",") + std::string(column);
  out += ",latency_p50,latency_p95\r\n";
  for (const auto& one : report.at("evaluations")) {
    std::string row;
    for (size_t i = 0; i < columns.size(); ++i)
      row += (i == 0 ? "" : ",") + csv_value(one.at(columns[i]));
    const auto& time = one.at("latency");
    for (const char* which : {"p50", "p95"})
      row += "," + (time.is_object() ? csv_value(time.at(which)) : std::string{});
    out += row + "\r\n";
  }
  return out;
}

} // namespace

std::string render_report(const json& report, report_form form) {
  switch (form) {
  case report_form::json:
    return report.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  case report_form::markdown:
    return markdown(report);
  case report_form::html:
    return html(report);
  case report_form::csv:
    return csv(report);
  }
  return {};
}

} // namespace assay::reports
