#include "cli/experiment_backend.hpp"

#include "actors/runs/admission.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "config/scalars.hpp"
#include "config/tree.hpp"
#include "core/values/closest_word.hpp"
#include "storage/experiment_reader.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace assay::cli {

namespace {

using nlohmann::json;

/// An evaluation of the configuration is a plan of one group and one configuration.
std::optional<fault> named_plan(const config::settings& settings, const std::string& name, json& out) {
  std::vector<std::string_view> known;
  for (const auto& one : settings.evaluations) {
    known.push_back(one.id);
    if (one.id != name)
      continue;
    out = {{"experiment_name", one.id},
           {"description", one.description},
           {"models", one.models},
           {"tasks", one.tasks},
           {"configuration", json::parse(one.configuration_json)}};
    return std::nullopt;
  }
  auto hint = did_you_mean(name, known);
  return fault{errc::not_found, "there is no file '" + name + "', and no evaluation of that name", "FILE",
               hint.empty() ? "name a plan in YAML or JSON, or an evaluation of evaluation_configs.yaml"
                            : std::move(hint)};
}

result<std::vector<experiments::experiment_head>> stored_heads(const std::shared_ptr<storage::store>& store) {
  std::vector<experiments::experiment_head> out;
  storage::document_query query;
  query.limit = storage::max_page_rows;
  do {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    auto page = view->page_documents(storage::table::experiments, query);
    if (!page)
      return page.error();
    for (const auto& [key, row] : page->documents)
      if (auto head = experiments::head_from_stored(row.bytes))
        out.push_back(std::move(*head));
    query.after = page->next;
  } while (query.after);
  std::ranges::stable_sort(out, [](const auto& a, const auto& b) { return a.created_at > b.created_at; });
  return out;
}

} // namespace

std::optional<fault> read_plan(const config::settings& settings, const experiment_flags& flags, json& out) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(flags.plan, ignored)) {
    if (auto wrong = named_plan(settings, flags.plan, out))
      return wrong;
  } else {
    const auto tree = config::parse_file(flags.plan, flags.plan);
    if (!tree)
      return tree.error();
    out = config::to_json_value(*tree);
  }
  // Without a server to ask, a mistake is still told.
  const auto stem = std::filesystem::path(flags.plan).stem().string();
  const auto plan = experiments::plan_from_json(out, stem);
  if (!plan) {
    auto reason = plan.error();
    reason.where = flags.plan + (reason.where.empty() ? "" : ": " + reason.where);
    return reason;
  }
  out = to_json(*plan);
  if (!flags.id.empty())
    out["experiment_id"] = flags.id;
  return std::nullopt;
}

std::optional<fault> price_plan(const std::shared_ptr<const config::settings>& settings,
                                const std::shared_ptr<const tasks::task_catalogue>& tasks, const json& plan,
                                json& out) {
  auto read = experiments::plan_from_json(plan);
  if (!read)
    return read.error();
  const experiments::plan_limits limits{settings->experiments.max_children, settings->experiments.max_samples,
                                        settings->experiments.max_cost};
  auto requests = experiments::expand(*read, limits);
  if (!requests)
    return requests.error();
  const auto questions = experiments::pricing_requests(*read);
  if (!questions)
    return questions.error();
  const auto admit = make_admission({settings, tasks, {}, 50'000'000, {}, true, {}});
  std::vector<experiments::priced> told;
  for (const auto& one : *questions) {
    const auto answer = admit(one.request);
    if (!answer) {
      auto reason = answer.error();
      reason.where = experiments::place_in_plan(*read, one.model, one.group, one.configuration, reason.where);
      return reason;
    }
    told.push_back({one.model, one.group, one.configuration, answer->record.spec.total_samples(),
                    answer->estimated_cost, answer->notes});
  }
  const auto priced = experiments::price(std::move(*read), std::move(*requests), told, limits);
  if (!priced)
    return priced.error();
  out = to_json(*priced);
  return std::nullopt;
}

std::optional<fault> list_experiments(const config::settings& settings, json& out) {
  out = json::array();
  const auto store = open_store_read_only(settings);
  if (!store)
    return store.error().code == errc::not_found ? std::nullopt : std::optional<fault>{store.error()};
  const auto heads = stored_heads(*store);
  if (!heads)
    return heads.error();
  for (const auto& head : *heads)
    out.push_back(to_json(head));
  return std::nullopt;
}

result<experiments::experiment> stored_experiment(const config::settings& settings, const std::string& id) {
  const fault missing{errc::not_found, "there is no experiment '" + id + "'", "ID",
                      "`assay experiment list` names them"};
  const auto store = open_store_read_only(settings);
  if (!store)
    return store.error().code == errc::not_found ? missing : store.error();
  auto view = storage::snapshot::open(*store);
  if (!view)
    return view.error();
  auto found = storage::find_experiment(*view, id);
  if (!found)
    return found.error();
  if (!*found)
    return missing;
  return std::move(**found);
}

} // namespace assay::cli
