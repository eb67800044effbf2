#include "storage/test_counts.hpp"

#include "core/tasks/task_definition.hpp"

#include <map>
#include <utility>

namespace assay::storage {

namespace {

constexpr const char* run_prefix = "run/";
constexpr const char* import_prefix = "import/";

result<void> read_prefix(const std::shared_ptr<store>& from, const char* prefix,
                         std::vector<reports::counted_source>& out) {
  document_query query;
  query.prefix = prefix;
  query.limit = max_page_rows;
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    auto page = view->page_documents(table::test_counts, query);
    if (!page)
      return page.error();
    for (const auto& [key, document] : page->documents) {
      auto source = reports::counted_source_from_text(document.bytes);
      if (!source)
        return source.error();
      out.push_back(std::move(*source));
    }
    query.after = std::move(page->next);
  } while (query.after);
  return {};
}

} // namespace

std::string counts_key(run_id run) { return run_prefix + to_string(run); }

std::string counts_key(const reports::counted_source& source) {
  return (source.imported ? import_prefix : run_prefix) + source.name;
}

result<std::vector<reports::counted_source>> read_counts(const std::shared_ptr<store>& from) {
  std::vector<reports::counted_source> out;
  for (const auto* prefix : {run_prefix, import_prefix})
    if (auto read = read_prefix(from, prefix, out); !read)
      return read.error();
  return out;
}

result<std::vector<run_id>> uncounted_runs(const std::shared_ptr<store>& from) {
  const auto counted = read_counts(from);
  if (!counted)
    return counted.error();
  std::map<std::string, uint16_t> generations;
  for (const auto& source : *counted)
    if (!source.imported)
      generations[source.name] = source.generation;
  std::vector<run_id> out;
  run_query query;
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    auto page = view->list_runs(query);
    if (!page)
      return page.error();
    for (const auto& run : page->runs) {
      if (!reports::is_counted(run) || run.progress.done == 0)
        continue;
      const auto found = generations.find(to_string(run.spec.id));
      if (found == generations.end() || found->second != run.generation)
        out.push_back(run.spec.id);
    }
    query.before = page->next;
  } while (query.before);
  return out;
}

result<reports::counted_source> count_tests(const std::shared_ptr<store>& from, const run_record& run) {
  std::vector<std::shared_ptr<const tasks::task_definition>> tasks;
  for (const auto& pinned : run.spec.tasks) {
    auto task = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
    if (!task)
      return task.error();
    tasks.push_back(std::make_shared<const tasks::task_definition>(std::move(*task)));
  }
  reports::test_counter counter(run, tasks);
  std::optional<sample_address> after;
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    auto page = view->page_samples(run.spec.id, after, max_page_rows);
    if (!page)
      return page.error();
    for (const auto& sample : page->samples)
      counter.add(sample);
    after = page->next;
  } while (after);
  return counter.finish();
}

void put_counts(write_batch& batch, const reports::counted_source& source) {
  if (source.tests.empty())
    batch.erase_document(table::test_counts, counts_key(source));
  else
    batch.put_document(table::test_counts, counts_key(source), reports::to_text(source));
}

} // namespace assay::storage
