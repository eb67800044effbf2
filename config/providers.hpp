#pragma once

#include "core/values/errors.hpp"
#include "core/values/model.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::config {

/// What the farm knows about a provider without being told.
struct builtin_provider {
  std::string_view id;
  std::string_view base_url;     ///< Empty when only the user can know it.
  std::string_view key_variable; ///< Empty when it takes no key.
  std::string_view url_variable; ///< Empty when there is none.
  bool quota_429_is_throttle = false;
  api_dialect dialect = api_dialect::compatible;
  wire_protocol protocol = wire_protocol::openai_chat;
};

const std::vector<builtin_provider>& builtin_providers();

/// @returns the provider meant by a word of the documents (`anthropic_claude`, `claude-local`, `google`,
/// `qwen`, `openai-chat-completions`, ...), or an empty text. Case and the choice of - or _ do not matter.
std::string_view provider_of_word(std::string_view word);

/// @returns every word that provider_of_word knows.
std::vector<std::string> provider_words();

/// @returns the variable that holds a provider's key: `<PROVIDER>_API_KEY`, or the built-in's own.
std::string key_variable(std::string_view provider);

/// @returns the variable that holds more keys of a provider, separated by commas: `<PROVIDER>_API_KEYS`.
std::string keys_variable(std::string_view provider);

/// @returns whether this is one of the two providers whose servers are Azure's.
bool is_azure(std::string_view provider) noexcept;

/// A base URL taken apart.
struct endpoint_url {
  std::string base_url; ///< Without the route and without a final slash.
  std::string origin;   ///< `https://api.openai.com` or `http://127.0.0.1:8377`, lower case.
  std::string host_port;
  std::optional<wire_protocol>
      protocol; ///< When the path tells: /chat/completions, /messages, :generateContent.
};

/// @returns the dialect of the vendor whose host a base URL names, or nothing for any other host.
std::optional<api_dialect> dialect_of_host(std::string_view base_url);

/// @returns the dialect of the server at an address that a user gave to a provider.
/// @param usual the provider's at its own address.
api_dialect dialect_at(std::string_view base_url, api_dialect usual);

/// @returns the address at which the server of @p base_url speaks @p protocol. They differ at Google, whose
/// API that is compatible with OpenAI's lies at /openai below its own.
std::string address_for(std::string base_url, wire_protocol protocol);

/// Reads a base URL or the full URL of a chat route. @returns invalid_argument for anything but http and
/// https, and for URLs with credentials, query or fragment.
result<endpoint_url> parse_endpoint(std::string_view url);

/// Like parse_endpoint, and adds the customary path (/v1) where the user gave none to a provider whose
/// servers all have it: hosted, mock, azure_openai, user_azure. Some addresses tell the protocol without a
/// route: one of Azure is openai_chat when it ends with /v1 or is bare, azure_openai (the classic API)
/// otherwise; one of Gemini that ends with /openai, and those of vendors that speak OpenAI's protocol, are
/// openai_chat, unless their path names anthropic.
result<endpoint_url> parse_provider_url(std::string_view provider, std::string_view url);

} // namespace assay::config
