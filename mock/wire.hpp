#pragma once

#include <cstdint>
#include <string_view>

namespace assay::mock {

/// The wire protocols. Each has its own paths, headers, shapes and errors.
enum class wire : uint8_t {
  openai = 1,
  azure = 2,
  anthropic = 3,
  gemini = 4,
  openrouter = 5,
  deepseek = 6,
  dashscope = 7,
};

constexpr std::string_view to_string(wire protocol) noexcept {
  switch (protocol) {
  case wire::openai:
    return "openai";
  case wire::azure:
    return "azure";
  case wire::anthropic:
    return "anthropic";
  case wire::gemini:
    return "gemini";
  case wire::openrouter:
    return "openrouter";
  case wire::deepseek:
    return "deepseek";
  case wire::dashscope:
    return "dashscope";
  }
  return "openai";
}

} // namespace assay::mock
