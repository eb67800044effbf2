#include "storage/copying.hpp"
#include "storage/maintenance.hpp"
#include "storage/schema.hpp"

#include <system_error>

namespace assay::storage {

namespace {

/// Counts the rows of each table of the store in @p folder.
result<std::vector<uint64_t>> count_rows(const std::filesystem::path& folder) {
  store_options options;
  options.folder = folder;
  auto environment = detail::environment::open(options, true);
  if (!environment)
    return environment.error();
  if (auto known = detail::require_version(*environment, detail::current_schema()); !known)
    return known.error();
  auto size = measure(std::make_shared<store>(folder, unique_fd{}, std::move(*environment)));
  if (!size)
    return size.error();
  std::vector<uint64_t> rows;
  for (const auto& one : size->tables)
    rows.push_back(one.rows);
  return rows;
}

uint64_t size_of(const std::filesystem::path& file) noexcept {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

} // namespace

result<compact_report> compact(const store_options& options) {
  auto opened = store::open(options);
  if (!opened)
    return opened.error();
  const auto folder = (*opened)->folder();
  const auto readers_out = lock_readers_out(folder);
  if (!readers_out)
    return readers_out.error();
  const auto workplace = folder / "compacting";
  std::error_code error;
  // Left by a compaction that was killed.
  std::filesystem::remove_all(workplace, error);
  if (auto prepared = prepare_folder(workplace); !prepared)
    return prepared.error();
  const auto copy = workplace / "data.mdb";
  compact_report report;
  report.bytes_before = size_of(folder / "data.mdb");
  const auto copied = detail::copy_environment(*(*opened)->environment(), copy, true);
  const auto counted = copied ? count_rows(workplace) : result<std::vector<uint64_t>>(copied.error());
  const auto original = measure(*opened);
  if (!counted || !original) {
    std::filesystem::remove_all(workplace, error);
    return counted ? original.error() : counted.error();
  }
  bool same = counted->size() == original->tables.size();
  for (size_t i = 0; same && i < counted->size(); ++i)
    same = (*counted)[i] == original->tables[i].rows;
  if (!same) {
    std::filesystem::remove_all(workplace, error);
    return fault{errc::store_failed, "the compacted copy differs from the data", folder.string(),
                 "the old data stays; check the disk"};
  }
  report.bytes_after = *copied;
  // Closes the environment; the folder's lock must outlast the exchange.
  const auto lock = (*opened)->close();
  // LMDB's lock file belongs to the old file: its transaction numbers would not fit the new one.
  std::filesystem::remove(folder / "lock.mdb", error);
  std::filesystem::rename(copy, folder / "data.mdb", error);
  if (error) {
    const auto why = file_fault(error.value(), "exchange", folder / "data.mdb");
    std::filesystem::remove_all(workplace, error);
    return why;
  }
  std::filesystem::remove_all(workplace, error);
  if (auto synced = sync_folder(folder); !synced)
    return synced.error();
  return report;
}

} // namespace assay::storage
