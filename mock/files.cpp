#include "mock/files.hpp"

#include "mock/call_record.hpp"
#include "mock/hash.hpp"

#include <algorithm>

namespace assay::mock {

namespace {

constexpr size_t most_files = 100'000;
constexpr size_t most_uploads = 1'000;

} // namespace

std::string file_store::new_id(std::string_view prefix) {
  ++n_;
  return std::string(prefix) + to_hex(mix(seed_ ^ (n_ << 20))) + to_hex(mix(~seed_ ^ n_)).substr(8);
}

shared_file file_store::add(stored_file file, std::string_view prefix) {
  const std::lock_guard guard(mutex_);
  if (file.content.size() > most_bytes_ - std::min(bytes_, most_bytes_) || files_.size() >= most_files)
    return nullptr;
  file.id = new_id(prefix);
  bytes_ += file.content.size();
  auto stored = std::make_shared<const stored_file>(std::move(file));
  files_.emplace(stored->id, std::pair(n_, stored));
  return stored;
}

shared_file file_store::find(std::string_view owner, std::string_view id) const {
  const std::lock_guard guard(mutex_);
  const auto found = files_.find(id);
  return found == files_.end() || found->second.second->owner != owner ? nullptr : found->second.second;
}

std::vector<shared_file> file_store::list(std::string_view owner) const {
  std::vector<std::pair<uint64_t, shared_file>> found;
  {
    const std::lock_guard guard(mutex_);
    for (const auto& [id, numbered] : files_)
      if (numbered.second->owner == owner)
        found.push_back(numbered);
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<shared_file> out;
  out.reserve(found.size());
  for (auto& [number, file] : found)
    out.push_back(std::move(file));
  return out;
}

bool file_store::remove(std::string_view owner, std::string_view id) {
  const std::lock_guard guard(mutex_);
  const auto found = files_.find(id);
  if (found == files_.end() || found->second.second->owner != owner)
    return false;
  bytes_ -= found->second.second->content.size();
  files_.erase(found);
  return true;
}

void file_store::clear() {
  const std::lock_guard guard(mutex_);
  files_.clear();
  uploads_.clear();
  bytes_ = 0;
}

std::string file_store::begin_upload(stored_file file) {
  const std::lock_guard guard(mutex_);
  if (uploads_.size() >= most_uploads) {
    bytes_ -= uploads_.begin()->second.content.size();
    uploads_.erase(uploads_.begin());
  }
  auto id = new_id("");
  uploads_.emplace(id, std::move(file));
  return id;
}

std::optional<uint64_t> file_store::append(std::string_view upload, std::string_view content) {
  const std::lock_guard guard(mutex_);
  const auto found = uploads_.find(upload);
  if (found == uploads_.end() || content.size() > most_bytes_ - std::min(bytes_, most_bytes_))
    return {};
  bytes_ += content.size();
  found->second.content.append(content);
  return found->second.content.size();
}

std::optional<stored_file> file_store::take_upload(std::string_view upload) {
  const std::lock_guard guard(mutex_);
  const auto found = uploads_.find(upload);
  if (found == uploads_.end())
    return {};
  auto file = std::move(found->second);
  uploads_.erase(found);
  bytes_ -= file.content.size();
  return file;
}

} // namespace assay::mock
