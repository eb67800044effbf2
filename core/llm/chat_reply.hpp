#pragma once

#include "core/values/conversation.hpp"
#include "core/values/model.hpp"
#include "core/values/sample.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace assay::llm {

/// What every piece of one answer in OpenAI's form says.
struct reply_head {
  std::string id;      ///< `chatcmpl-...`
  std::string model;   ///< As asked for; an answer that knows who gave it says so instead.
  int64_t created = 0; ///< Unix seconds.
};

/// An answer, as far as callers hear of it. Refers to what it was made from.
struct model_answer {
  std::string_view text;
  const answer_extras* extras = nullptr; ///< Null for a plain answer.
  finish_reason finish = finish_reason::unknown;
  token_usage usage;
  std::string_view served_model; ///< May be empty.
};

/// @returns OpenAI's word: `stop`, `length`, `content_filter` or `tool_calls`.
std::string_view finish_word(finish_reason reason) noexcept;

/// @returns the body of POST /v1/chat/completions (OpenAI's chat.completion).
std::string chat_completion(const reply_head& head, const model_answer& answer);

/// Writes one streamed answer as server-sent events of OpenAI's chat.completion.chunk.
class chunk_writer {
public:
  /// @param include_usage The stream ends with a piece without choices that says what it took.
  chunk_writer(reply_head head, bool include_usage, uint32_t choices);

  /// @returns the event of one piece, with the role before the first one of each choice.
  std::string piece(const answer_delta& delta);

  /// @returns what ends the stream: the reason, the usage when wanted, and `[DONE]`. An answer of which no
  /// piece came before goes out whole.
  std::string end(const model_answer& answer);

  /// @returns an event that ends the stream with an error. @param body OpenAI's error object, JSON text.
  static std::string failure(std::string_view body);

private:
  void open(std::string& out) const;
  void close(std::string& out) const;
  void introduce(std::string& out, uint32_t choice);

  reply_head head_;
  bool include_usage_;
  uint32_t choices_;
  std::vector<bool> introduced_; ///< By choice.
  bool has_text_ = false;        ///< Some piece went out.
};

/// Appends OpenAI's usage object.
void append_usage(std::string& out, const token_usage& usage);

} // namespace assay::llm
