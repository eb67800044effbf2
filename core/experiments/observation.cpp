#include "core/experiments/observation.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace assay::experiments {

namespace {

using json = nlohmann::json;

constexpr double longest_response_time = 86'400;
constexpr double highest_cost = 1e6;
constexpr size_t most_scores = 32;

class reader {
public:
  reader(const json& from, std::string place) : from_(from), place_(std::move(place)) {}

  std::string at(const std::string& key) const {
    return place_.empty() ? key : key.empty() ? place_ : place_ + "." + key;
  }

  fault wrong(const std::string& key, std::string message, std::string hint = {}) const {
    return {errc::invalid_argument, std::move(message), at(key), std::move(hint)};
  }

  const json* find(const char* key) const {
    const auto found = from_.find(key);
    return found == from_.end() || found->is_null() ? nullptr : &*found;
  }

  std::optional<fault> number(const char* key, double highest, std::optional<double>& out) const {
    const auto* value = find(key);
    if (value == nullptr)
      return std::nullopt;
    if (!value->is_number() || !(value->get<double>() >= 0 && value->get<double>() <= highest))
      return wrong(key, "must be a number from 0 to " + json(highest).dump());
    out = value->get<double>();
    return std::nullopt;
  }

private:
  const json& from_;
  std::string place_;
};

std::optional<fault> read_variant(const ab_test& test, const reader& members, observation& out) {
  if (const auto* unit = members.find("unit")) {
    if (!unit->is_string() || unit->get_ref<const std::string&>().empty()
        || unit->get_ref<const std::string&>().size() > longest_unit)
      return members.wrong("unit", "must be a text of 1 to " + std::to_string(longest_unit) + " bytes");
    out.unit = unit->get<std::string>();
  }
  const auto* name = members.find("variant");
  if (name == nullptr) {
    if (out.unit.empty() || test.paired)
      return members.wrong("variant", "is missing", "name the variant that was used");
    out.variant = variant_of_unit(test, out.unit);
    return std::nullopt;
  }
  const auto found = name->is_string() ? test.find(name->get_ref<const std::string&>()) : std::nullopt;
  if (!found)
    return members.wrong("variant", "is no variant of this test");
  out.variant = *found;
  if (test.paired && out.unit.empty())
    return members.wrong("unit", "is missing", "a paired test compares the variants unit by unit");
  if (!test.paired && !out.unit.empty() && variant_of_unit(test, out.unit) != out.variant)
    return members.wrong("variant",
                         "unit '" + out.unit + "' belongs to '"
                             + test.variants[variant_of_unit(test, out.unit)].name + "'",
                         "ask for the unit's variant first, or leave the unit out");
  return std::nullopt;
}

std::optional<fault> read_scores(const reader& members, observation& out) {
  const auto* given = members.find("scores");
  if (given == nullptr)
    return std::nullopt;
  if (!given->is_object() || given->size() > most_scores)
    return members.wrong("scores", "must be an object of at most " + std::to_string(most_scores) + " scores");
  for (const auto& [name, value] : given->items()) {
    if (!value.is_number() || !(value.get<double>() >= 0 && value.get<double>() <= 1))
      return members.wrong("scores." + name, "must be a number from 0 to 1");
    out.scores.emplace(name, value.get<double>());
  }
  return std::nullopt;
}

const char* member_of(metric_kind kind) {
  switch (kind) {
  case metric_kind::quality_score:
    return "quality";
  case metric_kind::latency:
  case metric_kind::performance_score:
    return "response_time";
  case metric_kind::cost:
    return "cost";
  case metric_kind::scorer:
    return "scores";
  case metric_kind::success_rate:
    break;
  }
  return "success";
}

} // namespace

result<observation> observation_from_json(const ab_test& test, const json& from, const std::string& place) {
  reader members(from, place);
  if (!from.is_object())
    return members.wrong("", "an observation is an object");
  constexpr std::array known{"variant", "unit",          "success",   "quality", "quality_score",
                             "cost",    "response_time", "timestamp", "scores",  "request_id"};
  for (const auto& [key, value] : from.items())
    if (std::ranges::none_of(known, [&key = key](const char* one) { return key == one; }))
      return members.wrong(key, "is no member of an observation");
  observation out;
  if (auto bad = read_variant(test, members, out))
    return std::move(*bad);
  if (const auto* success = members.find("success")) {
    if (!success->is_boolean())
      return members.wrong("success", "must be true or false");
    out.success = success->get<bool>();
  } else if (test.metric.kind == metric_kind::success_rate) {
    return members.wrong("success", "is missing", "the test's metric is success_rate");
  }
  const char* quality = members.find("quality") != nullptr ? "quality" : "quality_score";
  for (auto bad : {members.number(quality, 1, out.quality),
                   members.number("response_time", longest_response_time, out.response_time),
                   members.number("cost", highest_cost, out.cost), read_scores(members, out)})
    if (bad)
      return std::move(*bad);
  const bool may_lack = !out.success && test.metric.kind != metric_kind::cost;
  if (!may_lack && !metric_of(test, out))
    return members.wrong(member_of(test.metric.kind),
                         test.metric.kind == metric_kind::scorer ? "has no '" + test.metric.scorer + "'"
                                                                 : "is missing",
                         "the test's metric is " + to_string(test.metric));
  return out;
}

json to_json(const ab_test& test, const observation& value) {
  json out{{"variant", test.variants.at(value.variant).name}, {"success", value.success}};
  if (!value.unit.empty())
    out["unit"] = value.unit;
  if (value.quality)
    out["quality"] = *value.quality;
  if (value.response_time)
    out["response_time"] = *value.response_time;
  if (value.cost)
    out["cost"] = *value.cost;
  if (!value.scores.empty())
    out["scores"] = value.scores;
  return out;
}

std::optional<double> performance_of(const variant& of, const observation& value) noexcept {
  if (!value.success)
    return 0;
  if (!value.response_time)
    return std::nullopt;
  return *value.response_time <= of.target_response_time ? 1 : of.target_response_time / *value.response_time;
}

std::optional<double> metric_of(const ab_test& test, const observation& value) noexcept {
  switch (test.metric.kind) {
  case metric_kind::success_rate:
    return value.success ? 1 : 0;
  case metric_kind::quality_score:
    return value.success ? value.quality : std::optional<double>{0};
  case metric_kind::latency:
    return value.success ? value.response_time : std::nullopt;
  case metric_kind::cost:
    return value.cost;
  case metric_kind::performance_score:
    return performance_of(test.variants[value.variant], value);
  case metric_kind::scorer:
    break;
  }
  if (!value.success)
    return 0;
  const auto found = value.scores.find(test.metric.scorer);
  return found == value.scores.end() ? std::nullopt : std::optional<double>{found->second};
}

} // namespace assay::experiments
