#include "core/gate/verdict.hpp"

#include "core/stats/running_stats.hpp"

#include <boost/math/distributions/normal.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace assay::gate {
namespace {

using stats::interval;

/// A mean and the error of a more careful one, for bounds.
struct estimate {
  double mean = 0;
  interval bounds;
  uint64_t samples = 0;
};

std::string show(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value); // allowed(stdout): writes into a text
  return text;
}

std::string show(const interval& of) { return "[" + show(of.low) + ", " + show(of.high) + "]"; }

/// Level of the two-sided interval whose ends are one-sided bounds of @p confidence.
double two_sided(double confidence) noexcept { return 2 * confidence - 1; }

/// The part of the scores that the rule is about.
stats::run_scores narrowed(const stats::run_scores& all, const rule& of) {
  stats::run_scores out{all.name, all.model, all.variants, {}};
  const auto place = std::find(all.variants.begin(), all.variants.end(), of.prompt_type);
  const auto wanted = static_cast<uint16_t>(place - all.variants.begin());
  for (const auto& task : all.tasks) {
    if (!of.task.empty() && task.task != of.task)
      continue;
    out.tasks.push_back(task);
    if (!of.prompt_type.empty())
      std::erase_if(out.tasks.back().scores,
                    [&](const stats::sample_score& score) { return score.variant != wanted; });
  }
  if (!of.prompt_type.empty())
    out.variants = place == all.variants.end() ? std::vector<std::string>{} : all.variants;
  return out;
}

/// One value a sample: the mean over prompts and epochs.
std::vector<double> sample_values(const stats::task_scores& task) {
  std::map<uint32_t, stats::running_stats> means;
  for (const auto& score : task.scores)
    means[score.sample].add(score.score);
  std::vector<double> out;
  for (const auto& [sample, mean] : means)
    out.push_back(mean.mean());
  return out;
}

/// Of a task's mean, with two right and two wrong samples added where all are the same (Agresti and Coull
/// 1998): their deviation of 0 would be too sure.
double careful_error(const stats::running_stats& values) noexcept {
  // What rounding leaves of no spread is none.
  if (values.standard_error() > 1e-12 || values.count() == 0)
    return values.standard_error();
  const double count = static_cast<double>(values.count()) + 4;
  const double mean = (values.mean() * static_cast<double>(values.count()) + 2) / count;
  const double squares = (values.mean() * values.mean() * static_cast<double>(values.count()) + 2) / count;
  return std::sqrt(std::max(0.0, squares - mean * mean) / count);
}

estimate estimate_task(const std::vector<double>& values, double level) {
  stats::running_stats all;
  uint64_t ones = 0;
  bool binary = true;
  for (const double value : values) {
    all.add(value);
    ones += value == 1 ? 1 : 0;
    binary = binary && (value == 0 || value == 1);
  }
  estimate out{all.mean(), {}, all.count()};
  out.bounds = binary ? stats::wilson_interval(ones, all.count(), level)
                      : stats::t_interval(all.mean(), careful_error(all), all.count(), level);
  return out;
}

/// The mean of the tasks' means, as a run's overall score is. @returns nothing when a task has no two
/// samples.
std::optional<estimate> estimate_score(const stats::run_scores& scores, double level) {
  std::vector<std::vector<double>> tasks;
  for (const auto& task : scores.tasks)
    if (auto values = sample_values(task); !values.empty())
      tasks.push_back(std::move(values));
  if (tasks.empty())
    return std::nullopt;
  if (tasks.size() == 1)
    return tasks.front().size() < 2 ? std::nullopt : std::optional{estimate_task(tasks.front(), level)};
  stats::running_stats means;
  double variance = 0;
  estimate out;
  for (const auto& values : tasks) {
    if (values.size() < 2)
      return std::nullopt;
    stats::running_stats all;
    for (const double value : values)
      all.add(value);
    means.add(all.mean());
    variance += careful_error(all) * careful_error(all);
    out.samples += all.count();
  }
  out.mean = means.mean();
  const double z = boost::math::quantile(boost::math::normal(), 1 - (1 - level) / 2);
  const double half = z * std::sqrt(variance) / static_cast<double>(tasks.size());
  out.bounds = {out.mean - half, out.mean + half};
  return out;
}

/// @returns the paired comparison with the baseline, nothing when there are no two pairs.
std::optional<estimate> estimate_difference(const stats::run_scores& baseline, const stats::run_scores& run,
                                            double level) {
  stats::comparison_options options;
  options.level = level;
  options.resamples = 0;
  const stats::run_scores both[] = {baseline, run};
  const auto compared = stats::compare_runs(both, options);
  const auto& rows = compared.totals.empty() ? compared.rows : compared.totals;
  if (rows.empty() || rows.front().pairs < 2)
    return std::nullopt;
  return estimate{rows.front().difference, rows.front().confidence, rows.front().pairs};
}

rule_outcome named(const rule& of) {
  rule_outcome out;
  out.name = of.name;
  return out;
}

/// Compares bounds with what is wanted. @param at_least The least good value.
void decide(rule_outcome& out, const rule& of, const estimate& found, double at_least) {
  out.value = found.mean;
  out.samples = found.samples;
  out.message = show(found.mean);
  if (of.confidence > 0) {
    out.bounds = found.bounds;
    out.message += " " + show(found.bounds);
  }
  out.message += " of " + std::to_string(found.samples) + " samples, wanted at least " + show(at_least);
  if (found.samples < of.min_samples) {
    out.message += " from at least " + std::to_string(of.min_samples) + " samples";
    return;
  }
  // Means carry rounding errors.
  constexpr double rounding = 1e-12;
  const double low = of.confidence > 0 ? found.bounds.low : found.mean;
  const double high = of.confidence > 0 ? found.bounds.high : found.mean;
  if (low >= at_least - rounding)
    out.outcome = verdict::pass;
  else if (high < at_least - rounding)
    out.outcome = verdict::fail;
  else
    out.message += "; more samples would tell";
}

/// Any level will do where the number itself decides.
double level_of(const rule& of) noexcept { return of.confidence > 0 ? two_sided(of.confidence) : 0.9; }

rule_outcome judge_score(const rule& of, const judged_run& run) {
  auto out = named(of);
  const auto scores = run.scores.find(of.metric);
  const auto found =
      scores == run.scores.end() ? std::nullopt : estimate_score(narrowed(scores->second, of), level_of(of));
  if (!found) {
    out.message = "there are no two samples with this score in every task";
    return out;
  }
  decide(out, of, *found, of.bound);
  return out;
}

rule_outcome judge_against(const rule& of, const judged_run& run, const judged_run* baseline) {
  auto out = named(of);
  if (baseline == nullptr) {
    out.message = "there is no baseline";
    return out;
  }
  const auto scores = run.scores.find(of.metric);
  const auto before = baseline->scores.find(of.metric);
  if (scores == run.scores.end() || before == baseline->scores.end()) {
    out.message = "one of the runs has no such score";
    return out;
  }
  const auto found =
      estimate_difference(narrowed(before->second, of), narrowed(scores->second, of), level_of(of));
  if (!found) {
    out.message = "there are no two samples that both runs scored";
    return out;
  }
  decide(out, of, *found, -of.bound);
  out.message = "difference " + out.message;
  return out;
}

rule_outcome judge_cost(const rule& of, const judged_run& run) {
  auto out = named(of);
  out.samples = run.done;
  if (!run.cost) {
    out.message = "the cost is not known: the model has no prices";
    return out;
  }
  out.value = to_dollars(*run.cost);
  out.outcome = *out.value <= of.bound ? verdict::pass : verdict::fail;
  out.message = show(*out.value) + " dollars, wanted at most " + show(of.bound);
  return out;
}

rule_outcome judge_errors(const rule& of, const judged_run& run) {
  auto out = named(of);
  out.samples = run.done;
  if (run.done == 0 || run.done < of.min_samples) {
    out.message = std::to_string(run.done) + " samples are too few";
    return out;
  }
  out.value = static_cast<double>(run.failed) / static_cast<double>(run.done);
  out.outcome = *out.value <= of.bound ? verdict::pass : verdict::fail;
  out.message = std::to_string(run.failed) + " of " + std::to_string(run.done) + " samples failed ("
                + show(*out.value) + "), wanted at most " + show(of.bound);
  return out;
}

rule_outcome judge_state(const std::string& name, const judged_run& run) {
  rule_outcome out;
  out.name = name;
  out.samples = run.done;
  out.message = run.id + " is " + std::string(to_string(run.state));
  if (run.state == run_state::completed)
    out.outcome = verdict::pass;
  else if (run.state == run_state::failed)
    out.outcome = verdict::fail;
  return out;
}

rule_outcome judge_rule(const rule& of, const judged_run& run, const judged_run* baseline) {
  switch (of.kind) {
  case rule_kind::at_least:
    return judge_score(of, run);
  case rule_kind::not_worse_than:
    return judge_against(of, run, baseline);
  case rule_kind::max_cost:
    return judge_cost(of, run);
  case rule_kind::max_error_rate:
    return judge_errors(of, run);
  }
  return named(of);
}

} // namespace

std::string_view to_string(verdict value) noexcept {
  switch (value) {
  case verdict::pass:
    return "pass";
  case verdict::fail:
    return "fail";
  case verdict::inconclusive:
    return "inconclusive";
  }
  return "unknown";
}

verdict gate_report::outcome() const noexcept {
  const auto has = [this](verdict wanted) {
    return std::any_of(rules.begin(), rules.end(), [&](const auto& one) { return one.outcome == wanted; });
  };
  if (has(verdict::fail))
    return verdict::fail;
  return has(verdict::inconclusive) || rules.empty() ? verdict::inconclusive : verdict::pass;
}

gate_report judge(const policy& rules, const judged_run& run, const judged_run* baseline) {
  gate_report out{rules.name, run.id, baseline == nullptr ? "" : baseline->id, {}};
  out.rules.push_back(judge_state("the run has completed", run));
  for (const auto& one : rules.rules)
    out.rules.push_back(judge_rule(one, run, baseline));
  return out;
}

} // namespace assay::gate
