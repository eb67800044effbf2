#include "core/monitoring/monitor_view.hpp"

#include <cstdio>
#include <functional>
#include <utility>

namespace assay::monitoring {

namespace {

/// A report as headings, lines and tables, before it is written in one form or another.
struct section {
  std::string title;
  std::vector<std::string> lines;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

std::string number(double value, int decimals) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string number(const std::optional<double>& value, int decimals) {
  return value ? number(*value, decimals) : "-";
}

std::string percent(const std::optional<double>& share) {
  return share ? number(*share * 100, 1) + " %" : "-";
}

std::string time_text(const window_summary& window, microseconds time) {
  return window.measured == 0 ? "-" : number(std::chrono::duration<double>(time).count(), 3) + " s";
}

section windows_section(const monitor_view& view) {
  section out{
      "All models", {}, {"window", "samples", "success", "mean", "p50", "p95", "p99", "tokens", "cost"}, {}};
  for (const auto span : all_spans) {
    const auto& seen = over(view.overall, span);
    out.rows.push_back({std::string(to_string(span)), std::to_string(seen.samples),
                        percent(seen.success_rate()), time_text(seen, seen.mean), time_text(seen, seen.p50),
                        time_text(seen, seen.p95), time_text(seen, seen.p99),
                        std::to_string(seen.prompt_tokens + seen.completion_tokens), to_string(seen.cost)});
  }
  return out;
}

section models_section(const monitor_view& view) {
  constexpr auto span = window_span::day;
  section out{"Models, the best first (24h)",
              {"The score is 0..100: success, quality, speed and price, weighted 0.4, 0.3, 0.2 and 0.1."},
              {"rank", "model", "provider", "score", "samples", "success", "mean", "p95", "quality", "cost",
               "quality points per $"},
              {}};
  for (const auto& score : rank(view.models, span))
    for (const auto& one : view.models) {
      if (one.model != score.model || one.provider != score.provider)
        continue;
      const auto& seen = over(one.windows, span);
      out.rows.push_back({std::to_string(out.rows.size() + 1), one.model.value, one.provider.value,
                          number(score.score, 1), std::to_string(seen.samples), percent(seen.success_rate()),
                          time_text(seen, seen.mean), time_text(seen, seen.p95), number(seen.quality, 3),
                          to_string(seen.cost), number(seen.cost_efficiency, 1)});
    }
  return out;
}

section advice_section(std::string title, const std::vector<recommendation>& all) {
  section out{std::move(title), {}, {"action", "model", "provider", "reason", "window", "samples"}, {}};
  for (const auto& one : all)
    out.rows.push_back({one.action, one.model.value, one.provider.value, one.reason,
                        std::string(to_string(one.window)), std::to_string(one.samples)});
  return out;
}

section alerts_section(const monitor_view& view) {
  section out{"Alerts", {}, {"id", "state", "opened", "message"}, {}};
  for (const auto& one : view.alerts)
    out.rows.push_back(
        {std::to_string(one.id), std::string(to_string(one.state)), to_rfc3339(one.opened_at), one.message});
  return out;
}

std::vector<section> sections_of(const monitor_view& view) {
  return {windows_section(view), models_section(view),
          advice_section("Recommendations (5m)", recommendations_for(view.limits, view.models)),
          advice_section("Costs: suggestions (24h)",
                         cost_suggestions(view.models, window_span::day, view.limits.minimum_samples)),
          alerts_section(view)};
}

/// Names come from users: they must not end a cell or begin a tag.
std::string in_markdown(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r')
      out += ' ';
    else if (c == '<')
      out += "&lt;";
    else if (c == '|' || c == '\\' || c == '`' || c == '[' || c == ']' || c == '*')
      out.append({'\\', c});
    else
      out += c;
  }
  return out;
}

std::string in_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string markdown_row(const std::vector<std::string>& cells) {
  std::string out = "|";
  for (const auto& cell : cells)
    out += " " + in_markdown(cell) + " |";
  return out + "\n";
}

std::string html_row(const std::vector<std::string>& cells, const std::string& tag) {
  std::string out = "<tr>";
  for (const auto& cell : cells)
    out += "<" + tag + ">" + in_html(cell) + "</" + tag + ">";
  return out + "</tr>\n";
}

} // namespace

std::string report_markdown(const monitor_view& view) {
  std::string out = "# Monitoring report\n\n" + to_rfc3339(view.at) + "\n";
  for (const auto& part : sections_of(view)) {
    out += "\n## " + part.title + "\n\n";
    for (const auto& line : part.lines)
      out += line + "\n\n";
    if (part.rows.empty()) {
      out += "None.\n";
      continue;
    }
    out += markdown_row(part.columns) + "|";
    for (size_t i = 0; i < part.columns.size(); ++i)
      out += "---|";
    out += "\n";
    for (const auto& row : part.rows)
      out += markdown_row(row);
  }
  return out;
}

std::string report_html(const monitor_view& view) {
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                    "<title>Monitoring report</title><style>body{font-family:sans-serif;margin:2em}"
                    "table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2em .6em;"
                    "text-align:left}</style></head><body>\n<h1>Monitoring report</h1>\n<p>"
                    + to_rfc3339(view.at) + "</p>\n";
  for (const auto& part : sections_of(view)) {
    out += "<h2>" + in_html(part.title) + "</h2>\n";
    for (const auto& line : part.lines)
      out += "<p>" + in_html(line) + "</p>\n";
    if (part.rows.empty()) {
      out += "<p>None.</p>\n";
      continue;
    }
    out += "<table>\n" + html_row(part.columns, "th");
    for (const auto& row : part.rows)
      out += html_row(row, "td");
    out += "</table>\n";
  }
  return out + "</body></html>\n";
}

} // namespace assay::monitoring
