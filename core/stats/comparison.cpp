#include "core/stats/comparison.hpp"

#include "core/stats/bootstrap.hpp"
#include "core/stats/effect_size.hpp"
#include "core/stats/hypothesis_tests.hpp"
#include "core/stats/multiple_tests.hpp"
#include "core/stats/power.hpp"

#include <boost/math/distributions/normal.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace assay::stats {
namespace {

constexpr size_t most_named = 10;
// An error of the mean below it is what rounding leaves of none.
constexpr double no_spread = 1e-12;

/// Samples with the mean of their epochs.
using sample_means = std::map<uint32_t, running_stats>;

/// One task of two runs.
struct task_pair {
  const run_scores& first;
  const run_scores& second;
  const task_scores& first_task;
  const task_scores& second_task;
};

/// Prompts that are compared with each other.
struct variant_pair {
  std::string first;
  std::string second;
};

const task_scores* find_task(const run_scores& run, const std::string& task) noexcept {
  const auto found =
      std::find_if(run.tasks.begin(), run.tasks.end(), [&](const task_scores& t) { return t.task == task; });
  return found == run.tasks.end() ? nullptr : &*found;
}

sample_means means_of(const run_scores& run, const task_scores& task, const std::string& variant) {
  sample_means out;
  for (const auto& score : task.scores)
    if (score.variant < run.variants.size() && run.variants[score.variant] == variant)
      out[score.sample].add(score.score);
  return out;
}

bool is_zero_or_one(double value) noexcept { return value == 0 || value == 1; }

struct matched_values {
  std::vector<double> first;
  std::vector<double> second;
  std::vector<double> differences;
  std::vector<uint32_t> samples;
};

void name_unmatched(paired_comparison& row, uint32_t sample) {
  if (row.unmatched.size() < most_named)
    row.unmatched.push_back(row.task + ":" + row.variant + ":" + std::to_string(sample));
}

matched_values match(const sample_means& first, const sample_means& second, paired_comparison& row) {
  matched_values out;
  auto one = first.begin();
  auto two = second.begin();
  while (one != first.end() || two != second.end()) {
    if (two == second.end() || (one != first.end() && one->first < two->first)) {
      ++row.unmatched_first;
      name_unmatched(row, one->first);
      ++one;
    } else if (one == first.end() || two->first < one->first) {
      ++row.unmatched_second;
      name_unmatched(row, two->first);
      ++two;
    } else {
      out.first.push_back(one->second.mean());
      out.second.push_back(two->second.mean());
      out.differences.push_back(two->second.mean() - one->second.mean());
      out.samples.push_back(one->first);
      ++one;
      ++two;
    }
  }
  return out;
}

double mean_of(const std::vector<double>& values) noexcept {
  running_stats out;
  for (const double value : values)
    out.add(value);
  return out.mean();
}

running_stats stats_of(const std::vector<double>& values) noexcept {
  running_stats out;
  for (const double value : values)
    out.add(value);
  return out;
}

void test_proportions(paired_comparison& row, const matched_values& values, double level) {
  uint64_t first = 0;
  uint64_t second = 0;
  for (const double difference : values.differences) {
    first += difference < 0 ? 1 : 0;
    second += difference > 0 ? 1 : 0;
  }
  row.only_first_right = first;
  row.only_second_right = second;
  if (first + second > 0)
    row.odds_ratio = paired_odds_ratio(first, second);
  row.test = paired_test::mcnemar_exact;
  row.p = mcnemar_exact(first, second).p;
  row.confidence = paired_proportions_interval(first, second, row.pairs, level);
}

/// Where all differences are the same their deviation says 0, which is too sure. As
/// paired_proportions_interval() does, one pair each way that differs by 1 is added.
struct cautious_mean {
  double mean = 0;
  double standard_error = 0;
};

cautious_mean cautious(const running_stats& differences) noexcept {
  if (differences.standard_error() > no_spread || differences.count() == 0)
    return {differences.mean(), differences.standard_error()};
  const auto pairs = static_cast<double>(differences.count());
  const double count = pairs + 2;
  const double mean = differences.mean() * pairs / count;
  const double squares = (differences.mean() * differences.mean() * pairs + 2) / count;
  return {mean, std::sqrt(std::max(0.0, squares - mean * mean) / count)};
}

interval normal_interval(const cautious_mean& of, double level) {
  const boost::math::normal normal;
  const double z = boost::math::quantile(normal, 1 - (1 - std::clamp(level, 0.001, 0.999999)) / 2);
  return {of.mean - z * of.standard_error, of.mean + z * of.standard_error};
}

/// Fills what the pairs tell.
void judge(paired_comparison& row, const matched_values& values, const comparison_options& options) {
  const auto differences = stats_of(values.differences);
  row.pairs = differences.count();
  row.first_mean = mean_of(values.first);
  row.second_mean = mean_of(values.second);
  row.difference = differences.mean();
  row.standard_error = differences.standard_error();
  if (row.pairs < 2)
    return;
  if (std::all_of(values.first.begin(), values.first.end(), is_zero_or_one)
      && std::all_of(values.second.begin(), values.second.end(), is_zero_or_one)) {
    test_proportions(row, values, options.level);
  } else if (row.standard_error > no_spread) {
    row.test = paired_test::paired_t;
    row.p = paired_t(differences).p;
    row.confidence = t_interval(row.difference, row.standard_error, row.pairs, options.level);
  } else {
    row.confidence = normal_interval(cautious(differences), options.level);
  }
  if (row.standard_error <= no_spread)
    return;
  row.effect_size = cohens_d_paired(differences);
  row.detectable = minimum_detectable_effect(row.standard_error, {1 - options.level, options.power});
}

void note_once(comparison& out, std::string text) {
  if (std::find(out.notes.begin(), out.notes.end(), text) == out.notes.end())
    out.notes.push_back(std::move(text));
}

/// Resamples the pairs while the comparison may still spend draws on it.
void resample(paired_comparison& row, const matched_values& values, comparison& into) {
  const auto& options = into.options;
  const uint64_t draws = row.pairs * options.resamples;
  if (draws == 0)
    return;
  if (row.test == paired_test::none || row.standard_error <= no_spread)
    return;
  if (row.pairs > most_resampled_pairs || into.draws + draws > most_draws) {
    note_once(into, "bootstrap intervals are left out where there are many pairs");
    return;
  }
  into.draws += draws;
  row.bootstrap = bootstrap_bca(values.differences, {options.level, options.resamples, options.seed});
}

paired_comparison row_of(const task_pair& of, const variant_pair& variants, comparison& into,
                         std::map<uint32_t, running_stats>& by_sample, running_stats& first_means,
                         running_stats& second_means) {
  paired_comparison row;
  row.first = of.first.name;
  row.second = of.second.name;
  row.task = of.first_task.task;
  row.variant = variants.first == variants.second ? variants.first : variants.first + " / " + variants.second;
  const auto values = match(means_of(of.first, of.first_task, variants.first),
                            means_of(of.second, of.second_task, variants.second), row);
  judge(row, values, into.options);
  resample(row, values, into);
  for (size_t i = 0; i < values.samples.size(); ++i) {
    by_sample[values.samples[i]].add(values.differences[i]);
    first_means.add(values.first[i]);
    second_means.add(values.second[i]);
  }
  return row;
}

/// A total under way.
struct task_sums {
  running_stats differences; ///< Of the tasks.
  running_stats first_means;
  running_stats second_means;
  double cautious_sum = 0; ///< Of the tasks' differences, for the interval.
  double variance = 0;     ///< Sum of the tasks' squared errors.
  bool has_errors = true;  ///< Each task has two samples at least.
};

void add_task(task_sums& sums, const std::map<uint32_t, running_stats>& by_sample, const running_stats& first,
              const running_stats& second) {
  running_stats samples;
  for (const auto& [sample, differences] : by_sample)
    samples.add(differences.mean());
  if (samples.count() == 0)
    return;
  const auto difference = cautious(samples);
  sums.differences.add(samples.mean());
  sums.cautious_sum += difference.mean;
  sums.first_means.add(first.mean());
  sums.second_means.add(second.mean());
  sums.variance += difference.standard_error * difference.standard_error;
  sums.has_errors = sums.has_errors && samples.count() > 1;
}

paired_comparison total_of(const task_sums& sums, const std::vector<paired_comparison>& rows, size_t from,
                           const comparison_options& options) {
  paired_comparison out;
  out.first = rows[from].first;
  out.second = rows[from].second;
  for (size_t i = from; i < rows.size(); ++i) {
    out.pairs += rows[i].pairs;
    out.unmatched_first += rows[i].unmatched_first;
    out.unmatched_second += rows[i].unmatched_second;
    for (const auto& name : rows[i].unmatched)
      if (out.unmatched.size() < most_named)
        out.unmatched.push_back(name);
  }
  const auto tasks = static_cast<double>(std::max<uint64_t>(sums.differences.count(), 1));
  out.difference = sums.differences.mean();
  out.first_mean = sums.first_means.mean();
  out.second_mean = sums.second_means.mean();
  out.standard_error = std::sqrt(sums.variance) / tasks;
  if (sums.differences.count() == 0 || !sums.has_errors)
    return out;
  out.test = paired_test::normal;
  out.confidence = normal_interval({sums.cautious_sum / tasks, out.standard_error}, options.level);
  const double z = sums.cautious_sum / tasks / out.standard_error;
  out.p = std::min(1.0, 2 * boost::math::cdf(boost::math::complement(boost::math::normal(), std::abs(z))));
  out.detectable = minimum_detectable_effect(out.standard_error, {1 - options.level, options.power});
  return out;
}

/// @returns whether rows of both tasks with the same number are the same sample.
bool same_dataset(const task_scores& first, const task_scores& second) noexcept {
  return first.dataset_hash == second.dataset_hash || first.dataset_hash.empty()
         || second.dataset_hash.empty();
}

/// A prompt type, by its place in a list of pairs, and what was asked with it.
using content_key = std::pair<size_t, uint64_t>;
using rows_by_content = std::map<content_key, std::vector<uint32_t>>;

rows_by_content contents_of(const run_scores& run, const task_scores& task,
                            const std::vector<variant_pair>& variants, bool is_first) {
  rows_by_content out;
  for (const auto& content : task.contents)
    for (size_t i = 0; i < variants.size(); ++i)
      if (content.variant < run.variants.size()
          && run.variants[content.variant] == (is_first ? variants[i].first : variants[i].second))
        out[{i, content.hash}].push_back(content.sample);
  return out;
}

size_t count_rows(const task_scores& task) {
  std::set<uint32_t> rows;
  for (const auto& content : task.contents)
    rows.insert(content.sample);
  return rows.size();
}

/// Second rows by their number, and the first rows that ask the same. A row that stands in a dataset several
/// times meets its likes in their order.
std::map<uint32_t, uint32_t> common_rows(const task_pair& of, const std::vector<variant_pair>& variants) {
  const auto first = contents_of(of.first, of.first_task, variants, true);
  const auto second = contents_of(of.second, of.second_task, variants, false);
  std::map<uint32_t, uint32_t> out;
  std::set<uint32_t> taken;
  for (const auto& [key, rows] : second) {
    const auto same = first.find(key);
    if (same == first.end())
      continue;
    for (size_t i = 0; i < std::min(rows.size(), same->second.size()); ++i)
      if (!out.contains(rows[i]) && taken.insert(same->second[i]).second)
        out.emplace(rows[i], same->second[i]);
  }
  return out;
}

/// Two tasks whose rows have the same numbers where they ask the same.
struct matched_tasks {
  task_scores first;
  task_scores second;
};

/// Of different datasets, the rows that stand in both. @returns nothing when there are none.
std::optional<matched_tasks> match_rows(const task_pair& of, const std::vector<variant_pair>& variants,
                                        comparison& out) {
  const auto common = common_rows(of, variants);
  const auto names = of.first.name + " and " + of.second.name + " read different datasets";
  if (common.empty()) {
    const bool known = !of.first_task.contents.empty() && !of.second_task.contents.empty();
    note_once(out, "task '" + of.first_task.task + "' is left out: " + names
                       + (known ? " without a row that asks the same"
                                : ", and what their rows asked is not known"));
    return std::nullopt;
  }
  std::set<uint32_t> kept;
  for (const auto& [second, first] : common)
    kept.insert(first);
  matched_tasks made{of.first_task, of.second_task};
  std::erase_if(made.first.scores, [&](const sample_score& one) { return !kept.contains(one.sample); });
  std::erase_if(made.second.scores, [&](const sample_score& one) { return !common.contains(one.sample); });
  for (auto& one : made.second.scores)
    one.sample = common.at(one.sample);
  note_once(out, "task '" + of.first_task.task + "': " + names + "; compared are the "
                     + std::to_string(common.size()) + " rows with the same prompt and target ("
                     + std::to_string(count_rows(of.first_task) - common.size()) + " more in " + of.first.name
                     + ", " + std::to_string(count_rows(of.second_task) - common.size()) + " more in "
                     + of.second.name + ")");
  return made;
}

void note_missing(const run_scores& has, const run_scores& lacks, comparison& out) {
  for (const auto& task : has.tasks)
    if (find_task(lacks, task.task) == nullptr)
      note_once(out, "task '" + task.task + "' is left out: " + lacks.name + " does not have it");
}

bool has_variant(const run_scores& run, const std::string& variant) noexcept {
  return std::find(run.variants.begin(), run.variants.end(), variant) != run.variants.end();
}

/// Prompts of the same name; where both runs have but one, these two.
std::vector<variant_pair> variants_of(const run_scores& first, const run_scores& second, comparison& out) {
  if (first.variants.size() == 1 && second.variants.size() == 1) {
    if (first.variants != second.variants)
      note_once(out, "prompt '" + first.variants[0] + "' of " + first.name + " is compared with prompt '"
                         + second.variants[0] + "' of " + second.name);
    return {{first.variants[0], second.variants[0]}};
  }
  std::vector<variant_pair> both;
  for (const auto& variant : first.variants) {
    if (has_variant(second, variant))
      both.push_back({variant, variant});
    else
      note_once(out, "prompt '" + variant + "' is left out: " + second.name + " does not have it");
  }
  for (const auto& variant : second.variants)
    if (!has_variant(first, variant))
      note_once(out, "prompt '" + variant + "' is left out: " + first.name + " does not have it");
  return both;
}

void compare_pair(const run_scores& first, const run_scores& second, comparison& out) {
  note_missing(first, second, out);
  note_missing(second, first, out);
  const auto variants = variants_of(first, second, out);
  const size_t from = out.rows.size();
  task_sums sums;
  for (const auto& task : first.tasks) {
    const auto* other = find_task(second, task.task);
    if (other == nullptr)
      continue;
    std::optional<matched_tasks> matched;
    if (!same_dataset(task, *other)) {
      matched = match_rows({first, second, task, *other}, variants, out);
      if (!matched)
        continue;
    }
    const task_pair pair{first, second, matched ? matched->first : task, matched ? matched->second : *other};
    std::map<uint32_t, running_stats> by_sample;
    running_stats first_means;
    running_stats second_means;
    for (const auto& both : variants)
      out.rows.push_back(row_of(pair, both, out, by_sample, first_means, second_means));
    add_task(sums, by_sample, first_means, second_means);
  }
  if (out.rows.size() - from > 1)
    out.totals.push_back(total_of(sums, out.rows, from, out.options));
}

void adjust(std::vector<paired_comparison>& rows, double level) {
  std::vector<double> p;
  for (const auto& row : rows)
    if (row.test != paired_test::none)
      p.push_back(row.p);
  const auto adjusted = holm(p);
  size_t next = 0;
  for (auto& row : rows) {
    if (row.test == paired_test::none)
      continue;
    row.p_adjusted = adjusted[next++];
    // The least bit is what 1 - 0.95 leaves over.
    if (row.p_adjusted <= 1 - level + 1e-12 && row.difference != 0)
      row.found = row.difference > 0 ? finding::better : finding::worse;
  }
}

} // namespace

std::string_view to_string(paired_test test) noexcept {
  switch (test) {
  case paired_test::none:
    return "none";
  case paired_test::mcnemar_exact:
    return "mcnemar_exact";
  case paired_test::paired_t:
    return "paired_t";
  case paired_test::normal:
    return "normal";
  }
  return "unknown";
}

std::string_view to_string(finding value) noexcept {
  switch (value) {
  case finding::unclear:
    return "unclear";
  case finding::better:
    return "better";
  case finding::worse:
    return "worse";
  }
  return "unknown";
}

comparison compare_runs(std::span<const run_scores> runs, const comparison_options& options) {
  comparison out;
  out.options = options;
  for (const auto& run : runs) {
    out.runs.push_back(run.name);
    out.models.push_back(run.model);
  }
  for (size_t i = 0; i < runs.size(); ++i)
    for (size_t j = i + 1; j < runs.size(); ++j)
      compare_pair(runs[i], runs[j], out);
  adjust(out.rows, options.level);
  adjust(out.totals, options.level);
  return out;
}

} // namespace assay::stats
