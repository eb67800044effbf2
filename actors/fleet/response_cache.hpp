#pragma once

#include "actors/clocks.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "protocol/actors.hpp"
#include "storage/answer_cache.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace assay {

/// What of a provider decides an answer.
struct provider_identity {
  wire_protocol protocol = wire_protocol::openai_chat;
  std::string base_url;
};

/// What the response cache reads from the store. A question that cannot be read counts as never asked.
struct cache_reader {
  /// Point reads in one snapshot. @returns as many values as @p questions.
  std::function<std::vector<std::optional<storage::cached_answer>>(const std::vector<std::string>& questions)>
      find;
  /// For worker threads, as the next one.
  std::function<cache_counted()> count;
  /// At most @p limit of the least recently used.
  std::function<cache_oldest_found(size_t limit)> oldest;
};

/// From @p store.
cache_reader make_cache_reader(std::shared_ptr<storage::store> store);

struct response_cache_config {
  call_target_actor router;
  /// Where lanes go whose calls go in batches; invalid sends them to the router too.
  call_target_actor batches;
  journal_actor journal;
  std::shared_ptr<executor> workers;
  cache_reader read;
  /// @returns nothing for a provider that is not configured: its calls pass through.
  std::function<std::optional<provider_identity>(const provider_id&)> find_provider;
  uint64_t max_bytes = uint64_t{1} << 30;
  /// An answer older than this is asked for again; 0 keeps answers for good.
  std::chrono::seconds max_age{std::chrono::hours{24 * 30}};
  /// The order of use is exact to this: a hit costs a write at most once in so long.
  std::chrono::seconds used_again_after{3600};
  /// Answers removed in one commit.
  size_t removed_at_once = 256;
  /// Answers on their way to the store; more are not kept.
  size_t max_uncommitted_bytes = size_t{32} << 20;
  std::chrono::milliseconds tick_interval{10'000};
  wall_clock wall = wall_now;
};

/// @relates response_cache
struct response_cache_state {
  static inline const char* name = "response-cache";

  struct lane_state {
    lane where;
    call_sink_actor sink;
    std::optional<provider_identity> provider;
    uint32_t credit = 0; ///< Said by the router; repeated when the lane is announced again.
  };

  struct open_call {
    run_id run;
    std::string question; ///< Empty when the call only passes through.
    /// Set while it waits for an identical one: sent itself when that one fails.
    std::optional<call> waiting;
    bool stream = false;
  };

  /// One question that a provider has now.
  struct flight {
    call_id leader;
    std::deque<call_id> followers;
    bool keeps = false; ///< Somebody wants the answer stored.
  };

  /// A row that the store does not have yet. Without an answer it has been removed.
  struct uncommitted {
    uint64_t watermark = 0;
    std::shared_ptr<const storage::cached_answer> answer;
  };

  struct sent_batch {
    uint64_t watermark = 0;
    std::vector<std::string> questions;
    uint64_t bytes = 0;
  };

  struct fresh_answer {
    std::string question;
    std::shared_ptr<const storage::cached_answer> answer;
  };

  std::map<run_id, lane_state> lanes;
  std::set<caf::actor_addr> watched_sinks; ///< One sink may stand behind many lanes.
  std::unordered_map<call_id, open_call> calls;
  std::unordered_map<std::string, flight> flights;
  std::unordered_map<std::string, uncommitted> unwritten;
  std::deque<sent_batch> sent;
  std::vector<fresh_answer> fresh; ///< Answers that came before the cache was counted.
  uint64_t uncommitted_bytes = 0;  ///< Of `sent` and `fresh`.
  uint64_t next_watermark = 0;
  bool counting = false;
  bool counted = false;
  bool removing = false; ///< A worker looks for the oldest, or their removal is not committed yet.
  uint64_t removal_watermark = 0;
  uint64_t answers = 0;
  uint64_t bytes = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t joined = 0;
  bool read_only = false; ///< The store takes nothing any more.
  bool ticking = false;
};

/// Stands between the runs that use it and the model router. A question that was answered before is answered
/// at once and costs nothing. One that is in flight already waits for that answer; when it fails, the next
/// one that waits is sent itself, one at a time. Everything else passes through in both directions: lanes,
/// credit, withdrawals, pieces of streams. Kept are only whole answers without an error; the least recently
/// used go when the cache is over its size, and those past their age.
///
/// An answer is stored under the question as it was asked. Should the router once give a call to another
/// provider or model than its lane's, such an outcome must say so and must not be kept: see is_complete().
/// Likewise once an outcome holds more than text.
response_cache_actor::behavior_type
response_cache(response_cache_actor::stateful_pointer<response_cache_state> self,
               response_cache_config config);

} // namespace assay
