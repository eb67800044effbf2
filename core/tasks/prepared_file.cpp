#include "core/tasks/prepared_file.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace assay::tasks {
namespace {

namespace fs = std::filesystem;

/// Two runs may prepare the same task at the same time.
std::string part_name(const std::string& path) {
  static std::atomic<uint64_t> count{0};
  return path + "." + std::to_string(::getpid()) + "." + std::to_string(++count) + ".part";
}

} // namespace

prepared_file::prepared_file(const preparation& what)
    : what_(what), rows_part_(part_name(what.rows_path)), definition_part_(part_name(what.definition_path)) {}

prepared_file::~prepared_file() {
  std::error_code ignored;
  fs::remove(rows_part_, ignored);
  fs::remove(definition_part_, ignored);
}

fault prepared_file::cannot_write(const std::string& path) const {
  return {errc::store_failed,
          "the prepared task cannot be written: " + std::generic_category().message(errno), path,
          "free some space, or correct the folder's permissions"};
}

result<void> prepared_file::open() {
  std::error_code error;
  fs::create_directories(what_.options.folder, error);
  if (error)
    return fault{errc::store_failed, "the folder of prepared tasks cannot be made: " + error.message(),
                 what_.options.folder, "correct the permissions of the data folder"};
  rows_.open(rows_part_, std::ios::binary | std::ios::trunc);
  if (!rows_)
    return cannot_write(rows_part_);
  return {};
}

result<void> prepared_file::write(std::string_view row) {
  rows_.write(row.data(), static_cast<std::streamsize>(row.size()));
  rows_.put('\n');
  if (!rows_)
    return cannot_write(rows_part_);
  return {};
}

result<void> prepared_file::finish(std::string_view definition) {
  rows_.close();
  std::ofstream text(definition_part_, std::ios::binary | std::ios::trunc);
  text.write(definition.data(), static_cast<std::streamsize>(definition.size()));
  text.close();
  if (!rows_ || !text)
    return cannot_write(definition_part_);
  std::error_code error;
  fs::rename(rows_part_, what_.rows_path, error);
  if (!error)
    fs::rename(definition_part_, what_.definition_path, error);
  if (error)
    return fault{errc::store_failed, "the prepared task cannot be moved to its place: " + error.message(),
                 what_.rows_path, "correct the permissions of the data folder"};
  return {};
}

} // namespace assay::tasks
