#pragma once

#include "core/reports/test_counts.hpp"
#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

/// Results over all runs: totals by model, task, task type, prompt type and difficulty, and the file form
/// master_database.json.
namespace assay::reports {

/// What is asked of the database; empty members do not narrow.
struct test_query {
  std::vector<std::string> models;
  std::vector<std::string> providers;
  std::vector<std::string> tasks;
  std::vector<std::string> task_types;
  std::vector<std::string> prompt_types;
  std::vector<std::string> difficulties; ///< easy, medium and hard are beginner, intermediate and advanced.
  user_id owner;                         ///< Only what this person's runs brought.
  /// Columns to group by: model, provider, task, task_type, prompt_type, difficulty.
  std::vector<std::string> by;
};

/// @returns the columns that test_query::by may name.
const std::vector<std::string>& test_columns();

/// @returns errc::invalid_argument for a column that does not exist, or one that is named twice.
result<void> check_query(const test_query& query);

/// Takes sources in, one after another; each counts once, the last of one name.
class test_database {
public:
  void add(counted_source source);

  /// Rows of {<columns of by>, total, success, ...}, ordered by the columns; without columns the one total.
  nlohmann::json rows(const test_query& query) const;

  /// The statistics view: summary, success levels, by model, task type, prompt type and difficulty.
  nlohmann::json statistics(const test_query& query = {}) const;

  /// The form of the file master_database.json, version 3.0. @param now Its last_updated.
  nlohmann::json master_database(wall_time now, const test_query& query = {}) const;

  const std::vector<counted_source>& sources() const noexcept { return sources_; }

private:
  std::vector<counted_source> sources_;
};

/// Figures of some tests: total, success (full and partial), failure, rates (null without tests), mean score,
/// time, tokens and cost.
nlohmann::json figures(const test_counts& counts);

/// Reads a file of the form master_database.json, this program's or another's.
/// @param name What the import is called; an import of the same name replaces it.
/// @returns errc::malformed_input for another form, and for counts that contradict each other.
result<counted_source> read_master_database(std::string_view text, std::string name);

} // namespace assay::reports
