#pragma once

#include "actors/fleet/provider.hpp"
#include "protocol/outcomes.hpp"

/// What the parts of the provider actor share. Private to provider*.cpp.
namespace assay::provider_detail {

using self_pointer = provider_actor::stateful_pointer<provider_state>;
using model_state = provider_state::model_state;
using key_state = provider_state::key_state;
using key_use = provider_state::key_use;
using gate_state = provider_state::gate_state;
using line_state = provider_state::line_state;
using open_call = provider_state::open_call;
using lane_state = provider_state::lane_state;
using pinned_model = provider_state::pinned_model;
using call_phase = provider_state::call_phase;
using config_ptr = std::shared_ptr<const provider_config>;

/// Outcomes that one handler produced, sent as one message a run.
class outcome_box {
public:
  void add(run_id run, call_outcome&& outcome);
  void send(self_pointer self);
  /// Leaves the sending to another box.
  void move_to(outcome_box& other);

private:
  std::unordered_map<run_id, call_outcome_batch> by_run_;
};

// -- provider_children.cpp: limiters and connections

void start_wire(self_pointer self, const config_ptr& config, size_t key);
void start_limiter(self_pointer self, const config_ptr& config, model_state& model, size_t key,
                   bool restarted);
void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down);
/// Restarts children whose backoff is over; who calls it lets the waiting calls go on.
void restart_due_children(self_pointer self, const config_ptr& config);
bool waits_for_children(const provider_state& state);
/// Its own gauges, its connections' and its limiters'.
caf::result<gauges> gather_gauges(self_pointer self, const provider_config& config, const read_gauges& asked);

/// What a key of a new model, or a new key of a model, starts with.
/// @param memory Of the predecessor's limiter. @param learnt Of its window.
gate_state make_gate(const provider_config& config, const model_profile& profile, const provider_key& key,
                     const control::aimd_state& learnt, std::string memory);

// -- provider_pool.cpp: keys that come and go

/// Looks at the configuration again. New keys get connections and limiters; those that are gone finish their
/// calls.
void change_keys(self_pointer self, const config_ptr& config);
/// Ends what belongs to keys that are gone and have no calls any more.
void end_unused_keys(self_pointer self);
/// @returns whether some key is gone and still has calls.
bool some_key_retires(const provider_state& state);

// -- provider_memory.cpp: what a successor must know

/// One model as the predecessor left it.
struct remembered_model {
  control::breaker_record breaker;
  nanoseconds elapsed{0};                             ///< Since the predecessor told it.
  std::string last_failure;                           ///< As in model_state.
  std::map<std::string, std::string> limiters;        ///< By the key's name.
  std::map<std::string, control::aimd_state> windows; ///< By the key's name.
  control::token_calibration_record tokens;
};

void remember(self_pointer self, const config_ptr& config);
remembered_model recall(const provider_config& config, const model_id& model);
/// Takes keys out again that the predecessor knew to be out.
void recall_keys(self_pointer self, const config_ptr& config);

// -- provider_keys.cpp: which key serves a call

/// The keys of the profile, each with a name. Never empty: a provider without a key has one empty key.
std::vector<provider_key> keys_of(const provider_profile& profile);
/// The keys that may serve calls of the type, by their places in the pool. Never empty.
std::vector<size_t> keys_for(self_pointer self, const std::string& prompt_type);
/// @returns the line for calls of @p prompt_type; the common one unless keys or workers are bound to types.
line_state& line_for(self_pointer self, const config_ptr& config, model_state& model,
                     const std::string& prompt_type);
/// @param latest When the line's next call has to go out.
/// @returns the key of that call; nothing when none has room now.
std::optional<size_t> choose_key(self_pointer self, const config_ptr& config, const model_state& model,
                                 const line_state& line, control::steady_time latest);
/// @returns whether a key that is not out may serve the line, now or later.
bool has_good_key(self_pointer self, const line_state& line);
/// @returns why no key will serve the line for a while; nothing while one may, or is being tried.
/// @returns whether some key of the pool is good, or may be tried again now.
bool has_hope(self_pointer self, const provider_config& config);
std::optional<fault> hopeless(self_pointer self, const config_ptr& config, const line_state& line);
/// @returns when a call may try a key that is out.
control::steady_time next_probe(const provider_config& config, const key_state& key, bool all_out);
void take_key_out(self_pointer self, const config_ptr& config, size_t key, const fault& reason);
/// A call with the key came to an end that says nothing against the key.
void key_answered(self_pointer self, const config_ptr& config, size_t key, bool succeeded);
/// Keeps a key closed for one model until @p wait has passed.
void close_gate(self_pointer self, model_state& model, size_t key, const exchange_result& result,
                milliseconds wait);

// -- provider_tokens.cpp: how many tokens a call has

/// @returns whether the call leaves the line as soon as the model takes none: it can go elsewhere, or be
/// answered with an estimate.
bool need_not_wait(const call& request);
/// Tokens of the prompt, before correction.
uint32_t prompt_estimate(open_call& open);
/// What the limiter is asked for. Counting tokens takes none.
uint32_t tokens_to_reserve(open_call& open);
/// The part of what is reserved that the answer will take.
uint32_t answer_share(open_call& open);
/// For a provider that does not count: the estimate of the prompt, and of the answer.
token_usage estimated_usage(open_call& open, const exchange_result& result);
/// Pieces of a stream have come.
void note_received(open_call& open, const call_delta& delta);
/// What a stream took that its caller has dropped: what the provider has counted, and for the answer at least
/// what has come of it.
token_usage usage_of_dropped(open_call& open);
/// Lowers what the provider has counted, or says that it has charged, to what is possible.
void bound_usage(const provider_config& config, open_call& open, exchange_result& result);
/// An answer tells how good its estimate was.
void learn_tokens(self_pointer self, open_call& open, const exchange_result& result);
/// The answer to a count of tokens, estimated.
call_outcome counted_here(const model_state& model, const pinned_model& pinned, call&& request,
                          wall_time now);

// -- provider_calls.cpp: the way of a call to the wire

void enqueue(self_pointer self, const config_ptr& config, call_batch& batch);
void pump(self_pointer self, const config_ptr& config, model_state& model);
void on_granted(self_pointer self, const config_ptr& config, const slots_granted& granted);
void withdraw(self_pointer self, const config_ptr& config, const withdraw_calls& wish);
/// Waiting calls of a model that takes none come back: the movable ones, or all of one run.
void recall(self_pointer self, const config_ptr& config, run_id run);
void on_tick(self_pointer self, const config_ptr& config);
void start_ticking(self_pointer self, const provider_config& config);
/// Puts a call ahead of its run's waiting ones; it has been served once.
void back_to_line(self_pointer self, const provider_config& config, call_id id, open_call& open);

/// Ends calls that are not on the wire, and not in a line any more.
void end_waiting(self_pointer self, const config_ptr& config, const std::vector<call_id>& ending,
                 const fault& reason);
/// Calls that had asked a limiter take their wish back.
void give_slots_back(self_pointer self, const std::vector<call_id>& calls);

// -- provider_waits.cpp: calls that somebody waits for, and what they wait for

/// A call has come into its line: from when it is too late for it.
void note_deadline(self_pointer self, const provider_config& config, call_id id, open_call& open);
/// @returns the end of a call that would have to wait longer than it may; otherwise @p request is as it was.
std::optional<call_outcome> refuse_wait(self_pointer self, const config_ptr& config, model_state& model,
                                        call& request, wall_time now);
/// @returns when the call has to be on the wire at the latest.
control::steady_time latest_start(const call& request);
/// Ends the calls of the model that would have to wait longer than they may, by what is known now.
void end_late(self_pointer self, const config_ptr& config, model_state& model);
/// Ends a call whose time is up before it was sent.
void end_in_line(self_pointer self, const config_ptr& config, call_id id, open_call& open);
void on_delayed(self_pointer self, const config_ptr& config, const slots_delayed& news);
/// Bounds what is kept of calls that have ended.
void forget_impatient(self_pointer self);

// -- provider_results.cpp: the way of an answer back

/// Everything that one batch of results leads to, sent when the batch is through.
struct consequences {
  outcome_box outcomes;
  observe_calls observations;
  std::map<std::pair<model_state*, size_t>, slots_settled> settled;  ///< By model and key.
  std::map<std::pair<model_state*, size_t>, limits_observed> limits; ///< By model and key.
  std::map<size_t, exchanges_given_up> given_up;                     ///< By key.
};

void on_results(self_pointer self, const config_ptr& config, exchange_result_batch& batch);
void on_result(self_pointer self, const config_ptr& config, exchange_result&& result, consequences& out);
/// Ends a call without an answer and forgets it. A count of tokens ends with an estimate instead, unless it
/// was withdrawn.
void finish_failed(self_pointer self, const config_ptr& config, call_id id, fault reason,
                   uint16_t http_status, bool possibly_billed, consequences& out);
void send_all(self_pointer self, const config_ptr& config, consequences& out);
/// The result of a call whose connection fell or whose deadline passed.
exchange_result lost_result(call_id id, const fault& reason, bool possibly_billed = true);

// -- provider_tuning.cpp: what is changed while it runs, and what it is changed by

/// Asks the monitor for the tuning in force.
void meet_monitor(self_pointer self, const provider_config& config);
void tune(self_pointer self, const config_ptr& config, const tune_provider& wish);
/// Gives the model's gates the share of their configured caps that the tuning leaves them.
void apply_share(self_pointer self, model_state& model);
/// The tries that have failed here, as the monitor counts them.
std::vector<monitoring::failed_try_seen> failed_tries_of(const control::retry_rules& rules,
                                                         const std::vector<attempt_record>& failures);

// -- provider_key_health.cpp: what is told of the keys

/// A try with the key has ended.
void note_use(self_pointer self, const provider_config& config, const open_call& open,
              const exchange_result& result);
void note_cost(self_pointer self, const provider_config& config, size_t key,
               const std::optional<money>& cost);
void note_limits(gate_state& gate, const limits_observed& told);
/// Tells the monitor how the keys are.
void tell_keys(self_pointer self, const provider_config& config);

// -- provider_health.cpp: questions that cost nothing, while nobody asks others

void start_health_checks(self_pointer self, const provider_config& config);
void on_check_health(self_pointer self, const config_ptr& config);
void on_probed(self_pointer self, const config_ptr& config, const connection_probed& probed);

// -- provider.cpp

/// @returns whether a call that comes now has a chance to go out soon: the breaker is not open, and some key
/// is not out.
bool takes_calls(self_pointer self, const provider_config& config, const model_state& model);
/// @returns why calls of the model do not go out at the moment; empty while they do.
std::string reason_to_wait(self_pointer self, const provider_config& config, const model_state& model);
void update_credit(self_pointer self, const provider_config& config, model_state& model);
/// Tells lanes how many of their calls are on the wire. Only at ticks: between an answer and the next call
/// there is always one less. @returns whether all know; the others were told a moment ago.
bool tell_counts(self_pointer self, const provider_config& config);
void close_lanes(self_pointer self, run_id run);

} // namespace assay::provider_detail
