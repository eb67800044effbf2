#pragma once

#include "core/values/conversation.hpp"
#include "core/values/model.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace assay::codecs {

/// Everything that decides what a provider answers, and nothing else: no deadlines, priorities, run or sample
/// names, no `user`, and not by which key or with which estimate a call goes out. It is a chat's, or asks for
/// vectors; counts of tokens have no key here.
struct answer_question {
  wire_protocol protocol = wire_protocol::openai_chat;
  std::string_view base_url; ///< As configured, without a final slash.
  std::string_view wire_model;
  std::span<const chat_message> messages;
  const sampling* parameters = nullptr;
  const answer_options* options = nullptr; ///< Null asks for nothing beyond sampling.
  /// Which of several answers to the same question this is: the epoch. Without it, repeated samples would all
  /// get the first one's answer.
  uint32_t repetition = 0;
  /// Texts whose vectors are wanted, all of them together; a chat has none.
  std::span<const std::string> inputs = {};
  std::optional<uint32_t> dimensions = {};
};

/// Names the question in the response cache.
///
/// Stable: equal questions have equal keys on every machine and in every later version, until the meaning of
/// a field changes; then `answer_key_version` rises, and what was stored before is not found any more. A part
/// that is at its default is left out, so a new kind of option does not change the keys of those who do not
/// use it.
/// @returns the version's letter and a BLAKE2b-256 hash (RFC 7693), 33 bytes.
std::string answer_key(const answer_question& question);

/// The first byte of every key.
inline constexpr char answer_key_version = '1';
inline constexpr size_t answer_key_size = 33;

} // namespace assay::codecs
