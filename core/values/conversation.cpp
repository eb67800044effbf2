#include "core/values/conversation.hpp"

#include <algorithm>

namespace assay {

std::string_view to_string(chat_role role) noexcept {
  switch (role) {
  case chat_role::system:
    return "system";
  case chat_role::user:
    return "user";
  case chat_role::assistant:
    return "assistant";
  case chat_role::tool:
    return "tool";
  }
  return "unknown";
}

std::optional<chat_role> chat_role_from_string(std::string_view name) noexcept {
  for (const auto role : {chat_role::system, chat_role::user, chat_role::assistant, chat_role::tool})
    if (name == to_string(role))
      return role;
  // OpenAI's newer word for the operator's instructions.
  if (name == "developer")
    return chat_role::system;
  return std::nullopt;
}

std::vector<content_part> parts_of(const chat_message& message) {
  std::vector<content_part> out;
  const auto text = message.content.view();
  size_t told = 0;
  const auto tell_until = [&](size_t end) {
    if (end > told)
      out.push_back({text.substr(told, end - told), std::nullopt});
    told = std::max(told, end);
  };
  if (message.extras)
    for (size_t i = 0; i < message.extras->images.size(); ++i) {
      tell_until(std::min<size_t>(message.extras->images[i].text_before, text.size()));
      out.push_back({{}, i});
    }
  tell_until(text.size());
  return out;
}

} // namespace assay
