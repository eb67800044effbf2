#pragma once

#include "core/values/errors.hpp"
#include "core/values/shared_text.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::io {

class io_runtime;

namespace detail {
class owned_descriptor;
}

/// An open file that a program gets, and its own copy of it; closed with the last owner.
class shared_file {
public:
  shared_file() = default;
  /// Takes over @p descriptor.
  explicit shared_file(int descriptor);

  /// A file in memory that holds @p content, read from its start. @returns errc::internal when the kernel has
  /// no room for it.
  static result<shared_file> in_memory(std::string_view content);

  /// -1 when there is none.
  int descriptor() const noexcept;

private:
  std::shared_ptr<const detail::owned_descriptor> owned_;
};

/// A program to start.
struct process_options {
  std::vector<std::string> command;        ///< The program's absolute path, then its arguments.
  std::vector<std::string> environment;    ///< `NAME=value`. All that it gets: nothing is inherited.
  std::string folder{"/"};                 ///< Absolute; where it starts.
  shared_text input;                       ///< What its stdin begins with.
  bool keep_input_open = false;            ///< For write(); otherwise its stdin ends after `input`.
  size_t max_unwritten = size_t{64} << 20; ///< Bytes that write() lets wait.
  /// Bytes of stdout that were delivered and not granted back, beyond which it is not read; 0: always read.
  size_t window = 0;
  bool with_report = false; ///< It has a third way out, its descriptor 3; see process_handlers::on_report.
  shared_file attachment;   ///< Becomes its descriptor 4.
  /// How long its stdout and stderr are read after its end, while programs that it left behind hold them.
  milliseconds linger{200};
};

/// How a program ended.
struct process_end {
  /// Why it was never started; what follows means nothing then.
  std::optional<fault> error;
  int exit_code = 0;
  int signal = 0; ///< 0 when it exited by itself.
  milliseconds wall{0};
  /// Of the program and of those of its descendants that were waited for.
  milliseconds cpu{0};
  uint64_t peak_memory_bytes = 0; ///< Of the largest of them.
};

/// What is told of a program, on the runtime's thread; none may throw. Empty ones are not called.
struct process_handlers {
  std::function<void(std::string_view)> on_output; ///< A piece of its stdout, at most 64 KiB.
  std::function<void(std::string_view)> on_error;  ///< The same of its stderr.
  std::function<void(std::string_view)> on_report; ///< The same of its descriptor 3.
  std::function<void(const process_end&)> on_end;  ///< Once; nothing is called after it.
};

/// A program that runs beside this one: started by posix_spawn in a session of its own, with no signal masked
/// or ignored and no open file but its stdin, stdout, stderr and what its options name. All functions may be
/// called from any thread, and from the handlers.
///
/// The program is killed, with its process group, when the handle goes or the runtime stops; on_end is called
/// in both cases, for the runtime's sake at the latest while it stops. A handler that holds its own process
/// keeps it alive until on_end.
class process {
public:
  /// Starts the program soon, on the runtime's thread. @p runtime must outlive the handle.
  static std::shared_ptr<process> start(io_runtime& runtime, process_options options,
                                        process_handlers handlers);

  /// Kills.
  ~process();
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  /// Puts @p text behind what its stdin has got. @returns false, and takes nothing, when more than
  /// max_unwritten would wait. What comes after its end, or after close_input(), is dropped.
  bool write(shared_text text);

  /// Ends its stdin, after what was written.
  void close_input();

  /// Gives back bytes of stdout that have been used up; see process_options::window.
  void grant(size_t bytes);

  /// Sends SIGKILL to its process group. May be repeated, and come too early or too late.
  void kill();

private:
  struct state;
  explicit process(std::shared_ptr<state> made);
  std::shared_ptr<state> state_;
};

} // namespace assay::io
