#include "storage/score_reader.hpp"

#include "core/tasks/task_definition.hpp"

#include <algorithm>
#include <cmath>

namespace assay::storage {

namespace {

/// "a, b and c"
std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i)
    out += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return out;
}

fault lacks_task(const run_record& run, const std::string& task) {
  std::vector<std::string> names;
  for (const auto& pinned : run.spec.tasks)
    names.push_back(pinned.id.value);
  return {errc::not_found, to_string(run.spec.id) + " has no task '" + task + "'", "task",
          "it has " + listed(names)};
}

fault lacks_scorer(const run_record& run, const std::string& scorer) {
  std::vector<std::string> names;
  for (const auto& pinned : run.spec.tasks)
    for (const auto& name : pinned.scorer_names)
      if (std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  return {errc::not_found, to_string(run.spec.id) + " has no scorer '" + scorer + "'", "scorer",
          names.empty() ? "its answers are not scored" : "it has " + listed(names)};
}

} // namespace

result<score_reader> score_reader::start(const run_record& run, const score_choice& choice) {
  score_reader out;
  out.run_ = run.spec.id;
  out.scores_.name = to_string(run.spec.id);
  out.scores_.model = run.spec.model.value;
  out.scores_.variants = run.spec.prompt_types;
  out.rules_.resize(run.spec.tasks.size());
  bool has_task = false;
  for (size_t i = 0; i < run.spec.tasks.size(); ++i) {
    const auto& pinned = run.spec.tasks[i];
    if (!choice.task.empty() && pinned.id.value != choice.task)
      continue;
    has_task = true;
    task_rule rule;
    if (!choice.scorer.empty()) {
      const auto found = std::find(pinned.scorer_names.begin(), pinned.scorer_names.end(), choice.scorer);
      if (found == pinned.scorer_names.end())
        continue;
      rule.scorer = static_cast<uint8_t>(found - pinned.scorer_names.begin());
    }
    if (pinned.definition.empty()) {
      // Not asked by assay: the first of its scores is the task's.
      rule.scorers.assign(pinned.scorer_names.size(), {1, false});
      if (!rule.scorers.empty())
        rule.scorers.front().primary = true;
    } else {
      const auto task = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
      if (!task)
        return task.error();
      rule.scorers = task->scorer_weights();
      rule.failed = task->failed_samples;
    }
    rule.place = out.scores_.tasks.size();
    out.scores_.tasks.push_back({pinned.id.value, pinned.dataset_hash, {}, 0, 0});
    out.rules_[i] = std::move(rule);
  }
  if (!has_task)
    return lacks_task(run, choice.task);
  if (out.scores_.tasks.empty())
    return lacks_scorer(run, choice.scorer);
  return out;
}

void score_reader::count(const sample_record& sample) {
  if (sample.status == sample_status::answered || sample.address.task >= rules_.size()
      || !rules_[sample.address.task])
    return;
  const auto& rule = *rules_[sample.address.task];
  auto& into = scores_.tasks[rule.place];
  ++into.samples;
  into.errors += sample.status == sample_status::failed ? 1 : 0;
  auto score = stats::counted_score(sample, rule.scorers, rule.failed);
  if (rule.scorer && sample.status == sample_status::scored) {
    const auto found = std::find_if(sample.scores.begin(), sample.scores.end(),
                                    [&](const score_value& value) { return value.scorer == *rule.scorer; });
    score.reset();
    if (found != sample.scores.end() && std::isfinite(found->value))
      score = found->value;
  }
  if (score)
    into.scores.push_back({sample.address.sample, sample.address.variant, sample.address.epoch, *score});
}

result<bool> score_reader::read_page(snapshot& view) {
  auto page = view.page_samples(run_, after_, max_page_rows);
  if (!page)
    return page.error();
  for (const auto& sample : page->samples)
    count(sample);
  after_ = page->next;
  return after_.has_value();
}

result<stats::run_scores> read_scores(const std::shared_ptr<store>& from, const run_record& run,
                                      const score_choice& choice) {
  auto reader = score_reader::start(run, choice);
  if (!reader)
    return reader.error();
  for (;;) {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    const auto more = reader->read_page(*view);
    if (!more)
      return more.error();
    if (!*more)
      return reader->take();
  }
}

} // namespace assay::storage
