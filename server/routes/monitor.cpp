#include "core/monitoring/bucket_key.hpp"
#include "core/monitoring/monitor_view.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace assay::server {

namespace {

using json = nlohmann::json;
using monitoring::monitor_view;
using monitoring::window_span;
template <class T>
using awaitable = boost::asio::awaitable<T>;

window_span span_in(const request_context& context) {
  return monitoring::span_from_string(context.text("range")).value_or(window_span::hour);
}

// -- reading --------------------------------------------------------------------------------------------

/// A route that shows one side of what the monitor knows.
template <class Show>
route_handler showing(Show show) {
  return [show](request_context& context) -> awaitable<result<response>> {
    auto view = co_await context.edge.farm.read_monitor();
    if (!view)
      co_return view.error();
    co_return context.answer(show(context, *view));
  };
}

json show_overview(request_context&, const monitor_view& view) { return monitoring::overview_json(view); }

json show_models(request_context& context, const monitor_view& view) {
  return monitoring::models_json(view, span_in(context));
}

json show_costs(request_context& context, const monitor_view& view) {
  return monitoring::costs_json(view, span_in(context));
}

json show_alerts(request_context& context, const monitor_view& view) {
  return monitoring::alerts_json(view, monitoring::alert_state_from_string(context.text("state")));
}

json show_recommendations(request_context& context, const monitor_view& view) {
  return monitoring::recommendations_json(view, model_id{context.text("model")});
}

json show_thresholds(request_context&, const monitor_view& view) { return view.limits; }

json budget_json(const budget_state& one) {
  return {{"scope", one.scope},
          {"name", one.name.empty() ? json(nullptr) : json(one.name)},
          {"limit", to_dollars(one.limit)},
          {"spent", to_dollars(one.spent)},
          {"held", to_dollars(one.leased)},
          {"left", to_dollars(std::max(one.limit - one.spent - one.leased, money{}))},
          {"alert_above", to_dollars(one.alert_above)},
          {"resets_at", to_rfc3339(one.resets_at)}};
}

awaitable<result<response>> show_budgets(request_context& context) {
  auto found = co_await context.edge.farm.read_budgets();
  if (!found)
    co_return found.error();
  auto items = json::array();
  for (const auto& one : found->budgets)
    items.push_back(budget_json(one));
  co_return context.answer(json{{"timestamp", to_rfc3339(found->at)}, {"items", std::move(items)}});
}

json limit_json(const key_limit& one) {
  return {{"limit", one.limit},
          {"remaining", one.remaining ? json(*one.remaining) : json()},
          {"source", one.learnt ? "provider" : "configuration"}};
}

json moment_json(const std::optional<wall_time>& when) { return when ? json(to_rfc3339(*when)) : json(); }

json key_at_model_json(const key_at_model& one) {
  auto limits = json::object();
  for (const auto& limit : one.limits)
    limits[limit.what] = limit_json(limit);
  return {{"model", one.model.value},
          {"in_flight", one.in_flight},
          {"window", one.window},
          {"closed_until", moment_json(one.closed_until)},
          {"waits_for", one.closed_by.empty() ? json() : json(one.closed_by)},
          {"limits", std::move(limits)}};
}

json key_json(const provider_id& provider, const key_health& key) {
  auto models = json::array();
  for (const auto& one : key.models)
    models.push_back(key_at_model_json(one));
  const auto* const state = key.leaving ? "leaving" : key.trying ? "trying" : key.out ? "out" : "good";
  return {{"provider", provider.value},
          {"name", key.name},
          {"fingerprint", key.fingerprint.empty() ? json() : json(key.fingerprint)},
          {"state", state},
          {"code", key.out ? json(to_string(key.out->code)) : json()},
          {"reason", key.out ? json(key.out->message) : json()},
          {"out_since", moment_json(key.out_since)},
          {"next_try", moment_json(key.next_try)},
          {"today",
           {{"day", to_rfc3339(key.day).substr(0, 10)},
            {"requests", key.requests},
            {"tokens", key.tokens},
            {"cost", to_dollars(key.cost)}}},
          {"models", std::move(models)}};
}

awaitable<result<response>> show_keys(request_context& context) {
  auto found = co_await context.edge.farm.read_keys();
  if (!found)
    co_return found.error();
  auto items = json::array();
  for (const auto& provider : found->providers)
    for (const auto& key : provider.keys)
      items.push_back(key_json(provider.provider, key));
  co_return context.answer(
      json{{"timestamp", to_rfc3339(context.edge.options.time.wall())}, {"items", std::move(items)}});
}

awaitable<result<response>> report(request_context& context) {
  auto view = co_await context.edge.farm.read_monitor();
  if (!view)
    co_return view.error();
  const auto format = context.text("format");
  if (format == "json")
    co_return context.answer(monitoring::report_json(*view));
  response out;
  if (format == "html") {
    out.content_type = "text/html; charset=utf-8";
    out.headers.push_back({"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"});
    out.body = monitoring::report_html(*view);
  } else {
    out.content_type = "text/markdown; charset=utf-8";
    out.body = monitoring::report_markdown(*view);
  }
  co_return std::move(out);
}

// -- history --------------------------------------------------------------------------------------------

/// Rows that one request may look at: the quarters of a hundred series over five days.
constexpr size_t most_history_rows = 50'000;
constexpr size_t most_points = 200;

struct history {
  std::map<int64_t, monitoring::call_tally> points; ///< By number of the point's width.
  bool cut = false;
};

struct history_page {
  std::vector<std::pair<std::string, std::string>> rows;
  std::optional<std::string> next;
};

result<history_page> read_history_page(storage::snapshot& view, const std::string& after) {
  storage::document_query query;
  query.prefix = monitoring::key_prefix(true);
  query.after = after;
  query.limit = storage::max_page_rows;
  auto page = view.page_documents(storage::table::call_stats, query);
  if (!page)
    return page.error();
  history_page out;
  out.next = page->next;
  for (auto& [key, document] : page->documents)
    out.rows.emplace_back(std::move(key), std::move(document.bytes));
  return out;
}

/// The model's quarters of hours since @p since, added up to points of @p width quarters.
awaitable<result<history>> read_history(request_context& context, model_id model, wall_time since,
                                        int64_t width) {
  history out;
  std::optional<std::string> after = monitoring::key_from(true, since);
  size_t seen = 0;
  while (after) {
    auto read = [from = *after](storage::snapshot& view) { return read_history_page(view, from); };
    auto page = co_await context.edge.read_later(std::move(read));
    if (!page)
      co_return page.error();
    for (const auto& [key, text] : page->rows) {
      const auto where = monitoring::bucket_key_from_string(key);
      if (!where || where->model != model)
        continue;
      if (const auto tally = monitoring::tally_from_text(text))
        out.points[where->name.index / width].merge(*tally);
    }
    seen += page->rows.size();
    after = page->next;
    if (after && seen >= most_history_rows) {
      out.cut = true;
      break;
    }
  }
  co_return std::move(out);
}

json history_json(const history& read, int64_t width) {
  const auto length = monitoring::quarter_width * width;
  json out = json::array();
  for (const auto& [index, tally] : read.points) {
    auto point = monitoring::window_json(monitoring::summarise(tally, length));
    point["start"] = to_rfc3339(wall_time{length * index});
    out.push_back(std::move(point));
  }
  return out;
}

awaitable<result<response>> find_model(request_context& context) {
  const model_id model{context.path_value("id")};
  auto view = co_await context.edge.farm.read_monitor();
  if (!view)
    co_return view.error();
  auto out = monitoring::model_json(*view, model, span_in(context));
  const auto days = context.integer("history_days");
  if (days > 0) {
    const auto width =
        std::max<int64_t>(1, (days * 96 + most_points - 1) / static_cast<int64_t>(most_points));
    auto read = co_await read_history(context, model, view->at - std::chrono::days{days}, width);
    if (!read)
      co_return read.error();
    if (out.is_null() && !read->points.empty())
      out =
          json{{"model_id", model.value}, {"timestamp", to_rfc3339(view->at)}, {"providers", json::array()}};
    if (!out.is_null()) {
      out["history"] = history_json(*read, width);
      out["history_complete"] = !read->cut;
    }
  }
  if (out.is_null())
    co_return fault{errc::not_found, "no calls of model '" + model.value + "' are known", "id",
                    "GET /monitor/models lists those of the last day; history_days looks further back"};
  co_return context.answer(out);
}

// -- changing -------------------------------------------------------------------------------------------

awaitable<result<response>> acknowledge(request_context& context) {
  const auto& text = context.path_value("id");
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size())
    co_return fault{errc::not_found, "there is no alert '" + text + "'", "id",
                    "GET /monitor/alerts lists them"};
  // Named: g++ 12 copies the bytes of an aggregate that is made inside a co_await expression.
  acknowledge_alert message{id, context.who().id};
  auto done = co_await context.edge.farm.acknowledge(std::move(message));
  if (!done)
    co_return done.error();
  co_return context.answer(json(*done));
}

awaitable<result<response>> change_thresholds_of(request_context& context) {
  auto change = *context.body;
  change.erase("request_id");
  // Looked at here already, so that what is wrong in itself never reaches the farm.
  if (auto good = monitoring::changed(monitoring::thresholds{}, change); !good)
    co_return good.error();
  change_thresholds message{to_text(change), context.who().id};
  auto done = co_await context.edge.farm.change(std::move(message));
  if (!done)
    co_return done.error();
  co_return context.answer(json(*done));
}

// -- calls made elsewhere -------------------------------------------------------------------------------

constexpr auto latest = seconds{60};
constexpr auto earliest = std::chrono::hours{24};

provider_id provider_of(const request_context& context, const json& record) {
  if (const auto it = record.find("provider"); it != record.end())
    return provider_id{it->get<std::string>()};
  if (const auto known =
          context.edge.options.current_catalogue ? context.edge.options.current_catalogue() : nullptr)
    for (const auto& model : known->models)
      if (model.id.value == record.at("model_id").get_ref<const std::string&>())
        return model.provider;
  return provider_id{"external"};
}

result<call_observation> observation_of(const request_context& context, const json& record,
                                        const std::string& where) {
  call_observation out;
  out.external = true;
  out.model = model_id{record.at("model_id").get<std::string>()};
  out.provider = provider_of(context, record);
  out.duration = milliseconds{std::llround(record.at("response_time").get<double>() * 1000)};
  if (!record.at("success").get<bool>())
    out.error = errc::provider_unavailable;
  if (const auto it = record.find("error"); it != record.end()) {
    const auto& name = it->get_ref<const std::string&>();
    const auto code = errc_from_string(name);
    if (!out.error || (code == errc::internal && name != to_string(errc::internal)))
      return fault{errc::invalid_argument,
                   out.error ? "is no class of errors" : "a call that succeeded has no error",
                   where + "error", "such as rate_limited, provider_timeout or provider_unavailable"};
    out.error = code;
  }
  if (const auto it = record.find("cost"); it != record.end())
    out.cost = from_dollars(it->get<double>());
  if (const auto it = record.find("quality"); it != record.end())
    out.quality = it->get<double>();
  out.usage.prompt_tokens = record.value("prompt_tokens", 0U);
  out.usage.completion_tokens = record.value("completion_tokens", 0U);
  const auto now = context.edge.options.time.wall();
  if (const auto it = record.find("timestamp"); it != record.end()) {
    out.at = from_rfc3339(it->get_ref<const std::string&>());
    if (!out.at)
      return fault{errc::invalid_argument, "is no time", where + "timestamp", "such as 2024-01-01T12:00:00Z"};
    if (*out.at > now + latest || *out.at < now - earliest)
      return fault{errc::invalid_argument, "must lie within the last 24 hours", where + "timestamp", {}};
  }
  return out;
}

awaitable<result<response>> record(request_context& context) {
  const auto& body = *context.body;
  const bool many = body.contains("records");
  if (many && body.contains("model_id"))
    co_return fault{errc::invalid_argument, "send one record, or a list in records, not both", "records", {}};
  observe_calls message;
  if (!many) {
    if (auto checked = context.edge.routes.schemas().check("MonitorRecord", body); !checked)
      co_return checked.error();
    auto one = observation_of(context, body, "");
    if (!one)
      co_return one.error();
    message.calls.push_back(std::move(*one));
  } else {
    const auto& list = body.at("records");
    for (size_t i = 0; i < list.size(); ++i) {
      auto one = observation_of(context, list[i], "records[" + std::to_string(i) + "].");
      if (!one)
        co_return one.error();
      message.calls.push_back(std::move(*one));
    }
  }
  const auto count = message.calls.size();
  if (auto done = co_await context.edge.farm.observe(std::move(message)); !done)
    co_return done.error();
  co_return context.answer({{"recorded", count}, {"message", "Recorded"}});
}

// -- declarations ---------------------------------------------------------------------------------------

query_parameter choice(const char* name, const char* summary, std::vector<std::string> words,
                       const char* fallback) {
  query_parameter out;
  out.name = name;
  out.type = parameter_type::choice;
  out.summary = summary;
  out.choices = std::move(words);
  out.fallback = fallback;
  return out;
}

query_parameter range_parameter(const char* fallback) {
  return choice("range", "The window", {"1m", "5m", "1h", "24h"}, fallback);
}

route declared(const char* path, const char* summary, const char* schema, route_handler handler) {
  route out;
  out.path = path;
  out.needs = permission::analytics_read;
  out.tag = "monitor";
  out.summary = summary;
  out.response_schema = schema;
  out.handler = std::move(handler);
  return out;
}

void add_reading_routes(route_table& table) {
  table.add(declared("/monitor/overview", "All calls now: windows, models, alerts", "MonitorOverview",
                     showing(&show_overview)));

  auto one =
      declared("/monitor/models", "Models ranked, with their scores", "MonitorList", showing(&show_models));
  one.details =
      "The score, 0 to 100, is the weighted mean of success rate (0.4), quality (0.3), speed (0.2) and "
      "price (0.1), as far as they are known.";
  one.query = {range_parameter("1h")};
  table.add(std::move(one));

  one = declared("/monitor/models/{id}", "One model over every window", "MonitorModel", &find_model);
  one.query = {range_parameter("1h"), query_parameter{"history_days",
                                                      parameter_type::integer,
                                                      "Also the stored quarters of hours of so "
                                                      "many days, added up to at most 200 points",
                                                      "0",
                                                      0,
                                                      3650,
                                                      {},
                                                      256,
                                                      false}};
  table.add(std::move(one));

  one = declared("/monitor/costs", "Costs by model, and how to lower them", "MonitorCosts",
                 showing(&show_costs));
  one.query = {range_parameter("24h")};
  table.add(std::move(one));

  one = declared("/monitor/budgets", "What is spent of the budgets of this day and month", "MonitorList",
                 &show_budgets);
  one.details =
      "Dollars. Those that have been used: of the farm, of users, models and API keys. held is reserved for "
      "calls in flight; what a single evaluation may cost is in its own record.";
  table.add(std::move(one));

  one = declared("/monitor/keys", "How the keys of providers are, and what each has used today",
                 "MonitorList", &show_keys);
  one.details =
      "state is good, out (rejected, or without credit: code and reason say which, next_try when a "
      "call tries it "
      "again), trying or leaving. A key is named, never shown. today is the day in UTC: tries, tokens "
      "of prompts and answers, dollars where prices are known. For each model: limits as configured "
      "or as the provider has said, and until when the key lets no call out.";
  table.add(std::move(one));

  one = declared("/monitor/alerts", "Alerts, unresolved ones first", "MonitorList", showing(&show_alerts));
  one.query = {choice("state", "Only these", {"open", "acknowledged", "resolved"}, "")};
  table.add(std::move(one));

  one = declared("/monitor/recommendations", "What the last five minutes call for", "MonitorList",
                 showing(&show_recommendations));
  one.details = "concurrency_factor, between 0.5 and 1.25, says by how much calls in flight should change.";
  query_parameter model;
  model.name = "model";
  model.summary = "Only about this model";
  one.query = {model};
  table.add(std::move(one));

  one = declared("/monitor/report", "Everything in one document", "MonitorReport", &report);
  one.query = {choice("format", "json, md or html", {"json", "md", "html"}, "json")};
  table.add(std::move(one));

  table.add(declared("/monitor/thresholds", "What raises alerts and recommendations", "MonitorThresholds",
                     showing(&show_thresholds)));
}

} // namespace

void add_monitor_routes(route_table& table) {
  add_monitor_schemas(table.schemas());
  add_reading_routes(table);

  auto one = declared("/monitor/thresholds", "Change thresholds", "MonitorThresholds", &change_thresholds_of);
  one.method = http_method::put;
  one.needs = permission::configuration_manage;
  one.details =
      "Members that are not given stay. The change is kept over restarts and goes before the configuration.";
  one.request_schema = "MonitorThresholds";
  table.add(std::move(one));

  one = declared("/monitor/alerts/{id}/ack", "Somebody looks after this alert", "MonitorAlert", &acknowledge);
  one.method = http_method::post;
  one.needs = permission::evaluation_manage;
  table.add(std::move(one));

  one = declared("/monitor/records", "Count calls that were made elsewhere", "MonitorRecorded", &record);
  one.method = http_method::post;
  one.needs = permission::evaluation_create;
  one.request_schema = "MonitorRecords";
  table.add(std::move(one));
}

} // namespace assay::server
