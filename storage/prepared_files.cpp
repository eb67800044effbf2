#include "storage/prepared_files.hpp"

#include "storage/snapshot.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

namespace assay::storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t key_length = 64;

/// @returns the key that a file's name begins with; empty for files that are no prepared task's.
std::string key_of(const fs::path& file) {
  const auto name = file.filename().string();
  const auto key = std::string_view(name).substr(0, key_length);
  if (key.size() < key_length || key.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return {};
  const auto rest = std::string_view(name).substr(key_length);
  const bool is_part = rest.ends_with(".part") && (rest.starts_with(".jsonl.") || rest.starts_with(".yaml."));
  return rest == ".jsonl" || rest == ".yaml" || is_part ? std::string(key) : std::string{};
}

/// The keys of all prepared tasks that runs have, wherever the data folder lay when they began.
result<std::set<std::string>> pinned_keys(const std::shared_ptr<store>& from,
                                          const std::vector<run_id>& gone) {
  std::set<std::string> out;
  run_query query;
  query.limit = max_page_rows;
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    const auto page = view->list_runs(query);
    if (!page)
      return page.error();
    for (const auto& run : page->runs)
      if (std::ranges::count(gone, run.spec.id) == 0)
        for (const auto& task : run.spec.tasks)
          for (const auto& file : {task.dataset_path, task.fewshot ? task.fewshot->path : std::string{}})
            if (auto key = key_of(file); !key.empty())
              out.insert(std::move(key));
    query.before = page->next;
  } while (query.before);
  return out;
}

} // namespace

result<unused_files> find_unused_files(const std::shared_ptr<store>& from, const fs::path& folder,
                                       wall_time before, const std::vector<run_id>& gone) {
  unused_files out;
  std::error_code error;
  if (!fs::exists(folder, error))
    return out;
  const auto pinned = pinned_keys(from, gone);
  if (!pinned)
    return pinned.error();
  for (fs::directory_iterator files(folder, error); !error && files != fs::directory_iterator();
       files.increment(error)) {
    const auto key = key_of(files->path());
    if (key.empty() || pinned->contains(key))
      continue;
    struct stat facts {};
    if (::lstat(files->path().c_str(), &facts) != 0 || !S_ISREG(facts.st_mode))
      continue;
    if (wall_time{std::chrono::seconds{facts.st_mtim.tv_sec}} >= before)
      continue;
    out.files.push_back(files->path());
    out.bytes += static_cast<uint64_t>(facts.st_size);
  }
  if (error)
    return fault{errc::store_unreadable, "the folder of prepared tasks cannot be read: " + error.message(),
                 folder.string(), "correct the folder's permissions"};
  std::sort(out.files.begin(), out.files.end());
  return out;
}

result<void> remove_files(const unused_files& which) {
  for (const auto& file : which.files) {
    std::error_code error;
    fs::remove(file, error);
    if (error)
      return fault{errc::store_unreadable, "a file of a prepared task cannot be removed: " + error.message(),
                   file.string(), "correct the folder's permissions"};
  }
  return {};
}

} // namespace assay::storage
