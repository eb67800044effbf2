#include "actors/runs/stored_answers.hpp"

#include "actors/runs/outside_scorer.hpp"

#include <limits>
#include <utility>

namespace assay {

namespace {

/// Rows that are read at once when a sample's judges are looked for.
constexpr size_t judge_rows = 32;

/// @returns the answer at @p address, whose generation is the newest that may have it; nothing when none has.
result<std::optional<response_record>> find_answer(storage::snapshot& view, run_id run,
                                                   sample_address address) {
  for (uint32_t generation = address.generation + 1U; generation-- > 0;) {
    address.generation = static_cast<uint16_t>(generation);
    auto found = view.find_response(run, address);
    if (!found)
      return found.error();
    if (*found && !(*found)->error)
      return std::move(*found);
  }
  return std::optional<response_record>{};
}

/// @returns whether a record of the sample has counted what its answers of that generation took.
result<bool> is_counted(storage::snapshot& view, const run_record& run, const loaded_sample& sample,
                        uint16_t generation) {
  if (generation == run.generation)
    return false;
  auto address = sample.address;
  address.step = sample.history ? static_cast<uint16_t>(sample.history->questions.size()) : uint16_t{0};
  address.generation = generation;
  const auto found = view.find_sample(run.spec.id, address);
  if (!found)
    return found.error();
  return found->has_value();
}

void add_usage(sample_history& history, const response_record& answer) {
  history.usage.prompt_tokens += answer.usage.prompt_tokens;
  history.usage.completion_tokens += answer.usage.completion_tokens;
  history.usage.cached_tokens += answer.usage.cached_tokens;
  history.usage.reasoning_tokens += answer.usage.reasoning_tokens;
}

void add_costs(sample_history& history, const response_record& answer) {
  add_usage(history, answer);
  if (answer.cost)
    history.cost = history.cost.value_or(money{}) + *answer.cost;
  const auto& t = answer.timing;
  history.duration += std::chrono::ceil<milliseconds>(t.connect + t.first_byte + t.transfer);
  history.tries += static_cast<uint32_t>(answer.failures.size()) + 1;
  for (const auto& attempt : answer.failures)
    history.possibly_billed = history.possibly_billed || attempt.possibly_billed;
}

/// Puts the answer to the present turn behind the sample.
void take_answer(loaded_sample& sample, sample_history& history, const shared_text& answer) {
  const auto turn = history.answers.size();
  if (turn >= history.questions.size()) {
    sample.has_stored_answer = true;
    sample.stored_answer = answer;
    return;
  }
  history.answers.push_back(answer);
  sample.messages.push_back({chat_role::assistant, answer});
  sample.messages.push_back({chat_role::user, history.questions[turn]});
  ++sample.address.step;
}

std::shared_ptr<sample_history> history_of(const loaded_sample& sample) {
  return sample.history ? std::make_shared<sample_history>(*sample.history)
                        : std::make_shared<sample_history>();
}

/// What judges of the present generation have said, and what that cost.
std::optional<fault> recall_verdicts(storage::snapshot& view, const run_record& run,
                                     const sample_address& address, sample_history& history) {
  auto from = address;
  from.step = first_judge_step - 1;
  from.generation = std::numeric_limits<uint16_t>::max();
  std::optional<storage::response_place> after = storage::response_place{from, 0};
  while (after) {
    const auto page = view.page_responses(run.spec.id, after, judge_rows);
    if (!page)
      return page.error();
    for (const auto& row : page->responses) {
      auto place = row.address;
      place.step = address.step;
      place.generation = address.generation;
      if (place != address)
        return std::nullopt;
      if (row.address.generation != run.generation)
        continue;
      const auto cost = row.cost.value_or(money{});
      if (row.cost)
        history.cost = history.cost.value_or(money{}) + cost;
      history.judge_cost = history.judge_cost.value_or(money{}) + cost;
      if (!row.error)
        history.judged.push_back({row.address.step, row.answer});
    }
    after = page->next;
  }
  return std::nullopt;
}

response_record copy_for(const run_record& run, response_record&& answer) {
  answer.run = run.spec.id;
  answer.address.generation = run.generation;
  answer.attempt = 0;
  answer.failures.clear();
  answer.possibly_billed = false;
  answer.cached = true;
  if (answer.cost)
    answer.saved = std::exchange(answer.cost, std::nullopt);
  if (!run.spec.log_samples)
    answer.prompt = {};
  return answer;
}

} // namespace

std::optional<fault> recall_own_answers(storage::snapshot& view, const run_record& run,
                                        loaded_sample& sample) {
  std::shared_ptr<sample_history> history;
  while (!sample.has_stored_answer) {
    auto found = find_answer(view, run.spec.id, sample.address);
    if (!found)
      return found.error();
    if (!*found)
      break;
    if (!history) {
      history = history_of(sample);
      history->cached = true;
    }
    const auto counted = is_counted(view, run, sample, (*found)->address.generation);
    if (!counted)
      return counted.error();
    if (!*counted)
      add_costs(*history, **found);
    history->cached = history->cached && (*found)->cached;
    take_answer(sample, *history, (*found)->answer);
  }
  if (!history)
    return std::nullopt;
  if (sample.has_stored_answer && !run.spec.judges.empty())
    if (auto wrong = recall_verdicts(view, run, sample.address, *history))
      return wrong;
  sample.history = std::move(history);
  return std::nullopt;
}

std::optional<fault> recall_answers_of(storage::snapshot& view, const run_record& run, uint16_t generation,
                                       loaded_sample& sample) {
  const auto history = history_of(sample);
  history->cached = true;
  while (!sample.has_stored_answer) {
    auto address = sample.address;
    address.generation = generation;
    auto found = find_answer(view, run.spec.origin, address);
    if (!found)
      return found.error();
    if (!*found) {
      sample.error = fault{errc::not_found,
                           "the run " + to_string(run.spec.origin) + " has no answer to it",
                           {},
                           "retry that run, then score it again"};
      return std::nullopt;
    }
    add_usage(*history, **found);
    ++history->tries;
    history->copies.push_back(copy_for(run, std::move(**found)));
    const auto answer = history->copies.back().answer;
    take_answer(sample, *history, answer);
  }
  sample.history = history;
  return std::nullopt;
}

} // namespace assay
