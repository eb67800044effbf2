#pragma once

#include "core/codecs/wire_codec.hpp"
#include "tests/codecs/support.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

/// What the tests of several protocols need.
namespace assay::test {

/// The answer of a tool to the call @p id.
inline chat_message tool_said(std::string_view id, std::string_view text) {
  message_extras extras;
  extras.tool_call_id = id;
  return says(chat_role::tool, text, std::move(extras));
}

inline chat_message called(std::string_view text, std::vector<tool_call> calls) {
  message_extras extras;
  extras.tool_calls = std::move(calls);
  return says(chat_role::assistant, text, std::move(extras));
}

/// The first bytes of a picture, in base64.
inline constexpr std::string_view png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB";
inline constexpr std::string_view jpeg = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD";

inline image_part picture(std::string_view base64, std::string_view media_type) {
  auto image = picture(base64);
  image.media_type = media_type;
  return image;
}

struct asked {
  std::string target;
  nlohmann::json body;
  std::vector<std::string> dropped;
};

inline asked read_request(result<codecs::encoded_request> encoded) {
  if (!encoded) {
    ADD_FAILURE() << to_string(encoded.error());
    return {};
  }
  auto body =
      encoded->body.empty() ? nlohmann::json() : nlohmann::json::parse(encoded->body.view(), nullptr, false);
  EXPECT_FALSE(body.is_discarded()) << encoded->body.view();
  return {encoded->target, std::move(body), encoded->dropped};
}

inline asked ask(codecs::wire_codec& codec, const question& what) {
  return read_request(codec.encode_chat(what.request()));
}

inline fault refused(result<codecs::encoded_request> encoded) {
  if (!encoded)
    return encoded.error();
  ADD_FAILURE() << "not refused: " << encoded->body.view();
  return {};
}

inline codecs::chat_answer answer_in(codecs::decoded_answer decoded) {
  if (const auto* failure = std::get_if<codecs::call_failure>(&decoded)) {
    ADD_FAILURE() << to_string(failure->code) << ": " << failure->message;
    return {};
  }
  return std::get<codecs::chat_answer>(std::move(decoded));
}

template <class Answer>
codecs::call_failure failure_in(const std::variant<Answer, codecs::call_failure>& decoded) {
  if (const auto* failure = std::get_if<codecs::call_failure>(&decoded))
    return *failure;
  ADD_FAILURE() << "no failure";
  return {};
}

/// A stream that has been read to its end.
struct streamed {
  std::vector<answer_delta> deltas;
  codecs::decoded_answer end;
  bool complete = false;

  std::string text() const {
    std::string all;
    for (const auto& delta : deltas)
      if (delta.choice == 0)
        all += delta.text;
    return all;
  }
};

/// Reads @p bytes in pieces of @p piece bytes.
inline streamed read_stream(codecs::wire_codec& codec, std::string_view bytes, size_t piece = 1'000'000,
                            http_outcome outcome = answered(200, "")) {
  streamed result;
  const auto decoder = codec.open_stream();
  for (size_t at = 0; at < bytes.size(); at += piece)
    result.complete = decoder->feed(bytes.substr(at, piece), result.deltas);
  result.end = decoder->finish(outcome, noon_of_tests());
  return result;
}

} // namespace assay::test
