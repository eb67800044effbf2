#include "core/values/model.hpp"

#include "core/values/json_fields.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>

namespace assay {

namespace {

constexpr double tokens_per_mtok = 1e6;
/// Of a price per token in units that no list price is finer than; sums in whole units stay clean decimals.
constexpr double units_per_dollar = 1e12;
constexpr double units_per_dollar_per_mtok = units_per_dollar / tokens_per_mtok;
constexpr double nanodollars_per_dollar = 1e9;

/// One catalogue word and what the API calls it.
struct capability_words {
  std::string_view word;
  std::array<std::string_view, 3> documented; ///< Empty texts are unused places.
};

constexpr std::array<capability_words, 13> capability_table{{
    {"chat", {"text_generation", "code_completion", "text"}},
    {"code", {"code", "code_completion", ""}},
    {"vision", {"vision", "", ""}},
    {"tools", {"function_calling", "", ""}},
    {"reasoning", {"thinking", "", ""}},
    {"embedding", {"embeddings", "", ""}},
    // How an answer can be asked for, not what a model can do: the API has no words for these.
    {"streaming", {"", "", ""}},
    {"batch", {"", "", ""}},
    {"logprobs", {"", "", ""}},
    {"json_schema", {"", "", ""}},
    {"json_object", {"", "", ""}},
    {"fine_tune", {"", "", ""}},
    {"audio", {"audio", "", ""}},
}};

/// In the order of their numbers.
constexpr std::array<std::string_view, 10> dialect_names{"compatible", "openai",       "azure", "deepseek",
                                                         "dashscope",  "openrouter",   "vllm",  "ollama",
                                                         "llama_cpp",  "llama_factory"};

void add_once(std::vector<std::string>& words, std::string_view word) {
  if (!word.empty() && std::ranges::find(words, word) == words.end())
    words.emplace_back(word);
}

} // namespace

std::string_view to_string(wire_protocol value) noexcept {
  switch (value) {
  case wire_protocol::openai_chat:
    return "openai_chat";
  case wire_protocol::anthropic:
    return "anthropic";
  case wire_protocol::gemini:
    return "gemini";
  case wire_protocol::azure_openai:
    return "azure_openai";
  }
  return "unknown";
}

std::optional<wire_protocol> wire_protocol_from_string(std::string_view name) noexcept {
  for (const auto value : {wire_protocol::openai_chat, wire_protocol::anthropic, wire_protocol::gemini,
                           wire_protocol::azure_openai})
    if (to_string(value) == name)
      return value;
  return std::nullopt;
}

uint32_t tighter(uint32_t a, uint32_t b) noexcept {
  if (a == 0 || b == 0)
    return std::max(a, b);
  return std::min(a, b);
}

rate_limits tighter(const rate_limits& a, const rate_limits& b) noexcept {
  return {tighter(a.requests_per_minute, b.requests_per_minute),
          tighter(a.tokens_per_minute, b.tokens_per_minute),
          tighter(a.requests_per_second, b.requests_per_second),
          tighter(a.concurrent_requests, b.concurrent_requests)};
}

std::string_view to_string(in_flight_rule rule) noexcept {
  return rule == in_flight_rule::fixed ? "fixed" : "adaptive";
}

std::optional<in_flight_rule> in_flight_rule_from_string(std::string_view name) noexcept {
  for (const auto rule : {in_flight_rule::adaptive, in_flight_rule::fixed})
    if (to_string(rule) == name)
      return rule;
  return std::nullopt;
}

std::string_view to_string(api_dialect value) noexcept {
  const auto at = static_cast<size_t>(value);
  return at < dialect_names.size() ? dialect_names[at] : "unknown";
}

std::optional<api_dialect> api_dialect_from_string(std::string_view name) noexcept {
  const auto* found = std::ranges::find(dialect_names, name);
  if (found == dialect_names.end())
    return std::nullopt;
  return static_cast<api_dialect>(found - dialect_names.begin());
}

std::vector<std::string> api_dialect_names() { return {dialect_names.begin(), dialect_names.end()}; }

sampling overlay(sampling base, const sampling& over) {
  const auto replace = [](auto& target, const auto& source) {
    if (source)
      target = source;
  };
  replace(base.temperature, over.temperature);
  replace(base.top_p, over.top_p);
  replace(base.frequency_penalty, over.frequency_penalty);
  replace(base.presence_penalty, over.presence_penalty);
  replace(base.max_tokens, over.max_tokens);
  replace(base.seed, over.seed);
  if (!over.stop.empty())
    base.stop = over.stop;
  return base;
}

std::optional<money> price_of(const token_usage& usage, const std::optional<token_prices>& prices) noexcept {
  if (!prices)
    return std::nullopt;
  const uint32_t cached = std::min(usage.cached_tokens, usage.prompt_tokens);
  const uint32_t fresh = usage.prompt_tokens - cached;
  const double cached_price = prices->cached_input_per_mtok.value_or(prices->input_per_mtok);
  const double dollars_times_mtok = fresh * prices->input_per_mtok + cached * cached_price
                                    + usage.completion_tokens * prices->output_per_mtok;
  if (!std::isfinite(dollars_times_mtok))
    return std::nullopt;
  // One rounding for the sum: nanodollars per dollar over tokens per million is a whole factor.
  return money{std::llround(dollars_times_mtok * (nanodollars_per_dollar / tokens_per_mtok))};
}

std::vector<std::string> documented_capabilities(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (const auto& word : words) {
    const auto* entry = std::ranges::find(capability_table, std::string_view{word}, &capability_words::word);
    if (entry == capability_table.end()) {
      add_once(out, word);
      continue;
    }
    for (const auto documented : entry->documented)
      add_once(out, documented);
  }
  return out;
}

void to_json(nlohmann::json& out, const model_profile& model) {
  nlohmann::json limits{{"requests_per_minute", model.limits.requests_per_minute},
                        {"tokens_per_minute", model.limits.tokens_per_minute}};
  // An unknown limit is not a limit of zero.
  for (auto& limit : limits)
    if (limit == 0U)
      limit = nullptr;
  if (model.limits.requests_per_second != 0)
    limits["requests_per_second"] = model.limits.requests_per_second;
  if (model.limits.concurrent_requests != 0)
    limits["concurrent_requests"] = model.limits.concurrent_requests;
  const auto number_or_null = [](uint32_t number) {
    return number == 0 ? nlohmann::json(nullptr) : nlohmann::json(number);
  };
  out = nlohmann::json{
      {"model_id", model.id.value},
      {"name", model.name},
      {"provider", model.provider.value},
      {"version", model.version},
      {"capabilities", documented_capabilities(model.capabilities)},
      {"supported_tasks", model.supported_tasks},
      {"rate_limits", std::move(limits)},
      {"cost_per_token", nullptr},
      {"prices", nullptr},
      {"context_window", number_or_null(model.context_window)},
      {"max_output_tokens", number_or_null(model.max_output_tokens)},
      {"simulated", model.simulated},
      {"deprecated", model.deprecated},
  };
  if (model.prices) {
    out["cost_per_token"] =
        std::round(model.prices->input_per_mtok * units_per_dollar_per_mtok) / units_per_dollar;
    out["prices"] = *model.prices;
  }
}

void to_json(nlohmann::json& out, const sampling& value) {
  out = nlohmann::json::object();
  json_fields::write(out, "temperature", value.temperature);
  json_fields::write(out, "top_p", value.top_p);
  json_fields::write(out, "frequency_penalty", value.frequency_penalty);
  json_fields::write(out, "presence_penalty", value.presence_penalty);
  json_fields::write(out, "max_tokens", value.max_tokens);
  json_fields::write(out, "seed", value.seed);
  if (!value.stop.empty())
    out["stop"] = value.stop;
}

void from_json(const nlohmann::json& in, sampling& out) {
  out = sampling{};
  json_fields::read(in, "temperature", out.temperature);
  json_fields::read(in, "top_p", out.top_p);
  json_fields::read(in, "frequency_penalty", out.frequency_penalty);
  json_fields::read(in, "presence_penalty", out.presence_penalty);
  json_fields::read(in, "max_tokens", out.max_tokens);
  json_fields::read(in, "seed", out.seed);
  json_fields::read(in, "stop", out.stop);
}

void to_json(nlohmann::json& out, const token_usage& value) {
  out = nlohmann::json{
      {"prompt_tokens", value.prompt_tokens},
      {"completion_tokens", value.completion_tokens},
      {"total_tokens", uint64_t{value.prompt_tokens} + value.completion_tokens},
      {"cached_tokens", value.cached_tokens},
      {"reasoning_tokens", value.reasoning_tokens},
  };
}

} // namespace assay
