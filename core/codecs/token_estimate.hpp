#pragma once

#include "core/values/conversation.hpp"
#include "core/values/model.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// How many tokens a text will be, guessed from its characters. No tokenizer is asked, so a guess may be off
/// by a quarter, and by more for program text and rare scripts; control::token_calibration corrects it by
/// what providers count.
namespace assay::codecs {

/// Characters of a text, by what tokenizers do with them. Bytes that are no UTF-8 count as marks.
struct text_profile {
  uint64_t letters = 0;    ///< Latin ones, with and without accents.
  uint64_t digits = 0;     ///< ASCII.
  uint64_t ideographs = 0; ///< Chinese, kana and hangul, with their punctuation and full-width forms.
  uint64_t marks = 0;      ///< Punctuation, symbols and control characters.
  uint64_t spaces = 0;     ///< White space, but not a single blank, which belongs to the word after it.
  uint64_t others = 0;     ///< Letters of other alphabets; an emoji counts as several.

  bool operator==(const text_profile&) const = default;
};

/// Of a text over 128 KiB only slices are looked at, and the result is scaled.
text_profile profile_of(std::string_view text) noexcept;

/// Models whose tokenizers are alike.
enum class tokenizer_family : uint8_t {
  unknown = 0,
  openai,     ///< o200k_base: GPT-4o and later.
  openai_old, ///< cl100k_base: GPT-3.5, GPT-4 and the embedding models.
  anthropic,
  gemini,
  deepseek,
  qwen,
  llama,
};

/// By the name that the provider has for the model, whoever serves it; by the protocol where the name says
/// nothing.
tokenizer_family family_of(wire_protocol protocol, std::string_view wire_model) noexcept;

/// Tokens for each character of a class, and for what stands around the texts.
struct token_rates {
  double letter = 0;
  double digit = 0;
  double ideograph = 0;
  double mark = 0;
  double space = 0;
  double other = 0;
  double message = 0; ///< Role and borders of one message.
  double prompt = 0;  ///< Once: where the answer begins.
  double image = 0;   ///< One picture of middling size.
  double tools = 0;   ///< Once, when there are any.
  double tool = 0;    ///< One definition or call, without its texts.
};

/// What is assumed of a family before anything has been counted.
const token_rates& rates_of(tokenizer_family family) noexcept;

/// @returns 0 only for an empty text.
uint32_t estimate_tokens(std::string_view text, const token_rates& rates) noexcept;

/// Of a chat's messages, with their pictures, tools and the schema of the answer.
/// @param options may be null.
uint32_t estimate_prompt(std::span<const chat_message> messages, const answer_options* options,
                         const token_rates& rates) noexcept;

/// Of texts whose vectors are asked for.
uint32_t estimate_inputs(std::span<const std::string> texts, const token_rates& rates) noexcept;

} // namespace assay::codecs
