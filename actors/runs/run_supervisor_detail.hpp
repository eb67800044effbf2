#pragma once

#include "actors/runs/run_supervisor.hpp"

#include <utility>

/// What the parts of the run supervisor share. Private to run_supervisor*.cpp.
namespace assay::run_supervisor_detail {

using self_pointer = run_supervisor_actor::stateful_pointer<run_supervisor_state>;
using entry = run_supervisor_state::entry;
using config_ptr = std::shared_ptr<const run_supervisor_config>;

inline constexpr seconds store_timeout{5};

/// Runs @p then when the batch is durable, @p otherwise with the reason when it is not.
template <class Then, class Otherwise>
void store(self_pointer self, const config_ptr& config, append_batch batch, Then then, Otherwise otherwise) {
  self->request(config->journal, store_timeout, append_and_wait{std::move(batch)})
      .then([then](const committed&) mutable { then(); },
            [otherwise](const caf::error& reason) mutable { otherwise(reason); });
}

// -- run_supervisor.cpp: children and their ends

event make_event(const run_record& record, event_type type, wall_time at);
/// Starts queued runs while there is room: higher priority first, then the older one.
void schedule(self_pointer self, const config_ptr& config);

// -- run_supervisor_submissions.cpp: admission

caf::result<run_submitted> submit(self_pointer self, const config_ptr& config, submit_run& wish);
void on_pinned(self_pointer self, const config_ptr& config, run_pinned& pinned);

// -- run_supervisor_verbs.cpp: what people ask for

caf::result<run_record> command(self_pointer self, const config_ptr& config, const command_run& wish);
caf::result<run_record> find(self_pointer self, const config_ptr& config, const find_run& wish);

} // namespace assay::run_supervisor_detail
