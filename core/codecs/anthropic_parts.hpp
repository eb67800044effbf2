#pragma once

#include "core/codecs/protocol_parts.hpp"

/// The pieces of Anthropic's Messages API. For the .cpp files of this folder only.
/// Sources: the vendor's SDK for Python and platform.claude.com (Messages, Thinking, Effort, the migration
/// guides of each model).
namespace assay::codecs::anthropic {

// -- what a model takes
// --------------------------------------------------------------------------------------

/// How a model is told to think.
enum class thinking_mode : uint8_t {
  none,
  budget,     ///< `thinking: {type: enabled, budget_tokens}`: 3.7 to 4.5.
  on_request, ///< `thinking: {type: adaptive}` with an effort, off without: 4.6 to 4.8.
  on,         ///< Adaptive, on unless disabled.
  always,     ///< Adaptive, cannot be disabled.
};

struct model_traits {
  bool sampling = true;               ///< temperature, top_p, top_k; gone since 4.7.
  bool temperature_with_top_p = true; ///< Both at once; gone since 4.1.
  bool prefill = true;                ///< A last turn of the assistant is gone on with; gone since 4.6.
  bool forced_tools = true;           ///< tool_choice any or tool; gone since 5.5 and Fable 5.1.
  bool schemas = true;                ///< output_config.format and strict tools; since 4.1.
  thinking_mode thinking = thinking_mode::budget;
  uint32_t most_tokens = 0; ///< Of an answer; 0 when unknown.
};

/// @returns what the model is known to take, told by its name. A name that is not Claude's (other vendors
/// serve this protocol too) takes everything.
model_traits traits_of(std::string_view wire_model);

// -- asking
// --------------------------------------------------------------------------------------------------

bool only_blanks(std::string_view text) noexcept;

/// @returns the index of the last message that is not a system message, or the number of messages.
size_t last_turn(std::span<const chat_message> messages) noexcept;

/// Appends `,"system":...,"messages":[...]`. Messages of one role that follow each other become one turn, as
/// the server would make of them; empty turns of the assistant are left out.
result<void> append_conversation(std::string& out, std::span<const chat_message> messages,
                                 json_document& document, std::vector<std::string>& dropped);

/// @param prefix what stands before `/messages`: version_prefix().
result<encoded_request> encode_chat(const chat_request& request, const model_traits& traits,
                                    json_document& document, std::string_view prefix);
result<encoded_request> encode_count(const chat_request& request, const model_traits& traits,
                                     json_document& document, std::string_view prefix);

// -- answering
// -----------------------------------------------------------------------------------------------

/// The counters of `usage`. Those of a stream are cumulative: a later value replaces an earlier one.
struct usage_counts {
  std::optional<uint32_t> input; ///< Without what was read from or written to the cache.
  std::optional<uint32_t> output;
  uint32_t cache_writes = 0;
  uint32_t cache_reads = 0;
  uint32_t thinking = 0;

  void take(dom::element usage);
  bool present() const noexcept { return input && output; }
  token_usage total() const noexcept;
};

/// An answer as it has been read so far.
struct answer_parts {
  std::string reasoning;
  std::vector<tool_call> tool_calls;
  std::string stop_reason;
  std::string refusal; ///< The provider's explanation.
  std::string id;
  std::string model;
  usage_counts usage;
  bool simulated = false;

  /// Reads everything of a message but its content.
  void take_envelope(dom::element message);
  void take_stop(dom::element holder);
};

/// @returns the answer, or errc::content_filtered when it was refused without a word.
decoded_answer compose(answer_parts&& parts, shared_text text, const http_headers& headers);

/// Reads `{"type":"error","error":{...}}`, sent with @p status, or after HTTP 200 when that is 0.
call_failure read_failure(int status, dom::element root, const http_headers& headers, wall_time now);
/// @returns the failure of an answer with another status than 200.
call_failure read_failed_status(const http_outcome& outcome, json_document& document, wall_time now);

decoded_answer decode_chat(const http_outcome& outcome, json_document& document, wall_time now);
std::unique_ptr<stream_decoder> open_stream();

/// Reads `anthropic-ratelimit-*`.
rate_limit_report read_limits(const http_headers& headers, wall_time now);

} // namespace assay::codecs::anthropic
