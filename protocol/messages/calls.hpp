#pragma once

#include "protocol/inspect.hpp"

#include <vector>

namespace assay {

/// What all calls of one run to one model have in common: the place it has in waiting lines.
struct lane {
  run_id run;
  model_id model;
  provider_id provider;   ///< As pinned by the run.
  std::string wire_model; ///< As pinned by the run; empty leaves it to the configuration.
  std::optional<token_prices> prices;
  user_id tenant;
  uint32_t tenant_weight = 1;
  uint32_t run_weight = 1;
  int32_t priority = 0;
  call_route route; ///< As pinned by the run; empty: `model` alone.
  call_rules rules; ///< As pinned by the run.
  cache_use cache = cache_use::off;
  std::optional<money> max_cost;        ///< Of the whole run; nothing means no such limit.
  bool interactive = false;             ///< Somebody waits for each answer: no run stands behind it.
  std::string api_key = {};             ///< The name of the caller's key; empty when it came without one.
  std::optional<money> key_budget = {}; ///< Of that key; nothing means no such limit.
  call_way way = call_way::online;
  /// The run by whose budget its calls are paid and with whose answers theirs are kept, when that is not
  /// `run`: a judge's lane has an id of its own. Empty: `run`.
  run_id account = {};

  bool operator==(const lane&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lane& x) {
  auto prices = field(x.prices);
  auto timeout = field(x.rules.timeout);
  auto max_retries = field(x.rules.max_retries);
  auto num_concurrent = field(x.rules.num_concurrent);
  auto max_cost = field(x.max_cost);
  auto key_budget = field(x.key_budget);
  return f(caf::meta::type_name("lane"), x.run, x.model, x.provider, x.wire_model, prices, x.tenant,
           x.tenant_weight, x.run_weight, x.priority, x.route, timeout, max_retries, num_concurrent, x.cache,
           max_cost, x.interactive, x.api_key, key_budget, x.way, x.account);
}

/// What is asked of a provider.
enum class call_kind : uint8_t {
  chat = 0,
  embed = 1,        ///< Vectors of texts.
  count_tokens = 2, ///< How many tokens `messages` are; where the provider cannot say, the farm estimates.
};

/// Texts whose vectors are wanted.
struct embedding_inputs {
  std::vector<std::string> texts;
  std::optional<uint32_t> dimensions; ///< Unset leaves it to the model.

  bool operator==(const embedding_inputs&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, embedding_inputs& x) {
  auto dimensions = field(x.dimensions);
  return f(caf::meta::type_name("embedding_inputs"), x.texts, dimensions);
}

/// One vector for each text, in their order.
struct embedding_vectors {
  std::vector<std::vector<float>> vectors;

  bool operator==(const embedding_vectors&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, embedding_vectors& x) {
  return f(caf::meta::type_name("embedding_vectors"), x.vectors);
}

/// One question to a model. Its deadline starts when it gets a slot, so it carries a duration.
struct call {
  call_id id;
  std::vector<chat_message> messages;
  sampling parameters;
  std::shared_ptr<const answer_options> options; ///< Null for none.
  /// Prompt and likely answer, for limits. The provider has an estimate of the prompt that it corrects by
  /// what it sees counted, and adds answer_tokens to it; it does not go below what stands here.
  uint32_t estimated_tokens = 0;
  milliseconds timeout{600'000};
  bool stream = false;     ///< Deltas go to the sink of the batch as they come.
  std::string prompt_type; ///< How it is asked; keys may be bound to it.
  /// There is somewhere else to go: instead of waiting for a target that cannot take it, it comes back as
  /// errc::breaker_open.
  bool movable = false;
  /// Tries that already failed elsewhere, when a forwarder sends the call again.
  std::vector<attempt_record> failures;
  uint32_t repetition = 0; ///< The epoch. Answers to different repetitions are not taken for one another.
  call_kind kind = call_kind::chat;
  std::shared_ptr<const embedding_inputs> inputs = nullptr; ///< With call_kind::embed; otherwise null.
  uint32_t answer_tokens = 0; ///< Of the likely answer, for limits; see estimated_tokens.
  /// Somebody waits for the answer: when it cannot be on the wire by then, on the farm's steady clock, it
  /// ends as errc::rate_limited with what it waits for, as soon as that is known. 0: it waits as long as it
  /// takes.
  nanoseconds send_by{0};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call& x) {
  auto options = shared(x.options);
  auto inputs = shared(x.inputs);
  return f(caf::meta::type_name("call"), x.id, x.messages, x.parameters, options, x.estimated_tokens,
           x.timeout, x.stream, x.prompt_type, x.movable, x.failures, x.repetition, x.kind, inputs,
           x.answer_tokens, x.send_by);
}

/// How one call ended, after retries: an answer, or the last failure.
struct call_outcome {
  call_id id;
  shared_text answer;
  std::shared_ptr<const answer_extras> extras; ///< Null for a plain answer.
  finish_reason finish = finish_reason::unknown;
  token_usage usage;
  bool usage_estimated = false;
  std::optional<money> cost;
  call_timing timing;
  uint16_t http_status = 0;
  std::string served_model;
  std::string request_id;
  std::string key; ///< The name of the key that was used last; empty when there is only one.
  /// `provider/model` that had it last; empty when the run has but one.
  std::string served_by;
  bool simulated = false;
  bool possibly_billed = false; ///< Failed after the request had been written.
  std::optional<fault> error;   ///< Set when there is no answer.
  std::vector<attempt_record> failures;
  wall_time finished_at{};
  /// Taken from the response cache, or from an identical call that was in flight: it cost nothing, and usage
  /// says what the first one took.
  bool cached = false;
  std::optional<money> saved; ///< What a cached answer cost when it was asked for.
  /// Of call_kind::embed. The count of call_kind::count_tokens is usage.prompt_tokens, and usage_estimated
  /// says whose it is.
  std::shared_ptr<const embedding_vectors> embeddings = nullptr;
  /// With errc::rate_limited: how long the provider has asked to wait.
  std::optional<milliseconds> retry_after = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_outcome& x) {
  auto retry_after = field(x.retry_after);
  auto cost = field(x.cost);
  auto error = field(x.error);
  auto extras = shared(x.extras);
  auto saved = field(x.saved);
  auto embeddings = shared(x.embeddings);
  return f(caf::meta::type_name("call_outcome"), x.id, x.answer, extras, x.finish, x.usage, x.usage_estimated,
           cost, x.timing, x.http_status, x.served_model, x.request_id, x.key, x.served_by, x.simulated,
           x.possibly_billed, error, x.failures, x.finished_at, x.cached, saved, embeddings, retry_after);
}

/// Ended calls of one run, many under load and one when idle.
struct call_outcome_batch {
  run_id run;
  std::vector<call_outcome> outcomes;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_outcome_batch& x) {
  return f(caf::meta::type_name("call_outcome_batch"), x.run, x.outcomes);
}

/// Pieces of a streamed answer. Nothing of an answer goes on the wire for longer than its reader takes it:
/// each is answered by deltas_taken.
struct call_delta {
  call_id id;
  std::vector<answer_delta> pieces;
  uint64_t bytes = 0; ///< That they took on the wire.
  /// As the provider has counted so far, where it does; of the answer it may count late.
  std::optional<token_usage> usage = {};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_delta& x) {
  auto usage = field(x.usage);
  return f(caf::meta::type_name("call_delta"), x.id, x.pieces, x.bytes, usage);
}

/// The reader has taken so many bytes of a streamed answer: as many more may come.
struct deltas_taken {
  call_id id;
  uint64_t bytes = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, deltas_taken& x) {
  return f(caf::meta::type_name("deltas_taken"), x.id, x.bytes);
}

/// A provider's last word before it is gone: which calls it had handed to a connection. No other call that it
/// had can have been paid for.
struct calls_on_the_wire {
  provider_id provider;
  std::vector<call_id> calls;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, calls_on_the_wire& x) {
  return f(caf::meta::type_name("calls_on_the_wire"), x.provider, x.calls);
}

/// How many calls of a lane may be out at once. Replaces what was said before.
struct lane_credit {
  run_id run;
  uint32_t calls = 0;
  model_id model = {};       ///< Whose credit it is, where a run has several models.
  provider_id provider = {}; ///< As model.
  /// False while the target cannot take calls: its breaker is open, or no key of it is good.
  bool available = true;
  /// Why its calls do not go out at the moment; empty while they do.
  std::string why = {};
  /// How many calls of the lane a connection has; the others that are out wait. Told at most twice a second.
  uint32_t on_the_wire = 0;
  uint64_t in_batches = 0; ///< Calls of the lane that are in batches which a provider works on.
  /// How many of its calls the present windows let onto the wire at once; 0 where nobody has said. Told
  /// before a window that has grown is used.
  uint32_t on_the_wire_at_most = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lane_credit& x) {
  return f(caf::meta::type_name("lane_credit"), x.run, x.calls, x.model, x.provider, x.available, x.why,
           x.on_the_wire, x.in_batches, x.on_the_wire_at_most);
}

/// Ends a lane's waiting calls: each comes back as errc::cancelled without having been sent.
struct withdraw_calls {
  run_id run;
  /// When set, calls in flight are given up after this time too, as possibly billed. Unset: they finish.
  std::optional<milliseconds> grace;
  std::vector<call_id> calls = {}; ///< Only these; empty means all of the lane.
  /// The run goes on at the next start: calls in batches come back as if never sent, and their batches stay
  /// where they are, to be found again.
  bool keep_batches = false;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, withdraw_calls& x) {
  auto grace = field(x.grace);
  return f(caf::meta::type_name("withdraw_calls"), x.run, grace, x.calls, x.keep_batches);
}

/// Movable or not, a lane's calls that wait at a target come back as errc::breaker_open: another can take
/// them.
struct recall_calls {
  run_id run;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, recall_calls& x) {
  return f(caf::meta::type_name("recall_calls"), x.run);
}

/// The lane ends; nothing of it is out any more.
struct close_lane {
  run_id run;
  /// Who asked is gone and will be back: its batches stay where they are.
  bool keep_batches = false;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, close_lane& x) {
  return f(caf::meta::type_name("close_lane"), x.run, x.keep_batches);
}

} // namespace assay
