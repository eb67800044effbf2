#pragma once

#include "core/tasks/row_value.hpp"
#include "core/values/errors.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace assay::tasks {

enum class dataset_format : uint8_t { jsonl = 1, json = 2, csv = 3, tsv = 4 };

std::string_view to_string(dataset_format format) noexcept;
std::optional<dataset_format> dataset_format_from_string(std::string_view name) noexcept;

/// @returns the format that the file's extension names (.jsonl, .ndjson, .json, .csv, .tsv, also with .gz
/// behind it), or nothing.
std::optional<dataset_format> dataset_format_of(std::string_view path) noexcept;

/// One row.
struct dataset_row {
  uint64_t index = 0; ///< From 0; blank lines are no rows.
  uint64_t line = 0;  ///< Of the file, from 1, where the row begins.
  row_value fields;   ///< Always an object.
};

/// Reads a dataset from front to back, never holding more of it than one row and a buffer.
///
/// JSONL: one object a line. JSON: an array of objects, or an object with one such array among its members.
/// CSV and TSV: a header row, then rows of texts, quoted with `"` where they contain the delimiter, quotes or
/// line ends. All, compressed by gzip or not: UTF-8, with or without byte order mark, LF or CR LF, blank
/// lines skipped, a row up to 8 MiB.
///
/// Faults are errc::dataset_unreadable, or errc::too_large over the limit; `where` is path:line. After a
/// fault the reader must not be used again.
class dataset_reader {
public:
  /// @param format Nothing: by the extension.
  static result<std::unique_ptr<dataset_reader>> open(const std::string& path,
                                                      std::optional<dataset_format> format = std::nullopt);
  virtual ~dataset_reader() = default;

  /// @returns nothing after the last row.
  virtual result<std::optional<dataset_row>> next() = 0;

  /// Passes over up to @p count rows; JSONL and JSON are not parsed, so their rows are not checked either.
  /// @returns how many there were.
  virtual result<uint64_t> skip(uint64_t count) = 0;

  /// @returns the index of the row that next() will return.
  uint64_t position() const noexcept { return position_; }

protected:
  uint64_t position_ = 0;
};

/// What identifies a dataset's content.
struct dataset_facts {
  std::string sha256; ///< Of the file's bytes, lower-case hexadecimal.
  uint64_t rows = 0;
  uint64_t bytes = 0;

  bool operator==(const dataset_facts&) const = default;
};

/// Reads the whole dataset once and checks every row, so that a broken one is known before a call is paid
/// for. Two rows with the same `id` are a fault.
result<dataset_facts> inspect_dataset(const std::string& path,
                                      std::optional<dataset_format> format = std::nullopt);

/// @returns the SHA-256 of @p bytes in lower-case hexadecimal.
std::string sha256_hex(std::string_view bytes);

} // namespace assay::tasks
