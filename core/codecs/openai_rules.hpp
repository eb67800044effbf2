#pragma once

#include "core/values/model.hpp"

#include <string_view>

namespace assay::codecs {

/// How a server wants to be told how long to think.
enum class effort_form : uint8_t {
  word,             ///< "reasoning_effort": "low"
  reasoning_object, ///< "reasoning": {"effort": "low"}
  thinking_object,  ///< "thinking": {"type": "enabled"} and the word
  thinking_flag,    ///< "enable_thinking": true
  unknown,          ///< Not at all.
};

/// Which field limits the length of an answer.
enum class length_form : uint8_t {
  by_model,   ///< max_completion_tokens for reasoning models, max_tokens for the others.
  completion, ///< max_completion_tokens always.
  plain,      ///< max_tokens always.
};

/// Where a server counts tokens.
enum class count_form : uint8_t {
  none,
  tokenize,     ///< vLLM: POST /tokenize beside the base path.
  input_tokens, ///< llama.cpp: POST /chat/completions/input_tokens.
};

/// What one dialect of OpenAI's protocol takes. Everything that a dialect lacks is either left out and named
/// (sampling, hints) or refused before the call (what the caller would miss in the answer).
struct openai_rules {
  std::string_view name; ///< For people.
  length_form length = length_form::by_model;
  effort_form effort = effort_form::word;
  count_form count = count_form::none;
  /// Some models refuse sampling parameters and are known by their names.
  bool has_reasoning_models = true;
  /// Those models know the role `developer` in place of `system`, and an effort is for them alone.
  bool own_reasoning_models = false;

  // Left out and named.
  bool seed = true;
  bool top_k = true;
  bool frequency_penalty = true;
  bool presence_penalty = true;
  bool user = true;
  bool tool_choice = true;
  bool parallel_tool_calls = true;
  bool names = true; ///< `name` of a message.

  // Refused.
  bool images = true;
  bool image_urls = true;
  bool gif = true;
  bool choices = true;
  bool logprobs = true;
  bool json_object = true;
  bool json_schema = true;
  bool embeddings = true;
  bool streams_tools = true;
  bool streams_choices = true;

  std::string_view user_field = "user";
  bool base64_embeddings = false; ///< Known to answer in base64, which is a fifth of the size.
  uint32_t most_inputs = 0;       ///< Texts in one request for embeddings; 0 when no limit is known.
  uint32_t most_stops = 0;        ///< Sequences that end an answer; 0 when no limit is known.
  bool stream_usage = true;       ///< Takes stream_options.
  /// The first message may be the system's; then user (or tool) and assistant take turns, user last.
  bool strict_turns = false;
  /// Open Qwen3 models think only when streamed, and want to be told not to otherwise.
  bool qwen3_thinks_streamed = false;
  bool insufficient_quota_is_throttle = false;
};

const openai_rules& rules_of(api_dialect dialect) noexcept;

/// @returns whether the name is one of the open Qwen3 models that think or not as they are told: `qwen3-32b`.
bool is_open_qwen3(std::string_view wire_model) noexcept;

} // namespace assay::codecs
