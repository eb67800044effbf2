#pragma once

#include "core/values/ids.hpp"
#include "core/values/money.hpp"
#include "core/values/prices.hpp"
#include "core/values/route.hpp"
#include "core/values/secret.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// The wire protocol a provider speaks.
enum class wire_protocol : uint8_t {
  openai_chat = 1, ///< OpenAI's chat completions and everything compatible with it.
  anthropic = 2,
  gemini = 3,
  azure_openai = 4,
};

std::string_view to_string(wire_protocol value) noexcept;
std::optional<wire_protocol> wire_protocol_from_string(std::string_view name) noexcept;

/// How a server deviates from OpenAI's protocol, for those that speak it.
enum class api_dialect : uint8_t {
  compatible = 0, ///< Nothing is known: what all servers understand.
  openai = 1,
  azure = 2,
  deepseek = 3,
  dashscope = 4, ///< Alibaba's compatible mode for Qwen.
  openrouter = 5,
  vllm = 6,
  ollama = 7,
  llama_cpp = 8,
  llama_factory = 9, ///< The API of `llamafactory-cli api`.
};

std::string_view to_string(api_dialect value) noexcept;
std::optional<api_dialect> api_dialect_from_string(std::string_view name) noexcept;

/// @returns the names of all dialects, in the order of their numbers.
std::vector<std::string> api_dialect_names();

/// How an answer is drawn. Unset members are left to the provider.
struct sampling {
  std::optional<double> temperature;       ///< 0..2
  std::optional<double> top_p;             ///< 0..1
  std::optional<double> frequency_penalty; ///< -2..2
  std::optional<double> presence_penalty;  ///< -2..2
  std::optional<uint32_t> max_tokens;      ///< Of the answer.
  std::optional<int64_t> seed;
  std::vector<std::string> stop;

  bool operator==(const sampling&) const = default;
};

/// @returns @p base with every member that @p over sets replaced.
sampling overlay(sampling base, const sampling& over);

/// What a key may use. Zero means that no limit is known.
struct rate_limits {
  uint32_t requests_per_minute = 0;
  uint32_t tokens_per_minute = 0;
  uint32_t requests_per_second = 0;
  uint32_t concurrent_requests = 0;

  bool operator==(const rate_limits&) const = default;
};

/// @returns the smaller of two limits of which zero means none.
uint32_t tighter(uint32_t a, uint32_t b) noexcept;
rate_limits tighter(const rate_limits& a, const rate_limits& b) noexcept;

/// What decides how many calls of one key and model are in flight.
enum class in_flight_rule : uint8_t {
  adaptive = 1, ///< Found out: up while the provider keeps up, down when it answers 429. Never over the cap.
  fixed = 2,    ///< The cap itself.
};

std::string_view to_string(in_flight_rule rule) noexcept;
/// @returns nothing for any other word.
std::optional<in_flight_rule> in_flight_rule_from_string(std::string_view name) noexcept;

/// What an answer consumed, as the provider counted it.
struct token_usage {
  uint32_t prompt_tokens = 0;
  uint32_t completion_tokens = 0; ///< Reasoning included.
  uint32_t cached_tokens = 0;     ///< Part of prompt_tokens.
  uint32_t reasoning_tokens = 0;  ///< Part of completion_tokens.

  bool operator==(const token_usage&) const = default;
};

/// @returns the price of @p usage, or nothing when the model's prices are unknown.
std::optional<money> price_of(const token_usage& usage, const std::optional<token_prices>& prices) noexcept;

/// Everything the farm knows about one configured model. The key is kept by the provider's configuration.
struct model_profile {
  model_id id;
  std::string name;       ///< For people: `Claude 3 Haiku`.
  provider_id provider;   ///< One of the configured providers.
  std::string wire_model; ///< What the provider calls it: `claude-3-haiku-20240307`.
  std::string version;
  std::vector<std::string> capabilities;
  std::vector<std::string> supported_tasks; ///< Task groups; empty means all.
  sampling defaults;
  rate_limits limits;
  std::optional<in_flight_rule> in_flight; ///< Unset leaves it to the farm.
  std::optional<token_prices> prices;
  std::optional<money> max_cost_per_request;
  std::optional<money> daily_budget;
  std::optional<money> monthly_budget;
  std::optional<seconds> target_response_time;
  std::optional<double> target_success_rate;          ///< 0..1
  std::map<std::string, sampling> task_optimizations; ///< By task type.
  uint32_t context_window = 0;                        ///< Tokens; 0 when unknown.
  uint32_t max_output_tokens = 0;                     ///< 0 when unknown.
  call_route
      route; ///< Where its calls go, when it is a name for several models or has others to fall back on.
  /// Total deadline of one call that is not streamed.
  milliseconds call_timeout = std::chrono::seconds{600};
  bool simulated = false; ///< Answered by the mock provider.
  bool deprecated = false;
  std::optional<uint32_t>
      max_retries; ///< Of one call, after its first try; unset leaves it to the retry rules.
  /// Of the configuration in the store that it comes from; 0 for models from anywhere else.
  uint64_t configuration_version = 0;
};

/// One key of a provider's pool.
struct provider_key {
  std::string name; ///< For people and records, never the key itself: `key-1`.
  secret value;
  std::string fingerprint; ///< Tells this key from its successor of the same name; reveals nothing.
  uint32_t weight = 1;     ///< Share against the other keys.
  rate_limits limits;      ///< Of this key; zero members leave it to the provider's.
  /// Serves only calls of these prompt types; empty: of all.
  std::vector<std::string> prompt_types;
};

/// What a provider's batch API is to the farm.
struct batch_terms {
  bool available = false;    ///< It has one, and calls may go there.
  double price_factor = 0.5; ///< Of the prices of calls one by one.
  seconds window{24 * 3600}; ///< Answers come within this.

  bool operator==(const batch_terms&) const = default;
};

/// One provider as configured: where it is, how it is spoken to and with which key.
struct provider_profile {
  provider_id id;
  wire_protocol protocol = wire_protocol::openai_chat;
  std::string base_url; ///< `https://api.openai.com/v1`, without a final slash.
  secret key;           ///< Empty when none is configured.
  /// The pool of keys; empty means that `key` is the only one.
  std::vector<provider_key> keys;
  /// Most calls in flight of one model and one prompt type; 0 means no such limit.
  uint32_t workers_per_prompt_type = 0;
  bool key_required = true;
  rate_limits limits;           ///< Of the key, over all models.
  uint32_t max_connections = 0; ///< Sockets; 0 means as many as calls in flight.
  bool quota_429_is_throttle =
      false; ///< `insufficient_quota` with status 429 means "slower", as DashScope means it.
  api_dialect dialect = api_dialect::compatible;
  batch_terms batches;
  std::string api_version; ///< Azure's: `2024-10-21`. Empty takes the codec's default.
};

/// @returns the words of the API (text_generation, code_completion, text, vision, function_calling, code,
/// thinking, embeddings) for a model's capabilities. The model catalogue's words (chat, tools, reasoning,
/// ...) are translated, unknown words are kept, and each word appears once.
std::vector<std::string> documented_capabilities(const std::vector<std::string>& words);

/// The API's form of a model, one place for the shape (GET /models). cost_per_token is the input price of one
/// token in dollars; unknown numbers are null. The from_json functions throw nlohmann::json::exception on
/// wrong types.
void to_json(nlohmann::json& out, const model_profile& model);
void to_json(nlohmann::json& out, const sampling& value);
void from_json(const nlohmann::json& in, sampling& out);
void to_json(nlohmann::json& out, const token_usage& value);

} // namespace assay
