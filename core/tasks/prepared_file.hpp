#pragma once

#include "core/tasks/preparation.hpp"

#include <fstream>
#include <string>
#include <string_view>

// For the files that prepare tasks; nobody else includes this.
namespace assay::tasks {

/// The two files of a prepared task while they are made: written under names of their own, and moved to their
/// places when they are whole. What is left of a broken attempt is removed.
class prepared_file {
public:
  explicit prepared_file(const preparation& what);
  ~prepared_file();
  prepared_file(const prepared_file&) = delete;
  prepared_file& operator=(const prepared_file&) = delete;

  /// Fails with errc::store_failed.
  result<void> open();
  /// @param row A JSON object without line ends.
  result<void> write(std::string_view row);
  /// @param definition The task's YAML text.
  result<void> finish(std::string_view definition);

private:
  fault cannot_write(const std::string& path) const;

  preparation what_;
  std::string rows_part_;
  std::string definition_part_;
  std::ofstream rows_;
};

/// Defined in lm_eval/steps.cpp.
result<std::unique_ptr<preparation_steps>> begin_lm_eval(const preparation& what);

/// Defined in promptfoo/definition.cpp.
result<std::unique_ptr<preparation_steps>> begin_promptfoo(const preparation& what);

} // namespace assay::tasks
