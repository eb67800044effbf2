#include "actors/runs/epoch_tally.hpp"
#include "actors/runs/store_run_worker.hpp"
#include "core/reports/analysis.hpp"
#include "core/reports/group_results.hpp"
#include "core/reports/test_counts.hpp"
#include "core/scoring/judge_agreement.hpp"
#include "core/stats/aggregate.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace assay {

namespace {

using nlohmann::json;
using task_ptr = std::shared_ptr<const tasks::task_definition>;

constexpr size_t shown_output_bytes = 500;

/// From the first call that was sent to the last answer.
class time_on_the_clock {
public:
  void add(wall_time sent, wall_time answered) {
    first_ = std::min(first_.value_or(sent), sent);
    last_ = std::max(last_.value_or(answered), answered);
  }
  /// @returns how much of it @p run was under way.
  milliseconds length(const run_record& run) const {
    return first_ ? active_time_between(run, *first_, *last_) : milliseconds{0};
  }

private:
  std::optional<wall_time> first_;
  std::optional<wall_time> last_;
};

/// How the repeats of a sample become one value.
scoring::epochs_reduction reduction_by(const tasks::task_definition& task) {
  return scoring::epochs_reduction_from_string(task.epochs_reducer).value_or(scoring::epochs_reduction{});
}

std::vector<scoring::scorer_definition> definitions_of(const tasks::task_definition& task) {
  std::vector<scoring::scorer_definition> out;
  for (const auto& scorer : task.scorers)
    out.push_back(scorer->definition());
  return out;
}

/// Everything counted of one task, or of one prompt type of it.
struct tally {
  epoch_tally scores;
  token_usage_total usage;
  std::optional<money> cost;
  std::optional<money> judge_cost; ///< Part of cost.
  time_on_the_clock time;
  uint64_t possibly_billed = 0;
  uint64_t cached = 0;
  std::map<std::string, uint64_t> errors;
  scoring::judge_agreement agreement;

  tally(const tasks::task_definition& task, uint16_t epochs)
      : scores(task.scorer_weights(), task.failed_samples, reduction_by(task), epochs > 1),
        agreement(definitions_of(task)) {}

  void add(const sample_record& sample) {
    usage += sample.usage;
    if (sample.cost)
      cost = cost.value_or(money{}) + *sample.cost;
    if (sample.judge_cost)
      judge_cost = judge_cost.value_or(money{}) + *sample.judge_cost;
    possibly_billed += sample.possibly_billed ? 1 : 0;
    cached += sample.cached ? 1 : 0;
    scores.add(sample);
    if (sample.status == sample_status::scored)
      agreement.add(sample.scores);
    if (sample.status != sample_status::scored && sample.error)
      ++errors[std::string{to_string(*sample.error)}];
  }
};

struct task_tally {
  tally all;
  std::vector<tally> by_variant;

  task_tally(const tasks::task_definition& task, size_t variants, uint16_t epochs)
      : all(task, epochs), by_variant(variants, tally(task, epochs)) {}
};

json optional_number(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

json dollars(const std::optional<money>& amount) {
  return amount ? json(to_dollars(*amount)) : json(nullptr);
}

json usage_json(const token_usage_total& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"cached_tokens", usage.cached_tokens},
          {"reasoning_tokens", usage.reasoning_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

json interval_json(const stats::summary& summary) {
  if (summary.method == stats::interval_method::none)
    return nullptr;
  return {{"low", summary.confidence.low},
          {"high", summary.confidence.high},
          {"level", 0.95},
          {"method", stats::to_string(summary.method)}};
}

json seconds_json(milliseconds duration) { return static_cast<double>(duration.count()) / 1000.0; }

/// The numbers that a task and each of its prompt types have in common.
json numbers(const run_record& record, const tally& counted, const stats::task_score& score,
             const std::vector<std::string>& scorer_names) {
  json metrics = json::object();
  json scorers = json::object();
  for (size_t i = 0; i < scorer_names.size() && i < score.scorers.size(); ++i) {
    const auto& one = score.scorers[i];
    const auto metric = stats::metric_of(score, i);
    metrics[scorer_names[i]] = metric ? json(*metric) : json(nullptr);
    scorers[scorer_names[i]] = {{"mean", one.count > 0 ? json(one.mean) : json(nullptr)},
                                {"stderr", one.standard_error},
                                {"confidence_interval", interval_json(one)},
                                {"n", one.count}};
  }
  metrics["accuracy"] = optional_number(score.score);
  // Every task has the API's three metrics; these two mean something only where a scorer measures them.
  metrics.emplace("completeness", nullptr);
  metrics.emplace("code_quality", nullptr);
  return {{"score", optional_number(score.score)},
          {"agreement", counted.agreement.finish()},
          {"stderr", score.primary.standard_error},
          {"confidence_interval", interval_json(score.primary)},
          {"n", score.primary.count},
          {"samples", score.samples},
          {"errors", score.errors},
          {"error_classes", counted.errors},
          {"possibly_billed", counted.possibly_billed},
          {"cached", counted.cached},
          {"metrics", std::move(metrics)},
          {"scorers", std::move(scorers)},
          {"cost", dollars(counted.cost)},
          {"judge_cost", dollars(counted.judge_cost)},
          {"usage", usage_json(counted.usage)},
          {"execution_time", seconds_json(counted.time.length(record))}};
}

/// The last thing that the model said to the first sample.
std::string first_output(storage::snapshot& view, const run_record& record,
                         const tasks::task_definition& definition, uint16_t task, bool& simulated) {
  const auto* prompt = definition.find_prompt(record.spec.prompt_types.front());
  const auto last = prompt ? static_cast<uint16_t>(prompt->later_turns.size()) : uint16_t{0};
  for (uint16_t generation = record.generation + 1; generation-- > 0;) {
    auto found = view.find_response(record.spec.id, {task, 0, 0, 0, last, generation});
    if (!found || !*found)
      continue;
    simulated = simulated || (*found)->simulated;
    return std::string{(*found)->answer.view().substr(0, shown_output_bytes)};
  }
  return {};
}

json task_json(const run_record& record, size_t index, const tasks::task_definition& task,
               const task_tally& counted, std::string output) {
  const auto& pinned = record.spec.tasks[index];
  const auto score = counted.all.scores.finish();
  const uint64_t expected = pinned.sample_count * record.spec.prompt_types.size() * record.spec.epochs;
  auto out = numbers(record, counted.all, score, pinned.scorer_names);
  out["task_id"] = pinned.id.value;
  out["status"] = score.samples >= expected ? "completed" : std::string{to_string(record.state)};
  out["expected_samples"] = expected;
  out["output"] = std::move(output);
  out["error_message"] =
      score.errors > 0 && score.errors == score.samples ? json("every sample failed") : json(nullptr);
  out["dataset_hash"] = pinned.dataset_hash;
  if (pinned.fewshot)
    out["fewshot_hash"] = pinned.fewshot->hash;
  out["definition_hash"] = pinned.definition_hash;
  out["epochs_reducer"] =
      record.spec.epochs > 1 ? json(scoring::to_string(reduction_by(task))) : json(nullptr);
  json variants = json::array();
  for (size_t i = 0; i < counted.by_variant.size(); ++i) {
    auto one =
        numbers(record, counted.by_variant[i], counted.by_variant[i].scores.finish(), pinned.scorer_names);
    one["prompt_type"] = record.spec.prompt_types[i];
    variants.push_back(std::move(one));
  }
  out["prompt_types"] = std::move(variants);
  return out;
}

result<std::vector<task_tally>> count_all(const std::shared_ptr<storage::store>& store,
                                          const run_record& record, const std::vector<task_ptr>& tasks,
                                          reports::run_analyser& analyser, reports::test_counter& counter) {
  std::vector<task_tally> counted;
  for (const auto& task : tasks)
    counted.emplace_back(*task, record.spec.prompt_types.size(), record.spec.epochs);
  std::optional<sample_address> after;
  do {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    auto page = view->page_samples(record.spec.id, after, storage::max_page_rows);
    if (!page)
      return page.error();
    for (const auto& sample : page->samples) {
      if (sample.address.task >= counted.size() || sample.address.variant >= record.spec.prompt_types.size())
        continue;
      analyser.add(sample);
      counter.add(sample);
      counted[sample.address.task].all.add(sample);
      counted[sample.address.task].by_variant[sample.address.variant].add(sample);
    }
    after = page->next;
  } while (after);
  return counted;
}

/// From when on an answer was asked for. Its own times are those of its last try; how long it took with the
/// tries before stands in its sample.
result<wall_time> sent_at(storage::snapshot& view, run_id run, const storage::response_place& place,
                          const storage::answer_times& times) {
  const auto& t = times.timing;
  auto took = std::chrono::ceil<milliseconds>(t.connect + t.first_byte + t.transfer);
  if (place.attempt > 0) {
    const auto sample = view.find_sample(run, place.address);
    if (!sample)
      return sample.error();
    if (*sample)
      took = std::max(took, (*sample)->duration);
  }
  return times.finished_at - took;
}

/// Of all answers of the run, those before a retry or a restart too.
result<void> add_times(const std::shared_ptr<storage::store>& store, const run_record& record,
                       std::vector<task_tally>& counted) {
  std::optional<storage::response_place> after;
  do {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    const auto page = view->page_times(record.spec.id, after, storage::max_page_rows);
    if (!page)
      return page.error();
    for (const auto& [place, times] : page->times) {
      const auto& at = place.address;
      if (at.task >= counted.size() || at.variant >= record.spec.prompt_types.size())
        continue;
      const auto sent = sent_at(*view, record.spec.id, place, times);
      if (!sent)
        return sent.error();
      counted[at.task].all.time.add(*sent, times.finished_at);
      counted[at.task].by_variant[at.variant].time.add(*sent, times.finished_at);
    }
    after = page->next;
  } while (after);
  return {};
}

json summary_json(const json& task_results, const run_record& record) {
  std::vector<std::optional<double>> scores;
  double time = 0;
  for (const auto& task : task_results) {
    scores.push_back(task["score"].is_null() ? std::nullopt
                                             : std::optional<double>{task["score"].get<double>()});
    time += task["execution_time"].get<double>();
  }
  const auto count = static_cast<double>(std::max<size_t>(task_results.size(), 1));
  return {{"overall_score", optional_number(stats::overall_score(scores))},
          {"average_execution_time", time / count},
          {"total_samples", record.progress.done},
          {"errors", record.progress.failed},
          {"possibly_billed", record.progress.possibly_billed},
          {"possibly_billed_at_most", possibly_billed_at_most(record)},
          {"lost_calls", record.lost_calls},
          {"cached", record.progress.cached},
          {"total_cost", dollars(record.progress.cost)},
          {"judge_cost", dollars(record.progress.judge_cost)},
          {"usage", usage_json(record.progress.usage)}};
}

/// Numbers only: clients take the mean of all values.
json metrics_summary(const json& task_results) {
  json out = json::object();
  for (const auto& task : task_results)
    for (const auto& [name, value] : task["metrics"].items())
      if (!value.is_null())
        out[task["task_id"].get<std::string>() + "." + name] = value;
  return out;
}

/// How many runs the comparison looks at, and takes, at most.
constexpr size_t most_looked_at = 2000;
constexpr size_t most_compared = 20;

/// Results of earlier completed runs of the same model by the same owner, newest first.
std::vector<reports::earlier_result> earlier_results(storage::snapshot& view, const run_record& record) {
  std::vector<reports::earlier_result> out;
  storage::run_query query;
  query.before = record.spec.id;
  query.owner = record.spec.owner;
  query.state = run_state::completed;
  query.limit = storage::max_page_rows;
  size_t seen = 0;
  do {
    const auto page = view.list_summaries(query);
    // The comparison is an extra: a result without it is still the result.
    if (!page)
      return out;
    for (const auto& run : page->runs) {
      if (run.model != record.spec.model || out.size() == most_compared)
        continue;
      auto document = view.find_result(run.run);
      if (document && *document)
        out.push_back({run.run, std::move(**document)});
    }
    seen += page->runs.size();
    query.before = page->next;
  } while (query.before && seen < most_looked_at && out.size() < most_compared);
  return out;
}

/// What the documented result object has beside the answer of GET /results: results by task, and the request.
void add_result_object(json& out, const run_record& record) {
  json results = json::object();
  for (const auto& task : out["task_results"])
    results[task["task_id"].get<std::string>()] = {{"score", task["score"]}, {"metrics", task["metrics"]}};
  out["results"] = std::move(results);
  auto names = json::array();
  for (const auto& task : record.spec.tasks)
    names.push_back(task.id.value);
  out["request"] = {{"model", record.spec.model.value},
                    {"tasks", std::move(names)},
                    {"configuration", out["configuration"]},
                    {"metadata", out["metadata"]}};
  out["error"] = out["error_message"];
}

json notes_of(const run_record& record) {
  auto notes = json::array();
  const auto lost = std::to_string(record.lost_calls);
  if (record.lost_calls > 0)
    notes.push_back(
        "at most " + lost
        + " calls were on the wire when the farm was interrupted, or were given up on their way: they may "
          "have been paid for without an answer, and are counted as possibly billed");
  if (record.maybe_lost_calls > 0)
    notes.push_back(std::to_string(record.maybe_lost_calls)
                    + " more calls were out at an interruption and waited for their turn, as far as it is "
                      "known: possibly_billed_at_most counts them too");
  return notes;
}

json text_as_json(const std::string& text) {
  auto parsed = json::parse(text, nullptr, false);
  return parsed.is_discarded() ? json::object() : parsed;
}

} // namespace

result<run_summary_texts> summarise_run(const std::shared_ptr<storage::store>& store,
                                        const run_record& record) {
  const auto& spec = record.spec;
  std::vector<task_ptr> parsed;
  for (const auto& pinned : spec.tasks) {
    auto task = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
    if (!task)
      return task.error();
    parsed.push_back(std::make_shared<const tasks::task_definition>(std::move(*task)));
  }
  std::vector<std::string> categories;
  for (const auto& task : parsed)
    categories.push_back(task->category);
  reports::run_analyser analyser(record, std::move(categories));
  reports::test_counter counter(record, parsed);
  auto counted = count_all(store, record, parsed, analyser, counter);
  if (!counted)
    return counted.error();
  if (auto timed = add_times(store, record, *counted); !timed)
    return timed.error();
  auto view = storage::snapshot::open(store);
  if (!view)
    return view.error();
  bool simulated = false;
  json task_results = json::array();
  for (size_t i = 0; i < spec.tasks.size(); ++i) {
    auto output = first_output(*view, record, *parsed[i], static_cast<uint16_t>(i), simulated);
    task_results.push_back(task_json(record, i, *parsed[i], (*counted)[i], std::move(output)));
  }
  json out;
  out["evaluation_id"] = to_string(spec.id);
  out["model_id"] = spec.model.value;
  out["provider"] = spec.provider.value;
  out["wire_model"] = spec.wire_model;
  if (spec.configuration_version != 0)
    out["configuration_version"] = spec.configuration_version;
  out["status"] = engine_status(record.state);
  out["state"] = to_string(record.state);
  out["simulated"] = simulated;
  out["summary_metrics"] = summary_json(task_results, record);
  out["metrics_summary"] = metrics_summary(task_results);
  out["analysis"] = analyser.finish(task_results, earlier_results(*view, record));
  if (!spec.groups.empty())
    out["groups"] = reports::group_results(spec.groups, task_results);
  out["task_results"] = std::move(task_results);
  out["notes"] = notes_of(record);
  out["prompt_types"] = spec.prompt_types;
  out["configuration"] = text_as_json(spec.requested);
  out["metadata"] = text_as_json(spec.metadata);
  out["random_seed"] = spec.random_seed;
  out["num_fewshot"] = spec.num_fewshot;
  out["epochs"] = spec.epochs;
  out["stopped_early"] = record.stopped_early ? early_stop_json(*record.stopped_early) : json(nullptr);
  out["origin"] = spec.origin.empty() ? json(nullptr) : json(to_string(spec.origin));
  out["created_at"] = to_rfc3339(spec.created_at);
  out["started_at"] = record.started_at ? json(to_rfc3339(*record.started_at)) : json(nullptr);
  out["completed_at"] = record.finished_at ? json(to_rfc3339(*record.finished_at)) : json(nullptr);
  const auto time = execution_time_of(record);
  out["execution_time"] = time ? seconds_json(*time) : json(nullptr);
  out["error_message"] = record.error ? json(to_string(*record.error)) : json(nullptr);
  add_result_object(out, record);
  run_summary_texts texts;
  texts.document = out.dump(-1, ' ', false, json::error_handler_t::replace);
  if (const auto tests = counter.finish(); reports::is_counted(record) && !tests.tests.empty())
    texts.counts = reports::to_text(tests);
  return texts;
}

result<std::string> compute_result(const std::shared_ptr<storage::store>& store, const run_record& record) {
  auto texts = summarise_run(store, record);
  if (!texts)
    return texts.error();
  return std::move(texts->document);
}

} // namespace assay
