#include "core/codecs/openai_embeddings.hpp"

#include "core/codecs/base64.hpp"
#include "core/codecs/json_text.hpp"

#include <bit>
#include <cstdint>

namespace assay::codecs {

namespace {

/// Floats travel with their lowest byte first, whatever this machine does.
std::optional<std::vector<float>> unpack_floats(std::string_view base64) {
  static_assert(sizeof(float) == 4);
  const auto bytes = decode_base64(base64);
  if (!bytes || bytes->empty() || bytes->size() % sizeof(float) != 0)
    return std::nullopt;
  std::vector<float> out;
  out.reserve(bytes->size() / sizeof(float));
  for (size_t i = 0; i < bytes->size(); i += sizeof(float)) {
    uint32_t word = 0;
    for (size_t j = sizeof(float); j-- > 0;)
      word = word << 8 | static_cast<unsigned char>((*bytes)[i + j]);
    out.push_back(std::bit_cast<float>(word));
  }
  return out;
}

std::optional<std::vector<float>> read_vector(dom::element embedding) {
  if (embedding.is_string())
    return unpack_floats(text_of(embedding));
  dom::array numbers;
  if (embedding.get(numbers) != simdjson::SUCCESS || numbers.size() == 0)
    return std::nullopt;
  std::vector<float> out;
  out.reserve(numbers.size());
  for (const auto number : numbers) {
    double value = 0;
    if (number.get(value) != simdjson::SUCCESS)
      return std::nullopt;
    out.push_back(static_cast<float>(value));
  }
  return out;
}

uint32_t first_count(dom::element entry, std::initializer_list<const char*> names) {
  for (const auto* name : names)
    if (const auto count = count_member(entry, name); count && *count > 0)
      return *count;
  return 0;
}

} // namespace

std::optional<std::vector<std::vector<float>>> read_vectors(dom::element data) {
  dom::array entries;
  if (data.get(entries) != simdjson::SUCCESS)
    return std::nullopt;
  std::vector<std::vector<float>> out;
  for (const auto entry : entries) {
    static_cast<void>(entry);
    out.emplace_back();
  }
  size_t position = 0;
  for (const auto entry : entries) {
    const auto index = count_member(entry, "index").value_or(static_cast<uint32_t>(position));
    ++position;
    const auto embedding = member(entry, "embedding");
    auto vector = embedding ? read_vector(*embedding) : std::nullopt;
    // As many entries as places, so a place taken twice is also a place left empty.
    if (!vector || index >= out.size() || !out[index].empty())
      return std::nullopt;
    out[index] = std::move(*vector);
  }
  return out;
}

std::optional<std::vector<listed_model>> read_models(dom::element root) {
  dom::array entries;
  const auto data = member(root, "data");
  if ((data ? *data : root).get(entries) != simdjson::SUCCESS)
    return std::nullopt;
  std::vector<listed_model> out;
  for (const auto entry : entries) {
    auto id = excerpt(text_member(entry, "id"), 400);
    if (id.empty())
      continue;
    auto& model = out.emplace_back();
    model.id = std::move(id);
    model.name = excerpt(text_member(entry, "name"), 400);
    model.context_window = first_count(entry, {"context_length", "max_model_len", "context_window"});
    if (const auto meta = member(entry, "meta"); meta && model.context_window == 0)
      model.context_window = first_count(*meta, {"n_ctx", "n_ctx_train"});
    model.max_output_tokens = first_count(entry, {"max_completion_tokens", "max_output_tokens"});
    if (const auto top = member(entry, "top_provider"); top && model.max_output_tokens == 0)
      model.max_output_tokens = first_count(*top, {"max_completion_tokens"});
  }
  return out;
}

} // namespace assay::codecs
