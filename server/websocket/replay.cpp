#include "server/websocket/replay.hpp"

#include "core/experiments/ab_record.hpp"
#include "core/experiments/experiment.hpp"
#include "core/monitoring/alerts.hpp"
#include "server/families.hpp"

#include <nlohmann/json.hpp>

namespace assay::server {

namespace {

constexpr size_t page_rows = 256;

shared_text sample_frame(run_id run, uint64_t seq, const sample_record& sample, const scorer_names& scorers,
                         wall_time now) {
  static const std::vector<std::string> none;
  const auto& names = sample.address.task < scorers.size() ? scorers[sample.address.task] : none;
  return to_frame(
      {run, seq, event_type::sample_completed, now, shared_text{to_text(sample_to_json(sample, names))}});
}

} // namespace

scorer_names scorer_names_of(const run_record& run) {
  scorer_names out;
  for (const auto& task : run.spec.tasks)
    out.push_back(task.scorer_names);
  return out;
}

result<replay_page> read_replay(storage::snapshot& view, run_id run, uint64_t after, bool samples,
                                const scorer_names& scorers, wall_time now) {
  auto page = samples ? view.page_events(run, after, page_rows) : view.page_lifecycle(run, after, page_rows);
  if (!page)
    return page.error();
  replay_page out;
  out.last_seq = page->last_seq;
  out.more = page->more;
  for (const auto& one : page->events) {
    if (const auto* lifecycle = std::get_if<event>(&one.what)) {
      out.frames.push_back(to_frame(*lifecycle));
      if (lifecycle->type != event_type::log)
        out.ended = ends_run(lifecycle->type);
    } else {
      out.frames.push_back(sample_frame(run, one.seq, std::get<sample_record>(one.what), scorers, now));
    }
  }
  return out;
}

result<generation_search> find_generation(storage::snapshot& view, run_id run, uint64_t after,
                                          uint16_t retries) {
  auto page = view.page_lifecycle(run, after, page_rows);
  if (!page)
    return page.error();
  generation_search out{page->last_seq, retries, page->more};
  for (const auto& one : page->events) {
    if (std::get<event>(one.what).type != event_type::evaluation_retried || --out.retries_left > 0)
      continue;
    out.last_seq = one.seq - 1;
    out.more = true;
    break;
  }
  return out;
}

result<uint64_t> newest_stored(storage::snapshot& view, run_id run) {
  if (is_ab_test_channel(run) || is_experiment_channel(run)) {
    const auto test = find_ab_test(view, run);
    if (!test)
      return test.error();
    return *test ? (*test)->last_seq : 0;
  }
  if (run != alert_channel)
    return view.last_seq(run);
  const auto alerts = read_alerts(view, 0, {});
  if (!alerts)
    return alerts.error();
  return alerts->last_seq;
}

namespace {

result<followed_test> followed_experiment(const std::string& key, const std::string& stored) {
  const auto head = experiments::head_from_stored(stored);
  if (!head)
    return head.error();
  return followed_test{key, head->owner, head->changes, to_text(experiments::to_json(*head)),
                       event_type::experiment_progress};
}

} // namespace

result<std::optional<followed_test>> find_ab_test(storage::snapshot& view, run_id channel) {
  const bool is_test = is_ab_test_channel(channel);
  storage::document_query query;
  query.limit = storage::max_page_rows;
  do {
    auto page = view.page_documents(is_test ? storage::table::ab_tests : storage::table::experiments, query);
    if (!page)
      return page.error();
    for (const auto& [key, document] : page->documents) {
      if ((is_test ? ab_test_channel(key) : experiment_channel(key)) != channel)
        continue;
      if (!is_test) {
        auto found = followed_experiment(key, document.bytes);
        if (!found)
          return found.error();
        return std::optional<followed_test>{std::move(*found)};
      }
      const auto record = experiments::record_from_stored(document.bytes);
      if (!record)
        return record.error();
      auto text = record->analysis.empty() ? to_text(experiments::to_json(*record)) : record->analysis;
      followed_test found{key, record->owner, record->sequence(), std::move(text)};
      return std::optional<followed_test>{std::move(found)};
    }
    query.after = page->next;
  } while (query.after);
  return std::optional<followed_test>{};
}

result<replay_page> read_ab_test(storage::snapshot& view, run_id channel, uint64_t after, wall_time now) {
  const auto test = find_ab_test(view, channel);
  if (!test)
    return test.error();
  replay_page out;
  out.last_seq = after;
  if (*test && (*test)->last_seq > after) {
    out.last_seq = (*test)->last_seq;
    out.frames.push_back(to_frame({channel, out.last_seq, (*test)->type, now, shared_text{(*test)->text}}));
  }
  return out;
}

result<replay_page> read_alerts(storage::snapshot& view, uint64_t after, wall_time now) {
  std::map<uint64_t, monitoring::alert> changed;
  storage::document_query query;
  query.limit = storage::max_page_rows;
  do {
    auto page = view.page_documents(storage::table::alerts, query);
    if (!page)
      return page.error();
    for (const auto& [key, document] : page->documents)
      if (auto one = monitoring::alert_from_text(document.bytes); one && one->seq > after)
        changed.emplace(one->seq, std::move(*one));
    query.after = page->next;
  } while (query.after);
  replay_page out;
  out.last_seq = after;
  for (const auto& [seq, one] : changed) {
    out.frames.push_back(
        to_frame({alert_channel, seq, event_type::alert, now, shared_text{monitoring::to_text(one)}}));
    out.last_seq = seq;
  }
  return out;
}

} // namespace assay::server
