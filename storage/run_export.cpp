#include "storage/run_export.hpp"

#include "core/tasks/byte_reader.hpp"
#include "core/tasks/dataset.hpp"
#include "core/tasks/task_definition.hpp"
#include "storage/snapshot.hpp"

#include <cstdint>
#include <utility>

namespace assay::storage {

namespace {

/// A page with its answers must be read well within a snapshot's life.
constexpr size_t rows_a_page = 200;
/// Long answers end a page earlier.
constexpr size_t most_page_bytes = size_t{1} << 20;

/// @returns the last place that a sample before @p unit could have; nothing when there is none.
std::optional<sample_address> place_before(const reports::export_unit& unit) {
  if (unit.task == 0 && unit.variant == 0)
    return std::nullopt;
  const bool same_task = unit.variant > 0;
  return sample_address{static_cast<uint16_t>(same_task ? unit.task : unit.task - 1),
                        static_cast<uint16_t>(same_task ? unit.variant - 1 : UINT16_MAX),
                        UINT32_MAX,
                        UINT16_MAX,
                        UINT16_MAX,
                        UINT16_MAX};
}

/// @returns the hash of the file as it is now; nothing when it cannot be read.
std::optional<std::string> hash_of_file(const std::string& path) {
  auto bytes = tasks::byte_reader::open(path);
  if (!bytes)
    return std::nullopt;
  tasks::sha256_digest digest;
  bytes->hash_into(&digest);
  while (bytes->peek() >= 0)
    bytes->advance();
  return bytes->error() ? std::nullopt : std::optional{digest.finish()};
}

} // namespace

/// The rows of the datasets, read along with the samples. A dataset that is gone or has changed has none.
class run_export::documents {
public:
  explicit documents(const run_record& run) : run_(run) {}

  const tasks::row_value* find(const sample_address& at) {
    if (at.task >= run_.spec.tasks.size())
      return nullptr;
    if (task_ != at.task)
      begin_task(at.task);
    if (!usable_)
      return nullptr;
    if (row_ && row_->index == at.sample)
      return &document_in(row_->fields);
    if (!reader_ || reader_->position() > at.sample)
      open();
    if (reader_)
      advance(at.sample);
    return row_ ? &document_in(row_->fields) : nullptr;
  }

private:
  /// A task that was prepared keeps the document that it was made of beside the prompt.
  static const tasks::row_value& document_in(const tasks::row_value& row) {
    const auto* inner = row.find("doc");
    const bool is_prepared = inner && inner->type() == tasks::row_value::kind::object && row.find("messages");
    return is_prepared ? *inner : row;
  }

  void begin_task(uint16_t task) {
    task_ = task;
    reader_.reset();
    row_.reset();
    const auto& pinned = run_.spec.tasks[task];
    usable_ = !pinned.dataset_path.empty() && hash_of_file(pinned.dataset_path) == pinned.dataset_hash;
    format_.reset();
    if (const auto definition = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/"))
      format_ = definition->format;
  }

  void open() {
    reader_.reset();
    auto opened = tasks::dataset_reader::open(run_.spec.tasks[*task_].dataset_path, format_);
    if (opened)
      reader_ = std::move(*opened);
    else
      usable_ = false;
  }

  void advance(uint32_t to) {
    row_.reset();
    const auto wanted = to - reader_->position();
    const auto skipped = reader_->skip(wanted);
    auto next = skipped && *skipped == wanted ? reader_->next()
                                              : result<std::optional<tasks::dataset_row>>{std::nullopt};
    if (next && *next && (*next)->index == to) {
      row_ = std::move(**next);
      return;
    }
    usable_ = false;
    reader_.reset();
  }

  const run_record& run_;
  std::optional<uint16_t> task_;
  bool usable_ = false;
  std::optional<tasks::dataset_format> format_;
  std::unique_ptr<tasks::dataset_reader> reader_;
  std::optional<tasks::dataset_row> row_;
};

run_export::run_export(permit, std::shared_ptr<store> from, reports::report_facts facts,
                       const reports::export_options& options)
    : store_(std::move(from)), facts_(std::move(facts)), options_(options),
      documents_(std::make_unique<documents>(facts_.run)) {}

run_export::~run_export() = default;

result<std::unique_ptr<run_export>> run_export::open(std::shared_ptr<store> from, reports::report_facts facts,
                                                     const reports::export_options& options) {
  auto made = std::make_unique<run_export>(permit{}, std::move(from), std::move(facts), options);
  auto exporter = reports::make_exporter(made->facts_, options);
  if (!exporter)
    return exporter.error();
  made->exporter_ = std::move(*exporter);
  return made;
}

void run_export::begin_pass() {
  after_.reset();
  if (options_.unit)
    after_ = place_before(*options_.unit);
}

result<bool> run_export::step(std::string& out) {
  if (pass_ >= exporter_->passes())
    return false;
  const reports::text_sink sink = [&out](std::string_view text) { out += text; };
  if (!begun_) {
    begun_ = true;
    begin_pass();
    exporter_->begin(sink);
    return true;
  }
  const auto more = read_page(sink, out);
  if (!more)
    return more.error();
  if (*more)
    return true;
  exporter_->end_pass(pass_++, sink);
  begin_pass();
  return pass_ < exporter_->passes();
}

result<bool> run_export::read_page(const reports::text_sink& sink, const std::string& out) {
  auto view = snapshot::open(store_);
  if (!view)
    return view.error();
  const auto page = view->page_samples(facts_.run.spec.id, after_, rows_a_page);
  if (!page)
    return page.error();
  const auto begun_with = out.size();
  std::optional<fault> broken;
  for (const auto& sample : page->samples) {
    const auto& at = sample.address;
    const reports::export_unit unit{at.task, at.variant};
    if (options_.unit && !(unit == *options_.unit)) {
      if (std::pair{at.task, at.variant} > std::pair{options_.unit->task, options_.unit->variant})
        return false;
      continue;
    }
    std::optional<std::optional<response_record>> response;
    const reports::sample_row row{sample,
                                  [&]() -> const response_record* {
                                    if (!response) {
                                      auto found = view->find_response(facts_.run.spec.id, at);
                                      if (!found)
                                        broken = found.error();
                                      response = found ? std::move(*found) : std::nullopt;
                                    }
                                    return *response ? &**response : nullptr;
                                  },
                                  [&] { return documents_->find(at); }};
    exporter_->row(pass_, row, sink);
    if (broken)
      return *broken;
    if (out.size() - begun_with > most_page_bytes) {
      after_ = at;
      return true;
    }
  }
  after_ = page->next;
  return after_.has_value();
}

result<void> export_run(const std::shared_ptr<store>& from, const reports::report_facts& facts,
                        const reports::export_options& options, const text_sink& sink) {
  const auto reading = run_export::open(from, facts, options);
  if (!reading)
    return reading.error();
  std::string piece;
  for (bool more = true; more;) {
    piece.clear();
    const auto stepped = (*reading)->step(piece);
    if (!stepped)
      return stepped.error();
    more = *stepped;
    if (!piece.empty())
      sink(piece);
  }
  return {};
}

result<std::vector<std::filesystem::path>> write_export(const std::shared_ptr<store>& from,
                                                        const reports::report_facts& facts,
                                                        const reports::export_options& options,
                                                        const output_folder& to) {
  std::vector<std::filesystem::path> written;
  for (const auto& file : reports::export_files(facts.run, options)) {
    const std::filesystem::path path = file.name;
    const auto folder = to.below(path.parent_path());
    if (!folder)
      return folder.error();
    auto done = folder->write(path.filename().string(), [&](const text_sink& sink) {
      return export_run(from, facts, file.options, sink);
    });
    if (!done)
      return done.error();
    written.push_back(path);
  }
  return written;
}

} // namespace assay::storage
