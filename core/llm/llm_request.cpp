#include "core/llm/llm_request.hpp"

#include "core/llm/chat_parts.hpp"
#include "core/llm/prompt_template.hpp"

#include <nlohmann/json.hpp>

#include <cmath>

namespace assay::llm {

namespace {

using nlohmann::json;

constexpr const char* usual_model = "gpt-3.5-turbo";
constexpr uint32_t usual_max_tokens = 256;
constexpr double usual_temperature = 0.7;
constexpr uint32_t most_tokens = 100'000'000;
constexpr size_t most_stops = 16;
constexpr size_t most_images = 64;
/// The body's own limit is reached before.
constexpr size_t most_items = 1'000'000;
constexpr size_t longest_system_prompt = 256 * 1024;
constexpr size_t most_inputs = 2048;
constexpr double longest_timeout = 3600;

/// @returns the request with `llm_params` one level up, where it does not contradict.
json flattened(const json& body) {
  if (!body.is_object() || !body.contains("llm_params") || !body["llm_params"].is_object())
    return body;
  auto out = body["llm_params"];
  for (const auto& [name, value] : body.items())
    if (name != "llm_params")
      out[name] = value;
  return out;
}

/// Members of the envelope, which say nothing about the question.
void skip_envelope(json_object& in) {
  for (const auto* name : {"request_id", "timestamp", "client_version"})
    in.find(name);
}

/// The same thing under two names.
void either_text(json_object& in, const char* first, const char* second, std::string& out) {
  std::string other;
  in.text(first, out);
  in.text(second, other);
  if (!out.empty() && !other.empty() && out != other)
    in.refuse(second, std::string("says something else than ") + first, "give one of them");
  if (out.empty())
    out = std::move(other);
}

void read_model(json_object& in, std::string& model, std::string& provider) {
  in.text("model", model);
  in.text("provider", provider);
  if (model.empty())
    model = usual_model;
}

std::string full_name(const std::string& model, const std::string& provider) {
  if (provider.empty() || model.starts_with(provider + "/"))
    return model;
  return provider + "/" + model;
}

void add_text(std::vector<chat_message>& out, chat_role role, const std::string& text) {
  if (!text.empty())
    out.push_back({role, shared_text(text), nullptr});
}

void read_images(json_object& in, chat_message& message) {
  std::vector<std::string> images;
  in.texts("images", images, most_images);
  if (images.empty())
    return;
  auto extras = message.extras ? *message.extras : message_extras{};
  for (size_t i = 0; i < images.size(); ++i)
    extras.images.push_back(
        read_image(images[i], in.path_of("images") + "[" + std::to_string(i) + "]", true, in.wrong()));
  message.extras = std::make_shared<const message_extras>(std::move(extras));
}

void read_conversation(json_object& in, chat_question& out) {
  std::string system;
  either_text(in, "system_message", "system_prompt", system);
  add_text(out.messages, chat_role::system, system);
  const auto* messages = in.find("messages");
  std::string prompt;
  in.text("prompt", prompt);
  if (messages != nullptr) {
    auto more = read_messages(*messages, in.path_of("messages"), in.wrong());
    out.messages.insert(out.messages.end(), more.begin(), more.end());
  } else if (prompt.empty()) {
    in.refuse("prompt", "is missing", "give a prompt or messages");
  }
  add_text(out.messages, chat_role::user, prompt);
  if (!out.messages.empty())
    read_images(in, out.messages.back());
}

/// What every question has.
void read_plain_generation(json_object& in, llm_question& out) {
  auto& parameters = out.chat.parameters;
  parameters.temperature = usual_temperature;
  parameters.max_tokens = usual_max_tokens;
  read_sampling(in, parameters);
  in.count("max_tokens", parameters.max_tokens, 1, most_tokens);
  in.texts("stop", parameters.stop, most_stops);
  in.texts("stop_sequences", parameters.stop, most_stops);
  in.flag("stream", out.chat.stream);
  std::optional<double> timeout;
  in.number("timeout", timeout, 0.1, longest_timeout);
  if (timeout)
    out.timeout = milliseconds{std::llround(*timeout * 1000)};
  std::string cache;
  in.text("cache", cache);
  if (const auto use = cache_use_from_string(cache))
    out.cache = *use;
  else if (!cache.empty())
    in.refuse("cache", "must be off, use, rewrite or remove");
}

void read_options(json_object& in, llm_question& out) {
  answer_options options;
  in.count("top_k", options.top_k, 1, 1'000'000);
  read_answer_form(in, options);
  read_tools(in, options);
  in.text("reasoning_effort", options.reasoning_effort);
  if (const auto* safety = in.find("safety_settings"))
    options.safety_settings_json = safety->dump(-1, ' ', false, json::error_handler_t::replace);
  in.flag("raw_response", options.raw_response);
  if (options.raw_response && out.chat.stream)
    in.refuse("raw_response", "a stream has no body to show", "leave one of both out", errc::unsupported);
  out.chat.options = share(std::move(options));
}

/// What the calls of a run cannot carry.
void refuse_options(json_object& in) {
  for (const auto* name : {"images", "messages", "prompt", "tools", "tool_choice", "parallel_tool_calls",
                           "response_format", "top_k", "reasoning_effort", "safety_settings", "raw_response"})
    if (in.find(name) != nullptr)
      in.refuse(name, "cannot be given for a batch", "ask such questions with /llm_api/invoke",
                errc::unsupported);
  for (const auto* name : {"pre_process", "post_process"})
    if (in.find(name) != nullptr)
      in.refuse(name, "functions are not run for a batch", "prepare the items, and work on the results",
                errc::unsupported);
}

/// How the batch is run.
void read_ways(json_object& in, llm_batch& out) {
  std::optional<uint32_t> count;
  in.count("max_concurrent_requests", count, 1, 256);
  out.max_concurrent_requests = count.value_or(out.max_concurrent_requests);
  in.count("batch_size", out.batch_size, 1, most_tokens);
  std::string mode;
  in.text("mode", mode);
  if (const auto wish = execution_wish_from_string(mode))
    out.mode = *wish;
  else if (!mode.empty())
    in.refuse("mode", "must be online, batch or auto");
  in.flag("wait", out.wait);
  in.text("output_dir", out.output_dir);
  std::optional<double> dollars;
  in.number("max_cost", dollars, 0, 1e9);
  if (dollars)
    out.max_cost = from_dollars(*dollars);
}

} // namespace

result<llm_question> read_llm_request(const json& body) {
  const auto flat = flattened(body);
  std::optional<fault> wrong;
  json_object in(flat, {}, wrong);
  skip_envelope(in);
  llm_question out;
  read_model(in, out.chat.model, out.provider);
  read_conversation(in, out.chat);
  read_plain_generation(in, out);
  read_options(in, out);
  if (const auto rest = in.rest(); !rest.empty())
    in.refuse(json::parse(rest).begin().key(), "unknown field", "GET /docs lists what there is");
  if (wrong)
    return *wrong;
  out.chat.model = full_name(out.chat.model, out.provider);
  return out;
}

result<llm_batch> read_llm_batch(const json& body) {
  const auto flat = flattened(body);
  std::optional<fault> wrong;
  json_object in(flat, {}, wrong);
  skip_envelope(in);
  llm_batch out;
  read_model(in, out.common.chat.model, out.common.provider);
  either_text(in, "system_prompt", "system_message", out.system_prompt);
  if (out.system_prompt.size() > longest_system_prompt)
    in.refuse("system_prompt", "is longer than " + std::to_string(longest_system_prompt) + " bytes", {},
              errc::too_large);
  read_plain_generation(in, out.common);
  if (out.common.chat.stream)
    in.refuse("stream", "a batch answers when all of it is done", "leave it out");
  refuse_options(in);
  in.needed_text("prompt_template", out.prompt_template);
  if (const auto good = check_prompt(out.prompt_template); !good)
    in.refuse("prompt_template", good.error().message, good.error().hint);
  const auto* items = in.find("items");
  if (items == nullptr || !items->is_array() || items->empty() || items->size() > most_items)
    in.refuse("items", "must be a list with 1 to " + std::to_string(most_items) + " entries");
  else
    out.items = std::make_unique<const json>(*items);
  read_ways(in, out);
  if (const auto rest = in.rest(); !rest.empty())
    in.refuse(json::parse(rest).begin().key(), "unknown field", "GET /docs lists what there is");
  if (wrong)
    return *wrong;
  out.common.chat.model = full_name(out.common.chat.model, out.common.provider);
  return out;
}

result<embedding_question> read_llm_embeddings(const json& body) {
  std::optional<fault> wrong;
  json_object in(body, {}, wrong);
  skip_envelope(in);
  embedding_question out;
  std::string provider;
  in.needed_text("model", out.model);
  in.text("provider", provider);
  const char* given = nullptr;
  for (const auto* name : {"texts", "text", "input"}) {
    if (const auto found = body.is_object() ? body.find(name) : body.end();
        found == body.end() || found->is_null())
      continue;
    if (given != nullptr)
      in.refuse(name, "and " + std::string(given) + " say the same thing twice", "give one of them");
    given = name;
    in.texts(name, out.texts, most_inputs);
  }
  if (out.texts.empty())
    in.refuse("texts", "is missing", "give a list of texts");
  in.count("dimensions", out.dimensions, 1, 65'536);
  if (wrong)
    return *wrong;
  out.model = full_name(out.model, provider);
  return out;
}

result<chat_question> read_llm_count(const json& body) {
  std::optional<fault> wrong;
  json_object in(body, {}, wrong);
  skip_envelope(in);
  chat_question out;
  std::string provider;
  read_model(in, out.model, provider);
  std::string text;
  either_text(in, "text", "prompt", text);
  if (const auto* messages = in.find("messages"))
    out.messages = read_messages(*messages, "messages", wrong);
  else if (text.empty())
    in.refuse("text", "is missing", "give a text or messages");
  add_text(out.messages, chat_role::user, text);
  if (wrong)
    return *wrong;
  out.model = full_name(out.model, provider);
  return out;
}

} // namespace assay::llm
