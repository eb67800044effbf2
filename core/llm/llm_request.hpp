#pragma once

#include "core/llm/question.hpp"
#include "core/values/cache_use.hpp"
#include "core/values/errors.hpp"
#include "core/values/execution.hpp"
#include "core/values/money.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <string>

namespace assay::llm {

/// What POST /llm_api/invoke asks.
struct llm_question {
  chat_question chat;
  std::string provider; ///< As named; empty leaves it to the model's name.
  milliseconds timeout{60'000};
  cache_use cache = cache_use::off;
};

/// Reads the flat form and the one with `llm_params`; what stands at the top wins. `model` is completed with
/// the provider.
result<llm_question> read_llm_request(const nlohmann::json& body);

/// Many prompts made from one template.
struct llm_batch {
  llm_question common;       ///< Without messages. Its timeout is that of one try at an item.
  std::string system_prompt; ///< May be empty.
  std::string prompt_template;
  std::unique_ptr<const nlohmann::json> items; ///< A list.
  uint32_t max_concurrent_requests = 5;
  std::optional<uint32_t> batch_size; ///< Accepted; changes nothing.
  execution_wish mode = execution_wish::online;
  std::optional<bool> wait; ///< Whether the answer comes at the end; unset: unless the calls go in batches.
  std::string output_dir;   ///< As given; empty for no files.
  std::optional<money> max_cost; ///< Of the whole batch.
};

/// Options that single questions may have and a batch may not are errc::unsupported.
result<llm_batch> read_llm_batch(const nlohmann::json& body);

/// `texts` or `text`, `model`, `provider` and `dimensions`.
result<embedding_question> read_llm_embeddings(const nlohmann::json& body);

/// `text`, `prompt` or `messages`, with `model` and `provider`.
result<chat_question> read_llm_count(const nlohmann::json& body);

} // namespace assay::llm
