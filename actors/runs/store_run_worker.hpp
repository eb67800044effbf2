#pragma once

#include "actors/runs/run_workers.hpp"
#include "core/tasks/sample_source.hpp"
#include "storage/store.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace assay {

/// The run_worker of real runs: tasks and datasets from files, what is done from the store.
class store_run_worker final : public run_worker {
public:
  explicit store_run_worker(std::shared_ptr<storage::store> store) : store_(std::move(store)) {}

  run_recovered recover(const run_record& record) override;
  std::shared_ptr<const run_plan> plan() const override { return plan_; }
  std::vector<std::optional<epoch_board>> take_boards() override { return std::move(boards_); }
  std::unique_ptr<stop_watch> take_watch() override { return std::move(watch_); }
  samples_loaded next_page(size_t limit) override;
  result_computed summarise(const run_record& record) override;

private:
  using task_ptr = std::shared_ptr<const tasks::task_definition>;

  /// Where the reading stands: variants within epochs within tasks.
  struct position {
    size_t task = 0;
    uint16_t epoch = 0;
    uint16_t variant = 0;
  };

  std::optional<fault> load_tasks();
  std::optional<fault> recount(run_recovered& out);
  std::optional<fault> find_origin();
  std::optional<fault> begin_watch();
  size_t index_of(const sample_address& address) const;
  bool advance();
  std::optional<fault> open_source();
  std::optional<fault> find_stored_answers(std::vector<loaded_sample>& samples) const;

  std::shared_ptr<storage::store> store_;
  run_record record_;
  std::vector<task_ptr> tasks_;
  std::shared_ptr<const run_plan> plan_;
  std::unique_ptr<stop_watch> watch_;
  std::vector<std::optional<epoch_board>> boards_;
  std::vector<std::vector<bool>> done_; ///< By task; see index_of.
  bool has_history_ = false;
  uint16_t origin_generation_ = 0; ///< Of the run whose answers are scored again.
  position at_;
  std::optional<tasks::sample_source> source_;
};

/// @returns what differs between the files of a run's tasks now and as they were pinned, or why one cannot be
/// read. Reads them whole.
std::optional<fault> check_pinned_files(const run_spec& spec);

/// What is kept of a run at its end.
struct run_summary_texts {
  std::string document; ///< As compute_result() answers it.
  std::string counts;   ///< What it brings into the result database, storage form; empty for nothing.
};

/// Computes both in one pass over the samples.
result<run_summary_texts> summarise_run(const std::shared_ptr<storage::store>& store,
                                        const run_record& record);

/// @returns the result document of a run: per task and prompt type scores with errors and intervals, totals,
/// cost.
result<std::string> compute_result(const std::shared_ptr<storage::store>& store, const run_record& record);

} // namespace assay
