#include "storage/experiment_reader.hpp"

#include "storage/score_reader.hpp"

#include <nlohmann/json.hpp>

#include <utility>
#include <vector>

namespace assay::storage {

namespace {

/// Only a run that is under way is further than what was written down of it.
result<void> look_at_runs(snapshot& view, experiments::experiment& what) {
  for (auto& child : what.children) {
    if (!experiments::is_active(child.state) || child.run.empty())
      continue;
    const auto run = view.find_run(child.run);
    if (!run)
      return run.error();
    if (!*run)
      continue;
    child.done = (*run)->progress.done;
    child.failed_samples = (*run)->progress.failed;
    child.cost = (*run)->progress.cost;
  }
  return {};
}

result<std::optional<run_record>> run_of(const std::shared_ptr<store>& from, run_id run) {
  auto view = snapshot::open(from);
  if (!view)
    return view.error();
  return view->find_run(run);
}

} // namespace

result<std::optional<experiments::experiment>> find_experiment(snapshot& view, const std::string& id) {
  const auto head = view.find_document(table::experiments, id);
  if (!head)
    return head.error();
  if (!*head)
    return std::optional<experiments::experiment>{};
  const auto read = experiments::head_from_stored((*head)->bytes);
  if (!read)
    return read.error();
  std::vector<std::string> children;
  document_query query;
  query.prefix = experiments::children_prefix(*read);
  query.limit = max_page_rows;
  do {
    auto page = view.page_documents(table::experiment_children, query);
    if (!page)
      return page.error();
    for (auto& [key, row] : page->documents)
      children.push_back(std::move(row.bytes));
    query.after = page->next;
  } while (query.after);
  auto what = experiments::from_stored((*head)->bytes, children);
  if (!what)
    return what.error();
  if (auto looked = look_at_runs(view, *what); !looked)
    return looked.error();
  return std::optional{std::move(*what)};
}

result<std::optional<reports::child_facts>> read_child_facts(const std::shared_ptr<store>& from,
                                                             const experiments::experiment_child& child) {
  std::optional<reports::child_facts> out;
  if (child.run.empty())
    return out;
  const auto run = run_of(from, child.run);
  if (!run)
    return run.error();
  if (!*run)
    return out;
  auto scores = read_scores(from, **run);
  if (!scores)
    return scores.error();
  out.emplace();
  out->scores = std::move(*scores);
  std::optional<sample_address> after;
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    const auto page = view->page_samples(child.run, after, max_page_rows);
    if (!page)
      return page.error();
    for (const auto& sample : page->samples) {
      if (sample.status == sample_status::answered)
        continue;
      ++out->samples;
      out->errors += sample.status == sample_status::failed ? 1 : 0;
      out->durations.record(std::chrono::duration_cast<microseconds>(sample.duration));
    }
    after = page->next;
  } while (after);
  return out;
}

std::optional<fault> read_experiment_report(const std::shared_ptr<store>& from,
                                            const experiments::experiment& what, wall_time now,
                                            nlohmann::json& out) {
  std::vector<std::optional<reports::child_facts>> facts;
  for (const auto& child : what.children) {
    auto one = read_child_facts(from, child);
    if (!one)
      return one.error();
    facts.push_back(std::move(*one));
  }
  out = reports::experiment_report(what, facts, now);
  return std::nullopt;
}

} // namespace assay::storage
