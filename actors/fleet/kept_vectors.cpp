#include "actors/fleet/kept_vectors.hpp"

#include <algorithm>
#include <bit>
#include <string>

namespace assay {

namespace {

constexpr size_t word = 4;
constexpr size_t head = 2 * word;

void append_word(std::string& out, uint32_t value) {
  for (size_t i = 0; i < word; ++i)
    out += static_cast<char>(value >> (8 * i) & 0xFF);
}

uint32_t read_word(std::string_view bytes, size_t at) {
  uint32_t out = 0;
  for (size_t i = 0; i < word; ++i)
    out |= uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return out;
}

} // namespace

shared_text pack_vectors(const embedding_vectors& vectors) {
  const auto& all = vectors.vectors;
  if (all.empty())
    return {};
  const auto length = all.front().size();
  const bool alike = std::ranges::all_of(all, [&](const auto& one) { return one.size() == length; });
  if (!alike || length == 0 || length > most_kept_vector_bytes / word
      || all.size() > most_kept_vector_bytes / word / length)
    return {};
  std::string out;
  out.reserve(head + all.size() * length * word);
  append_word(out, static_cast<uint32_t>(all.size()));
  append_word(out, static_cast<uint32_t>(length));
  for (const auto& one : all)
    for (const float number : one)
      append_word(out, std::bit_cast<uint32_t>(number));
  return shared_text(out);
}

std::shared_ptr<const embedding_vectors> unpack_vectors(std::string_view bytes) {
  if (bytes.size() < head || bytes.size() > head + most_kept_vector_bytes)
    return nullptr;
  const uint64_t count = read_word(bytes, 0);
  const uint64_t length = read_word(bytes, word);
  // Neither is more than 32 bits, so the product fits; times four it fits once it is small.
  if (count == 0 || length == 0 || count * length > most_kept_vector_bytes / word
      || bytes.size() != head + count * length * word)
    return nullptr;
  embedding_vectors out;
  out.vectors.resize(count);
  size_t at = head;
  for (auto& one : out.vectors) {
    one.reserve(length);
    for (uint64_t i = 0; i < length; ++i, at += word)
      one.push_back(std::bit_cast<float>(read_word(bytes, at)));
  }
  return std::make_shared<const embedding_vectors>(std::move(out));
}

} // namespace assay
