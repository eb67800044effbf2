#include "actors/runs/store_run_worker.hpp"

#include "actors/runs/outside_scorers.hpp"
#include "actors/runs/run_counts.hpp"
#include "actors/runs/stored_answers.hpp"
#include "core/tasks/dataset.hpp"
#include "storage/snapshot.hpp"

#include <algorithm>

namespace assay {

namespace {

std::string describe_difference(const std::string& what, const pinned_file& pinned,
                                const tasks::dataset_facts& now) {
  const std::string text = what + " is not the one that the run began with: ";
  if (pinned.rows != now.rows)
    return text + std::to_string(pinned.rows) + " rows then, " + std::to_string(now.rows) + " now";
  return text + "the same number of rows, other content (" + pinned.hash.substr(0, 12) + " then, "
         + now.sha256.substr(0, 12) + " now)";
}

std::optional<fault> check_unchanged(const std::string& what, const pinned_file& pinned,
                                     std::optional<tasks::dataset_format> format) {
  const auto now = tasks::inspect_dataset(pinned.path, format);
  if (!now) {
    auto reason = now.error();
    reason.message = what + " cannot be read any more: " + reason.message + " (" + pinned.path + ")";
    reason.hint = "restore the file, then retry the run";
    return reason;
  }
  if (now->sha256 == pinned.hash)
    return std::nullopt;
  return fault{errc::dataset_changed, describe_difference(what, pinned, *now), pinned.path,
               "restore the file, or submit a new run"};
}

/// @returns what differs between the task's files now and as they were pinned.
std::optional<fault> check_files(const pinned_task& pinned, const tasks::task_definition& task) {
  const auto of_task = " of task '" + pinned.id.value + "'";
  if (auto wrong =
          check_unchanged("the dataset" + of_task,
                          {pinned.dataset_path, pinned.dataset_hash, pinned.dataset_rows}, task.format))
    return wrong;
  return pinned.fewshot
             ? check_unchanged("the few-shot dataset" + of_task, *pinned.fewshot, task.fewshot.format)
             : std::nullopt;
}

/// Builds the scorers anew, since the plan owns its own.
result<task_plan> make_plan(const tasks::task_definition& task, const run_spec& spec) {
  task_plan plan;
  plan.primary = primary_scorer(task);
  plan.score = score_rule_of(task, spec);
  if (auto made = make_scorers(task, spec, plan); !made)
    return made.error();
  return plan;
}

} // namespace

std::optional<fault> check_pinned_files(const run_spec& spec) {
  for (const auto& pinned : spec.tasks) {
    const auto task = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
    if (!task)
      return task.error();
    if (auto wrong = check_files(pinned, *task))
      return wrong;
  }
  return std::nullopt;
}

// -- beginning ---------------------------------------------------------------------------------------------

std::optional<fault> store_run_worker::load_tasks() {
  auto plan = std::make_shared<run_plan>();
  for (const auto& pinned : record_.spec.tasks) {
    auto parsed = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
    if (!parsed)
      return parsed.error();
    if (auto wrong = check_files(pinned, *parsed))
      return wrong;
    auto task_plan = make_plan(*parsed, record_.spec);
    if (!task_plan)
      return task_plan.error();
    plan->push_back(std::move(*task_plan));
    tasks_.push_back(std::make_shared<const tasks::task_definition>(std::move(*parsed)));
  }
  plan_ = std::move(plan);
  return std::nullopt;
}

size_t store_run_worker::index_of(const sample_address& address) const {
  const auto& spec = record_.spec;
  const size_t column = static_cast<size_t>(address.epoch) * spec.prompt_types.size() + address.variant;
  return column * spec.tasks[address.task].sample_count + address.sample;
}

std::optional<fault> store_run_worker::recount(run_recovered& out) {
  const auto& spec = record_.spec;
  std::vector<score_rule> rules;
  for (size_t i = 0; i < spec.tasks.size(); ++i) {
    done_.emplace_back(spec.tasks[i].sample_count * spec.prompt_types.size() * spec.epochs, false);
    rules.push_back((*plan_)[i].score);
  }
  auto counted = count_stored(store_, record_, rules, [this](const sample_address& address) {
    has_history_ = true;
    done_[address.task][index_of(address)] = true;
  });
  if (!counted)
    return counted.error();
  out.record.progress = std::move(counted->progress);
  out.done_by_task = std::move(counted->done_by_task);
  boards_ = std::move(counted->boards);
  return std::nullopt;
}

run_recovered store_run_worker::recover(const run_record& record) {
  record_ = record;
  has_history_ = record.started_at.has_value();
  run_recovered out;
  out.record = record;
  out.error = load_tasks();
  if (!out.error)
    out.error = recount(out);
  if (!out.error && !record.spec.origin.empty())
    out.error = find_origin();
  if (!out.error && record.spec.stop_when)
    out.error = begin_watch();
  return out;
}

std::optional<fault> store_run_worker::find_origin() {
  auto view = storage::snapshot::open(store_);
  if (!view)
    return view.error();
  const auto origin = view->find_run(record_.spec.origin);
  if (!origin)
    return origin.error();
  if (!*origin)
    return fault{errc::not_found, "the run whose answers are to be scored is gone",
                 to_string(record_.spec.origin), "score a run that is still kept"};
  origin_generation_ = (*origin)->generation;
  return std::nullopt;
}

namespace {

/// Calls @p visit with row and score of each finished sample of the run's only task.
result<void> for_each_score(const std::shared_ptr<storage::store>& store, run_id run, const score_rule& rule,
                            const std::function<void(uint32_t, std::optional<double>)>& visit) {
  std::optional<sample_address> after;
  do {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    const auto page = view->page_samples(run, after, storage::max_page_rows);
    if (!page)
      return page.error();
    for (const auto& sample : page->samples)
      if (sample.address.task == 0 && sample.address.variant == 0 && sample.address.epoch == 0)
        visit(sample.address.sample, stats::counted_score(sample, rule.scorers, rule.failed));
    after = page->next;
  } while (after);
  return {};
}

} // namespace

std::optional<fault> store_run_worker::begin_watch() {
  const auto& wish = *record_.spec.stop_when;
  const auto& rule = plan_->front().score;
  std::vector<std::optional<float>> baseline;
  if (!wish.against.empty()) {
    baseline.resize(record_.spec.tasks.front().sample_count);
    const auto read =
        for_each_score(store_, wish.against, rule, [&](uint32_t row, std::optional<double> score) {
          if (row < baseline.size() && score)
            baseline[row] = static_cast<float>(*score);
        });
    if (!read)
      return read.error();
  }
  watch_ = std::make_unique<stop_watch>(wish, std::move(baseline));
  const auto read =
      for_each_score(store_, record_.spec.id, rule, [&](uint32_t row, std::optional<double> score) {
        if (done_[0][row])
          watch_->add(row, score);
      });
  return read ? std::nullopt : std::optional{read.error()};
}

// -- reading -----------------------------------------------------------------------------------------------

std::optional<fault> store_run_worker::open_source() {
  const auto& spec = record_.spec;
  const auto& pinned = spec.tasks[at_.task];
  auto opened = tasks::sample_source::open(
      tasks_[at_.task], {pinned.dataset_path, spec.prompt_types[at_.variant], spec.num_fewshot,
                         spec.random_seed, pinned.sample_count, spec.context_mode});
  if (!opened)
    return opened.error();
  source_ = std::move(*opened);
  return std::nullopt;
}

bool store_run_worker::advance() {
  source_.reset();
  const auto& spec = record_.spec;
  if (++at_.variant < spec.prompt_types.size())
    return true;
  at_.variant = 0;
  if (++at_.epoch < spec.epochs)
    return true;
  at_.epoch = 0;
  return ++at_.task < spec.tasks.size();
}

samples_loaded store_run_worker::next_page(size_t limit) {
  samples_loaded out;
  tasks::prepared_sample prepared;
  while (out.samples.size() < limit && !out.end) {
    if (at_.task >= record_.spec.tasks.size()) {
      out.end = true;
      break;
    }
    if (!source_ && (out.error = open_source()))
      return out;
    const auto& done = done_[at_.task];
    const uint64_t count = record_.spec.tasks[at_.task].sample_count;
    const uint64_t row = source_->position();
    sample_address address{static_cast<uint16_t>(at_.task),
                           at_.variant,
                           static_cast<uint32_t>(row),
                           at_.epoch,
                           0,
                           record_.generation};
    uint64_t finished = 0;
    while (row + finished < count) {
      address.sample = static_cast<uint32_t>(row + finished);
      if (!done[index_of(address)])
        break;
      ++finished;
    }
    if (row + finished >= count) {
      out.end = !advance();
      continue;
    }
    if (finished > 0) {
      if (auto skipped = source_->skip(finished); !skipped) {
        out.error = skipped.error();
        return out;
      }
    }
    auto more = source_->next(prepared);
    if (!more) {
      out.error = more.error();
      return out;
    }
    if (!*more) {
      out.end = !advance();
      continue;
    }
    loaded_sample sample;
    sample.address = address;
    sample.messages = std::move(prepared.messages);
    sample.target = std::move(prepared.target);
    sample.error = std::move(prepared.problem);
    if (!prepared.later_turns.empty()) {
      auto history = std::make_shared<sample_history>();
      history->questions = std::move(prepared.later_turns);
      sample.history = std::move(history);
    }
    out.samples.push_back(std::move(sample));
  }
  out.error = find_stored_answers(out.samples);
  return out;
}

std::optional<fault> store_run_worker::find_stored_answers(std::vector<loaded_sample>& samples) const {
  const bool rescores = !record_.spec.origin.empty();
  if ((!has_history_ && !rescores) || samples.empty())
    return std::nullopt;
  auto view = storage::snapshot::open(store_);
  if (!view)
    return view.error();
  for (auto& sample : samples) {
    if (sample.error)
      continue;
    if (has_history_)
      if (auto wrong = recall_own_answers(*view, record_, sample))
        return wrong;
    if (rescores && !sample.has_stored_answer)
      if (auto wrong = recall_answers_of(*view, record_, origin_generation_, sample))
        return wrong;
  }
  return std::nullopt;
}

result_computed store_run_worker::summarise(const run_record& record) {
  result_computed out;
  if (auto texts = summarise_run(store_, record)) {
    out.document = std::move(texts->document);
    out.counts = std::move(texts->counts);
  } else {
    out.error = texts.error();
  }
  return out;
}

} // namespace assay
