#include "storage/environment.hpp"

#include "storage/read_transaction.hpp"

#include <lmdb.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace assay::storage::detail {

namespace {

/// Room for tables of later versions.
constexpr unsigned max_tables = 64;
/// A gate that stays closed longer has met a backup; callers get an answer instead of a hanging read.
constexpr std::chrono::seconds gate_patience{10};
/// How often a closing gate looks for readers over their limit.
constexpr milliseconds drain_tick{20};

/// LMDB wants whole pages.
size_t whole_pages(size_t bytes) noexcept {
  constexpr size_t granularity = size_t{64} << 10;
  return (bytes + granularity - 1) / granularity * granularity;
}

fault open_fault(int code, const std::filesystem::path& folder) {
  switch (code) {
  case MDB_INVALID:
  case MDB_CORRUPTED:
  case MDB_PAGE_NOTFOUND:
    return {errc::store_unreadable, "the data file is damaged or no data file of assay: " + describe(code),
            (folder / "data.mdb").string(), "restore it from a backup or choose another data folder"};
  case MDB_VERSION_MISMATCH:
    return {errc::store_incompatible, "the data file has another format: " + describe(code),
            (folder / "data.mdb").string(), "use the version of assay that wrote it"};
  case ENOMEM:
    return {errc::store_unreadable, "the address space for the data cannot be reserved: " + describe(code),
            folder.string(), "raise the limit on virtual memory (ulimit -v) or choose a smaller map size"};
  default:
    return file_fault(code > 0 ? code : EIO, "open the data in", folder);
  }
}

} // namespace

std::string describe(int code) { return mdb_strerror(code); }

write_error classify(int code) noexcept {
  switch (code) {
  case MDB_MAP_FULL:
    return write_error::map_full;
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return write_error::disk_full;
  default:
    return write_error::failed;
  }
}

fault write_fault_of(write_error error, int code, const char* action) {
  if (error == write_error::failed)
    return {errc::store_failed,
            std::string("the store could not ") + action + ": " + describe(code),
            {},
            "the store is read-only now; check the disk, then start assay again"};
  return {errc::store_full,
          std::string("the store could not ") + action + ": " + describe(code),
          {},
          "the store is read-only now; make room on the disk, then start assay again"};
}

fault read_fault(int code, const char* action) {
  return {errc::store_unreadable,
          std::string("the store could not ") + action + ": " + describe(code),
          {},
          "check the disk; restore the data folder from a backup if the data is damaged"};
}

// -- readers
// --------------------------------------------------------------------------------------------------

reader_gate::reader_gate(std::function<std::chrono::steady_clock::time_point()> now, milliseconds limit)
    : now_(std::move(now)), limit_(limit) {}

result<void> reader_gate::wait_until_open(std::unique_lock<std::mutex>& lock) {
  if (!changed_.wait_for(lock, gate_patience, [&] { return !closed_; }))
    return fault{errc::busy, "the store is being enlarged", {}, "try again in a moment"};
  return {};
}

result<void> reader_gate::enter(read_transaction& reader) {
  std::unique_lock lock(mutex_);
  if (auto open = wait_until_open(lock); !open)
    return open;
  reader.opened_at_ = now_();
  active_.push_back(&reader);
  ++opened_;
  return {};
}

void reader_gate::leave(read_transaction& reader) noexcept {
  const std::lock_guard lock(mutex_);
  if (std::erase(active_, &reader) != 0 && closed_)
    changed_.notify_all();
}

result<void> reader_gate::enter_backup() {
  std::unique_lock lock(mutex_);
  if (auto open = wait_until_open(lock); !open)
    return open;
  ++backups_;
  return {};
}

void reader_gate::leave_backup() noexcept {
  const std::lock_guard lock(mutex_);
  --backups_;
  changed_.notify_all();
}

void reader_gate::end_overdue() noexcept {
  const std::lock_guard lock(mutex_);
  end_overdue_locked(false);
}

void reader_gate::end_overdue_locked(bool wait) noexcept {
  if (active_.empty())
    return;
  const auto oldest_allowed = now_() - limit_;
  const auto gone = std::erase_if(active_, [&](read_transaction* reader) {
    return reader->opened_at_ < oldest_allowed && reader->end(wait);
  });
  expired_ += gone;
}

void reader_gate::close_and_drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !closed_; });
  closed_ = true;
  for (;;) {
    end_overdue_locked(true);
    if (active_.empty() && backups_ == 0)
      return;
    changed_.wait_for(lock, drain_tick);
  }
}

void reader_gate::reopen() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = false;
  changed_.notify_all();
}

reader_status reader_gate::status() const {
  const std::lock_guard lock(mutex_);
  reader_status status;
  status.open = active_.size();
  status.opened = opened_;
  status.expired = expired_;
  const auto now = now_();
  for (const auto* reader : active_)
    status.oldest_age =
        std::max(status.oldest_age, std::chrono::duration_cast<milliseconds>(now - reader->opened_at_));
  return status;
}

// -- environment
// ----------------------------------------------------------------------------------------------

environment::environment(const store_options& options, bool read_only)
    : folder_(options.folder), read_only_(read_only), max_map_size_(whole_pages(options.max_map_size)),
      inject_(options.inject), gate_(options.steady_now, options.snapshot_limit) {}

environment::~environment() {
  if (handle_ != nullptr)
    mdb_env_close(handle_);
}

result<std::shared_ptr<environment>> environment::open(const store_options& options, bool read_only) {
  auto made = std::make_shared<environment>(options, read_only);
  if (auto opened = made->open_handle(options); !opened)
    return opened.error();
  made->clear_stale_readers();
  if (auto opened = made->open_tables(); !opened)
    return opened.error();
  return made;
}

result<void> environment::open_handle(const store_options& options) {
  if (const int code = mdb_env_create(&handle_); code != 0)
    return open_fault(code, options.folder);
  mdb_env_set_maxdbs(handle_, max_tables);
  // NOTLS: snapshots move between threads.
  unsigned flags = MDB_NOTLS;
  if (read_only_) {
    flags |= MDB_RDONLY;
  } else {
    if (!options.beside_farm) {
      mdb_env_set_maxreaders(handle_, options.max_readers);
      mdb_env_set_mapsize(handle_, whole_pages(options.map_size));
    }
    if (!options.durable)
      flags |= MDB_NOSYNC;
  }
  if (const int code = mdb_env_open(handle_, options.folder.c_str(), flags, 0600); code != 0)
    return open_fault(code, options.folder);
  return {};
}

result<void> environment::open_tables() {
  MDB_txn* txn = nullptr;
  if (const int code = mdb_txn_begin(handle_, nullptr, read_only_ ? MDB_RDONLY : 0U, &txn); code != 0)
    return read_fault(code, "open its tables");
  for (const auto one : all_tables()) {
    auto& handle = tables_[static_cast<size_t>(one)];
    const std::string name(to_string(one));
    const int code = mdb_dbi_open(txn, name.c_str(), read_only_ ? 0U : MDB_CREATE, &handle);
    if (code == MDB_NOTFOUND && read_only_) {
      handle = 0;
    } else if (code != 0) {
      mdb_txn_abort(txn);
      const auto kind = classify(code);
      return kind == write_error::failed ? read_fault(code, "open its tables")
                                         : write_fault_of(kind, code, "create its tables");
    }
  }
  if (const int code = mdb_txn_commit(txn); code != 0)
    return write_fault_of(classify(code), code, "create its tables");
  return {};
}

result<void> environment::grow() {
  MDB_envinfo info{};
  mdb_env_info(handle_, &info);
  const auto full = [&](const std::string& reason, const char* hint) {
    return fault{errc::store_full, "the store is full: " + reason, {}, hint};
  };
  if (info.me_mapsize >= max_map_size_)
    return full("its map has reached the largest size, " + std::to_string(max_map_size_) + " bytes",
                "prune old runs and compact, or raise the largest map size, then start assay again");
  const size_t next = std::min(max_map_size_, info.me_mapsize * 2);
  gate_.close_and_drain();
  const bool pretend = injected(store_operation::grow) != injected_error::none;
  const int code = pretend ? ENOMEM : mdb_env_set_mapsize(handle_, next);
  gate_.reopen();
  if (code != 0)
    return full("its map cannot grow to " + std::to_string(next) + " bytes: " + describe(code),
                "raise the limit on virtual memory (ulimit -v), then start assay again");
  return {};
}

result<void> environment::adopt_size() {
  gate_.close_and_drain();
  const int code = mdb_env_set_mapsize(handle_, 0);
  gate_.reopen();
  if (code != 0)
    return read_fault(code, "follow the growth of its map");
  return {};
}

size_t environment::clear_stale_readers() noexcept {
  int cleared = 0;
  return mdb_reader_check(handle_, &cleared) == 0 ? static_cast<size_t>(cleared) : 0;
}

void environment::fail(fault why) {
  const std::lock_guard lock(fault_mutex_);
  if (!write_fault_)
    write_fault_ = std::move(why);
}

std::optional<fault> environment::write_fault() const {
  const std::lock_guard lock(fault_mutex_);
  return write_fault_;
}

} // namespace assay::storage::detail
