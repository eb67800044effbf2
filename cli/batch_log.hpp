#pragma once

#include "cli/progress.hpp"
#include "core/values/errors.hpp"

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay::cli {

/// The file logs/batch_test_<time>.log of one batch: a line for every change, at once, so that `tail -f`
/// shows how far it is.
class batch_log {
public:
  /// @param folder Made when missing. @returns errc::store_unreadable when the file cannot be written.
  static result<batch_log> open(const std::filesystem::path& folder, wall_time now);

  void line(std::string_view text);
  /// Writes a line for each run whose state is another, and for tenths of the whole.
  void look(const std::vector<progress_line>& runs);

  const std::filesystem::path& path() const noexcept { return path_; }

private:
  struct closer {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  batch_log(std::filesystem::path path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, closer> file_;
  std::map<run_id, run_state> states_;
  uint64_t tenths_ = 0;
};

} // namespace assay::cli
