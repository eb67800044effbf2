#include "core/experiments/ab_record.hpp"

#include "core/values/json_fields.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <utility>

namespace assay::experiments {

namespace {

using json = nlohmann::json;

constexpr std::array states{ab_state::created, ab_state::running, ab_state::paused, ab_state::completed,
                            ab_state::stopped};

fault cannot(const ab_record& record, const char* verb) {
  return {errc::invalid_transition,
          "the test '" + record.test.id + "' is " + std::string(to_string(record.state)) + " and cannot "
              + verb,
          {},
          "create another test"};
}

bool end(ab_record& record, ab_state state, wall_time now, std::string why) {
  record.state = state;
  record.ended_at = now;
  record.ended_because = std::move(why);
  ++record.version;
  return true;
}

json by_variant(const ab_test& test, const std::vector<uint64_t>& counts) {
  json out = json::object();
  for (size_t i = 0; i < test.variants.size() && i < counts.size(); ++i)
    out[test.variants[i].name] = counts[i];
  return out;
}

} // namespace

std::string_view to_string(ab_state state) noexcept {
  switch (state) {
  case ab_state::created:
    return "created";
  case ab_state::running:
    return "running";
  case ab_state::paused:
    return "paused";
  case ab_state::completed:
    return "completed";
  case ab_state::stopped:
    return "stopped";
  }
  return "stopped";
}

uint64_t ab_record::draws() const noexcept {
  return std::accumulate(drawn.begin(), drawn.end(), uint64_t{0});
}

ab_record make_record(ab_test test, user_id owner, wall_time now) {
  ab_record out;
  out.drawn.resize(test.variants.size());
  out.assigned.resize(test.variants.size());
  out.test = std::move(test);
  out.owner = std::move(owner);
  out.created_at = now;
  return out;
}

result<bool> start(ab_record& record, wall_time now) {
  if (record.state == ab_state::running)
    return false;
  if (is_final(record.state))
    return cannot(record, "start");
  record.state = ab_state::running;
  ++record.version;
  if (!record.started_at) {
    record.started_at = now;
    record.ends_at = now + milliseconds{std::llround(record.test.max_duration_hours * 3'600'000)};
  }
  return true;
}

result<bool> pause(ab_record& record) {
  if (record.state == ab_state::paused)
    return false;
  if (record.state != ab_state::running)
    return cannot(record, "pause");
  record.state = ab_state::paused;
  ++record.version;
  return true;
}

result<bool> stop(ab_record& record, wall_time now, std::string why) {
  if (is_final(record.state))
    return false;
  return end(record, ab_state::stopped, now, std::move(why));
}

void complete(ab_record& record, wall_time now, std::string why) {
  end(record, ab_state::completed, now, std::move(why));
}

std::string to_stored(const ab_record& record) {
  json out{{"test", to_json(record.test)},
           {"owner", record.owner.value},
           {"version", record.version},
           {"state", std::string(to_string(record.state))},
           {"created_at", record.created_at.time_since_epoch().count()},
           {"ended_because", record.ended_because},
           {"drawn", record.drawn},
           {"assigned", record.assigned},
           {"observations", record.observations},
           {"analysis", record.analysis}};
  json_fields::write(out, "started_at", record.started_at);
  json_fields::write(out, "ends_at", record.ends_at);
  json_fields::write(out, "ended_at", record.ended_at);
  if (record.run)
    out["run"] = *record.run;
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

result<ab_record> record_from_stored(std::string_view text) {
  const auto unreadable = [](std::string why) {
    return fault{
        errc::store_unreadable, "a stored A/B test cannot be read: " + std::move(why), "ab_tests", {}};
  };
  const auto from = json::parse(text, nullptr, false);
  if (!from.is_object() || !from.contains("test"))
    return unreadable("it is no object");
  auto test = ab_test_from_json(from["test"]);
  if (!test)
    return unreadable(to_string(test.error()));
  ab_record out;
  out.test = std::move(*test);
  try {
    std::string word;
    json_fields::read(from, "owner", out.owner.value);
    json_fields::read(from, "version", out.version);
    json_fields::read(from, "state", word);
    json_fields::read(from, "created_at", out.created_at);
    json_fields::read(from, "started_at", out.started_at);
    json_fields::read(from, "ends_at", out.ends_at);
    json_fields::read(from, "ended_at", out.ended_at);
    json_fields::read(from, "ended_because", out.ended_because);
    json_fields::read(from, "drawn", out.drawn);
    json_fields::read(from, "assigned", out.assigned);
    json_fields::read(from, "observations", out.observations);
    json_fields::read(from, "analysis", out.analysis);
    if (const auto run = from.find("run"); run != from.end())
      from_json(*run, out.run.emplace());
    for (const auto state : states)
      if (word == to_string(state))
        out.state = state;
  } catch (const json::exception& reason) {
    return unreadable(reason.what());
  }
  out.drawn.resize(out.test.variants.size());
  out.assigned.resize(out.test.variants.size());
  return out;
}

json to_json(const ab_record& record) {
  auto out = to_json(record.test);
  out["status"] = std::string(to_string(record.state));
  out["state"] = out["status"];
  out["version"] = record.version;
  out["owner"] = record.owner.value;
  out["created_at"] = to_rfc3339(record.created_at);
  out["started_at"] = json_fields::time_or_null(record.started_at);
  out["ends_at"] = json_fields::time_or_null(record.ends_at);
  out["ended_at"] = json_fields::time_or_null(record.ended_at);
  out["ended_because"] = record.ended_because.empty() ? json(nullptr) : json(record.ended_because);
  out["total_samples"] = record.observations;
  out["selections"] = {{"drawn", by_variant(record.test, record.drawn)},
                       {"by_unit", by_variant(record.test, record.assigned)}};
  out["run"] = record.run ? run_json(record.test, *record.run, is_final(record.state)) : json(nullptr);
  return out;
}

json selection_json(const ab_test& test, size_t variant, const std::string& unit) {
  const auto& chosen = test.variants.at(variant);
  return {{"test_id", test.id},
          {"variant", chosen.name},
          {"configuration", json::parse(chosen.configuration, nullptr, false)},
          {"unit", unit.empty() ? json(nullptr) : json(unit)},
          {"drawn", unit.empty()}};
}

result<std::string> best_configuration(const ab_test& test, const json& analysis) {
  const auto& winner = analysis.at("winner");
  const auto found = winner.is_string() ? test.find(winner.get_ref<const std::string&>()) : std::nullopt;
  if (!found) {
    const auto& why = analysis.at("undecided_because");
    return fault{errc::not_found,
                 "the test '" + test.id + "' is undecided: "
                     + (why.is_string() ? why.get<std::string>() : std::string("no variant has won")),
                 {},
                 "GET /ab-tests/{id}/analysis shows how far it is"};
  }
  json out{{"test_id", test.id},
           {"variant", winner},
           {"configuration", json::parse(test.variants[*found].configuration, nullptr, false)},
           {"confidence", analysis.at("confidence")}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string observations_prefix(const ab_record& record) {
  char time[24];
  std::snprintf(time, sizeof time, "%016llx",
                static_cast<unsigned long long>(record.created_at.time_since_epoch().count()));
  return record.test.id + "/" + time + "/";
}

std::string observation_key(const ab_record& record, uint64_t number) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(number));
  return observations_prefix(record) + digits;
}

} // namespace assay::experiments
