#include "core/codecs/base64.hpp"
#include "core/codecs/http_message.hpp"
#include "core/codecs/image_type.hpp"

#include <gtest/gtest.h>

namespace assay::codecs {
namespace {

TEST(image_type, IsSeenInTheFirstBytes) {
  EXPECT_EQ(sniff_image("iVBORw0KGgoAAAANSUhEUg=="), "image/png");
  EXPECT_EQ(sniff_image("/9j/4AAQSkZJRgABAQ=="), "image/jpeg");
  EXPECT_EQ(sniff_image("R0lGODlhAQABAAAAACw="), "image/gif");
  EXPECT_EQ(sniff_image("R0lGODdhAQABAAAAACw="), "image/gif");
  EXPECT_EQ(sniff_image("UklGRiQAAABXRUJQVlA4IA=="), "image/webp");
}

TEST(image_type, SurvivesWrappedLinesAndTheUrlAlphabet) {
  EXPECT_EQ(sniff_image("iVBO\r\nRw0K\nGgo="), "image/png");
  EXPECT_EQ(sniff_image("_9j_4AAQ"), "image/jpeg");
}

TEST(image_type, IsUnknownForEverythingElse) {
  for (const auto* text : {"", "iVBO", "PHN2ZyB4bWxucz0i", "UklGRiQAAABXQVZFZm10IA==", "Qk0=",
                           "data:image/png;base64,iVBORw0KGgo=", "!!!!", "UklGRg=="})
    EXPECT_EQ(sniff_image(text), "") << text;
}

TEST(base64, IsDecodedInAllItsForms) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode_base64("Zm9vYg=="), "foob");
  EXPECT_EQ(decode_base64("Zm9vYg"), "foob") << "padding is often missing";
  EXPECT_EQ(decode_base64("-_-_"), decode_base64("+/+/"));
  EXPECT_EQ(decode_base64("Zm9v\r\n YmFy"), "foobar");
  EXPECT_EQ(decode_base64("Zm9vYmFy", 3), "foo");
}

TEST(base64, RefusesWhatDoesNotBelongThere) {
  for (const auto* text : {"Zm9v!", "Zg==Zg==", "\"", "Zm9\xC3\xBC"})
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
  std::string out;
  EXPECT_FALSE(append_base64(out, "a\"b"));
}

TEST(base64, IsAppendedInOneFormOnly) {
  std::string out = "x";
  EXPECT_TRUE(append_base64(out, "-_ab\n+/=="));
  EXPECT_EQ(out, "x+/ab+/==");
}

TEST(path_segment, EscapesWhatWouldLeaveIt) {
  std::string out = "/";
  append_path_segment(out, "gpt-4o_1.~/../?x=ä");
  EXPECT_EQ(out, "/gpt-4o_1.~%2F..%2F%3Fx%3D%C3%A4");
}

} // namespace
} // namespace assay::codecs
