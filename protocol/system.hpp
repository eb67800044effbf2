#pragma once

#include <caf/actor_system_config.hpp>

namespace assay {

/// Makes a CAF configuration know the farm's messages and errors. Every actor_system of assay starts from
/// one.
class protocol_config : public caf::actor_system_config {
public:
  protocol_config();
};

} // namespace assay
