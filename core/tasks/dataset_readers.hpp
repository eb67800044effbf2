#pragma once

#include "core/tasks/byte_reader.hpp"
#include "core/tasks/dataset.hpp"

#include <memory>

// What dataset.cpp builds a reader from; nobody else includes this.
namespace assay::tasks {

/// A reader that knows the bytes behind it.
class file_reader : public dataset_reader {
public:
  explicit file_reader(byte_reader bytes) : bytes_(std::move(bytes)) {}
  byte_reader& bytes() noexcept { return bytes_; }

protected:
  /// Parses one row. @param line Where it begins.
  result<row_value> parse_object(std::string_view json, uint64_t line);
  fault broken(uint64_t line, std::string message, std::string hint) const {
    return {errc::dataset_unreadable, std::move(message), bytes_.where(line), std::move(hint)};
  }

  byte_reader bytes_;

private:
  row_parser parser_;
};

std::unique_ptr<file_reader> make_jsonl_reader(byte_reader bytes);
std::unique_ptr<file_reader> make_json_array_reader(byte_reader bytes);
std::unique_ptr<file_reader> make_csv_reader(byte_reader bytes, char delimiter);

} // namespace assay::tasks
