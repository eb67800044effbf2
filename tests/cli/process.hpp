#pragma once

#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace assay::cli::test {

/// How a program ended and what it printed.
struct finished {
  int code = -1; ///< Negative: the signal that ended it.
  std::string out;
  std::string err;
};

/// A program that runs beside the test, in a folder of its own and without the test's environment. Killed by
/// its destructor.
class process {
public:
  process(const std::vector<std::string>& arguments, const std::string& folder,
          const std::map<std::string, std::string>& environment = {});
  ~process();
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  void signal(int number) const;
  /// Waits for its end, at most a minute.
  finished wait();
  bool running() const;
  /// Where its standard output goes.
  const std::string& out_file() const noexcept { return out_file_; }
  const std::string& err_file() const noexcept { return err_file_; }

private:
  pid_t pid_ = -1;
  std::string out_file_;
  std::string err_file_;
  mutable int status_ = 0;
  mutable bool ended_ = false;
};

/// Runs the binary under test to its end.
finished run_assay(const std::vector<std::string>& arguments, const std::string& folder,
                   const std::map<std::string, std::string>& environment = {});

/// Waits until a file has content, at most a minute; empty when it does not.
std::string wait_for_file(const std::string& path, const process& writer);

/// Waits until a file has @p text in it, at most a minute. @returns whether it came.
bool wait_for_text(const std::string& path, const std::string& text, const process& writer);

} // namespace assay::cli::test
