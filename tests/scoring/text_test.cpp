#include "core/scoring/text.hpp"

#include <gtest/gtest.h>

namespace assay::scoring {
namespace {

TEST(text, FoldsFullWidthFormsAndDashes) {
  EXPECT_EQ(fold_width("ＡＢＣ１２３（％）：　x"), "ABC123(%): x");
  EXPECT_EQ(fold_width("−5 –6 －7"), "-5 -6 -7");
  EXPECT_EQ(fold_width("北京"), "北京");
}

TEST(text, LowersCaseBeyondAscii) {
  EXPECT_EQ(lower_case("ÄÖÜ ÉCOLE ŁÓDŹ Škoda"), "äöü école łódź škoda");
  EXPECT_EQ(lower_case("ΑΘΗΝΑ Ώρα"), "αθηνα ώρα");
  EXPECT_EQ(lower_case("МОСКВА ЁЖ"), "москва ёж");
  EXPECT_EQ(lower_case("×÷ßＡ北京"), "×÷ßａ北京");
}

TEST(text, StripsUnicodeWhiteSpaceAtBothEnds) {
  EXPECT_EQ(strip(" \t\r\n\xC2\xA0\xE3\x80\x80 a b \xEF\xBB\xBF\n"), "a b");
  EXPECT_EQ(strip("  "), "");
  EXPECT_EQ(strip("\x80\xBF"), "\x80\xBF");
}

TEST(text, RemovesPunctuationOfBothWorlds) {
  EXPECT_EQ(remove_punctuation("“Yes”, it’s 5.0! 「好」。（对）"), "Yes its 50 好对");
}

TEST(text, RemovesDigits) { EXPECT_EQ(remove_digits("a1b２c"), "abc"); }

TEST(text, CutsBetweenCharacters) {
  EXPECT_EQ(cut("北京", 6), "北京");
  EXPECT_EQ(cut("北京", 5), "北");
  EXPECT_EQ(cut("北京", 3), "北");
  EXPECT_EQ(cut("北京", 2), "");
  EXPECT_EQ(cut("\x80\x80\x80\x80\x80\x80", 5).size(), 5U);
}

TEST(text, DecodesAndEncodesEveryLength) {
  for (const uint32_t c : {0x41U, 0xE9U, 0x5317U, 0x1F600U}) {
    std::string bytes;
    append_utf8(bytes, c);
    const code_point read = decode(bytes, 0);
    EXPECT_TRUE(read.valid);
    EXPECT_EQ(read.value, c);
    EXPECT_EQ(read.length, bytes.size());
  }
}

TEST(text, TakesBrokenSequencesByteByByte) {
  for (const char* bytes : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE5\x8C", "\xFF", "\x80"}) {
    const code_point c = decode(bytes, 0);
    EXPECT_FALSE(c.valid);
    EXPECT_EQ(c.length, 1);
  }
}

} // namespace
} // namespace assay::scoring
