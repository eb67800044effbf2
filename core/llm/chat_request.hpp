#pragma once

#include "core/llm/question.hpp"
#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

namespace assay::llm {

/// Reads the body of OpenAI's POST /v1/chat/completions. Members that are not known here go on to the
/// provider as they are, where it speaks OpenAI's protocol.
/// @returns errc::invalid_argument or errc::unsupported with the path of the field: `messages[1].content`.
/// Never throws except for lack of memory.
result<chat_question> read_chat_request(const nlohmann::json& body);

/// Reads the body of OpenAI's POST /v1/embeddings.
result<embedding_question> read_embedding_request(const nlohmann::json& body);

} // namespace assay::llm
