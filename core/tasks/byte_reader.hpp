#pragma once

#include "core/values/errors.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::tasks {

/// Longest line, row or element of a dataset, in bytes.
constexpr size_t row_limit = size_t{8} << 20U;

/// SHA-256 of what is fed to it.
class sha256_digest {
public:
  sha256_digest();
  ~sha256_digest();
  sha256_digest(sha256_digest&&) noexcept;
  sha256_digest& operator=(sha256_digest&&) noexcept;

  void update(std::string_view bytes);
  /// @returns the digest in lower-case hexadecimal; update() must not be called again.
  std::string finish();

private:
  struct context;
  std::unique_ptr<context> context_;
};

/// Reads a regular file from front to back through one buffer, by lines or by bytes, counting lines. A file
/// compressed by gzip, whatever its name, is expanded on the way, piece by piece.
class byte_reader {
public:
  /// A UTF-8 byte order mark is skipped. Fails with errc::dataset_unreadable.
  static result<byte_reader> open(const std::string& path);
  byte_reader(byte_reader&&) noexcept;
  byte_reader& operator=(byte_reader&&) = delete;
  ~byte_reader();

  /// Hashes the file's bytes, as they are on the disk, from now on; call before the first read.
  void hash_into(sha256_digest* digest);

  /// @param line Without its line end (LF or CR LF unless @p keep_end); valid until the next call.
  /// @returns false at the end of the file. Fails with errc::too_large over row_limit.
  result<bool> next_line(std::string_view& line, bool keep_end = false);

  /// @returns the next byte, or -1 at the end; a read error ends the file and is told by error().
  int peek() {
    if (begin_ == end_ && !refill())
      return -1;
    return static_cast<unsigned char>(buffer_[begin_]);
  }
  void advance() {
    if (buffer_[begin_++] == '\n')
      ++line_;
  }

  /// @returns the number, from 1, of the line that next_line() returned last, or that peek() is in.
  uint64_t line() const noexcept { return line_; }
  /// Of the file, compressed or not.
  uint64_t bytes_read() const noexcept { return file_bytes_; }
  const std::string& path() const noexcept { return path_; }
  const std::optional<fault>& error() const noexcept { return error_; }

  /// @returns `path:line`.
  std::string where(uint64_t line) const { return path_ + ":" + std::to_string(line); }

private:
  class expander;

  explicit byte_reader(std::string path);
  /// @returns what the file has next, as it is there; empty at its end or on an error.
  std::string_view read_file(char* into, size_t size);
  /// @returns up to @p size expanded bytes; empty at the end or on an error.
  std::string_view read_expanded(char* into, size_t size);
  /// Appends to the buffer. @returns false at the end or on an error.
  bool refill();

  std::string path_;
  int file_ = -1;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t line_ = 1;
  uint64_t bytes_ = 0; ///< Expanded.
  uint64_t file_bytes_ = 0;
  bool lines_started_ = false;
  std::optional<fault> error_;
  sha256_digest* digest_ = nullptr;
  std::unique_ptr<expander> expander_; ///< Null for a file that is not compressed.
};

} // namespace assay::tasks
