#include "mock/options.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numbers>

namespace assay::mock {

namespace {

using nlohmann::json;

constexpr std::array<std::pair<fault_kind, std::string_view>, 19> kind_names{{
    {fault_kind::none, "none"},
    {fault_kind::status, "status"},
    {fault_kind::rate_limit, "rate_limit"},
    {fault_kind::insufficient_quota, "insufficient_quota"},
    {fault_kind::hang_before_header, "hang_before_header"},
    {fault_kind::hang_mid_body, "hang_mid_body"},
    {fault_kind::reset, "reset"},
    {fault_kind::close, "close"},
    {fault_kind::truncated_body, "truncated_body"},
    {fault_kind::wrong_content_length, "wrong_content_length"},
    {fault_kind::garbage, "garbage"},
    {fault_kind::huge_body, "huge_body"},
    {fault_kind::slow_drip, "slow_drip"},
    {fault_kind::invalid_utf8, "invalid_utf8"},
    {fault_kind::duplicate_headers, "duplicate_headers"},
    {fault_kind::empty_body, "empty_body"},
    {fault_kind::html_body, "html_body"},
    {fault_kind::stream_without_done, "stream_without_done"},
    {fault_kind::stream_error, "stream_error"},
}};

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

/// Collects the first mistake found while reading one JSON object.
class object_reader {
public:
  object_reader(const json& in, std::string where) : in_(in), where_(std::move(where)) {
    if (!in_.is_object())
      fail("", "must be an object");
  }

  void number_in(const char* name, double low, double high, double& out) {
    if (const auto* value = take(name)) {
      if (!value->is_number() || value->get<double>() < low || value->get<double>() > high)
        fail(name, "must be a number from " + json(low).dump() + " to " + json(high).dump());
      else
        out = value->get<double>();
    }
  }

  template <class Integer>
  void count(const char* name, uint64_t low, uint64_t high, Integer& out) {
    if (const auto* value = take(name)) {
      if (!value->is_number_unsigned() || value->get<uint64_t>() < low || value->get<uint64_t>() > high)
        fail(name, "must be an integer from " + std::to_string(low) + " to " + std::to_string(high));
      else
        out = static_cast<Integer>(value->get<uint64_t>());
    }
  }

  bool text(const char* name, std::string& out) {
    const auto* value = take(name);
    if (value == nullptr)
      return false;
    if (!value->is_string())
      fail(name, "must be a text");
    else
      out = value->get<std::string>();
    return true;
  }

  bool has(const char* name) const { return in_.is_object() && in_.contains(name); }

  void fail(const std::string& name, std::string message) {
    if (!fault_)
      fault_ = bad(name.empty() ? where_ : where_ + "." + name, std::move(message));
  }

  /// Refuses members that nobody asked for. @returns the first mistake.
  std::optional<fault> finish() {
    if (!fault_ && in_.size() != taken_.size())
      for (const auto& [name, value] : in_.items())
        if (std::find(taken_.begin(), taken_.end(), name) == taken_.end())
          fail(name, "is not a known member");
    return fault_;
  }

private:
  const json* take(const char* name) {
    if (!has(name))
      return nullptr;
    taken_.emplace_back(name);
    return &in_.at(name);
  }

  const json& in_;
  std::string where_;
  std::vector<std::string> taken_;
  std::optional<fault> fault_;
};

/// An out parameter, since a result<json> could not tell a value from an error: json converts from both.
std::optional<fault> parse_list(std::string_view text, const char* member, json& document) {
  document = json::parse(text, nullptr, false);
  if (document.is_discarded())
    return fault{errc::malformed_input, "the text is not JSON", member, {}};
  if (document.is_object() && document.size() == 1 && document.contains(member)) {
    auto inner = std::move(document[member]);
    document = std::move(inner);
  }
  if (!document.is_array())
    return bad(member, "must be a list", std::string("send [...] or {\"") + member + "\": [...]}");
  if (document.size() > 1000)
    return fault{errc::too_large, "more than 1000 entries", member, {}};
  return {};
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

std::string_view to_string(fault_kind kind) noexcept {
  for (const auto& [value, name] : kind_names)
    if (value == kind)
      return name;
  return "none";
}

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
  if (auto mistake = parse_list(text, "models", list))
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

result<std::vector<fault_rule>> parse_fault_rules(std::string_view text) {
  json list;
  if (auto mistake = parse_list(text, "faults", list))
    return *mistake;
  std::vector<fault_rule> rules;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto where = "faults[" + std::to_string(i) + "]";
    object_reader in(list[i], where);
    fault_rule rule;
    std::string kind;
    if (!in.text("kind", kind))
      in.fail("kind", "is required");
    const auto* found = std::find_if(kind_names.begin() + 1, kind_names.end(),
                                     [&](const auto& x) { return x.second == kind; });
    if (found == kind_names.end())
      in.fail("kind", "\"" + kind + "\" is not a kind of fault");
    else
      rule.kind = found->first;
    if (rule.kind == fault_kind::html_body)
      rule.status = 502;
    in.count("status", 200, 599, rule.status);
    in.number_in("probability", 0, 1, rule.probability);
    in.count("every", 0, UINT64_MAX, rule.every);
    in.count("skip", 0, UINT64_MAX, rule.skip);
    in.count("times", 0, UINT64_MAX, rule.times);
    in.count("bytes", 0, 10'000'000'000, rule.bytes);
    in.text("path", rule.path);
    in.text("model", rule.model);
    if (in.has("ms")) {
      uint64_t ms = 0;
      in.count("ms", 0, 86'400'000, ms);
      rule.ms = milliseconds(ms);
    }
    if (auto mistake = in.finish())
      return *mistake;
    rules.push_back(std::move(rule));
  }
  return rules;
}

std::optional<fault> validate(const options& value) {
  if (value.threads == 0 || value.threads > 256)
    return bad("threads", "must be 1..256");
  if (value.max_body == 0)
    return bad("max_body", "must be at least 1 byte");
  if (value.limits.burst < seconds(1) || value.limits.burst > seconds(60))
    return bad("limits.burst", "must be 1..60 seconds");
  if (value.limits.requests_per_minute > 100'000'000 || value.limits.tokens_per_minute > 100'000'000)
    return bad("limits", "must not exceed 100000000 a minute");
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
