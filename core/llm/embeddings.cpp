#include "core/llm/embeddings.hpp"

#include "core/codecs/json_text.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace assay::llm {

namespace {

/// RFC 4648, 4.
void append_base64_of(std::string& out, const std::vector<float>& vector) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint32_t gathered = 0;
  int bytes = 0;
  const auto put = [&](int characters) {
    for (int i = 0; i < 4; ++i)
      out += i < characters ? alphabet[gathered >> (18 - 6 * i) & 63U] : '=';
  };
  for (const float value : vector) {
    const auto word = std::bit_cast<uint32_t>(value);
    for (int i = 0; i < 4; ++i) {
      gathered = gathered << 8 | (word >> (8 * i) & 255U);
      if (++bytes < 3)
        continue;
      put(4);
      gathered = 0;
      bytes = 0;
    }
  }
  if (bytes == 0)
    return;
  gathered <<= 8 * (3 - bytes);
  put(bytes + 1);
}

} // namespace

void append_vector(std::string& out, const std::vector<float>& vector) {
  std::array<char, 32> text{};
  for (size_t i = 0; i < vector.size(); ++i) {
    out += i == 0 ? '[' : ',';
    if (!std::isfinite(vector[i])) {
      out += "null";
      continue;
    }
    const auto end = std::to_chars(text.data(), text.data() + text.size(), vector[i]).ptr;
    out.append(text.data(), end);
  }
  out += vector.empty() ? "[]" : "]";
}

std::string embedding_list(std::string_view model, const std::vector<std::vector<float>>& vectors,
                           const token_usage& usage, bool as_base64) {
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < vectors.size(); ++i) {
    out.append(i == 0 ? "{" : ",{").append(R"("object":"embedding","index":)").append(std::to_string(i));
    out += R"(,"embedding":)";
    if (as_base64) {
      out += '"';
      append_base64_of(out, vectors[i]);
      out += '"';
    } else {
      append_vector(out, vectors[i]);
    }
    out += '}';
  }
  out += R"(],"model":)";
  codecs::append_json_string(out, model);
  const auto tokens = std::to_string(usage.prompt_tokens);
  out.append(R"(,"usage":{"prompt_tokens":)").append(tokens).append(R"(,"total_tokens":)").append(tokens);
  out += "}}";
  return out;
}

} // namespace assay::llm
