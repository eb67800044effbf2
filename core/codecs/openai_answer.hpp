#pragma once

#include "core/codecs/error_body.hpp"
#include "core/codecs/wire_codec.hpp"

/// Answers in OpenAI's protocol. For the .cpp files of this folder only.
namespace assay::codecs {

/// What the members beside `choices` say. Shared by answers in one piece and in many.
struct answer_facts {
  token_usage usage;
  bool usage_present = false;
  std::optional<money> cost;
  std::string served_model;
  std::string body_id; ///< For a request id where no header has one.
  bool simulated = false;
};

/// Reads the facts that @p root states and leaves the others as they are.
/// @param wants_id no header has a request id.
void read_facts(dom::element root, answer_facts& facts, bool wants_id);

/// Puts @p facts into an answer or a failure.
void apply_facts(answer_facts facts, const http_headers& headers, chat_answer& out);
void apply_facts(answer_facts facts, const http_headers& headers, call_failure& out);

finish_reason finish_from(std::string_view word) noexcept;

/// @returns the error inside a choice, or the one that its finish_reason stands for.
std::optional<provider_error> error_of_choice(dom::element choice);

/// Why a text that is not there is not there: the provider's policy.
call_failure withheld_answer();

/// The thoughts of a message or delta, under any of their names.
std::string_view reasoning_of(dom::element message);

/// Content is a text, or a list of parts of which those of type `text` count.
std::optional<shared_text> read_content(dom::element message);

/// Turns what came back into an answer or a classified failure. Never throws on any input except for lack of
/// memory. Its buffers are reused.
class openai_answers {
public:
  explicit openai_answers(decode_options options) : options_(options) {}

  decoded_answer read(const http_outcome& outcome, wall_time now);

  /// @returns the body of a success as JSON, or why there is none. Its elements live until the next call.
  /// @param answer_key the member that marks a good answer.
  decoded<dom::element> read_body(const http_outcome& outcome, wall_time now, const char* answer_key);

  const decode_options& options() const noexcept { return options_; }

private:
  decoded_answer read_choices(dom::element root, dom::element list, const http_outcome& outcome,
                              wall_time now);

  decode_options options_;
  json_document document_;
};

} // namespace assay::codecs
