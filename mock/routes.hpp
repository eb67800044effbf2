#pragma once

#include "mock/wire.hpp"

#include <cstdint>
#include <string_view>

namespace assay::mock {

/// What a path asks for.
enum class operation : uint8_t {
  none = 0, ///< No such path.
  chat,
  count_tokens,
  tokenize,   ///< vLLM's way to count.
  embed,      ///< Gemini: one text; else one or several.
  embed_many, ///< Gemini only.
  list_models,
  get_model,
  upload_file,
  list_files,
  get_file,
  file_content,
  delete_file,
  create_batch,
  create_embedding_batch, ///< Gemini only.
  list_batches,
  get_batch,
  cancel_batch,
  delete_batch,
  batch_results, ///< Anthropic only.
};

/// Where a request goes.
struct route {
  wire protocol = wire::openai;
  operation op = operation::none;
  std::string_view subject{}; ///< The part of the path that names a model, deployment, file or batch.
  bool stream = false;        ///< The path itself asks for a stream (Gemini).
  bool versioned = false;     ///< The path needs the parameter api-version (Azure's classic paths).
  bool wrong_method = false;
};

/// Finds the route of a request. One port serves all protocols, told apart by their paths:
///
///     /v1                      OpenAI; /v1/messages and, with @p anthropic, /v1/models: Anthropic
///     /openai/v1, /openai      Azure OpenAI, new and classic (deployments, api-version)
///     /anthropic/v1, /deepseek/anthropic/v1    Anthropic's protocol under a prefix
///     /v1beta, /upload/v1beta, /download/v1beta    Gemini
///     /openrouter/api/v1, /deepseek/v1, /deepseek, /compatible-mode/v1    OpenAI's flavours
///     /tokenize                vLLM's, beside its /v1
///
/// @param anthropic the request has the header anthropic-version.
route find_route(std::string_view method, std::string_view path, bool anthropic);

constexpr bool is_count(operation op) noexcept {
  return op == operation::count_tokens || op == operation::tokenize;
}

/// @returns whether @p op asks a model something: what is recorded as a call, limited and struck by faults.
constexpr bool is_model_call(operation op) noexcept {
  return op == operation::chat || is_count(op) || op == operation::embed || op == operation::embed_many;
}

} // namespace assay::mock
