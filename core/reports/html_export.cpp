#include "core/reports/markup.hpp"
#include "core/reports/result_view.hpp"
#include "core/reports/svg.hpp"
#include "core/stats/latency_histogram.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

// A report that opens offline: one file, no script, drawings inside.
namespace assay::reports::detail {

namespace {

using nlohmann::json;

constexpr size_t score_bins = 10;
constexpr size_t kept_bytes = 4000;
constexpr double left = 260;
constexpr double right = 720;
constexpr double row_height = 26;

constexpr std::string_view page_head = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { --ink: #1c2430; --dim: #5c6773; --rule: #d9dee4; --bar: #3b76c4; --bad: #c0483c; --paper: #ffffff; --soft: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --dim: #9aa5b1; --rule: #39424d; --bar: #6fa3e8; --bad: #e0796e; --paper: #161b22; --soft: #1f262f; }
}
body { margin: 0 auto; max-width: 980px; padding: 24px; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; border-bottom: 1px solid var(--rule); }
p.note, figcaption { color: var(--dim); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; } th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.facts td:first-child { color: var(--dim); white-space: nowrap; width: 1%; }
pre { margin: 4px 0 10px; padding: 8px; background: var(--soft); white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; }
figure { margin: 0; overflow-x: auto; } svg { max-width: 100%; height: auto; }
.label { fill: var(--ink); font-size: 13px; } .small { fill: var(--dim); font-size: 11px; } .bar { fill: var(--bar); } .point { fill: var(--bar); }
.grid { stroke: var(--rule); stroke-width: 1; } .whisker { stroke: var(--ink); stroke-width: 1.5; } .bad { color: var(--bad); }
</style>
)";

std::string cell(std::string_view text) { return "<td>" + escape_markup(text) + "</td>"; }
std::string number_cell(std::string_view text) {
  return "<td class=\"number\">" + escape_markup(text) + "</td>";
}

std::string number_or_dash(const std::optional<double>& value, int decimals) {
  return value ? fixed(*value, decimals) : "–";
}

std::string dollars(const std::optional<double>& value) {
  return value ? to_string(from_dollars(*value)) : "unknown";
}

std::string seconds(microseconds time) { return to_human(std::chrono::duration_cast<milliseconds>(time)); }

/// Bins whose width grows by a quarter of a power of two.
int bin_of(milliseconds time) {
  return static_cast<int>(
      std::floor(4 * std::log2(static_cast<double>(std::max<int64_t>(time.count(), 0)) + 1)));
}
milliseconds lower_end(int bin) {
  return milliseconds{static_cast<int64_t>(std::llround(std::exp2(bin / 4.0))) - 1};
}

/// A sample that is shown in full.
struct shown_sample {
  sample_address address;
  double score = 0;
  std::string error;
  std::string prompt;
  std::string answer;
  std::string target;
  std::string extracted;
};

class html_exporter final : public exporter {
public:
  html_exporter(const report_facts& facts, const export_options& options)
      : facts_(facts), result_(facts), most_worst_(options.worst_samples) {}

  void row(unsigned, const sample_row& row, const text_sink&) override {
    const auto& sample = row.sample;
    ++samples_;
    latency_.record(sample.duration);
    ++latency_bins_[bin_of(sample.duration)];
    if (sample.status == sample_status::failed) {
      if (failed_.size() < most_worst_)
        failed_.push_back(shown(row, 0));
      return;
    }
    const auto score = shown_score(sample);
    if (!score)
      return;
    ++scored_;
    const auto bin = static_cast<size_t>(std::clamp(*score, 0.0, 1.0) * score_bins);
    ++distribution_[std::min(bin, score_bins - 1)];
    keep_if_bad(row, *score);
  }

  void end_pass(unsigned, const text_sink& out) override {
    out(page_head);
    const auto title = facts_.run.spec.model.value + ", " + to_string(facts_.run.spec.id);
    out("<title>" + escape_markup(title) + "</title>\n</head>\n<body>\n");
    out(head());
    out(score_table());
    out(agreement_table());
    out(section("Scores", score_chart()));
    out(section("Distribution of scores", distribution_chart()));
    out(section("Time of a sample", latency_chart()));
    out(section("Cost against score", cost_chart()));
    write_samples(out, "Samples with the lowest scores", worst_);
    write_samples(out, "Samples that failed", failed_);
    out("</body>\n</html>\n");
  }

private:
  // -- gathering -------------------------------------------------------------------------------------------

  static shown_sample shown(const sample_row& row, double score) {
    shown_sample out;
    out.address = row.sample.address;
    out.score = score;
    if (const auto* response = row.response()) {
      out.prompt = shorten(response->prompt.view(), kept_bytes);
      out.answer = shorten(response->answer.view(), kept_bytes);
      out.target = shorten(response->target.view(), kept_bytes);
      out.error = shorten(response->error_message, kept_bytes);
    }
    if (row.sample.error)
      out.error = std::string(to_string(*row.sample.error)) + (out.error.empty() ? "" : ": " + out.error);
    if (!row.sample.scores.empty())
      out.extracted = row.sample.scores.front().extracted;
    return out;
  }

  /// Of equal scores the first ones stay, so that most samples are never looked at twice.
  void keep_if_bad(const sample_row& row, double score) {
    if (score >= 1 || most_worst_ == 0 || (worst_.size() == most_worst_ && score >= worst_.back().score))
      return;
    const auto place = std::upper_bound(worst_.begin(), worst_.end(), score,
                                        [](double s, const auto& one) { return s < one.score; });
    worst_.insert(place, shown(row, score));
    if (worst_.size() > most_worst_)
      worst_.pop_back();
  }

  // -- head ------------------------------------------------------------------------------------------------

  static std::string section(const char* title, const std::string& figure) {
    return figure.empty() ? std::string{}
                          : std::string("<h2>") + title + "</h2>\n<figure>\n" + figure + "</figure>\n";
  }

  std::string head() const {
    const auto& run = facts_.run;
    const auto& summary =
        result_.document().contains("summary_metrics") ? result_.document()["summary_metrics"] : none_;
    std::string out = "<h1>" + escape_markup(run.spec.model.value) + "</h1>\n<p class=\"note\">"
                      + escape_markup(to_string(run.spec.id)) + " · made by assay "
                      + escape_markup(facts_.version) + "</p>\n<table class=\"facts\">\n";
    const auto fact = [&](const char* name, const std::string& value) {
      out += std::string("<tr><td>") + name + "</td>" + cell(value) + "</tr>\n";
    };
    fact("overall score", number_or_dash(number_at(summary, "overall_score"), 4));
    fact("state", std::string(to_string(run.state)) + (run.error ? ": " + run.error->message : ""));
    fact("model", run.spec.wire_model + " at " + run.spec.provider.value);
    fact("samples",
         std::to_string(samples_) + ", " + std::to_string(count_at(summary, "errors")) + " failed");
    fact("cost", dollars(number_at(summary, "total_cost")));
    if (const auto* usage = member(summary, "usage"))
      fact("tokens", std::to_string(count_at(*usage, "prompt_tokens")) + " in, "
                         + std::to_string(count_at(*usage, "completion_tokens")) + " out");
    if (const auto time = execution_time_of(run))
      fact("time", to_human(*time));
    fact("started", run.started_at ? to_rfc3339(*run.started_at) : "–");
    fact("ended", run.finished_at ? to_rfc3339(*run.finished_at) : "–");
    if (const auto* simulated = member(result_.document(), "simulated"); simulated && *simulated == true)
      fact("simulated", "the answers came from a simulated model");
    return out + "</table>\n";
  }

  struct scored_unit {
    std::string name;
    std::string scorer; ///< Empty: the task's own score.
    std::optional<double> mean;
    std::optional<double> error;
    std::optional<double> low;
    std::optional<double> high;
    uint64_t count = 0;
    std::optional<double> cost;
  };

  static scored_unit numbers_of(std::string name, std::string scorer, const json& from, const char* mean) {
    scored_unit out;
    out.name = std::move(name);
    out.scorer = std::move(scorer);
    out.mean = number_at(from, mean);
    out.error = number_at(from, "stderr");
    if (const auto* interval = member(from, "confidence_interval")) {
      out.low = number_at(*interval, "low");
      out.high = number_at(*interval, "high");
    }
    out.count = count_at(from, "n");
    out.cost = number_at(from, "cost");
    return out;
  }

  /// Every task and prompt type, and below it each of its scorers where it has several.
  std::vector<scored_unit> scored_units(bool with_scorers) const {
    std::vector<scored_unit> out;
    const auto& run = facts_.run;
    for (const auto& unit : units_of(run)) {
      const auto& numbers = result_.of(run, unit);
      out.push_back(numbers_of(unit_name(run, unit), {}, numbers, "score"));
      const auto* scorers = member(numbers, "scorers");
      const auto& names = scorer_names(run, unit.task);
      if (!with_scorers || !scorers || names.size() < 2)
        continue;
      for (const auto& name : names)
        if (const auto* one = member(*scorers, name))
          out.push_back(numbers_of(unit_name(run, unit), name, *one, "mean"));
    }
    return out;
  }

  std::string score_table() const {
    std::string out =
        "<h2>Tasks</h2>\n<table>\n<tr><th>task</th><th>scorer</th><th class=\"number\">score</th>"
        "<th class=\"number\">± standard error</th><th class=\"number\">95 % interval</th>"
        "<th class=\"number\">n</th></tr>\n";
    for (const auto& one : scored_units(true)) {
      const auto interval = one.low && one.high ? fixed(*one.low, 3) + " – " + fixed(*one.high, 3) : "–";
      out += "<tr>" + cell(one.name) + cell(one.scorer.empty() ? "score" : one.scorer)
             + number_cell(number_or_dash(one.mean, 3)) + number_cell(number_or_dash(one.error, 3))
             + number_cell(interval) + number_cell(std::to_string(one.count)) + "</tr>\n";
    }
    return out + "</table>\n";
  }

  static std::string agreement_row(const std::string& unit, const std::string& who, const json& pair) {
    return "<tr>" + cell(unit) + cell(who) + number_cell(std::to_string(count_at(pair, "samples")))
           + number_cell(number_or_dash(number_at(pair, "same"), 3))
           + number_cell(number_or_dash(number_at(pair, "cohens_kappa"), 3)) + number_cell("") + "</tr>\n";
  }

  static std::string text_at(const json& object, const char* key) {
    const auto* found = member(object, key);
    return found && found->is_string() ? found->get<std::string>() : std::string{};
  }

  /// Of one task and prompt type.
  static std::string agreement_rows(const std::string& unit, const json& agreement) {
    std::string out;
    if (const auto* panels = member(agreement, "judges"); panels && panels->is_array())
      for (const auto& panel : *panels) {
        out += "<tr>" + cell(unit) + cell(text_at(panel, "scorer") + ", all its judges")
               + number_cell(std::to_string(count_at(panel, "samples"))) + number_cell("") + number_cell("")
               + number_cell(number_or_dash(number_at(panel, "krippendorff_alpha"), 3)) + "</tr>\n";
        if (const auto* pairs = member(panel, "pairs"); pairs && pairs->is_array())
          for (const auto& pair : *pairs)
            out += agreement_row(unit, text_at(pair, "first") + " and " + text_at(pair, "second"), pair);
      }
    if (const auto* scorers = member(agreement, "scorers"); scorers && scorers->is_array())
      for (const auto& pair : *scorers)
        out += agreement_row(unit, text_at(pair, "judge") + " and " + text_at(pair, "scorer"), pair);
    return out;
  }

  /// Empty where the run has no judge.
  std::string agreement_table() const {
    std::string rows;
    for (const auto& unit : units_of(facts_.run))
      if (const auto* agreement = member(result_.of(facts_.run, unit), "agreement"))
        rows += agreement_rows(unit_name(facts_.run, unit), *agreement);
    if (rows.empty())
      return {};
    return "<h2>Agreement of judges</h2>\n<table>\n<tr><th>task</th><th>who</th><th class=\"number\">n</th>"
           "<th class=\"number\">the same</th><th class=\"number\">Cohen's kappa</th>"
           "<th class=\"number\">Krippendorff's alpha</th></tr>\n"
           + rows + "</table>\n";
  }

  // -- charts ----------------------------------------------------------------------------------------------

  static double across(double share) { return left + std::clamp(share, 0.0, 1.0) * (right - left); }

  static void draw_scale(svg& into, double bottom) {
    for (int i = 0; i <= 4; ++i) {
      const auto x = across(i / 4.0);
      into.line(x, 8, x, bottom, "grid").text(x, bottom + 16, fixed(i / 4.0, 2), "middle", "small");
    }
  }

  std::string score_chart() const {
    const auto units = scored_units(true);
    if (units.empty())
      return {};
    const auto bottom = 12 + row_height * static_cast<double>(units.size());
    svg out(right + 70, bottom + 24, "Scores with 95 % intervals");
    draw_scale(out, bottom);
    double y = 12;
    for (const auto& one : units) {
      const auto middle = y + row_height / 2;
      out.text(left - 10, middle + 4, shorten(one.scorer.empty() ? one.name : "· " + one.scorer, 42), "end");
      if (one.mean) {
        const auto value = fixed(*one.mean, 3);
        out.rect(left, y + 5, across(*one.mean) - left, row_height - 10, "bar", one.name + ": " + value);
        if (one.low && one.high) {
          out.line(across(*one.low), middle, across(*one.high), middle, "whisker");
          out.line(across(*one.low), middle - 4, across(*one.low), middle + 4, "whisker");
          out.line(across(*one.high), middle - 4, across(*one.high), middle + 4, "whisker");
        }
        out.text(right + 10, middle + 4, value, "start", "small");
      }
      y += row_height;
    }
    return out.finish() + "<figcaption>Bars are means, whiskers 95 % intervals.</figcaption>\n";
  }

  struct bar {
    std::string label;
    uint64_t count = 0;
  };

  static std::string bar_chart(const std::vector<bar>& bars, std::string_view title) {
    uint64_t most = 1;
    for (const auto& one : bars)
      most = std::max(most, one.count);
    constexpr double height = 180;
    const auto width = 700.0 / static_cast<double>(std::max<size_t>(bars.size(), 1));
    svg out(760, height + 50, title);
    out.line(40, height + 10, 745, height + 10, "grid");
    out.text(36, 20, std::to_string(most), "end", "small").text(36, height + 10, "0", "end", "small");
    const auto every = std::max<size_t>(bars.size() / 10, 1);
    double x = 42;
    for (size_t i = 0; i < bars.size(); ++i) {
      const auto tall = height * static_cast<double>(bars[i].count) / static_cast<double>(most);
      out.rect(x + 1, height + 10 - tall, std::max(width - 2, 1.0), tall, "bar",
               bars[i].label + ": " + std::to_string(bars[i].count));
      if (i % every == 0)
        out.text(x + width / 2, height + 28, bars[i].label, "middle", "small");
      x += width;
    }
    return out.finish();
  }

  std::string distribution_chart() const {
    if (scored_ == 0)
      return {};
    std::vector<bar> bars;
    for (size_t i = 0; i < score_bins; ++i)
      bars.push_back({fixed(static_cast<double>(i) / score_bins, 1) + "–"
                          + fixed(static_cast<double>(i + 1) / score_bins, 1),
                      distribution_[i]});
    return bar_chart(bars, "Distribution of scores") + "<figcaption>" + std::to_string(scored_)
           + " scored samples, by their first scorer.</figcaption>\n";
  }

  std::string latency_chart() const {
    if (latency_bins_.empty())
      return {};
    std::vector<bar> bars;
    for (int bin = latency_bins_.begin()->first; bin <= latency_bins_.rbegin()->first; ++bin) {
      const auto found = latency_bins_.find(bin);
      bars.push_back({to_human(lower_end(bin)), found == latency_bins_.end() ? 0 : found->second});
    }
    return bar_chart(bars, "Time of a sample") + "<figcaption>Half of the samples took up to "
           + escape_markup(seconds(latency_.percentile(0.5))) + ", 95 % up to "
           + escape_markup(seconds(latency_.percentile(0.95))) + ", the slowest "
           + escape_markup(seconds(latency_.maximum())) + ".</figcaption>\n";
  }

  std::string cost_chart() const {
    std::vector<scored_unit> points;
    double most = 0;
    for (auto& one : scored_units(false))
      if (one.mean && one.cost) {
        most = std::max(most, *one.cost);
        points.push_back(std::move(one));
      }
    if (points.empty() || most <= 0)
      return {};
    constexpr double height = 220;
    svg out(760, height + 50, "Cost against score");
    for (int i = 0; i <= 4; ++i) {
      const auto y = 10 + height * (1 - i / 4.0);
      out.line(50, y, 740, y, "grid").text(44, y + 4, fixed(i / 4.0, 2), "end", "small");
      out.text(50 + 690 * i / 4.0, height + 28, to_string(from_dollars(most * i / 4.0)), "middle", "small");
    }
    for (const auto& one : points) {
      const auto x = 50 + 690 * *one.cost / most;
      const auto y = 10 + height * (1 - std::clamp(*one.mean, 0.0, 1.0));
      out.circle(x, y, 5, "point", one.name + ": " + fixed(*one.mean, 3) + " for " + dollars(one.cost));
      const bool is_far_right = x > 500;
      out.text(x + (is_far_right ? -9 : 9), y + 4, shorten(one.name, 42), is_far_right ? "end" : "start",
               "small");
    }
    return out.finish() + "<figcaption>A point is a task: its whole cost, and its score.</figcaption>\n";
  }

  // -- samples ---------------------------------------------------------------------------------------------

  void write_samples(const text_sink& out, const char* title,
                     const std::vector<shown_sample>& samples) const {
    if (samples.empty())
      return;
    out(std::string("<h2>") + title + "</h2>\n<table>\n<tr><th>sample</th><th class=\"number\">score</th>"
        + "<th>extracted</th><th>target</th><th>what was said</th></tr>\n");
    for (const auto& one : samples) {
      const auto name = unit_name(facts_.run, {one.address.task, one.address.variant}) + " · "
                        + std::to_string(one.address.sample)
                        + (facts_.run.spec.epochs > 1 ? " · epoch " + std::to_string(one.address.epoch) : "");
      out("<tr>" + cell(name) + number_cell(one.error.empty() ? fixed(one.score, 3) : "–")
          + cell(shorten(one.extracted, 200)) + cell(shorten(one.target, 200)) + "<td>"
          + block("prompt", one.prompt) + block("answer", one.answer)
          + (one.error.empty() ? "" : "<span class=\"bad\">" + escape_markup(one.error) + "</span>")
          + "</td></tr>\n");
    }
    out("</table>\n");
  }

  static std::string block(const char* name, const std::string& text) {
    return text.empty() ? std::string{}
                        : std::string("<details><summary>") + name + "</summary><pre>" + escape_markup(text)
                              + "</pre></details>";
  }

  const report_facts& facts_;
  const result_view result_;
  const size_t most_worst_;
  const json none_ = json::object();
  uint64_t samples_ = 0;
  uint64_t scored_ = 0;
  std::array<uint64_t, score_bins> distribution_{};
  stats::latency_histogram latency_;
  std::map<int, uint64_t> latency_bins_;
  std::vector<shown_sample> worst_; ///< Lowest score first.
  std::vector<shown_sample> failed_;
};

} // namespace

std::unique_ptr<exporter> make_html_exporter(const report_facts& facts, const export_options& options) {
  return std::make_unique<html_exporter>(facts, options);
}

} // namespace assay::reports::detail
