#include "actors/experiments/ab_test_reader.hpp"

#include "actors/runs/run_counts.hpp"
#include "core/experiments/ab_run.hpp"
#include "core/stats/aggregate.hpp"
#include "core/tasks/task_definition.hpp"
#include "core/values/run.hpp"

#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

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

/// Tasks of a run, each read when its first sample is met.
class run_rules {
public:
  explicit run_rules(const run_spec& spec) : spec_(spec), rules_(spec.tasks.size()) {}

  result<const score_rule*> of(size_t task) {
    auto& rule = rules_.at(task);
    if (!rule) {
      const auto& pinned = spec_.tasks[task];
      const auto parsed = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
      if (!parsed)
        return parsed.error();
      rule = score_rule_of(*parsed, spec_);
    }
    return &*rule;
  }

private:
  const run_spec& spec_;
  std::vector<std::optional<score_rule>> rules_;
};

result<void> read_run_news(const store_ptr& store, const experiments::ab_test& test, run_id run,
                           uint64_t after, ab_run_news& out) {
  auto view = storage::snapshot::open(store);
  if (!view)
    return view.error();
  const auto record = view->find_run(run);
  if (!record)
    return record.error();
  if (!*record) {
    out.ended = true; // It was removed.
    return {};
  }
  const auto page = view->page_events(run, after, rows_a_part);
  if (!page)
    return page.error();
  const auto& spec = (*record)->spec;
  run_rules rules(spec);
  for (const auto& one : page->events) {
    const auto* sample = std::get_if<sample_record>(&one.what);
    if (!sample || sample->status == sample_status::answered || sample->address.task >= spec.tasks.size())
      continue;
    const auto rule = rules.of(sample->address.task);
    if (!rule)
      return rule.error();
    const auto& task = spec.tasks[sample->address.task];
    out.rows.push_back(experiments::observation_of_sample(
                           test.variants.at(out.variant), task.id.value, *sample, task.scorer_names,
                           stats::counted_score(*sample, (*rule)->scorers, (*rule)->failed))
                           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  out.last_seq = std::max(after, page->last_seq);
  out.more = page->more;
  out.ended = is_final((*record)->state) && !page->more;
  return {};
}

} // namespace

ab_test_reader make_ab_test_reader(std::shared_ptr<storage::store> store) {
  ab_test_reader out;
  out.tests = [store] { return read_tests(store); };
  out.run_news = [store](const experiments::ab_test& test, uint64_t variant, run_id run, uint64_t after) {
    ab_run_news news;
    news.variant = variant;
    news.last_seq = after;
    if (const auto read = read_run_news(store, test, run, after, news); !read)
      news.error = read.error();
    return news;
  };
  out.observations = [store = std::move(store)](const std::string& prefix, const auto& send) {
    read_observations(store, prefix, send);
  };
  return out;
}

} // namespace assay
