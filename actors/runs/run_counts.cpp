#include "actors/runs/run_counts.hpp"

#include "storage/snapshot.hpp"

#include <spdlog/spdlog.h>

namespace assay {

namespace {

void count_cost(run_progress& progress, const sample_record& sample) {
  if (sample.possibly_billed)
    ++progress.possibly_billed;
  if (sample.cached)
    ++progress.cached;
  progress.usage += sample.usage;
  if (sample.cost)
    progress.cost = progress.cost.value_or(money{}) + *sample.cost;
  if (sample.judge_cost)
    progress.judge_cost = progress.judge_cost.value_or(money{}) + *sample.judge_cost;
}

void count_outcome(run_progress& progress, const sample_record& sample, const score_rule& rule,
                   std::vector<std::optional<epoch_board>>& boards) {
  ++progress.done;
  if (sample.status == sample_status::failed)
    ++progress.failed;
  count_score(progress, sample, rule, boards);
}

bool belongs_to(const run_spec& spec, const sample_address& address) {
  return address.task < spec.tasks.size() && address.variant < spec.prompt_types.size()
         && address.epoch < spec.epochs && address.sample < spec.tasks[address.task].sample_count;
}

result<std::vector<score_rule>> rules_of(const run_spec& spec) {
  std::vector<score_rule> out;
  for (const auto& pinned : spec.tasks) {
    const auto task = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
    if (!task)
      return task.error();
    out.push_back(score_rule_of(*task, spec));
  }
  return out;
}

} // namespace

size_t primary_scorer(const tasks::task_definition& task) noexcept {
  for (size_t i = 0; i < task.scorer_definitions.size(); ++i)
    if (task.scorer_definitions[i].primary)
      return i;
  return 0;
}

score_rule score_rule_of(const tasks::task_definition& task, const run_spec& spec) {
  return {task.scorer_weights(), task.failed_samples, reduction_of(spec, task.epochs_reducer)};
}

void count_score(run_progress& progress, const sample_record& sample, const score_rule& rule,
                 std::vector<std::optional<epoch_board>>& boards) {
  const auto score = stats::counted_score(sample, rule.scorers, rule.failed);
  if (!score)
    return;
  const auto task = sample.address.task;
  const bool reduces = task < boards.size() && boards[task];
  progress.add_score(task, reduces ? boards[task]->add(sample.address, *score) : score_parts{*score, 1});
  if (sample.status != sample_status::scored)
    return;
  ++progress.scored;
  progress.score_sum += *score;
}

result<stored_counts> count_stored(const std::shared_ptr<storage::store>& store, const run_record& run,
                                   const std::vector<score_rule>& rules,
                                   const std::function<void(const sample_address&)>& each_done) {
  stored_counts out;
  out.progress.total = run.spec.total_samples();
  out.progress.possibly_billed = run.lost_calls;
  out.progress.task_scores.resize(run.spec.tasks.size());
  out.done_by_task.assign(run.spec.tasks.size(), 0);
  std::vector<std::optional<scoring::epochs_reduction>> reductions;
  for (const auto& rule : rules)
    reductions.push_back(rule.reduction);
  out.boards = boards_for(run.spec, reductions);
  std::optional<sample_address> after;
  do {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    auto page = view->page_samples(run.spec.id, after, storage::max_page_rows, storage::generation_rule::all);
    if (!page)
      return page.error();
    for (const auto& sample : page->samples) {
      if (sample.status == sample_status::answered || !belongs_to(run.spec, sample.address))
        continue;
      count_cost(out.progress, sample);
      if (sample.status == sample_status::failed && sample.address.generation != run.generation)
        continue;
      count_outcome(out.progress, sample, rules[sample.address.task], out.boards);
      ++out.done_by_task[sample.address.task];
      each_done(sample.address);
    }
    after = page->next;
  } while (after);
  return out;
}

void refresh_counts(const std::shared_ptr<storage::store>& store, run_record& run) {
  if (is_final(run.state) || run.spec.tasks.empty())
    return;
  const auto rules = rules_of(run.spec);
  auto counted = rules ? count_stored(store, run, *rules, [](const sample_address&) {})
                       : result<stored_counts>{rules.error()};
  if (!counted) {
    spdlog::warn("the stored answers of a run cannot be counted run={} reason=\"{}\"", to_string(run.spec.id),
                 to_string(counted.error()));
    return;
  }
  run.progress = std::move(counted->progress);
  update_current_task(run.progress, run.spec, counted->done_by_task);
}

void update_current_task(run_progress& progress, const run_spec& spec,
                         const std::vector<uint64_t>& done_by_task) {
  uint32_t complete = 0;
  const task_id* current = nullptr;
  for (size_t i = 0; i < spec.tasks.size(); ++i) {
    const auto total = spec.tasks[i].sample_count * spec.prompt_types.size() * spec.epochs;
    if (done_by_task[i] >= total)
      ++complete;
    else if (!current)
      current = &spec.tasks[i].id;
  }
  progress.completed_tasks = complete;
  progress.current_task = current ? *current : spec.tasks.back().id;
}

} // namespace assay
