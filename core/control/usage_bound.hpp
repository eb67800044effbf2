#pragma once

#include "core/control/budget.hpp"

#include <cstdint>
#include <optional>

namespace assay::control {

/// How far a provider's counts are believed.
struct usage_belief {
  /// Tokens beyond what was sent, and beyond the longest answer: a provider's own instructions and templates,
  /// and reasoning that it does not count as part of the answer's limit. For each direction of a call.
  uint32_t uncounted = 4'096;
  /// Longest answer, reasoning included, where neither the call nor the model says one.
  uint32_t longest_answer = 262'144;

  bool operator==(const usage_belief&) const = default;
};

/// The most tokens that a call can have taken.
struct usage_bound {
  uint64_t prompt = 0;
  uint64_t completion = 0;
};

/// A prompt has no more tokens than bytes, since no tokenizer makes several of one, but for pictures (64,000
/// each, which is more than any vendor documents) and 64 of each turn's frame. An answer has no more than its
/// limit, for each choice; where bytes came that the limit does not explain, no more than these.
/// @param size Its max_tokens is the limit that was sent, 0 for none.
/// @param model_limit The model's own limit; 0 where unknown.
/// @param answer_bytes What came of the answer, reasoning included.
usage_bound possible_usage(const call_size& size, uint32_t model_limit, uint64_t answer_bytes,
                           const usage_belief& belief) noexcept;

/// Lowers @p told to what is possible. @returns whether it was.
bool keep_possible(token_usage& told, const usage_bound& bound) noexcept;

/// A price that the provider names for the call may be twice what its bound costs: prices change.
/// @returns the most that is believed; nothing where the model's prices are unknown.
std::optional<money> possible_cost(const usage_bound& bound,
                                   const std::optional<token_prices>& prices) noexcept;

} // namespace assay::control
