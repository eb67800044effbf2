#pragma once

#include "protocol/actors.hpp"

#include <caf/all.hpp>

namespace assay::test {

/// Stands for the supervisor of providers where the test itself says which are up.
inline provider_supervisor_actor::behavior_type supervisor_of_none(provider_supervisor_actor::pointer) {
  return {[](const watch_providers&) {}, [](const provider_memory&) {}, [](const keys_changed&) {},
          [](const read_gauges&) { return gauges{}; }, [](const tick&) {}};
}

} // namespace assay::test
