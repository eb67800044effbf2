#pragma once

#include "actors/runs/run_supervisor.hpp"

#include <functional>
#include <utility>

/// What the parts of the run supervisor share. Private to run_supervisor*.cpp.
namespace assay::run_supervisor_detail {

using self_pointer = run_supervisor_actor::stateful_pointer<run_supervisor_state>;
using entry = run_supervisor_state::entry;
using config_ptr = std::shared_ptr<const run_supervisor_config>;

inline constexpr seconds store_timeout{5};
inline constexpr seconds child_timeout{4};

/// @returns whether the run has one of the places of max_running.
inline bool is_active(const entry& run) noexcept {
  return run.record.state == run_state::preparing || run.record.state == run_state::running;
}

/// Runs @p then when the batch is durable, @p otherwise with the reason when it is not.
template <class Then, class Otherwise>
void store(self_pointer self, const config_ptr& config, append_batch batch, Then then, Otherwise otherwise) {
  self->request(config->journal, store_timeout, append_and_wait{std::move(batch)})
      .then([then](const committed&) mutable { then(); },
            [otherwise](const caf::error& reason) mutable { otherwise(reason); });
}

/// Runs @p then when everything that was appended before is durable, @p otherwise with the reason when it is
/// not.
template <class Then, class Otherwise>
void after_flush(self_pointer self, const config_ptr& config, Then then, Otherwise otherwise) {
  self->request(config->journal, store_timeout, flush_journal{})
      .then([then](const committed&) mutable { then(); },
            [otherwise](const caf::error& reason) mutable { otherwise(reason); });
}

/// @returns whether nobody knows what has become of a request to the journal that failed so.
inline bool is_unclear(const fault& reason) {
  return reason.code == errc::deadline_exceeded || reason.code == errc::actor_lost;
}

// -- run_supervisor.cpp: children and their ends

event make_event(const run_record& record, event_type type, wall_time at);
void start_child(self_pointer self, const config_ptr& config, entry& run);
/// Ends a run that has no child, with the reason on record.
void fail_run(self_pointer self, const config_ptr& config, const entry& run, fault reason);
/// What the store says of the run counts from now on, with all that is on its way there. @p then is called
/// when the run is neither final nor paused.
void read_again(self_pointer self, const config_ptr& config, run_id id, std::function<void(entry&)> then);
/// Puts a run without child back to where its record says that it stands: in line, or on its way.
void place(self_pointer self, const config_ptr& config, entry& run);
void quit_when_drained(self_pointer self);

// -- run_supervisor_places.cpp: who gets a place

/// Gives places to runs that wait for one, while there are any: to the tenant first that has the fewest for
/// its weight, of its runs to that of the highest priority, then to the oldest.
void schedule(self_pointer self, const config_ptr& config);
/// @returns why a run of @p owner cannot be taken now, as errc::rate_limited.
std::optional<fault> no_place_for(const run_supervisor_state& state, const run_supervisor_config& config,
                                  const user_id& owner);

// -- run_supervisor_submissions.cpp: admission

caf::result<run_submitted> submit(self_pointer self, const config_ptr& config, submit_run& wish);
void on_pinned(self_pointer self, const config_ptr& config, run_pinned& pinned);
void on_prepared(self_pointer self, const config_ptr& config, preparation_ended& news);
/// @returns whether @p source was a preparer; its submission is refused then, unless it has told its end.
bool release_preparer(self_pointer self, const caf::actor_addr& source);

// -- run_supervisor_verbs.cpp: what people ask for, and other changes of runs without child

using run_promise = caf::typed_response_promise<run_record>;

/// Sends a run without child on to @p next. Others are shown it, and @p promise is kept, once it is durable.
void change(self_pointer self, const config_ptr& config, run_id id, run_record next, event_type type,
            run_promise promise);
/// The change is over, one way or the other: the verbs that waited for it go on.
void end_change(self_pointer self, const config_ptr& config, run_id id);
/// Keeps @p promise, now or later.
void command(self_pointer self, const config_ptr& config, const command_run& wish, run_promise promise);
caf::result<run_record> find(self_pointer self, const config_ptr& config, const find_run& wish);

// -- run_supervisor_retention.cpp: the end of old runs

/// Looks for old runs for the first time in a while.
void begin_cleaning(self_pointer self, const config_ptr& config);
void clean_when_due(self_pointer self, const config_ptr& config);
void on_expired(self_pointer self, const config_ptr& config, expired_runs_found& found);

} // namespace assay::run_supervisor_detail
