#pragma once

#include "core/codecs/openai_answer.hpp"
#include "core/codecs/sse.hpp"

namespace assay::codecs {

/// Reads a streamed chat completion: chunks as `data:` events, then `data: [DONE]`. A server that answers in
/// one piece all the same is understood at the end.
class openai_stream final : public stream_decoder {
public:
  explicit openai_stream(decode_options options) : answers_(options) {}

  bool feed(std::string_view bytes, std::vector<answer_delta>& out) override;
  decoded_answer finish(const http_outcome& outcome, wall_time now) override;
  std::optional<token_usage> usage_so_far() const override {
    return facts_.usage_present ? std::optional{facts_.usage} : std::nullopt;
  }

private:
  struct choice_state {
    uint32_t index = 0;
    std::string text;
    std::string reasoning;
    std::string refusal;
    std::string finish;
    std::string logprobs; ///< Elements of `content`, joined with commas.
    std::vector<tool_call> calls;
    std::vector<uint32_t> call_indices; ///< One for each call.
  };

  void take_event(const sse_event& event, std::vector<answer_delta>& out);
  void take_choice(dom::element choice, std::vector<answer_delta>& out);
  void take_call(dom::element piece, choice_state& choice, answer_delta& delta);
  choice_state* choice_at(uint32_t index);
  size_t call_at(dom::element piece, choice_state& choice);
  bool complete() const noexcept;
  decoded_answer whole_answer(const http_outcome& outcome, wall_time now);
  decoded_answer joined_answer(const http_outcome& outcome);

  enum class body_kind : uint8_t { unknown, events, json };

  openai_answers answers_;
  json_document document_;
  sse_reader reader_;
  body_kind kind_ = body_kind::unknown;
  std::string json_; ///< A body in one piece.
  std::vector<choice_state> choices_;
  answer_facts facts_;
  bool done_ = false;
  std::optional<provider_error> error_;
  std::string defect_; ///< What is wrong with the stream itself.
};

} // namespace assay::codecs
