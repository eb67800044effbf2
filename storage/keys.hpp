#pragma once

#include "core/values/ids.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace assay::storage {

/// A stored key of fixed size. Keys order by time of their run and then by place, because every number in
/// them is big-endian; random keys measured seven times slower.
class row_key {
public:
  std::string_view view() const noexcept { return {bytes_.data(), size_}; }
  operator std::string_view() const noexcept { return view(); }

  /// Appends @p value, big-endian. A key holds at most 24 bytes.
  void u16(uint16_t value) noexcept;
  void u32(uint32_t value) noexcept;
  void u64(uint64_t value) noexcept;

private:
  std::array<char, 24> bytes_{};
  size_t size_ = 0;
};

/// run(8)
row_key run_key(run_id run) noexcept;
/// run(8) task(2) variant(2) sample(4) epoch(2) step(2) generation(2)
row_key sample_key(run_id run, const sample_address& address) noexcept;
/// The same, attempt(2)
row_key response_key(run_id run, const sample_address& address, uint16_t attempt) noexcept;
/// run(8) seq(8)
row_key event_key(run_id run, uint64_t seq) noexcept;

/// A sample key, taken apart.
struct sample_position {
  run_id run;
  sample_address address;
};

/// A response key, taken apart.
struct response_position {
  run_id run;
  sample_address address;
  uint16_t attempt = 0;
};

/// An event key, taken apart.
struct event_position {
  run_id run;
  uint64_t seq = 0;
};

/// Each answers nothing for a key of another size.
std::optional<run_id> parse_run_key(std::string_view key) noexcept;
std::optional<sample_position> parse_sample_key(std::string_view key) noexcept;
std::optional<response_position> parse_response_key(std::string_view key) noexcept;
std::optional<event_position> parse_event_key(std::string_view key) noexcept;

/// @returns whether both name the same sample, whatever their generation.
bool same_sample(const sample_address& a, const sample_address& b) noexcept;

} // namespace assay::storage
