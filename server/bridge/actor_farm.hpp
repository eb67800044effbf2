#pragma once

#include "protocol/actors.hpp"
#include "server/farm_access.hpp"

#include <caf/actor_system.hpp>

#include <memory>

namespace assay::server {

/// @returns access to the farm under @p root. It asks the root for the current actors and asks again when one
/// of them was lost. @p system must outlive it.
std::unique_ptr<farm_access> make_actor_farm(caf::actor_system& system, root_supervisor_actor root);

} // namespace assay::server
