#include "actors/runs/evaluation_detail.hpp"

#include <algorithm>
#include <limits>
#include <utility>

// Samples that are asked in several turns. The answer to each is durable before the next is asked, so that
// none is paid for twice.
namespace assay::evaluation_detail {

namespace {

constexpr uint16_t most_tries = std::numeric_limits<uint16_t>::max();

/// Histories are shared with messages, so a changed one is a copy. Few samples have one.
template <class Change>
void change_history(loaded_sample& sample, Change change) {
  auto history =
      sample.history ? std::make_shared<sample_history>(*sample.history) : std::make_shared<sample_history>();
  change(*history);
  sample.history = std::move(history);
}

} // namespace

sample_address record_address(const loaded_sample& sample) noexcept {
  auto address = sample.address;
  if (sample.history)
    address.step = static_cast<uint16_t>(sample.history->questions.size());
  return address;
}

void advance_turn(loaded_sample& sample, const shared_text& answer, const call_outcome& outcome,
                  milliseconds took) {
  const auto question = sample.history->questions[sample.address.step];
  change_history(sample, [&](sample_history& history) {
    history.cached = outcome.cached && (history.answers.empty() || history.cached);
    history.answers.push_back(answer);
    history.usage.prompt_tokens += outcome.usage.prompt_tokens;
    history.usage.completion_tokens += outcome.usage.completion_tokens;
    history.usage.cached_tokens += outcome.usage.cached_tokens;
    history.usage.reasoning_tokens += outcome.usage.reasoning_tokens;
    if (outcome.cost)
      history.cost = history.cost.value_or(money{}) + *outcome.cost;
    history.duration += took;
    history.tries += static_cast<uint32_t>(outcome.failures.size()) + 1;
    history.possibly_billed = history.possibly_billed || is_possibly_billed(outcome);
  });
  sample.messages.push_back({chat_role::assistant, answer});
  sample.messages.push_back({chat_role::user, question});
  sample.failures.clear();
  ++sample.address.step;
}

void release_turns(evaluation_state& state, uint64_t watermark) {
  while (!state.turns.empty() && state.turns.front().watermark <= watermark) {
    // What has begun goes first: an unfinished conversation is worth nothing.
    state.ready.push_front(std::move(state.turns.front().next));
    state.turns.pop_front();
  }
}

void add_history(const loaded_sample& sample, sample_record& row) {
  const auto& history = *sample.history;
  row.address = record_address(sample);
  row.usage.prompt_tokens += history.usage.prompt_tokens;
  row.usage.completion_tokens += history.usage.completion_tokens;
  row.usage.cached_tokens += history.usage.cached_tokens;
  row.usage.reasoning_tokens += history.usage.reasoning_tokens;
  if (history.cost)
    row.cost = row.cost.value_or(money{}) + *history.cost;
  if (history.judge_cost)
    row.judge_cost = row.judge_cost.value_or(money{}) + *history.judge_cost;
  row.duration += history.duration;
  row.tries = static_cast<uint16_t>(std::min<uint32_t>(row.tries + history.tries, most_tries));
  row.possibly_billed = row.possibly_billed || history.possibly_billed;
  row.cached = row.cached && (history.answers.empty() || history.cached);
}

} // namespace assay::evaluation_detail
