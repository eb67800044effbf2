#include "core/codecs/openai_rules.hpp"

#include "core/codecs/openai_chat.hpp"

#include <array>

namespace assay::codecs {

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::string_view without_vendor(std::string_view wire_model) noexcept {
  const auto slash = wire_model.rfind('/');
  return slash == std::string_view::npos ? wire_model : wire_model.substr(slash + 1);
}

// What the vendors' specifications and sources say, except where a comment says otherwise.

constexpr openai_rules compatible{.name = "this server"};

constexpr openai_rules openai{.name = "OpenAI",
                              .length = length_form::completion,
                              .own_reasoning_models = true,
                              .top_k = false,
                              .base64_embeddings = true,
                              .most_inputs = 2048,
                              .most_stops = 4};

// Old versions of Azure's API do not know max_completion_tokens.
constexpr openai_rules azure{.name = "Azure OpenAI",
                             .own_reasoning_models = true,
                             .top_k = false,
                             .base64_embeddings = true,
                             .most_inputs = 2048,
                             .most_stops = 4};

constexpr openai_rules deepseek{.name = "DeepSeek",
                                .length = length_form::plain,
                                .effort = effort_form::thinking_object,
                                .has_reasoning_models = false,
                                .seed = false,
                                .top_k = false,
                                .parallel_tool_calls = false,
                                .images = false,
                                .choices = false,
                                .json_schema = false,
                                .embeddings = false,
                                .user_field = "user_id"};

constexpr openai_rules dashscope{.name = "DashScope",
                                 .length = length_form::plain,
                                 .effort = effort_form::thinking_flag,
                                 .has_reasoning_models = false,
                                 .qwen3_thinks_streamed = true,
                                 .insufficient_quota_is_throttle = true};

// Translates max_tokens for each of its upstreams.
constexpr openai_rules openrouter{
    .name = "OpenRouter", .length = length_form::plain, .effort = effort_form::reasoning_object};

constexpr openai_rules vllm{.name = "vLLM",
                            .length = length_form::plain,
                            .count = count_form::tokenize,
                            .has_reasoning_models = false,
                            .base64_embeddings = true};

constexpr openai_rules ollama{.name = "Ollama",
                              .length = length_form::plain,
                              .has_reasoning_models = false,
                              .top_k = false,
                              .user = false,
                              .tool_choice = false,
                              .parallel_tool_calls = false,
                              .image_urls = false,
                              .gif = false,
                              .choices = false};

constexpr openai_rules llama_cpp{.name = "llama.cpp",
                                 .length = length_form::plain,
                                 .count = count_form::input_tokens,
                                 .has_reasoning_models = false};

// Its presence_penalty becomes a repetition_penalty, for which 0 is ruinous.
constexpr openai_rules llama_factory{.name = "LLaMA-Factory's API",
                                     .length = length_form::plain,
                                     .effort = effort_form::unknown,
                                     .has_reasoning_models = false,
                                     .seed = false,
                                     .top_k = false,
                                     .frequency_penalty = false,
                                     .presence_penalty = false,
                                     .user = false,
                                     .tool_choice = false,
                                     .parallel_tool_calls = false,
                                     .names = false,
                                     .logprobs = false,
                                     .json_object = false,
                                     .json_schema = false,
                                     .embeddings = false,
                                     .streams_tools = false,
                                     .streams_choices = false,
                                     .stream_usage = false,
                                     .strict_turns = true};

/// In the order of api_dialect.
constexpr std::array<const openai_rules*, 10> table{&compatible, &openai,       &azure, &deepseek,
                                                    &dashscope,  &openrouter,   &vllm,  &ollama,
                                                    &llama_cpp,  &llama_factory};

} // namespace

const openai_rules& rules_of(api_dialect dialect) noexcept {
  const auto at = static_cast<size_t>(dialect);
  return *table[at < table.size() ? at : 0];
}

bool is_reasoning_model(std::string_view wire_model) noexcept {
  wire_model = without_vendor(wire_model);
  if (wire_model.size() >= 2 && wire_model[0] == 'o' && is_digit(wire_model[1]))
    return wire_model.size() == 2 || wire_model[2] == '-';
  if (!wire_model.starts_with("gpt-") || wire_model.size() < 5 || !is_digit(wire_model[4]))
    return false;
  unsigned generation = 0;
  size_t i = 4;
  for (; i < wire_model.size() && i < 7 && is_digit(wire_model[i]); ++i)
    generation = generation * 10 + static_cast<unsigned>(wire_model[i] - '0');
  if (i < wire_model.size() && wire_model[i] != '-' && wire_model[i] != '.')
    return false;
  return generation >= 5 && wire_model.find("-chat") == std::string_view::npos;
}

bool is_open_qwen3(std::string_view wire_model) noexcept {
  wire_model = without_vendor(wire_model);
  constexpr std::string_view family = "qwen3-";
  // The open ones carry their size: qwen3-0.6b, qwen3-235b-a22b. Later ones do one thing only and say which.
  return wire_model.starts_with(family) && wire_model.size() > family.size()
         && is_digit(wire_model[family.size()]) && wire_model.find("-instruct") == std::string_view::npos
         && wire_model.find("-thinking") == std::string_view::npos;
}

std::string_view cut_at_stop(std::string_view text, const std::vector<std::string>& stops) noexcept {
  size_t end = text.size();
  for (const auto& stop : stops)
    if (!stop.empty())
      end = std::min(end, text.find(stop));
  return text.substr(0, end);
}

} // namespace assay::codecs
