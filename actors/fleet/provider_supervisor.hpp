#pragma once

#include "actors/fleet/provider.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/restart_policy.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <map>
#include <vector>

namespace assay {

struct provider_supervisor_config {
  std::vector<provider_profile> providers;
  /// What every provider gets, with its own profile filled in.
  provider_config child;
  restart_limits limits;
  journal_actor journal;
  /// What the store kept of an earlier supervisor, in this process or before, by provider. Asked at the
  /// start.
  std::function<std::map<provider_id, std::string>()> recall;
  uint64_t seed = 0;
  std::chrono::milliseconds tick_interval{1'000};
};

/// @relates provider_supervisor
struct provider_supervisor_state {
  static inline const char* name = "provider-supervisor";

  struct child {
    provider_profile profile;
    provider_actor handle;
    restart_policy policy;
    /// Set while the child is down.
    std::optional<std::chrono::steady_clock::time_point> restart_at;
    std::string memory;
    bool memory_stored = true;
    bool started_before = false;
  };

  std::map<provider_id, child> children_by_id;
  children family;
  std::vector<provider_watcher_actor> watchers;
  dice chance{0};
  bool ticking = false;
};

/// Keeps one PROVIDER alive per configured provider and tells watchers of each incarnation. A provider that
/// falls too often ends the supervisor with its reason. Keeps what a provider must remember, also in the
/// store.
provider_supervisor_actor::behavior_type
provider_supervisor(provider_supervisor_actor::stateful_pointer<provider_supervisor_state> self,
                    provider_supervisor_config config);

} // namespace assay
