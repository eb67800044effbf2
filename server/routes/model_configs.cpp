#include "server/routes/model_configs.hpp"

#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace assay::server {

using configurations::stored_configuration;
using storage::present_configuration;

namespace model_configs_detail {

fault unknown_configuration(const std::string& id) {
  return {errc::not_found, "there is no model configuration '" + id + "'", "id",
          "GET /model-configs lists them; those of the configuration files are under GET /models"};
}

fault changed_by_others() {
  return {errc::busy, "others change the same configuration all the time", {}, "try again in a second"};
}

result<std::optional<present_configuration>> read_present(const request_context& context,
                                                          const std::string& id) {
  return context.edge.read_now(
      [&](storage::snapshot& view) { return storage::find_configuration(view, id); });
}

bool is_there(const std::optional<present_configuration>& present) {
  return present && !present->value.deleted;
}

std::optional<stored_configuration> version_of(const std::optional<present_configuration>& present) {
  return present ? std::optional{present->value} : std::nullopt;
}

boost::asio::awaitable<result<wanted_configuration>> check_against_farm(request_context& context,
                                                                        config::read_model read) {
  wanted_configuration out{std::move(read.id), std::move(read.configuration), std::move(read.notes)};
  if (out.configuration.size() > configurations::most_configuration_bytes)
    co_return fault{errc::too_large,
                    "the configuration is larger than "
                        + std::to_string(configurations::most_configuration_bytes) + " bytes",
                    "configuration",
                    {}};
  const auto& check = context.edge.options.check_model_configuration;
  if (!check)
    co_return std::move(out);
  auto work = [check, id = out.id, text = out.configuration] { return check(id, text); };
  auto notes = co_await context.edge.readers.run(std::move(work));
  if (!notes)
    co_return notes.error();
  out.notes.insert(out.notes.end(), notes->begin(), notes->end());
  co_return std::move(out);
}

void add_rows(std::vector<document_change>& out, const stored_configuration& next,
              const std::optional<std::string>& present) {
  for (auto& row : configurations::rows_of(next, present)) {
    document_change change;
    change.table = storage::to_string(storage::table::models);
    change.key = std::move(row.key);
    change.value = std::move(row.text);
    change.only_if_absent = !row.replaces;
    change.only_if_equals = std::move(row.replaces);
    out.push_back(std::move(change));
  }
}

configurations::change_author author_of(const request_context& context) {
  return {context.who().id, context.edge.options.time.wall()};
}

boost::asio::awaitable<result<void>> check_room(request_context& context) {
  auto count = [](storage::snapshot& view) -> result<size_t> {
    auto all = storage::list_configurations(view);
    if (!all)
      return all.error();
    return all->size();
  };
  auto present = co_await context.edge.read_later(std::move(count));
  if (!present)
    co_return present.error();
  if (*present >= configurations::most_configurations)
    co_return fault{errc::conflict,
                    "there are " + std::to_string(*present) + " model configurations already",
                    {},
                    "delete those that are not used"};
  co_return result<void>{};
}

route declared(http_method method, const char* path, permission needs, const char* summary,
               const char* schema, route_handler handler) {
  route out;
  out.method = method;
  out.path = path;
  out.needs = needs;
  out.tag = "model configurations";
  out.summary = summary;
  out.response_schema = schema;
  out.handler = std::move(handler);
  return out;
}

} // namespace model_configs_detail

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;
using namespace model_configs_detail;

constexpr size_t body_limit = 256 * 1024;

std::string tag_of(uint64_t version) { return '"' + std::to_string(version) + '"'; }

response shown(const request_context& context, const stored_configuration& value,
               const std::vector<std::string>& notes, unsigned status = 0) {
  auto payload = configurations::configuration_json(value);
  payload["notes"] = notes;
  auto out = context.answer(payload, status);
  out.headers.push_back({"ETag", tag_of(value.version)});
  return out;
}

// -- what a body says --------------------------------------------------------------------------------------

/// The fields, beside each other or in `configuration`; those beside win.
json fields_in(const json& body) {
  json out = json::object();
  if (const auto nested = body.find("configuration"); nested != body.end() && !nested->is_null())
    out = *nested;
  for (const auto& [name, value] : body.items())
    if (name != "configuration" && name != "model_id" && name != "request_id")
      out[name] = value;
  return out;
}

awaitable<result<wanted_configuration>> wanted_in(request_context& context, const std::string& id) {
  auto named = configurations::check_name(id);
  if (!named)
    co_return named.error();
  auto read = config::read_model_configuration(id, fields_in(*context.body));
  if (!read)
    co_return read.error();
  auto checking = check_against_farm(context, std::move(*read));
  co_return co_await std::move(checking);
}

// -- writing -----------------------------------------------------------------------------------------------

struct stored_change {
  stored_configuration value;
  bool fresh = false; ///< There was none before.
};

/// What may be there before a change.
enum class expected : uint8_t { nothing, anything };

awaitable<result<stored_change>> put(request_context& context, const wanted_configuration& wanted,
                                     expected before) {
  const auto if_match = context.http.header("If-Match");
  for (int tries = 0; tries < most_tries; ++tries) {
    auto present = read_present(context, wanted.id);
    if (!present)
      co_return present.error();
    const bool there = is_there(*present);
    if (there && before == expected::nothing)
      co_return fault{errc::conflict,
                      "there is a model configuration '" + wanted.id + "' already, version "
                          + std::to_string((*present)->value.version),
                      "model_id", "PUT /model-configs/" + wanted.id + " changes it"};
    auto matches = configurations::check_match(if_match, version_of(*present));
    if (!matches)
      co_return matches.error();
    if (!there) {
      auto room = co_await check_room(context);
      if (!room)
        co_return room.error();
    }
    auto next = configurations::next_version(version_of(*present), wanted.id, wanted.configuration,
                                             author_of(context));
    if (!next)
      co_return stored_change{(*present)->value, false};
    std::vector<document_change> changes;
    add_rows(changes, *next, *present ? std::optional{(*present)->text} : std::nullopt);
    auto written = co_await context.edge.farm.write(std::move(changes));
    if (written)
      co_return stored_change{std::move(*next), !there};
    if (written.error().code != errc::conflict)
      co_return written.error();
  }
  co_return changed_by_others();
}

awaitable<result<response>> create(request_context& context) {
  const auto& body = *context.body;
  const auto id = body.at("model_id").get<std::string>();
  auto wanted = co_await wanted_in(context, id);
  if (!wanted)
    co_return wanted.error();
  auto done = co_await put(context, *wanted, expected::nothing);
  if (!done)
    co_return done.error();
  auto out = shown(context, done->value, wanted->notes, 201);
  out.headers.push_back({"Location", "/model-configs/" + id});
  co_return std::move(out);
}

awaitable<result<response>> update(request_context& context) {
  const auto& id = context.path_value("id");
  const auto& body = *context.body;
  if (const auto named = body.find("model_id");
      named != body.end() && !named->is_null() && named->get<std::string>() != id)
    co_return fault{errc::invalid_argument, "is not the name in the path", "model_id",
                    "a configuration keeps its name; create another one"};
  auto wanted = co_await wanted_in(context, id);
  if (!wanted)
    co_return wanted.error();
  auto done = co_await put(context, *wanted, expected::anything);
  if (!done)
    co_return done.error();
  co_return shown(context, done->value, wanted->notes, done->fresh ? 201 : 200);
}

awaitable<result<response>> remove(request_context& context) {
  const auto& id = context.path_value("id");
  const auto if_match = context.http.header("If-Match");
  for (int tries = 0; tries < most_tries; ++tries) {
    auto present = read_present(context, id);
    if (!present)
      co_return present.error();
    if (!is_there(*present))
      co_return unknown_configuration(id);
    auto matches = configurations::check_match(if_match, version_of(*present));
    if (!matches)
      co_return matches.error();
    auto last = configurations::deleted_version((*present)->value, author_of(context));
    std::vector<document_change> changes;
    add_rows(changes, last, (*present)->text);
    auto written = co_await context.edge.farm.write(std::move(changes));
    if (written)
      co_return context.answer({{"status", "deleted"},
                                {"model_id", id},
                                {"version", last.version},
                                {"message", "Model configuration deleted; its history stays"}});
    if (written.error().code != errc::conflict)
      co_return written.error();
  }
  co_return changed_by_others();
}

// -- reading -----------------------------------------------------------------------------------------------

awaitable<result<response>> list(request_context& context) {
  auto read = [](storage::snapshot& view) { return storage::list_configurations(view); };
  auto all = co_await context.edge.read_later(std::move(read));
  if (!all)
    co_return all.error();
  const auto limit = static_cast<size_t>(context.integer("limit"));
  const auto first = static_cast<size_t>(context.integer("page") - 1) * limit;
  auto items = json::array();
  for (size_t i = first; i < all->size() && items.size() < limit; ++i)
    items.push_back(configurations::configuration_json((*all)[i]));
  co_return context.answer({{"items", std::move(items)},
                            {"total", all->size()},
                            {"page", context.integer("page")},
                            {"page_size", limit}});
}

awaitable<result<response>> find(request_context& context) {
  const auto& id = context.path_value("id");
  const auto version = static_cast<uint64_t>(context.integer("version"));
  if (version != 0) {
    auto found = context.edge.read_now(
        [&](storage::snapshot& view) { return storage::find_configuration_version(view, id, version); });
    if (!found)
      co_return found.error();
    if (!*found)
      co_return fault{errc::not_found,
                      "model configuration '" + id + "' has no version " + std::to_string(version), "version",
                      "GET /model-configs/{id}/history lists them"};
    co_return shown(context, **found, {});
  }
  auto present = read_present(context, id);
  if (!present)
    co_return present.error();
  if (!is_there(*present))
    co_return unknown_configuration(id);
  co_return shown(context, (*present)->value, {});
}

awaitable<result<response>> history(request_context& context) {
  const auto id = context.path_value("id");
  auto present = read_present(context, id);
  if (!present)
    co_return present.error();
  if (!*present)
    co_return unknown_configuration(id);
  const auto newest = (*present)->value.version;
  const auto asked = static_cast<uint64_t>(context.integer("before"));
  const auto before = asked == 0 ? newest + 1 : std::min(asked, newest + 1);
  const auto limit = static_cast<size_t>(context.integer("limit"));
  auto read = [id, before, limit](storage::snapshot& view) {
    return storage::configuration_history(view, id, before, limit);
  };
  auto versions = co_await context.edge.read_later(std::move(read));
  if (!versions)
    co_return versions.error();
  auto items = json::array();
  for (const auto& one : *versions)
    items.push_back(configurations::version_json(one));
  const bool more = !versions->empty() && versions->back().version > 1;
  co_return context.answer({{"model_id", id},
                            {"items", std::move(items)},
                            {"total", newest},
                            {"next_before", more ? json(versions->back().version) : json(nullptr)}});
}

// -- the routes
// ----------------------------------------------------------------------------------------------

query_parameter number(const char* name, const char* summary, const char* fallback, int64_t lowest,
                       int64_t highest) {
  query_parameter out;
  out.name = name;
  out.type = parameter_type::integer;
  out.summary = summary;
  out.fallback = fallback;
  out.lowest = lowest;
  out.highest = highest;
  return out;
}

void add_reading_routes(route_table& table) {
  auto one = declared(http_method::get, "/model-configs", permission::models_read,
                      "Stored model configurations", "ModelConfigurationList", &list);
  one.query = paging_parameters();
  table.add(std::move(one));

  one = declared(http_method::get, "/model-configs/{id}", permission::models_read,
                 "One stored model configuration", "ModelConfiguration", &find);
  one.details = "Its version is in ETag too; If-Match of a change asks for it.";
  one.query = {number("version", "An earlier version; 0 is the present one", "0", 0,
                      std::numeric_limits<int64_t>::max())};
  table.add(std::move(one));

  one = declared(http_method::get, "/model-configs/{id}/history", permission::models_read,
                 "Every version: who, when, what changed", "ModelConfigurationHistory", &history);
  one.details = "Newest first. It stays when the configuration is deleted.";
  one.query = {number("before", "Only versions below this one; 0 is no bound", "0", 0,
                      std::numeric_limits<int64_t>::max()),
               number("limit", "Versions at once", "50", 1,
                      static_cast<int64_t>(configurations::most_listed_versions))};
  table.add(std::move(one));
}

void add_changing_routes(route_table& table) {
  auto one = declared(http_method::post, "/model-configs", permission::configuration_manage,
                      "Store a model configuration", "ModelConfiguration", &create);
  one.details = "Evaluations may name it as model_id at once. The fields are those of model_configs.yaml, "
                "beside model_id or in `configuration`.";
  one.request_schema = "NewModelConfiguration";
  one.success = 201;
  one.body_limit = body_limit;
  table.add(std::move(one));

  one = declared(http_method::put, "/model-configs/{id}", permission::configuration_manage,
                 "Replace a model configuration, or store a new one", "ModelConfiguration", &update);
  one.details =
      "All fields are replaced. With If-Match the change is refused, naming both versions, when the "
      "configuration is at another one. What is equal to the present version makes none.";
  one.request_schema = "ModelConfigurationChange";
  one.header_parameters = {"If-Match"};
  one.body_limit = body_limit;
  table.add(std::move(one));

  one = declared(http_method::erase, "/model-configs/{id}", permission::configuration_manage,
                 "Delete a model configuration", "ModelConfigurationDeleted", &remove);
  one.details = "Evaluations that have begun with it go on; its history stays.";
  one.header_parameters = {"If-Match"};
  table.add(std::move(one));
}

} // namespace

void add_model_configuration_routes(route_table& table) {
  add_model_configuration_schemas(table.schemas());
  add_reading_routes(table);
  add_changing_routes(table);
  add_model_configuration_files(table);
  add_model_optimization_routes(table);
}

} // namespace assay::server
