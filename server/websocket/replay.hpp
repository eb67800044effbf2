#pragma once

#include "core/values/event.hpp"
#include "core/values/ids.hpp"
#include "core/values/run.hpp"
#include "core/values/shared_text.hpp"
#include "storage/snapshot.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay::server {

/// A page of a run's past, ready to be written.
struct replay_page {
  std::vector<shared_text> frames;
  uint64_t last_seq = 0;
  bool more = false;
  bool ended = false; ///< Its newest event of the run's life is the run's end.
};

/// How far a search for the newest generation has come.
struct generation_search {
  uint64_t last_seq = 0;
  uint16_t retries_left = 0; ///< Still ahead. At 0 the newest generation begins behind last_seq.
  bool more = false;
};

/// The names of the scorers of each task of a run, as samples are shown with.
using scorer_names = std::vector<std::vector<std::string>>;

scorer_names scorer_names_of(const run_record& run);

/// Reads what happened after @p after. @param samples Also the ends of samples; else they are passed over.
/// @param now The timestamp of sample frames: samples have none of their own.
result<replay_page> read_replay(storage::snapshot& view, run_id run, uint64_t after, bool samples,
                                const scorer_names& scorers, wall_time now);

/// Looks behind @p after for the event with which the newest generation begins. @param retries How many
/// `evaluation_retried` lie ahead, that one included; at least 1.
result<generation_search> find_generation(storage::snapshot& view, run_id run, uint64_t after,
                                          uint16_t retries);

/// @returns the number of the newest event that is stored of a run, of the alerts, of an A/B test or of an
/// experiment, 0 when there is none.
result<uint64_t> newest_stored(storage::snapshot& view, run_id run);

/// The A/B test, or the experiment, that is followed under @p channel, and its owner.
struct followed_test {
  std::string test;
  user_id owner;
  uint64_t last_seq = 0;
  std::string text; ///< JSON text: the analysis of one that has ended, else what is stored of it.
  event_type type = event_type::ab_test_analysis;
};

/// @returns nothing when no test and no experiment has this channel.
result<std::optional<followed_test>> find_ab_test(storage::snapshot& view, run_id channel);

/// Reads how the A/B test or the experiment is now, unless that is known by @p after already.
result<replay_page> read_ab_test(storage::snapshot& view, run_id channel, uint64_t after, wall_time now);

/// Reads the alerts that have changed after @p after: each once, as it is now.
result<replay_page> read_alerts(storage::snapshot& view, uint64_t after, wall_time now);

} // namespace assay::server
