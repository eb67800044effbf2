#include "actors/fleet/hide_key.hpp"

#include <string_view>

namespace assay {

namespace {

constexpr size_t shortest_key = 8;
constexpr std::string_view shown_instead = "***";

void hide(std::string& text, std::string_view key) {
  for (auto at = text.find(key); at != std::string::npos; at = text.find(key, at + shown_instead.size()))
    text.replace(at, key.size(), shown_instead);
}

} // namespace

void hide_key(fault& reason, const secret& key) {
  const std::string_view bytes = key.reveal();
  if (bytes.size() < shortest_key)
    return;
  hide(reason.message, bytes);
  hide(reason.where, bytes);
  hide(reason.hint, bytes);
}

void hide_key(exchange_result& result, const secret& key) {
  const std::string_view bytes = key.reveal();
  if (bytes.size() < shortest_key)
    return;
  if (result.error)
    hide_key(*result.error, key);
  hide(result.request_id, bytes);
  hide(result.served_model, bytes);
}

} // namespace assay
