#include "server/routes/model_configs.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;
using namespace model_configs_detail;

constexpr size_t import_limit = 4 * 1024 * 1024;

awaitable<result<response>> export_all(request_context& context) {
  auto read = [](storage::snapshot& view) { return storage::list_configurations(view); };
  auto all = co_await context.edge.read_later(std::move(read));
  if (!all)
    co_return all.error();
  const auto wanted = context.text("model_id");
  std::vector<std::pair<std::string, std::string>> models;
  for (auto& one : *all)
    if (wanted.empty() || one.id == wanted)
      models.emplace_back(one.id, std::move(one.configuration));
  if (!wanted.empty() && models.empty()) {
    auto reason = unknown_configuration(wanted);
    reason.where = "model_id";
    co_return reason;
  }
  response out;
  out.content_type = "application/yaml";
  out.headers.push_back({"Content-Disposition", "attachment; filename=\"model_configs.yaml\""});
  out.body = config::to_model_configs_yaml(models);
  co_return std::move(out);
}

struct import_outcome {
  json created = json::array();
  json updated = json::array();
  json unchanged = json::array();
  std::vector<document_change> changes;
};

result<import_outcome> plan_import(const request_context& context,
                                   const std::vector<wanted_configuration>& wanted) {
  import_outcome out;
  for (const auto& one : wanted) {
    auto present = read_present(context, one.id);
    if (!present)
      return present.error();
    const auto next =
        configurations::next_version(version_of(*present), one.id, one.configuration, author_of(context));
    if (!next) {
      out.unchanged.push_back(one.id);
      continue;
    }
    (is_there(*present) ? out.updated : out.created).push_back(one.id);
    add_rows(out.changes, *next, *present ? std::optional{(*present)->text} : std::nullopt);
  }
  return out;
}

awaitable<result<std::vector<wanted_configuration>>> import_in(request_context& context) {
  const auto& text = context.body->at("yaml").get_ref<const std::string&>();
  auto read = config::read_model_configurations(text, "yaml");
  if (!read)
    co_return read.error();
  std::vector<wanted_configuration> out;
  for (auto& one : *read) {
    const auto place = "yaml models." + one.id;
    auto named = configurations::check_name(one.id);
    auto checked = co_await check_against_farm(context, std::move(one));
    if (!named || !checked) {
      auto reason = named ? checked.error() : named.error();
      reason.where = place + (named && !reason.where.empty() ? "." + reason.where : "");
      co_return reason;
    }
    out.push_back(std::move(*checked));
  }
  co_return std::move(out);
}

awaitable<result<response>> import_all(request_context& context) {
  auto wanted = co_await import_in(context);
  if (!wanted)
    co_return wanted.error();
  const bool dry_run = context.body->value("dry_run", false);
  auto notes = json::array();
  for (const auto& one : *wanted)
    for (const auto& note : one.notes)
      notes.push_back(one.id + ": " + note);
  auto room = co_await check_room(context);
  if (!room)
    co_return room.error();
  for (int tries = 0; tries < most_tries; ++tries) {
    auto plan = plan_import(context, *wanted);
    if (!plan)
      co_return plan.error();
    json answer{{"created", plan->created},
                {"updated", plan->updated},
                {"unchanged", plan->unchanged},
                {"notes", notes},
                {"dry_run", dry_run}};
    if (dry_run || plan->changes.empty())
      co_return context.answer(answer);
    auto written = co_await context.edge.farm.write(std::move(plan->changes));
    if (written)
      co_return context.answer(answer);
    if (written.error().code != errc::conflict)
      co_return written.error();
  }
  co_return changed_by_others();
}

} // namespace

void add_model_configuration_files(route_table& table) {
  auto one = declared(http_method::get, "/model-configs/export", permission::models_read,
                      "Stored model configurations in the shape of model_configs.yaml", "", &export_all);
  one.response_type = "application/yaml";
  query_parameter model;
  model.name = "model_id";
  model.summary = "Only this one";
  one.query = {model};
  table.add(std::move(one));

  one = declared(http_method::post, "/model-configs/import", permission::configuration_manage,
                 "Store all models of a text in the shape of model_configs.yaml", "ModelConfigurationImport",
                 &import_all);
  one.details = "All or none: what is wrong is told with its line, and nothing is stored.";
  one.request_schema = "ModelConfigurationText";
  one.body_limit = import_limit;
  table.add(std::move(one));
}

} // namespace assay::server
