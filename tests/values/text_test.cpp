#include "core/values/shared_text.hpp"
#include "core/values/text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay {
namespace {

TEST(same_word, LooksAtLettersAlone) {
  EXPECT_TRUE(same_word("Round_Robin", "round_ROBIN"));
  EXPECT_TRUE(same_word("", ""));
  EXPECT_FALSE(same_word("round_robin", "round_robi"));
  EXPECT_FALSE(same_word("a[", "a{")) << "these differ as letters of two cases do";
}

TEST(valid_utf8, LeavesWellFormedTextAlone) {
  for (const std::string text :
       {"", "plain", "gr\xC3\xBC\xC3\x9F", "\xE4\xB8\xAD\xE6\x96\x87", "\xF0\x9F\x98\x80"})
    EXPECT_EQ(valid_utf8(text), text);
}

TEST(valid_utf8, ReplacesEveryKindOfBrokenByte) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(valid_utf8("a\xFFz"), "a" + mark + "z");
  EXPECT_EQ(valid_utf8("\xC3"), mark);
  EXPECT_EQ(valid_utf8("\xC0\xAF"), mark + mark) << "overlong slash";
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), mark + mark + mark) << "surrogate";
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), mark + mark + mark + mark) << "beyond U+10FFFF";
  EXPECT_EQ(valid_utf8("\xE4\xB8"), mark + mark) << "cut in the middle";
}

TEST(valid_utf8, MakesAnyBytesWritableAsJson) {
  uint32_t state = 1;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i) {
      state = state * 1664525U + 1013904223U;
      bytes.push_back(static_cast<char>(state >> 24));
    }
    EXPECT_NO_THROW((void)nlohmann::json(valid_utf8(bytes)).dump());
  }
}

TEST(shared_text, SharesItsBytesBetweenCopies) {
  const shared_text first{"some text"};
  const shared_text second = first;
  EXPECT_EQ(first.view().data(), second.view().data());
  EXPECT_EQ(second.str(), "some text");
  EXPECT_TRUE(shared_text{}.empty());
  EXPECT_EQ(shared_text{""}, shared_text{});
}

} // namespace
} // namespace assay
