#pragma once

#include "core/llm/chat_reply.hpp"
#include "core/values/money.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace assay::llm {

/// What is told of an answer besides itself.
struct answer_facts {
  std::string provider;
  std::string model;
  std::optional<money> cost; ///< Nothing when prices are unknown.
  bool cached = false;
  bool usage_estimated = false;
};

/// @returns what POST /llm_api/invoke answers, without its envelope.
nlohmann::json llm_answer(const model_answer& answer, const answer_facts& facts);

/// @returns {prompt_tokens, completion_tokens, total_tokens, cost}.
nlohmann::json llm_usage(const token_usage& usage, const std::optional<money>& cost);

} // namespace assay::llm
