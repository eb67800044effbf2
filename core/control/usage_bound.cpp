#include "core/control/usage_bound.hpp"

#include <algorithm>
#include <limits>

namespace assay::control {

namespace {

constexpr uint64_t frame_tokens = 64;
constexpr uint64_t picture_tokens = 64'000;

uint32_t narrow(uint64_t value) noexcept {
  return static_cast<uint32_t>(std::min<uint64_t>(value, std::numeric_limits<uint32_t>::max()));
}

} // namespace

usage_bound possible_usage(const call_size& size, uint32_t model_limit, uint64_t answer_bytes,
                           const usage_belief& belief) noexcept {
  usage_bound out;
  out.prompt =
      size.prompt_bytes + size.messages * frame_tokens + size.images * picture_tokens + belief.uncounted;
  const uint64_t limit = size.max_tokens != 0 ? size.max_tokens
                         : model_limit != 0   ? model_limit
                                              : belief.longest_answer;
  out.completion = std::max(limit * std::max<uint32_t>(size.choices, 1), answer_bytes) + belief.uncounted;
  return out;
}

bool keep_possible(token_usage& told, const usage_bound& bound) noexcept {
  if (told.prompt_tokens <= bound.prompt && told.completion_tokens <= bound.completion)
    return true;
  told.prompt_tokens = std::min(told.prompt_tokens, narrow(bound.prompt));
  told.completion_tokens = std::min(told.completion_tokens, narrow(bound.completion));
  told.cached_tokens = std::min(told.cached_tokens, told.prompt_tokens);
  told.reasoning_tokens = std::min(told.reasoning_tokens, told.completion_tokens);
  return false;
}

std::optional<money> possible_cost(const usage_bound& bound,
                                   const std::optional<token_prices>& prices) noexcept {
  const auto once = price_of({narrow(bound.prompt), narrow(bound.completion), 0, 0}, prices);
  return once ? std::optional{money{once->nanodollars * 2}} : std::nullopt;
}

} // namespace assay::control
