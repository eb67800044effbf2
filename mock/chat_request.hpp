#pragma once

#include "core/values/errors.hpp"

#include <boost/system/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// An error answer in the provider's form.
struct api_error {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param; ///< Empty: null.
  std::string code;  ///< Empty: null.
};

/// What the mock provider needs to know of a chat request.
struct chat_request {
  std::string model;
  std::string user_text;    ///< The last user message, its text parts joined.
  uint64_t prompt_hash = 0; ///< Over roles and texts of all messages; never 0.
  uint64_t prompt_tokens = 0;
  std::optional<uint64_t> max_tokens; ///< max_completion_tokens, else max_tokens.
  uint32_t choices = 1;               ///< `n`.
  bool stream = false;
  bool include_usage = false;
  std::vector<std::string> stop;
};

/// Reads the body of POST /v1/chat/completions and refuses what the provider refuses, in its words.
boost::system::result<chat_request, api_error> read_chat_request(std::string_view body);

/// A rough count that never changes: one token per CJK, kana or hangul character, one per four other
/// characters, rounded up. A prompt costs 3 more per message and 3 in all.
uint64_t estimate_tokens(std::string_view text) noexcept;

/// @returns how many bytes of @p text hold at most @p tokens tokens, cutting at a character's border.
size_t bytes_of_tokens(std::string_view text, uint64_t tokens) noexcept;

} // namespace assay::mock
