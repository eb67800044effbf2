#pragma once

#include "core/values/errors.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace assay::storage {

/// The largest value the store keeps, before compression. Guards the reader against hostile sizes.
inline constexpr size_t max_value_bytes = size_t{64} << 20;

/// Values above this size are compressed.
inline constexpr size_t compression_threshold = 2048;

/// Appends numbers and texts to a buffer in the store's compact form: integers as LEB128 varints, signed ones
/// zigzag, reals as eight little-endian bytes, texts as a varint length and the bytes.
class byte_writer {
public:
  /// @param out Outlives the writer.
  explicit byte_writer(std::string& out) noexcept : out_(out) {}

  void u8(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void varint(uint64_t value);
  void signed_varint(int64_t value);
  void real(double value);
  void text(std::string_view value);
  void raw(std::string_view bytes) { out_.append(bytes); }

private:
  std::string& out_;
};

/// Reads what byte_writer wrote. Never reads past the end: after the first error every read answers zero or
/// an empty text and ok() is false, so that a decoder checks once, at its end.
class byte_reader {
public:
  /// @param bytes Outlive the reader and the texts it answers.
  explicit byte_reader(std::string_view bytes) noexcept : bytes_(bytes) {}

  uint8_t u8() noexcept;
  uint64_t varint() noexcept;
  /// A varint that must fit @p limit.
  uint64_t varint_up_to(uint64_t limit) noexcept;
  int64_t signed_varint() noexcept;
  double real() noexcept;
  std::string_view text() noexcept;
  /// Everything that is left.
  std::string_view rest() noexcept;

  /// Marks the input as damaged.
  void fail() noexcept;
  bool ok() const noexcept { return ok_; }
  /// @returns whether everything was read and nothing was wrong.
  bool complete() const noexcept { return ok_ && bytes_.empty(); }
  size_t left() const noexcept { return bytes_.size(); }

private:
  std::string_view bytes_;
  bool ok_ = true;
};

/// Wraps payloads into stored values: a version byte, a flag byte (bit 0: zstd), for compressed payloads
/// their size as a varint, then the payload. Buffers and the zstd context are reused from value to value.
class value_sealer {
public:
  value_sealer();
  ~value_sealer();
  value_sealer(value_sealer&&) noexcept;
  value_sealer& operator=(value_sealer&&) noexcept;

  /// Starts a value. @returns the buffer to append the payload to; it already holds the header.
  std::string& begin(uint8_t version);
  /// Ends the value. @returns the stored form, valid until the next begin().
  std::string_view seal();

private:
  struct compressor;
  std::string plain_;
  std::string compressed_;
  std::unique_ptr<compressor> compressor_;
};

/// One stored value, opened.
struct opened_value {
  uint8_t version = 0;
  std::string_view payload; ///< Valid as long as the stored bytes and until the opener opens the next value.
};

/// Undoes value_sealer. Not shared between threads.
class value_opener {
public:
  value_opener();
  ~value_opener();
  value_opener(value_opener&&) noexcept;
  value_opener& operator=(value_opener&&) noexcept;

  /// @returns the payload, or errc::store_unreadable when the bytes are damaged.
  result<opened_value> open(std::string_view stored);

private:
  struct decompressor;
  std::string buffer_;
  std::unique_ptr<decompressor> decompressor_;
};

} // namespace assay::storage
