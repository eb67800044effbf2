#pragma once

#include "actors/hosts/sandbox_runner.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace assay {

struct sandbox_config {
  /// Empty: no program is run, for the reason below.
  sandbox_runner_factory open_runner;
  std::string off_because{"the sandbox is not configured"};
  sandbox_limits limits;      ///< Of jobs whose own are those that a sandbox_limits has from the beginning.
  uint32_t workers = 1;       ///< Programs that run at once; at least 1.
  size_t most_waiting = 4096; ///< Jobs in the line, of all together; more are answered errc::busy.
  /// Beyond a job's time on the wall, for its start and its end; then it is given up.
  milliseconds grace{10'000};
  /// Where there is no sandbox, it is tried again after this.
  milliseconds examine_again{60'000};
  /// Told whenever availability changes, and at the end; empty: nobody.
  std::function<void(const host_state&)> on_state;
};

/// @relates sandbox
struct sandbox_state {
  static inline const char* name = "sandbox";
  static constexpr size_t kinds_of_ends = 9; ///< Those of sandbox_end, from 1.

  sandbox_state() = default;
  ~sandbox_state();
  sandbox_state(const sandbox_state&) = delete;
  sandbox_state& operator=(const sandbox_state&) = delete;

  enum class knowledge : uint8_t { none, examining, available, unavailable };

  /// A program that runs. Its slot is taken until it has really ended, wanted or not.
  struct running_job {
    caf::actor_addr owner; ///< Empty: nobody waits for it, or it is the examination.
    uint64_t id = 0;       ///< Its owner's.
    uint32_t slot = 0;
    std::chrono::steady_clock::time_point give_up_at{};
  };

  /// The jobs of one owner that wait, in order. Owners take turns.
  struct line {
    caf::actor_addr owner;
    std::deque<sandbox_job> jobs;
  };

  std::unique_ptr<sandbox_runner> runner;
  knowledge known = knowledge::none;
  uint64_t examination = 0; ///< Its ticket, while examining.
  fault reason;             ///< While unavailable.
  std::vector<std::string> limits;
  std::chrono::steady_clock::time_point examine_at{};

  std::map<caf::actor_addr, sandbox_sink_actor> owners; ///< All that were ever heard of and live.
  std::deque<line> lines;
  size_t waiting = 0;
  std::map<uint64_t, running_job> running; ///< By ticket.
  std::vector<uint32_t> free_slots;
  uint64_t last_ticket = 0;
  bool ticking = false;

  std::array<uint64_t, kinds_of_ends> ended{}; ///< By sandbox_end.
  uint64_t failed = 0;                         ///< Jobs that could not be run.
  uint64_t refused = 0;                        ///< Jobs for which the line was full.
  std::function<void(const host_state&)> on_state;
};

/// Runs programs in sandboxes, a bounded number at once; owners take turns, and each one's jobs keep their
/// order. Every job is answered once, unless its owner withdraws it or ends.
sandbox_actor::behavior_type sandbox(sandbox_actor::stateful_pointer<sandbox_state> self,
                                     sandbox_config config);

} // namespace assay
