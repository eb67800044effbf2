#include "cli/batch_log.hpp"

#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace assay::cli {

namespace {

/// "20250814_093000", in UTC.
std::string stamp(wall_time now) {
  auto text = show_time(now);
  std::string out;
  for (const char c : text)
    if (c == ' ')
      out += '_';
    else if (c != '-' && c != ':')
      out += c;
  return out;
}

std::string described(const run_record& run) {
  std::string types;
  for (const auto& type : run.spec.prompt_types)
    types += (types.empty() ? "" : ",") + type;
  return to_string(run.spec.id) + " model=" + run.spec.model.value + " provider=" + run.spec.provider.value
         + " prompt_types=" + types;
}

std::string ended(const run_record& run) {
  const auto score = run.progress.score();
  auto out = std::string(to_string(run.state)) + " " + described(run)
             + " done=" + show_count(run.progress.done) + "/" + show_count(run.progress.total)
             + " failed=" + show_count(run.progress.failed) + " score=" + show_number(score, 3);
  if (run.error)
    out += " error=\"" + on_one_line(to_string(*run.error)) + "\"";
  return out;
}

} // namespace

result<batch_log> batch_log::open(const std::filesystem::path& folder, wall_time now) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  const auto base = "batch_test_" + stamp(now);
  // Two batches may begin in one second.
  for (int number = 0; number < 100; ++number) {
    const auto path = folder / (base + (number == 0 ? "" : "_" + std::to_string(number)) + ".log");
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0)
      if (auto* file = ::fdopen(fd, "w"))
        return batch_log(path, file);
    if (errno != EEXIST)
      break;
  }
  return fault{errc::store_unreadable,
               "the log of the batch cannot be written: " + std::generic_category().message(errno),
               folder.string(), "name another folder with --log-dir, or write none with --no-log"};
}

void batch_log::line(std::string_view text) {
  std::fprintf(file_.get(), "%s %.*s\n", to_rfc3339(wall_now()).c_str(), static_cast<int>(text.size()),
               text.data());
  std::fflush(file_.get());
}

void batch_log::look(const std::vector<progress_line>& runs) {
  uint64_t done = 0;
  uint64_t total = 0;
  uint64_t failed = 0;
  for (const auto& run : runs) {
    const auto& record = run.record;
    done += record.progress.done;
    total += record.progress.total;
    failed += record.progress.failed;
    const auto [known, is_new] = states_.try_emplace(record.spec.id, record.state);
    if (!is_new && known->second == record.state)
      continue;
    known->second = record.state;
    line(is_final(record.state) ? ended(record)
                                : std::string(to_string(record.state)) + " " + described(record));
  }
  const auto tenths = total == 0 ? 0 : done * 10 / total;
  if (tenths == tenths_)
    return;
  tenths_ = tenths;
  line("progress " + std::to_string(tenths * 10) + " % done=" + show_count(done) + "/" + show_count(total)
       + " failed=" + show_count(failed));
}

} // namespace assay::cli
