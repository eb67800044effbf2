#pragma once

#include "actors/experiments/ab_test.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/restart_policy.hpp"

#include <map>
#include <set>
#include <string>

namespace assay {

struct ab_test_supervisor_config {
  ab_test_reader read;
  std::shared_ptr<executor> workers; ///< Empty: nothing is read back.
  journal_actor journal;             ///< Filled in by the root at each start, as the next one.
  event_hub_actor event_hub;
  run_supervisor_actor runs; ///< For tests that run by themselves.
  size_t most_tests = 1'000;
  size_t most_tests_of_one = 200; ///< Owner.
  restart_limits limits;
  std::chrono::milliseconds tick_interval{1'000}; ///< Of the children.
  wall_clock wall = wall_now;
  uint64_t seed = 0;
};

/// @relates ab_test_supervisor
struct ab_test_supervisor_state {
  static inline const char* name = "ab-test-supervisor";

  using promise = caf::typed_response_promise<ab_answer>;

  struct entry {
    experiments::ab_record record; ///< As last heard of.
    ab_test_actor child;           ///< Invalid once the test has ended, and between restarts.
    restart_policy policy;
    std::optional<std::chrono::steady_clock::time_point> restart_at;
    bool erasing = false;
    promise eraser;
  };

  std::map<std::string, entry> tests;
  std::set<std::string> creating; ///< On their way to the store.
  children family;
  dice chance{0};
  bool recalled = false;
  uint64_t unreadable = 0;
};

/// Keeps every A/B test: one child for each that has not ended, started again from the store when it falls
/// and when the farm starts. Creates, lists and erases; everything else goes to the test's child.
ab_test_supervisor_actor::behavior_type
ab_test_supervisor(ab_test_supervisor_actor::stateful_pointer<ab_test_supervisor_state> self,
                   ab_test_supervisor_config config);

} // namespace assay
