#include "core/experiments/ab_test.hpp"

#include "core/stats/random.hpp"
#include "core/values/ids.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <map>
#include <utility>

namespace assay::experiments {

namespace {

using json = nlohmann::json;

/// 0.33 + 0.33 + 0.34 and thirds with three digits are meant to be 1.
constexpr double split_tolerance = 0.0015;
constexpr uint64_t most_minimum_samples = most_observations / 2;
constexpr double longest_duration_hours = 8760;
constexpr size_t longest_description = 4096;
constexpr size_t longest_configuration = 65'536;

fault wrong(std::string where, std::string message, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

std::string number_text(double value) { return json(value).dump(); }

/// Reads members and keeps the first thing that is wrong.
class reader {
public:
  explicit reader(const json& from) : from_(from) {}

  const json* find(const char* key) const {
    const auto found = from_.find(key);
    return found == from_.end() || found->is_null() ? nullptr : &*found;
  }

  void refuse(fault reason) {
    if (!wrong_)
      wrong_ = std::move(reason);
  }

  void text(const char* key, size_t longest, std::string& out) {
    const auto* value = find(key);
    if (value == nullptr)
      return;
    if (!value->is_string() || value->get_ref<const std::string&>().size() > longest)
      return refuse(wrong(key, "must be a text of at most " + std::to_string(longest) + " bytes"));
    out = value->get<std::string>();
  }

  void flag(const char* key, bool& out) {
    const auto* value = find(key);
    if (value == nullptr)
      return;
    if (!value->is_boolean())
      return refuse(wrong(key, "must be true or false"));
    out = value->get<bool>();
  }

  /// @param lowest, highest Themselves allowed only as @p inclusive says.
  void number(const char* key, double lowest, double highest, bool inclusive, double& out) {
    const auto* value = find(key);
    if (value == nullptr)
      return;
    const double given = value->is_number() ? value->get<double>() : std::nan("");
    const bool fits = inclusive ? given >= lowest && given <= highest : given > lowest && given < highest;
    if (!fits)
      return refuse(wrong(key, std::string("must be a number ") + (inclusive ? "from " : "between ")
                                   + number_text(lowest) + (inclusive ? " to " : " and ")
                                   + number_text(highest)));
    out = given;
  }

  void count(const char* key, uint64_t lowest, uint64_t highest, uint64_t& out) {
    double given = static_cast<double>(out);
    number(key, static_cast<double>(lowest), static_cast<double>(highest), true, given);
    if (given != std::floor(given))
      return refuse(wrong(key, "must be a whole number"));
    out = static_cast<uint64_t>(given);
  }

  void only(std::initializer_list<const char*> known) {
    for (const auto& [key, value] : from_.items())
      if (std::ranges::none_of(known, [&key = key](const char* one) { return key == one; }))
        refuse(wrong(key, "is no member of an A/B test"));
  }

  const std::optional<fault>& finish() const { return wrong_; }

private:
  const json& from_;
  std::optional<fault> wrong_;
};

struct bounds {
  const char* key;
  double lowest;
  double highest;
};

constexpr std::array<bounds, 6> known_numbers{{{"temperature", 0, 2},
                                               {"top_p", 0, 1},
                                               {"max_tokens", 1, 10'000'000},
                                               {"frequency_penalty", -2, 2},
                                               {"presence_penalty", -2, 2},
                                               {"target_response_time", 1e-3, 86'400}}};

std::optional<fault> mistake_in(const json& configuration, const std::string& place) {
  // It is shown to everybody who may see the test.
  if (configuration.contains("api_key"))
    return wrong(place + ".api_key", "a test keeps no keys", "keys belong into providers or `assay keys`");
  for (const auto& one : known_numbers) {
    const auto found = configuration.find(one.key);
    if (found == configuration.end() || found->is_null())
      continue;
    if (!found->is_number() || found->get<double>() < one.lowest || found->get<double>() > one.highest)
      return wrong(place + "." + one.key,
                   "must be a number from " + number_text(one.lowest) + " to " + number_text(one.highest));
  }
  for (const char* key : {"model_id", "model"}) {
    const auto found = configuration.find(key);
    if (found != configuration.end() && (!found->is_string() || found->get_ref<const std::string&>().empty()))
      return wrong(place + "." + key, "must be the name of a model");
  }
  return std::nullopt;
}

result<std::vector<variant>> read_variants(const reader& members, double usual_target) {
  const auto* given = members.find("variants");
  if (given == nullptr || !given->is_object() || given->size() < 2 || given->size() > most_variants)
    return wrong("variants", "must be an object of 2 to " + std::to_string(most_variants)
                                 + " variants: {\"a\": {\"temperature\": 0.3}, ...}");
  std::string base;
  if (const auto* model = members.find("base_model")) {
    if (!model->is_string() || model->get_ref<const std::string&>().empty())
      return wrong("base_model", "must be the name of a model");
    base = model->get<std::string>();
  }
  std::vector<variant> out;
  std::map<std::string, std::string> seen;
  for (const auto& [name, overrides] : given->items()) {
    const std::string place = "variants." + name;
    if (!is_caller_id(name))
      return wrong("variants", "'" + name + "' is no name for a variant", "letters, digits, . _ -");
    if (!overrides.is_object())
      return wrong(place, "must be an object with the variant's configuration");
    if (auto bad = mistake_in(overrides, place))
      return std::move(*bad);
    json configuration = overrides;
    if (!base.empty() && !configuration.contains("model_id") && !configuration.contains("model"))
      configuration["model_id"] = base;
    variant one{name, configuration.dump(), 0, configuration.value("target_response_time", usual_target)};
    if (one.configuration.size() > longest_configuration)
      return wrong(place, "is larger than " + std::to_string(longest_configuration) + " bytes");
    // The same thing under two names can only tie.
    const auto [other, is_new] = seen.emplace(one.configuration, name);
    if (!is_new)
      return wrong(place, "differs in nothing from '" + other->second + "'",
                   "give it another model, prompt or parameter");
    out.push_back(std::move(one));
  }
  return out;
}

std::optional<fault> split(const reader& members, std::vector<variant>& variants) {
  const auto* given = members.find("traffic_split");
  if (given == nullptr) {
    for (auto& one : variants)
      one.share = 1.0 / static_cast<double>(variants.size());
    return std::nullopt;
  }
  if (!given->is_object())
    return wrong("traffic_split", "must be an object with the share of every variant");
  for (const auto& [name, share] : given->items())
    if (std::ranges::none_of(variants, [&name = name](const variant& one) { return one.name == name; }))
      return wrong("traffic_split." + name, "there is no such variant");
  double sum = 0;
  for (auto& one : variants) {
    const std::string place = "traffic_split." + one.name;
    const auto found = given->find(one.name);
    if (found == given->end())
      return wrong(place, "is missing", "every variant needs its share");
    if (!found->is_number() || !(found->get<double>() > 0) || found->get<double>() > 1)
      return wrong(place, "must be a number above 0 and at most 1");
    one.share = found->get<double>();
    sum += one.share;
  }
  if (std::abs(sum - 1) > split_tolerance)
    return wrong("traffic_split", "the shares sum to " + number_text(sum) + ", not to 1");
  for (auto& one : variants)
    one.share /= sum;
  return std::nullopt;
}

uint64_t finish_hash(uint64_t z) noexcept {
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

uint64_t hash_of(std::string_view text, uint64_t from = 0xcbf29ce484222325U) noexcept {
  for (const char c : text) {
    from ^= static_cast<unsigned char>(c);
    from *= 0x100000001b3U;
  }
  return from;
}

size_t along_split(const ab_test& test, double position) noexcept {
  double passed = 0;
  for (size_t i = 0; i + 1 < test.variants.size(); ++i) {
    passed += test.variants[i].share;
    if (position < passed)
      return i;
  }
  return test.variants.size() - 1;
}

} // namespace

std::string to_string(const success_metric& metric) {
  switch (metric.kind) {
  case metric_kind::quality_score:
    return "quality_score";
  case metric_kind::success_rate:
    return "success_rate";
  case metric_kind::latency:
    return "latency";
  case metric_kind::cost:
    return "cost";
  case metric_kind::performance_score:
    return "performance_score";
  case metric_kind::scorer:
    return "score." + metric.scorer;
  }
  return {};
}

std::optional<success_metric> metric_from_string(std::string_view word) {
  constexpr std::string_view score = "score.";
  if (word == "quality_score" || word == "quality")
    return success_metric{metric_kind::quality_score};
  if (word == "success_rate" || word == "success")
    return success_metric{metric_kind::success_rate};
  if (word == "latency" || word == "response_time")
    return success_metric{metric_kind::latency};
  if (word == "cost")
    return success_metric{metric_kind::cost};
  if (word == "performance_score")
    return success_metric{metric_kind::performance_score};
  if (word.starts_with(score) && is_caller_id(word.substr(score.size())))
    return success_metric{metric_kind::scorer, std::string(word.substr(score.size()))};
  return std::nullopt;
}

std::optional<size_t> ab_test::find(std::string_view name) const noexcept {
  for (size_t i = 0; i < variants.size(); ++i)
    if (variants[i].name == name)
      return i;
  return std::nullopt;
}

result<ab_test> ab_test_from_json(const json& from, std::string_view id) {
  if (!from.is_object())
    return wrong("", "an A/B test is an object");
  reader members(from);
  ab_test out;
  out.id = id;
  std::string word = "quality_score";
  double target = usual_target_response_time;
  members.only({"test_id", "description", "base_model", "variants", "traffic_split", "success_metric",
                "minimum_samples", "confidence_level", "max_duration_hours", "paired", "stop_when_decided",
                "minimum_effect", "target_response_time", "request_id"});
  members.text("test_id", 128, out.id);
  members.text("description", longest_description, out.description);
  members.text("success_metric", 256, word);
  members.number("target_response_time", 1e-3, 86'400, true, target);
  members.count("minimum_samples", 2, most_minimum_samples, out.minimum_samples);
  members.number("confidence_level", 0.5, 1, false, out.confidence_level);
  members.number("max_duration_hours", 0, longest_duration_hours + 1e-9, false, out.max_duration_hours);
  members.flag("paired", out.paired);
  members.flag("stop_when_decided", out.stop_when_decided);
  if (members.find("minimum_effect") != nullptr)
    members.number("minimum_effect", 0, 1e9, false, out.minimum_effect.emplace(0));
  if (members.finish())
    return *members.finish();
  if (!is_caller_id(out.id))
    return wrong("test_id", out.id.empty() ? "is missing" : "is no id", "1 to 128 of letters, digits, . _ -");
  const auto metric = metric_from_string(word);
  if (!metric)
    return wrong("success_metric", "'" + word + "' is no metric",
                 "quality_score, success_rate, latency, cost, performance_score or score.NAME of a scorer");
  out.metric = *metric;
  auto variants = read_variants(members, target);
  if (!variants)
    return variants.error();
  out.variants = std::move(*variants);
  if (auto bad = split(members, out.variants))
    return std::move(*bad);
  return out;
}

json to_json(const ab_test& test) {
  json variants = json::object();
  json shares = json::object();
  for (const auto& one : test.variants) {
    auto configuration = json::parse(one.configuration, nullptr, false);
    configuration["target_response_time"] = one.target_response_time;
    variants[one.name] = std::move(configuration);
    shares[one.name] = one.share;
  }
  json out{{"test_id", test.id},
           {"description", test.description},
           {"variants", std::move(variants)},
           {"traffic_split", std::move(shares)},
           {"success_metric", to_string(test.metric)},
           {"minimum_samples", test.minimum_samples},
           {"confidence_level", test.confidence_level},
           {"max_duration_hours", test.max_duration_hours},
           {"paired", test.paired},
           {"stop_when_decided", test.stop_when_decided}};
  if (test.minimum_effect)
    out["minimum_effect"] = *test.minimum_effect;
  return out;
}

size_t variant_of_unit(const ab_test& test, std::string_view unit) noexcept {
  // A byte that no id has parts the two.
  const uint64_t hash = finish_hash(hash_of(unit, hash_of(std::string_view("\0", 1), hash_of(test.id))));
  return along_split(test, static_cast<double>(hash >> 11U) * 0x1.0p-53);
}

size_t variant_of_draw(const ab_test& test, uint64_t number) noexcept {
  stats::random_stream chance(hash_of(test.id) + number * 0x9e3779b97f4a7c15U);
  return along_split(test, chance.uniform());
}

} // namespace assay::experiments
