#include "mock/embeddings.hpp"

#include "mock/hash.hpp"

#include <openssl/evp.h>

#include <bit>
#include <charconv>
#include <cmath>

namespace assay::mock {

std::vector<float> embed(std::string_view model, std::string_view text, uint32_t dimensions) {
  const auto seed = hash_text(text, hash_text(model, 0x656D626564ULL));
  std::vector<float> out(dimensions);
  double sum = 0;
  for (uint32_t i = 0; i < dimensions; ++i) {
    // Four uniform numbers add up to nearly a normal one, so that no direction is preferred.
    const auto bits = mix(seed + i);
    double value = -2;
    for (int k = 0; k < 4; ++k)
      value += static_cast<double>((bits >> (16 * k)) & 0xFFFF) / 65536.0;
    out[i] = static_cast<float>(value);
    sum += value * value;
  }
  const auto scale = sum > 0 ? 1 / std::sqrt(sum) : 0.0;
  for (auto& value : out)
    value = static_cast<float>(value * scale);
  if (sum <= 0)
    out[0] = 1;
  return out;
}

void append_vector(std::string& out, const std::vector<float>& values) {
  out += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, values[i]).ptr;
    if (i != 0)
      out += ',';
    out.append(digits, end);
  }
  out += ']';
}

std::string base64_of(const std::vector<float>& values) {
  static_assert(std::endian::native == std::endian::little);
  const auto bytes = values.size() * sizeof(float);
  // EVP_EncodeBlock ends what it writes with a zero byte.
  std::string out((bytes + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                  reinterpret_cast<const unsigned char*>(values.data()), static_cast<int>(bytes));
  out.pop_back();
  return out;
}

} // namespace assay::mock
