#include "core/reports/analysis.hpp"

#include "core/reports/result_view.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace assay::reports {

namespace {

using detail::member;
using detail::number_at;
using nlohmann::json;

constexpr size_t most_noted = 5;
constexpr double strong_score = 0.8;
constexpr double weak_score = 0.5;
constexpr double high_error_share = 0.05;
constexpr double many_times_the_mean = 10;
constexpr uint64_t enough_samples = 20;

/// The rules in words, so that whoever reads a finding can judge it.
json rules() {
  return {{"strength",
           "a task with a score of at least 0.8, or whose 95 % interval lies above the overall score"},
          {"weakness", "a task with a score below 0.5, or whose 95 % interval lies below the overall score"},
          {"slow_sample",
           "longer than the third quartile of the task's samples plus three times the distance between "
           "its quartiles (Tukey's outer fence)"},
          {"expensive_sample", "more than ten times the mean cost of the task's samples"},
          {"many_errors", "more than 5 % of the task's samples failed"},
          {"empty_answers", "scored samples whose answer has no token"},
          {"no_spread", "at least 20 scored samples, all with the same score"}};
}

std::string id_of(const sample_address& at) {
  return std::to_string(at.task) + ":" + std::to_string(at.variant) + ":" + std::to_string(at.sample) + ":"
         + std::to_string(at.epoch);
}

/// @returns -1, 0 or 1: whether the task lies below, around or above what is usual.
int standing(const json& result, const std::optional<double>& overall) {
  const auto score = number_at(result, "score");
  if (!score)
    return 0;
  const auto* interval = member(result, "confidence_interval");
  const auto low = interval ? number_at(*interval, "low") : std::nullopt;
  const auto high = interval ? number_at(*interval, "high") : std::nullopt;
  if (*score < weak_score || (overall && high && *high < *overall))
    return -1;
  return *score >= strong_score || (overall && low && *low > *overall) ? 1 : 0;
}

std::optional<double> overall_of(const json& task_results) {
  double sum = 0;
  size_t count = 0;
  for (const auto& task : task_results)
    if (const auto score = number_at(task, "score")) {
      sum += *score;
      ++count;
    }
  return count == 0 ? std::nullopt : std::optional{sum / static_cast<double>(count)};
}

json number_or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

std::string text_at(const json& object, std::string_view key) {
  const auto* found = member(object, key);
  return found && found->is_string() ? found->get<std::string>() : std::string{};
}

/// @returns the task with the largest value of @p key, or null.
json task_with_most(const json& task_results, const char* key) {
  json out;
  double most = 0;
  for (const auto& task : task_results)
    if (const auto value = number_at(task, key); value && *value > most) {
      most = *value;
      out = {{"task_id", text_at(task, "task_id")}, {key, *value}};
    }
  return out;
}

} // namespace

run_analyser::run_analyser(const run_record& run, std::vector<std::string> categories)
    : categories_(std::move(categories)), tasks_(run.spec.tasks.size()) {}

std::string run_analyser::category(size_t task) const {
  return task < categories_.size() && !categories_[task].empty() ? categories_[task] : "single_turn";
}

void run_analyser::keep(std::vector<noted>& best, const sample_record& sample, double value) {
  if (best.size() == most_noted && value <= best.back().value)
    return;
  const auto place = std::upper_bound(best.begin(), best.end(), value,
                                      [](double v, const noted& one) { return v > one.value; });
  best.insert(place, noted{id_of(sample.address), value});
  if (best.size() > most_noted)
    best.pop_back();
}

void run_analyser::add(const sample_record& sample) {
  if (sample.address.task >= tasks_.size())
    return;
  auto& task = tasks_[sample.address.task];
  ++task.samples;
  task.durations.record(sample.duration);
  keep(task.slowest, sample, static_cast<double>(sample.duration.count()));
  if (sample.cost) {
    const auto dollars = to_dollars(*sample.cost);
    task.cost += dollars;
    ++task.priced;
    if (dollars > 0)
      keep(task.most_expensive, sample, dollars);
  }
  if (sample.status == sample_status::failed) {
    ++task.failed;
    if (sample.error)
      ++task.errors[std::string(to_string(*sample.error))];
    return;
  }
  task.empty_answers += sample.usage.completion_tokens == 0 && !sample.cached ? 1 : 0;
  for (const auto& score : sample.scores)
    if (score.scorer == 0) {
      ++task.scored;
      task.lowest_score = std::min(task.lowest_score, score.value);
      task.highest_score = std::max(task.highest_score, score.value);
    }
}

json run_analyser::anomalies_of(const tally& task) const {
  auto out = json::array();
  const auto quartile = task.durations.percentile(0.75);
  const auto fence = quartile + 3 * (quartile - task.durations.percentile(0.25));
  const auto fence_ms = static_cast<double>(fence.count()) / 1000.0;
  for (const auto& one : task.slowest)
    if (one.value > fence_ms && task.samples >= enough_samples)
      out.push_back(
          {{"kind", "slow_sample"}, {"sample", one.id}, {"duration_ms", one.value}, {"limit_ms", fence_ms}});
  const auto mean = task.priced == 0 ? 0.0 : task.cost / static_cast<double>(task.priced);
  for (const auto& one : task.most_expensive)
    if (one.value > many_times_the_mean * mean && task.samples >= enough_samples)
      out.push_back(
          {{"kind", "expensive_sample"}, {"sample", one.id}, {"cost", one.value}, {"mean_cost", mean}});
  const auto share =
      task.samples == 0 ? 0.0 : static_cast<double>(task.failed) / static_cast<double>(task.samples);
  if (share > high_error_share)
    out.push_back({{"kind", "many_errors"}, {"failed", task.failed}, {"samples", task.samples}});
  if (task.empty_answers > 0)
    out.push_back({{"kind", "empty_answers"}, {"samples", task.empty_answers}});
  if (task.scored >= enough_samples && task.lowest_score == task.highest_score)
    out.push_back({{"kind", "no_spread"}, {"score", task.lowest_score}, {"samples", task.scored}});
  return out;
}

json run_analyser::task_json(size_t index, const json& result) const {
  const auto& task = tasks_[index];
  auto slowest = json::array();
  for (const auto& one : task.slowest)
    slowest.push_back({{"sample", one.id}, {"duration_ms", one.value}});
  auto most_expensive = json::array();
  for (const auto& one : task.most_expensive)
    most_expensive.push_back({{"sample", one.id}, {"cost", one.value}});
  return {{"task_id", text_at(result, "task_id")},
          {"category", category(index)},
          {"score", number_or_null(number_at(result, "score"))},
          {"slowest", std::move(slowest)},
          {"most_expensive", std::move(most_expensive)},
          {"error_classes", task.errors},
          {"median_duration_ms", static_cast<double>(task.durations.percentile(0.5).count()) / 1000.0},
          {"anomalies", anomalies_of(task)}};
}

json run_analyser::categories_json(const json& task_results) const {
  struct sums {
    double score = 0;
    uint64_t scored = 0;
    uint64_t tasks = 0;
    uint64_t samples = 0;
    uint64_t failed = 0;
    double cost = 0;
    std::map<std::string, uint64_t> errors;
    std::string slowest;
    double slowest_ms = -1;
    std::string dearest;
    double dearest_cost = 0;
  };
  std::map<std::string, sums> by_category;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    auto& into = by_category[category(i)];
    ++into.tasks;
    into.samples += tasks_[i].samples;
    into.failed += tasks_[i].failed;
    into.cost += tasks_[i].cost;
    for (const auto& [name, count] : tasks_[i].errors)
      into.errors[name] += count;
    const auto& result = i < task_results.size() ? task_results[i] : json();
    if (const auto score = number_at(result, "score")) {
      into.score += *score;
      ++into.scored;
    }
    const auto median = static_cast<double>(tasks_[i].durations.percentile(0.5).count());
    if (median > into.slowest_ms) {
      into.slowest_ms = median;
      into.slowest = text_at(result, "task_id");
    }
    if (tasks_[i].cost > into.dearest_cost) {
      into.dearest_cost = tasks_[i].cost;
      into.dearest = text_at(result, "task_id");
    }
  }
  auto out = json::array();
  for (const auto& [name, one] : by_category) {
    const auto mean =
        one.scored == 0 ? std::nullopt : std::optional{one.score / static_cast<double>(one.scored)};
    out.push_back({{"category", name},
                   {"tasks", one.tasks},
                   {"score", number_or_null(mean)},
                   {"samples", one.samples},
                   {"errors", one.failed},
                   {"error_classes", one.errors},
                   {"cost", one.cost},
                   {"slowest_task", one.slowest.empty() ? json(nullptr) : json(one.slowest)},
                   {"most_expensive_task", one.dearest.empty() ? json(nullptr) : json(one.dearest)}});
  }
  return out;
}

json run_analyser::comparison(const json& task_results, const std::vector<earlier_result>& earlier) const {
  struct history {
    std::optional<double> previous;
    std::string previous_run;
    double best = 0;
    double sum = 0;
    uint64_t runs = 0;
  };
  std::map<std::string, history> tasks;
  for (const auto& one : earlier) {
    const auto document = json::parse(one.document, nullptr, false);
    const auto* results = member(document, "task_results");
    if (!results || !results->is_array())
      continue;
    for (const auto& task : *results) {
      const auto score = number_at(task, "score");
      if (!score)
        continue;
      auto& known = tasks[text_at(task, "task_id")];
      if (!known.previous) {
        known.previous = score;
        known.previous_run = to_string(one.run);
      }
      known.best = known.runs == 0 ? *score : std::max(known.best, *score);
      known.sum += *score;
      ++known.runs;
    }
  }
  auto out = json::array();
  for (const auto& task : task_results) {
    const auto found = tasks.find(text_at(task, "task_id"));
    const auto score = number_at(task, "score");
    if (found == tasks.end() || !score)
      continue;
    const auto& known = found->second;
    out.push_back({{"task_id", found->first},
                   {"score", *score},
                   {"previous_run", known.previous_run},
                   {"previous_score", number_or_null(known.previous)},
                   {"difference", *score - known.previous.value_or(*score)},
                   {"best_score", known.best},
                   {"mean_score", known.sum / static_cast<double>(known.runs)},
                   {"runs", known.runs}});
  }
  return {{"earlier_runs", earlier.size()}, {"tasks", std::move(out)}};
}

json run_analyser::finish(const json& task_results, const std::vector<earlier_result>& earlier) const {
  const auto overall = overall_of(task_results);
  auto tasks = json::array();
  auto strengths = json::array();
  auto weaknesses = json::array();
  for (size_t i = 0; i < tasks_.size() && i < task_results.size(); ++i) {
    tasks.push_back(task_json(i, task_results[i]));
    const auto where = standing(task_results[i], overall);
    if (where == 0)
      continue;
    auto& list = where > 0 ? strengths : weaknesses;
    list.push_back({{"task_id", text_at(task_results[i], "task_id")},
                    {"category", category(i)},
                    {"score", number_or_null(number_at(task_results[i], "score"))}});
  }
  return {{"rules", rules()},
          {"strengths", std::move(strengths)},
          {"weaknesses", std::move(weaknesses)},
          {"slowest_task", task_with_most(task_results, "execution_time")},
          {"most_expensive_task", task_with_most(task_results, "cost")},
          {"tasks", std::move(tasks)},
          {"categories", categories_json(task_results)},
          {"comparison", comparison(task_results, earlier)}};
}

} // namespace assay::reports
