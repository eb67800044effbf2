#include "core/values/conversation.hpp"

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

} // namespace assay
