#include "storage/snapshot.hpp"

#include "storage/keys.hpp"
#include "storage/read_transaction.hpp"

#include <algorithm>
#include <limits>

namespace assay::storage {

namespace {

using detail::cursor;
using detail::read_fault;

/// A list with a narrow filter gives its caller a chance to stop after this many rows.
constexpr size_t max_rows_looked_at = 20000;
/// Pages of large rows end here.
constexpr size_t max_page_bytes = size_t{8} << 20;

size_t page_limit(size_t asked) noexcept { return std::clamp<size_t>(asked, 1, max_page_rows); }

fault damaged_key(table where) {
  return {errc::store_unreadable, "a stored key is damaged", std::string(to_string(where)),
          "restore the data folder from a backup"};
}

/// Adds to a decoder's fault which row it was.
fault at(fault error, table where, run_id run) {
  error.where = std::string(to_string(where)) + "/" + to_string(run);
  return error;
}

/// Walks the answers of a run. @param emit (place, stored) -> result<bool>: false when the page was full
/// before this one. @returns where the next page continues.
template <class Emit>
result<std::optional<response_place>> walk_responses(cursor& rows, run_id run,
                                                     const std::optional<response_place>& after, Emit emit) {
  bool more = false;
  if (after) {
    const auto start = response_key(run, after->address, after->attempt);
    more = rows.seek(start);
    if (more && rows.key() == start.view())
      more = rows.next();
  } else {
    more = rows.seek(run_key(run));
  }
  std::optional<response_place> last;
  for (; more; more = rows.next()) {
    const auto position = parse_response_key(rows.key());
    if (!position)
      return damaged_key(table::responses);
    if (position->run != run)
      break;
    const response_place place{position->address, position->attempt};
    const auto taken = emit(place, rows.value());
    if (!taken)
      return taken.error();
    if (!*taken)
      return last;
    last = place;
  }
  if (rows.failure() != 0)
    return read_fault(rows.failure(), "read answers");
  return std::optional<response_place>{};
}

/// Walks the sample rows of a run, a page at most. @param emit (address, stored) -> result<void>
/// @returns where the next page continues.
template <class Emit>
result<std::optional<sample_address>> walk_samples(cursor& rows, run_id run,
                                                   std::optional<sample_address> after, size_t limit,
                                                   generation_rule rule, Emit emit) {
  struct row {
    sample_address address;
    std::string_view stored;
  };
  const bool latest = rule == generation_rule::latest;
  if (after && latest)
    // A generation written since the last page belongs to a sample that page has shown.
    after->generation = std::numeric_limits<uint16_t>::max();
  bool more = rows.seek(after ? sample_key(run, *after) : run_key(run));
  if (more && after && rows.key() == sample_key(run, *after).view())
    more = rows.next();
  std::optional<row> pending;
  size_t emitted = 0;
  for (; more; more = rows.next()) {
    const auto position = parse_sample_key(rows.key());
    if (!position)
      return damaged_key(table::samples);
    if (position->run != run)
      break;
    if (pending && !(latest && same_sample(pending->address, position->address))) {
      if (auto done = emit(pending->address, pending->stored); !done)
        return done.error();
      if (++emitted == limit)
        return pending->address;
    }
    pending = row{position->address, rows.value()};
  }
  if (rows.failure() != 0)
    return read_fault(rows.failure(), "read samples");
  if (pending)
    if (auto done = emit(pending->address, pending->stored); !done)
      return done.error();
  return std::optional<sample_address>{};
}

} // namespace

snapshot::snapshot(std::shared_ptr<store> from, std::unique_ptr<detail::read_transaction> transaction)
    : store_(std::move(from)), transaction_(std::move(transaction)) {}

snapshot::~snapshot() = default;
snapshot::snapshot(snapshot&&) noexcept = default;

snapshot& snapshot::operator=(snapshot&& other) noexcept {
  // In this order: the old transaction ends before its store may.
  transaction_ = std::move(other.transaction_);
  store_ = std::move(other.store_);
  decoder_ = std::move(other.decoder_);
  return *this;
}

result<snapshot> snapshot::open(const std::shared_ptr<store>& from) {
  auto transaction = detail::read_transaction::begin(from->environment());
  if (!transaction)
    return transaction.error();
  return snapshot(from, std::move(*transaction));
}

// -- runs
// -----------------------------------------------------------------------------------------------------

result<std::optional<run_record>> snapshot::find_run(run_id run) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  const auto stored = use->get(table::runs, run_key(run));
  if (!stored)
    return stored.error();
  if (!*stored)
    return std::optional<run_record>{};
  auto record = decoder_.run(**stored);
  if (!record)
    return at(record.error(), table::runs, run);
  return std::optional<run_record>(std::move(*record));
}

result<summary_page> snapshot::list_summaries(const run_query& query) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  summary_page page;
  const size_t limit = page_limit(query.limit);
  auto rows = use->open(table::run_index);
  bool more = query.before ? rows.seek_below(run_key(*query.before)) : rows.last();
  for (size_t looked_at = 0; more; more = rows.previous()) {
    const auto run = parse_run_key(rows.key());
    if (!run)
      return damaged_key(table::run_index);
    if (page.runs.size() == limit || looked_at++ == max_rows_looked_at) {
      // The next page starts with this row.
      page.next = run_id{run->value + 1};
      return page;
    }
    auto summary = decoder_.summary(*run, rows.value());
    if (!summary)
      return at(summary.error(), table::run_index, *run);
    if (summary->kind == run_kind::llm_batch && !query.with_batches)
      continue;
    if ((!query.state || summary->state == *query.state) && (!query.owner || summary->owner == *query.owner))
      page.runs.push_back(std::move(*summary));
  }
  if (rows.failure() != 0)
    return read_fault(rows.failure(), "list runs");
  return page;
}

result<run_page> snapshot::list_runs(const run_query& query) {
  auto summaries = list_summaries(query);
  if (!summaries)
    return summaries.error();
  run_page page;
  page.next = summaries->next;
  for (const auto& summary : summaries->runs) {
    auto record = find_run(summary.run);
    if (!record)
      return record.error();
    if (*record)
      page.runs.push_back(std::move(**record));
  }
  return page;
}

result<run_page> snapshot::open_runs(std::optional<run_id> after, size_t limit) {
  std::vector<run_id> found;
  run_page page;
  {
    const auto use = transaction_->enter();
    if (!use)
      return use.error();
    auto rows = use->open(table::run_index);
    bool more = after ? rows.seek(run_key(run_id{after->value + 1})) : rows.first();
    for (; more; more = rows.next()) {
      const auto run = parse_run_key(rows.key());
      if (!run)
        return damaged_key(table::run_index);
      const auto summary = decoder_.summary(*run, rows.value());
      if (!summary)
        return at(summary.error(), table::run_index, *run);
      if (is_final(summary->state))
        continue;
      if (found.size() == page_limit(limit)) {
        page.next = found.back();
        break;
      }
      found.push_back(*run);
    }
    if (rows.failure() != 0)
      return read_fault(rows.failure(), "list open runs");
  }
  for (const auto run : found) {
    auto record = find_run(run);
    if (!record)
      return record.error();
    if (*record)
      page.runs.push_back(std::move(**record));
  }
  return page;
}

result<std::optional<std::string>> snapshot::find_result(run_id run) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  const auto stored = use->get(table::results, run_key(run));
  if (!stored)
    return stored.error();
  if (!*stored)
    return std::optional<std::string>{};
  auto text = decoder_.text(**stored);
  if (!text)
    return at(text.error(), table::results, run);
  return std::optional<std::string>(std::move(*text));
}

// -- samples
// --------------------------------------------------------------------------------------------------

result<std::optional<sample_record>> snapshot::find_sample(run_id run, const sample_address& address) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  const auto stored = use->get(table::samples, sample_key(run, address));
  if (!stored)
    return stored.error();
  if (!*stored)
    return std::optional<sample_record>{};
  auto record = decoder_.sample(run, address, **stored);
  if (!record)
    return at(record.error(), table::samples, run);
  return std::optional<sample_record>(std::move(*record));
}

result<sample_page> snapshot::page_samples(run_id run, std::optional<sample_address> after, size_t limit,
                                           generation_rule rule) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  sample_page page;
  auto rows = use->open(table::samples);
  auto next = walk_samples(rows, run, after, page_limit(limit), rule,
                           [&](const sample_address& address, std::string_view stored) -> result<void> {
                             auto record = decoder_.sample(run, address, stored);
                             if (!record)
                               return at(record.error(), table::samples, run);
                             page.samples.push_back(std::move(*record));
                             return {};
                           });
  if (!next)
    return next.error();
  page.next = *next;
  return page;
}

result<mark_page> snapshot::page_marks(run_id run, std::optional<sample_address> after, size_t limit,
                                       generation_rule rule) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  mark_page page;
  auto rows = use->open(table::samples);
  auto next = walk_samples(rows, run, after, page_limit(limit), rule,
                           [&](const sample_address& address, std::string_view stored) -> result<void> {
                             const auto status = decoder_.status(stored);
                             if (!status)
                               return at(status.error(), table::samples, run);
                             page.marks.push_back({address, *status});
                             return {};
                           });
  if (!next)
    return next.error();
  page.next = *next;
  return page;
}

result<void> scan_done(const std::shared_ptr<store>& from, run_id run, generation_rule rule,
                       const std::function<void(const sample_address&, sample_status)>& each) {
  std::optional<sample_address> after;
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    const auto page = view->page_marks(run, after, max_page_rows, rule);
    if (!page)
      return page.error();
    for (const auto& mark : page->marks)
      each(mark.address, mark.status);
    after = page->next;
  } while (after);
  return {};
}

// -- responses
// ------------------------------------------------------------------------------------------------

result<std::optional<response_record>> snapshot::find_response(run_id run, const sample_address& address) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  auto rows = use->open(table::responses);
  const auto prefix = sample_key(run, address);
  std::string_view newest;
  uint16_t attempt = 0;
  for (bool more = rows.seek(prefix); more && rows.key().starts_with(prefix.view()); more = rows.next()) {
    const auto position = parse_response_key(rows.key());
    if (!position)
      return damaged_key(table::responses);
    newest = rows.value();
    attempt = position->attempt;
  }
  if (rows.failure() != 0)
    return read_fault(rows.failure(), "read an answer");
  if (newest.empty())
    return std::optional<response_record>{};
  auto record = decoder_.response(run, address, attempt, newest);
  if (!record)
    return at(record.error(), table::responses, run);
  return std::optional<response_record>(std::move(*record));
}

result<std::vector<response_record>> snapshot::find_responses(run_id run, const sample_address& address) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  std::vector<response_record> found;
  auto rows = use->open(table::responses);
  const auto prefix = sample_key(run, address);
  for (bool more = rows.seek(prefix); more && rows.key().starts_with(prefix.view()); more = rows.next()) {
    const auto position = parse_response_key(rows.key());
    if (!position)
      return damaged_key(table::responses);
    auto record = decoder_.response(run, address, position->attempt, rows.value());
    if (!record)
      return at(record.error(), table::responses, run);
    found.push_back(std::move(*record));
  }
  if (rows.failure() != 0)
    return read_fault(rows.failure(), "read answers");
  return found;
}

result<response_page> snapshot::page_responses(run_id run, std::optional<response_place> after,
                                               size_t limit) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  response_page page;
  size_t bytes = 0;
  auto rows = use->open(table::responses);
  auto next = walk_responses(rows, run, after,
                             [&](const response_place& place, std::string_view stored) -> result<bool> {
                               if (page.responses.size() == page_limit(limit) || bytes >= max_page_bytes)
                                 return false;
                               auto record = decoder_.response(run, place.address, place.attempt, stored);
                               if (!record)
                                 return at(record.error(), table::responses, run);
                               bytes += record->prompt.size() + record->answer.size() + record->target.size();
                               page.responses.push_back(std::move(*record));
                               return true;
                             });
  if (!next)
    return next.error();
  page.next = *next;
  return page;
}

result<times_page> snapshot::page_times(run_id run, std::optional<response_place> after, size_t limit) {
  const auto use = transaction_->enter();
  if (!use)
    return use.error();
  times_page page;
  auto rows = use->open(table::responses);
  auto next = walk_responses(rows, run, after,
                             [&](const response_place& place, std::string_view stored) -> result<bool> {
                               if (page.times.size() == page_limit(limit))
                                 return false;
                               const auto times = decoder_.times(stored);
                               if (!times)
                                 return at(times.error(), table::responses, run);
                               page.times.emplace_back(place, *times);
                               return true;
                             });
  if (!next)
    return next.error();
  page.next = *next;
  return page;
}

namespace {

/// Calls @p visit for every answer and failure of the run.
template <class Visit>
result<void> for_each_response(const std::shared_ptr<store>& from, run_id run, Visit visit) {
  std::optional<response_place> after;
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    const auto page = view->page_responses(run, after, max_page_rows);
    if (!page)
      return page.error();
    for (const auto& response : page->responses)
      visit(response);
    after = page->next;
  } while (after);
  return {};
}

} // namespace

result<money> cost_of_answers(const std::shared_ptr<store>& from, run_id run) {
  money total;
  const auto done = for_each_response(
      from, run, [&](const response_record& response) { total += response.cost.value_or(money{}); });
  if (!done)
    return done.error();
  return total;
}

result<uint64_t> lost_tries_of(const std::shared_ptr<store>& from, run_id run) {
  uint64_t total = 0;
  {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    const auto record = view->find_run(run);
    if (!record)
      return record.error();
    if (*record)
      total = (*record)->lost_calls + (*record)->maybe_lost_calls + (*record)->open_calls_at_most;
  }
  const auto done = for_each_response(from, run, [&](const response_record& response) {
    total +=
        static_cast<uint64_t>(std::ranges::count_if(response.failures, &attempt_record::possibly_billed));
  });
  if (!done)
    return done.error();
  return total;
}

} // namespace assay::storage
