#include "protocol/actors.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace assay {
namespace {

/// @returns whether every message of @p Handle that is @p Message is one-way.
template <class Message, class Handle>
struct one_way;

template <class Message, class... Signatures>
struct one_way<Message, caf::typed_actor<Signatures...>> {
  template <class Signature>
  struct check;
  template <class Input, class... Outputs>
  struct check<caf::typed_mpi<caf::detail::type_list<Input>, caf::output_tuple<Outputs...>>> {
    static constexpr bool takes = std::is_same_v<Input, Message>;
    static constexpr bool good = !takes || (std::is_void_v<Outputs> && ...);
  };
  static constexpr bool value = (check<Signatures>::takes || ...) && (check<Signatures>::good && ...);
};

template <class Message, class... Handles>
inline constexpr bool one_way_for = (one_way<Message, Handles>::value && ...);

/// CAF 0.17.6 never cancels the timer of an answered request: one for each call would add up to gigabytes. So
/// what happens once a call is no request.
TEST(interfaces, ConversationsOfTheHotPathAreOneWay) {
  static_assert(one_way_for<call_batch, call_target_actor, provider_actor, model_router_actor>);
  static_assert(one_way_for<call_outcome_batch, call_sink_actor, model_router_actor, evaluation_actor>);
  static_assert(one_way_for<lane_credit, call_sink_actor, model_router_actor, evaluation_actor>);
  static_assert(one_way_for<call_delta, call_sink_actor, model_router_actor, evaluation_actor>);
  static_assert(one_way_for<call_delta, exchange_sink_actor>);
  static_assert(
      one_way_for<deltas_taken, call_target_actor, provider_actor, model_router_actor, connection_actor>);
  static_assert(one_way_for<calls_on_the_wire, call_sink_actor, model_router_actor, evaluation_actor>);
  static_assert(one_way_for<acquire_slots, rate_limiter_actor>);
  static_assert(one_way_for<slots_settled, rate_limiter_actor>);
  static_assert(one_way_for<slots_granted, slot_sink_actor, provider_actor>);
  static_assert(one_way_for<slots_delayed, slot_sink_actor, provider_actor>);
  static_assert(one_way_for<exchange_batch, connection_actor>);
  static_assert(one_way_for<io_completed, connection_actor>);
  static_assert(one_way_for<exchange_result_batch, exchange_sink_actor, provider_actor>);
  static_assert(one_way_for<probe_connection, connection_actor>);
  static_assert(one_way_for<connection_probed, exchange_sink_actor, provider_actor>);
  static_assert(one_way_for<tune_provider, tuned_actor, provider_actor>);
  static_assert(one_way_for<provider_met, monitor_actor>);
  static_assert(one_way_for<append, journal_actor>);
  static_assert(one_way_for<writer_reported, journal_actor>);
  static_assert(one_way_for<committed, commit_sink_actor, evaluation_actor>);
  static_assert(one_way_for<observe_calls, monitor_actor>);
  static_assert(one_way_for<observe_quality, monitor_actor>);
  static_assert(one_way_for<post_webhooks, webhook_poster_actor>);
  static_assert(one_way_for<publish_events, event_hub_actor>);
  static_assert(one_way_for<publish_progress, event_hub_actor>);
  static_assert(one_way_for<frame_batch, event_sink_actor>);
  static_assert(one_way_for<ask_models, gateway_actor>);
  static_assert(one_way_for<withdraw_questions, gateway_actor>);
  static_assert(one_way_for<run_in_sandbox, sandbox_actor>);
  static_assert(one_way_for<sandbox_results, sandbox_sink_actor, sandbox_actor>);
  static_assert(one_way_for<call_outcome_batch, answer_sink_actor, gateway_actor>);
  static_assert(one_way_for<call_delta, answer_sink_actor, gateway_actor>);
  static_assert(one_way_for<deltas_taken, gateway_actor>);
}

/// The check can tell the two apart.
TEST(interfaces, RareVerbsAreRequests) {
  static_assert(!one_way_for<submit_run, run_supervisor_actor>);
  static_assert(!one_way_for<append_and_wait, journal_actor>);
}

} // namespace
} // namespace assay
