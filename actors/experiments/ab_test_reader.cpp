#include "actors/experiments/ab_test_reader.hpp"

#include "storage/snapshot.hpp"

#include <utility>

namespace assay {

namespace {

using store_ptr = std::shared_ptr<storage::store>;

/// What a test takes in at once: less than a millisecond of its time.
constexpr size_t rows_a_part = 64;
constexpr size_t page_rows = 512;

/// Visits every document, one snapshot a page.
template <class Visit>
result<void> each_document(const store_ptr& store, storage::table where, storage::document_query query,
                           Visit visit) {
  query.limit = page_rows;
  do {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    auto page = view->page_documents(where, query);
    if (!page)
      return page.error();
    for (auto& [key, document] : page->documents)
      visit(std::move(document.bytes));
    query.after = page->next;
  } while (query.after);
  return {};
}

ab_tests_recalled read_tests(const store_ptr& store) {
  ab_tests_recalled out;
  const auto done = each_document(store, storage::table::ab_tests, {},
                                  [&](std::string&& text) { out.records.push_back(std::move(text)); });
  if (!done)
    out.error = done.error();
  return out;
}

void read_observations(const store_ptr& store, const std::string& prefix,
                       const std::function<void(ab_observations_recalled&&)>& send) {
  ab_observations_recalled part;
  storage::document_query query;
  query.prefix = prefix;
  const auto done =
      each_document(store, storage::table::ab_observations, std::move(query), [&](std::string&& text) {
        part.rows.push_back(std::move(text));
        if (part.rows.size() >= rows_a_part)
          send(std::exchange(part, {}));
      });
  part.last = true;
  if (!done)
    part.error = done.error();
  send(std::move(part));
}

} // namespace

ab_test_reader make_ab_test_reader(std::shared_ptr<storage::store> store) {
  ab_test_reader out;
  out.tests = [store] { return read_tests(store); };
  out.observations = [store = std::move(store)](const std::string& prefix, const auto& send) {
    read_observations(store, prefix, send);
  };
  return out;
}

} // namespace assay
