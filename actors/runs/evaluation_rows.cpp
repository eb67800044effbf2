#include "actors/runs/evaluation_detail.hpp"
#include "actors/runs/run_counts.hpp"

#include <algorithm>
#include <utility>

// What is kept of calls, and what it means for the counters.
namespace assay::evaluation_detail {

size_t prompt_bytes(const loaded_sample& sample) {
  size_t bytes = 0;
  for (const auto& message : sample.messages)
    bytes += message.content.size();
  return bytes;
}

shared_text joined_prompt(const std::vector<chat_message>& messages) {
  if (messages.size() == 1)
    return messages.front().content;
  std::string text;
  for (const auto& message : messages) {
    if (!text.empty())
      text += "\n\n";
    text.append(to_string(message.role)).append(": ").append(message.content.view());
  }
  return shared_text{text};
}

response_record make_response(run_id run, const sample_address& address, call_outcome& outcome) {
  response_record row;
  row.run = run;
  row.address = address;
  row.attempt = static_cast<uint16_t>(outcome.failures.size());
  row.answer = outcome.answer;
  row.finish = outcome.finish;
  row.usage = outcome.usage;
  row.usage_estimated = outcome.usage_estimated;
  row.cost = outcome.cost;
  row.timing = outcome.timing;
  row.http_status = outcome.http_status;
  row.served_model = std::move(outcome.served_model);
  row.request_id = std::move(outcome.request_id);
  row.key = std::move(outcome.key);
  row.served_by = std::move(outcome.served_by);
  if (outcome.error) {
    row.error = outcome.error->code;
    row.error_message = to_string(*outcome.error);
  }
  row.failures = outcome.failures;
  row.finished_at = outcome.finished_at;
  row.simulated = outcome.simulated;
  row.possibly_billed = outcome.possibly_billed;
  row.cached = outcome.cached;
  row.saved = outcome.saved;
  return row;
}

namespace {

/// @param since_asked What the provider says of the last try is nothing when it was given up, and leaves out
/// the tries before.
milliseconds duration_of(const call_outcome& outcome, nanoseconds since_asked) {
  const auto& t = outcome.timing;
  const nanoseconds last_try = t.connect + t.first_byte + t.transfer;
  if (outcome.failures.empty())
    return std::chrono::ceil<milliseconds>(last_try);
  // Tries of a call that was withdrawn and asked again came before it was asked; after the last failure of
  // one that has failed there was no wait.
  nanoseconds shown = last_try;
  for (size_t i = 0; i + (outcome.error ? 1 : 0) < outcome.failures.size(); ++i)
    shown += outcome.failures[i].waited;
  return std::chrono::ceil<milliseconds>(std::max(shown, since_asked - t.queued - t.limiter));
}

} // namespace

bool is_possibly_billed(const call_outcome& outcome) {
  return outcome.possibly_billed || std::ranges::any_of(outcome.failures, &attempt_record::possibly_billed);
}

sample_record make_sample(const evaluation_state& state, const loaded_sample& sample,
                          const call_outcome& outcome, nanoseconds since_asked) {
  sample_record row;
  row.run = state.record.spec.id;
  row.address = sample.address;
  row.usage = outcome.usage;
  row.cost = outcome.cost;
  row.duration = duration_of(outcome, since_asked);
  row.tries = static_cast<uint16_t>(outcome.failures.size() + (outcome.error ? 0 : 1));
  row.possibly_billed = is_possibly_billed(outcome);
  row.cached = outcome.cached;
  if (sample.history)
    add_history(sample, row);
  return row;
}

sample_record make_sample(const evaluation_state& state, const loaded_sample& sample) {
  sample_record row;
  row.run = state.record.spec.id;
  row.address = sample.address;
  if (!sample.history)
    return row;
  row.tries = 0;
  row.cached = sample.history->cached;
  add_history(sample, row);
  return row;
}

void fail(sample_record& row, errc code) {
  row.status = sample_status::failed;
  row.error = code;
}

void count(evaluation_state& state, const sample_record& row, evaluation_state::uncommitted& effect) {
  auto& delta = effect.delta;
  effect.tasks.push_back(row.address.task);
  ++delta.done;
  if (row.status == sample_status::failed)
    ++delta.failed;
  if (row.possibly_billed)
    ++delta.possibly_billed;
  if (row.cached)
    ++delta.cached;
  delta.usage += row.usage;
  if (row.cost)
    delta.cost = delta.cost.value_or(money{}) + *row.cost;
  if (row.judge_cost)
    delta.judge_cost = delta.judge_cost.value_or(money{}) + *row.judge_cost;
  const auto& rule = (*state.plan)[row.address.task].score;
  count_score(delta, row, rule, state.boards);
  if (state.watch)
    effect.scores.emplace_back(row.address.sample, stats::counted_score(row, rule.scorers, rule.failed));
}

void add(run_progress& total, const run_progress& delta) {
  total.done += delta.done;
  total.failed += delta.failed;
  total.possibly_billed += delta.possibly_billed;
  total.cached += delta.cached;
  total.usage.prompt_tokens += delta.usage.prompt_tokens;
  total.usage.completion_tokens += delta.usage.completion_tokens;
  total.usage.cached_tokens += delta.usage.cached_tokens;
  total.usage.reasoning_tokens += delta.usage.reasoning_tokens;
  if (delta.cost)
    total.cost = total.cost.value_or(money{}) + *delta.cost;
  if (delta.judge_cost)
    total.judge_cost = total.judge_cost.value_or(money{}) + *delta.judge_cost;
  total.score_sum += delta.score_sum;
  total.scored += delta.scored;
  for (size_t task = 0; task < delta.task_scores.size(); ++task)
    total.add_score(task, delta.task_scores[task]);
}

bool ends_the_run(errc code) {
  switch (code) {
  case errc::credentials_rejected:
  case errc::quota_exhausted:
  case errc::budget_exhausted:
  case errc::unsupported:
  case errc::not_found:
    return true;
  default:
    return false;
  }
}

bool goes_back(errc code) { return code == errc::cancelled || code == errc::shutting_down; }

} // namespace assay::evaluation_detail
