#pragma once

#include "actors/clocks.hpp"
#include "actors/fleet/transport.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "core/codecs/batch_codec.hpp"
#include "core/control/usage_bound.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace assay {

namespace storage {
class store;
}

struct batch_desk_config {
  call_target_actor router;
  journal_actor journal;
  std::shared_ptr<executor> workers;
  transport_factory open_transport;
  std::vector<provider_profile> providers;
  /// As provider_config: keys may have changed since.
  std::function<std::optional<provider_profile>(const provider_id&)> find_profile = {};
  /// The rows of table batches; for worker threads.
  std::function<result<std::vector<std::pair<std::string, std::string>>>()> recall;
  monitor_actor monitor = {}; ///< Hears of the calls that batches have ended. Empty: nobody does.
  /// Leases the money that batches may cost. Without it none is held back.
  budget_keeper_actor budgets = {};
  /// As model_router_config.
  std::function<uint32_t(const model_id&)> longest_answer = {};
  uint32_t assumed_answer = 8'192; ///< As model_router_config.
  control::usage_belief belief;    ///< How far providers' counts of tokens are believed.
  /// A batch that waits for its budget for less is no news.
  std::chrono::milliseconds untold_wait{1'000};
  uint32_t max_calls = 1'000;              ///< Of one batch; the provider's own limit, when that is lower.
  size_t max_bytes = size_t{16} << 20;     ///< As max_calls: of the texts of one batch.
  std::chrono::milliseconds gather{5'000}; ///< How long calls wait for others to share a batch with.
  std::chrono::milliseconds poll_first{5'000};
  std::chrono::milliseconds poll_last{300'000};
  uint32_t lane_credit = 10'000;             ///< Calls of one run.
  size_t max_lane_bytes = size_t{256} << 20; ///< Of their texts; beyond, the run gets no more credit.
  /// Of all answers of one batch, as long as they may become: what one download can hold.
  size_t likely_result_bytes = size_t{28} << 20;
  size_t max_result_bytes = size_t{512} << 20;  ///< Of one download.
  std::chrono::milliseconds look_again{30'000}; ///< A batch may show in its provider's list so late.
  std::chrono::milliseconds crowded_wait{60'000};
  /// A row goes so long after its last answer went to its run, which stores it in between.
  std::chrono::milliseconds keep_row{60'000};
  uint32_t max_tries = 6; ///< Of one request that makes something.
  std::chrono::milliseconds request_timeout{60'000};
  std::chrono::milliseconds transfer_timeout{600'000}; ///< Of uploads and downloads.
  std::chrono::milliseconds tick_interval{1'000};
  wall_clock wall = wall_now;
};

/// @relates batch_desk
struct batch_desk_state {
  static inline const char* name = "batch-desk";
  using steady_time = std::chrono::steady_clock::time_point;

  ~batch_desk_state();

  /// One key of one provider that has a batch API.
  struct account {
    provider_profile profile; ///< With this key alone.
    provider_key key;
    bool one_of_many = false;
    std::unique_ptr<codecs::batch_codec> codec;
    std::unique_ptr<transport> wire; ///< Opened when first needed.
  };

  enum class phase : uint8_t {
    paying,     ///< It waits for the money that it may cost.
    encoding,   ///< A worker writes the calls down.
    committing, ///< The intent is on its way to the store.
    uploading,
    awaiting_file, ///< The provider looks at the upload.
    creating,
    looking, ///< Whether it was made is found out from the provider's list.
    working, ///< The provider works.
    cancelling,
    fetching,
    reading, ///< A worker reads results.
    holding, ///< All is known; answers wait for those who ask, and the row for its end.
  };

  struct row {
    std::string question; ///< Names what is asked, over restarts; empty once the row is settled.
    std::optional<call> asked;
    steady_time since{};
    money worst{};        ///< What it may cost in a batch; nothing where no budget is kept.
    bool charged = false; ///< Its result has been read.
  };

  /// A batch, from before it is made to after its end.
  struct chunk {
    codecs::batch_label label;
    run_id run;
    size_t account = 0;
    std::string model; ///< As the provider calls it.
    wall_time made_at{};
    phase now = phase::encoding;
    uint64_t lease = 0; ///< Of the money for its calls; 0 when there is none, or it is settled.
    money leased{};
    money spent{}; ///< By the results that have been read.
    steady_time paying_since{};
    std::vector<row> rows;
    uint64_t lines_in_it = 0;
    shared_text lines; ///< Kept until the batch is known to be there.
    std::string file;
    std::string batch;                     ///< The provider's id.
    std::map<uint32_t, batch_result> held; ///< Answers that nobody has asked for since a restart.

    uint64_t watermark = 0; ///< Of the intent.
    bool job_out = false;
    uint64_t request = 0; ///< On the wire; 0 for none.
    steady_time request_until{};
    std::optional<steady_time> due; ///< The next step.
    std::chrono::milliseconds wait{0};
    uint32_t failures = 0;

    std::vector<std::string> foreign; ///< Ids that turned out to be others' batches.
    std::string page;
    uint32_t pages = 0;
    uint32_t looks = 0;
    std::vector<std::string> results; ///< Still to be fetched.
    std::string body;

    bool cancel = false; ///< Nobody wants it any more.
    bool cancel_sent = false;
    std::optional<steady_time> give_back_at; ///< Its calls end then.
  };

  struct lane_state {
    lane where;
    call_sink_actor sink;     ///< Invalid while nobody asks for this run.
    bool has_batches = false; ///< Its provider has a batch API.
    size_t next_account = 0;
    std::deque<std::pair<call, std::string>> gathering; ///< With their questions.
    size_t gathering_bytes = 0;
    std::optional<steady_time> gathering_since;
    std::optional<steady_time> hold_until; ///< The provider's line is full.
    uint32_t crowded = 0;
    std::set<std::string> chunks;
    /// Rows of its batches that nobody has asked for since a restart.
    std::unordered_multimap<std::string, std::pair<std::string, uint32_t>> unclaimed;
    std::unordered_map<call_id, size_t> out; ///< Calls that have no outcome yet, with their bytes.
    size_t bytes = 0;
    std::deque<call> online_waiting;
    std::unordered_set<call_id> online; ///< At the router.
    uint32_t router_credit = 0;
    bool unlimited = false;           ///< No budget is about it.
    std::optional<money> per_request; ///< As the keeper has said.
    std::string per_request_setting;
    /// Credit, calls in batches, and whether its budget is waited for.
    std::optional<std::tuple<uint32_t, uint64_t, bool>> told;
  };

  std::vector<account> accounts;
  /// Which of the accounts take new batches. Those of keys that are gone finish what they have.
  std::map<provider_id, std::vector<size_t>> accounts_of;
  std::map<run_id, lane_state> lanes;
  std::map<std::string, chunk> chunks;
  std::unordered_map<uint64_t, std::string> requests; ///< Whose they are.
  uint64_t next_request = 0;
  uint64_t next_watermark = 0;
  uint64_t last_chunk = 0;
  bool recalled = false;
  bool recalling = false;
  bool ticking = false;
  uint64_t created = 0;
  uint64_t adopted = 0;
  uint64_t answered = 0;
  uint64_t retried = 0;
};

/// Answers calls through the batch APIs of their providers, for a share of the price. Gathers calls, commits
/// the intent, makes a batch, polls, fetches, and joins answers to calls by their names; what fails there
/// goes to the router. A batch carries the run's name and its own, and every call's name begins with both, so
/// that after an interruption the desk finds its batches again before it makes any: the calls that are asked
/// again then take their places in them. Withdrawn calls wait for what a cancelled batch still gives, within
/// their grace. Before anything is made, the money that a batch may cost is leased; the lease belongs to the
/// batch and is settled once, when its results have been read, whatever has fallen in between.
batch_desk_actor::behavior_type batch_desk(batch_desk_actor::stateful_pointer<batch_desk_state> self,
                                           batch_desk_config config);

/// @returns the reading side of table batches, for batch_desk_config::recall.
std::function<result<std::vector<std::pair<std::string, std::string>>>()>
make_batch_recall(std::shared_ptr<storage::store> store);

} // namespace assay
