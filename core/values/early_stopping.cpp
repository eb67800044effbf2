#include "core/values/early_stopping.hpp"

#include "core/values/json_fields.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace assay {

namespace {

using json_fields::find;
using json_fields::read;
using json_fields::write;
using nlohmann::json;

constexpr std::array<std::string_view, 5> request_keys{"interval", "against", "alpha", "margin",
                                                       "min_samples"};
constexpr uint64_t most_samples = 1'000'000'000;

fault wrong(const std::string& where, const char* key, std::string message) {
  return {errc::invalid_argument, std::move(message), where + "." + key, {}};
}

/// @param out Unchanged when the key is not given. Inside (0, 1).
std::optional<fault> read_share(const json& in, const std::string& where, const char* key,
                                std::optional<double>& out) {
  const auto* value = find(in, key);
  if (value == nullptr)
    return std::nullopt;
  if (!value->is_number() || !(value->get<double>() > 0) || !(value->get<double>() < 1))
    return wrong(where, key, "must be a number between 0 and 1");
  out = value->get<double>();
  return std::nullopt;
}

std::optional<fault> read_against(const json& in, const std::string& where, run_id& out) {
  const auto* value = find(in, "against");
  if (value == nullptr)
    return std::nullopt;
  const auto id = value->is_string() ? run_id_from_string(value->get<std::string>()) : std::nullopt;
  if (!id)
    return wrong(where, "against", "is no evaluation id; ids look like eval_1234567890_abcd1234");
  out = *id;
  return std::nullopt;
}

std::optional<fault> read_least(const json& in, const std::string& where, uint64_t& out) {
  const auto* value = find(in, "min_samples");
  if (value == nullptr)
    return std::nullopt;
  if (!value->is_number_unsigned() || value->get<uint64_t>() < 2 || value->get<uint64_t>() > most_samples)
    return wrong(where, "min_samples", "must be a whole number from 2");
  out = value->get<uint64_t>();
  return std::nullopt;
}

} // namespace

result<early_stopping> early_stopping_from_request(const json& in, const std::string& where) {
  if (!in.is_object())
    return fault{errc::invalid_argument, "must be an object", where,
                 R"({"interval": 0.02} or {"against": "eval_...", "alpha": 0.05})"};
  for (const auto& [key, value] : in.items())
    if (std::find(request_keys.begin(), request_keys.end(), key) == request_keys.end())
      return fault{errc::invalid_argument, "unknown field", where + "." + key,
                   "interval, against, alpha, margin or min_samples"};
  early_stopping out;
  std::optional<double> alpha;
  if (auto bad = read_share(in, where, "interval", out.interval))
    return std::move(*bad);
  if (auto bad = read_share(in, where, "alpha", alpha))
    return std::move(*bad);
  if (auto bad = read_share(in, where, "margin", out.margin))
    return std::move(*bad);
  if (auto bad = read_against(in, where, out.against))
    return std::move(*bad);
  if (auto bad = read_least(in, where, out.min_samples))
    return std::move(*bad);
  out.alpha = alpha.value_or(out.alpha);
  if (out.interval.has_value() == !out.against.empty())
    return fault{errc::invalid_argument, "needs either interval or against", where,
                 R"({"interval": 0.02} or {"against": "eval_...", "alpha": 0.05})"};
  if (out.margin && out.against.empty())
    return wrong(where, "margin", "belongs to against");
  return out;
}

void to_json(json& out, const early_stopping& wish) {
  out = json{{"alpha", wish.alpha}, {"min_samples", wish.min_samples}};
  write(out, "interval", wish.interval);
  write(out, "margin", wish.margin);
  if (!wish.against.empty())
    out["against"] = to_string(wish.against);
}

void from_json(const json& in, early_stopping& out) {
  out = early_stopping{};
  read(in, "alpha", out.alpha);
  read(in, "min_samples", out.min_samples);
  read(in, "interval", out.interval);
  read(in, "margin", out.margin);
  std::string against;
  read(in, "against", against);
  if (const auto id = run_id_from_string(against))
    out.against = *id;
}

void to_json(json& out, const early_stop& stop) {
  out = json{{"reason", stop.reason}, {"samples", stop.samples}, {"samples_saved", stop.samples_saved},
             {"mean", stop.mean},     {"low", stop.low},         {"high", stop.high}};
  write(out, "cost_saved_nanodollars", stop.cost_saved);
}

void from_json(const json& in, early_stop& out) {
  out = early_stop{};
  read(in, "reason", out.reason);
  read(in, "samples", out.samples);
  read(in, "samples_saved", out.samples_saved);
  read(in, "mean", out.mean);
  read(in, "low", out.low);
  read(in, "high", out.high);
  read(in, "cost_saved_nanodollars", out.cost_saved);
}

json early_stop_json(const early_stop& stop) {
  return {{"reason", stop.reason},
          {"samples", stop.samples},
          {"samples_saved", stop.samples_saved},
          {"cost_saved", json_fields::dollars_or_null(stop.cost_saved)},
          {"mean", stop.mean},
          {"interval", {{"low", stop.low}, {"high", stop.high}}}};
}

} // namespace assay
