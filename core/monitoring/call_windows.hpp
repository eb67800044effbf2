#pragma once

#include "core/monitoring/call_tally.hpp"

#include <array>
#include <map>
#include <set>
#include <string_view>
#include <vector>

namespace assay::monitoring {

/// The windows that every number is given over.
enum class window_span : uint8_t { minute = 0, five_minutes = 1, hour = 2, day = 3 };

inline constexpr std::array all_spans{window_span::minute, window_span::five_minutes, window_span::hour,
                                      window_span::day};

/// "1m", "5m", "1h", "24h"
std::string_view to_string(window_span span) noexcept;
std::optional<window_span> span_from_string(std::string_view name) noexcept;
seconds length_of(window_span span) noexcept;

/// What a window says. Means and percentiles are zero without samples.
struct window_summary {
  seconds length{0};
  uint64_t samples = 0; ///< Ended calls.
  uint64_t failures = 0;
  uint64_t retries = 0;
  uint64_t external = 0;                  ///< Of the samples, those that were made elsewhere.
  std::map<std::string, uint64_t> errors; ///< By errc name.
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  money cost;
  uint64_t unpriced = 0; ///< Answers whose cost is unknown; the cost lacks them.
  uint64_t measured = 0; ///< Calls behind mean and percentiles: all but those of batches.
  microseconds mean{0};
  microseconds p50{0};
  microseconds p95{0};
  microseconds p99{0};
  uint64_t timed = 0; ///< Calls behind `phases`, the mean time in each part of a call's way.
  call_timing phases;
  uint64_t judged = 0;                   ///< Calls behind `quality`.
  std::optional<double> quality;         ///< 0..1, mean.
  std::optional<double> cost_efficiency; ///< Quality points (quality * 100) for a dollar.

  bool operator==(const window_summary&) const = default;

  std::optional<double> success_rate() const noexcept;
  std::optional<double> error_rate() const noexcept;
  /// Dollars an hour at the pace of this window.
  double dollars_per_hour() const noexcept;
};

window_summary summarise(const call_tally& tally, seconds length);

/// Buckets of equal width, the newest few of them kept.
class bucket_line {
public:
  bucket_line(seconds width, size_t most) : width_(width), most_(most) {}

  struct bucket {
    call_tally tally;
    bool unsaved = false;
  };

  seconds width() const noexcept { return width_; }
  int64_t index_of(wall_time at) const noexcept;
  wall_time start_of(int64_t index) const noexcept;
  /// @returns the bucket of this number; nothing for one that is too old to be kept.
  bucket* touch(int64_t index);
  const bucket* find(int64_t index) const noexcept;
  bucket* find(int64_t index) noexcept;
  /// Adds up the newest @p count buckets up to the one of @p now, which is not over yet.
  call_tally sum(wall_time now, size_t count) const;
  const std::map<int64_t, bucket>& buckets() const noexcept { return buckets_; }
  void drop_after(int64_t last) { buckets_.erase(buckets_.upper_bound(last), buckets_.end()); }

private:
  seconds width_;
  size_t most_;
  std::map<int64_t, bucket> buckets_;
};

/// A bucket of the two widths that are stored.
struct bucket_name {
  bool quarter = false; ///< Of an hour; else of a minute.
  int64_t index = 0;    ///< Unix time by the bucket's width.

  auto operator<=>(const bucket_name&) const = default;
};

/// The rolling windows over the calls of one series: 12 and 60 buckets of five seconds, 60 of a minute, 96 of
/// a quarter of an hour. A window ends with the bucket that is not over yet, so it is up to one bucket
/// shorter than its name. Buckets without calls take no memory; busy ones some 2 KiB each.
class call_windows {
public:
  /// Counts a call that ended at @p at. Windows that do not reach back as far leave it out.
  void add(wall_time at, const counted_call& call);
  void add_quality(wall_time at, double quality, std::optional<money> call_cost);

  call_tally tally(window_span span, wall_time now) const;
  window_summary summary(window_span span, wall_time now) const;
  bool empty(wall_time now) const { return tally(window_span::day, now).empty(); }

  /// @returns what has to be stored: changed minutes, and changed quarters that are over. They count as saved
  /// from now on.
  std::vector<bucket_name> take_unsaved(wall_time now);
  /// They could not be stored.
  void mark_unsaved(const std::vector<bucket_name>& names);
  const call_tally* find(bucket_name name) const noexcept;
  /// Puts a stored bucket back. A minute counts in its quarter too, unless that was stored itself; restore
  /// quarters first.
  void restore(bucket_name name, const call_tally& tally);
  /// Forgets what lies more than a bucket after @p now: the clock was set back.
  void drop_after(wall_time now);

private:
  bucket_line fine_{seconds{5}, 61};
  bucket_line minutes_{seconds{60}, 61};
  bucket_line quarters_{seconds{900}, 97};
  std::set<int64_t> stored_quarters_; ///< Restored ones; minutes of theirs are in them.
};

inline constexpr seconds minute_width{60};
inline constexpr seconds quarter_width{900};

} // namespace assay::monitoring
