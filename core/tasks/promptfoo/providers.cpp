#include "core/tasks/promptfoo/test_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace assay::tasks::promptfoo {

std::string model_name_of(std::string_view provider) {
  const size_t colon = provider.find(':');
  if (colon == std::string_view::npos)
    return std::string(provider);
  constexpr std::array<std::string_view, 10> programs{"file",  "exec", "python", "javascript", "http",
                                                      "https", "ws",   "golang", "webhook",    "package"};
  const auto vendor = provider.substr(0, colon);
  if (std::find(programs.begin(), programs.end(), vendor) != programs.end())
    return {};
  auto model = provider.substr(colon + 1);
  const size_t second = model.find(':');
  const auto kind = second == std::string_view::npos ? std::string_view{} : model.substr(0, second);
  if (kind == "embedding" || kind == "embeddings" || kind == "image" || kind == "realtime"
      || kind == "moderation" || kind == "completion" || kind == "assistant")
    return {};
  if (kind == "chat" || kind == "messages" || kind == "responses")
    model.remove_prefix(second + 1);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> others{{
      {"google", "gemini"},
      {"vertex", "gemini"},
      {"azure", "azure_openai"},
      {"azureopenai", "azure_openai"},
      {"alibaba", "dashscope"},
  }};
  const auto found =
      std::find_if(others.begin(), others.end(), [&](const auto& one) { return one.first == vendor; });
  return std::string(found == others.end() ? vendor : found->second).append("/").append(model);
}

} // namespace assay::tasks::promptfoo
