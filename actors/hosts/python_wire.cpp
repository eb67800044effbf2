#include "actors/hosts/python_wire.hpp"

#include <simdjson.h>

namespace assay {

namespace {

constexpr size_t length_bytes = 4;

std::string length_of(size_t size) {
  std::string out(length_bytes, '\0');
  for (size_t i = 0; i < length_bytes; ++i)
    out[i] = static_cast<char>((size >> (8 * (length_bytes - 1 - i))) & 0xff);
  return out;
}

size_t read_length(std::string_view bytes) {
  size_t out = 0;
  for (size_t i = 0; i < length_bytes; ++i)
    out = out << 8 | static_cast<unsigned char>(bytes[i]);
  return out;
}

fault malformed(std::string what) {
  return {errc::malformed_answer, "the Python worker sent " + std::move(what), "python host", {}};
}

std::string text_of(const simdjson::dom::object& from, std::string_view key) {
  std::string_view out;
  if (from[key].get_string().get(out) != simdjson::SUCCESS)
    return {};
  return std::string(out);
}

fault read_error(const simdjson::dom::object& from) {
  fault out;
  out.code = errc_from_string(text_of(from, "kind"));
  out.message = text_of(from, "message");
  out.hint = text_of(from, "hint");
  if (const auto trace = text_of(from, "traceback"); !trace.empty())
    out.message += "\n" + trace;
  return out;
}

} // namespace

python_envelope python_envelope_for(uint64_t id, std::string_view operation, size_t arguments_bytes) {
  python_envelope out;
  // Operations are words of the protocol: nothing in them needs escaping.
  out.head =
      R"({"id":)" + std::to_string(id) + R"(,"operation":")" + std::string(operation) + R"(","arguments":)";
  out.tail = "}";
  out.head.insert(0, length_of(out.head.size() + arguments_bytes + out.tail.size()));
  return out;
}

result<std::vector<std::string>> python_frames::feed(std::string_view bytes) {
  pending_ += bytes;
  std::vector<std::string> out;
  size_t at = 0;
  while (pending_.size() - at >= length_bytes) {
    const auto size = read_length(std::string_view(pending_).substr(at, length_bytes));
    if (size > most_python_message)
      return malformed("a message of " + std::to_string(size) + " bytes");
    if (pending_.size() - at - length_bytes < size)
      break;
    out.push_back(pending_.substr(at + length_bytes, size));
    at += length_bytes + size;
  }
  pending_.erase(0, at);
  return out;
}

result<python_reply> read_python_reply(std::string_view message) {
  simdjson::dom::parser parser;
  simdjson::dom::object whole;
  if (parser.parse(message.data(), message.size()).get_object().get(whole) != simdjson::SUCCESS)
    return malformed("what is no JSON object");
  python_reply out;
  if (whole["id"].get_uint64().get(out.id) != simdjson::SUCCESS)
    return malformed("an answer without an id");
  simdjson::dom::object error;
  if (whole["error"].get_object().get(error) == simdjson::SUCCESS) {
    out.error = read_error(error);
    return out;
  }
  simdjson::dom::element value;
  if (whole["value"].get(value) != simdjson::SUCCESS)
    return malformed("an answer without a value");
  out.value = shared_text(simdjson::minify(value));
  return out;
}

} // namespace assay
