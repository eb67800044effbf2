#include "core/values/run.hpp"

#include <algorithm>

// What a run says of itself, and the words for it. Its JSON forms are in run.cpp.
namespace assay {

std::string_view to_string(run_state state) noexcept {
  switch (state) {
  case run_state::queued:
    return "queued";
  case run_state::preparing:
    return "preparing";
  case run_state::running:
    return "running";
  case run_state::paused:
    return "paused";
  case run_state::completed:
    return "completed";
  case run_state::failed:
    return "failed";
  case run_state::cancelled:
    return "cancelled";
  }
  return "unknown";
}

std::optional<run_state> run_state_from_string(std::string_view name) noexcept {
  for (auto number = static_cast<int>(run_state::queued); number <= static_cast<int>(run_state::cancelled);
       ++number) {
    const auto state = static_cast<run_state>(number);
    if (to_string(state) == name)
      return state;
  }
  return std::nullopt;
}

std::string_view to_string(run_kind kind) noexcept {
  switch (kind) {
  case run_kind::evaluation:
    return "evaluation";
  case run_kind::imported:
    return "imported";
  case run_kind::llm_batch:
    return "llm_batch";
  }
  return "unknown";
}

std::optional<run_kind> run_kind_from_string(std::string_view name) noexcept {
  for (const auto kind : {run_kind::evaluation, run_kind::imported, run_kind::llm_batch})
    if (to_string(kind) == name)
      return kind;
  return std::nullopt;
}

std::string_view to_string(run_verb verb) noexcept {
  switch (verb) {
  case run_verb::pause:
    return "pause";
  case run_verb::resume:
    return "resume";
  case run_verb::cancel:
    return "cancel";
  case run_verb::retry:
    return "retry";
  case run_verb::purge:
    return "purge";
  case run_verb::redact:
    return "redact";
  }
  return "unknown";
}

bool is_final(run_state state) noexcept {
  return state == run_state::completed || state == run_state::failed || state == run_state::cancelled;
}

std::string_view engine_status(run_state state) noexcept {
  return state == run_state::queued || state == run_state::preparing ? "created" : to_string(state);
}

uint64_t run_spec::total_samples() const noexcept {
  uint64_t samples = 0;
  for (const auto& task : tasks)
    samples += task.sample_count;
  return samples * std::max<uint64_t>(prompt_types.size(), 1) * epochs;
}

token_usage_total& token_usage_total::operator+=(const token_usage& one) noexcept {
  prompt_tokens += one.prompt_tokens;
  completion_tokens += one.completion_tokens;
  cached_tokens += one.cached_tokens;
  reasoning_tokens += one.reasoning_tokens;
  return *this;
}

std::optional<double> run_progress::score() const noexcept {
  double sum = 0;
  size_t tasks = 0;
  for (const auto& task : task_scores) {
    if (task.count == 0)
      continue;
    sum += task.sum / static_cast<double>(task.count);
    ++tasks;
  }
  if (tasks > 0)
    return sum / static_cast<double>(tasks);
  if (!task_scores.empty() || scored == 0)
    return std::nullopt;
  return score_sum / static_cast<double>(scored);
}

void run_progress::add_score(size_t task, const score_parts& more) {
  if (task >= task_scores.size())
    task_scores.resize(task + 1);
  task_scores[task].sum += more.sum;
  task_scores[task].count += more.count;
}

void book_lost_calls(run_record& run) noexcept {
  auto& progress = run.progress;
  const uint64_t left = progress.total - std::min(progress.done, progress.total);
  const auto out = std::min<uint64_t>(run.open_calls_at_most, left);
  const auto lost = run.sent_calls_at_most == 0 ? out : std::min<uint64_t>(run.sent_calls_at_most, out);
  note_rest(run);
  run.lost_calls += lost;
  run.maybe_lost_calls += out - lost;
  progress.possibly_billed += lost;
}

void note_rest(run_record& run) noexcept {
  run.open_calls_at_most = 0;
  run.sent_calls_at_most = 0;
}

uint64_t possibly_billed_at_most(const run_record& run) noexcept {
  return run.progress.possibly_billed + run.maybe_lost_calls;
}

uint32_t started_generations_of(const run_record& run) noexcept {
  return run.started_generations.value_or(run.started_at ? run.generation + 1U : 0U);
}

void note_rest_is_over(run_record& run, wall_time now) {
  if (!run.active_until || now <= *run.active_until)
    return;
  run.rests.push_back({*run.active_until, now});
  run.active_until = now;
  if (run.rests.size() > most_rests)
    run.rests.erase(
        std::ranges::min_element(run.rests, {}, [](const run_rest& rest) { return rest.to - rest.from; }));
}

milliseconds active_time_between(const run_record& run, wall_time first, wall_time last) noexcept {
  auto out = std::max(last - first, milliseconds{0});
  for (const auto& rest : run.rests)
    out -= std::max(std::min(rest.to, last) - std::max(rest.from, first), milliseconds{0});
  return out;
}

std::optional<milliseconds> execution_time_of(const run_record& run) noexcept {
  if (!run.started_at || !run.finished_at)
    return std::nullopt;
  return run.active_for.value_or(*run.finished_at - *run.started_at);
}

wall_time moment_of(const run_record& run, wall_time now) noexcept {
  return is_final(run.state) ? run.finished_at.value_or(now) : now;
}

} // namespace assay
