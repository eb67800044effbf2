// The part of snapshot that reads events and documents.

#include "storage/keys.hpp"
#include "storage/read_transaction.hpp"
#include "storage/snapshot.hpp"

#include <algorithm>
#include <limits>

namespace assay::storage {

namespace {

constexpr size_t max_page_bytes = size_t{8} << 20;

fault damaged_events(run_id run, const char* what) {
  return {errc::store_unreadable, what, "events/" + to_string(run), "restore the data folder from a backup"};
}

/// Moves to the row that holds @p seq of @p run, or to the first one above it. @returns whether there is a
/// row. A row of samples lies under the number of its first sample, so the row wanted may begin below seq.
bool seek_event(detail::cursor& rows, run_id run, uint64_t seq) {
  const auto wanted = event_key(run, seq);
  if (rows.seek(wanted) && rows.key() == wanted.view())
    return true;
  if (rows.failure() != 0)
    return false;
  if (rows.seek_below(wanted)) {
    const auto position = parse_event_key(rows.key());
    // The row below is walked over by the caller when it ends before seq.
    if (position && position->run == run)
      return true;
  }
  return rows.failure() == 0 && rows.seek(wanted);
}

} // namespace

result<event_page> snapshot::page_events(run_id run, uint64_t after_seq, size_t limit) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  limit = std::clamp<size_t>(limit, 1, max_page_rows);
  event_page page;
  page.last_seq = after_seq;
  if (after_seq == std::numeric_limits<uint64_t>::max())
    return page;
  size_t bytes = 0;
  auto rows = use->open(table::events);
  for (bool more = seek_event(rows, run, after_seq + 1); more; more = rows.next()) {
    const auto position = parse_event_key(rows.key());
    if (!position)
      return damaged_events(run, "a stored key is damaged");
    if (position->run != run)
      break;
    auto row = decoder_.events(run, position->seq, rows.value());
    if (!row)
      return row.error();
    const uint64_t end = position->seq + row->count();
    if (end <= page.last_seq + 1)
      continue;
    if (position->seq > page.last_seq + 1)
      return damaged_events(run, "a stored event is missing");
    if (row->lifecycle) {
      if (page.events.size() == limit || bytes >= max_page_bytes) {
        page.more = true;
        return page;
      }
      bytes += row->lifecycle->data.size();
      page.last_seq = position->seq;
      page.events.push_back({position->seq, std::move(*row->lifecycle)});
      continue;
    }
    for (uint64_t seq = page.last_seq + 1; seq < end; ++seq) {
      if (page.events.size() == limit) {
        page.more = true;
        return page;
      }
      const auto& address = row->samples[seq - position->seq];
      const auto stored = use->get(table::samples, sample_key(run, address));
      if (!stored)
        return stored.error();
      if (!*stored)
        return damaged_events(run, "the sample of a stored event is missing");
      auto record = decoder_.sample(run, address, **stored);
      if (!record)
        return record.error();
      page.last_seq = seq;
      page.events.push_back({seq, std::move(*record)});
    }
  }
  if (rows.failure() != 0)
    return detail::read_fault(rows.failure(), "read events");
  return page;
}

result<event_page> snapshot::page_lifecycle(run_id run, uint64_t after_seq, size_t limit) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  limit = std::clamp<size_t>(limit, 1, max_page_rows);
  event_page page;
  page.last_seq = after_seq;
  if (after_seq == std::numeric_limits<uint64_t>::max())
    return page;
  size_t passed = 0;
  auto rows = use->open(table::events);
  for (bool more = seek_event(rows, run, after_seq + 1); more; more = rows.next()) {
    const auto position = parse_event_key(rows.key());
    if (!position)
      return damaged_events(run, "a stored key is damaged");
    if (position->run != run)
      break;
    if (page.events.size() == limit || passed == max_page_rows) {
      page.more = true;
      return page;
    }
    ++passed;
    const auto count = decoder_.event_count(rows.value());
    if (!count)
      return count.error();
    const uint64_t last = position->seq + *count - 1;
    if (last <= page.last_seq)
      continue;
    page.last_seq = last;
    const auto lifecycle = decoder_.is_lifecycle(rows.value());
    if (!lifecycle)
      return lifecycle.error();
    if (!*lifecycle)
      continue;
    auto row = decoder_.events(run, position->seq, rows.value());
    if (!row)
      return row.error();
    page.events.push_back({position->seq, std::move(*row->lifecycle)});
  }
  if (rows.failure() != 0)
    return detail::read_fault(rows.failure(), "read events");
  return page;
}

result<uint64_t> snapshot::last_seq(run_id run) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  auto rows = use->open(table::events);
  const bool found = rows.seek_below(event_key(run, std::numeric_limits<uint64_t>::max()));
  if (rows.failure() != 0)
    return detail::read_fault(rows.failure(), "read events");
  const auto position = found ? parse_event_key(rows.key()) : std::nullopt;
  if (!position || position->run != run)
    return uint64_t{0};
  const auto count = decoder_.event_count(rows.value());
  if (!count)
    return count.error();
  return position->seq + *count - 1;
}

// -- documents
// ------------------------------------------------------------------------------------------------

result<std::optional<document>> snapshot::find_document(table where, std::string_view key) {
  if (!holds_documents(where) || key.empty() || key.size() > max_document_key)
    return fault{
        errc::invalid_argument, "no document can have this table and key", std::string(to_string(where)), {}};
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  const auto stored = use->get(where, key);
  if (!stored)
    return stored.error();
  if (!*stored)
    return std::optional<document>{};
  auto record = decoder_.versioned_document(**stored);
  if (!record)
    return record.error();
  return std::optional<document>(std::move(*record));
}

result<document_page> snapshot::page_documents(table where, const document_query& query) {
  if (!holds_documents(where))
    return fault{errc::invalid_argument, "this table holds no documents", std::string(to_string(where)), {}};
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  const size_t limit = std::clamp<size_t>(query.limit, 1, max_page_rows);
  document_page page;
  size_t bytes = 0;
  auto rows = use->open(where);
  const bool continues = query.after && *query.after >= query.prefix;
  const std::string_view start = continues ? *query.after : query.prefix;
  // LMDB takes no empty key.
  bool more = start.empty() ? rows.first() : rows.seek(start);
  if (more && continues && rows.key() == start)
    more = rows.next();
  for (; more && rows.key().starts_with(query.prefix); more = rows.next()) {
    if (query.before && rows.key() >= *query.before)
      break;
    if (page.documents.size() == limit || bytes >= max_page_bytes) {
      page.next = page.documents.back().first;
      return page;
    }
    auto record = decoder_.versioned_document(rows.value());
    if (!record)
      return record.error();
    bytes += record->bytes.size();
    page.documents.emplace_back(std::string(rows.key()), std::move(*record));
  }
  if (rows.failure() != 0)
    return detail::read_fault(rows.failure(), "read documents");
  return page;
}

result<document_key_page> snapshot::page_document_keys(table where, const document_query& query) {
  if (!holds_documents(where))
    return fault{errc::invalid_argument, "this table holds no documents", std::string(to_string(where)), {}};
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  const size_t limit = std::clamp<size_t>(query.limit, 1, max_page_rows);
  document_key_page page;
  auto rows = use->open(where);
  const bool continues = query.after && *query.after >= query.prefix;
  const std::string_view start = continues ? *query.after : query.prefix;
  // LMDB takes no empty key.
  bool more = start.empty() ? rows.first() : rows.seek(start);
  if (more && continues && rows.key() == start)
    more = rows.next();
  for (; more && rows.key().starts_with(query.prefix); more = rows.next()) {
    if (query.before && rows.key() >= *query.before)
      break;
    if (page.keys.size() == limit) {
      page.next = page.keys.back();
      return page;
    }
    page.keys.emplace_back(rows.key());
  }
  if (rows.failure() != 0)
    return detail::read_fault(rows.failure(), "list documents");
  return page;
}

} // namespace assay::storage
