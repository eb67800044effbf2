#include "actors/monitoring/statistics_store.hpp"

#include "core/monitoring/bucket_key.hpp"
#include "storage/snapshot.hpp"

#include <utility>

namespace assay {

namespace {

using store_ptr = std::shared_ptr<storage::store>;
using send_part = std::function<void(statistics_recalled&&)>;

/// What the monitor takes in at once: about a millisecond of its time.
constexpr size_t documents_a_part = 32;
constexpr size_t page_rows = 256;

/// Visits every document of a table that @p query asks for, one snapshot a page.
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
      visit(key, document.bytes);
    query.after = page->next;
  } while (query.after);
  return {};
}

result<void> send_buckets(const store_ptr& store, bool quarters, std::optional<wall_time> since,
                          const send_part& send) {
  storage::document_query query;
  query.prefix = monitoring::key_prefix(quarters);
  if (since)
    query.after = monitoring::key_from(quarters, *since);
  statistics_recalled part;
  auto done = each_document(store, storage::table::call_stats, std::move(query),
                            [&](std::string& key, std::string& text) {
                              part.buckets.emplace_back(std::move(key), std::move(text));
                              if (part.buckets.size() >= documents_a_part)
                                send(std::exchange(part, {}));
                            });
  if (!part.buckets.empty())
    send(std::move(part));
  return done;
}

result<void> send_alerts(const store_ptr& store, const send_part& send) {
  statistics_recalled part;
  auto done = each_document(store, storage::table::alerts, {}, [&](std::string&, std::string& text) {
    part.alerts.push_back(std::move(text));
    if (part.alerts.size() >= documents_a_part)
      send(std::exchange(part, {}));
  });
  if (!part.alerts.empty())
    send(std::move(part));
  return done;
}

result<void> send_thresholds(const store_ptr& store, const send_part& send) {
  auto view = storage::snapshot::open(store);
  if (!view)
    return view.error();
  auto found = view->find_document(storage::table::settings, "monitor.thresholds");
  if (!found)
    return found.error();
  if (!*found)
    return {};
  statistics_recalled part;
  part.thresholds = std::move((*found)->bytes);
  send(std::move(part));
  return {};
}

void recall(const store_ptr& store, wall_time since, const send_part& send) {
  statistics_recalled last;
  last.last = true;
  const auto keep_first = [&](result<void> done) {
    if (!done && !last.error)
      last.error = done.error();
  };
  keep_first(send_thresholds(store, send));
  keep_first(send_alerts(store, send));
  keep_first(send_buckets(store, true, since, send));
  // All minutes: those of a farm that was ended early may not be in their quarter yet.
  keep_first(send_buckets(store, false, std::nullopt, send));
  send(std::move(last));
}

result<std::vector<std::string>> find_expired(const store_ptr& store, wall_time before, size_t limit) {
  auto view = storage::snapshot::open(store);
  if (!view)
    return view.error();
  storage::document_query query;
  query.prefix = monitoring::key_prefix(true);
  query.before = monitoring::key_from(true, before);
  query.limit = std::min(limit, storage::max_page_rows);
  auto page = view->page_documents(storage::table::call_stats, query);
  if (!page)
    return page.error();
  std::vector<std::string> out;
  for (auto& [key, document] : page->documents)
    out.push_back(std::move(key));
  return out;
}

} // namespace

statistics_reader make_statistics_reader(std::shared_ptr<storage::store> store) {
  statistics_reader out;
  out.recall = [store](wall_time since, const send_part& send) { recall(store, since, send); };
  out.find_expired = [store = std::move(store)](wall_time before, size_t limit) {
    return find_expired(store, before, limit);
  };
  return out;
}

} // namespace assay
