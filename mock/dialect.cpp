#include "mock/dialect.hpp"

#include "mock/anthropic_api.hpp"
#include "mock/gemini_api.hpp"
#include "mock/openai_api.hpp"

namespace assay::mock {

std::optional<api_error> dialect::check(const request_view&, const route&, std::string_view) const {
  return {};
}

api_result<chat_request> dialect::read_count(const route& where, std::string_view body) const {
  return read_chat(where, body);
}

std::string dialect::count_body(uint64_t, operation) const { return "{}"; }

std::string dialect::sign_of_life(bool stream) const { return stream ? ": keep-alive\n\n" : "\n"; }

const dialect& dialect_of(wire protocol) noexcept {
  static const openai_dialect openai;
  static const azure_dialect azure;
  static const anthropic_dialect anthropic;
  static const gemini_dialect gemini;
  static const openrouter_dialect openrouter;
  static const deepseek_dialect deepseek;
  static const dashscope_dialect dashscope;
  switch (protocol) {
  case wire::azure:
    return azure;
  case wire::anthropic:
    return anthropic;
  case wire::gemini:
    return gemini;
  case wire::openrouter:
    return openrouter;
  case wire::deepseek:
    return deepseek;
  case wire::dashscope:
    return dashscope;
  case wire::openai:
    break;
  }
  return openai;
}

std::string_view bearer_of(std::string_view authorization) noexcept {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() <= scheme.size())
    return {};
  for (size_t i = 0; i < scheme.size(); ++i)
    if ((authorization[i] | 0x20) != (scheme[i] | 0x20))
      return {};
  authorization.remove_prefix(scheme.size());
  while (authorization.starts_with(' '))
    authorization.remove_prefix(1);
  return authorization;
}

} // namespace assay::mock
