#include "config/providers.hpp"

#include "config/defaults.hpp"

#include <boost/url/parse.hpp>

#include <array>

namespace assay::config {

namespace {

struct word_entry {
  std::string_view word; ///< Lower case with _.
  std::string_view provider;
};

constexpr std::array<word_entry, 36> words{{
    {"openai", "openai"},
    {"openai_gpt", "openai"},
    {"openai_completions", "openai"},
    {"openai_chat_completions", "openai"},
    {"gpt", "openai"},
    {"anthropic", "anthropic"},
    {"anthropic_claude", "anthropic"},
    {"anthropic_completions", "anthropic"},
    {"anthropic_chat", "anthropic"},
    {"anthropic_chat_completions", "anthropic"},
    {"claude", "anthropic"},
    {"claude_local", "anthropic"},
    {"gemini", "gemini"},
    {"google", "gemini"},
    {"google_gemini", "gemini"},
    {"deepseek", "deepseek"},
    {"deepseek_chat_completions", "deepseek"},
    {"dashscope", "dashscope"},
    {"qwen", "dashscope"},
    {"alibaba_qwen", "dashscope"},
    {"openrouter", "openrouter"},
    {"azure", "azure_openai"},
    {"azure_openai", "azure_openai"},
    {"azure_openai_chat_completions", "azure_openai"},
    {"user_azure", "user_azure"},
    {"ideallab", "ideallab"},
    {"hosted", "hosted"},
    {"local", "hosted"},
    {"vllm", "hosted"},
    {"hosted_vllm", "hosted"},
    {"openai_compatible", "hosted"},
    {"local_completions", "hosted"},
    {"local_chat_completions", "hosted"},
    {"mock", "mock"},
    {"simulated", "mock"},
    {"sim", "mock"},
}};

std::string canonical(std::string_view word) {
  std::string out(word);
  for (auto& c : out)
    c = c == '-' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

/// Takes a known route off the end of a path.
std::optional<wire_protocol> take_route(std::string& path) {
  struct route {
    std::string_view ending;
    wire_protocol protocol;
  };
  static constexpr std::array<route, 3> routes{{{"/chat/completions", wire_protocol::openai_chat},
                                                {"/completions", wire_protocol::openai_chat},
                                                {"/messages", wire_protocol::anthropic}}};
  for (const auto& known : routes)
    if (path.ends_with(known.ending)) {
      path.resize(path.size() - known.ending.size());
      return known.protocol;
    }
  for (const std::string_view verb : {":generateContent", ":streamGenerateContent"})
    if (path.ends_with(verb)) {
      path.resize(path.rfind("/models/") == std::string::npos ? 0 : path.rfind("/models/"));
      return wire_protocol::gemini;
    }
  return std::nullopt;
}

constexpr std::string_view google_host = "generativelanguage.googleapis.com";
constexpr std::string_view google_compatible_path = "/openai";

fault bad_url(std::string_view url, std::string reason) {
  // The URL may hold credentials, so it is not repeated when it does.
  const bool safe = url.find('@') == std::string_view::npos && url.find('?') == std::string_view::npos;
  return {errc::invalid_argument, std::move(reason) + (safe ? ": `" + std::string(url) + "`" : ""), "",
          "write it as https://host[:port]/path"};
}

} // namespace

const std::vector<builtin_provider>& builtin_providers() {
  static const std::vector<builtin_provider> table{
      {"openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "OPENAI_BASE_URL", false,
       api_dialect::openai},
      {"anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", "", false, api_dialect::compatible,
       wire_protocol::anthropic},
      {"gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY", "", false,
       api_dialect::compatible, wire_protocol::gemini},
      {"deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY", "", false, api_dialect::deepseek},
      {"dashscope", "https://dashscope.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", "", true,
       api_dialect::dashscope},
      {"openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "", false,
       api_dialect::openrouter},
      {"azure_openai", "", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", false, api_dialect::azure,
       wire_protocol::azure_openai},
      {"user_azure", "", "USER_AZURE_API_KEY", "USER_AZURE_ENDPOINT", false, api_dialect::azure,
       wire_protocol::azure_openai},
      {"ideallab", "", "IDEALLAB_API_KEY", "IDEALLAB_BASE_URL"},
      {"hosted", "", "HOSTED_VLLM_API_KEY", "HOSTED_LLM_API_URL"},
      {"mock", defaults::mock_url, "", "ASSAY_MOCK_URL"},
  };
  return table;
}

bool is_azure(std::string_view provider) noexcept {
  return provider == "azure_openai" || provider == "user_azure";
}

std::string_view provider_of_word(std::string_view word) {
  const auto wanted = canonical(word);
  for (const auto& entry : words)
    if (entry.word == wanted)
      return entry.provider;
  return {};
}

std::vector<std::string> provider_words() {
  std::vector<std::string> all;
  all.reserve(words.size());
  for (const auto& entry : words)
    all.emplace_back(entry.word);
  return all;
}

std::string key_variable(std::string_view provider) {
  for (const auto& builtin : builtin_providers())
    if (builtin.id == provider)
      return std::string(builtin.key_variable);
  std::string name;
  for (const char c : provider)
    name += c >= 'a' && c <= 'z'                               ? static_cast<char>(c - 'a' + 'A')
            : (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c
                                                               : '_';
  return name + "_API_KEY";
}

std::string keys_variable(std::string_view provider) {
  const auto one = key_variable(provider);
  return one.empty() ? one : one + "S";
}

result<endpoint_url> parse_endpoint(std::string_view url) {
  const auto parsed = boost::urls::parse_uri({url.data(), url.size()});
  if (!parsed)
    return bad_url(url, "not a URL");
  const std::string scheme = canonical(std::string_view(parsed->scheme().data(), parsed->scheme().size()));
  if (scheme != "http" && scheme != "https")
    return bad_url(url, "a provider's URL must start with http:// or https://");
  if (parsed->has_userinfo() || parsed->has_query() || parsed->has_fragment())
    return bad_url(url, "a provider's URL must have no credentials, query or fragment");
  const auto host = parsed->encoded_host();
  if (host.empty())
    return bad_url(url, "the URL names no host");
  if (host.find('%') != std::string_view::npos)
    return bad_url(url, "the URL's host has characters that no host name has");
  if (parsed->has_port() && parsed->port().empty())
    return bad_url(url, "the URL has a `:` behind its host and no port");
  if (parsed->has_port() && parsed->port_number() == 0)
    return bad_url(url, "the URL's port is not between 1 and 65535");
  // Boost.URL takes "host:80:90" so.
  if (!parsed->encoded_path().empty() && !parsed->encoded_path().starts_with('/'))
    return bad_url(url, "the URL's port is not a number");
  endpoint_url out;
  out.host_port = canonical(std::string(host.data(), host.size()));
  // canonical() is made for words; host names keep their hyphens.
  for (size_t i = 0; i < host.size(); ++i)
    if (host[i] == '-')
      out.host_port[i] = '-';
  if (parsed->has_port())
    out.host_port += ":" + std::string(parsed->port().data(), parsed->port().size());
  out.origin = scheme + "://" + out.host_port;
  std::string path(parsed->encoded_path().data(), parsed->encoded_path().size());
  while (path.ends_with('/'))
    path.pop_back();
  out.protocol = take_route(path);
  out.base_url = out.origin + path;
  return out;
}

api_dialect dialect_at(std::string_view base_url, api_dialect usual) {
  if (const auto known = dialect_of_host(base_url))
    return *known;
  // OpenAI's name stands for its protocol, so any server may be behind it; the others' names mean themselves.
  return usual == api_dialect::openai ? api_dialect::compatible : usual;
}

std::optional<api_dialect> dialect_of_host(std::string_view base_url) {
  const auto parsed = parse_endpoint(base_url);
  if (!parsed)
    return std::nullopt;
  const auto host = std::string_view(parsed->host_port).substr(0, parsed->host_port.find(':'));
  struct vendor {
    std::string_view domain;
    api_dialect dialect;
  };
  static constexpr std::array<vendor, 7> vendors{{{"api.openai.com", api_dialect::openai},
                                                  {"openai.azure.com", api_dialect::azure},
                                                  {"services.ai.azure.com", api_dialect::azure},
                                                  {"api.deepseek.com", api_dialect::deepseek},
                                                  {"aliyuncs.com", api_dialect::dashscope},
                                                  {"openrouter.ai", api_dialect::openrouter},
                                                  {"cognitiveservices.azure.com", api_dialect::azure}}};
  for (const auto& one : vendors)
    if (host == one.domain || host.ends_with("." + std::string(one.domain)))
      return one.dialect;
  return std::nullopt;
}

std::string address_for(std::string base_url, wire_protocol protocol) {
  const auto parsed = parse_endpoint(base_url);
  if (!parsed || parsed->host_port != google_host)
    return base_url;
  const bool compatible = base_url.ends_with(google_compatible_path);
  if (protocol == wire_protocol::openai_chat && !compatible)
    base_url += google_compatible_path;
  else if (protocol == wire_protocol::gemini && compatible)
    base_url.resize(base_url.size() - google_compatible_path.size());
  return base_url;
}

result<endpoint_url> parse_provider_url(std::string_view provider, std::string_view url) {
  auto parsed = parse_endpoint(url);
  if (!parsed)
    return parsed;
  const auto vendor = dialect_of_host(parsed->base_url);
  const bool azure = is_azure(provider) || vendor == api_dialect::azure;
  const bool google = provider == "gemini" || parsed->host_port == google_host;
  if (!parsed->protocol
      && ((google && parsed->base_url.ends_with(google_compatible_path))
          || (vendor && parsed->base_url.find("/anthropic") == std::string::npos)))
    parsed->protocol = wire_protocol::openai_chat;
  const bool bare = parsed->base_url == parsed->origin;
  // Azure's newer API is the protocol of OpenAI at another address.
  if (azure)
    parsed->protocol =
        bare || parsed->base_url.ends_with("/v1") ? wire_protocol::openai_chat : wire_protocol::azure_openai;
  if (!bare)
    return parsed;
  if (azure)
    parsed->base_url += "/openai/v1";
  else if (provider == "hosted" || provider == "mock")
    parsed->base_url += "/v1";
  return parsed;
}

} // namespace assay::config
