#pragma once

#include "core/codecs/http_message.hpp"
#include "core/values/errors.hpp"
#include "core/values/model.hpp"
#include "core/values/sample.hpp"
#include "core/values/shared_text.hpp"
#include "core/values/time.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace assay::codecs {

/// Path of chat completions below a provider's base URL.
inline constexpr std::string_view chat_completions_path = "/chat/completions";

/// @returns whether the model thinks before it answers and so rejects `max_tokens` and sampling parameters:
/// OpenAI's o1, o3, o4 and gpt-5 and later, except the gpt-*-chat ones. A vendor prefix (`openai/o3`) is
/// ignored.
bool is_reasoning_model(std::string_view wire_model) noexcept;

/// Builds the body of one chat completion that is not streamed.
/// A reasoning model gets `max_completion_tokens` and neither temperature, top_p, penalties nor stop
/// sequences, since it would refuse the request for them; a caller that needs a stop cuts the answer itself
/// (cut_at_stop).
shared_text encode_request(std::string_view wire_model, const std::vector<chat_message>& messages,
                           const sampling& parameters, bool reasoning_model);

/// @returns @p text up to the first of @p stops, for models that take no stop sequences.
std::string_view cut_at_stop(std::string_view text, const std::vector<std::string>& stops) noexcept;

/// An answer that can be scored.
struct chat_answer {
  shared_text text; ///< May be empty, for example when all tokens went into reasoning.
  finish_reason finish = finish_reason::unknown;
  token_usage usage;
  bool usage_present = false; ///< The provider counted; otherwise usage is zero.
  std::string served_model;   ///< What the provider says it was; price by this.
  std::string request_id;
  bool refused = false;   ///< The text is the model's refusal.
  bool simulated = false; ///< The mock provider says that nobody thought about it.
};

/// Why there is no answer.
struct call_failure {
  errc code = errc::internal;
  std::string message; ///< The provider's words, cut at 500 bytes, or ours.
  std::optional<milliseconds> retry_after;
  /// The provider may have charged for it.
  bool possibly_billed = false;
  /// The header x-should-retry, when sent.
  std::optional<bool> should_retry;
  std::string provider_code; ///< error.code or error.type as sent: `insufficient_quota`, `429`.
  std::string request_id;
  token_usage usage; ///< What a withheld answer consumed.
  bool usage_present = false;
  bool simulated = false;

  fault to_fault() const { return {code, message, {}, {}}; }
};

using decoded_answer = std::variant<chat_answer, call_failure>;

/// How one provider deviates from the others.
struct decode_options {
  /// DashScope means a token-rate throttle by `insufficient_quota` with status 429; everybody else means that
  /// the money is gone.
  bool quota_429_is_throttle = false;
};

/// Turns what came back from an OpenAI-compatible server into an answer or a classified failure. Never throws
/// on any input except for lack of memory. Owns a parser whose buffers are reused: keep one per caller. Not
/// for use by two threads at once.
class answer_decoder {
public:
  explicit answer_decoder(decode_options options = {});
  ~answer_decoder();
  answer_decoder(answer_decoder&&) noexcept;
  answer_decoder& operator=(answer_decoder&&) noexcept;

  /// @param now calendar time, for a Retry-After that is a date.
  decoded_answer decode(const http_outcome& outcome, wall_time now);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace assay::codecs
