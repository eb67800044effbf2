#include "actors/experiments/experiment_reader.hpp"

#include "storage/snapshot.hpp"

#include <utility>

namespace assay {

namespace {

using store_ptr = std::shared_ptr<storage::store>;

constexpr size_t page_rows = 512;

/// All documents, one snapshot a page.
result<std::vector<std::string>> read_all(const store_ptr& store, storage::table where,
                                          const std::string& prefix) {
  std::vector<std::string> out;
  storage::document_query query;
  query.prefix = prefix;
  query.limit = page_rows;
  do {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    auto page = view->page_documents(where, query);
    if (!page)
      return page.error();
    for (auto& [key, document] : page->documents)
      out.push_back(std::move(document.bytes));
    query.after = page->next;
  } while (query.after);
  return out;
}

} // namespace

experiment_reader make_experiment_reader(std::shared_ptr<storage::store> store) {
  experiment_reader out;
  out.experiments = [store] {
    experiments_recalled heads;
    if (auto read = read_all(store, storage::table::experiments, ""))
      heads.heads = std::move(*read);
    else
      heads.error = read.error();
    return heads;
  };
  out.children = [store](const std::string& prefix) {
    experiment_children_recalled rows;
    if (auto read = read_all(store, storage::table::experiment_children, prefix))
      rows.rows = std::move(*read);
    else
      rows.error = read.error();
    return rows;
  };
  return out;
}

} // namespace assay
