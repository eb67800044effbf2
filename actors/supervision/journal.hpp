#pragma once

#include "actors/clocks.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <variant>

namespace assay {

/// Takes batches to the one writer thread. The writer outlives the journal actor: it belongs to the root.
class batch_writer {
public:
  virtual ~batch_writer() = default;

  /// Hands a batch over without waiting. @param ticket comes back in writer_reported, in order.
  /// @returns errc::busy when the writer's line is full, or the reason why the store takes no more writes.
  virtual result<void> submit(uint64_t ticket, append_batch&& batch) = 0;

  /// Where reports go from now on; called by each incarnation of the journal.
  virtual void report_to(const journal_actor& journal) = 0;
};

struct journal_config {
  std::shared_ptr<batch_writer> writer;
  event_hub_actor event_hub;
  /// Batches that wait because the writer's line is full; more than these are refused with errc::busy.
  size_t max_waiting = 10'000;
  /// How often a full line is tried again.
  std::chrono::milliseconds retry_interval{5};
};

/// @relates journal
struct journal_state {
  static inline const char* name = "journal";

  /// Who hears when a ticket is durable.
  struct open_ticket {
    uint64_t watermark = 0;
    commit_sink_actor owner;
    caf::typed_response_promise<committed> promise;
  };

  struct waiting_batch {
    uint64_t ticket = 0;
    append_batch batch;
  };

  uint64_t next_ticket = 1;
  std::unordered_map<uint64_t, open_ticket> open;
  std::deque<waiting_batch> waiting;
  /// Once set, the store takes no more writes until the farm is started again.
  std::optional<fault> failed;
  bool ticking = false;
  uint64_t batches = 0;
};

/// The only way into the store. Hands batches to the writer thread and tells each owner the highest watermark
/// that is durable, one message per owner and report. Publishes lifecycle events after their commit.
journal_actor::behavior_type journal(journal_actor::stateful_pointer<journal_state> self,
                                     journal_config config);

} // namespace assay
