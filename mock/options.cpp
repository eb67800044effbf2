#include "mock/options.hpp"

#include "mock/object_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

namespace assay::mock {

namespace {

using nlohmann::json;

fault bad(std::string where, std::string message, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || value < 0)
    return {};
  return value;
}

std::optional<fault> check_rates(const simulated_model& model, const std::string& where) {
  const auto share = [](double x) { return x >= 0 && x <= 1; };
  if (model.name.empty())
    return bad(where + ".name", "must not be empty");
  if (!share(model.accuracy) || !share(model.refusal_rate) || !share(model.format_error_rate)
      || !share(model.transient_error_rate) || model.refusal_rate + model.format_error_rate > 1)
    return bad(where, "accuracy and rates must lie in 0..1, refusals and format errors together as well");
  if (!(model.latency_factor >= 0) || !(model.tokens_per_second >= 0))
    return bad(where, "latency_factor and tokens_per_second must not be negative");
  return {};
}

/// The quantile function of the standard normal at 0.95.
constexpr double z95 = 1.6448536269514722;

} // namespace

result<latency_model> parse_latency(std::string_view text) {
  const auto wrong = [&] {
    return bad("latency", "\"" + std::string(text) + "\" is not a latency",
               "write 50, fixed:50, uniform:10-90, lognormal:50,200 or exponential:50 (milliseconds)");
  };
  latency_model model;
  auto numbers = text;
  auto separator = '\0';
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    const auto name = text.substr(0, colon);
    numbers.remove_prefix(colon + 1);
    if (name == "fixed") {
      model.kind = latency_model::shape::fixed;
    } else if (name == "uniform") {
      model.kind = latency_model::shape::uniform;
      separator = '-';
    } else if (name == "lognormal") {
      model.kind = latency_model::shape::lognormal;
      separator = ',';
    } else if (name == "exponential") {
      model.kind = latency_model::shape::exponential;
    } else {
      return wrong();
    }
  }
  const auto cut = separator == '\0' ? std::string_view::npos : numbers.find(separator);
  if (separator != '\0' && cut == std::string_view::npos)
    return wrong();
  const auto first = number(numbers.substr(0, cut));
  const auto second =
      cut == std::string_view::npos ? std::optional<double>(0.0) : number(numbers.substr(cut + 1));
  constexpr double day_ms = 86'400'000;
  if (!first || !second || *first > day_ms || *second > day_ms || (separator != '\0' && *second < *first))
    return wrong();
  model.first = microseconds(std::llround(*first * 1000));
  model.second = microseconds(std::llround(*second * 1000));
  return model;
}

microseconds draw_latency(const latency_model& model, double u, double v) noexcept {
  const auto first = static_cast<double>(model.first.count());
  const auto second = static_cast<double>(model.second.count());
  double drawn = first;
  switch (model.kind) {
  case latency_model::shape::fixed:
    break;
  case latency_model::shape::uniform:
    drawn = first + (second - first) * u;
    break;
  case latency_model::shape::lognormal:
    if (first > 0) {
      const double sigma = std::log(second / first) / z95;
      const double z = std::sqrt(-2 * std::log(1 - u)) * std::cos(2 * std::numbers::pi * v);
      drawn = first * std::exp(sigma * z);
    }
    break;
  case latency_model::shape::exponential:
    drawn = -first * std::log(1 - u);
    break;
  }
  constexpr double day_us = 86'400e6;
  return microseconds(std::llround(std::min(drawn, day_us)));
}

std::vector<simulated_model> built_in_models() {
  std::vector<simulated_model> models(4);
  models[0] = {.name = "sim-strong", .accuracy = 0.92};
  models[1] = {.name = "sim-weak", .accuracy = 0.55};
  models[2] = {.name = "sim-flaky",
               .accuracy = 0.8,
               .refusal_rate = 0.03,
               .format_error_rate = 0.05,
               .transient_error_rate = 0.05};
  models[3] = {.name = "sim-fast", .accuracy = 0.75, .latency_factor = 0.5};
  return models;
}

result<std::vector<simulated_model>> parse_models(std::string_view text) {
  json list;
  if (auto mistake = read_list(text, "models", list))
    return *mistake;
  std::vector<simulated_model> models;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto where = "models[" + std::to_string(i) + "]";
    object_reader in(list[i], where);
    simulated_model model;
    in.text("name", model.name);
    in.number_in("accuracy", 0, 1, model.accuracy);
    in.number_in("latency_factor", 0, 1000, model.latency_factor);
    in.number_in("tokens_per_second", 0, 1e6, model.tokens_per_second);
    in.number_in("refusal_rate", 0, 1, model.refusal_rate);
    in.number_in("format_error_rate", 0, 1, model.format_error_rate);
    in.number_in("transient_error_rate", 0, 1, model.transient_error_rate);
    in.count("context_window", 0, 100'000'000, model.context_window);
    if (auto mistake = in.finish())
      return *mistake;
    if (auto mistake = check_rates(model, where))
      return *mistake;
    models.push_back(std::move(model));
  }
  return models;
}

std::optional<fault> validate(const options& value) {
  if (value.threads == 0 || value.threads > 256)
    return bad("threads", "must be 1..256");
  if (value.max_body == 0)
    return bad("max_body", "must be at least 1 byte");
  if (auto mistake = validate(value.limits, "limits"))
    return mistake;
  for (size_t i = 0; i < value.limit_rules.size(); ++i)
    if (auto mistake = validate(value.limit_rules[i].limits, "limit_rules[" + std::to_string(i) + "]"))
      return mistake;
  if (!(value.tokens_per_second >= 0))
    return bad("tokens_per_second", "must not be negative");
  if (value.stream_gap < microseconds(0) || value.stream_gap > seconds(3600))
    return bad("stream_gap", "must be 0..1 hour");
  if (value.batch_time < milliseconds(0) || value.batch_window <= milliseconds(0))
    return bad("batch_time", "must not be negative, and batch_window must be positive");
  if (value.idle_timeout <= milliseconds(0))
    return bad("idle_timeout", "must be positive");
  if (value.unknown_model_accuracy
      && !(*value.unknown_model_accuracy >= 0 && *value.unknown_model_accuracy <= 1))
    return bad("unknown_model_accuracy", "must lie in 0..1");
  for (size_t i = 0; i < value.models.size(); ++i)
    if (auto mistake = check_rates(value.models[i], "models[" + std::to_string(i) + "]"))
      return mistake;
  return {};
}

} // namespace assay::mock
