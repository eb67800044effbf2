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
}

void count_outcome(run_progress& progress, const sample_record& sample, size_t primary) {
  ++progress.done;
  if (sample.status == sample_status::failed) {
    ++progress.failed;
    return;
  }
  for (const auto& score : sample.scores) {
    if (score.scorer != primary)
      continue;
    ++progress.scored;
    progress.score_sum += score.value;
  }
}

bool belongs_to(const run_spec& spec, const sample_address& address) {
  return address.task < spec.tasks.size() && address.variant < spec.prompt_types.size()
         && address.epoch < spec.epochs && address.sample < spec.tasks[address.task].sample_count;
}

result<std::vector<size_t>> primaries_of(const run_spec& spec) {
  std::vector<size_t> out;
  for (const auto& pinned : spec.tasks) {
    const auto task = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
    if (!task)
      return task.error();
    out.push_back(primary_scorer(*task));
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

result<stored_counts> count_stored(const std::shared_ptr<storage::store>& store, const run_record& run,
                                   const std::vector<size_t>& primaries,
                                   const std::function<void(const sample_address&)>& each_done) {
  stored_counts out;
  out.progress.total = run.spec.total_samples();
  out.progress.possibly_billed = run.lost_calls;
  out.done_by_task.assign(run.spec.tasks.size(), 0);
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
      count_outcome(out.progress, sample, primaries[sample.address.task]);
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
  const auto primaries = primaries_of(run.spec);
  auto counted = primaries ? count_stored(store, run, *primaries, [](const sample_address&) {})
                           : result<stored_counts>{primaries.error()};
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
