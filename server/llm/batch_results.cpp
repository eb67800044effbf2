#include "server/llm/batch_results.hpp"

#include "core/llm/batch_rows.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace assay::server {

namespace {

using nlohmann::json;

/// What is read at once: little enough for the life of a snapshot.
constexpr size_t most_rows = 200;
constexpr size_t most_row_bytes = size_t{1} << 20;
/// What one step gives at most, but for the last answer of it.
constexpr size_t piece_bytes = size_t{256} << 10;

using samples_by_row = std::map<uint64_t, sample_record>;

/// @returns the newest samples of the rows from @p first on, @p count at most.
result<samples_by_row> samples_of(storage::snapshot& view, run_id run, uint64_t first, size_t count) {
  samples_by_row out;
  std::optional<sample_address> after;
  if (first > 0)
    // The last place that the row before could have.
    after = sample_address{0, 0, static_cast<uint32_t>(first - 1), UINT16_MAX, UINT16_MAX, UINT16_MAX};
  do {
    auto page = view.page_samples(run, after, count);
    if (!page)
      return page.error();
    for (auto& sample : page->samples) {
      if (sample.address.sample >= first + count)
        return out;
      out.insert_or_assign(sample.address.sample, std::move(sample));
    }
    after = page->next;
  } while (after);
  return out;
}

/// Why an item of a run that has ended was never answered.
fault not_asked(const run_record& run) {
  if (run.error)
    return *run.error;
  return {errc::cancelled, "the batch ended before this item was asked", {}, {}};
}

std::string line_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

/// @returns the line of an item; empty while its turn is still to come.
result<std::string> told_of(storage::snapshot& view, const run_record& run, const json& row,
                            const sample_record* sample) {
  if (sample == nullptr)
    return is_final(run.state) ? line_of(llm::failed_item(row, not_asked(run))) : std::string{};
  const auto answer = view.find_response(run.spec.id, sample->address);
  if (!answer)
    return answer.error();
  if (sample->status != sample_status::failed && *answer)
    return line_of(llm::answered_item(row, **answer));
  fault reason;
  reason.code = sample->error.value_or(errc::internal);
  if (*answer)
    reason.message = (*answer)->error_message;
  return line_of(llm::failed_item(row, reason));
}

} // namespace

batch_reader::batch_reader(std::shared_ptr<storage::store> store, run_record run, std::ifstream rows)
    : store_(std::move(store)), run_(std::move(run)), rows_(std::move(rows)) {}

result<std::unique_ptr<batch_reader>> batch_reader::open(std::shared_ptr<storage::store> store,
                                                         run_record run) {
  if (run.redacted_at)
    return fault{errc::conflict, "the texts of the batch were removed", "id", {}};
  const fault gone{
      errc::dataset_unreadable, "the rows of the batch cannot be read", {}, "restore the data folder"};
  if (run.spec.tasks.empty())
    return gone;
  std::ifstream rows(run.spec.tasks.front().dataset_path, std::ios::binary);
  if (!rows)
    return gone;
  return std::unique_ptr<batch_reader>{new batch_reader(std::move(store), std::move(run), std::move(rows))};
}

result<void> batch_reader::read_rows() {
  size_t bytes = 0;
  std::string row;
  while (page_.size() < most_rows && bytes < most_row_bytes && std::getline(rows_, row)) {
    bytes += row.size();
    page_.push_back(std::move(row));
  }
  if (rows_.bad())
    return fault{errc::dataset_unreadable, "the rows of the batch cannot be read", {}, {}};
  return {};
}

result<bool> batch_reader::step(std::string& out) {
  if (page_.empty())
    if (auto read = read_rows(); !read)
      return read.error();
  if (page_.empty())
    return false;
  auto view = storage::snapshot::open(store_);
  if (!view)
    return view.error();
  const auto samples = samples_of(*view, run_.spec.id, next_, page_.size());
  if (!samples)
    return samples.error();
  const auto before = out.size();
  while (!page_.empty() && out.size() - before < piece_bytes) {
    const auto row = json::parse(page_.front(), nullptr, false);
    if (!row.is_object())
      return fault{errc::dataset_unreadable, "a row of the batch is damaged", {}, "restore the data folder"};
    const auto found = samples->find(next_);
    const auto told = told_of(*view, run_, row, found == samples->end() ? nullptr : &found->second);
    if (!told)
      return told.error();
    out += *told;
    page_.pop_front();
    ++next_;
  }
  return true;
}

result<std::vector<std::filesystem::path>> write_batch_files(const std::shared_ptr<storage::store>& store,
                                                             const run_record& run,
                                                             const storage::output_folder& to,
                                                             const std::stop_token& stop) {
  const auto name = storage::as_file_name(llm::batch_file_name(run));
  const auto results = [&](const storage::text_sink& sink) -> result<void> {
    const auto reader = batch_reader::open(store, run);
    if (!reader)
      return reader.error();
    for (bool more = true; more;) {
      if (stop.stop_requested())
        return fault{errc::shutting_down, "the writing of result files was ended", {}, {}};
      std::string piece;
      const auto stepped = (*reader)->step(piece);
      if (!stepped)
        return stepped.error();
      sink(piece);
      more = *stepped;
    }
    return {};
  };
  if (auto written = to.write(name + ".jsonl", results); !written)
    return written.error();
  // Last, so that whoever waits for it finds the results beside it.
  const auto statistics = [&](const storage::text_sink& sink) -> result<void> {
    sink(llm::batch_statistics(run).dump(2) + "\n");
    return {};
  };
  if (auto written = to.write(name + "_stats.json", statistics); !written)
    return written.error();
  return std::vector<std::filesystem::path>{name + ".jsonl", name + "_stats.json"};
}

} // namespace assay::server
