#include "cli/key_probe.hpp"

#include "cli/api_client.hpp"
#include "cli/output.hpp"
#include "io/http_fetch.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr milliseconds patience{15'000};
constexpr size_t longest_answer = size_t{8} << 20;
constexpr size_t longest_words = 200;

std::string_view kind_of(const provider_profile& provider) {
  const std::string_view id = provider.id.value;
  return id.substr(0, id.find('@'));
}

/// Classic Azure has its deployments below a path of their own; the list of models stands above them.
std::string above_deployments(std::string_view base_path) {
  const auto end = base_path.find("/deployments/");
  return std::string(base_path.substr(0, end));
}

std::string without(std::string text, const std::string& word) {
  if (word.empty())
    return text;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 3))
    text.replace(at, word.size(), "***");
  return text;
}

/// The provider's error object, however it is wrapped; an empty one when there is none.
json error_of(std::string_view body) {
  const auto answer = json::parse(body, nullptr, false);
  const auto* at = &answer;
  if (at->is_array() && !at->empty())
    at = &at->front();
  if (!at->is_object())
    return json::object();
  const auto error = at->find("error");
  if (error == at->end())
    return *at;
  return error->is_object() ? *error : json{{"message", *error}};
}

std::string text_of(const json& error, const char* member) {
  const auto found = error.find(member);
  return found != error.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::string words_of(const json& error, const secret& key) {
  auto text = text_of(error, "message");
  if (text.empty())
    return {};
  return ": " + cut_to_width(on_one_line(without(std::move(text), key.reveal())), longest_words);
}

bool is_about_money(const json& error) {
  for (const auto* member : {"code", "type", "status"}) {
    const auto word = text_of(error, member);
    if (word == "insufficient_quota" || word == "billing_not_active" || word == "Arrearage"
        || word == "insufficient_balance")
      return true;
  }
  return false;
}

/// @returns how many models the answer lists; nothing when it is no list.
std::optional<size_t> models_in(std::string_view body) {
  const auto answer = json::parse(body, nullptr, false);
  if (!answer.is_object())
    return std::nullopt;
  for (const auto* member : {"data", "models"})
    if (const auto found = answer.find(member); found != answer.end() && found->is_array())
      return found->size();
  return std::nullopt;
}

} // namespace

std::string_view to_string(key_standing value) noexcept {
  switch (value) {
  case key_standing::good:
    return "good";
  case key_standing::refused:
    return "refused";
  case key_standing::unclear:
    return "unclear";
  }
  return "unclear";
}

key_probe probe_of(const provider_profile& provider, std::string_view base_path, const secret& key) {
  key_probe out{std::string(base_path), "/models", {{"Accept", "application/json"}}};
  const auto kind = kind_of(provider);
  const auto& text = key.reveal();
  if (provider.protocol == wire_protocol::azure_openai) {
    out.base_path = above_deployments(base_path);
    if (!out.base_path.ends_with("/v1"))
      out.target = "/models?api-version=2024-10-21";
    out.headers.emplace_back("api-key", text);
  } else if (provider.protocol == wire_protocol::gemini) {
    out.target = "/models?pageSize=1000";
    out.headers.emplace_back("x-goog-api-key", text);
  } else if (provider.protocol == wire_protocol::anthropic || kind == "anthropic") {
    out.target = "/models?limit=1000";
    out.headers.emplace_back("x-api-key", text);
    out.headers.emplace_back("anthropic-version", "2023-06-01");
  } else {
    // OpenRouter shows its models to everybody.
    if (kind == "openrouter")
      out.target = "/key";
    if (!text.empty())
      out.headers.emplace_back("Authorization", "Bearer " + text);
  }
  return out;
}

key_verdict judge_answer(int status, std::string_view body, const secret& key) {
  if (status >= 200 && status < 300) {
    const auto models = models_in(body);
    return {key_standing::good,
            models ? "accepted; it can see " + std::to_string(*models) + " models" : std::string("accepted")};
  }
  const auto error = error_of(body);
  const auto words = words_of(error, key);
  const auto with_status = [&](std::string text) {
    return std::move(text) + " (" + std::to_string(status) + ")" + words;
  };
  if (status == 402 || is_about_money(error))
    return {key_standing::refused, with_status("the key is known, but its account has no credit left")};
  // Google answers 400 to a key that does not exist.
  if (status == 401 || (status == 400 && words.find("API key not valid") != std::string::npos))
    return {key_standing::refused, with_status("the provider does not know this key")};
  if (status == 403)
    return {key_standing::refused, with_status("the key is known, but may not do this")};
  if (status == 429)
    return {key_standing::good, with_status("accepted, but at its rate limit now")};
  if (status == 404 || status == 405)
    return {key_standing::unclear, with_status("nothing to ask there; does the base URL end as it should?")};
  if (status >= 500)
    return {key_standing::unclear, with_status("the provider is in trouble; try again later")};
  return {key_standing::unclear, with_status("the answer says nothing about the key")};
}

key_verdict try_key(const config::settings& settings, const provider_profile& provider, const secret& key) {
  auto where = io::parse_base_url(provider.base_url);
  if (!where)
    return {key_standing::unclear, "the provider has no address: " + where.error().message};
  const auto probe = probe_of(provider, where->base_path, key);
  where->base_path = probe.base_path;
  io::fetch_request request;
  request.where = std::move(*where);
  request.target = probe.target;
  request.headers = probe.headers;
  request.timeout = patience;
  request.max_response_bytes = longest_answer;
  request.tls.extra_ca_file = settings.network.extra_ca_file;
  request.proxy = proxy_for(settings.network, request.where);
  const auto answer = io::fetch(request);
  if (!answer)
    return {key_standing::unclear, "no answer: " + without(answer.error().message, key.reveal())};
  return judge_answer(answer->status, answer->body, key);
}

} // namespace assay::cli
