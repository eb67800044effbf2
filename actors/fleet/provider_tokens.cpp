#include "actors/fleet/provider_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay::provider_detail {

namespace {

uint32_t prompt_of(const pinned_model& pinned, const call& request) {
  if (request.kind == call_kind::embed)
    return request.inputs ? codecs::estimate_inputs(request.inputs->texts, *pinned.rates) : 0;
  return codecs::estimate_prompt(request.messages, request.options.get(), *pinned.rates);
}

/// What pictures take depends on their size, which nobody here has looked at.
bool has_images(const call& request) {
  return std::ranges::any_of(request.messages, [](const chat_message& message) {
    return message.extras && !message.extras->images.empty();
  });
}

/// What was sent. Of a call without a limit for its answer, max_tokens is 0.
control::call_size size_of_call(const call& request) {
  if (request.kind != call_kind::embed)
    return control::size_of(request.messages, request.parameters, request.options.get(), 0);
  control::call_size out;
  if (request.inputs)
    for (const auto& text : request.inputs->texts) {
      out.prompt_bytes += text.size();
      ++out.messages;
    }
  return out;
}

/// What came of the answer; of a stream, whose pieces are gone, by their tokens.
uint64_t bytes_of(const open_call& open, const exchange_result& result) {
  constexpr uint64_t bytes_of_a_token = 16;
  uint64_t out = result.answer.size() + open.received * bytes_of_a_token;
  if (!result.extras)
    return out;
  out += result.extras->reasoning.size();
  for (const auto& choice : result.extras->more_choices)
    out += choice.size();
  for (const auto& one : result.extras->tool_calls)
    out += one.name.size() + one.arguments.size();
  return out;
}

} // namespace

bool need_not_wait(const call& request) { return request.movable || request.kind == call_kind::count_tokens; }

uint32_t prompt_estimate(open_call& open) {
  if (!open.prompt_estimate)
    open.prompt_estimate = prompt_of(*open.pinned, open.request);
  return *open.prompt_estimate;
}

uint32_t tokens_to_reserve(open_call& open) {
  const auto& request = open.request;
  if (request.kind == call_kind::count_tokens)
    return 0;
  const uint64_t sum =
      uint64_t{open.model->tokens.apply(prompt_estimate(open))} + uint64_t{request.answer_tokens};
  const auto most = uint64_t{std::numeric_limits<uint32_t>::max()};
  return std::max(request.estimated_tokens, static_cast<uint32_t>(std::min(sum, most)));
}

uint32_t answer_share(open_call& open) {
  if (open.request.kind != call_kind::chat)
    return 0;
  return open.reserved - std::min(open.reserved, open.model->tokens.apply(prompt_estimate(open)));
}

token_usage estimated_usage(open_call& open, const exchange_result& result) {
  token_usage usage;
  usage.prompt_tokens = open.model->tokens.apply(prompt_estimate(open));
  if (open.request.kind == call_kind::chat)
    usage.completion_tokens = codecs::estimate_tokens(result.answer.view(), *open.pinned->rates);
  return usage;
}

void note_received(open_call& open, const call_delta& delta) {
  const auto& rates = *open.pinned->rates;
  for (const auto& piece : delta.pieces) {
    open.received += codecs::estimate_tokens(piece.text, rates);
    open.received += codecs::estimate_tokens(piece.reasoning, rates);
    for (const auto& call : piece.tool_calls)
      open.received +=
          codecs::estimate_tokens(call.name, rates) + codecs::estimate_tokens(call.arguments, rates);
  }
  if (delta.usage)
    open.counted = delta.usage;
}

token_usage usage_of_dropped(open_call& open) {
  auto usage = open.counted.value_or(token_usage{});
  if (usage.prompt_tokens == 0)
    usage.prompt_tokens = open.model->tokens.apply(prompt_estimate(open));
  // Counted with its last event, so that it may be behind what was read.
  usage.completion_tokens = std::max(usage.completion_tokens, open.received);
  return usage;
}

void bound_usage(const provider_config& config, open_call& open, exchange_result& result) {
  if (!result.usage_present && !result.cost)
    return;
  const auto bound =
      control::possible_usage(size_of_call(open.request), open.model->profile.max_output_tokens,
                              bytes_of(open, result), config.belief);
  const auto told = result.usage;
  const bool possible = control::keep_possible(result.usage, bound);
  const auto most = control::possible_cost(bound, open.pinned->prices);
  const bool too_dear = result.cost && most && *result.cost > *most;
  // At the farm's own prices, since the provider's word is worth nothing here.
  if (too_dear)
    result.cost.reset();
  if (possible && !too_dear)
    return;
  open.overcounted = true;
  ++open.model->overcounted;
  spdlog::warn("provider counts more than is possible provider={} model={} prompt_tokens={} "
               "completion_tokens={} kept_prompt_tokens={} kept_completion_tokens={} cost_ignored={}",
               config.profile.id.value, open.model->profile.id.value, told.prompt_tokens,
               told.completion_tokens, result.usage.prompt_tokens, result.usage.completion_tokens, too_dear);
}

void learn_tokens(self_pointer self, open_call& open, const exchange_result& result) {
  const bool counts_something = result.usage_present && result.usage.prompt_tokens > 0;
  if (open.request.kind == call_kind::count_tokens || !counts_something || open.overcounted
      || has_images(open.request))
    return;
  auto& model = *open.model;
  model.tokens.observe(prompt_estimate(open), result.usage.prompt_tokens);
  // A start from nothing is not worth a write, and neither is a hair's breadth.
  constexpr uint32_t worth_keeping = 16;
  constexpr double worth_telling = 0.02;
  const auto& now = model.tokens.export_state();
  if (now.observations < worth_keeping
      || std::abs(now.log_factor - model.told_log_factor.value_or(now.log_factor + 1)) < worth_telling)
    return;
  model.told_log_factor = now.log_factor;
  self->state.memory_changed = true;
}

call_outcome counted_here(const model_state& model, const pinned_model& pinned, call&& request,
                          wall_time now) {
  call_outcome out;
  out.id = request.id;
  out.usage.prompt_tokens = model.tokens.apply(prompt_of(pinned, request));
  out.usage_estimated = true;
  out.cost = money{};
  out.failures = std::move(request.failures);
  out.finished_at = now;
  return out;
}

} // namespace assay::provider_detail
