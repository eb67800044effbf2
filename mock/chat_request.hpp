#pragma once

#include "mock/api_error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// The form that an answer has to take.
enum class answer_format : uint8_t { text = 1, json_object = 2, json_schema = 3 };

/// Whether an answer may be a call of a tool.
enum class tool_use : uint8_t { none = 1, automatic = 2, required = 3 };

/// What the mock provider needs to know of a chat request, whatever the protocol.
struct chat_request {
  std::string model;
  std::string user_text;                       ///< The last user message, its text parts joined.
  std::vector<std::string> earlier_user_texts; ///< Those before it, in order; 64 at most.
  uint64_t prompt_hash = 0;                    ///< Over roles, texts and images of all messages; never 0.
  uint64_t prompt_tokens = 0;
  std::optional<uint64_t> max_tokens; ///< max_completion_tokens, else max_tokens.
  uint32_t choices = 1;               ///< `n`.
  uint32_t images = 0;
  bool stream = false;
  bool include_usage = false;
  std::vector<std::string> stop;
  answer_format format = answer_format::text;
  std::string schema; ///< JSON; json_schema only. Empty: any value.
  tool_use tools = tool_use::none;
  std::string tool_name;          ///< The tool that was asked for by name, else the first.
  std::string tool_schema;        ///< JSON; empty: no arguments.
  bool after_tool_result = false; ///< The last message brings a tool's result.
};

/// What the mock provider needs to know of a request for embeddings.
struct embedding_request {
  std::string model;
  std::vector<std::string> texts;
  uint64_t prompt_tokens = 0;
  uint32_t dimensions = 0; ///< 0: the protocol's default.
  bool base64 = false;
};

/// @returns whether the simulated model answers with a call of the tool: when the request requires one, or
/// leaves it to the model and the last user message names the tool or says to use or call a tool or function.
/// Never right after a tool's result.
bool calls_tool(const chat_request& request);

/// What an image costs, whatever its size.
constexpr uint64_t tokens_per_image = 85;

/// A rough count that never changes: one token per CJK, kana or hangul character, one per four other
/// characters, rounded up. A prompt costs 3 more per message and 3 in all.
uint64_t estimate_tokens(std::string_view text) noexcept;

/// @returns how many bytes of @p text hold at most @p tokens tokens, cutting at a character's border.
size_t bytes_of_tokens(std::string_view text, uint64_t tokens) noexcept;

} // namespace assay::mock
