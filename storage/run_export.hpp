#pragma once

#include "core/reports/exporter.hpp"
#include "core/values/run.hpp"
#include "storage/output_folder.hpp"
#include "storage/store.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::storage {

/// Reads a run from the store, page by page, and turns it into one of the forms of core/reports. Its memory
/// is that of a page. Used by one thread at a time; calls block on the disk.
class run_export {
public:
  /// @returns invalid_argument for options that do not fit the run.
  static result<std::unique_ptr<run_export>> open(std::shared_ptr<store> from, reports::report_facts facts,
                                                  const reports::export_options& options);
  ~run_export();
  run_export(const run_export&) = delete;
  run_export& operator=(const run_export&) = delete;

  /// Does some milliseconds of work and appends what came of it to @p out, which may be nothing.
  /// @returns whether there is more to come.
  result<bool> step(std::string& out);

private:
  class documents;
  /// Only open() has one.
  struct permit {};

public:
  run_export(permit, std::shared_ptr<store> from, reports::report_facts facts,
             const reports::export_options& options);

private:
  void begin_pass();
  result<bool> read_page(const reports::text_sink& sink, const std::string& out);

  const std::shared_ptr<store> store_;
  const reports::report_facts facts_;
  const reports::export_options options_;
  std::unique_ptr<reports::exporter> exporter_;
  std::unique_ptr<documents> documents_;
  bool begun_ = false;
  unsigned pass_ = 0;
  std::optional<sample_address> after_;
};

/// Writes every file of an export below a folder, each atomically. @returns their names, in order.
result<std::vector<std::filesystem::path>> write_export(const std::shared_ptr<store>& from,
                                                        const reports::report_facts& facts,
                                                        const reports::export_options& options,
                                                        const output_folder& to);

/// As run_export, to the end. @param sink Called outside of any view of the store.
result<void> export_run(const std::shared_ptr<store>& from, const reports::report_facts& facts,
                        const reports::export_options& options, const text_sink& sink);

} // namespace assay::storage
