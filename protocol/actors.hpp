#pragma once

#include "protocol/messages/ab_tests.hpp"
#include "protocol/messages/batches.hpp"
#include "protocol/messages/budgets.hpp"
#include "protocol/messages/cache.hpp"
#include "protocol/messages/calls.hpp"
#include "protocol/messages/events.hpp"
#include "protocol/messages/experiments.hpp"
#include "protocol/messages/fleet.hpp"
#include "protocol/messages/gateway.hpp"
#include "protocol/messages/hosts.hpp"
#include "protocol/messages/journal.hpp"
#include "protocol/messages/key_health.hpp"
#include "protocol/messages/monitor_verbs.hpp"
#include "protocol/messages/monitoring.hpp"
#include "protocol/messages/routing.hpp"
#include "protocol/messages/runs.hpp"
#include "protocol/messages/schedules.hpp"
#include "protocol/messages/tuning.hpp"

#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

/// Every typed interface of the farm. One-way messages carry the hot path; requests are for rare verbs and
/// always have a timeout of at most five seconds. INTERNAL marks what an actor sends to itself.
namespace assay {

/// INTERNAL: the single periodic message of an actor that keeps deadlines.
struct tick {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, tick&) {
  return f(caf::meta::type_name("tick"));
}

// -- calls -------------------------------------------------------------------------------------------------

/// A CALL SINK asks questions and gets the answers: evaluations, the router, later the gateway.
using call_sink_actor = caf::typed_actor<
    // Calls that ended.
    caf::reacts_to<call_outcome_batch>,
    // How many calls may be out.
    caf::reacts_to<lane_credit>,
    // A piece of a streamed answer.
    caf::reacts_to<call_delta>,
    // From a provider that falls; comes before its DOWN.
    caf::reacts_to<calls_on_the_wire>>;

/// Announces a lane before its first call; answered by lane_credit.
struct open_lane {
  lane where;
  call_sink_actor sink;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, open_lane& x) {
  return f(caf::meta::type_name("open_lane"), x.where, x.sink);
}

/// Calls of one lane, in the order in which they should go out. Never more than the lane has credit for.
struct call_batch {
  lane where;
  std::vector<call> calls;
  call_sink_actor sink;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, call_batch& x) {
  return f(caf::meta::type_name("call_batch"), x.where, x.calls, x.sink);
}

/// A CALL TARGET answers questions. The MODEL ROUTER is one in front of many PROVIDERS, which are each one
/// too.
using call_target_actor =
    caf::typed_actor<caf::reacts_to<open_lane>, caf::reacts_to<call_batch>, caf::reacts_to<withdraw_calls>,
                     caf::reacts_to<recall_calls>, caf::reacts_to<deltas_taken>, caf::reacts_to<close_lane>>;

// -- fleet -------------------------------------------------------------------------------------------------

/// Who owns a rate limiter.
using slot_sink_actor =
    caf::typed_actor<caf::reacts_to<slots_granted>, caf::reacts_to<slots_delayed>,
                     // What the limiter's successor must know; sent whenever it changed, at most once a tick.
                     caf::reacts_to<limiter_memory>>;

/// Calls that want to go out, in order.
struct acquire_slots {
  std::vector<slot_request> requests;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, acquire_slots& x) {
  return f(caf::meta::type_name("acquire_slots"), x.requests);
}

/// The RATE LIMITER of one (key, model) says when a call may go out.
using rate_limiter_actor = caf::typed_actor<caf::reacts_to<acquire_slots>, caf::reacts_to<slots_settled>,
                                            caf::reacts_to<slots_withdrawn>, caf::reacts_to<limits_observed>,
                                            caf::reacts_to<key_closed>,
                                            caf::replies_to<read_gauges>::with<gauges>, caf::reacts_to<tick>>;

/// Who owns a connection.
using exchange_sink_actor = caf::typed_actor<caf::reacts_to<exchange_result_batch>,
                                             // Pieces of streamed answers.
                                             caf::reacts_to<call_delta>,
                                             // What came of a question that costs nothing.
                                             caf::reacts_to<connection_probed>>;

/// The CONNECTION of one (provider, key) owns a pool of keep-alive sockets and speaks the provider's
/// protocol.
using connection_actor =
    caf::typed_actor<caf::reacts_to<exchange_batch>, caf::reacts_to<exchanges_given_up>,
                     caf::reacts_to<deltas_taken>, caf::replies_to<read_gauges>::with<gauges>,
                     // Answered by connection_probed to the owner.
                     caf::reacts_to<probe_connection>,
                     // INTERNAL: from the I/O thread.
                     caf::reacts_to<io_completed>, caf::reacts_to<tick>>;

/// Whose configuration is changed while it runs.
using tuned_actor = caf::typed_actor<caf::reacts_to<tune_provider>>;

/// A provider tells the monitor of itself when it starts; answered by the tuning in force.
struct provider_met {
  provider_id provider;
  tuned_actor handle;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, provider_met& x) {
  return f(caf::meta::type_name("provider_met"), x.provider, x.handle);
}

/// The keys of the providers have changed: whoever uses them looks at the configuration again. No message
/// carries a key.
struct keys_changed {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, keys_changed&) {
  return f(caf::meta::type_name("keys_changed"));
}

/// A PROVIDER owns the waiting line of one configured provider, its limiters and its connections.
using provider_actor = call_target_actor::extend_with<slot_sink_actor>::extend_with<
    exchange_sink_actor>::extend_with<tuned_actor>::extend<caf::replies_to<read_gauges>::with<gauges>,
                                                           caf::reacts_to<tick>, caf::reacts_to<keys_changed>,
                                                           // INTERNAL: every interval.
                                                           caf::reacts_to<check_health>>;

/// A provider is there, for the first time or again after a restart.
struct provider_up {
  provider_id provider;
  call_target_actor target;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, provider_up& x) {
  return f(caf::meta::type_name("provider_up"), x.provider, x.target);
}

/// Who wants to know of providers.
using provider_watcher_actor = caf::typed_actor<caf::reacts_to<provider_up>>;

struct watch_providers {
  provider_watcher_actor watcher;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, watch_providers& x) {
  return f(caf::meta::type_name("watch_providers"), x.watcher);
}

/// The PROVIDER SUPERVISOR keeps one PROVIDER alive per configured provider.
using provider_supervisor_actor =
    caf::typed_actor<caf::reacts_to<watch_providers>,
                     // From children, whenever it changed, at most once a second.
                     caf::reacts_to<provider_memory>, caf::reacts_to<keys_changed>,
                     caf::replies_to<read_gauges>::with<gauges>, caf::reacts_to<tick>>;

/// Who sends calls that cost money: the MODEL ROUTER.
using lease_holder_actor = caf::typed_actor<caf::reacts_to<lease_granted>, caf::reacts_to<lease_refused>,
                                            caf::reacts_to<lease_recalled>>;

/// The MODEL ROUTER finds the provider of a call, watches over it, and passes answers back.
using model_router_actor =
    call_target_actor::extend_with<call_sink_actor>::extend_with<provider_watcher_actor>::extend_with<
        lease_holder_actor>::extend<caf::replies_to<read_gauges>::with<gauges>,
                                    caf::replies_to<read_routing>::with<monitoring::routing_view>,
                                    caf::replies_to<change_routing>::with<monitoring::route_view>,
                                    caf::reacts_to<tick>>;

// -- journal -----------------------------------------------------------------------------------------------

/// Who appends to the journal.
using commit_sink_actor = caf::typed_actor<caf::reacts_to<committed>>;

struct append {
  append_batch batch;
  commit_sink_actor owner;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, append& x) {
  return f(caf::meta::type_name("append"), x.batch, x.owner);
}

/// The JOURNAL is the only way into the store.
using journal_actor = caf::typed_actor<
    // Answered by `committed` to the owner.
    caf::reacts_to<append>, caf::replies_to<append_and_wait>::with<committed>,
    caf::replies_to<flush_journal>::with<committed>, caf::replies_to<read_gauges>::with<gauges>,
    // INTERNAL: from the writer thread.
    caf::reacts_to<writer_reported>, caf::reacts_to<tick>>;

// -- budgets -----------------------------------------------------------------------------------------------

struct request_lease {
  lease_wish wish;
  lease_holder_actor holder;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, request_lease& x) {
  return f(caf::meta::type_name("request_lease"), x.wish, x.holder);
}

/// A new BATCH DESK says which leases belong to batches that go on. Those of earlier desks that are not among
/// them belong to batches that were never made, and come back.
struct take_over_leases {
  std::vector<uint64_t> leases;
  lease_holder_actor holder;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, take_over_leases& x) {
  return f(caf::meta::type_name("take_over_leases"), x.leases, x.holder);
}

/// The BUDGET KEEPER grants money before calls and books it after them. What it has granted is durable first.
using budget_keeper_actor = commit_sink_actor::extend<
    // Answered by lease_granted or lease_refused to the holder, now or when others have returned some.
    caf::reacts_to<request_lease>, caf::reacts_to<leases_settled>, caf::reacts_to<take_over_leases>,
    caf::replies_to<read_budgets>::with<budget_states>, caf::replies_to<read_gauges>::with<gauges>,
    // INTERNAL: from workers.
    caf::reacts_to<run_cost_found>, caf::reacts_to<tick>>;

/// The RESPONSE CACHE stands between the runs that use it and the MODEL ROUTER: answers what it knows, asks
/// the rest, and asks what several want at the same time once.
using response_cache_actor =
    call_target_actor::extend_with<call_sink_actor>::extend_with<commit_sink_actor>::extend<
        caf::replies_to<read_gauges>::with<gauges>,
        // INTERNAL: from workers.
        caf::reacts_to<cache_counted>, caf::reacts_to<cache_oldest_found>, caf::reacts_to<tick>>;

/// Who puts questions to the GATEWAY: the edge, for all who wait there. Every question is answered once, by
/// an outcome; the run that a batch names means nothing here.
using answer_sink_actor = caf::typed_actor<caf::reacts_to<call_outcome_batch>,
                                           // Pieces of a streamed answer; each is answered by deltas_taken.
                                           caf::reacts_to<call_delta>>;

struct ask_models {
  std::vector<model_question> questions;
  answer_sink_actor sink;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ask_models& x) {
  return f(caf::meta::type_name("ask_models"), x.questions, x.sink);
}

/// The GATEWAY puts single questions to the fleet, for people and programs that wait for the answers.
using gateway_actor =
    call_sink_actor::extend<caf::reacts_to<ask_models>, caf::reacts_to<withdraw_questions>,
                            caf::reacts_to<deltas_taken>, caf::replies_to<read_gauges>::with<gauges>,
                            caf::reacts_to<tick>>;

/// The BATCH DESK answers calls through the providers' batch APIs, and hands those that fail there to the
/// MODEL ROUTER.
using batch_desk_actor =
    call_target_actor::extend_with<call_sink_actor>::extend_with<commit_sink_actor>::extend_with<
        lease_holder_actor>::extend<caf::replies_to<read_gauges>::with<gauges>, caf::reacts_to<keys_changed>,
                                    // INTERNAL: from workers and the I/O thread.
                                    caf::reacts_to<batches_recalled>, caf::reacts_to<batch_encoded>,
                                    caf::reacts_to<batch_results_read>, caf::reacts_to<io_completed>,
                                    caf::reacts_to<tick>>;

// -- hosts of other programs ------------------------------------------------------------------------------

/// Who has programs run.
using sandbox_sink_actor = caf::typed_actor<caf::reacts_to<sandbox_results>>;

struct run_in_sandbox {
  std::vector<sandbox_job> jobs;
  sandbox_sink_actor sink;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_in_sandbox& x) {
  return f(caf::meta::type_name("run_in_sandbox"), x.jobs, x.sink);
}

/// The SANDBOX runs programs that models have written, a bounded number at once.
using sandbox_actor = caf::typed_actor<caf::reacts_to<run_in_sandbox>, caf::reacts_to<withdraw_sandbox_jobs>,
                                       caf::replies_to<read_host_state>::with<host_state>,
                                       caf::replies_to<read_gauges>::with<gauges>,
                                       // INTERNAL: from the I/O thread.
                                       caf::reacts_to<sandbox_results>, caf::reacts_to<tick>>;

/// Who has Python run.
using python_sink_actor = caf::typed_actor<caf::reacts_to<python_results>>;

struct run_python {
  std::vector<python_job> jobs;
  python_sink_actor sink;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, run_python& x) {
  return f(caf::meta::type_name("run_python"), x.jobs, x.sink);
}

/// The PYTHON HOST keeps a pool of Python workers for templates, processing of rows and scorers of tasks.
using python_host_actor = caf::typed_actor<caf::reacts_to<run_python>, caf::reacts_to<withdraw_python_jobs>,
                                           caf::replies_to<read_host_state>::with<host_state>,
                                           caf::replies_to<read_gauges>::with<gauges>,
                                           // INTERNAL: from the I/O thread.
                                           caf::reacts_to<io_completed>, caf::reacts_to<tick>>;

// -- events ------------------------------------------------------------------------------------------------

/// Who listens to a run.
using event_sink_actor = caf::typed_actor<caf::reacts_to<frame_batch>>;

struct subscribe {
  run_id run;
  event_sink_actor sink;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, subscribe& x) {
  return f(caf::meta::type_name("subscribe"), x.run, x.sink);
}

struct unsubscribe {
  run_id run;
  event_sink_actor sink;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, unsubscribe& x) {
  return f(caf::meta::type_name("unsubscribe"), x.run, x.sink);
}

/// The EVENT HUB hands durable events to subscribers and keeps only the newest progress of each run.
using event_hub_actor =
    caf::typed_actor<caf::reacts_to<publish_events>, caf::reacts_to<publish_progress>,
                     caf::replies_to<subscribe>::with<subscribed>, caf::reacts_to<unsubscribe>,
                     caf::replies_to<read_gauges>::with<gauges>, caf::reacts_to<tick>>;

// -- runs --------------------------------------------------------------------------------------------------

/// An EVALUATION asks every sample of one run and keeps what comes back.
using evaluation_actor =
    call_sink_actor::extend_with<commit_sink_actor>::extend_with<sandbox_sink_actor>::extend_with<
        python_sink_actor>::extend<caf::replies_to<command_run>::with<run_record>,
                                   caf::replies_to<find_run>::with<run_record>, caf::reacts_to<drain>,
                                   // INTERNAL: from workers.
                                   caf::reacts_to<run_recovered>, caf::reacts_to<samples_loaded>,
                                   caf::reacts_to<result_computed>, caf::reacts_to<tick>>;

/// The RUN SUPERVISOR admits runs and keeps one child per running run.
using run_supervisor_actor = caf::typed_actor<
    caf::replies_to<submit_run>::with<run_submitted>, caf::replies_to<command_run>::with<run_record>,
    caf::replies_to<find_run>::with<run_record>, caf::replies_to<count_runs>::with<run_counts>,
    caf::replies_to<read_gauges>::with<gauges>,
    // Ends when every child has come to rest.
    caf::reacts_to<drain>,
    // INTERNAL: from children and workers.
    caf::reacts_to<open_runs_found>, caf::reacts_to<run_reported>, caf::reacts_to<run_pinned>,
    caf::reacts_to<expired_runs_found>, caf::reacts_to<preparation_ended>, caf::reacts_to<tick>>;

/// A PREPARER turns the tasks of one submission that come from another format into tasks of assay's own, with
/// the Python host's help. Tells its supervisor and ends.
using preparer_actor =
    caf::typed_actor<caf::reacts_to<preparation_step>, caf::reacts_to<python_results>, caf::reacts_to<tick>>;

// -- monitoring --------------------------------------------------------------------------------------------

/// A WEBHOOK POSTER tells other systems of alerts.
using webhook_poster_actor = caf::typed_actor<caf::reacts_to<post_webhooks>,
                                              // INTERNAL: from the I/O thread.
                                              caf::reacts_to<io_completed>, caf::reacts_to<tick>>;

/// The MONITOR counts calls per provider and model, in windows, and raises alerts.
using monitor_actor = caf::typed_actor<
    caf::reacts_to<observe_calls>, caf::reacts_to<observe_quality>, caf::reacts_to<observe_budgets>,
    caf::replies_to<read_statistics>::with<statistics>,
    caf::replies_to<read_monitor>::with<monitoring::monitor_view>,
    caf::replies_to<change_thresholds>::with<monitoring::thresholds>,
    caf::replies_to<acknowledge_alert>::with<monitoring::alert>, caf::replies_to<read_gauges>::with<gauges>,
    caf::replies_to<read_retries>::with<retry_report>, caf::reacts_to<provider_met>,
    caf::reacts_to<provider_checked>, caf::reacts_to<keys_told>, caf::replies_to<read_keys>::with<keys_known>,
    // INTERNAL: from workers.
    caf::reacts_to<statistics_recalled>, caf::reacts_to<expired_statistics_found>, caf::reacts_to<tick>>;

// -- experiments -------------------------------------------------------------------------------------------

/// Who keeps one A/B test that has not ended.
using ab_test_actor = caf::typed_actor<caf::replies_to<ask_ab_test>::with<ab_answer>,
                                       // INTERNAL: from workers.
                                       caf::reacts_to<ab_observations_recalled>, caf::reacts_to<ab_run_news>,
                                       caf::reacts_to<tick>>;

/// The AB TEST SUPERVISOR keeps one child per A/B test that has not ended, and knows all of them.
using ab_test_supervisor_actor = caf::typed_actor<
    caf::replies_to<ask_ab_test>::with<ab_answer>, caf::replies_to<read_gauges>::with<gauges>,
    // INTERNAL: from workers and children.
    caf::reacts_to<ab_tests_recalled>, caf::reacts_to<ab_test_changed>, caf::reacts_to<tick>>;

/// Who keeps one experiment that has not ended.
using experiment_actor = caf::typed_actor<caf::replies_to<ask_experiment>::with<experiment_answer>,
                                          // INTERNAL: from workers.
                                          caf::reacts_to<experiment_children_recalled>, caf::reacts_to<tick>>;

/// The EXPERIMENT SUPERVISOR keeps one child per experiment that has not ended, and knows all of them.
using experiment_supervisor_actor = caf::typed_actor<
    caf::replies_to<ask_experiment>::with<experiment_answer>, caf::replies_to<read_gauges>::with<gauges>,
    // INTERNAL: from workers and children.
    caf::reacts_to<experiments_recalled>, caf::reacts_to<experiment_changed>, caf::reacts_to<tick>>;

// -- schedules ---------------------------------------------------------------------------------------------

/// The SCHEDULE SUPERVISOR submits evaluations that recur.
using schedule_supervisor_actor = caf::typed_actor<caf::replies_to<ask_schedule>::with<schedule_answer>,
                                                   // INTERNAL: from workers.
                                                   caf::reacts_to<schedules_recalled>, caf::reacts_to<tick>>;

// -- the root ----------------------------------------------------------------------------------------------

/// The handles that the edge and the command line speak to. They change when a supervisor restarts a child.
struct farm_handles {
  journal_actor journal;
  event_hub_actor event_hub;
  monitor_actor monitor;
  provider_supervisor_actor providers;
  model_router_actor router;
  run_supervisor_actor runs;
  response_cache_actor cache;
  budget_keeper_actor budgets;
  gateway_actor gateway;
  batch_desk_actor batches;
  sandbox_actor sandbox;
  python_host_actor python;
  ab_test_supervisor_actor ab_tests;
  experiment_supervisor_actor experiments;
  schedule_supervisor_actor schedules;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, farm_handles& x) {
  return f(caf::meta::type_name("farm_handles"), x.journal, x.event_hub, x.monitor, x.providers, x.router,
           x.runs, x.cache, x.budgets, x.gateway, x.batches, x.sandbox, x.python, x.ab_tests, x.experiments,
           x.schedules);
}

struct find_farm {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, find_farm&) {
  return f(caf::meta::type_name("find_farm"));
}

/// Stops the farm in order: runs drain, connections close, the journal flushes. Answered when all have ended.
struct stop_farm {
  milliseconds grace{30'000};
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, stop_farm& x) {
  return f(caf::meta::type_name("stop_farm"), x.grace);
}

struct farm_stopped {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, farm_stopped&) {
  return f(caf::meta::type_name("farm_stopped"));
}

/// The ROOT SUPERVISOR starts the farm's long-lived actors in order and restarts what falls.
using root_supervisor_actor =
    caf::typed_actor<caf::replies_to<find_farm>::with<farm_handles>,
                     caf::replies_to<stop_farm>::with<farm_stopped>, caf::reacts_to<tick>>;

} // namespace assay

// Append only: the order gives the type ids that nodes of one farm agree on.
CAF_BEGIN_TYPE_ID_BLOCK(assay, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(assay, (assay::lane))
CAF_ADD_TYPE_ID(assay, (assay::call))
CAF_ADD_TYPE_ID(assay, (assay::call_outcome))
CAF_ADD_TYPE_ID(assay, (assay::call_outcome_batch))
CAF_ADD_TYPE_ID(assay, (assay::call_delta))
CAF_ADD_TYPE_ID(assay, (assay::lane_credit))
CAF_ADD_TYPE_ID(assay, (assay::withdraw_calls))
CAF_ADD_TYPE_ID(assay, (assay::close_lane))
CAF_ADD_TYPE_ID(assay, (assay::slot_request))
CAF_ADD_TYPE_ID(assay, (assay::slots_granted))
CAF_ADD_TYPE_ID(assay, (assay::slot_settlement))
CAF_ADD_TYPE_ID(assay, (assay::slots_settled))
CAF_ADD_TYPE_ID(assay, (assay::slots_withdrawn))
CAF_ADD_TYPE_ID(assay, (assay::limits_observed))
CAF_ADD_TYPE_ID(assay, (assay::key_closed))
CAF_ADD_TYPE_ID(assay, (assay::limiter_memory))
CAF_ADD_TYPE_ID(assay, (assay::provider_memory))
CAF_ADD_TYPE_ID(assay, (assay::exchange))
CAF_ADD_TYPE_ID(assay, (assay::exchange_batch))
CAF_ADD_TYPE_ID(assay, (assay::exchange_result))
CAF_ADD_TYPE_ID(assay, (assay::exchange_result_batch))
CAF_ADD_TYPE_ID(assay, (assay::exchanges_given_up))
CAF_ADD_TYPE_ID(assay, (assay::io_completed))
CAF_ADD_TYPE_ID(assay, (assay::submit_run))
CAF_ADD_TYPE_ID(assay, (assay::run_submitted))
CAF_ADD_TYPE_ID(assay, (assay::command_run))
CAF_ADD_TYPE_ID(assay, (assay::find_run))
CAF_ADD_TYPE_ID(assay, (assay::count_runs))
CAF_ADD_TYPE_ID(assay, (assay::run_counts))
CAF_ADD_TYPE_ID(assay, (assay::run_reported))
CAF_ADD_TYPE_ID(assay, (assay::run_pinned))
CAF_ADD_TYPE_ID(assay, (assay::loaded_sample))
CAF_ADD_TYPE_ID(assay, (assay::samples_loaded))
CAF_ADD_TYPE_ID(assay, (assay::run_recovered))
CAF_ADD_TYPE_ID(assay, (assay::result_computed))
CAF_ADD_TYPE_ID(assay, (assay::open_runs_found))
CAF_ADD_TYPE_ID(assay, (assay::drain))
CAF_ADD_TYPE_ID(assay, (assay::document_change))
CAF_ADD_TYPE_ID(assay, (assay::append_batch))
CAF_ADD_TYPE_ID(assay, (assay::committed))
CAF_ADD_TYPE_ID(assay, (assay::append_and_wait))
CAF_ADD_TYPE_ID(assay, (assay::ticket_done))
CAF_ADD_TYPE_ID(assay, (assay::writer_reported))
CAF_ADD_TYPE_ID(assay, (assay::flush_journal))
CAF_ADD_TYPE_ID(assay, (assay::publish_events))
CAF_ADD_TYPE_ID(assay, (assay::publish_progress))
CAF_ADD_TYPE_ID(assay, (assay::frame))
CAF_ADD_TYPE_ID(assay, (assay::frame_batch))
CAF_ADD_TYPE_ID(assay, (assay::subscribed))
CAF_ADD_TYPE_ID(assay, (assay::call_observation))
CAF_ADD_TYPE_ID(assay, (assay::observe_calls))
CAF_ADD_TYPE_ID(assay, (assay::model_statistics))
CAF_ADD_TYPE_ID(assay, (assay::read_statistics))
CAF_ADD_TYPE_ID(assay, (assay::statistics))
CAF_ADD_TYPE_ID(assay, (assay::gauge))
CAF_ADD_TYPE_ID(assay, (assay::read_gauges))
CAF_ADD_TYPE_ID(assay, (assay::gauges))
CAF_ADD_TYPE_ID(assay, (assay::tick))
CAF_ADD_TYPE_ID(assay, (assay::open_lane))
CAF_ADD_TYPE_ID(assay, (assay::call_batch))
CAF_ADD_TYPE_ID(assay, (assay::acquire_slots))
CAF_ADD_TYPE_ID(assay, (assay::provider_up))
CAF_ADD_TYPE_ID(assay, (assay::watch_providers))
CAF_ADD_TYPE_ID(assay, (assay::append))
CAF_ADD_TYPE_ID(assay, (assay::subscribe))
CAF_ADD_TYPE_ID(assay, (assay::unsubscribe))
CAF_ADD_TYPE_ID(assay, (assay::farm_handles))
CAF_ADD_TYPE_ID(assay, (assay::find_farm))
CAF_ADD_TYPE_ID(assay, (assay::stop_farm))
CAF_ADD_TYPE_ID(assay, (assay::farm_stopped))
CAF_ADD_TYPE_ID(assay, (assay::call_sink_actor))
CAF_ADD_TYPE_ID(assay, (assay::call_target_actor))
CAF_ADD_TYPE_ID(assay, (assay::slot_sink_actor))
CAF_ADD_TYPE_ID(assay, (assay::rate_limiter_actor))
CAF_ADD_TYPE_ID(assay, (assay::exchange_sink_actor))
CAF_ADD_TYPE_ID(assay, (assay::connection_actor))
CAF_ADD_TYPE_ID(assay, (assay::provider_actor))
CAF_ADD_TYPE_ID(assay, (assay::provider_watcher_actor))
CAF_ADD_TYPE_ID(assay, (assay::provider_supervisor_actor))
CAF_ADD_TYPE_ID(assay, (assay::model_router_actor))
CAF_ADD_TYPE_ID(assay, (assay::commit_sink_actor))
CAF_ADD_TYPE_ID(assay, (assay::journal_actor))
CAF_ADD_TYPE_ID(assay, (assay::event_sink_actor))
CAF_ADD_TYPE_ID(assay, (assay::event_hub_actor))
CAF_ADD_TYPE_ID(assay, (assay::evaluation_actor))
CAF_ADD_TYPE_ID(assay, (assay::run_supervisor_actor))
CAF_ADD_TYPE_ID(assay, (assay::monitor_actor))
CAF_ADD_TYPE_ID(assay, (assay::root_supervisor_actor))
CAF_ADD_TYPE_ID(assay, (assay::expired_runs_found))
CAF_ADD_TYPE_ID(assay, (assay::deltas_taken))
CAF_ADD_TYPE_ID(assay, (assay::recall_calls))
CAF_ADD_TYPE_ID(assay, (assay::calls_on_the_wire))
CAF_ADD_TYPE_ID(assay, (assay::observe_quality))
CAF_ADD_TYPE_ID(assay, (assay::read_monitor))
CAF_ADD_TYPE_ID(assay, (assay::monitoring::monitor_view))
CAF_ADD_TYPE_ID(assay, (assay::change_thresholds))
CAF_ADD_TYPE_ID(assay, (assay::monitoring::thresholds))
CAF_ADD_TYPE_ID(assay, (assay::acknowledge_alert))
CAF_ADD_TYPE_ID(assay, (assay::monitoring::alert))
CAF_ADD_TYPE_ID(assay, (assay::statistics_recalled))
CAF_ADD_TYPE_ID(assay, (assay::expired_statistics_found))
CAF_ADD_TYPE_ID(assay, (assay::post_webhooks))
CAF_ADD_TYPE_ID(assay, (assay::webhook_poster_actor))
CAF_ADD_TYPE_ID(assay, (assay::cache_entry))
CAF_ADD_TYPE_ID(assay, (assay::cache_counted))
CAF_ADD_TYPE_ID(assay, (assay::cache_oldest_found))
CAF_ADD_TYPE_ID(assay, (assay::response_cache_actor))
CAF_ADD_TYPE_ID(assay, (assay::lease_wish))
CAF_ADD_TYPE_ID(assay, (assay::lease_granted))
CAF_ADD_TYPE_ID(assay, (assay::lease_refused))
CAF_ADD_TYPE_ID(assay, (assay::lease_recalled))
CAF_ADD_TYPE_ID(assay, (assay::lease_settlement))
CAF_ADD_TYPE_ID(assay, (assay::leases_settled))
CAF_ADD_TYPE_ID(assay, (assay::run_cost_found))
CAF_ADD_TYPE_ID(assay, (assay::request_lease))
CAF_ADD_TYPE_ID(assay, (assay::lease_holder_actor))
CAF_ADD_TYPE_ID(assay, (assay::budget_keeper_actor))
CAF_ADD_TYPE_ID(assay, (assay::budget_state))
CAF_ADD_TYPE_ID(assay, (assay::read_budgets))
CAF_ADD_TYPE_ID(assay, (assay::budget_states))
CAF_ADD_TYPE_ID(assay, (assay::observe_budgets))
CAF_ADD_TYPE_ID(assay, (assay::read_routing))
CAF_ADD_TYPE_ID(assay, (assay::change_routing))
CAF_ADD_TYPE_ID(assay, (assay::monitoring::route_view))
CAF_ADD_TYPE_ID(assay, (assay::monitoring::routing_view))
CAF_ADD_TYPE_ID(assay, (assay::tune_provider))
CAF_ADD_TYPE_ID(assay, (assay::provider_checked))
CAF_ADD_TYPE_ID(assay, (assay::check_health))
CAF_ADD_TYPE_ID(assay, (assay::probe_connection))
CAF_ADD_TYPE_ID(assay, (assay::connection_probed))
CAF_ADD_TYPE_ID(assay, (assay::read_retries))
CAF_ADD_TYPE_ID(assay, (assay::retry_report))
CAF_ADD_TYPE_ID(assay, (assay::tuned_actor))
CAF_ADD_TYPE_ID(assay, (assay::provider_met))
CAF_ADD_TYPE_ID(assay, (assay::model_question))
CAF_ADD_TYPE_ID(assay, (assay::withdraw_questions))
CAF_ADD_TYPE_ID(assay, (assay::answer_sink_actor))
CAF_ADD_TYPE_ID(assay, (assay::ask_models))
CAF_ADD_TYPE_ID(assay, (assay::gateway_actor))
CAF_ADD_TYPE_ID(assay, (assay::batch_refusal))
CAF_ADD_TYPE_ID(assay, (assay::batch_encoded))
CAF_ADD_TYPE_ID(assay, (assay::batch_result))
CAF_ADD_TYPE_ID(assay, (assay::batch_results_read))
CAF_ADD_TYPE_ID(assay, (assay::batches_recalled))
CAF_ADD_TYPE_ID(assay, (assay::batch_desk_actor))
CAF_ADD_TYPE_ID(assay, (assay::sandbox_job))
CAF_ADD_TYPE_ID(assay, (assay::sandbox_result))
CAF_ADD_TYPE_ID(assay, (assay::sandbox_results))
CAF_ADD_TYPE_ID(assay, (assay::withdraw_sandbox_jobs))
CAF_ADD_TYPE_ID(assay, (assay::python_job))
CAF_ADD_TYPE_ID(assay, (assay::python_result))
CAF_ADD_TYPE_ID(assay, (assay::python_results))
CAF_ADD_TYPE_ID(assay, (assay::withdraw_python_jobs))
CAF_ADD_TYPE_ID(assay, (assay::read_host_state))
CAF_ADD_TYPE_ID(assay, (assay::host_state))
CAF_ADD_TYPE_ID(assay, (assay::sandbox_sink_actor))
CAF_ADD_TYPE_ID(assay, (assay::run_in_sandbox))
CAF_ADD_TYPE_ID(assay, (assay::sandbox_actor))
CAF_ADD_TYPE_ID(assay, (assay::python_sink_actor))
CAF_ADD_TYPE_ID(assay, (assay::run_python))
CAF_ADD_TYPE_ID(assay, (assay::python_host_actor))
CAF_ADD_TYPE_ID(assay, (assay::preparation_step))
CAF_ADD_TYPE_ID(assay, (assay::preparation_ended))
CAF_ADD_TYPE_ID(assay, (assay::preparer_actor))
CAF_ADD_TYPE_ID(assay, (assay::take_over_leases))
CAF_ADD_TYPE_ID(assay, (assay::keys_changed))
CAF_ADD_TYPE_ID(assay, (assay::ask_ab_test))
CAF_ADD_TYPE_ID(assay, (assay::ab_answer))
CAF_ADD_TYPE_ID(assay, (assay::ab_tests_recalled))
CAF_ADD_TYPE_ID(assay, (assay::ab_observations_recalled))
CAF_ADD_TYPE_ID(assay, (assay::ab_test_changed))
CAF_ADD_TYPE_ID(assay, (assay::ab_test_actor))
CAF_ADD_TYPE_ID(assay, (assay::ab_test_supervisor_actor))
CAF_ADD_TYPE_ID(assay, (assay::slots_delayed))
CAF_ADD_TYPE_ID(assay, (assay::keys_told))
CAF_ADD_TYPE_ID(assay, (assay::read_keys))
CAF_ADD_TYPE_ID(assay, (assay::keys_known))
CAF_ADD_TYPE_ID(assay, (assay::ask_experiment))
CAF_ADD_TYPE_ID(assay, (assay::experiment_answer))
CAF_ADD_TYPE_ID(assay, (assay::experiments_recalled))
CAF_ADD_TYPE_ID(assay, (assay::experiment_children_recalled))
CAF_ADD_TYPE_ID(assay, (assay::experiment_changed))
CAF_ADD_TYPE_ID(assay, (assay::experiment_actor))
CAF_ADD_TYPE_ID(assay, (assay::experiment_supervisor_actor))
CAF_ADD_TYPE_ID(assay, (assay::ab_run_news))
CAF_ADD_TYPE_ID(assay, (assay::ask_schedule))
CAF_ADD_TYPE_ID(assay, (assay::schedule_answer))
CAF_ADD_TYPE_ID(assay, (assay::schedules_recalled))
CAF_ADD_TYPE_ID(assay, (assay::schedule_supervisor_actor))
CAF_END_TYPE_ID_BLOCK(assay)
