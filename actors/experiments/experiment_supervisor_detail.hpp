#pragma once

#include "actors/experiments/experiment_supervisor.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

/// Private to experiment_supervisor*.cpp.
namespace assay::experiment_supervisor_detail {

using self_pointer = experiment_supervisor_actor::stateful_pointer<experiment_supervisor_state>;
using config_ptr = std::shared_ptr<const experiment_supervisor_config>;

void start_child(self_pointer self, const config_ptr& config, experiment_supervisor_state::entry& one);

/// Asks the journal; @p done hears whether it is durable.
void write(self_pointer self, const config_ptr& config, std::vector<document_change> changes,
           std::function<void(const std::optional<fault>&)> done);

/// Reads, expands and prices a plan, and makes it an experiment unless it is only to be shown.
caf::result<experiment_answer> create(self_pointer self, const config_ptr& config, ask_experiment& wish);

} // namespace assay::experiment_supervisor_detail
