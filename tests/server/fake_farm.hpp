#pragma once

#include "core/monitoring/monitor_view.hpp"
#include "core/reports/test_counts.hpp"
#include "core/values/event.hpp"
#include "core/values/run.hpp"
#include "protocol/messages/experiments.hpp"
#include "protocol/messages/gateway.hpp"
#include "protocol/messages/runs.hpp"
#include "server/farm_access.hpp"
#include "storage/store.hpp"
#include "storage/tables.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace assay::server::test {

/// A farm whose actors do the least that the edge needs: the store, the journal and the conversations are
/// real, nobody runs anything.
class fake_farm {
public:
  fake_farm();
  ~fake_farm();
  fake_farm(const fake_farm&) = delete;
  fake_farm& operator=(const fake_farm&) = delete;

  const std::string& folder() const;
  std::shared_ptr<storage::store> store() const;
  std::unique_ptr<farm_access> access();

  // -- what is stored -----------------------------------------------------------------------------------
  run_record put_run(const std::string& owner, run_state state = run_state::running);
  void change_run(run_id run, const std::function<void(run_record&)>& change);
  void put_result(run_id run, const std::string& document);
  /// Stores what a run brings into the result database.
  void put_counts(const reports::counted_source& source);
  /// Stores an event of the run's life and publishes it. @returns its number.
  uint64_t happen(run_id run, event_type type, bool publish = true, const std::string& data = {});
  /// Stores finished samples of task 0. @returns the number of the last one.
  uint64_t finish_samples(run_id run, uint32_t first, uint32_t count,
                          sample_status status = sample_status::scored);

  // -- what subscribers hear ----------------------------------------------------------------------------
  void publish_progress(run_id run, uint64_t seq, const std::string& text);
  /// A live frame as it is, stored or not.
  void publish_raw(run_id run, uint64_t seq, const std::string& text);
  size_t subscriptions() const;
  /// Ends the hub; the next one to ask the root is given a new one.
  void lose_hub();
  void lose_run_supervisor();
  /// Ends the gateway; the next one to ask the root is given a new one.
  void lose_gateway();

  // -- what the edge asked ------------------------------------------------------------------------------
  std::vector<submit_run> submitted() const;
  std::vector<command_run> commands() const;
  std::vector<call_observation> observed() const;
  /// Questions that reached the gateway, which is a fake_gateway.
  std::vector<model_question> questions() const;
  /// How many questions were withdrawn.
  size_t withdrawn() const;
  /// Bytes of pieces that were taken, in all.
  uint64_t taken() const;

  // -- experiments --------------------------------------------------------------------------------------
  /// What was asked of experiments. Every one exists and runs, but `missing`.
  std::vector<ask_experiment> experiment_questions() const;
  /// Stores a document as its keeper would.
  void put_document(storage::table where, const std::string& key, const std::string& text);

  // -- what the monitor knows ---------------------------------------------------------------------------
  void set_view(monitoring::monitor_view view);
  void set_routing(monitoring::routing_view view);
  std::vector<change_routing> routing_changes() const;
  void put_statistics(const std::string& key, const std::string& text);
  /// Stores an alert as the monitor does, and publishes it.
  void put_alert(const monitoring::alert& one, bool publish = true);

private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

} // namespace assay::server::test
