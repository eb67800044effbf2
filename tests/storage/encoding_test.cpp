#include "storage/encoding.hpp"

#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace assay::storage {
namespace {

using testing::number_source;

TEST(encoding, ReadsBackEveryKindOfNumberAndText) {
  std::string bytes;
  byte_writer out(bytes);
  const uint64_t unsigned_ones[] = {0, 1, 127, 128, 16383, 16384, std::numeric_limits<uint64_t>::max()};
  const int64_t signed_ones[] = {
      0, -1, 1, -64, 64, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()};
  for (const auto value : unsigned_ones)
    out.varint(value);
  for (const auto value : signed_ones)
    out.signed_varint(value);
  out.real(-0.1);
  out.text("");
  out.text(std::string_view("a\0b", 3));
  out.u8(255);
  byte_reader in(bytes);
  for (const auto value : unsigned_ones)
    EXPECT_EQ(in.varint(), value);
  for (const auto value : signed_ones)
    EXPECT_EQ(in.signed_varint(), value);
  EXPECT_EQ(in.real(), -0.1);
  EXPECT_EQ(in.text(), "");
  EXPECT_EQ(in.text(), std::string_view("a\0b", 3));
  EXPECT_EQ(in.u8(), 255);
  EXPECT_TRUE(in.complete());
}

TEST(encoding, WritesTheDocumentedBytes) {
  std::string bytes;
  byte_writer out(bytes);
  out.varint(300);
  out.signed_varint(-2);
  out.real(1.0);
  out.text("hi");
  EXPECT_EQ(bytes, std::string_view("\xAC\x02\x03\0\0\0\0\0\0\xF0\x3F\x02hi", 14));
}

TEST(encoding, StopsAtTheEndAndStaysFailed) {
  byte_reader short_text(std::string_view("\x05hi", 3));
  EXPECT_EQ(short_text.text(), "");
  EXPECT_FALSE(short_text.ok());
  EXPECT_EQ(short_text.u8(), 0);
  byte_reader short_real("1234567");
  EXPECT_EQ(short_real.real(), 0);
  EXPECT_FALSE(short_real.ok());
  byte_reader endless("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
  endless.varint();
  EXPECT_FALSE(endless.ok());
  byte_reader above_64_bits("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02");
  above_64_bits.varint();
  EXPECT_FALSE(above_64_bits.ok());
}

TEST(encoding, SealsSmallValuesAsTheyAreAndCompressesLargeOnes) {
  value_sealer sealer;
  value_opener opener;
  sealer.begin(3).append("small");
  const std::string small(sealer.seal());
  EXPECT_EQ(small, std::string_view("\x03\0small", 7));
  const std::string repeated(100'000, 'x');
  sealer.begin(1).append(repeated);
  const std::string large(sealer.seal());
  EXPECT_LT(large.size(), 1000U);
  EXPECT_EQ(opener.open(large).value().payload, repeated);
  EXPECT_EQ(opener.open(small).value().payload, "small");
  EXPECT_EQ(opener.open(small).value().version, 3);
}

TEST(encoding, CompressesFromTwoKilobytesOn) {
  const auto sealed_size = [](size_t size) {
    value_sealer sealer;
    sealer.begin(1).append(std::string(size, 'x'));
    return sealer.seal().size();
  };
  EXPECT_EQ(sealed_size(2048), 2048U + 2U);
  EXPECT_LT(sealed_size(2049), 200U);
}

TEST(encoding, KeepsWhatDoesNotShrink) {
  const auto noise = number_source(1).bytes(10'000);
  value_sealer sealer;
  sealer.begin(1).append(noise);
  const std::string sealed(sealer.seal());
  EXPECT_EQ(sealed.size(), noise.size() + 2);
  EXPECT_EQ(value_opener().open(sealed).value().payload, noise);
}

TEST(encoding, RefusesHeadersThatLie) {
  value_opener opener;
  EXPECT_EQ(opener.open("").error().code, errc::store_unreadable);
  EXPECT_EQ(opener.open("\x01").error().code, errc::store_unreadable);
  EXPECT_EQ(opener.open("\x01\x80payload").error().code, errc::store_incompatible);
  EXPECT_EQ(opener.open("\x01\x01\x05zstd?").error().code, errc::store_unreadable);
  value_sealer sealer;
  sealer.begin(1).append(std::string(5000, 'x'));
  std::string sealed(sealer.seal());
  // The size, a varint after the header: 5000 is 0x88 0x27.
  ASSERT_EQ(sealed.substr(2, 2), "\x88\x27");
  sealed[2] = '\x89';
  EXPECT_EQ(opener.open(sealed).error().code, errc::store_unreadable);
}

TEST(encoding, SurvivesAnyChangeToACompressedValue) {
  value_sealer sealer;
  sealer.begin(1).append(std::string(5000, 'x') + number_source(2).bytes(500));
  const std::string sealed(sealer.seal());
  ASSERT_EQ(sealed[1], 1);
  value_opener opener;
  number_source numbers(3);
  for (int round = 0; round < 20'000; ++round) {
    auto changed = sealed;
    for (uint64_t i = 0; i <= numbers.below(4); ++i)
      changed[numbers.below(changed.size())] = static_cast<char>(numbers.next());
    changed.resize(numbers.below(4) == 0 ? numbers.below(changed.size()) : changed.size());
    const auto opened = opener.open(changed);
    if (opened) {
      EXPECT_LE(opened->payload.size(), max_value_bytes);
    }
  }
}

} // namespace
} // namespace assay::storage
