#pragma once

#include "core/values/time.hpp"
#include "mock/files.hpp"
#include "mock/routes.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// Where a batch is. Every protocol has its own words for these.
enum class batch_phase : uint8_t {
  validating = 1,
  failed = 2, ///< The input was no good; no line was run.
  running = 3,
  finalizing = 4,
  completed = 5,
  cancelling = 6,
  cancelled = 7,
  expired = 8,
};

constexpr bool is_over(batch_phase phase) noexcept {
  return phase == batch_phase::failed || phase == batch_phase::completed || phase == batch_phase::cancelled
         || phase == batch_phase::expired;
}

/// One request of a batch, as it came.
struct batch_line {
  std::string custom_id; ///< Gemini: the key; may be empty.
  std::string body;      ///< JSON of the request.
  std::string metadata;  ///< Gemini: JSON that comes back with the answer; may be empty.
};

/// What became of a line.
struct line_outcome {
  int status = 0;         ///< HTTP; 0: the line was not run.
  std::string body;       ///< The answer, or the protocol's error body.
  std::string request_id; ///< Of the call that the line was.
  uint64_t input_tokens = 0;
  uint64_t output_tokens = 0;
};

/// A batch and what it has done.
struct batch_job {
  std::string id;
  std::string owner; ///< The hash of the key; other keys do not see it.
  wire protocol = wire::openai;
  operation op = operation::chat;      ///< What each line asks for.
  std::string path;                    ///< What each line would be sent to on its own.
  std::string model;                   ///< Gemini: of the path; else of the first line.
  std::string name;                    ///< Gemini: displayName.
  std::string input_file;              ///< Empty: the lines came with the request.
  std::string metadata;                ///< JSON; OpenAI.
  std::string problems;                ///< JSON list; not empty: the batch fails.
  std::optional<int64_t> output_lives; ///< Seconds that the written files live; OpenAI.
  std::vector<batch_line> lines;
  std::vector<line_outcome> outcomes; ///< One per line.
  size_t run = 0;                     ///< So many lines were run, from the first.
  nanoseconds created{0};
  std::optional<nanoseconds> cancelled; ///< When somebody asked for it.
  bool closed = false;                  ///< It is over and its files are written.
  std::string output_file;              ///< Empty: none.
  std::string error_file;
};

/// How fast batches are.
struct batch_schedule {
  nanoseconds time{0};   ///< From creation to the end, if nothing comes between.
  nanoseconds window{0}; ///< Then a batch expires, done or not; Azure's do not.
};

/// A batch at one moment.
struct batch_view {
  const batch_job& job;
  batch_phase phase = batch_phase::validating;
  size_t answered = 0; ///< Lines with a status below 400.
  size_t errored = 0;
  /// When the batch came, or will come, to a phase, on the clock of batch_job::created.
  nanoseconds running_at{0}, finalizing_at{0}, over_at{0}, expires_at{0};
};

/// Keeps batches and lets them proceed: no thread works on them, but whoever looks at one first runs the
/// lines that are due by then. Thread-safe.
class batch_store {
public:
  using run_line = std::function<line_outcome(const batch_job&, const batch_line&)>;
  /// Writes the files of a batch that is over.
  using close_job = std::function<void(batch_job&, batch_phase)>;
  using look = std::function<void(const batch_view&)>;

  /// @param most_bytes of all requests together.
  batch_store(batch_schedule schedule, uint64_t most_bytes, uint64_t seed, run_line run, close_job close);

  /// Stores a batch under a new id that begins with @p prefix and shows it as it is at first.
  /// @returns false when there is no room.
  bool add(batch_job job, std::string_view prefix, nanoseconds now, const look& show);
  /// Brings a batch up to date and shows it. @returns false when @p owner has none of that id and protocol.
  bool find(std::string_view owner, wire protocol, std::string_view id, nanoseconds now, const look& show);
  /// As find(), newest first.
  void list(std::string_view owner, wire protocol, nanoseconds now, const look& show);
  /// As find(); asks the batch to end, if it is not over.
  bool cancel(std::string_view owner, wire protocol, std::string_view id, nanoseconds now, const look& show);
  void remove(std::string_view id);
  void clear();

private:
  struct entry {
    std::mutex mutex;
    batch_job job;
    uint64_t number = 0;
    uint64_t bytes = 0;
  };
  using shared_entry = std::shared_ptr<entry>;

  shared_entry entry_of(std::string_view owner, wire protocol, std::string_view id) const;
  batch_view view_of(const batch_job& job, nanoseconds now) const;
  /// @param e is locked.
  void proceed(entry& e, nanoseconds now, const look& show);

  const batch_schedule schedule_;
  const uint64_t most_bytes_;
  const uint64_t seed_;
  const run_line run_;
  const close_job close_;
  mutable std::mutex mutex_;
  uint64_t n_ = 0;
  uint64_t bytes_ = 0;
  std::map<std::string, shared_entry, std::less<>> jobs_;
};

/// The numbers of @p count lines in an order that only looks random: results come in any order.
std::vector<size_t> shuffled(size_t count, std::string_view id);

} // namespace assay::mock
