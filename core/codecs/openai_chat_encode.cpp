#include "core/codecs/json_text.hpp"
#include "core/codecs/openai_chat.hpp"

#include <algorithm>

namespace assay::codecs {

namespace {

void append_member(std::string& out, std::string_view name, const std::optional<double>& value) {
  if (!value)
    return;
  out.append(",\"").append(name).append("\":");
  append_json_number(out, *value);
}

void append_stop(std::string& out, const std::vector<std::string>& stops) {
  if (stops.empty())
    return;
  out += ",\"stop\":[";
  for (size_t i = 0; i < stops.size(); ++i) {
    if (i != 0)
      out += ',';
    append_json_string(out, stops[i]);
  }
  out += ']';
}

size_t expected_size(const std::vector<chat_message>& messages) {
  size_t size = 256;
  for (const auto& message : messages)
    size += message.content.size() + message.content.size() / 16 + 40;
  return size;
}

} // namespace

bool is_reasoning_model(std::string_view wire_model) noexcept {
  if (const auto slash = wire_model.rfind('/'); slash != std::string_view::npos)
    wire_model.remove_prefix(slash + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (wire_model.size() >= 2 && wire_model[0] == 'o' && is_digit(wire_model[1]))
    return wire_model.size() == 2 || wire_model[2] == '-';
  if (!wire_model.starts_with("gpt-") || wire_model.size() < 5 || !is_digit(wire_model[4]))
    return false;
  unsigned generation = 0;
  size_t i = 4;
  for (; i < wire_model.size() && i < 7 && is_digit(wire_model[i]); ++i)
    generation = generation * 10 + static_cast<unsigned>(wire_model[i] - '0');
  if (i < wire_model.size() && wire_model[i] != '-' && wire_model[i] != '.')
    return false;
  return generation >= 5 && wire_model.find("-chat") == std::string_view::npos;
}

shared_text encode_request(std::string_view wire_model, const std::vector<chat_message>& messages,
                           const sampling& parameters, bool reasoning_model) {
  std::string out;
  out.reserve(expected_size(messages));
  out += "{\"model\":";
  append_json_string(out, wire_model);
  out += ",\"messages\":[";
  for (size_t i = 0; i < messages.size(); ++i) {
    if (i != 0)
      out += ',';
    out += "{\"role\":\"";
    out += to_string(messages[i].role);
    out += "\",\"content\":";
    append_json_string(out, messages[i].content);
    out += '}';
  }
  out += ']';
  if (parameters.max_tokens) {
    out += reasoning_model ? ",\"max_completion_tokens\":" : ",\"max_tokens\":";
    out += std::to_string(*parameters.max_tokens);
  }
  if (!reasoning_model) {
    append_member(out, "temperature", parameters.temperature);
    append_member(out, "top_p", parameters.top_p);
    append_member(out, "frequency_penalty", parameters.frequency_penalty);
    append_member(out, "presence_penalty", parameters.presence_penalty);
    append_stop(out, parameters.stop);
  }
  if (parameters.seed)
    out.append(",\"seed\":").append(std::to_string(*parameters.seed));
  out += '}';
  return shared_text(out);
}

std::string_view cut_at_stop(std::string_view text, const std::vector<std::string>& stops) noexcept {
  size_t end = text.size();
  for (const auto& stop : stops)
    if (!stop.empty())
      end = std::min(end, text.find(stop));
  return text.substr(0, end);
}

} // namespace assay::codecs
