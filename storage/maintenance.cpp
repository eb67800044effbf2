#include "storage/maintenance.hpp"

#include "storage/copying.hpp"
#include "storage/environment.hpp"
#include "storage/read_transaction.hpp"

#include <lmdb.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace assay::storage {

namespace detail {

namespace {

/// Keeps the map as it is for the length of a copy.
class backup_pass {
public:
  explicit backup_pass(reader_gate& gate) : gate_(gate) {}
  backup_pass(const backup_pass&) = delete;
  backup_pass& operator=(const backup_pass&) = delete;
  ~backup_pass() { gate_.leave_backup(); }

private:
  reader_gate& gate_;
};

} // namespace

result<uint64_t> copy_environment(environment& from, const std::filesystem::path& target, bool compact) {
  if (auto entered = from.gate().enter_backup(); !entered)
    return entered.error();
  const backup_pass pass(from.gate());
  const unique_fd file(::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file)
    return file_fault(errno, "create", target);
  const auto give_up = [&](int error) {
    ::unlink(target.c_str());
    return error > 0 ? file_fault(error, "write", target) : read_fault(error, "copy itself");
  };
  if (const int code = mdb_env_copyfd2(from.handle(), file.get(), compact ? MDB_CP_COMPACT : 0U); code != 0)
    return give_up(code);
  if (::fsync(file.get()) != 0)
    return give_up(errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0)
    return give_up(errno);
  return static_cast<uint64_t>(info.st_size);
}

} // namespace detail

namespace {

/// Bytes of the pages that LMDB will use again.
result<uint64_t> free_bytes(MDB_txn* txn, size_t page_size) {
  constexpr MDB_dbi free_list = 0;
  MDB_cursor* rows = nullptr;
  if (const int code = mdb_cursor_open(txn, free_list, &rows); code != 0)
    return detail::read_fault(code, "read its free list");
  uint64_t pages = 0;
  MDB_val key{};
  MDB_val value{};
  int code = 0;
  // Each row is a list of page numbers, led by its length.
  while ((code = mdb_cursor_get(rows, &key, &value, MDB_NEXT)) == 0)
    pages += value.mv_size / sizeof(size_t) - 1;
  mdb_cursor_close(rows);
  if (code != MDB_NOTFOUND)
    return detail::read_fault(code, "read its free list");
  return pages * page_size;
}

} // namespace

result<store_size> measure(const std::shared_ptr<store>& which) {
  auto& environment = *which->environment();
  store_size size;
  MDB_envinfo info{};
  MDB_stat stat{};
  mdb_env_info(environment.handle(), &info);
  mdb_env_stat(environment.handle(), &stat);
  size.map_bytes = info.me_mapsize;
  size.used_bytes = (static_cast<uint64_t>(info.me_last_pgno) + 1) * stat.ms_psize;
  size.reader_slots = info.me_maxreaders;
  size.reader_slots_used = info.me_numreaders;
  size.readers = environment.gate().status();
  auto reading = detail::read_transaction::begin(which->environment());
  if (!reading)
    return reading.error();
  const auto use = (*reading)->enter();
  if (!use)
    return use.error();
  for (const auto one : all_tables()) {
    const unsigned handle = environment.handle_of(one);
    if (handle == 0)
      continue;
    MDB_stat of_table{};
    if (const int code = mdb_stat(use->txn, handle, &of_table); code != 0)
      return detail::read_fault(code, "measure its tables");
    const uint64_t pages = of_table.ms_branch_pages + of_table.ms_leaf_pages + of_table.ms_overflow_pages;
    size.tables.push_back({one, of_table.ms_entries, pages * of_table.ms_psize});
  }
  const auto free = free_bytes(use->txn, stat.ms_psize);
  if (!free)
    return free.error();
  size.free_bytes = *free;
  return size;
}

result<backup_report> backup(const std::shared_ptr<store>& from, const std::filesystem::path& target,
                             const backup_options& options) {
  if (auto prepared = prepare_folder(target); !prepared)
    return prepared.error();
  const auto file = target / "data.mdb";
  const auto unfinished = target / "data.mdb.part";
  std::error_code error;
  if (std::filesystem::exists(file, error))
    return fault{errc::conflict, "the folder holds a store already", target.string(),
                 "choose an empty folder"};
  // Left by a backup that was killed.
  std::filesystem::remove(unfinished, error);
  if (!std::filesystem::is_empty(target, error) || error)
    return fault{errc::conflict, "the folder is not empty", target.string(),
                 "choose an empty folder, or one that does not exist yet"};
  const auto bytes = detail::copy_environment(*from->environment(), unfinished, options.compact);
  if (!bytes)
    return bytes.error();
  std::filesystem::rename(unfinished, file, error);
  if (error)
    return file_fault(error.value(), "rename", unfinished);
  if (auto synced = sync_folder(target); !synced)
    return synced.error();
  return backup_report{*bytes};
}

result<std::vector<run_id>> find_prunable(const std::shared_ptr<store>& from, const prune_policy& policy) {
  std::vector<run_id> found;
  run_query query;
  query.limit = max_page_rows;
  query.with_batches = true;
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    const auto page = view->list_summaries(query);
    if (!page)
      return page.error();
    for (const auto& run : page->runs) {
      const bool kept = !is_final(run.state) || std::ranges::count(policy.keep, run.state) != 0;
      // A run without a time was ended by a crash; its creation counts then.
      const auto ended = run.finished_at.value_or(run.created_at);
      if (!kept && ended < policy.finished_before && found.size() < policy.max_runs)
        found.push_back(run.run);
    }
    query.before = page->next;
  } while (query.before && found.size() < policy.max_runs);
  return found;
}

result<void> erase_runs(writer& through, std::vector<run_id> runs, uint64_t ticket) {
  write_batch batch;
  batch.ticket = ticket;
  batch.erased_runs = std::move(runs);
  return through.submit(std::move(batch));
}

result<void> delete_run(writer& through, run_id run, uint64_t ticket) {
  return erase_runs(through, {run}, ticket);
}

result<std::vector<run_id>> prune(const std::shared_ptr<store>& from, writer& through,
                                  const prune_policy& policy, uint64_t ticket) {
  auto found = find_prunable(from, policy);
  if (!found || found->empty())
    return found;
  if (auto handed = erase_runs(through, *found, ticket); !handed)
    return handed.error();
  return found;
}

} // namespace assay::storage
