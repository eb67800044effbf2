#include "io/gzip.hpp"

#include "tests/io/compress.hpp"

#include <gtest/gtest.h>

namespace assay::io {
namespace {

using test::compress;

constexpr size_t plenty = 1 << 20;

TEST(content_coding_names, AreReadWithoutRegardToCase) {
  EXPECT_EQ(content_coding_from(""), content_coding::identity);
  EXPECT_EQ(content_coding_from("Identity"), content_coding::identity);
  EXPECT_EQ(content_coding_from(" GZIP "), content_coding::gzip);
  EXPECT_EQ(content_coding_from("x-gzip"), content_coding::gzip);
  EXPECT_EQ(content_coding_from("deflate"), content_coding::deflate);
  EXPECT_EQ(content_coding_from("br"), std::nullopt);
  EXPECT_EQ(content_coding_from("gzip, gzip"), std::nullopt);
}

TEST(inflating, ReadsWhatTheGzipToolWrote) {
  // printf 'hello, farm\n' | gzip -n | od -An -tx1
  const unsigned char bytes[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xcb,
                                 0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0x48, 0x4b, 0x2c, 0xca, 0xe5,
                                 0x02, 0x00, 0x25, 0xc6, 0xe5, 0xf1, 0x0c, 0x00, 0x00, 0x00};
  const std::string_view text(reinterpret_cast<const char*>(bytes), sizeof bytes);
  EXPECT_EQ(inflate_all(text, content_coding::gzip, plenty).value(), "hello, farm\n");
}

TEST(inflating, UndoesEveryFormByteByByte) {
  std::string text;
  for (int i = 0; i < 3000; ++i)
    text += std::to_string(i * i) + " ";
  const std::pair<int, content_coding> forms[] = {{test::gzip_form, content_coding::gzip},
                                                  {test::zlib_form, content_coding::deflate},
                                                  {test::raw_form, content_coding::deflate}};
  for (const auto& [form, coding] : forms) {
    const std::string packed = compress(text, form);
    EXPECT_EQ(inflate_all(packed, coding, plenty).value(), text);
    inflater stream(coding, plenty);
    std::string out;
    for (const char& byte : packed)
      ASSERT_TRUE(stream.feed({&byte, 1}, out));
    EXPECT_TRUE(stream.complete());
    EXPECT_EQ(out, text);
  }
}

TEST(inflating, JoinsGzipMembers) {
  const std::string packed = compress("first, ", test::gzip_form) + compress("second", test::gzip_form);
  EXPECT_EQ(inflate_all(packed, content_coding::gzip, plenty).value(), "first, second");
}

TEST(inflating, StopsABombAtTheLimit) {
  const std::string bomb = compress(std::string(50 << 20, 'x'), test::gzip_form);
  ASSERT_LT(bomb.size(), size_t{100'000});
  const auto out = inflate_all(bomb, content_coding::gzip, plenty);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, errc::too_large);
  EXPECT_TRUE(inflate_all(compress(std::string(plenty, 'x'), test::gzip_form), content_coding::gzip, plenty));
  EXPECT_FALSE(
      inflate_all(compress(std::string(plenty + 1, 'x'), test::gzip_form), content_coding::gzip, plenty));
}

TEST(inflating, NoticesDamageAndMissingEnds) {
  const std::string packed = compress("some text that is long enough", test::gzip_form);
  EXPECT_EQ(inflate_all("not gzip at all", content_coding::gzip, plenty).error().code, errc::malformed_input);
  for (size_t length = 0; length < packed.size(); ++length)
    EXPECT_FALSE(inflate_all(packed.substr(0, length), content_coding::gzip, plenty)) << length;
  std::string flipped = packed;
  flipped[flipped.size() - 6] ^= 1; // the checksum
  EXPECT_FALSE(inflate_all(flipped, content_coding::gzip, plenty));
  EXPECT_FALSE(inflate_all(packed + "trailing", content_coding::gzip, plenty));
  EXPECT_FALSE(inflate_all(compress("x", test::zlib_form) + "y", content_coding::deflate, plenty));
}

} // namespace
} // namespace assay::io
