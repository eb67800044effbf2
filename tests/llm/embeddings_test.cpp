#include "core/llm/embeddings.hpp"

#include "core/codecs/base64.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <limits>

namespace assay::llm {
namespace {

using nlohmann::json;

TEST(embedding_list, HasTheVectorsInTheirOrder) {
  const auto out = json::parse(embedding_list("e-1", {{0.5F, -1.25F}, {2.0F}, {}}, {7, 0, 0, 0}, false));
  EXPECT_EQ(out["object"], "list");
  EXPECT_EQ(out["model"], "e-1");
  EXPECT_EQ(out["data"][0]["embedding"], (json{0.5, -1.25}));
  EXPECT_EQ(out["data"][1]["index"], 1);
  EXPECT_EQ(out["data"][2]["embedding"], json::array());
  EXPECT_EQ(out["usage"], (json{{"prompt_tokens", 7}, {"total_tokens", 7}}));
}

TEST(embedding_list, HasNumbersThatAreNone) {
  std::string text;
  append_vector(text, {std::numeric_limits<float>::infinity(), 1.0F});
  EXPECT_EQ(json::parse(text), (json{nullptr, 1.0}));
}

TEST(embedding_list, GivesBytesThatReadBack) {
  for (const size_t length : {1U, 2U, 3U, 4U, 7U}) {
    std::vector<float> vector;
    for (size_t i = 0; i < length; ++i)
      vector.push_back(0.1F * static_cast<float>(i) - 0.2F);
    const auto out = json::parse(embedding_list("e", {vector}, {}, true));
    const auto bytes = codecs::decode_base64(out["data"][0]["embedding"].get<std::string>());
    ASSERT_TRUE(bytes);
    ASSERT_EQ(bytes->size(), length * sizeof(float));
    std::vector<float> read(length);
    std::memcpy(read.data(), bytes->data(), bytes->size());
    EXPECT_EQ(read, vector);
  }
}

} // namespace
} // namespace assay::llm
