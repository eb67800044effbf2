#include "core/schedules/schedule.hpp"

#include "core/values/json_fields.hpp"
#include "core/values/run_request.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace assay::schedules {

using json = nlohmann::json;

namespace {

fault wrong(const char* where, std::string why, std::string hint = {}) {
  return {errc::invalid_argument, std::move(why), where, std::move(hint)};
}

std::optional<fault> take_text(const json& from, const char* key, std::string& into) {
  const auto found = from.find(key);
  if (found == from.end() || found->is_null())
    return std::nullopt;
  if (!found->is_string() || found->get_ref<const std::string&>().size() > 1000)
    return wrong(key, "must be a text of at most 1000 bytes");
  into = found->get<std::string>();
  return std::nullopt;
}

std::optional<fault> check_evaluation(const json& evaluation) {
  const auto request = run_request_from_json(evaluation);
  if (!request) {
    auto reason = request.error();
    reason.where = "evaluation." + reason.where;
    return reason;
  }
  if (request->dry_run)
    return wrong("evaluation.dry_run", "a schedule makes runs, not plans");
  if (!request->output_path.empty())
    return wrong("evaluation.output_base_path", "the runs of a schedule write no files",
                 "GET /evaluations/{id}/export has them");
  if (!request->depends_on.empty())
    return wrong("evaluation.depends_on", "the runs of a schedule wait for no others");
  if (request->stop_when && !request->stop_when->against.empty())
    return wrong("evaluation.early_stopping.against",
                 "the runs of a schedule are compared with no fixed run");
  return std::nullopt;
}

std::optional<fault> take(const json& from, schedule& out) {
  constexpr std::array known{"schedule_id", "description", "cron",      "timezone",
                             "evaluation",  "enabled",     "request_id"};
  for (const auto& [key, value] : from.items())
    if (std::ranges::none_of(known, [&key = key](const char* one) { return key == one; }))
      return wrong(key.c_str(), "is no member of a schedule");
  for (auto bad : {take_text(from, "description", out.description), take_text(from, "cron", out.cron),
                   take_text(from, "timezone", out.timezone)})
    if (bad)
      return bad;
  if (const auto enabled = from.find("enabled"); enabled != from.end()) {
    if (!enabled->is_boolean())
      return wrong("enabled", "must be true or false");
    out.enabled = enabled->get<bool>();
  }
  if (const auto evaluation = from.find("evaluation"); evaluation != from.end()) {
    if (auto bad = check_evaluation(*evaluation))
      return bad;
    out.evaluation = evaluation->dump(-1, ' ', false, json::error_handler_t::replace);
  }
  if (out.evaluation.empty())
    return wrong("evaluation", "is missing", "as in POST /evaluations");
  const auto times = cron::parse(out.cron);
  if (!times)
    return times.error();
  const auto offset = offset_from_string(out.timezone);
  if (!offset)
    return wrong("timezone", "is neither UTC nor an offset", "+02:00; names of places are not taken");
  if (!times->next(wall_time{}, *offset))
    return wrong("cron", "never comes");
  return std::nullopt;
}

} // namespace

result<schedule> schedule_from_json(const json& from) {
  if (!from.is_object())
    return fault{errc::malformed_input, "must be a JSON object", "body", {}};
  schedule out;
  if (auto bad = take_text(from, "schedule_id", out.id))
    return *bad;
  if (!is_caller_id(out.id))
    return wrong("schedule_id", "must be 1 to 128 out of letters, digits, '.', '_' and '-'");
  if (auto bad = take(from, out))
    return *bad;
  return out;
}

result<schedule> changed(const schedule& old, const json& changes) {
  if (!changes.is_object())
    return fault{errc::malformed_input, "must be a JSON object", "body", {}};
  if (const auto id = changes.find("schedule_id"); id != changes.end() && *id != old.id)
    return wrong("schedule_id", "does not change", "create another schedule");
  auto out = old;
  if (auto bad = take(changes, out))
    return *bad;
  ++out.version;
  return out;
}

void plan_next(schedule& of, wall_time now) {
  of.next.reset();
  const auto times = cron::parse(of.cron);
  const auto offset = offset_from_string(of.timezone);
  if (of.enabled && times && offset)
    of.next = times->next(now, *offset);
}

void note_fire(schedule& of, fire one) {
  of.fires.push_back(std::move(one));
  while (of.fires.size() > most_fires)
    of.fires.pop_front();
}

std::string name_of_run(const schedule& of, wall_time due, bool by_hand) {
  const auto number = [](wall_time at) { return std::to_string(at.time_since_epoch().count()); };
  // One that was deleted and created again has other runs.
  return "schedule." + of.id + "." + number(of.created_at) + "."
         + (by_hand ? "hand-" + std::to_string(of.by_hand) : number(due));
}

namespace {

json fire_json(const fire& one) {
  return {{"due_at", to_rfc3339(one.due)},
          {"evaluation_id", one.run.empty() ? json(nullptr) : json(to_string(one.run))},
          {"error", one.error.empty() ? json(nullptr) : json(one.error)},
          {"by_hand", one.by_hand}};
}

} // namespace

json to_json(const schedule& value, bool whole) {
  json out{{"schedule_id", value.id},
           {"description", value.description},
           {"cron", value.cron},
           {"timezone", value.timezone},
           {"evaluation", json::parse(value.evaluation, nullptr, false)},
           {"enabled", value.enabled},
           {"owner", value.owner.value},
           {"version", value.version},
           {"created_at", to_rfc3339(value.created_at)},
           {"next_at", json_fields::time_or_null(value.next)},
           {"last", value.fires.empty() ? json(nullptr) : fire_json(value.fires.back())}};
  if (!whole)
    return out;
  auto history = json::array();
  for (auto one = value.fires.rbegin(); one != value.fires.rend(); ++one)
    history.push_back(fire_json(*one));
  out["history"] = std::move(history);
  return out;
}

std::string to_stored(const schedule& value) {
  auto fires = json::array();
  for (const auto& one : value.fires)
    fires.push_back({{"due", one.due.time_since_epoch().count()},
                     {"run", one.run.empty() ? std::string{} : to_string(one.run)},
                     {"error", one.error},
                     {"by_hand", one.by_hand}});
  json out{{"id", value.id},
           {"description", value.description},
           {"cron", value.cron},
           {"timezone", value.timezone},
           {"evaluation", value.evaluation},
           {"enabled", value.enabled},
           {"owner", value.owner.value},
           {"api_key", value.api_key},
           {"version", value.version},
           {"created_at", value.created_at.time_since_epoch().count()},
           {"by_hand", value.by_hand},
           {"fires", std::move(fires)}};
  json_fields::write(out, "next", value.next);
  json_fields::write(out, "key_budget_nanodollars", value.key_budget);
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<schedule> schedule_from_stored(std::string_view text) {
  const auto from = json::parse(text, nullptr, false);
  const auto unreadable = [](const std::string& why) {
    return fault{errc::store_unreadable, "a stored schedule cannot be read: " + why, "settings", {}};
  };
  if (!from.is_object())
    return unreadable("it is no object");
  schedule out;
  try {
    json_fields::read(from, "id", out.id);
    json_fields::read(from, "description", out.description);
    json_fields::read(from, "cron", out.cron);
    json_fields::read(from, "timezone", out.timezone);
    json_fields::read(from, "evaluation", out.evaluation);
    json_fields::read(from, "enabled", out.enabled);
    json_fields::read(from, "owner", out.owner.value);
    json_fields::read(from, "api_key", out.api_key);
    json_fields::read(from, "key_budget_nanodollars", out.key_budget);
    json_fields::read(from, "version", out.version);
    json_fields::read(from, "created_at", out.created_at);
    json_fields::read(from, "next", out.next);
    json_fields::read(from, "by_hand", out.by_hand);
    for (const auto& one : from.at("fires")) {
      fire past;
      std::string run;
      json_fields::read(one, "due", past.due);
      json_fields::read(one, "run", run);
      past.run = run_id_from_string(run).value_or(run_id{});
      json_fields::read(one, "error", past.error);
      json_fields::read(one, "by_hand", past.by_hand);
      out.fires.push_back(std::move(past));
    }
  } catch (const json::exception& reason) {
    return unreadable(reason.what());
  }
  return out;
}

} // namespace assay::schedules
