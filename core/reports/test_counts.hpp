#pragma once

#include "core/stats/aggregate.hpp"
#include "core/tasks/task_definition.hpp"
#include "core/values/run.hpp"
#include "core/values/sample.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What a run brings into the result database: its tests, counted.
namespace assay::reports {

/// Tests of one kind. One test is one sample of one prompt type and epoch.
struct test_counts {
  uint64_t total = 0;
  uint64_t full = 0;     ///< Score 1.
  uint64_t partial = 0;  ///< Score above 0 and below 1. The others are failures.
  uint64_t errors = 0;   ///< Part of the failures: no answer, or no score.
  uint64_t timeouts = 0; ///< Part of errors.
  uint64_t scored = 0;
  double score_sum = 0;
  milliseconds time{0}; ///< Of all together.
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  std::optional<money> cost; ///< Nothing while no price is known.

  uint64_t failures() const noexcept { return total - full - partial; }
  test_counts& operator+=(const test_counts& more) noexcept;
  bool operator==(const test_counts&) const = default;
};

/// Counts one finished sample. @param score What it brings into its task's score; nothing for none.
void count_test(test_counts& into, const sample_record& sample, std::optional<double> score) noexcept;

/// What tests are counted by.
struct test_kind {
  std::string model;
  std::string provider;
  std::string task;
  std::string task_type; ///< The task's `task_type`; its category where it has none.
  std::string prompt_type;
  std::string difficulty; ///< beginner, intermediate or advanced; other words only from imports.

  bool operator==(const test_kind&) const = default;
};

struct counted_tests {
  test_kind kind;
  test_counts counts;

  bool operator==(const counted_tests&) const = default;
};

/// The counts of one source: a run, or a file that was imported. A source counts once, whatever happens to
/// it: counting it again replaces what it brought before.
struct counted_source {
  std::string name; ///< The run's id, or the import's name.
  bool imported = false;
  user_id owner;
  uint16_t generation = 0; ///< Of the run when it was counted.
  wall_time finished_at{};
  std::vector<counted_tests> tests;
  /// Runs whose tests an import holds, as far as it says.
  std::vector<std::string> runs;

  uint64_t total() const noexcept;
  bool operator==(const counted_source&) const = default;
};

/// @returns whether @p run brings tests of its own: a finished evaluation that asked a model and scored the
/// answers. Runs that score the answers of another one again would count these twice.
bool is_counted(const run_record& run) noexcept;

/// Adds the samples of a run up. Memory: one test_counts by task and prompt type.
class test_counter {
public:
  /// @param tasks Of the run, in its order.
  test_counter(const run_record& run, std::span<const std::shared_ptr<const tasks::task_definition>> tasks);

  void add(const sample_record& sample);
  /// Kinds without tests are left out.
  counted_source finish() const;

private:
  struct task_rule {
    std::vector<stats::scorer_weight> scorers;
    stats::failed_samples failed = stats::failed_samples::exclude;
  };

  counted_source source_;
  std::vector<task_rule> rules_;
  size_t variants_ = 0;
};

/// The storage form: JSON text.
std::string to_text(const counted_source& source);
/// @returns errc::store_unreadable for a text that is none.
result<counted_source> counted_source_from_text(std::string_view text);

} // namespace assay::reports
