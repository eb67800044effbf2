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

  bool operator==(const lane&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lane& x) {
  auto prices = field(x.prices);
  return f(caf::meta::type_name("lane"), x.run, x.model, x.provider, x.wire_model, prices, x.tenant,
           x.tenant_weight, x.run_weight, x.priority);
}

/// One question to a model. Its deadline starts when it gets a slot, so it carries a duration.
struct call {
  call_id id;
  std::vector<chat_message> messages;
  sampling parameters;
  uint32_t estimated_tokens = 0; ///< Prompt and likely answer, for limits and fairness.
  milliseconds timeout{600'000};
  bool stream = false; ///< Deltas go to the sink of the batch as they come.
  /// Tries that already failed elsewhere, when a forwarder sends the call again.
  std::vector<attempt_record> failures;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call& x) {
  return f(caf::meta::type_name("call"), x.id, x.messages, x.parameters, x.estimated_tokens, x.timeout,
           x.stream, x.failures);
}

/// How one call ended, after retries: an answer, or the last failure.
struct call_outcome {
  call_id id;
  shared_text answer;
  finish_reason finish = finish_reason::unknown;
  token_usage usage;
  bool usage_estimated = false;
  std::optional<money> cost;
  call_timing timing;
  uint16_t http_status = 0;
  std::string served_model;
  std::string request_id;
  bool simulated = false;
  bool possibly_billed = false; ///< Failed after the request had been written.
  std::optional<fault> error;   ///< Set when there is no answer.
  std::vector<attempt_record> failures;
  wall_time finished_at{};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_outcome& x) {
  auto cost = field(x.cost);
  auto error = field(x.error);
  return f(caf::meta::type_name("call_outcome"), x.id, x.answer, x.finish, x.usage, x.usage_estimated, cost,
           x.timing, x.http_status, x.served_model, x.request_id, x.simulated, x.possibly_billed, error,
           x.failures, x.finished_at);
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

/// A piece of a streamed answer.
struct call_delta {
  call_id id;
  shared_text text;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_delta& x) {
  return f(caf::meta::type_name("call_delta"), x.id, x.text);
}

/// How many calls of a lane may be out at once. Replaces the number said before.
struct lane_credit {
  run_id run;
  uint32_t calls = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, lane_credit& x) {
  return f(caf::meta::type_name("lane_credit"), x.run, x.calls);
}

/// Ends a lane's waiting calls: each comes back as errc::cancelled without having been sent.
struct withdraw_calls {
  run_id run;
  /// When set, calls in flight are given up after this time too, as possibly billed. Unset: they finish.
  std::optional<milliseconds> grace;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, withdraw_calls& x) {
  auto grace = field(x.grace);
  return f(caf::meta::type_name("withdraw_calls"), x.run, grace);
}

/// The lane ends; nothing of it is out any more.
struct close_lane {
  run_id run;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, close_lane& x) {
  return f(caf::meta::type_name("close_lane"), x.run);
}

} // namespace assay
