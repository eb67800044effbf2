#pragma once

#include "protocol/inspect.hpp"
#include "protocol/messages/calls.hpp"

#include <caf/meta/type_name.hpp>

#include <vector>

namespace assay {

// -- rate limiter ------------------------------------------------------------------------------------------

/// One call that wants to go out.
struct slot_request {
  call_id id;
  uint32_t tokens = 0;        ///< Estimate.
  uint32_t output_tokens = 0; ///< Of them, those of the answer.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slot_request& x) {
  return f(caf::meta::type_name("slot_request"), x.id, x.tokens, x.output_tokens);
}

/// Calls that may go out now.
struct slots_granted {
  model_id model;
  uint32_t key = 0; ///< Whose limiter it is, by its place in the provider's pool.
  std::vector<call_id> calls;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slots_granted& x) {
  return f(caf::meta::type_name("slots_granted"), x.model, x.key, x.calls);
}

/// The next call waits for a limit, longer than a moment.
struct slots_delayed {
  model_id model;
  uint32_t key = 0; ///< As in slots_granted.
  nanoseconds wait{0};
  std::string limit; ///< In words: `requests-per-minute limit`.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slots_delayed& x) {
  return f(caf::meta::type_name("slots_delayed"), x.model, x.key, x.wait, x.limit);
}

/// What a call really used, so that the estimate can be corrected. Also gives its concurrency slot back.
struct slot_settlement {
  call_id id;
  uint32_t estimated_tokens = 0;
  uint32_t actual_tokens = 0;           ///< As the estimate when the provider did not say.
  uint32_t estimated_output_tokens = 0; ///< Of estimated_tokens, those of the answer.
  uint32_t actual_output_tokens = 0;
  bool answered =
      false; ///< Its call was answered; not so for a refusal, another failure, or one that was not sent.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slot_settlement& x) {
  return f(caf::meta::type_name("slot_settlement"), x.id, x.estimated_tokens, x.actual_tokens,
           x.estimated_output_tokens, x.actual_output_tokens, x.answered);
}

struct slots_settled {
  std::vector<slot_settlement> slots;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slots_settled& x) {
  return f(caf::meta::type_name("slots_settled"), x.slots);
}

/// Waiting requests that nobody wants any more.
struct slots_withdrawn {
  std::vector<call_id> calls;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, slots_withdrawn& x) {
  return f(caf::meta::type_name("slots_withdrawn"), x.calls);
}

/// What a provider's headers said about the key's limits.
struct limits_observed {
  std::optional<uint32_t> limit_requests; ///< Per minute, as the tokens.
  std::optional<uint32_t> remaining_requests;
  std::optional<uint32_t> limit_tokens;
  std::optional<uint32_t> remaining_tokens;
  std::optional<uint32_t> limit_requests_per_day;
  std::optional<uint32_t> remaining_requests_today;
  uint32_t requests_sent_since = 0; ///< Calls sent after the one that was answered.
  // Where the two directions are limited apart.
  std::optional<uint32_t> limit_input_tokens = {}; ///< Per minute, as all of these.
  std::optional<uint32_t> remaining_input_tokens = {};
  std::optional<uint32_t> limit_output_tokens = {};
  std::optional<uint32_t> remaining_output_tokens = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, limits_observed& x) {
  auto limit_requests = field(x.limit_requests);
  auto remaining_requests = field(x.remaining_requests);
  auto limit_tokens = field(x.limit_tokens);
  auto remaining_tokens = field(x.remaining_tokens);
  auto limit_per_day = field(x.limit_requests_per_day);
  auto remaining_today = field(x.remaining_requests_today);
  auto limit_input = field(x.limit_input_tokens);
  auto remaining_input = field(x.remaining_input_tokens);
  auto limit_output = field(x.limit_output_tokens);
  auto remaining_output = field(x.remaining_output_tokens);
  return f(caf::meta::type_name("limits_observed"), limit_requests, remaining_requests, limit_tokens,
           remaining_tokens, limit_per_day, remaining_today, x.requests_sent_since, limit_input,
           remaining_input, limit_output, remaining_output);
}

/// A 429: nothing goes out for this long.
struct key_closed {
  milliseconds for_duration{0};
  bool announced = false; ///< The headers had foretold it.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, key_closed& x) {
  return f(caf::meta::type_name("key_closed"), x.for_duration, x.announced);
}

/// What a limiter must hand to its successor; kept by the provider.
struct limiter_memory {
  model_id model;
  uint32_t key = 0;  ///< As in slots_granted.
  std::string state; ///< Opaque: written and read by the limiter alone.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, limiter_memory& x) {
  return f(caf::meta::type_name("limiter_memory"), x.model, x.key, x.state);
}

/// What a provider's successor must know: limiters, breakers. Kept by the supervisor and in the store.
struct provider_memory {
  provider_id provider;
  std::string state; ///< Opaque: written and read by the provider alone.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, provider_memory& x) {
  return f(caf::meta::type_name("provider_memory"), x.provider, x.state);
}

// -- connection --------------------------------------------------------------------------------------------

/// One call on its way to the wire.
struct exchange {
  call_id id;
  std::string wire_model;
  std::vector<chat_message> messages;
  sampling parameters;
  std::shared_ptr<const answer_options> options; ///< Null for none.
  milliseconds timeout{600'000};
  bool stream = false; ///< Only with call_kind::chat.
  call_kind kind = call_kind::chat;
  std::shared_ptr<const embedding_inputs> inputs = nullptr; ///< As in call.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, exchange& x) {
  auto options = shared(x.options);
  auto inputs = shared(x.inputs);
  return f(caf::meta::type_name("exchange"), x.id, x.wire_model, x.messages, x.parameters, options, x.timeout,
           x.stream, x.kind, inputs);
}

struct exchange_batch {
  std::vector<exchange> exchanges;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, exchange_batch& x) {
  return f(caf::meta::type_name("exchange_batch"), x.exchanges);
}

/// One try of a call, decoded. Either an answer or a classified failure.
struct exchange_result {
  call_id id;
  shared_text answer;
  std::shared_ptr<const answer_extras> extras; ///< Null for a plain answer.
  finish_reason finish = finish_reason::unknown;
  token_usage usage;
  bool usage_present = false;
  uint16_t http_status = 0;
  std::string served_model;
  std::string request_id;
  bool simulated = false;
  std::optional<fault> error;
  std::optional<milliseconds> retry_after;
  bool possibly_billed = false;
  microseconds connect{0};
  microseconds first_byte{0};
  microseconds transfer{0};
  microseconds local_lag{0};
  std::optional<limits_observed> limits;
  /// Of call_kind::embed. What call_kind::count_tokens asks for is usage.prompt_tokens.
  std::shared_ptr<const embedding_vectors> embeddings = nullptr;
  std::optional<money> cost = {}; ///< What the provider says that it has charged.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, exchange_result& x) {
  auto error = field(x.error);
  auto retry_after = field(x.retry_after);
  auto limits = field(x.limits);
  auto extras = shared(x.extras);
  auto embeddings = shared(x.embeddings);
  auto cost = field(x.cost);
  return f(caf::meta::type_name("exchange_result"), x.id, x.answer, extras, x.finish, x.usage,
           x.usage_present, x.http_status, x.served_model, x.request_id, x.simulated, error, retry_after,
           x.possibly_billed, x.connect, x.first_byte, x.transfer, x.local_lag, limits, embeddings, cost);
}

struct exchange_result_batch {
  std::vector<exchange_result> results;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, exchange_result_batch& x) {
  return f(caf::meta::type_name("exchange_result_batch"), x.results);
}

/// Calls whose answers nobody waits for any more.
struct exchanges_given_up {
  std::vector<call_id> calls;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, exchanges_given_up& x) {
  return f(caf::meta::type_name("exchanges_given_up"), x.calls);
}

/// INTERNAL to the connection: what its sockets have produced since the last time. A request's pieces come
/// before its outcome.
struct io_completed {
  std::vector<http_piece> pieces;
  std::vector<http_outcome> outcomes;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, io_completed& x) {
  return f(caf::meta::type_name("io_completed"), x.pieces, x.outcomes);
}

} // namespace assay
