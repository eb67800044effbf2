#pragma once

#include "storage/records.hpp"

#include <limits>

/// What the kinds of records share in their stored form. Private to records*.cpp.
namespace assay::storage::records_detail {

inline constexpr uint8_t record_version = 1;

inline fault damaged(const char* what) {
  return {errc::store_unreadable,
          std::string("a stored ") + what + " is damaged",
          {},
          "restore the data folder from a backup"};
}

inline uint32_t read_u32(byte_reader& in) noexcept {
  return static_cast<uint32_t>(in.varint_up_to(std::numeric_limits<uint32_t>::max()));
}

inline uint16_t read_u16(byte_reader& in) noexcept {
  return static_cast<uint16_t>(in.varint_up_to(std::numeric_limits<uint16_t>::max()));
}

inline void write_time(byte_writer& out, wall_time time) {
  out.signed_varint(time.time_since_epoch().count());
}

inline wall_time read_time(byte_reader& in) noexcept { return wall_time{milliseconds{in.signed_varint()}}; }

} // namespace assay::storage::records_detail
