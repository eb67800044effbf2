#include "core/reports/experiment_report.hpp"

#include "core/reports/experiment_recommendations.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

namespace assay::reports {

namespace {

using json = nlohmann::json;
using experiments::child_state;

/// Each with each: more of them would take minutes.
constexpr size_t most_compared = 20;
/// Of the intervals, which are not shown here: the least that there may be.
constexpr uint32_t resamples = 200;

json dollars(const std::optional<money>& amount) {
  return amount ? json(to_dollars(*amount)) : json(nullptr);
}

json or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

/// Scores of children, or of tasks in them.
struct score_sum {
  double sum = 0;
  double best = 0;
  double worst = 0;
  uint64_t count = 0;

  void add(double score) {
    best = count == 0 ? score : std::max(best, score);
    worst = count == 0 ? score : std::min(worst, score);
    sum += score;
    ++count;
  }
  std::optional<double> mean() const {
    return count == 0 ? std::nullopt : std::optional<double>{sum / static_cast<double>(count)};
  }
  json shown() const {
    if (count == 0)
      return {{"average_score", nullptr},
              {"best_score", nullptr},
              {"worst_score", nullptr},
              {"consistency", nullptr},
              {"total_evaluations", 0}};
    return {{"average_score", *mean()},
            {"best_score", best},
            {"worst_score", worst},
            {"consistency", 1 - (best - worst)},
            {"total_evaluations", count}};
  }
};

/// What else is summed up over children.
struct use_sum {
  std::optional<money> cost;
  uint64_t samples = 0;
  uint64_t errors = 0;
  stats::latency_histogram durations;

  void add(const experiments::experiment_child& child, const std::optional<child_facts>& facts) {
    if (child.cost)
      cost = cost.value_or(money{}) + *child.cost;
    if (!facts)
      return;
    samples += facts->samples;
    errors += facts->errors;
    durations.merge(facts->durations);
  }
  json latency() const {
    if (durations.count() == 0)
      return nullptr;
    const auto seconds_of = [](microseconds time) { return std::chrono::duration<double>(time).count(); };
    return {{"mean", seconds_of(durations.mean())},
            {"p50", seconds_of(durations.percentile(0.5))},
            {"p95", seconds_of(durations.percentile(0.95))},
            {"max", seconds_of(durations.maximum())}};
  }
  void show_in(json& out) const {
    out["cost"] = dollars(cost);
    out["cost_per_sample"] =
        cost && samples > 0 ? json(to_dollars(*cost) / static_cast<double>(samples)) : json(nullptr);
    out["samples"] = samples;
    out["errors"] = errors;
    out["latency"] = latency();
  }
};

std::optional<double> mean_of(const std::vector<stats::sample_score>& scores) {
  if (scores.empty())
    return std::nullopt;
  double sum = 0;
  for (const auto& one : scores)
    sum += one.score;
  return sum / static_cast<double>(scores.size());
}

/// One of the directions in which a plan spreads.
struct dimension {
  std::vector<std::string> names;
  std::function<size_t(const experiments::child_request&)> place;
};

class report {
public:
  report(const experiments::experiment& what, const std::vector<std::optional<child_facts>>& facts)
      : what_(what), facts_(facts) {}

  json build(wall_time now);

private:
  dimension models() const;
  dimension configurations() const;
  dimension prompts() const;
  json info(wall_time now) const;
  json performance(const dimension& along) const;
  json analysis(const dimension& along) const;
  json tasks() const;
  json groups() const;
  json comparison(const dimension& along, const dimension& across) const;
  stats::run_scores gathered(size_t place, const dimension& along, const dimension& across) const;
  json children() const;
  json cost() const;

  const experiments::experiment& what_;
  const std::vector<std::optional<child_facts>>& facts_;
};

dimension report::models() const {
  dimension out;
  for (const auto& one : what_.plan.models)
    out.names.push_back(one.name);
  out.place = [](const auto& child) { return child.model; };
  return out;
}

dimension report::configurations() const {
  dimension out;
  for (const auto& one : what_.plan.configurations)
    out.names.push_back(one.name);
  out.place = [](const auto& child) { return child.configuration; };
  return out;
}

dimension report::prompts() const {
  dimension out;
  out.names = what_.plan.prompt_types;
  out.place = [](const auto& child) { return child.prompt.value_or(0); };
  return out;
}

json report::info(wall_time now) const {
  json missing = json::array();
  uint64_t completed = 0;
  for (size_t i = 0; i < what_.children.size(); ++i) {
    const auto& child = what_.children[i];
    if (child.state == child_state::completed)
      ++completed;
    else
      missing.push_back({{"key", what_.requests[i].key},
                         {"state", std::string(to_string(child.state))},
                         {"error", child.error.empty() ? json(nullptr) : json(child.error)}});
  }
  return {{"name", what_.plan.name},
          {"description", what_.plan.description},
          {"timestamp", to_rfc3339(now)},
          {"total_evaluations", what_.children.size()},
          {"completed_evaluations", completed},
          {"missing", std::move(missing)},
          {"experiment_id", what_.head.id},
          {"state", std::string(to_string(what_.head.state))},
          {"created_at", to_rfc3339(what_.head.created_at)},
          {"ended_at", what_.head.ended_at ? json(to_rfc3339(*what_.head.ended_at)) : json(nullptr)},
          {"repeats", what_.plan.repeats},
          {"configuration", json::parse(what_.plan.settings, nullptr, false)}};
}

json report::performance(const dimension& along) const {
  std::vector<score_sum> scores(along.names.size());
  std::vector<use_sum> use(along.names.size());
  std::vector<uint64_t> missing(along.names.size());
  for (size_t i = 0; i < what_.children.size(); ++i) {
    const auto place = along.place(what_.requests[i]);
    const auto& child = what_.children[i];
    use[place].add(child, facts_[i]);
    if (child.state == child_state::completed && child.score)
      scores[place].add(*child.score);
    else
      ++missing[place];
  }
  json out = json::object();
  for (size_t place = 0; place < along.names.size(); ++place) {
    auto one = scores[place].shown();
    use[place].show_in(one);
    one["missing_evaluations"] = missing[place];
    out[along.names[place]] = std::move(one);
  }
  return out;
}

/// As performance, with what each model makes of it.
json report::analysis(const dimension& along) const {
  auto out = performance(along);
  for (size_t place = 0; place < along.names.size(); ++place) {
    std::vector<score_sum> by_model(what_.plan.models.size());
    for (size_t i = 0; i < what_.children.size(); ++i)
      if (along.place(what_.requests[i]) == place && what_.children[i].state == child_state::completed
          && what_.children[i].score)
        by_model[what_.requests[i].model].add(*what_.children[i].score);
    json models = json::object();
    std::optional<size_t> best;
    for (size_t model = 0; model < by_model.size(); ++model) {
      models[what_.plan.models[model].name] = or_null(by_model[model].mean());
      if (by_model[model].count > 0 && (!best || *by_model[model].mean() > *by_model[*best].mean()))
        best = model;
    }
    auto& one = out[along.names[place]];
    one["by_model"] = std::move(models);
    one["best_model"] = best ? json(what_.plan.models[*best].name) : json(nullptr);
  }
  return out;
}

json report::tasks() const {
  struct sums {
    score_sum all;
    std::vector<score_sum> by_model;
    std::vector<score_sum> by_configuration;
    uint64_t samples = 0;
    uint64_t errors = 0;
  };
  std::map<std::string, sums> found;
  for (size_t i = 0; i < what_.children.size(); ++i) {
    if (!facts_[i])
      continue;
    for (const auto& task : facts_[i]->scores.tasks) {
      auto& one = found[task.task];
      one.by_model.resize(what_.plan.models.size());
      one.by_configuration.resize(what_.plan.configurations.size());
      one.samples += task.samples;
      one.errors += task.errors;
      if (const auto mean = mean_of(task.scores)) {
        one.all.add(*mean);
        one.by_model[what_.requests[i].model].add(*mean);
        one.by_configuration[what_.requests[i].configuration].add(*mean);
      }
    }
  }
  json out = json::object();
  for (const auto& [task, one] : found) {
    auto shown = one.all.shown();
    shown["samples"] = one.samples;
    shown["errors"] = one.errors;
    std::optional<size_t> best;
    for (size_t model = 0; model < one.by_model.size(); ++model) {
      shown["by_model"][what_.plan.models[model].name] = or_null(one.by_model[model].mean());
      if (one.by_model[model].count > 0
          && (!best || *one.by_model[model].mean() > *one.by_model[*best].mean()))
        best = model;
    }
    for (size_t i = 0; i < one.by_configuration.size(); ++i)
      shown["by_configuration"][what_.plan.configurations[i].name] = or_null(one.by_configuration[i].mean());
    shown["best_model"] = best ? json(what_.plan.models[*best].name) : json(nullptr);
    out[task] = std::move(shown);
  }
  return out;
}

json report::groups() const {
  dimension along;
  for (const auto& one : what_.plan.groups)
    along.names.push_back(one.name);
  along.place = [](const auto& child) { return child.group; };
  return analysis(along);
}

/// All scores of one place, as those of one run whose variants are everything else that differs.
stats::run_scores report::gathered(size_t place, const dimension& along, const dimension& across) const {
  stats::run_scores out;
  out.name = along.names[place];
  out.model = along.names[place];
  const size_t prompts = std::max<size_t>(what_.plan.prompt_types.size(), 1);
  for (const auto& name : across.names)
    for (size_t prompt = 0; prompt < prompts; ++prompt)
      out.variants.push_back(what_.plan.prompt_types.empty() ? name
                                                             : name + " " + what_.plan.prompt_types[prompt]);
  std::map<std::pair<std::string, std::string>, size_t> places;
  for (size_t i = 0; i < what_.children.size(); ++i) {
    const auto& request = what_.requests[i];
    if (!facts_[i] || along.place(request) != place)
      continue;
    const auto variant = static_cast<uint16_t>(across.place(request) * prompts + request.prompt.value_or(0));
    for (const auto& task : facts_[i]->scores.tasks) {
      const auto [at, is_new] = places.emplace(std::pair{task.task, task.dataset_hash}, out.tasks.size());
      if (is_new)
        out.tasks.push_back({task.task, task.dataset_hash, {}, 0, 0});
      auto& into = out.tasks[at->second];
      into.samples += task.samples;
      into.errors += task.errors;
      for (auto score : task.scores) {
        score.variant = variant;
        score.epoch = static_cast<uint16_t>((request.repeat * 64 + score.epoch) & 0xFFFFU);
        into.scores.push_back(score);
      }
    }
  }
  return out;
}

json report::comparison(const dimension& along, const dimension& across) const {
  json out{
      {"correction", "holm"}, {"confidence_level", 0.95}, {"pairs", json::array()}, {"notes", json::array()}};
  if (along.names.size() < 2)
    return out;
  if (along.names.size() > most_compared)
    out["notes"].push_back("only the first " + std::to_string(most_compared) + " of "
                           + std::to_string(along.names.size()) + " are compared with each other");
  std::vector<stats::run_scores> runs;
  for (size_t place = 0; place < std::min(along.names.size(), most_compared); ++place)
    runs.push_back(gathered(place, along, across));
  stats::comparison_options options;
  options.resamples = resamples;
  const auto found = stats::compare_runs(runs, options);
  for (const auto& one : found.totals.empty() ? found.rows : found.totals)
    out["pairs"].push_back(
        {{"first", one.first},
         {"second", one.second},
         {"pairs", one.pairs},
         {"difference", one.difference},
         {"confidence_interval", {{"low", one.confidence.low}, {"high", one.confidence.high}}},
         {"p", one.p},
         {"p_adjusted", one.p_adjusted},
         {"significant", one.found != stats::finding::unclear},
         {"finding", std::string(to_string(one.found))}});
  for (const auto& note : found.notes)
    if (out["notes"].size() < 20)
      out["notes"].push_back(note);
  return out;
}

json report::children() const {
  json out = json::array();
  for (size_t i = 0; i < what_.children.size(); ++i) {
    const auto& child = what_.children[i];
    const auto& request = what_.requests[i];
    use_sum use;
    use.add(child, facts_[i]);
    json tasks = json::object();
    if (facts_[i])
      for (const auto& task : facts_[i]->scores.tasks)
        tasks[task.task] = or_null(mean_of(task.scores));
    json one{{"key", request.key},
             {"evaluation_id", child.run.empty() ? json(nullptr) : json(to_string(child.run))},
             {"model", what_.plan.models[request.model].name},
             {"task_group", what_.plan.groups[request.group].name},
             {"configuration", what_.plan.configurations[request.configuration].name},
             {"prompt_type", request.prompt ? json(what_.plan.prompt_types[*request.prompt]) : json(nullptr)},
             {"repeat", request.repeat + 1},
             {"state", std::string(to_string(child.state))},
             {"score", or_null(child.score)},
             {"task_scores", std::move(tasks)},
             {"execution_time", child.execution_time
                                    ? json(std::chrono::duration<double>(*child.execution_time).count())
                                    : json(nullptr)},
             {"error", child.error.empty() ? json(nullptr) : json(child.error)}};
    use.show_in(one);
    out.push_back(std::move(one));
  }
  return out;
}

json report::cost() const {
  use_sum all;
  uint64_t unseen = 0;
  for (size_t i = 0; i < what_.children.size(); ++i) {
    all.add(what_.children[i], facts_[i]);
    unseen += what_.children[i].possibly_billed;
  }
  return {{"total", dollars(all.cost)},
          {"estimated", dollars(what_.head.estimated_cost)},
          {"max_cost", dollars(what_.plan.max_cost)},
          {"samples", all.samples},
          {"errors", all.errors},
          {"possibly_billed_at_most", unseen},
          {"latency", all.latency()}};
}

json report::build(wall_time now) {
  json out{{"experiment_info", info(now)},
           {"model_performance", performance(models())},
           {"task_analysis", tasks()},
           {"task_group_analysis", groups()},
           {"configuration_analysis", analysis(configurations())},
           {"prompt_type_analysis", what_.plan.prompt_types.empty() ? json::object() : analysis(prompts())},
           {"significance",
            {{"models", comparison(models(), configurations())},
             {"configurations", comparison(configurations(), models())}}},
           {"cost", cost()},
           {"evaluations", children()}};
  detail::add_recommendations(out);
  return out;
}

} // namespace

json experiment_report(const experiments::experiment& what,
                       const std::vector<std::optional<child_facts>>& facts, wall_time now) {
  return report{what, facts}.build(now);
}

std::optional<report_form> report_form_from_string(std::string_view word) noexcept {
  if (word == "json")
    return report_form::json;
  if (word == "markdown" || word == "md")
    return report_form::markdown;
  if (word == "html")
    return report_form::html;
  if (word == "csv")
    return report_form::csv;
  return std::nullopt;
}

} // namespace assay::reports
