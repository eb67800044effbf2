#pragma once

#include "core/codecs/http_message.hpp"
#include "core/codecs/rate_limit_headers.hpp"
#include "core/values/conversation.hpp"
#include "core/values/errors.hpp"
#include "core/values/model.hpp"
#include "core/values/sample.hpp"
#include "core/values/secret.hpp"
#include "core/values/time.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What the farm asks of every provider protocol. Pure: no sockets, no clocks, no keys except in
/// credential().
namespace assay::codecs {

// -- asking ------------------------------------------------------------------------------------------------

/// One question as a codec sees it. Refers to the caller's values.
struct chat_request {
  std::string_view model; ///< What the provider calls it; for Azure the deployment.
  std::span<const chat_message> messages;
  const sampling& parameters;
  const answer_options* options = nullptr;
  bool stream = false;
};

/// A request without its origin and credentials.
struct encoded_request {
  std::string target; ///< Path below the provider's base URL, with its query: `/chat/completions`.
  shared_text body;   ///< JSON. Empty means GET.
  /// Parameters that this model does not take and that were left out: `temperature: o3 takes none`.
  std::vector<std::string> dropped;
  /// The target stands beside the base URL's path, not below it (vLLM's /tokenize).
  bool at_origin = false;
};

// -- answering ---------------------------------------------------------------------------------------------

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
  std::string reasoning;  ///< What the model thought aloud, where the provider shows it.
  std::vector<tool_call> tool_calls;
  std::vector<shared_text> more_choices; ///< The second and further answers, when several were asked for.
  std::string logprobs_json;             ///< OpenAI's `logprobs` object of the first choice.
  std::optional<money> cost;             ///< What the provider says it charged (OpenRouter).
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

// -- streams -----------------------------------------------------------------------------------------------

/// Reads one streamed answer as its bytes come. Never throws on any input except for lack of memory.
class stream_decoder {
public:
  virtual ~stream_decoder() = default;

  /// @param bytes of the body, cut anywhere. @param out gets what they add.
  /// @returns whether nothing more will come: the stream has said that it is complete, or has failed.
  virtual bool feed(std::string_view bytes, std::vector<answer_delta>& out) = 0;

  /// @returns what the provider has counted so far; nothing when it has not said.
  virtual std::optional<token_usage> usage_so_far() const = 0;

  /// Call once, when the body has ended or failed. A stream that ended without saying so, or that reported an
  /// error after status 200, is a failure (errc::truncated_answer, or the error's class), possibly billed.
  /// @param outcome status, headers and transport error; its body holds what came with a status other than
  /// 200, or is empty.
  virtual decoded_answer finish(const http_outcome& outcome, wall_time now) = 0;
};

// -- other questions ---------------------------------------------------------------------------------------

struct embedding_request {
  std::string_view model;
  std::span<const std::string> inputs;
  std::optional<uint32_t> dimensions;
};

struct embedding_answer {
  std::vector<std::vector<float>> vectors; ///< One for each input, in their order.
  token_usage usage;
  bool usage_present = false;
  std::string served_model;
  std::string request_id;
  bool simulated = false; ///< As in chat_answer.
};

struct listed_model {
  std::string id;
  std::string name;
  uint32_t context_window = 0; ///< Tokens; 0 when not said.
  uint32_t max_output_tokens = 0;
};

struct model_page {
  std::vector<listed_model> models;
  std::string next_page; ///< For the next encode_model_list; empty at the end.
};

template <class T>
using decoded = std::variant<T, call_failure>;

// -- the codec ---------------------------------------------------------------------------------------------

/// One provider protocol, with one provider's deviations. Buffers are reused: one per caller, not for use by
/// two threads at once. Answers are decoded without throwing on any input except for lack of memory.
class wire_codec {
public:
  virtual ~wire_codec() = default;

  /// The header that carries @p key, which is not empty: `Authorization: Bearer ...`, `x-api-key`, `api-key`
  /// or `x-goog-api-key`.
  virtual std::pair<std::string, secret> credential(const secret& key) const = 0;

  /// Headers of every request besides the credential: `anthropic-version`.
  virtual http_headers fixed_headers() const = 0;

  /// Fails with errc::unsupported, before any call, for what the provider cannot do; the hint names providers
  /// that can. Fails with errc::invalid_argument for what no provider could do.
  virtual result<encoded_request> encode_chat(const chat_request& request) = 0;

  /// @param now calendar time, for a Retry-After that is a date.
  virtual decoded_answer decode_chat(const http_outcome& outcome, wall_time now) = 0;

  virtual std::unique_ptr<stream_decoder> open_stream() = 0;

  virtual rate_limit_report read_limits(const http_headers& headers, wall_time now) const = 0;

  /// Vectors come back in the order of the inputs, whatever the order of the answer.
  virtual result<encoded_request> encode_embeddings(const embedding_request& request) = 0;
  virtual decoded<embedding_answer> decode_embeddings(const http_outcome& outcome, wall_time now) = 0;

  /// @returns whether there is a call that counts tokens; without one, encode_count always fails.
  virtual bool counts_tokens() const noexcept { return true; }

  /// Counts the tokens of a prompt at the provider. Fails with errc::unsupported where there is no such call.
  virtual result<encoded_request> encode_count(const chat_request& request) = 0;
  virtual decoded<uint32_t> decode_count(const http_outcome& outcome, wall_time now) = 0;

  /// @param page empty, or model_page::next_page of the page before.
  virtual result<encoded_request> encode_model_list(std::string_view page) = 0;
  virtual decoded<model_page> decode_model_list(const http_outcome& outcome, wall_time now) = 0;
};

/// @returns the codec of a provider as configured; never null.
std::unique_ptr<wire_codec> make_codec(const provider_profile& provider);

} // namespace assay::codecs
