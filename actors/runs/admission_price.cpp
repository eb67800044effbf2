#include "actors/runs/admission_detail.hpp"
#include "core/codecs/token_estimate.hpp"
#include "core/tasks/sample_source.hpp"

#include <algorithm>

// What a run will likely cost.
namespace assay::admission_detail {

namespace {

/// Samples that are rendered to estimate a price.
constexpr uint64_t price_probe = 50;
constexpr uint32_t assumed_answer_tokens = 256;

/// Estimated tokens of the prompts of one task's first samples, scaled up to all of them.
double prompt_tokens(const task_ptr& task, const pinned_task& pinned, const run_spec& spec) {
  // The name tells; which protocol serves it says nothing more about most models.
  const auto& rates = codecs::rates_of(codecs::family_of(wire_protocol::openai_chat, spec.wire_model));
  double total = 0;
  for (const auto& prompt_type : spec.prompt_types) {
    auto source = tasks::sample_source::open(task, {pinned.dataset_path, prompt_type, spec.num_fewshot,
                                                    spec.random_seed, price_probe, spec.context_mode});
    if (!source)
      continue;
    tasks::prepared_sample sample;
    double tokens = 0;
    uint64_t seen = 0;
    for (auto more = source->next(sample); more && *more; more = source->next(sample)) {
      ++seen;
      tokens += codecs::estimate_prompt(sample.messages, nullptr, rates);
    }
    if (seen > 0)
      total += tokens / static_cast<double>(seen) * static_cast<double>(pinned.sample_count);
  }
  return total * spec.epochs;
}

} // namespace

std::optional<money> estimate_price(const std::vector<task_ptr>& tasks, const run_spec& spec) {
  if (!spec.prices || std::ranges::any_of(tasks, [](const auto& task) { return task->is_unprepared(); }))
    return std::nullopt;
  double dollars = 0;
  for (size_t i = 0; i < tasks.size(); ++i) {
    const auto& pinned = spec.tasks[i];
    const double input = prompt_tokens(tasks[i], pinned, spec);
    const double calls = static_cast<double>(pinned.sample_count * spec.prompt_types.size() * spec.epochs);
    const double answer =
        std::min(pinned.generation.max_tokens.value_or(assumed_answer_tokens), assumed_answer_tokens);
    dollars += (input * spec.prices->input_per_mtok + calls * answer * spec.prices->output_per_mtok) / 1e6;
  }
  return from_dollars(dollars);
}

} // namespace assay::admission_detail
