#pragma once

#include "core/stats/confidence_sequence.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

namespace assay::stats {

/// When enough is known. At least one of `half_width` and `against_baseline` has to be set, or nothing stops.
struct stopping_rule {
  double level = 0.95; ///< Of the interval; a comparison is decided at alpha = 1 - level, two-sided.
  /// Enough when half of the interval's width is at most this.
  std::optional<double> half_width;
  /// The values are a sample's score minus its score in the baseline; enough when the interval leaves 0 out.
  bool against_baseline = false;
  /// With a baseline: enough also when the whole interval is inside -/+ this, so that runs which do not
  /// differ come to an end too.
  std::optional<double> equivalence_margin;
  uint64_t min_samples = 50; ///< Not before so many values.
  /// Bounds of one score; those of differences follow from them.
  double lowest_score = 0;
  double highest_score = 1;
};

enum class stop_reason : uint8_t {
  none = 0,          ///< Go on.
  narrow_enough = 1, ///< The interval is as narrow as asked.
  better = 2,        ///< Than the baseline.
  worse = 3,         ///< Than the baseline.
  equivalent = 4,    ///< To the baseline, within the margin.
};

std::string_view to_string(stop_reason reason) noexcept;

struct stop_decision {
  stop_reason reason = stop_reason::none;
  uint64_t samples = 0; ///< Values that were looked at.
  double mean = 0;
  interval confidence; ///< Holds at all times at once; see bounded_mean_sequence.
  /// A value was outside its bounds, so that nothing can be concluded: such a run is never stopped.
  bool out_of_bounds = false;

  bool stop() const noexcept { return reason != stop_reason::none; }
};

/// Decides while scores come in whether a run may end. Looking after every one is allowed: the chance to stop
/// by mistake stays below alpha however often one looks.
///
/// Two things are the caller's. The order of the samples must be drawn by chance (a dataset that begins with
/// the easy ones would mislead it), and a sample of several epochs is one value, their mean. Answers may come
/// in any order: fast answers are not scored like slow ones, so values are taken in the order of their
/// positions, and those that come too early wait.
class stopping_watch {
public:
  explicit stopping_watch(const stopping_rule& rule);

  /// @param position 0, 1, 2, ... in the order in which the samples were drawn; each once, later ones with a
  /// position that is done are ignored. @param value Nothing for a sample that does not count (failed, or
  /// without a counterpart in the baseline). @returns what is known now; after a stop it stays as it is.
  const stop_decision& add(uint64_t position, std::optional<double> value);
  const stop_decision& decision() const noexcept { return decision_; }
  /// Values that wait for one before them.
  size_t waiting() const noexcept { return early_.size(); }

private:
  void take(double value);
  stop_reason judge() const noexcept;

  stopping_rule rule_;
  double low_;
  double high_;
  bounded_mean_sequence sequence_;
  std::map<uint64_t, std::optional<double>> early_;
  uint64_t next_ = 0;
  stop_decision decision_;
};

} // namespace assay::stats
