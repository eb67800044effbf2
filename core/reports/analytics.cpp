#include "core/reports/analytics.hpp"

#include "core/reports/result_view.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace assay::reports {

namespace {

using detail::count_at;
using detail::member;
using detail::number_at;
using nlohmann::json;

/// A change of the score that is smaller than this is called steady.
constexpr double steady_change = 0.01;

std::string text_at(const json& object, std::string_view key) {
  const auto* found = member(object, key);
  return found && found->is_string() ? found->get<std::string>() : std::string{};
}

/// A mean of the values that are known.
class mean {
public:
  void add(const std::optional<double>& value) {
    if (!value)
      return;
    lowest_ = count_ == 0 ? *value : std::min(lowest_, *value);
    highest_ = count_ == 0 ? *value : std::max(highest_, *value);
    sum_ += *value;
    ++count_;
  }
  uint64_t count() const noexcept { return count_; }
  double value() const noexcept { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  json average() const { return count_ == 0 ? json(nullptr) : json(value()); }
  json sum() const { return count_ == 0 ? json(nullptr) : json(sum_); }
  json lowest() const { return count_ == 0 ? json(nullptr) : json(lowest_); }
  json highest() const { return count_ == 0 ? json(nullptr) : json(highest_); }
  json consistency() const { return count_ == 0 ? json(nullptr) : json(1.0 - (highest_ - lowest_)); }

private:
  double sum_ = 0;
  double lowest_ = 0;
  double highest_ = 0;
  uint64_t count_ = 0;
};

/// Best average first; those without a score last; the rest by name.
void sort_by_score(json& list, const char* name) {
  std::stable_sort(list.begin(), list.end(), [&](const json& a, const json& b) {
    const auto left = number_at(a, "average_score");
    const auto right = number_at(b, "average_score");
    if (left != right)
      return left.value_or(-1) > right.value_or(-1);
    return text_at(a, name) < text_at(b, name);
  });
}

} // namespace

std::optional<run_point> run_point_of(run_id run, const std::string& document) {
  const auto parsed = json::parse(document, nullptr, false);
  const auto* tasks = member(parsed, "task_results");
  if (!tasks || !tasks->is_array())
    return std::nullopt;
  run_point out;
  out.run = run;
  out.model = text_at(parsed, "model_id");
  out.provider = text_at(parsed, "provider");
  out.completed_at = text_at(parsed, "completed_at");
  out.execution_time = number_at(parsed, "execution_time");
  if (const auto* summary = member(parsed, "summary_metrics")) {
    out.score = number_at(*summary, "overall_score");
    out.cost = number_at(*summary, "total_cost");
    out.samples = count_at(*summary, "total_samples");
    out.errors = count_at(*summary, "errors");
  }
  for (const auto& task : *tasks)
    out.tasks.push_back({text_at(task, "task_id"), number_at(task, "score"),
                         number_at(task, "execution_time"), number_at(task, "cost")});
  return out;
}

json models_json(const std::vector<run_point>& runs) {
  struct numbers {
    std::string provider;
    mean score;
    mean time;
    mean cost;
    uint64_t runs = 0;
    uint64_t samples = 0;
    uint64_t errors = 0;
    std::set<std::string> tasks;
    std::string last_run;
    std::string last_at;
    std::optional<double> last_score;
  };
  std::map<std::string, numbers> by_model;
  for (const auto& run : runs) {
    auto& one = by_model[run.model];
    one.provider = run.provider;
    one.score.add(run.score);
    one.time.add(run.execution_time);
    one.cost.add(run.cost);
    ++one.runs;
    one.samples += run.samples;
    one.errors += run.errors;
    for (const auto& task : run.tasks)
      one.tasks.insert(task.task);
    if (run.completed_at >= one.last_at) {
      one.last_at = run.completed_at;
      one.last_run = to_string(run.run);
      one.last_score = run.score;
    }
  }
  auto out = json::array();
  for (const auto& [model, one] : by_model)
    out.push_back({{"model_id", model},
                   {"provider", one.provider},
                   {"runs", one.runs},
                   {"average_score", one.score.average()},
                   {"best_score", one.score.highest()},
                   {"worst_score", one.score.lowest()},
                   {"consistency", one.score.consistency()},
                   {"task_count", one.tasks.size()},
                   {"tasks", one.tasks},
                   {"average_execution_time", one.time.average()},
                   {"execution_time", one.time.sum()},
                   {"cost", one.cost.sum()},
                   {"samples", one.samples},
                   {"errors", one.errors},
                   {"last_run", one.last_run},
                   {"last_score", one.last_score ? json(*one.last_score) : json(nullptr)},
                   {"last_completed_at", one.last_at}});
  sort_by_score(out, "model_id");
  return out;
}

json tasks_json(const std::vector<run_point>& runs) {
  struct numbers {
    mean score;
    mean time;
    mean cost;
    uint64_t runs = 0;
  };
  struct task_numbers {
    numbers all;
    std::map<std::string, numbers> models;
  };
  const auto add = [](numbers& into, const task_point& point) {
    into.score.add(point.score);
    into.time.add(point.execution_time);
    into.cost.add(point.cost);
    ++into.runs;
  };
  const auto shown = [](const numbers& of) {
    return json{{"runs", of.runs},
                {"average_score", of.score.average()},
                {"best_score", of.score.highest()},
                {"worst_score", of.score.lowest()},
                {"average_execution_time", of.time.average()},
                {"cost", of.cost.sum()}};
  };
  std::map<std::string, task_numbers> by_task;
  for (const auto& run : runs)
    for (const auto& task : run.tasks) {
      auto& one = by_task[task.task];
      add(one.all, task);
      add(one.models[run.model], task);
    }
  auto out = json::array();
  for (const auto& [task, one] : by_task) {
    auto item = shown(one.all);
    item["task_id"] = task;
    auto models = json::array();
    for (const auto& [model, numbers_of_model] : one.models) {
      models.push_back(shown(numbers_of_model));
      models.back()["model_id"] = model;
    }
    sort_by_score(models, "model_id");
    item["models"] = std::move(models);
    out.push_back(std::move(item));
  }
  return out;
}

json trends_json(const std::vector<run_point>& runs, const std::string& task) {
  struct point {
    std::string at;
    std::string run;
    double score = 0;
  };
  std::map<std::string, std::vector<point>> by_model;
  for (const auto& run : runs) {
    auto score = run.score;
    if (!task.empty()) {
      const auto found =
          std::find_if(run.tasks.begin(), run.tasks.end(), [&](const auto& one) { return one.task == task; });
      score = found == run.tasks.end() ? std::nullopt : found->score;
    }
    if (score)
      by_model[run.model].push_back({run.completed_at, to_string(run.run), *score});
  }
  auto out = json::array();
  for (auto& [model, points] : by_model) {
    std::sort(points.begin(), points.end(), [](const auto& a, const auto& b) {
      return std::pair{a.at, a.run} < std::pair{b.at, b.run};
    });
    auto shown = json::array();
    for (const auto& one : points)
      shown.push_back({{"evaluation_id", one.run}, {"completed_at", one.at}, {"score", one.score}});
    const auto change = points.back().score - points.front().score;
    out.push_back({{"model_id", model},
                   {"task_id", task.empty() ? json(nullptr) : json(task)},
                   {"points", std::move(shown)},
                   {"change", change},
                   {"direction", change > steady_change    ? "up"
                                 : change < -steady_change ? "down"
                                                           : "steady"}});
  }
  return out;
}

} // namespace assay::reports
