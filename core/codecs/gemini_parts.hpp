#pragma once

#include "core/codecs/protocol_parts.hpp"

#include <map>

/// The pieces of Google's Gemini API. For the .cpp files of this folder only.
/// Sources: the vendor's SDK for Python and ai.google.dev (generateContent, thinking, function calling,
/// thought signatures, rate limits).
namespace assay::codecs::gemini {

// -- what a model takes
// ----------------------------------------------------------------------------------------

/// How a model is told to think.
enum class thinking_mode : uint8_t {
  none,
  budget, ///< thinkingConfig.thinkingBudget: 2.5.
  level,  ///< thinkingConfig.thinkingLevel: 3 and later, which always think.
};

struct model_traits {
  thinking_mode thinking = thinking_mode::none;
  bool can_stop_thinking = false; ///< A budget of 0 is accepted.
  bool minimal_level = false;     ///< thinkingLevel MINIMAL is accepted.
  bool signatures = false;        ///< Refuses calls in the conversation that lack a thoughtSignature.
};

/// @returns what the model is known to take, told by its name.
model_traits traits_of(std::string_view wire_model);

/// @returns the resource of a model: `models/gemini-2.5-flash`, or `tunedModels/...` and
/// `publishers/google/models/...` as they are. `google/` before a name is left out.
std::string resource_of(std::string_view wire_model);
/// @returns the same as it stands in a path.
std::string path_of(std::string_view wire_model);

// -- asking
// ------------------------------------------------------------------------------------------------------

/// Begins the ids of calls to which Gemini gave none; they never go back to it. At most 40 bytes long, which
/// is as much as OpenAI takes.
inline constexpr std::string_view own_id = "gemini_call_";

/// Appends `"contents":[...]`, and `,"systemInstruction":{...}` when there is a system text.
result<void> append_conversation(std::string& out, std::span<const chat_message> messages,
                                 const model_traits& traits, json_document& document);
/// Appends `,"tools":[...]` and `,"toolConfig":{...}` when there are tools.
void append_tools(std::string& out, const answer_options& options, const prepared_options& prepared);

result<encoded_request> encode_chat(const chat_request& request, json_document& document,
                                    std::string_view prefix);
result<encoded_request> encode_count(const chat_request& request, json_document& document,
                                     std::string_view prefix);
result<encoded_request> encode_embeddings(const embedding_request& request, std::string_view prefix);

// -- answering
// ---------------------------------------------------------------------------------------------------

/// One of the answers as it has been read so far.
struct candidate_parts {
  std::string text;
  std::string reasoning;
  std::vector<tool_call> tool_calls;
  std::string finish_word;
  std::string logprobs; ///< Items of OpenAI's list `content`.
};

/// Everything a response says. A stream is a row of responses, each with a further part of the texts;
/// whatever is no text replaces what came before.
class response_parts {
public:
  /// @param out gets what the response adds, when it is not null.
  void take(dom::element response, std::vector<answer_delta>* out);

  /// @returns whether the provider has said that nothing more will come.
  bool complete() const noexcept;

  /// @returns what the provider has counted so far.
  std::optional<token_usage> usage() const { return usage_present_ ? std::optional{usage_} : std::nullopt; }

  /// @returns the answer, or why there is none: errc::content_filtered for a blocked prompt and for an answer
  /// that was withheld.
  decoded_answer compose(const http_outcome& outcome) &&;

  /// Adds what is known to a failure.
  call_failure completed(call_failure failure) const;

private:
  void take_candidate(dom::element candidate, std::vector<answer_delta>* out);
  void take_part(dom::element part, candidate_parts& into, answer_delta& delta);
  void take_usage(dom::element usage);
  std::string id_for(const tool_call& call, uint32_t index) const;

  std::map<uint32_t, candidate_parts> candidates_;
  token_usage usage_;
  bool usage_present_ = false;
  std::string block_reason_;
  std::string model_;
  std::string id_;
  bool simulated_ = false;
};

/// Reads `{"error":{code, message, status, details}}`, also as the only item of a list.
/// @param status HTTP's, or 0 for an error after HTTP 200.
call_failure read_failure(int status, dom::element root, const http_headers& headers, wall_time now);
/// @returns the failure of an answer with another status than 200.
call_failure read_failed_status(const http_outcome& outcome, json_document& document, wall_time now);

decoded_answer decode_chat(const http_outcome& outcome, json_document& document, wall_time now);
std::unique_ptr<stream_decoder> open_stream();

} // namespace assay::codecs::gemini
