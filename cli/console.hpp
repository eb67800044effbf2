#pragma once

#include "cli/output.hpp"

#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace assay::cli {

/// Standard error, shared by progress and log: lines that stay, and below them on a terminal a few lines that
/// are drawn anew. Thread-safe.
class console {
public:
  /// @param out Kept by the caller.
  console(std::FILE* out, terminal kind) : out_(out), kind_(kind) {}
  ~console() { clear_status(); }
  console(const console&) = delete;
  console& operator=(const console&) = delete;

  const terminal& kind() const noexcept { return kind_; }

  /// Prints a line that stays, above the status.
  void line(std::string_view text);

  /// Replaces the status; does nothing where lines cannot be drawn anew.
  void status(std::vector<std::string> lines);

  /// Removes the status.
  void clear_status();

private:
  void erase();
  void draw();

  std::FILE* const out_;
  const terminal kind_;
  std::mutex mutex_;
  std::vector<std::string> status_;
};

} // namespace assay::cli
