#include "core/codecs/batch_codec.hpp"

#include "core/codecs/batch_parts.hpp"
#include "core/codecs/json_text.hpp"
#include "core/codecs/protocol_parts.hpp"

#include <algorithm>
#include <charconv>

namespace assay::codecs {

namespace {

constexpr size_t longest_id = 200;
/// Beyond this no calendar of ours reaches.
constexpr double latest_second = 4e9;

} // namespace

std::string batch_custom_id(const batch_label& label, uint32_t row) {
  return label.run + "-" + label.chunk + "-" + std::to_string(row);
}

std::optional<uint32_t> batch_row_of(std::string_view custom_id, const batch_label& label) {
  for (const std::string_view part : {std::string_view(label.run), std::string_view(label.chunk)}) {
    if (!custom_id.starts_with(part) || custom_id.size() == part.size() || custom_id[part.size()] != '-')
      return std::nullopt;
    custom_id.remove_prefix(part.size() + 1);
  }
  uint32_t row = 0;
  const auto* const end = custom_id.data() + custom_id.size();
  const auto [stop, error] = std::from_chars(custom_id.data(), end, row);
  if (custom_id.empty() || error != std::errc{} || stop != end)
    return std::nullopt;
  return row;
}

std::variant<dom::element, call_failure> read_batch_body(json_document& document, const http_outcome& outcome,
                                                         wall_time now, const decode_options& options) {
  if (outcome.status == 0)
    return failed_transfer(outcome);
  const auto root = document.parse(outcome.body);
  if (!is_success(outcome.status))
    return failed_status(outcome, root, now, options);
  if (!root)
    return malformed(describe_broken_json(outcome.body), outcome);
  return *root;
}

decoded<batch_status> decode_batch_status(json_document& document, const http_outcome& outcome, wall_time now,
                                          const decode_options& options, const char* complaint,
                                          batch_reader read) {
  auto body = read_batch_body(document, outcome, now, options);
  if (auto* failure = std::get_if<call_failure>(&body))
    return std::move(*failure);
  if (auto status = read(std::get<dom::element>(body)))
    return std::move(*status);
  return malformed(complaint, outcome);
}

std::variant<listed_batches, call_failure> decode_batch_list(json_document& document,
                                                             const http_outcome& outcome, wall_time now,
                                                             const decode_options& options, const char* list,
                                                             bool required, batch_reader read) {
  auto body = read_batch_body(document, outcome, now, options);
  if (auto* failure = std::get_if<call_failure>(&body))
    return std::move(*failure);
  listed_batches out;
  out.root = std::get<dom::element>(body);
  if (const auto found = member(out.root, list); required && (!found || !found->is_array()))
    return malformed("the answer has no list `" + std::string(list) + "`", outcome);
  each_item(out.root, list, [&](dom::element one) {
    if (auto status = read(one))
      out.page.batches.push_back(std::move(*status));
  });
  return out;
}

bool is_plain_id(std::string_view id) noexcept {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'
           || c == '.' || c == ':';
  };
  return !id.empty() && id.size() <= longest_id && id.find_first_not_of('.') != std::string_view::npos
         && std::all_of(id.begin(), id.end(), plain);
}

std::optional<wall_time> unix_time_member(dom::element parent, const char* name) {
  const auto number = number_member(parent, name);
  if (!number || *number <= 0 || *number > latest_second)
    return std::nullopt;
  return wall_time{seconds{static_cast<int64_t>(*number)}};
}

uint64_t number_or_text_member(dom::element parent, const char* name) {
  if (const auto number = count_member(parent, name))
    return *number;
  const auto text = text_member(parent, name);
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

batch_row untried_row(std::string_view custom_id, std::string reason) {
  call_failure failure;
  failure.code = errc::provider_unavailable;
  failure.message = std::move(reason);
  batch_row row;
  row.custom_id = custom_id;
  row.tried = false;
  row.answer = std::move(failure);
  return row;
}

decoded_answer read_batched_answer(wire_codec& codec, int status, dom::element body, wall_time now) {
  http_outcome online;
  online.status = status;
  online.body = shared_text(text_or_json(body));
  online.request_written = true;
  auto answer = codec.decode_chat(online, now);
  if (auto* failure = std::get_if<call_failure>(&answer))
    failure->possibly_billed = failure->usage_present;
  return answer;
}

std::unique_ptr<batch_codec> make_batch_codec(const provider_profile& provider) {
  switch (provider.protocol) {
  case wire_protocol::openai_chat:
  case wire_protocol::azure_openai:
    break;
  case wire_protocol::anthropic:
    return make_anthropic_batch_codec(provider);
  case wire_protocol::gemini:
    return make_gemini_batch_codec(provider);
  }
  return make_openai_batch_codec(provider);
}

} // namespace assay::codecs
