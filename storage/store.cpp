#include "storage/store.hpp"

#include "storage/environment.hpp"
#include "storage/schema.hpp"

#include <utility>

namespace assay::storage {

namespace {

/// "data/" and "data" are one folder; parent_path() must see it as the second.
std::filesystem::path without_final_slash(const std::filesystem::path& folder) {
  return folder.has_filename() ? folder : folder.parent_path();
}

} // namespace

result<std::shared_ptr<store>> store::open(const store_options& options) {
  return open_with_schema(options, detail::current_schema());
}

result<std::shared_ptr<store>> store::open_with_schema(const store_options& given,
                                                       const detail::schema& wanted) {
  if (given.folder.empty())
    return fault{errc::invalid_argument, "no data folder is given", {}, {}};
  auto options = given;
  options.folder = without_final_slash(given.folder);
  if (auto prepared = prepare_folder(options.folder); !prepared)
    return prepared.error();
  auto lock = lock_folder(options.folder);
  if (!lock)
    return lock.error();
  auto environment = detail::environment::open(options, false);
  if (!environment)
    return environment.error();
  if (auto ready = detail::bring_forward(*environment, wanted); !ready)
    return ready.error();
  return std::make_shared<store>(options.folder, std::move(*lock), std::move(*environment));
}

result<std::shared_ptr<store>> store::open_read_only(const std::filesystem::path& given) {
  return open_existing(given, true);
}

result<std::shared_ptr<store>> store::open_beside(const std::filesystem::path& given) {
  return open_existing(given, false);
}

result<std::shared_ptr<store>> store::open_existing(const std::filesystem::path& given, bool read_only) {
  store_options options;
  options.beside_farm = !read_only;
  options.folder = without_final_slash(given);
  std::error_code error;
  if (!std::filesystem::exists(options.folder / "data.mdb", error))
    return fault{errc::store_unreadable, "the folder holds no data of assay", options.folder.string(),
                 "check the path; `assay serve` creates the data"};
  if (is_locked_by_this_process(options.folder))
    return fault{errc::conflict, "this process has the data folder open already", options.folder.string(),
                 "read through the open store"};
  auto lock = lock_as_reader(options.folder);
  if (!lock)
    return lock.error();
  auto environment = detail::environment::open(options, read_only);
  if (!environment)
    return environment.error();
  if (auto ready = detail::require_version(*environment, detail::current_schema()); !ready)
    return ready.error();
  return std::make_shared<store>(options.folder, std::move(*lock), std::move(*environment));
}

store::store(std::filesystem::path folder, unique_fd lock, std::shared_ptr<detail::environment> environment)
    : folder_(std::move(folder)), lock_(std::move(lock)), environment_(std::move(environment)) {}

store::~store() = default;

unique_fd store::close() noexcept {
  environment_.reset();
  return std::move(lock_);
}

std::optional<fault> store::write_fault() const { return environment_->write_fault(); }

reader_status store::readers() const { return environment_->gate().status(); }

} // namespace assay::storage
