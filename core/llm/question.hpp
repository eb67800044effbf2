#pragma once

#include "core/values/conversation.hpp"
#include "core/values/model.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

/// The APIs under which others ask models through the farm: pure translation between their JSON and the
/// farm's own values.
namespace assay::llm {

/// What a caller asks a model.
struct chat_question {
  std::string model; ///< As the caller names it: a model's id, `provider/model` or a route.
  std::vector<chat_message> messages;
  sampling parameters;
  std::shared_ptr<const answer_options> options; ///< Null for none.
  bool stream = false;
  bool include_usage = false; ///< A stream ends with a piece that says what it took.
};

/// Texts whose vectors a caller wants.
struct embedding_question {
  std::string model;
  std::vector<std::string> texts;
  std::optional<uint32_t> dimensions;
  bool as_base64 = false; ///< OpenAI's `encoding_format`.
};

/// @returns how many tokens a call takes, prompt and likely answer, by its size: for limits and fairness.
uint32_t estimated_tokens(const std::vector<chat_message>& messages, const sampling& parameters) noexcept;

} // namespace assay::llm
