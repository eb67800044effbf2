#include "actors/fleet/hide_key.hpp"

#include <memory>
#include <string_view>
#include <variant>

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

void hide_key(codecs::call_failure& failure, const secret& key) {
  const std::string_view bytes = key.reveal();
  if (bytes.size() < shortest_key)
    return;
  hide(failure.message, bytes);
  hide(failure.provider_code, bytes);
  hide(failure.request_id, bytes);
}

void hide_key(codecs::batch_status& status, const secret& key) {
  const std::string_view bytes = key.reveal();
  if (bytes.size() >= shortest_key)
    hide(status.problem, bytes);
}

void hide_key(codecs::batch_row& row, const secret& key) {
  if (auto* failure = std::get_if<codecs::call_failure>(&row.answer))
    return hide_key(*failure, key);
  const std::string_view bytes = key.reveal();
  if (bytes.size() < shortest_key)
    return;
  auto& answer = std::get<codecs::chat_answer>(row.answer);
  hide(answer.request_id, bytes);
  hide(answer.served_model, bytes);
}

void hide_key(exchange_result& result, const secret& key) {
  const std::string_view bytes = key.reveal();
  if (bytes.size() < shortest_key)
    return;
  if (result.error)
    hide_key(*result.error, key);
  hide(result.request_id, bytes);
  hide(result.served_model, bytes);
  if (result.extras && result.extras->raw_response.find(bytes) != std::string::npos) {
    auto extras = *result.extras;
    hide(extras.raw_response, bytes);
    result.extras = std::make_shared<const answer_extras>(std::move(extras));
  }
}

} // namespace assay
