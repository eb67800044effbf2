#pragma once

#include "core/codecs/wire_codec.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace assay::test {

/// An answer as a provider would send it.
inline http_outcome answered(int status, std::string_view body, http_headers headers = {}) {
  http_outcome outcome;
  outcome.status = status;
  outcome.body = shared_text(body);
  outcome.headers = std::move(headers);
  outcome.request_written = true;
  return outcome;
}

/// A fixed moment: Sun, 06 Nov 1994 08:49:37 GMT.
inline wall_time noon_of_tests() { return wall_time{std::chrono::seconds{784111777}}; }

/// A picture of one pixel, as far as its first bytes go.
inline constexpr std::string_view tiny_png = "iVBORw0KGgoAAAANSUhEUg==";

inline chat_message says(chat_role role, std::string_view text) { return {role, shared_text(text)}; }

inline chat_message says(chat_role role, std::string_view text, message_extras extras) {
  return {role, shared_text(text), std::make_shared<const message_extras>(std::move(extras))};
}

inline chat_message asks(std::string_view text) { return says(chat_role::user, text); }

/// A user's message with pictures.
inline chat_message shows(std::string_view text, std::vector<image_part> images) {
  message_extras extras;
  extras.images = std::move(images);
  return says(chat_role::user, text, std::move(extras));
}

inline image_part picture(std::string_view base64 = tiny_png) {
  image_part image;
  image.base64 = shared_text(base64);
  return image;
}

inline image_part picture_at(std::string url) {
  image_part image;
  image.url = std::move(url);
  return image;
}

/// One question to one codec, with everything that it may be asked with.
struct question {
  std::string model = "m";
  std::vector<chat_message> messages{asks("hi")};
  sampling parameters{};
  answer_options options{};
  bool stream = false;

  codecs::chat_request request() const { return {model, messages, parameters, &options, stream}; }
};

/// @returns the text with one to four random edits, as a broken network or a broken server would make them.
template <class Random>
std::string mutated(std::string text, Random& random, std::string_view alphabet) {
  const auto edits = 1 + random() % 4;
  for (unsigned edit = 0; edit < edits && !text.empty(); ++edit) {
    const auto at = random() % text.size();
    switch (random() % 4) {
    case 0:
      text[at] = alphabet[random() % alphabet.size()];
      break;
    case 1:
      text.erase(at, 1 + random() % 8);
      break;
    case 2:
      text.insert(at, 1 + random() % 3, alphabet[random() % alphabet.size()]);
      break;
    default:
      text.resize(at);
    }
  }
  return text;
}

/// The edits that hurt JSON most.
inline constexpr std::string_view json_alphabet = "{}[]\",:\\u0d8e9-+.tfn \n\xFF\xC3\x28";

} // namespace assay::test
