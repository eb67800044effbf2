#include "storage/result_files.hpp"

#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

namespace assay::storage {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;
/// A page with its answers must be read well within a snapshot's life.
constexpr size_t sample_page_rows = 200;

std::string name_or_number(const std::vector<std::string>& names, size_t index) {
  return index < names.size() ? names[index] : std::to_string(index);
}

json full_sample(snapshot& view, const run_record& record, const sample_record& sample) {
  static const std::vector<std::string> no_names;
  const auto& spec = record.spec;
  const bool known = sample.address.task < spec.tasks.size();
  const auto response = view.find_response(record.spec.id, sample.address);
  const auto* found = response && *response ? &**response : nullptr;
  auto out = sample_to_json(sample, found, known ? spec.tasks[sample.address.task].scorer_names : no_names);
  out["task_id"] = known ? spec.tasks[sample.address.task].id.value : std::to_string(sample.address.task);
  out["prompt_type"] = name_or_number(spec.prompt_types, sample.address.variant);
  out["model_id"] = spec.model.value;
  return out;
}

text_source samples_of(const std::shared_ptr<store>& from, const run_record& record, uint16_t task,
                       const std::stop_token& stop) {
  return [&from, &record, task, stop](const text_sink& sink) -> result<void> {
    auto read = for_each_sample(from, record, task, [&](const json& sample) {
      sink(sample.dump(-1, ' ', false, replace) + "\n");
      return !stop.stop_requested();
    });
    if (read && stop.stop_requested())
      return fault{errc::shutting_down, "the writing of result files was ended", {}, {}};
    return read;
  };
}

result<void> write_below(const output_folder& to, const std::filesystem::path& file,
                         const text_source& fill) {
  auto folder = to.below(file.parent_path());
  if (!folder)
    return folder.error();
  return folder->write(file.filename().string(), fill);
}

} // namespace

result_file_names result_files_of(const run_record& record, bool with_samples) {
  const std::filesystem::path folder = as_file_name(record.spec.model.value);
  const auto id = to_string(record.spec.id);
  result_file_names out;
  out.result = folder / ("results_" + id + ".json");
  if (with_samples)
    for (const auto& task : record.spec.tasks)
      out.samples.push_back(folder / ("samples_" + as_file_name(task.id.value) + "_" + id + ".jsonl"));
  return out;
}

std::string waiting_files_key(run_id run) { return std::string(waiting_files_prefix) + to_string(run); }

std::string written_files_key(run_id run) { return "result_files/written/" + to_string(run); }

json result_or_status(const run_record& record, const std::string& document) {
  auto parsed = json::parse(document, nullptr, false);
  return parsed.is_object() ? parsed : run_status_json(record);
}

result<std::vector<std::filesystem::path>>
write_result_files(const std::shared_ptr<store>& from, const run_record& record, const std::string& document,
                   const output_folder& to, const result_file_names& names, const std::stop_token& stop) {
  std::vector<std::filesystem::path> files;
  for (size_t i = 0; i < names.samples.size(); ++i) {
    auto written =
        write_below(to, names.samples[i], samples_of(from, record, static_cast<uint16_t>(i), stop));
    if (!written)
      return written.error();
  }
  // Last, so that whoever waits for it finds the samples beside it.
  auto written = write_below(to, names.result, [&](const text_sink& sink) -> result<void> {
    sink(result_or_status(record, document).dump(2, ' ', false, replace) + "\n");
    return {};
  });
  if (!written)
    return written.error();
  files.push_back(names.result);
  files.insert(files.end(), names.samples.begin(), names.samples.end());
  return files;
}

result<void> for_each_sample(const std::shared_ptr<store>& from, const run_record& record,
                             std::optional<uint16_t> only_task,
                             const std::function<bool(const json&)>& each) {
  std::optional<sample_address> after;
  if (only_task && *only_task > 0) {
    // The last place that a sample of the task before could have.
    after = sample_address{
        static_cast<uint16_t>(*only_task - 1), UINT16_MAX, UINT32_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX};
  }
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    auto page = view->page_samples(record.spec.id, after, sample_page_rows);
    if (!page)
      return page.error();
    std::vector<json> ready;
    for (const auto& sample : page->samples) {
      if (only_task && sample.address.task != *only_task)
        continue;
      ready.push_back(full_sample(*view, record, sample));
    }
    const bool past = only_task && !page->samples.empty() && page->samples.back().address.task > *only_task;
    after = page->next;
    // What the caller does with them may be slow: the view must not wait for it.
    { const auto ended = std::move(*view); }
    for (const auto& sample : ready)
      if (!each(sample))
        return {};
    if (past)
      return {};
  } while (after);
  return {};
}

} // namespace assay::storage
