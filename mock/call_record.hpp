#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"
#include "mock/options.hpp"
#include "mock/wire.hpp"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace assay::mock {

/// One call from its arrival to its end.
struct call_ticket {
  uint64_t n = 0; ///< Number of the call since the start, from 1; 0: not a call (health, control, ...).
  wire protocol = wire::openai;
  bool stream = false;
  std::string path;         ///< Of the request; for a line of a batch `batch:` and the path it names.
  std::string key_hash;     ///< First 8 hex digits of the key's SHA-256; empty without a key.
  std::string model;        ///< As asked for.
  std::string custom_id;    ///< Of a batch's line, else the header x-client-request-id.
  uint64_t prompt_hash = 0; ///< Of all messages; 0 when the request could not be read.
  uint64_t repetition = 0;  ///< How many calls with this prompt and model came before.
  std::string request_id;   ///< As the protocol writes it.
  int status = 0;
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  uint32_t images = 0;
  fault_kind struck = fault_kind::none;
  std::array<uint64_t, 2> id{}; ///< What all ids of the call's answer are made of.
};

/// @returns 32 hex digits that belong to the call alone.
std::string id_digits(const call_ticket& call);

/// Gives @p ticket the ids of call number @p n, in the form of its protocol.
void name_call(call_ticket& ticket, uint64_t seed, uint64_t n);

/// Remembers what was asked and what was answered, so that a test can compare it with what a client claims.
/// Every event is one line of JSON, written with one write(2): complete once it is there, and safe from the
/// end of this process (not of the machine). Thread-safe.
class call_record {
public:
  /// @param file appended to; empty: no file. Fails when the file cannot be opened.
  /// @param kept the newest calls that list() knows.
  static result<std::unique_ptr<call_record>>
  open(const std::filesystem::path& file, std::function<nanoseconds()> clock, uint64_t seed, uint32_t kept);
  ~call_record();
  call_record(const call_record&) = delete;
  call_record& operator=(const call_record&) = delete;

  /// Numbers the call, names its request id, and writes "received".
  void received(call_ticket& ticket);
  /// Writes "answered" when @p whole, else "dropped". Call with @p whole only after the entire, undamaged
  /// answer went to the kernel.
  void finished(const call_ticket& ticket, bool whole);

  /// Totals: received, answered, dropped, in_flight, statuses, faults, tokens, and per prompt the highest
  /// counts.
  nlohmann::json summary() const;
  /// The kept calls after number @p after, oldest first, at most @p limit of them: {calls: [{n, protocol,
  /// path, key_hash, model, stream, status, received_ms, ended_ms, request_id, custom_id, ...}], next}. A
  /// call without ended_ms is under way.
  nlohmann::json list(uint64_t after, size_t limit) const;
  /// Forgets the totals and the kept calls. The file and the numbering go on.
  void reset();

  struct slice {
    std::string lines; ///< Whole lines only.
    uint64_t next = 0; ///< Where to go on.
  };
  /// Reads up to @p limit bytes of the file from @p offset.
  result<slice> read(uint64_t offset, size_t limit) const;

private:
  struct prompt_counts {
    uint32_t received = 0;
    uint32_t answered = 0; ///< With 2xx.
  };

  /// A call that list() shows.
  struct kept_call {
    call_ticket ticket;
    nanoseconds received{0};
    nanoseconds ended{-1};
    bool whole = false;
  };

  call_record(std::filesystem::path file, int descriptor, std::function<nanoseconds()> clock, uint64_t seed,
              uint32_t kept);
  void keep(const call_ticket& ticket);
  void write(std::string_view event, const call_ticket& ticket);

  const std::filesystem::path file_;
  const int descriptor_;
  const std::function<nanoseconds()> clock_;
  const nanoseconds start_;
  const uint64_t seed_;

  mutable std::mutex mutex_;
  uint64_t n_ = 0;
  uint64_t received_ = 0, answered_ = 0, dropped_ = 0, in_flight_ = 0, write_errors_ = 0;
  uint64_t prompt_tokens_ = 0, completion_tokens_ = 0;
  uint64_t overflow_ = 0; ///< Calls whose prompt found no room in prompts_.
  std::map<int, uint64_t> statuses_;
  std::map<std::string, uint64_t, std::less<>> faults_;
  std::unordered_map<uint64_t, prompt_counts> prompts_; ///< By prompt and model.
  std::string line_;
  const uint32_t most_kept_;
  std::vector<kept_call> kept_; ///< A ring: call n stands at n modulo its size.
};

/// @returns @p value as 16 hex digits.
std::string to_hex(uint64_t value);

} // namespace assay::mock
