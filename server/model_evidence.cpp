#include "server/model_evidence.hpp"

#include "config/tree.hpp"
#include "core/values/run.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace assay::server {

namespace {

using json = nlohmann::json;
using configurations::past_result;

/// Summaries that one view of the store reads: it lives two seconds.
constexpr size_t runs_a_view = 200;
constexpr size_t most_looked_at = 5'000;
constexpr size_t most_used = 500;

std::optional<double> number_at(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? std::optional{found->get<double>()} : std::nullopt;
}

std::string type_of(const pinned_task& task) {
  const auto parsed = config::parse_yaml(task.definition, task.id.value);
  const auto* type = parsed ? parsed->find("task_type") : nullptr;
  return type == nullptr ? std::string{} : type->text;
}

/// What one finished run says of tasks of the type.
void add_results(const run_record& run, const std::string& document, const std::string& task_type,
                 std::vector<past_result>& out) {
  const auto parsed = json::parse(document, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("task_results") || !parsed["task_results"].is_array())
    return;
  for (const auto& shown : parsed["task_results"]) {
    if (!shown.is_object() || !shown.contains("task_id") || !shown["task_id"].is_string())
      continue;
    const auto& name = shown["task_id"].get_ref<const std::string&>();
    const auto task =
        std::ranges::find_if(run.spec.tasks, [&](const pinned_task& one) { return one.id.value == name; });
    const auto score = number_at(shown, "score");
    const auto samples = number_at(shown, "n");
    if (task == run.spec.tasks.end() || !score || !samples || *samples < 1 || type_of(*task) != task_type)
      continue;
    past_result one;
    one.run = to_string(run.spec.id);
    one.parameters = task->generation;
    one.score = *score;
    one.samples = static_cast<uint64_t>(*samples);
    one.cost = number_at(shown, "cost");
    if (const auto usage = shown.find("usage"); usage != shown.end() && usage->is_object())
      one.completion_tokens = number_at(*usage, "completion_tokens");
    out.push_back(std::move(one));
  }
}

json parameters_json(const sampling& values) {
  json out = values;
  if (out.contains("stop")) {
    out["stop_sequences"] = out["stop"];
    out.erase("stop");
  }
  return out;
}

} // namespace

result<gathered_evidence> gather_evidence(const std::shared_ptr<storage::store>& store,
                                          const evidence_query& wanted) {
  gathered_evidence out;
  storage::run_query query;
  query.owner = wanted.owner;
  query.state = run_state::completed;
  query.limit = runs_a_view;
  size_t looked_at = 0;
  size_t used = 0;
  do {
    std::vector<std::pair<run_record, std::string>> found;
    {
      auto view = storage::snapshot::open(store);
      if (!view)
        return view.error();
      const auto page = view->list_summaries(query);
      if (!page)
        return page.error();
      for (const auto& one : page->runs) {
        if (one.model != wanted.model)
          continue;
        auto record = view->find_run(one.run);
        if (!record)
          return record.error();
        auto document = view->find_result(one.run);
        if (!document)
          return document.error();
        if (*record && *document)
          found.emplace_back(std::move(**record), std::move(**document));
      }
      looked_at += page->runs.size();
      query.before = page->next;
    }
    // After the view is closed: reading the documents takes longer than finding them.
    for (const auto& [record, document] : found)
      add_results(record, document, wanted.task_type, out.results);
    used += found.size();
  } while (query.before && looked_at < most_looked_at && used < most_used);
  out.more = query.before.has_value();
  return out;
}

std::string configuration_of(const model_profile& model) {
  auto out = parameters_json(model.defaults);
  out["provider"] = model.provider.value;
  if (model.wire_model != model.id.value && !model.wire_model.empty())
    out["model"] = model.wire_model;
  out["timeout"] = static_cast<double>(model.call_timeout.count()) / 1000.0;
  if (model.target_response_time)
    out["performance_targets"]["target_response_time"] = model.target_response_time->count();
  if (model.target_success_rate)
    out["performance_targets"]["target_success_rate"] = *model.target_success_rate;
  for (const auto& [type, parameters] : model.task_optimizations)
    out["task_optimizations"][type] = parameters_json(parameters);
  return out.dump();
}

} // namespace assay::server
